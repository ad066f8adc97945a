/* What nodes, ftpctl and the supervisor ask and tell. All of it comes from outside: it is decoded
 * within bounds, and what does not fit the state, the term or the sender is refused or dropped. */
#include <errno.h>
#include <signal.h>
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

/* Of a message of the plan in force; anything else is late. */
static bool in_training(
	const struct ftp_coordinator *c, uint64_t term, const char *method, struct ftp_actions *a)
{
	if (c->state == FTP_RUN_TRAINING && term == c->plan.term)
		return true;
	ftp_actions_log(a, FTP_LOG_DEBUG, "dropped a late %s of term %llu", method,
		(unsigned long long)term);
	return false;
}

static bool is_last(const struct ftp_coordinator *c, uint32_t node)
{
	return node == c->plan.n_stages - 1;
}

static void note_rate(struct ftp_coordinator *c, uint64_t samples, uint64_t now_ns)
{
	if (c->n_rate && now_ns - c->rate[c->n_rate - 1].at_ns < FTP_NS_PER_S / 2)
		return;
	if (c->n_rate == FTP_RATE_SAMPLES)
		memmove(c->rate, c->rate + 1, --c->n_rate * sizeof(*c->rate));
	c->rate[c->n_rate].at_ns = now_ns;
	c->rate[c->n_rate++].samples = samples;
}

/* Rows come in order and once; a repetition is dropped, a gap or a stranger's row breaks the
 * protocol. */
static int take_rows(struct ftp_coordinator *c, uint32_t node, const struct ftp_progress *m,
	struct ftp_actions *a, struct ftp_error *err)
{
	if (m->n_rows && !is_last(c, node))
		return ftp_error_set(err, EPROTO, "loss rows from a stage that is not the last");
	for (uint32_t i = 0; i < m->n_rows; i++) {
		struct ftp_action *row;

		if (m->row_step[i] <= c->last_row)
			continue;
		if (m->row_step[i] != c->last_row + 1 || m->row_step[i] > c->plan.last_step)
			return ftp_error_set(err, EPROTO,
				"the loss of step %llu after that of %llu",
				(unsigned long long)m->row_step[i],
				(unsigned long long)c->last_row);
		row = ftp_actions_add(a, FTP_ACTION_ROW);
		row->step = c->last_row = m->row_step[i];
		row->loss = c->last_loss = m->row_loss[i];
	}
	return 0;
}

static int on_progress(struct ftp_coordinator *c, uint32_t node, const json_t *body,
	uint64_t now_ns, struct ftp_actions *a, struct ftp_error *err)
{
	struct ftp_coordinator_node *n = &c->nodes[node];
	struct ftp_progress *m = malloc(sizeof(*m));
	int rc;

	ftp_assert(m);
	rc = ftp_progress_decode(m, body, err);
	if (!rc && in_training(c, m->term, FTP_METHOD_PROGRESS, a)) {
		if (m->compute_s > n->compute_s || m->step > n->step)
			c->computed_ns = now_ns;
		n->heard_ns = now_ns;
		n->step = m->step;
		n->samples = m->samples;
		n->compute_s = m->compute_s;
		n->wait_s = m->wait_s;
		n->poll_s = m->poll_s;
		if (is_last(c, node))
			note_rate(c, m->samples, now_ns);
		rc = take_rows(c, node, m, a, err);
	}
	free(m);
	return rc;
}

static int on_evaluated(struct ftp_coordinator *c, uint32_t node, const json_t *body,
	uint64_t now_ns, struct ftp_actions *a, struct ftp_error *err)
{
	struct ftp_evaluated m;
	int rc = ftp_evaluated_decode(&m, body, err);

	if (rc || !in_training(c, m.term, FTP_METHOD_EVALUATED, a))
		return rc;
	if (!is_last(c, node) || !m.n_samples || m.n_correct > m.n_samples ||
		m.step > c->plan.last_step)
		return ftp_error_set(err, EPROTO, "an evaluation that cannot be");
	c->evaluated = true;
	c->evaluation = m;
	c->nodes[node].heard_ns = now_ns;
	ftp_actions_log(a, FTP_LOG_INFO, "step %llu: test accuracy %.4f, test loss %.4f",
		(unsigned long long)m.step, (double)m.n_correct / (double)m.n_samples, m.loss);
	return 0;
}

static int check_finished(const struct ftp_coordinator *c, uint32_t node,
	const struct ftp_finished *m, struct ftp_error *err)
{
	if (m->step != c->plan.last_step)
		return ftp_error_set(err, EPROTO, "finished at step %llu of %llu",
			(unsigned long long)m->step, (unsigned long long)c->plan.last_step);
	if (node == 0 && strlen(m->params_digest) != FTP_DIGEST_HEX - 1)
		return ftp_error_set(err, EPROTO, "finished without the parameters' digest");
	if (is_last(c, node) && c->last_row != m->step)
		return ftp_error_set(err, EPROTO,
			"finished, but the last loss is that of step %llu",
			(unsigned long long)c->last_row);
	if (is_last(c, node) && c->plan.n_eval && (!c->evaluated || c->evaluation.step != m->step))
		return ftp_error_set(err, EPROTO, "finished without the last evaluation");
	return 0;
}

static int on_finished(struct ftp_coordinator *c, uint32_t node, const json_t *body,
	uint64_t now_ns, struct ftp_actions *a, struct ftp_error *err)
{
	struct ftp_finished m;
	int rc = ftp_finished_decode(&m, body, err);

	if (rc || !in_training(c, m.term, FTP_METHOD_FINISHED, a))
		return rc;
	rc = check_finished(c, node, &m, err);
	if (rc)
		return rc;
	c->nodes[node].finished = true;
	c->nodes[node].train_s = m.train_s;
	c->nodes[node].step = m.step;
	c->computed_ns = now_ns;
	if (node == 0)
		memcpy(c->params_digest, m.params_digest, sizeof(c->params_digest));
	for (uint32_t i = 0; i < c->n_nodes; i++)
		if (!c->nodes[i].finished)
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
	ftp_coordinator_suspect(c, FTP_EVIDENCE_TOLD, now_ns, a, "%s (pid %lld) failed: %s",
		c->config->nodes[node].name, (long long)c->nodes[node].join.pid, m.reason);
	return 0;
}

static void on_status(struct ftp_coordinator *c, const struct ftp_event *e, uint64_t now_ns,
	struct ftp_actions *a)
{
	(void)e;
	ftp_actions_reply(a, ftp_coordinator_status(c, now_ns));
}

static void on_end(struct ftp_coordinator *c, const struct ftp_event *e, uint64_t now_ns,
	struct ftp_actions *a)
{
	(void)e;
	ftp_actions_reply(a, json_object());
	ftp_coordinator_finish(c, FTP_END_STOPPED, "stopped by the operator", now_ns, a);
}

static void on_exited(struct ftp_coordinator *c, const struct ftp_event *e, uint64_t now_ns,
	struct ftp_actions *a)
{
	struct ftp_exited m;
	struct ftp_error err;
	const char *name;

	if (ftp_exited_decode(&m, e->body, &err)) {
		ftp_actions_refuse(a, FTP_JSONRPC_PARAMS, err.text);
		return;
	}
	ftp_actions_reply(a, json_object());
	ftp_coordinator_one_line(m.who);
	ftp_coordinator_one_line(m.reason);
	name = m.signal ? sigabbrev_np((int)m.signal) : NULL;
	if (m.signal)
		ftp_coordinator_suspect(c, FTP_EVIDENCE_CERTAIN, now_ns, a,
			"%s (pid %lld) was killed by signal %u (SIG%s)%s%s", m.who,
			(long long)m.pid, m.signal, name ? name : "?", m.reason[0] ? ": " : "",
			m.reason);
	else
		ftp_coordinator_suspect(c, m.reason[0] ? FTP_EVIDENCE_TOLD : FTP_EVIDENCE_EXITED,
			now_ns, a, "%s (pid %lld) exited with code %u%s%s", m.who, (long long)m.pid,
			m.code, m.reason[0] ? ": " : " before the run had ended", m.reason);
}

/* From nodes that have joined. A negative result: the node broke the protocol. */
static const struct {
	const char *method;
	int (*handle)(struct ftp_coordinator *c, uint32_t node, const json_t *body, uint64_t now_ns,
		struct ftp_actions *a, struct ftp_error *err);
} tellings[] = {
	{FTP_METHOD_PROGRESS, on_progress},
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
	{FTP_METHOD_END, on_end},
	{FTP_METHOD_EXITED, on_exited},
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
		ftp_coordinator_suspect(c, FTP_EVIDENCE_TOLD, now_ns, a,
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

void ftp_coordinator_lost(struct ftp_coordinator *c, const struct ftp_event *e, uint64_t now_ns,
	struct ftp_actions *a)
{
	uint32_t node = ftp_coordinator_find_conn(c, e->conn);

	if (node == FTP_NO_NODE)
		return;
	c->nodes[node].live = false;
	ftp_coordinator_suspect(c, FTP_EVIDENCE_LOST, now_ns, a, "%s (pid %lld) is gone: %s",
		c->config->nodes[node].name, (long long)c->nodes[node].join.pid, e->text);
}
