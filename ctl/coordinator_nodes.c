/* What nodes, ftpctl and the supervisor ask and tell. All of it comes from outside: it is decoded
 * within bounds, and what does not fit the state, the term or the sender is refused or dropped. */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/coordinator_state.h"
#include "ctl/jsonrpc.h"

uint32_t ftp_coordinator_find_conn(const struct ftp_coordinator *c, uint32_t conn)
{
	for (uint32_t i = 0; i < c->n_nodes; i++)
		if (c->nodes[i].live && c->nodes[i].conn == conn)
			return i;
	return FTP_NO_NODE;
}

/* What the node is to send, and nothing else. */
static bool take_digests(struct ftp_coordinator *c, uint32_t node, const struct ftp_held *m)
{
	const struct ftp_plan *p = &c->change.plan;

	for (uint32_t i = 0; i < m->n_units; i++) {
		uint32_t u = m->unit[i];

		if (u >= p->n_units || ftp_plan_member(p, p->holder[u])->node != node)
			return false;
		c->change.digested[u] = true;
		c->change.digest[u] = m->digest[i];
	}
	return true;
}

static int on_held(struct ftp_coordinator *c, uint32_t node, const json_t *body, uint64_t now_ns,
	struct ftp_actions *a, struct ftp_error *err)
{
	struct ftp_held m;
	int rc = ftp_held_decode(&m, body, err);

	if (rc)
		return rc;
	if (c->change.phase != FTP_CHANGE_HOLDING || m.term != c->plan.term ||
		!(c->change.awaited & FTP_NODE_BIT(node)))
		ftp_actions_log(a, FTP_LOG_DEBUG, "dropped a late " FTP_METHOD_HELD);
	else if (m.step != c->change.step || !take_digests(c, node, &m))
		ftp_coordinator_change_abandon(c, FTP_EVIDENCE_TOLD, now_ns, a,
			"%s holds at step %llu, or other units than it was asked for",
			c->config->nodes[node].name, (unsigned long long)m.step);
	else
		ftp_coordinator_change_done(c, node, now_ns, a);
	return 0;
}

static int on_evaluated(struct ftp_coordinator *c, uint32_t node, const json_t *body,
	uint64_t now_ns, struct ftp_actions *a, struct ftp_error *err)
{
	struct ftp_evaluated m;
	int rc = ftp_evaluated_decode(&m, body, err);

	if (rc || !ftp_coordinator_in_training(c, node, m.term, FTP_METHOD_EVALUATED, a))
		return rc;
	if (!ftp_coordinator_is_last(c, node) || !m.n_samples || m.n_correct > m.n_samples ||
		m.step > c->last_step)
		return ftp_error_set(err, EPROTO, "an evaluation that cannot be");
	c->evaluated = true;
	c->evaluation = m;
	ftp_detector_restart(&c->nodes[node].detector, now_ns);
	ftp_actions_log(a, FTP_LOG_INFO, "step %llu: test accuracy %.4f, test loss %.4f",
		(unsigned long long)m.step, (double)m.n_correct / (double)m.n_samples, m.loss);
	return 0;
}

static int check_finished(const struct ftp_coordinator *c, uint32_t node,
	const struct ftp_finished *m, struct ftp_error *err)
{
	if (m->step != c->last_step)
		return ftp_error_set(err, EPROTO, "finished at step %llu of %llu",
			(unsigned long long)m->step, (unsigned long long)c->last_step);
	if (node == ftp_coordinator_central(c) && strlen(m->params_digest) != FTP_DIGEST_HEX - 1)
		return ftp_error_set(err, EPROTO, "finished without the parameters' digest");
	if (ftp_coordinator_is_last(c, node) && c->last_row != m->step)
		return ftp_error_set(err, EPROTO,
			"finished, but the last loss is that of step %llu",
			(unsigned long long)c->last_row);
	if (ftp_coordinator_is_last(c, node) && c->plan.n_eval &&
		(!c->evaluated || c->evaluation.step != m->step))
		return ftp_error_set(err, EPROTO, "finished without the last evaluation");
	return 0;
}

static int on_finished(struct ftp_coordinator *c, uint32_t node, const json_t *body,
	uint64_t now_ns, struct ftp_actions *a, struct ftp_error *err)
{
	struct ftp_finished m;
	int rc = ftp_finished_decode(&m, body, err);

	if (rc || !ftp_coordinator_in_training(c, node, m.term, FTP_METHOD_FINISHED, a))
		return rc;
	rc = check_finished(c, node, &m, err);
	if (rc)
		return rc;
	c->nodes[node].finished = true;
	c->nodes[node].train_s = m.train_s;
	c->nodes[node].step = m.step;
	c->computed_ns = now_ns;
	if (node == ftp_coordinator_central(c))
		memcpy(c->params_digest, m.params_digest, sizeof(c->params_digest));
	if (ftp_coordinator_change_open(c) && !ftp_coordinator_recovering(c))
		ftp_coordinator_change_abandon(
			c, FTP_EVIDENCE_NONE, now_ns, a, "the run is at its end");
	for (uint32_t i = 0; i < c->plan.n_stages; i++)
		if (!c->nodes[c->plan.stages[i].node].finished)
			return 0;
	/* An earlier sign of failure stands: a node that is gone may be gone for a reason. */
	if (c->verdict_ns == FTP_NS_NEVER)
		ftp_coordinator_finish(c, FTP_END_COMPLETED, "", now_ns, a);
	return 0;
}

static int on_failed(struct ftp_coordinator *c, uint32_t node, const json_t *body, uint64_t now_ns,
	struct ftp_actions *a, struct ftp_error *err)
{
	struct ftp_failed m;
	int rc = ftp_failed_decode(&m, body, err);

	if (rc)
		return rc;
	ftp_coordinator_one_line(m.reason);
	ftp_coordinator_blame(c, node, FTP_EVIDENCE_TOLD, now_ns, a, "%s (pid %lld) failed: %s",
		c->config->nodes[node].name, (long long)c->nodes[node].join.pid, m.reason);
	return 0;
}

static void on_status(struct ftp_coordinator *c, const struct ftp_event *e, uint64_t now_ns,
	struct ftp_actions *a)
{
	(void)e;
	ftp_actions_reply(a, ftp_coordinator_status(c, now_ns));
}

static void on_plan(struct ftp_coordinator *c, const struct ftp_event *e, uint64_t now_ns,
	struct ftp_actions *a)
{
	(void)e, (void)now_ns;
	ftp_actions_reply(a, ftp_coordinator_plan_report(c));
}

static void on_end(struct ftp_coordinator *c, const struct ftp_event *e, uint64_t now_ns,
	struct ftp_actions *a)
{
	(void)e;
	ftp_actions_reply(a, json_object());
	ftp_coordinator_finish(c, FTP_END_STOPPED, "stopped by the operator", now_ns, a);
}

/* Its end is no news: it was sent away, or it is not the process that joined under its name. */
static bool may_exit(const struct ftp_coordinator *c, int node, int64_t pid)
{
	const struct ftp_coordinator_node *n = &c->nodes[node];

	if (n->join.pid == pid)
		return c->state == FTP_RUN_TRAINING && n->leaving;
	return c->state < FTP_RUN_TRAINING ? n->live : n->joined;
}

static void describe_exit(const struct ftp_exited *m, char *text, size_t bytes)
{
	const char *name = m->signal ? sigabbrev_np((int)m->signal) : NULL;

	if (m->signal)
		snprintf(text, bytes, "%s (pid %lld) was killed by signal %u (SIG%s)%s%s", m->who,
			(long long)m->pid, m->signal, name ? name : "?", m->reason[0] ? ": " : "",
			m->reason);
	else
		snprintf(text, bytes, "%s (pid %lld) exited with code %u%s%s", m->who,
			(long long)m->pid, m->code,
			m->reason[0] ? ": " : " before the run had ended", m->reason);
}

static void on_exited(struct ftp_coordinator *c, const struct ftp_event *e, uint64_t now_ns,
	struct ftp_actions *a)
{
	enum ftp_evidence evidence;
	struct ftp_exited m;
	struct ftp_error err;
	char text[1024];
	int node;

	if (ftp_exited_decode(&m, e->body, &err)) {
		ftp_actions_refuse(a, FTP_JSONRPC_PARAMS, err.text);
		return;
	}
	ftp_actions_reply(a, json_object());
	ftp_coordinator_one_line(m.who);
	ftp_coordinator_one_line(m.reason);
	describe_exit(&m, text, sizeof(text));
	evidence = m.signal	 ? FTP_EVIDENCE_CERTAIN
		   : m.reason[0] ? FTP_EVIDENCE_TOLD
				 : FTP_EVIDENCE_EXITED;
	node = ftp_config_find_node(c->config, m.who);
	if (node < 0)
		ftp_coordinator_suspect(c, evidence, now_ns, a, "%s", text);
	else if (may_exit(c, node, m.pid))
		ftp_actions_log(
			a, FTP_LOG_INFO, "%s (pid %lld) has ended", m.who, (long long)m.pid);
	else
		ftp_coordinator_blame(c, (uint32_t)node, evidence, now_ns, a, "%s", text);
}

/* From nodes that have joined. A negative result: the node broke the protocol. */
static const struct {
	const char *method;
	int (*handle)(struct ftp_coordinator *c, uint32_t node, const json_t *body, uint64_t now_ns,
		struct ftp_actions *a, struct ftp_error *err);
} tellings[] = {
	{FTP_METHOD_PROGRESS, ftp_coordinator_on_progress},
	{FTP_METHOD_HELD, on_held},
	{FTP_METHOD_STORED, ftp_coordinator_on_stored},
	{FTP_METHOD_PERSISTED, ftp_coordinator_on_persisted},
	{FTP_METHOD_LOST, ftp_coordinator_on_lost},
	{FTP_METHOD_TRACE, ftp_coordinator_on_trace},
	{FTP_METHOD_EVALUATED, on_evaluated},
	{FTP_METHOD_FINISHED, on_finished},
	{FTP_METHOD_FAILED, on_failed},
};

static const struct {
	const char *method;
	void (*handle)(struct ftp_coordinator *c, const struct ftp_event *e, uint64_t now_ns,
		struct ftp_actions *a);
} askings[] = {
	{FTP_METHOD_JOIN, ftp_coordinator_join},
	{FTP_METHOD_STATUS, on_status},
	{FTP_METHOD_PLAN, on_plan},
	{FTP_METHOD_END, on_end},
	{FTP_METHOD_EXITED, on_exited},
	{FTP_METHOD_REPARTITION, ftp_coordinator_repartition},
	{FTP_METHOD_DRAIN, ftp_coordinator_drain},
	{FTP_METHOD_SNAPSHOTS, ftp_coordinator_snapshots_switch},
	{FTP_METHOD_SET_EMULATE, ftp_coordinator_emulate},
	{FTP_METHOD_RECOVER, ftp_coordinator_recover_asked},
	{FTP_METHOD_SET_FAIL, ftp_coordinator_fail},
};

static void told(struct ftp_coordinator *c, size_t row, const struct ftp_event *e, uint64_t now_ns,
	struct ftp_actions *a)
{
	uint32_t node = ftp_coordinator_find_conn(c, e->conn);
	struct ftp_error err;

	if (node == FTP_NO_NODE) {
		ftp_actions_log(
			a, FTP_LOG_WARNING, "%s from a connection that has not joined", e->method);
		ftp_actions_refuse(a, FTP_JSONRPC_STATE, "join first");
		ftp_actions_add(a, FTP_ACTION_CLOSE)->conn = e->conn;
	} else if (tellings[row].handle(c, node, e->body, now_ns, a, &err) < 0) {
		ftp_coordinator_blame(c, node, FTP_EVIDENCE_TOLD, now_ns, a,
			"%s (pid %lld) sent a bad %s: %s", c->config->nodes[node].name,
			(long long)c->nodes[node].join.pid, e->method, err.text);
		ftp_actions_refuse(a, FTP_JSONRPC_PARAMS, err.text);
	} else {
		ftp_actions_reply(a, json_object());
	}
}

void ftp_coordinator_request(struct ftp_coordinator *c, const struct ftp_event *e, uint64_t now_ns,
	struct ftp_actions *a)
{
	for (size_t i = 0; i < sizeof(askings) / sizeof(*askings); i++) {
		if (!strcmp(e->method, askings[i].method)) {
			askings[i].handle(c, e, now_ns, a);
			return;
		}
	}
	for (size_t i = 0; i < sizeof(tellings) / sizeof(*tellings); i++) {
		if (!strcmp(e->method, tellings[i].method)) {
			told(c, i, e, now_ns, a);
			return;
		}
	}
	ftp_actions_refuse(a, FTP_JSONRPC_NO_METHOD, "there is no such method");
}

static void gone(struct ftp_coordinator *c, uint32_t node, const char *why, uint64_t now_ns,
	struct ftp_actions *a)
{
	c->nodes[node].live = c->nodes[node].measuring = false;
	ftp_coordinator_reach_gone(c, node);
	c->newcomers &= ~FTP_NODE_BIT(node);
	ftp_coordinator_start_gone(c, node);
	ftp_coordinator_snapshots_lose(c, node);
	ftp_coordinator_event_node(c, "gone", node, "reason", json_string(why), now_ns, a);
}

/* Its loss is not without consequence. */
static bool needs(const struct ftp_coordinator *c, uint32_t node)
{
	if (c->state < FTP_RUN_PREPARING || c->state >= FTP_RUN_FINISHING)
		return true;
	if (!c->plan.term)
		return c->change.members & FTP_NODE_BIT(node);
	if (ftp_coordinator_recovering(c))
		return c->change.members & FTP_NODE_BIT(node);
	return ftp_coordinator_stage_of(&c->plan, node) != FTP_NO_NODE;
}

void ftp_coordinator_drop(struct ftp_coordinator *c, uint32_t node, const char *why,
	uint64_t now_ns, struct ftp_actions *a)
{
	struct ftp_coordinator_node *n = &c->nodes[node];

	if (!n->live)
		return;
	gone(c, node, why, now_ns, a);
	ftp_actions_add(a, FTP_ACTION_CLOSE)->conn = n->conn;
}

void ftp_coordinator_blame(struct ftp_coordinator *c, uint32_t node, enum ftp_evidence evidence,
	uint64_t now_ns, struct ftp_actions *a, const char *fmt, ...)
{
	char text[sizeof(c->reason)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	ftp_coordinator_one_line(text);
	if (c->state == FTP_RUN_RESUMING) {
		ftp_coordinator_resume_without(c, node, evidence, text, now_ns, a);
		return;
	}
	if (ftp_coordinator_start_without(c, node, evidence, text, now_ns, a))
		return;
	if (needs(c, node)) {
		if (ftp_coordinator_recoverable(c))
			ftp_coordinator_recover(c, node, evidence, text, now_ns, a);
		else
			ftp_coordinator_suspect(c, evidence, now_ns, a, "%s", text);
		return;
	}
	if (!c->nodes[node].live && ftp_coordinator_recovery_fate(c, node, evidence, text))
		return;
	ftp_actions_log(a, FTP_LOG_WARNING, "%s; the run goes on without it", text);
	ftp_coordinator_change_without(c, node, text, now_ns, a);
	if (c->nodes[node].live)
		ftp_actions_add(a, FTP_ACTION_CLOSE)->conn = c->nodes[node].conn;
}

void ftp_coordinator_lost(struct ftp_coordinator *c, const struct ftp_event *e, uint64_t now_ns,
	struct ftp_actions *a)
{
	uint32_t node = ftp_coordinator_find_conn(c, e->conn);
	const struct ftp_coordinator_node *n;

	if (node == FTP_NO_NODE)
		return;
	n = &c->nodes[node];
	gone(c, node, n->leaving ? "drained" : e->text, now_ns, a);
	if (n->leaving)
		ftp_actions_log(a, FTP_LOG_INFO, "%s (pid %lld) has left the run",
			c->config->nodes[node].name, (long long)n->join.pid);
	else
		ftp_coordinator_blame(c, node, FTP_EVIDENCE_LOST, now_ns, a,
			"%s (pid %lld) is gone: %s", c->config->nodes[node].name,
			(long long)n->join.pid, e->text);
}
