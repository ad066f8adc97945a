/* What the core asks the coordinator's shell for. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/coordinator_server_state.h"
#include "ctl/coordinator_state.h"

struct pending { /* a call of ours */
	struct ftp_server *server;
	uint32_t conn;
	const char *method;
	uint64_t term;
};

static void on_answer(void *arg, int code, const json_t *result, const char *text)
{
	struct pending *p = arg;
	const struct ftp_event e = {.kind = FTP_EVENT_ANSWER,
		.conn = p->conn,
		.method = p->method,
		.body = result,
		.code = code,
		.text = text,
		.term = p->term};

	if (!p->server->ended)
		ftp_server_step(p->server, &e);
	free(p);
}

static struct ftp_server_conn *find_conn(struct ftp_server *s, uint32_t id)
{
	struct ftp_server_conn *c = s->conns;

	while (c && c->id != id)
		c = c->next;
	return c;
}

static void hold(struct ftp_server *s, struct ftp_server_held *h, struct ftp_action *a)
{
	if (!h->since_ns)
		h->since_ns = h->first_ns = s->now_ns;
	*ftp_actions_add(&h->actions, a->kind) = *a;
	a->body = NULL;
	a->text = NULL;
}

/* Whoever hears it frees older snapshots. Training cannot go on from one whose losses went with
 * this process, so they must be in their file by then. Nothing else waits for that: without
 * snapshots training goes on. */
static bool may_free(struct ftp_server *s, const struct ftp_action *a)
{
	return strcmp(a->method, FTP_METHOD_RETAIN) ||
	       ftp_coordinator_files_has_rows(&s->files, s->now_ns);
}

/* Each of them says all that counts from then on. */
static void forget_retains(struct ftp_server *s, uint32_t conn)
{
	struct ftp_actions rest = s->retains.actions;
	uint32_t n = 0;

	for (uint32_t i = 0; i < rest.n; i++) {
		struct ftp_action *a = &rest.items[i];

		if (a->conn == conn)
			json_decref(a->body);
		else
			rest.items[n++] = *a;
	}
	s->retains.actions.n = n;
}

static void do_call(struct ftp_server *s, struct ftp_action *a)
{
	struct ftp_server_conn *c = find_conn(s, a->conn);
	struct pending *p;

	if (!c) /* gone while the call was held, as the core has heard */
		return;
	if (!strcmp(a->method, FTP_METHOD_RETAIN))
		forget_retains(s, a->conn);
	if (!may_free(s, a)) {
		hold(s, &s->retains, a);
		return;
	}
	p = malloc(sizeof(*p));
	ftp_assert(p);
	*p = (struct pending){.server = s, .conn = a->conn, .method = a->method, .term = a->term};
	ftp_jsonrpc_call(c->peer, a->method, a->body, a->deadline_ns, on_answer, p);
	a->body = NULL;
}

/* At once: calls that follow from the request come after its answer. */
static void do_reply(struct ftp_server *s, struct ftp_action *a)
{
	s->asked.code = a->code;
	ftp_jsonrpc_answer(s->asked.peer, s->asked.call, a->code, json_incref(a->body),
		a->text ? a->text : "");
}

static void do_close(struct ftp_server *s, struct ftp_action *a)
{
	struct ftp_server_conn *c = find_conn(s, a->conn);

	if (c)
		c->closing = true;
}

static void do_file(struct ftp_server *s, struct ftp_action *a)
{
	if (ftp_coordinator_files_do(&s->files, a, s->now_ns))
		hold(s, &s->held, a);
}

static void do_log(struct ftp_server *s, struct ftp_action *a)
{
	(void)s;
	ftp_log(a->level, "%s", a->text);
}

static void do_raise(struct ftp_server *s, struct ftp_action *a)
{
	s->raise = a->code;
}

static void do_end(struct ftp_server *s, struct ftp_action *a)
{
	s->ended = true;
	s->outcome = a->outcome;
}

/* A call that carries no term follows from no journal: node.stop must come through. Nor does an
 * answer; the operator, and the supervisor's question whether we live, get theirs. */
static bool must_wait(const struct ftp_server *s, const struct ftp_action *a)
{
	static const bool waits[] = {
		[FTP_ACTION_CALL] = true,
		[FTP_ACTION_CLOSE] = true,
		[FTP_ACTION_ROW] = true,
		[FTP_ACTION_CUT] = true,
		[FTP_ACTION_JOURNAL] = true,
		[FTP_ACTION_EVENT] = true,
		[FTP_ACTION_SUMMARY] = true,
		[FTP_ACTION_END] = true,
	};

	return ftp_server_holds(s) && a->kind < sizeof(waits) / sizeof(*waits) && waits[a->kind] &&
	       (a->kind != FTP_ACTION_CALL || a->term);
}

static void carry_out(struct ftp_server *s, struct ftp_action *a)
{
	static void (*const doers[])(struct ftp_server * s, struct ftp_action * a) = {
		[FTP_ACTION_CALL] = do_call,
		[FTP_ACTION_REPLY] = do_reply,
		[FTP_ACTION_CLOSE] = do_close,
		[FTP_ACTION_ROW] = do_file,
		[FTP_ACTION_CUT] = do_file,
		[FTP_ACTION_JOURNAL] = do_file,
		[FTP_ACTION_EVENT] = do_file,
		[FTP_ACTION_LOG] = do_log,
		[FTP_ACTION_RAISE] = do_raise,
		[FTP_ACTION_SUMMARY] = do_file,
		[FTP_ACTION_END] = do_end,
	};

	/* What should have been durable first is not said; the run ends. */
	if (a->kind == FTP_ACTION_CALL && a->term && s->files.failed.text[0])
		return;
	if (a->kind == FTP_ACTION_EVENT)
		ftp_coordinator_files_date(a);
	if (must_wait(s, a))
		hold(s, &s->held, a);
	else
		doers[a->kind](s, a);
}

void ftp_server_broken(struct ftp_server *s, const char *why)
{
	const struct ftp_event e = {.kind = FTP_EVENT_BROKEN, .text = why};

	ftp_server_step(s, &e);
}

static void flush_lines(struct ftp_server *s)
{
	struct ftp_error err;

	if (ftp_coordinator_files_flush(&s->files, s->now_ns, &err) && !s->ended)
		ftp_server_broken(s, err.text);
}

void ftp_server_step(struct ftp_server *s, const struct ftp_event *e)
{
	ftp_coordinator_step(s->core, e, s->now_ns, &s->actions);
	for (uint32_t i = 0; i < s->actions.n; i++)
		carry_out(s, &s->actions.items[i]);
	ftp_actions_clear(&s->actions);
	flush_lines(s);
	if (s->raise)
		raise(s->raise);
	s->raise = 0;
}

bool ftp_server_holds(const struct ftp_server *s)
{
	return s->held.actions.n;
}

static void try_again(struct ftp_server *s, struct ftp_server_held *h)
{
	struct ftp_actions tried = h->actions;

	h->actions = (struct ftp_actions){.n = 0};
	h->tried_ns = s->now_ns;
	for (uint32_t i = 0; i < tried.n; i++) {
		struct ftp_action *a = &tried.items[i];

		if (!h->actions.n) {
			h->first_ns = i ? s->now_ns : h->first_ns;
			ftp_clock_postpone(&a->deadline_ns, s->now_ns - h->since_ns);
		}
		carry_out(s, a);
	}
	if (!h->actions.n)
		h->since_ns = 0;
	ftp_actions_free(&tried);
}

static void retry_held(struct ftp_server *s)
{
	struct ftp_server_held *h = &s->held;
	struct ftp_event e = {.kind = FTP_EVENT_PAUSED, .pause_ns = s->now_ns - h->since_ns};

	if (s->now_ns >= h->first_ns + s->files.patience_ns)
		ftp_coordinator_files_give_up(&s->files, s->now_ns - h->first_ns);
	try_again(s, h);
	if (!ftp_server_holds(s) && !s->ended && e.pause_ns > FTP_PAUSE_LEAST_NS)
		ftp_server_step(s, &e);
	flush_lines(s);
}

void ftp_server_retry(struct ftp_server *s)
{
	if (s->retains.actions.n && ftp_coordinator_files_has_rows(&s->files, s->now_ns))
		try_again(s, &s->retains);
	if (ftp_server_holds(s) && s->now_ns >= s->held.tried_ns + FTP_SERVER_RETRY_NS)
		retry_held(s);
}
