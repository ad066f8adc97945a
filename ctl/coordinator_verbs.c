/* What the operator asks of a run that trains: another plan, the leave of a node, drills. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/coordinator_state.h"
#include "ctl/cuts.h"
#include "ctl/drill.h"
#include "ctl/jsonrpc.h"
#include "ctl/protocol_operator.h"
#include "ctl/units.h"

static void refuse(struct ftp_actions *a, const struct ftp_error *err)
{
	ftp_actions_refuse(a, FTP_JSONRPC_STATE, err->text);
}

static int find_node(const struct ftp_coordinator *c, const char *name, struct ftp_error *err)
{
	int node = ftp_config_find_node(c->config, name);

	if (node < 0)
		return ftp_error_set(
			err, ENOENT, "there is no node '%.32s' in this run's configuration", name);
	if (!c->nodes[node].live || c->nodes[node].leaving)
		return ftp_error_set(err, ENOENT, "%s is not in the run", name);
	return node;
}

/* text is changed. */
static int parse_nodes(const struct ftp_coordinator *c, char *text, struct ftp_planner_plan *target,
	struct ftp_error *err)
{
	uint64_t seen = 0;
	char *save, *name;

	target->n_stages = 0;
	for (name = strtok_r(text, ",", &save); name; name = strtok_r(NULL, ",", &save)) {
		int node = find_node(c, name, err);

		if (node < 0)
			return node;
		if (c->nodes[node].measuring)
			return ftp_error_set(err, EBUSY, "%s is being measured", name);
		if (seen & FTP_NODE_BIT(node))
			return ftp_error_set(err, EINVAL, "%s is there twice", name);
		seen |= FTP_NODE_BIT(node);
		target->node[target->n_stages++] = (uint32_t)node;
	}
	if (!target->n_stages)
		return ftp_error_set(err, EINVAL, "expected at least one node");
	if (!ftp_coordinator_with_data(c, FTP_NODE_BIT(target->node[0])))
		return ftp_error_set(err, EINVAL,
			"%s does not hold the run's data: it cannot be the first of the nodes",
			c->config->nodes[target->node[0]].name);
	return 0;
}

/* As many nodes as the cuts need: those of the plan in force first, then idle ones. */
static int default_nodes(const struct ftp_coordinator *c, const char *cuts,
	struct ftp_planner_plan *target, struct ftp_error *err)
{
	uint32_t list[FTP_PLANNER_MAX_NODES], n_cuts, n = 0;
	uint64_t others = ftp_coordinator_usable(c) & ~ftp_coordinator_stages(&c->plan);
	int rc = ftp_cuts_parse(cuts, list, FTP_PLANNER_MAX_NODES - 1, &n_cuts, err);

	if (rc)
		return rc;
	for (uint32_t i = 0; i < c->plan.n_stages; i++)
		target->node[n++] = c->plan.stages[i].node;
	for (uint32_t i = 0; i < c->n_nodes; i++)
		if (others & FTP_NODE_BIT(i))
			target->node[n++] = i;
	if (n_cuts + 1 > n)
		return ftp_error_set(err, EINVAL, "%u cuts need %u nodes; %u are in the run",
			n_cuts, n_cuts + 1, n);
	target->n_stages = n_cuts + 1;
	return 0;
}

/* The planner's choice among all nodes, or for those given in their order. */
static int choose_best(struct ftp_coordinator *c, const struct ftp_repartition *m,
	struct ftp_planner_plan *target, struct ftp_error *err)
{
	struct ftp_coordinator_verdict v;
	int rc = ftp_coordinator_judge(
		c, ftp_coordinator_usable(c), m->nodes[0] ? target : NULL, &v, err);

	if (rc)
		return rc;
	if (!v.pays && !v.same && !m->force)
		return ftp_error_set(err, EINVAL, "%s; --force does it all the same", v.why);
	*target = v.best.plan;
	return 0;
}

static bool all_measured(const struct ftp_coordinator *c)
{
	uint64_t nodes = ftp_coordinator_usable(c) | ftp_coordinator_stages(&c->plan);

	for (uint32_t i = 0; i < c->n_nodes; i++)
		if (nodes & FTP_NODE_BIT(i) && !c->nodes[i].profiled)
			return false;
	return true;
}

static int choose(struct ftp_coordinator *c, struct ftp_repartition *m,
	struct ftp_planner_plan *target, struct ftp_error *err)
{
	char nodes[sizeof(m->nodes)];
	int rc = 0;

	memcpy(nodes, m->nodes, sizeof(nodes));
	if (m->nodes[0])
		rc = parse_nodes(c, nodes, target, err);
	else if (m->cuts[0])
		rc = default_nodes(c, m->cuts, target, err);
	if (rc)
		return rc;
	if (m->cuts[0])
		return ftp_coordinator_plan_cuts(c, m->cuts, target, err);
	if (all_measured(c))
		return choose_best(c, m, target, err);
	if (!m->nodes[0])
		ftp_coordinator_plan_nodes(c, ftp_coordinator_usable(c), target);
	return ftp_coordinator_plan_equal(c, target, err);
}

void ftp_coordinator_repartition(struct ftp_coordinator *c, const struct ftp_event *e,
	uint64_t now_ns, struct ftp_actions *a)
{
	struct ftp_planner_plan target;
	struct ftp_repartition m;
	struct ftp_error err;

	if (ftp_repartition_decode(&m, e->body, &err)) {
		ftp_actions_refuse(a, FTP_JSONRPC_PARAMS, err.text);
		return;
	}
	ftp_coordinator_one_line(m.cuts);
	ftp_coordinator_one_line(m.nodes);
	if (ftp_coordinator_change_check(c, &err) || choose(c, &m, &target, &err)) {
		refuse(a, &err);
	} else if (ftp_coordinator_in_force(c, &target)) {
		ftp_actions_refuse(a, FTP_JSONRPC_STATE, "this plan is in force already");
	} else {
		ftp_actions_reply(a, json_object());
		ftp_coordinator_change_begin(
			c, FTP_CAUSE_ASKED, "the operator asked for it", &target, now_ns, a);
	}
}

void ftp_coordinator_dismiss(
	struct ftp_coordinator *c, uint32_t node, uint64_t now_ns, struct ftp_actions *a)
{
	const struct ftp_stop m = {.reason = "drained"};

	c->nodes[node].draining = false;
	c->nodes[node].leaving = true;
	ftp_actions_log(a, FTP_LOG_INFO, "%s is drained: it holds nothing and leaves",
		c->config->nodes[node].name);
	ftp_actions_call(a, c->nodes[node].conn, FTP_METHOD_STOP, ftp_stop_encode(&m), 0,
		now_ns + FTP_COORDINATOR_STOP_NS);
}

static int check_drain(const struct ftp_coordinator *c, const char *name, struct ftp_error *err)
{
	int node = find_node(c, name, err);
	bool free;

	if (node < 0)
		return node;
	if (!ftp_coordinator_with_data(c, ftp_coordinator_usable(c) & ~FTP_NODE_BIT(node)))
		return ftp_error_set(err, EINVAL,
			"%s holds the data, and no other node does: it cannot be drained; stop the "
			"run instead",
			name);
	free = c->state == FTP_RUN_TRAINING &&
	       ftp_coordinator_stage_of(&c->plan, (uint32_t)node) == FTP_NO_NODE &&
	       !(c->change.phase && c->change.members & FTP_NODE_BIT(node));
	return free || !ftp_coordinator_change_check(c, err) ? node : -EBUSY;
}

void ftp_coordinator_drain(struct ftp_coordinator *c, const struct ftp_event *e, uint64_t now_ns,
	struct ftp_actions *a)
{
	struct ftp_planner_plan target;
	struct ftp_named m;
	struct ftp_error err;
	char reason[64];
	int node, rc = 0;

	if (ftp_named_decode(&m, e->body, &err)) {
		ftp_actions_refuse(a, FTP_JSONRPC_PARAMS, err.text);
		return;
	}
	ftp_coordinator_one_line(m.name);
	node = check_drain(c, m.name, &err);
	if (node < 0) {
		refuse(a, &err);
		return;
	}
	if (ftp_coordinator_stage_of(&c->plan, (uint32_t)node) == FTP_NO_NODE) {
		ftp_actions_reply(a, json_object());
		ftp_coordinator_event_node(c, "drain", (uint32_t)node, NULL, NULL, now_ns, a);
		ftp_coordinator_dismiss(c, (uint32_t)node, now_ns, a);
		return;
	}
	c->nodes[node].draining = true;
	rc = ftp_coordinator_plan_again(c, &target, &err);
	if (rc) {
		c->nodes[node].draining = false;
		ftp_error_prefix(&err, rc, "%s cannot be drained", m.name);
		refuse(a, &err);
		return;
	}
	ftp_actions_reply(a, json_object());
	ftp_coordinator_event_node(c, "drain", (uint32_t)node, NULL, NULL, now_ns, a);
	snprintf(reason, sizeof(reason), "%s is drained", m.name);
	ftp_coordinator_change_begin(c, FTP_CAUSE_DRAIN, reason, &target, now_ns, a);
}

void ftp_coordinator_snapshots_switch(struct ftp_coordinator *c, const struct ftp_event *e,
	uint64_t now_ns, struct ftp_actions *a)
{
	struct ftp_toggle m;
	struct ftp_error err;

	if (ftp_toggle_decode(&m, e->body, &err)) {
		ftp_actions_refuse(a, FTP_JSONRPC_PARAMS, err.text);
	} else if (!c->config->snapshot.every) {
		ftp_actions_refuse(a, FTP_JSONRPC_STATE,
			"snapshot.every is 0 in this run's configuration: it has no snapshots");
	} else {
		ftp_actions_reply(a, json_object());
		ftp_coordinator_snapshots_turn(c, m.on, now_ns, a);
	}
}

static int read_factor(const char *value, double least, double below, double *out)
{
	char *end;

	*out = strtod(value, &end);
	return end == value || *end || !(*out >= least && *out < below) ? -EINVAL : 0;
}

static int read_slowdown(struct ftp_emulate *m, const char *value)
{
	return read_factor(value, 1, 1000.000001, &m->slowdown);
}

static int read_loss(struct ftp_emulate *m, const char *value)
{
	return read_factor(value, 0, 1, &m->loss);
}

static int read_bandwidth(struct ftp_emulate *m, const char *value)
{
	return ftp_units_parse(FTP_UNITS_RATE, value, &m->bandwidth_bytes);
}

static int read_delay(struct ftp_emulate *m, const char *value)
{
	return ftp_units_parse(FTP_UNITS_DURATION, value, &m->delay_ns);
}

static const struct {
	const char *key, *expected;
	int (*read)(struct ftp_emulate *m, const char *value);
} emulations[] = {
	{"slowdown", "a number from 1 to 1000", read_slowdown},
	{"loss", "a number from 0 to below 1", read_loss},
	{"bandwidth", "a rate with its unit, e.g. 1Gbit; 0: no limit", read_bandwidth},
	{"delay", "a duration with its unit, e.g. 2ms", read_delay},
};

static int set_emulation(struct ftp_emulate *m, const char *key, struct ftp_error *err)
{
	const size_t n = sizeof(emulations) / sizeof(*emulations);
	char *value = strchr(key, '=');

	if (value)
		*value++ = 0;
	for (size_t i = 0; i < n; i++) {
		if (strcmp(key, emulations[i].key))
			continue;
		if (!value || emulations[i].read(m, value))
			return ftp_error_set(err, EINVAL, "%s: expected %s, got '%s'", key,
				emulations[i].expected, value ? value : "");
		return 0;
	}
	return ftp_error_set(err, EINVAL,
		"'%s': expected slowdown, loss, bandwidth or delay, each with its =VALUE", key);
}

static int parse_emulate(char *text, struct ftp_emulate *m, struct ftp_error *err)
{
	char *save, *key = strtok_r(text, ",", &save);
	int rc = key ? 0 : ftp_error_set(err, EINVAL, "expected KEY=VALUE, e.g. slowdown=5");

	for (; key && !rc; key = strtok_r(NULL, ",", &save))
		rc = set_emulation(m, key, err);
	return rc;
}

static bool is_drill(
	const struct ftp_coordinator *c, const char *consequence, struct ftp_actions *a)
{
	char text[160];

	if (c->settings.drill)
		return true;
	snprintf(text, sizeof(text), "the run was not started with --drill: %s", consequence);
	ftp_actions_refuse(a, FTP_JSONRPC_STATE, text);
	return false;
}

void ftp_coordinator_emulate(struct ftp_coordinator *c, const struct ftp_event *e, uint64_t now_ns,
	struct ftp_actions *a)
{
	struct ftp_emulate_ask ask;
	struct ftp_emulate m;
	struct ftp_error err;
	int node;

	if (ftp_emulate_ask_decode(&ask, e->body, &err)) {
		ftp_actions_refuse(a, FTP_JSONRPC_PARAMS, err.text);
		return;
	}
	if (!is_drill(c, "it emulates only what its configuration says", a))
		return;
	ftp_coordinator_one_line(ask.name);
	ftp_coordinator_one_line(ask.settings);
	node = find_node(c, ask.name, &err);
	if (node >= 0)
		m = c->nodes[node].emulate;
	if (node < 0 || parse_emulate(ask.settings, &m, &err)) {
		refuse(a, &err);
		return;
	}
	c->nodes[node].emulate = m;
	ftp_actions_reply(a, json_object());
	ftp_actions_log(a, FTP_LOG_INFO,
		"%s emulates: slowdown %g, loss %g, bandwidth %llu B/s, delay %llu ns", ask.name,
		m.slowdown, m.loss, (unsigned long long)m.bandwidth_bytes,
		(unsigned long long)m.delay_ns);
	ftp_coordinator_event_emulate(c, (uint32_t)node, now_ns, a);
	ftp_actions_call(a, c->nodes[node].conn, FTP_METHOD_EMULATE, ftp_emulate_encode(&m), 0,
		now_ns + FTP_COORDINATOR_COMMIT_NS);
}

/* A node is told to, so that it works wherever that runs. */
static void fail_node(struct ftp_coordinator *c, uint32_t node, const char *how, uint64_t now_ns,
	struct ftp_actions *a)
{
	struct ftp_fail m;

	snprintf(m.how, sizeof(m.how), "%s", how);
	ftp_actions_call(a, c->nodes[node].conn, FTP_METHOD_FAIL, ftp_fail_encode(&m), 0,
		now_ns + FTP_COORDINATOR_COMMIT_NS);
}

void ftp_coordinator_fail(struct ftp_coordinator *c, const struct ftp_event *e, uint64_t now_ns,
	struct ftp_actions *a)
{
	struct ftp_fail_ask ask;
	struct ftp_error err;
	bool is_self;
	int node = 0;

	if (ftp_fail_ask_decode(&ask, e->body, &err)) {
		ftp_actions_refuse(a, FTP_JSONRPC_PARAMS, err.text);
		return;
	}
	if (!is_drill(c, "nothing in it fails on purpose", a))
		return;
	ftp_coordinator_one_line(ask.name);
	ftp_coordinator_one_line(ask.how);
	is_self = !strcmp(ask.name, "coordinator");
	if (!ftp_drill_signal(ask.how))
		node = ftp_error_set(&err, EINVAL, "'%s': expected " FTP_DRILL_HOWS, ask.how);
	else if (!is_self)
		node = find_node(c, ask.name, &err);
	if (node < 0) {
		refuse(a, &err);
		return;
	}
	ftp_actions_reply(a, json_object());
	ftp_actions_log(a, FTP_LOG_INFO, "drill: %s fails: %s", ask.name, ask.how);
	ftp_coordinator_event(
		c, "fail", json_pack("{s:s, s:s}", "node", ask.name, "how", ask.how), now_ns, a);
	if (is_self)
		ftp_actions_add(a, FTP_ACTION_RAISE)->code = ftp_drill_signal(ask.how);
	else
		fail_node(c, (uint32_t)node, ask.how, now_ns, a);
}
