/* How the calls that the core made end. An answer that the state or the term has overtaken is
 * dropped.
 */
#include <errno.h>
#include <string.h>

#include "ctl/coordinator_state.h"
#include "ctl/jsonrpc.h"

/* Of a call that the plan being prepared in that phase still awaits from the node. */
static bool awaited(
	const struct ftp_coordinator *c, uint32_t node, enum ftp_change_phase phase, uint64_t term)
{
	return c->change.phase == phase && c->change.plan.term == term &&
	       c->change.awaited & FTP_NODE_BIT(node);
}

static int on_prepared(struct ftp_coordinator *c, uint32_t node, const struct ftp_event *e,
	uint64_t now_ns, struct ftp_actions *a, struct ftp_error *err)
{
	struct ftp_prepared m;
	int rc = ftp_prepared_decode(&m, e->body, err);

	if (rc || !awaited(c, node, FTP_CHANGE_PREPARING, m.term))
		return rc;
	c->change.memory_bytes[node] = m.memory_bytes;
	ftp_coordinator_change_done(c, node, now_ns, a);
	return 0;
}

/* The central node names the step; the others repeat it. */
static int on_hold(struct ftp_coordinator *c, uint32_t node, const struct ftp_event *e,
	uint64_t now_ns, struct ftp_actions *a, struct ftp_error *err)
{
	bool is_central = node == ftp_coordinator_central(c);
	struct ftp_hold m;
	int rc = ftp_hold_decode(&m, e->body, err);

	if (rc || c->change.phase != FTP_CHANGE_HOLDING || m.term != c->plan.term)
		return rc;
	if (is_central ? c->change.step || m.step < c->last_row : m.step != c->change.step)
		return ftp_error_set(err, EPROTO, "a hold at step %llu after step %llu",
			(unsigned long long)m.step,
			(unsigned long long)(is_central ? c->last_row : c->change.step));
	if (is_central)
		ftp_coordinator_change_hold(c, m.step, now_ns, a);
	ftp_coordinator_change_held(c, node, now_ns, a);
	return 0;
}

static int on_transferred(struct ftp_coordinator *c, uint32_t node, const struct ftp_event *e,
	uint64_t now_ns, struct ftp_actions *a, struct ftp_error *err)
{
	struct ftp_transferred m;
	int rc = ftp_transferred_decode(&m, e->body, err);

	if (rc || !awaited(c, node, FTP_CHANGE_TRANSFERRING, m.term))
		return rc;
	c->change.received_bytes += m.bytes;
	ftp_coordinator_change_done(c, node, now_ns, a);
	return 0;
}

static int on_committed(struct ftp_coordinator *c, uint32_t node, const struct ftp_event *e,
	uint64_t now_ns, struct ftp_actions *a, struct ftp_error *err)
{
	(void)err;
	/* A commit that is repeated is followed by a question. */
	if (awaited(c, node, FTP_CHANGE_COMMITTING, e->term) && c->change.cause != FTP_CAUSE_RESUME)
		ftp_coordinator_change_done(c, node, now_ns, a);
	return 0;
}

static int on_abandoned(struct ftp_coordinator *c, uint32_t node, const struct ftp_event *e,
	uint64_t now_ns, struct ftp_actions *a, struct ftp_error *err)
{
	(void)err;
	if (awaited(c, node, FTP_CHANGE_ABANDONING, e->term))
		ftp_coordinator_change_done(c, node, now_ns, a);
	return 0;
}

static int on_done(struct ftp_coordinator *c, uint32_t node, const struct ftp_event *e,
	uint64_t now_ns, struct ftp_actions *a, struct ftp_error *err)
{
	(void)c, (void)node, (void)e, (void)now_ns, (void)a, (void)err;
	return 0;
}

static void warn(struct ftp_coordinator *c, uint32_t node, enum ftp_evidence evidence,
	const char *text, uint64_t now_ns, struct ftp_actions *a)
{
	(void)c, (void)node, (void)evidence, (void)now_ns;
	ftp_actions_log(a, FTP_LOG_WARNING, "%s", text);
}

static void blame(struct ftp_coordinator *c, uint32_t node, enum ftp_evidence evidence,
	const char *text, uint64_t now_ns, struct ftp_actions *a)
{
	ftp_coordinator_blame(c, node, evidence, now_ns, a, "%s", text);
}

static void abandon(struct ftp_coordinator *c, uint32_t node, enum ftp_evidence evidence,
	const char *text, uint64_t now_ns, struct ftp_actions *a)
{
	/* In a recovery who does not answer is one more that is lost. */
	if (evidence == FTP_EVIDENCE_CERTAIN && c->change.cause == FTP_CAUSE_FAILURE) {
		blame(c, node, evidence, text, now_ns, a);
		return;
	}
	ftp_coordinator_change_abandon(c, evidence, now_ns, a, "%s", text);
}

/* A refusal is not the refuser's fault: it has lost a peer that others know as well. */
static void does_not_commit(struct ftp_coordinator *c, uint32_t node, enum ftp_evidence evidence,
	const char *text, uint64_t now_ns, struct ftp_actions *a)
{
	if (evidence == FTP_EVIDENCE_TOLD && ftp_coordinator_recoverable(c) &&
		c->change.phase == FTP_CHANGE_COMMITTING)
		ftp_coordinator_recover_all(c, text, now_ns, a);
	else if (!ftp_coordinator_recovering(c))
		blame(c, node, evidence, text, now_ns, a);
}

/* A stage that does not answer holds up all others. */
static void does_not_hold(struct ftp_coordinator *c, uint32_t node, enum ftp_evidence evidence,
	const char *text, uint64_t now_ns, struct ftp_actions *a)
{
	if (evidence == FTP_EVIDENCE_CERTAIN && c->change.unheld & FTP_NODE_BIT(node)) {
		blame(c, node, evidence, text, now_ns, a);
		return;
	}
	abandon(c, node, evidence, text, now_ns, a);
	ftp_coordinator_change_held(c, node, now_ns, a);
}

static int on_stopped(struct ftp_coordinator *c, uint32_t node, const struct ftp_event *e,
	uint64_t now_ns, struct ftp_actions *a, struct ftp_error *err)
{
	(void)e, (void)now_ns, (void)a, (void)err;
	c->nodes[node].stopped = true;
	return 0;
}

static const struct {
	const char *method, *doing;
	enum ftp_change_phase phase; /* that must not have ended; NONE: any */
	int (*handle)(struct ftp_coordinator *c, uint32_t node, const struct ftp_event *e,
		uint64_t now_ns, struct ftp_actions *a, struct ftp_error *err);
	void (*failed)(struct ftp_coordinator *c, uint32_t node, enum ftp_evidence evidence,
		const char *text, uint64_t now_ns, struct ftp_actions *a);
} answers[] = {
	{FTP_METHOD_PROFILE, "measure its units", FTP_CHANGE_NONE, ftp_coordinator_on_profile,
		blame},
	{FTP_METHOD_PROBE, "measure its links", FTP_CHANGE_NONE, ftp_coordinator_on_links, blame},
	{FTP_METHOD_HALT, "halt", FTP_CHANGE_HALTING, ftp_coordinator_on_halted, blame},
	{FTP_METHOD_INVENTORY, "tell what it holds", FTP_CHANGE_COMMITTING,
		ftp_coordinator_on_halted, blame},
	{FTP_METHOD_PREPARE, "prepare the plan", FTP_CHANGE_PREPARING, on_prepared, abandon},
	{FTP_METHOD_HOLD, "hold", FTP_CHANGE_HOLDING, on_hold, does_not_hold},
	{FTP_METHOD_TRANSFER, "take over the unit states", FTP_CHANGE_TRANSFERRING, on_transferred,
		abandon},
	{FTP_METHOD_COMMIT, "commit the plan", FTP_CHANGE_NONE, on_committed, does_not_commit},
	{FTP_METHOD_ABANDON, "abandon the plan", FTP_CHANGE_NONE, on_abandoned, blame},
	{FTP_METHOD_EMULATE, "emulate what it was told", FTP_CHANGE_NONE, on_done, warn},
	{FTP_METHOD_FAIL, "fail", FTP_CHANGE_NONE, on_done, warn},
	{FTP_METHOD_RETAIN, "keep its snapshots", FTP_CHANGE_NONE, on_done, warn},
	{FTP_METHOD_STOP, "stop", FTP_CHANGE_NONE, on_stopped, blame},
};

/* The call was made for a plan that has since been committed or forgotten. */
static bool overtaken(
	const struct ftp_coordinator *c, enum ftp_change_phase phase, const struct ftp_event *e)
{
	return phase != FTP_CHANGE_NONE &&
	       (c->change.phase != phase ||
		       e->term !=
			       (phase == FTP_CHANGE_HOLDING ? c->plan.term : c->change.plan.term));
}

/* Of what was begun with a node that was lost. */
static bool is_too_late(const struct ftp_coordinator *c, const struct ftp_event *e)
{
	return c->state == FTP_RUN_WAITING && c->start.n_again && e->code &&
	       strcmp(e->method, FTP_METHOD_ABANDON) != 0;
}

static bool keeps_busy(const char *method)
{
	return !strcmp(method, FTP_METHOD_PROFILE) || !strcmp(method, FTP_METHOD_PROBE) ||
	       !strcmp(method, FTP_METHOD_ABANDON);
}

static void ended(struct ftp_coordinator *c, uint32_t node, size_t row, const struct ftp_event *e,
	uint64_t now_ns, struct ftp_actions *a)
{
	const char *name = c->config->nodes[node].name, *doing = answers[row].doing;
	enum ftp_change_phase phase = answers[row].phase;
	long long pid = c->nodes[node].join.pid;
	struct ftp_error err, text;

	if (overtaken(c, phase, e) || is_too_late(c, e))
		return;
	if (e->code == FTP_JSONRPC_DEADLINE) {
		ftp_error_set(&text, EPROTO, "%s (pid %lld) did not %s in time", name, pid, doing);
		answers[row].failed(c, node, FTP_EVIDENCE_CERTAIN, text.text, now_ns, a);
	} else if (e->code) {
		ftp_error_set(
			&text, EPROTO, "%s (pid %lld) could not %s: %s", name, pid, doing, e->text);
		answers[row].failed(c, node, FTP_EVIDENCE_TOLD, text.text, now_ns, a);
	} else if (answers[row].handle(c, node, e, now_ns, a, &err) < 0) {
		ftp_error_set(&text, EPROTO, "%s (pid %lld) answered %s badly: %s", name, pid,
			e->method, err.text);
		answers[row].failed(c, node, FTP_EVIDENCE_TOLD, text.text, now_ns, a);
	}
}

void ftp_coordinator_answer(struct ftp_coordinator *c, const struct ftp_event *e, uint64_t now_ns,
	struct ftp_actions *a)
{
	uint32_t node = ftp_coordinator_find_conn(c, e->conn);

	if (node == FTP_NO_NODE || e->code == FTP_JSONRPC_CLOSED)
		return; /* FTP_EVENT_LOST tells it */
	if (keeps_busy(e->method))
		c->start.asked &= ~FTP_NODE_BIT(node);
	for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++)
		if (!strcmp(e->method, answers[i].method))
			ended(c, node, i, e, now_ns, a);
	ftp_coordinator_start_ready(c, now_ns, a);
}
