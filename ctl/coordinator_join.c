#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "ctl/coordinator_state.h"
#include "ctl/jsonrpc.h"

/* What it holds may be what the run waits for, and it is halted like all others. */
static bool may_return(const struct ftp_coordinator *c, const struct ftp_join *join)
{
	return ftp_coordinator_waits(c) && join->newest_term <= c->last_term;
}

/* It was given up before the coordinator was away, and has not heard of it: it would go on. */
static bool is_left_behind(const struct ftp_coordinator *c, const struct ftp_join *join)
{
	return c->state == FTP_RUN_RESUMING && join->term && join->term < c->plan.term &&
	       join->next_term != c->plan.term;
}

/* 0, or an errno with the reason that the node is told. */
static int admit(const struct ftp_coordinator *c, const struct ftp_join *join, uint32_t node,
	struct ftp_error *err)
{
	const char *isa = c->config->training.isa;

	if (c->nodes[node].live)
		return ftp_error_set(err, EEXIST, "%s has already joined: it is pid %lld",
			join->name, (long long)c->nodes[node].join.pid);
	if (join->run && join->run != c->settings.run)
		return ftp_error_set(err, EBUSY, "%s has a part in another run", join->name);
	if (c->state != FTP_RUN_RESUMING && c->state != FTP_RUN_WAITING &&
		c->state != FTP_RUN_TRAINING)
		return ftp_error_set(err, EBUSY, "the run has begun: it is %s",
			ftp_coordinator_state_name(c->state));
	if (join->newest_term && c->state == FTP_RUN_TRAINING && !may_return(c, join))
		return ftp_error_set(err, EBUSY,
			"%s comes back too late: training has gone on without it since term %llu; "
			"start it anew",
			join->name, (unsigned long long)c->plan.term);
	if (is_left_behind(c, join))
		return ftp_error_set(err, EBUSY,
			"%s comes back too late: it trains the plan of term %llu, but that of term "
			"%llu was in force without it; start it anew",
			join->name, (unsigned long long)join->term,
			(unsigned long long)c->plan.term);
	if (c->state == FTP_RUN_TRAINING &&
		ftp_coordinator_stage_of(&c->plan, node) != FTP_NO_NODE &&
		!ftp_coordinator_recovering(c))
		return ftp_error_set(err, EBUSY, "%s was lost, and the run ends", join->name);
	if (memcmp(&join->config, &c->settings.config_digest, sizeof(join->config)))
		return ftp_error_set(err, EINVAL,
			"%s was started with another configuration than the coordinator: give all "
			"of them the same file and the same --set",
			join->name);
	if (ftp_coordinator_isa_rank(join->isa) < 0)
		return ftp_error_set(
			err, EINVAL, "%s names an unknown instruction set", join->name);
	if (c->isa[0])
		isa = c->isa; /* the run has begun with it */
	if (strcmp(isa, "auto") &&
		ftp_coordinator_isa_rank(join->isa) < ftp_coordinator_isa_rank(isa))
		return ftp_error_set(err, EINVAL, "%s has %s at best, but %s %s%s", join->name,
			join->isa, c->isa[0] ? "the run has begun with" : "training.isa asks for",
			isa, c->isa[0] ? "" : ": lower it");
	return 0;
}

/* Later terms are counted on from its own, and later snapshots from its step. */
static int check_numbers(
	const struct ftp_coordinator *c, const struct ftp_join *join, struct ftp_error *err)
{
	uint64_t last_step = c->last_step ? c->last_step : UINT64_MAX; /* not known yet */
	uint64_t most_term = ftp_coordinator_resume_most(c);
	const struct {
		const char *field;
		uint64_t value, most;
	} numbers[] = {
		{"term", join->term, most_term},
		{"next_term", join->next_term, most_term},
		{"newest_term", join->newest_term, most_term},
		{"step", join->step, last_step},
		{"first_row", join->first_row, last_step},
	};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		if (numbers[i].value > numbers[i].most)
			return ftp_error_set(err, EINVAL,
				"%s comes with a %s of %llu, which is above %llu: start it anew",
				join->name, numbers[i].field, (unsigned long long)numbers[i].value,
				(unsigned long long)numbers[i].most);
	return 0;
}

static int check_join(struct ftp_coordinator *c, const json_t *body, struct ftp_join *join,
	uint32_t *node, struct ftp_error *err)
{
	json_int_t protocol = json_integer_value(json_object_get(body, "protocol"));
	int rc;

	*node = FTP_NO_NODE;
	/* Before all other fields: another version may have others. */
	if (protocol != FTP_PROTOCOL_VERSION)
		return ftp_error_set(err, EPROTO,
			"the node speaks protocol %lld, this coordinator (ftpipe " FTP_VERSION
			") speaks %d: install the same version on both",
			(long long)protocol, FTP_PROTOCOL_VERSION);
	rc = ftp_join_decode(join, body, err);
	if (rc)
		return rc;
	ftp_coordinator_one_line(join->name);
	ftp_coordinator_one_line(join->no_data);
	rc = ftp_config_find_node(c->config, join->name);
	if (rc < 0)
		return ftp_error_set(err, ENOENT,
			"there is no node '%s' in this run's configuration", join->name);
	*node = (uint32_t)rc;
	rc = check_numbers(c, join, err);
	return rc ? rc : admit(c, join, *node, err);
}

static struct ftp_emulate configured(const struct ftp_config_emulate *e)
{
	return (struct ftp_emulate){.slowdown = e->slowdown,
		.loss = e->loss,
		.bandwidth_bytes = e->bandwidth_bytes,
		.delay_ns = e->delay_ns};
}

/* The process that is known already, here or by the journal, is as slow as it was. */
static double known_slowness(const struct ftp_coordinator_node *n, const struct ftp_join *join)
{
	return n->joined && n->join.incarnation == join->incarnation ? n->slowness.value : 1;
}

void ftp_coordinator_join(struct ftp_coordinator *c, const struct ftp_event *e, uint64_t now_ns,
	struct ftp_actions *a)
{
	struct ftp_joined joined = {.run = c->settings.run, .row = c->last_row};
	struct ftp_join join;
	struct ftp_coordinator_node *n;
	struct ftp_error err;
	uint32_t node;
	bool profiled, is_new;
	double slowness;

	if (ftp_coordinator_find_conn(c, e->conn) != FTP_NO_NODE) {
		ftp_actions_refuse(a, FTP_JSONRPC_STATE, "this connection has joined already");
		return;
	}
	if (check_join(c, e->body, &join, &node, &err)) {
		if (node != FTP_NO_NODE && !c->nodes[node].joined)
			snprintf(c->nodes[node].refusal, sizeof(c->nodes[node].refusal), "%s",
				err.text);
		ftp_actions_log(a, FTP_LOG_WARNING, "a node was refused: %s", err.text);
		ftp_actions_refuse(a, FTP_JSONRPC_STATE, err.text);
		ftp_actions_add(a, FTP_ACTION_CLOSE)->conn = e->conn;
		return;
	}
	n = &c->nodes[node];
	is_new = !n->joined;
	profiled = n->profiled; /* by an earlier process: better than nothing */
	slowness = known_slowness(n, &join);
	memset(n, 0, offsetof(struct ftp_coordinator_node, profile));
	n->profiled = profiled;
	ftp_detector_restart(&n->detector, now_ns);
	c->change.slowness[node] = 0; /* of the process before this one */
	n->joined = n->live = true;
	n->conn = e->conn;
	n->join = join;
	n->emulate = configured(&c->config->nodes[node].emulate);
	ftp_slowness_init(&n->slowness, slowness);
	n->told_slowness = n->planned_slowness = n->judged_slowness = slowness;
	joined.node = node;
	memcpy(joined.isa, c->isa, sizeof(joined.isa));
	ftp_actions_log(a, FTP_LOG_INFO, "%s joined: pid %lld, %u cores, %s, %s", join.name,
		(long long)join.pid, join.n_cores, join.isa, join.cpu);
	ftp_actions_reply(a, ftp_joined_encode(&joined));
	ftp_coordinator_event_node(c, "join", node, "pid", json_integer(join.pid), now_ns, a);
	if (c->state == FTP_RUN_RESUMING && is_new) /* the run has never had it */
		c->newcomers |= FTP_NODE_BIT(node);
	if (c->state == FTP_RUN_TRAINING) {
		ftp_coordinator_joined_late(c, node, now_ns, a);
		return;
	}
	ftp_coordinator_resume_joined(c, node, now_ns, a);
	ftp_coordinator_start_ready(c, now_ns, a);
}
