/* A node's connection to the coordinator. When it is lost the worker trains on; the coordinator is
 * being started again, or this node is cut off from it. The node joins again as what it is: with
 * its incarnation, the plan in force, the losses that it can tell. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/control_state.h"

#define CONNECT_DEADLINE_NS (10 * FTP_NS_PER_S)
#define CONNECT_RETRY_NS    (50 * FTP_NS_PER_MS)
#define RECONNECT_NS	    (100 * FTP_NS_PER_MS) /* one try: the thread has other work too */
#define JOIN_DEADLINE_NS    (30 * FTP_NS_PER_S)

static void on_joined(void *arg, int code, const json_t *result, const char *text)
{
	struct ftp_control *c = arg;
	struct ftp_joined joined;
	struct ftp_error err;

	if (!c->err || code == FTP_JSONRPC_CLOSED)
		return;
	if (code) {
		c->failed = ftp_error_set(c->err, EACCES,
			"the coordinator at %s did not admit this node: %s", c->params->coordinator,
			text);
		return;
	}
	if (ftp_joined_decode(&joined, result, &err)) {
		c->failed = ftp_error_set(
			c->err, EPROTO, "the answer to %s: %s", FTP_METHOD_JOIN, err.text);
		return;
	}
	if (!c->standing.run)
		ftp_assert(!ftp_worker_command(c->params->worker, /* the first: there is room */
			&(struct ftp_command){.kind = FTP_COMMAND_CLAIM, .run = joined.run}));
	else
		ftp_log_info("the coordinator at %s is back, and knows the losses up to step %llu",
			c->params->coordinator, (unsigned long long)joined.row);
	c->standing.run = joined.run;
	c->is_joined = true;
	c->give_up_ns = 0;
	ftp_ledger_tell_after(&c->ledger, joined.row);
	ftp_control_tell_again(c);
}

static void join(struct ftp_control *c, int fd)
{
	struct ftp_join m = *c->params->join;

	ftp_standing_tell(&c->standing, &c->ledger, &m);
	c->rpc = ftp_jsonrpc_new(fd, ftp_control_methods, c);
	ftp_jsonrpc_call(c->rpc, FTP_METHOD_JOIN, ftp_join_encode(&m),
		ftp_clock_now_ns() + JOIN_DEADLINE_NS, on_joined, c);
}

int ftp_control_connect(struct ftp_control *c, struct ftp_error *err)
{
	uint64_t deadline_ns = ftp_clock_now_ns() + CONNECT_DEADLINE_NS;
	int fd;

	for (;;) {
		fd = ftp_jsonrpc_connect(c->params->coordinator, deadline_ns, err);
		if (fd >= 0 || ftp_clock_now_ns() + CONNECT_RETRY_NS >= deadline_ns)
			break;
		ftp_clock_sleep_ns(CONNECT_RETRY_NS);
	}
	if (fd < 0)
		return fd;
	join(c, fd);
	return 0;
}

/* A plan that was never answered to be prepared will not be committed. */
static void forget_preparing(struct ftp_control *c)
{
	const struct ftp_command cmd = {.kind = FTP_COMMAND_ABANDON, .term = c->standing.next_term};

	if (!ftp_worker_command(c->params->worker, &cmd))
		c->standing.calls[FTP_CALL_ABANDON] = FTP_STANDING_ORPHAN;
}

static void lose(struct ftp_control *c, uint64_t now_ns, const char *why)
{
	ftp_log_warn("lost the coordinator at %s: %s; waiting for it up to %llu s%s",
		c->params->coordinator, why, FTP_CONTROL_PATIENCE_NS / FTP_NS_PER_S,
		c->standing.term ? ", and training on meanwhile" : "");
	if (ftp_standing_lose_coordinator(&c->standing))
		forget_preparing(c);
	c->is_joined = false;
	ftp_jsonrpc_free(c->rpc);
	c->rpc = NULL;
	c->retry_ns = now_ns + CONNECT_RETRY_NS;
	if (!c->give_up_ns)
		c->give_up_ns = now_ns + FTP_CONTROL_PATIENCE_NS;
}

static int retry(struct ftp_control *c, uint64_t now_ns, struct ftp_error *err)
{
	int fd;

	if (now_ns >= c->give_up_ns)
		return ftp_error_set(err, ETIMEDOUT,
			"the coordinator at %s has not come back for %llu s",
			c->params->coordinator, FTP_CONTROL_PATIENCE_NS / FTP_NS_PER_S);
	if (now_ns < c->retry_ns)
		return 0;
	c->retry_ns = now_ns + CONNECT_RETRY_NS;
	if (ftp_standing_is_busy(&c->standing))
		return 0;
	fd = ftp_jsonrpc_connect(c->params->coordinator, now_ns + RECONNECT_NS, NULL);
	if (fd >= 0)
		join(c, fd);
	return 0;
}

int ftp_control_link_turn(struct ftp_control *c, uint64_t now_ns, struct ftp_error *err)
{
	struct ftp_error why;

	if (!c->rpc)
		return retry(c, now_ns, err);
	if (ftp_jsonrpc_turn(c->rpc, now_ns, &why) && !c->stop && !c->failed)
		lose(c, now_ns, why.text);
	return 0;
}

uint64_t ftp_control_link_deadline(const struct ftp_control *c)
{
	return c->rpc ? ftp_jsonrpc_deadline(c->rpc) : c->retry_ns;
}
