/* What the operator asks in a life. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/protocol_operator.h"
#include "tests/ctl/life_state.h"

void life_on_repartition(struct life *l, const char *args)
{
	struct ftp_repartition m = {.force = 0};

	ftp_assert(sscanf(args, "%100s %100s %u", m.cuts, m.nodes, &m.force) == 3);
	if (m.cuts[0] == '-')
		m.cuts[0] = 0;
	if (m.nodes[0] == '-')
		m.nodes[0] = 0;
	life_request(l, 99, FTP_METHOD_REPARTITION, ftp_repartition_encode(&m), true);
}

void life_on_drain(struct life *l, const char *args)
{
	struct ftp_named m;

	snprintf(m.name, sizeof(m.name), "%s", args);
	life_request(l, 99, FTP_METHOD_DRAIN, ftp_named_encode(&m), true);
}

/* No more snapshots, or again. */
void life_on_toggle(struct life *l, const char *args)
{
	const struct ftp_toggle m = {.on = !strcmp(args, "on")};

	life_request(l, 99, FTP_METHOD_SNAPSHOTS, ftp_toggle_encode(&m), true);
}

void life_on_emulate(struct life *l, const char *args)
{
	struct ftp_emulate_ask m = {.settings = ""};

	ftp_assert(sscanf(args, "%32s %200s", m.name, m.settings) >= 1);
	life_request(l, 99, FTP_METHOD_SET_EMULATE, ftp_emulate_ask_encode(&m), true);
}

void life_on_fail(struct life *l, const char *args)
{
	struct ftp_fail_ask m = {.how = ""};

	ftp_assert(sscanf(args, "%32s %15s", m.name, m.how) >= 1);
	life_request(l, 99, FTP_METHOD_SET_FAIL, ftp_fail_ask_encode(&m), true);
}

void life_on_status(struct life *l, const char *args)
{
	struct ftp_event e = {.kind = FTP_EVENT_REQUEST, .conn = 99, .method = FTP_METHOD_STATUS};
	json_t *j;

	(void)args;
	ftp_coordinator_step(l->core, &e, l->now_ns, &l->actions);
	j = json_copy(l->actions.items[0].body);
	json_object_del(j, "nodes");
	json_object_del(j, "stages");
	fprintf(l->trace, "  ");
	json_dumpf(j, l->trace, JSON_COMPACT | JSON_REAL_PRECISION(6));
	fprintf(l->trace, "\n");
	json_decref(j);
	ftp_actions_clear(&l->actions);
}

void life_on_plan(struct life *l, const char *args)
{
	const struct ftp_event e = {
		.kind = FTP_EVENT_REQUEST, .conn = 99, .method = FTP_METHOD_PLAN};

	(void)args;
	ftp_coordinator_step(l->core, &e, l->now_ns, &l->actions);
	fprintf(l->trace, "  ");
	json_dumpf(l->actions.items[0].body, l->trace, JSON_COMPACT | JSON_REAL_PRECISION(4));
	fprintf(l->trace, "\n");
	ftp_actions_clear(&l->actions);
}

void life_on_stop(struct life *l, const char *args)
{
	(void)args;
	life_request(l, 99, FTP_METHOD_END, json_object(), true);
}

void life_on_recover(struct life *l, const char *args)
{
	const struct ftp_recover m = {.from_beginning = !strcmp(args, "from-beginning")};

	life_request(l, 99, FTP_METHOD_RECOVER, ftp_recover_encode(&m), true);
}
