/* How the calls that the core made end. An answer that the state or the term has overtaken is
 * dropped.
 */
#include <errno.h>
#include <string.h>

#include "ctl/coordinator_state.h"
#include "ctl/jsonrpc.h"

static int on_profile(struct ftp_coordinator *c, uint32_t node, const json_t *body, uint64_t now_ns,
	struct ftp_actions *a, struct ftp_error *err)
{
	int rc;

	(void)node;
	if (c->state != FTP_RUN_PROFILING)
		return 0;
	rc = ftp_profile_decode(&c->profile, body, err);
	if (!rc && c->profile.n_units != c->settings.n_units)
		rc = ftp_error_set(err, EPROTO, "times of %u units; the model has %u",
			c->profile.n_units, c->settings.n_units);
	if (!rc && c->verdict_ns == FTP_NS_NEVER)
		ftp_coordinator_prepare(c, now_ns, a);
	return rc;
}

static int on_prepared(struct ftp_coordinator *c, uint32_t node, const json_t *body,
	uint64_t now_ns, struct ftp_actions *a, struct ftp_error *err)
{
	struct ftp_prepared m;
	int rc = ftp_prepared_decode(&m, body, err);

	(void)now_ns;
	if (rc || c->state != FTP_RUN_PREPARING || m.term != c->plan.term)
		return rc;
	c->nodes[node].prepared = true;
	c->nodes[node].memory_bytes = m.memory_bytes;
	for (uint32_t i = 0; i < c->n_nodes; i++)
		if (!c->nodes[i].prepared)
			return 0;
	if (c->verdict_ns == FTP_NS_NEVER)
		ftp_coordinator_transfer(c, a);
	return 0;
}

static int on_transferred(struct ftp_coordinator *c, uint32_t node, const json_t *body,
	uint64_t now_ns, struct ftp_actions *a, struct ftp_error *err)
{
	struct ftp_transferred m;
	int rc = ftp_transferred_decode(&m, body, err);

	if (rc || c->state != FTP_RUN_PREPARING || m.term != c->plan.term ||
		!c->nodes[node].prepared)
		return rc;
	c->nodes[node].transferred = true;
	for (uint32_t i = 0; i < c->n_nodes; i++)
		if (!c->nodes[i].transferred)
			return 0;
	if (c->verdict_ns == FTP_NS_NEVER)
		ftp_coordinator_commit(c, now_ns, a);
	return 0;
}

static int on_committed(struct ftp_coordinator *c, uint32_t node, const json_t *body,
	uint64_t now_ns, struct ftp_actions *a, struct ftp_error *err)
{
	(void)body, (void)now_ns, (void)a, (void)err;
	c->nodes[node].committed = true;
	return 0;
}

static int on_stopped(struct ftp_coordinator *c, uint32_t node, const json_t *body, uint64_t now_ns,
	struct ftp_actions *a, struct ftp_error *err)
{
	(void)body, (void)now_ns, (void)a, (void)err;
	c->nodes[node].stopped = true;
	return 0;
}

static const struct {
	const char *method, *doing;
	int (*handle)(struct ftp_coordinator *c, uint32_t node, const json_t *body, uint64_t now_ns,
		struct ftp_actions *a, struct ftp_error *err);
} answers[] = {
	{FTP_METHOD_PROFILE, "measure its units", on_profile},
	{FTP_METHOD_PREPARE, "prepare the plan", on_prepared},
	{FTP_METHOD_TRANSFER, "take over the unit states", on_transferred},
	{FTP_METHOD_COMMIT, "commit the plan", on_committed},
	{FTP_METHOD_STOP, "stop", on_stopped},
};

static void not_done(struct ftp_coordinator *c, uint32_t node, const char *doing,
	const struct ftp_event *e, uint64_t now_ns, struct ftp_actions *a)
{
	const char *name = c->config->nodes[node].name;
	long long pid = c->nodes[node].join.pid;

	if (e->code == FTP_JSONRPC_CLOSED)
		return; /* FTP_EVENT_LOST tells it */
	if (e->code == FTP_JSONRPC_DEADLINE)
		ftp_coordinator_suspect(c, FTP_EVIDENCE_CERTAIN, now_ns, a,
			"%s (pid %lld) did not %s in time", name, pid, doing);
	else
		ftp_coordinator_suspect(c, FTP_EVIDENCE_TOLD, now_ns, a,
			"%s (pid %lld) could not %s: %s", name, pid, doing, e->text);
}

void ftp_coordinator_answer(struct ftp_coordinator *c, const struct ftp_event *e, uint64_t now_ns,
	struct ftp_actions *a)
{
	uint32_t node = ftp_coordinator_find_conn(c, e->conn);
	struct ftp_error err;

	for (size_t i = 0; node != FTP_NO_NODE && i < sizeof(answers) / sizeof(*answers); i++) {
		if (strcmp(e->method, answers[i].method))
			continue;
		if (e->code)
			not_done(c, node, answers[i].doing, e, now_ns, a);
		else if (answers[i].handle(c, node, e->body, now_ns, a, &err) < 0)
			ftp_coordinator_suspect(c, FTP_EVIDENCE_TOLD, now_ns, a,
				"%s (pid %lld) answered %s badly: %s", c->config->nodes[node].name,
				(long long)c->nodes[node].join.pid, e->method, err.text);
	}
}
