/* The verbs that change a run that is going on: each asks the coordinator, and waits until what it
 * asked for has taken effect. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ctl/document.h"
#include "ctl/drill.h"
#include "ctl/events.h"
#include "ctl/ftpctl.h"
#include "ctl/ftpctl_run.h"
#include "ctl/lock.h"
#include "ctl/protocol.h"
#include "ctl/protocol_operator.h"
#include "runtime/base/clock.h"

#define ASK_NS	       (5 * FTP_NS_PER_S)
#define LOOK_EVERY_NS  (50 * FTP_NS_PER_MS)
#define CHANGE_WAIT_NS (120 * FTP_NS_PER_S)
#define EMULATE_NS     (15 * FTP_NS_PER_S)

struct change {
	const struct ftp_options *o;
	struct ftp_ftpctl_run run;
	const char *node;		     /* that it is about; NULL: all */
	uint64_t events;		     /* read up to here */
	json_t *repartition;		     /* the last since the verb began; NULL: none */
	json_t *emulate, *fail, *plan, *end; /* likewise */
	bool abandoned;
	bool may_not_answer; /* it is the coordinator that is to fail */
};

static void keep(json_t **kept, const json_t *event)
{
	json_decref(*kept);
	*kept = json_deep_copy(event);
}

static void on_event(void *arg, const char *kind, const json_t *event)
{
	struct change *c = arg;

	if (!strcmp(kind, "repartition")) {
		keep(&c->repartition, event);
		c->abandoned = strcmp(ftp_document_text(event, "outcome"), "committed") != 0;
	} else if (!strcmp(kind, "emulate") && c->node &&
		   !strcmp(ftp_document_text(event, "node"), c->node)) {
		keep(&c->emulate, event);
	} else if (!strcmp(kind, "plan")) {
		keep(&c->plan, event);
	} else if (!strcmp(kind, "fail") && c->node &&
		   !strcmp(ftp_document_text(event, "node"), c->node)) {
		keep(&c->fail, event);
	} else if (!strcmp(kind, "end")) {
		keep(&c->end, event);
	}
}

static enum ftp_exit fail_with_event(const struct change *c, enum ftp_exit code, const json_t *e)
{
	char text[1024];

	ftp_events_describe(e, text, sizeof(text));
	return ftp_ftpctl_fail(c->o, code, text);
}

/* The plan in force has no stage on the node, and its process has ended. */
static bool is_drained(struct change *c)
{
	json_t *status = NULL;
	const json_t *node;
	bool drained;

	if (ftp_ftpctl_ask(&c->run, FTP_METHOD_STATUS, NULL, ASK_NS, &status, NULL))
		return false;
	node = ftp_document_find(json_object_get(status, "nodes"), "name", c->node);
	drained = !ftp_document_find(json_object_get(status, "stages"), "node", c->node) &&
		  (!strcmp(ftp_document_text(node, "state"), "gone") ||
			  !strcmp(ftp_document_text(node, "state"), "drained"));
	json_decref(status);
	return drained;
}

static bool is_answered(struct change *c)
{
	(void)c;
	return true;
}

static bool is_repartitioned(struct change *c)
{
	return c->repartition;
}

static bool is_emulated(struct change *c)
{
	return c->emulate;
}

static bool is_planned(struct change *c)
{
	return c->plan;
}

static bool is_failed(struct change *c)
{
	return c->fail;
}

/* Asks for the change and waits for its effect. */
static enum ftp_exit ask_and_wait(struct change *c, const char *method, json_t *params,
	uint64_t wait_ns, bool (*done)(struct change *c))
{
	uint64_t deadline_ns = ftp_clock_now_ns() + (c->o->timeout_ns ? c->o->timeout_ns : wait_ns);
	json_t *answer = NULL;
	struct ftp_error err;
	char text[160];
	int rc;

	c->events = ftp_events_end(&c->run.dir);
	rc = ftp_ftpctl_ask(
		&c->run, method, params, c->may_not_answer ? FTP_NS_PER_S : ASK_NS, &answer, &err);
	json_decref(answer);
	if (rc && !(c->may_not_answer && rc != -EPROTO))
		return ftp_ftpctl_fail(
			c->o, rc == -EPROTO ? FTP_EXIT_FAILURE : FTP_EXIT_DEGRADED, err.text);
	for (;;) {
		c->events = ftp_events_read(&c->run.dir, c->events, on_event, c);
		if (c->abandoned)
			return fail_with_event(c, FTP_EXIT_FAILURE, c->repartition);
		if (done(c))
			return FTP_EXIT_OK;
		if (c->end)
			return fail_with_event(c, FTP_EXIT_NOT_RUNNING, c->end);
		if (!ftp_lock_holder(c->run.data_dir))
			return ftp_ftpctl_not_running(&c->run, c->o);
		if (ftp_clock_now_ns() >= deadline_ns)
			break;
		ftp_clock_sleep_ns(LOOK_EVERY_NS);
	}
	snprintf(text, sizeof(text), "%s was accepted but has not taken effect in time", method);
	return ftp_ftpctl_fail(c->o, FTP_EXIT_TIMED_OUT, text);
}

/* The line, or the document, of a change that has taken effect. */
static void report(const struct change *c, const char *line, const json_t *event)
{
	char text[1024];

	ftp_events_describe(event, text, sizeof(text));
	if (c->o->json)
		ftp_ftpctl_print_json(json_pack("{s:b, s:s, s:s?, s:O?, s:O?, s:O?}", "ok", 1,
			"run", c->run.dir.id, "node", c->node, "repartition", c->repartition,
			"emulate", c->emulate, "fail", c->fail));
	else
		printf("%s%s%s\n", line, line[0] && text[0] ? "; " : "", text);
}

static int begin(struct change *c, const struct ftp_options *o)
{
	*c = (struct change){.o = o, .node = o->n_operands ? o->operands[0] : NULL};
	if (c->node && strlen(c->node) >= sizeof(((struct ftp_named *)0)->name))
		return ftp_ftpctl_fail(o, FTP_EXIT_USAGE, "a node's name has 1 to 32 characters");
	return ftp_ftpctl_find_live(&c->run, o);
}

static int end(struct change *c, int rc)
{
	json_decref(c->repartition);
	json_decref(c->emulate);
	json_decref(c->plan);
	json_decref(c->fail);
	json_decref(c->end);
	return rc;
}

int ftp_ftpctl_drain(const struct ftp_options *o)
{
	struct ftp_named m = {.name = ""};
	struct change c;
	char line[80];
	int rc = begin(&c, o);

	if (rc)
		return rc;
	snprintf(m.name, sizeof(m.name), "%s", c.node);
	snprintf(line, sizeof(line), "%s is drained", c.node);
	rc = ask_and_wait(&c, FTP_METHOD_DRAIN, ftp_named_encode(&m), CHANGE_WAIT_NS, is_drained);
	if (!rc)
		report(&c, line, c.repartition);
	return end(&c, rc);
}

/* Another try may end where it began: only of the beginning is it known that training follows. */
int ftp_ftpctl_recover(const struct ftp_options *o)
{
	const struct ftp_recover m = {.from_beginning = o->from_beginning};
	struct change c;
	int rc;

	rc = begin(&c, o);
	if (rc)
		return rc;
	rc = ask_and_wait(&c, FTP_METHOD_RECOVER, ftp_recover_encode(&m), CHANGE_WAIT_NS,
		o->from_beginning ? is_planned : is_answered);
	if (!rc && o->from_beginning)
		report(&c, "training goes on", c.plan);
	else if (!rc)
		report(&c, "tried again: ftpctl status says what comes of it", NULL);
	return end(&c, rc);
}

/* The coordinator answers when it is so: there is nothing to wait for. */
int ftp_ftpctl_snapshots(const struct ftp_options *o)
{
	struct ftp_toggle m = {.on = !strcmp(o->operands[0], "on")};
	struct change c;
	int rc;

	if (!m.on && strcmp(o->operands[0], "off"))
		return ftp_ftpctl_fail(o, FTP_EXIT_USAGE, "expected on or off");
	rc = begin(&c, o);
	if (rc)
		return rc;
	c.node = NULL;
	rc = ask_and_wait(
		&c, FTP_METHOD_SNAPSHOTS, ftp_toggle_encode(&m), CHANGE_WAIT_NS, is_answered);
	if (!rc)
		report(&c, m.on ? "snapshots are taken" : "snapshots are off: none is taken", NULL);
	return end(&c, rc);
}

int ftp_ftpctl_repartition(const struct ftp_options *o)
{
	const char *cuts = o->cuts ? o->cuts : "", *nodes = o->nodes ? o->nodes : "";
	struct ftp_repartition m = {.force = o->force};
	struct change c;
	int rc;

	if (strlen(cuts) >= sizeof(m.cuts) || strlen(nodes) >= sizeof(m.nodes))
		return ftp_ftpctl_fail(o, FTP_EXIT_USAGE, "--cuts, --nodes: too long a list");
	strcpy(m.cuts, cuts);
	strcpy(m.nodes, nodes);
	rc = begin(&c, o);
	if (rc)
		return rc;
	rc = ask_and_wait(&c, FTP_METHOD_REPARTITION, ftp_repartition_encode(&m), CHANGE_WAIT_NS,
		is_repartitioned);
	if (!rc)
		report(&c, "", c.repartition);
	return end(&c, rc);
}

/* "slowdown=5 delay=2ms" of the command line as "slowdown=5,delay=2ms". */
static int join_settings(const struct ftp_options *o, char *text, size_t bytes)
{
	size_t n = 0;

	for (int i = 1; i < o->n_operands; i++) {
		if (!strchr(o->operands[i], '='))
			return -EINVAL;
		n += (size_t)snprintf(
			text + n, bytes - n, "%s%s", i > 1 ? "," : "", o->operands[i]);
		if (n >= bytes)
			return -EINVAL;
	}
	return 0;
}

int ftp_ftpctl_emulate(const struct ftp_options *o)
{
	struct ftp_emulate_ask m = {.name = ""};
	struct change c;
	int rc;

	if (join_settings(o, m.settings, sizeof(m.settings)))
		return ftp_ftpctl_fail(o, FTP_EXIT_USAGE,
			"expected settings like slowdown=5 delay=2ms loss=0.01 bandwidth=1Gbit");
	rc = begin(&c, o);
	if (rc)
		return rc;
	snprintf(m.name, sizeof(m.name), "%s", c.node);
	rc = ask_and_wait(
		&c, FTP_METHOD_SET_EMULATE, ftp_emulate_ask_encode(&m), EMULATE_NS, is_emulated);
	if (!rc)
		report(&c, "", c.emulate);
	return end(&c, rc);
}

int ftp_ftpctl_fail_node(const struct ftp_options *o)
{
	const char *how = o->how ? o->how : FTP_DRILL_DEFAULT;
	struct ftp_fail_ask m = {.name = ""};
	struct change c;
	int rc;

	if (!ftp_drill_signal(how))
		return ftp_ftpctl_fail(o, FTP_EXIT_USAGE, "--how: expected " FTP_DRILL_HOWS);
	strcpy(m.how, how);
	rc = begin(&c, o);
	if (rc)
		return rc;
	snprintf(m.name, sizeof(m.name), "%s", c.node);
	c.may_not_answer = !strcmp(c.node, "coordinator");
	rc = ask_and_wait(&c, FTP_METHOD_SET_FAIL, ftp_fail_ask_encode(&m), EMULATE_NS, is_failed);
	if (!rc)
		report(&c, "", c.fail);
	return end(&c, rc);
}
