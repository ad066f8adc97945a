#include "ctl/jsonrpc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/base/clock.h"

#define MAX_DEPTH     32
#define MAX_CALLS     64
#define MAX_OUT_BYTES ((size_t)4 << 20)
#define READ_BYTES    ((size_t)64 << 10) /* of one turn, so that no peer starves the others */

struct call { /* ours, awaiting the peer's answer */
	int64_t id;
	uint64_t deadline_ns;
	ftp_jsonrpc_done *done;
	void *arg;
};

struct served { /* the peer's, awaiting ours */
	uint64_t token;
	json_t *id;
};

struct buffer {
	char *data;
	size_t n, room;
};

struct ftp_jsonrpc {
	int fd;
	const struct ftp_jsonrpc_method *methods;
	void *arg;
	struct buffer in, out;
	size_t scanned;	    /* bytes of in known to hold no newline */
	struct call *calls; /* one more than MAX_CALLS when that broke the peer */
	uint32_t n_calls;
	struct served served[MAX_CALLS];
	uint32_t n_served;
	int64_t last_id;
	uint64_t last_token;
	bool broken;
	struct ftp_error why; /* when broken: the first reason */
};

static void buffer_reserve(struct buffer *b, size_t more)
{
	size_t room = b->room ? b->room : 4096;

	if (b->room - b->n >= more)
		return;
	while (room - b->n < more)
		room *= 2;
	b->data = realloc(b->data, room);
	ftp_assert(b->data);
	b->room = room;
}

static void buffer_drop(struct buffer *b, size_t n)
{
	memmove(b->data, b->data + n, b->n - n);
	b->n -= n;
}

static void break_peer(struct ftp_jsonrpc *p, const char *why)
{
	if (p->broken)
		return;
	p->broken = true;
	ftp_error_set(&p->why, EPIPE, "%s", why);
}

struct ftp_jsonrpc *ftp_jsonrpc_new(int fd, const struct ftp_jsonrpc_method *methods, void *arg)
{
	struct ftp_jsonrpc *p = calloc(1, sizeof(*p));

	ftp_assert(p && fd >= 0);
	p->fd = fd;
	p->methods = methods;
	p->arg = arg;
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	return p;
}

static void flush(struct ftp_jsonrpc *p)
{
	while (p->out.n) {
		ssize_t n = send(p->fd, p->out.data, p->out.n, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			if (errno != EAGAIN)
				break_peer(p, strerror(errno));
			return;
		}
		buffer_drop(&p->out, (size_t)n);
	}
}

static void end_call(
	struct ftp_jsonrpc *p, uint32_t i, int code, const json_t *result, const char *text)
{
	struct call ended = p->calls[i];

	p->calls[i] = p->calls[--p->n_calls];
	ended.done(ended.arg, code, result, text);
}

void ftp_jsonrpc_free(struct ftp_jsonrpc *p)
{
	if (!p)
		return;
	flush(p);
	break_peer(p, "closed here");
	while (p->n_calls)
		end_call(p, p->n_calls - 1, FTP_JSONRPC_CLOSED, NULL, p->why.text);
	for (uint32_t i = 0; i < p->n_served; i++)
		json_decref(p->served[i].id);
	close(p->fd);
	free(p->calls);
	free(p->in.data);
	free(p->out.data);
	free(p);
}

int ftp_jsonrpc_fd(const struct ftp_jsonrpc *p)
{
	return p->fd;
}

short ftp_jsonrpc_poll_events(const struct ftp_jsonrpc *p)
{
	return (short)(POLLIN | (p->out.n ? POLLOUT : 0));
}

uint64_t ftp_jsonrpc_deadline(const struct ftp_jsonrpc *p)
{
	uint64_t first_ns = p->broken ? 0 : FTP_NS_NEVER;

	for (uint32_t i = 0; i < p->n_calls; i++)
		if (p->calls[i].deadline_ns < first_ns)
			first_ns = p->calls[i].deadline_ns;
	return first_ns;
}

/* Queues one document and drops it. */
static void put(struct ftp_jsonrpc *p, json_t *doc)
{
	char *text = json_dumps(doc, JSON_COMPACT);
	size_t n;

	json_decref(doc);
	ftp_assert(text);
	n = strlen(text);
	if (n >= FTP_JSONRPC_MAX_LINE)
		break_peer(p, "a document to send exceeds the largest line");
	else if (p->out.n + n + 1 > MAX_OUT_BYTES)
		break_peer(p, "the peer does not read what it is sent");
	if (!p->broken) {
		buffer_reserve(&p->out, n + 1);
		memcpy(p->out.data + p->out.n, text, n);
		p->out.data[p->out.n + n] = '\n';
		p->out.n += n + 1;
	}
	free(text);
}

static json_t *request(const char *method, json_t *params)
{
	return json_pack("{s:s, s:s, s:o}", "jsonrpc", "2.0", "method", method, "params",
		params ? params : json_object());
}

void ftp_jsonrpc_call(struct ftp_jsonrpc *p, const char *method, json_t *params,
	uint64_t deadline_ns, ftp_jsonrpc_done *done, void *arg)
{
	json_t *doc = request(method, params);

	ftp_assert(doc && done);
	if (p->n_calls >= MAX_CALLS)
		break_peer(p, "too many calls are open");
	p->calls = realloc(p->calls, (p->n_calls + 1) * sizeof(*p->calls));
	ftp_assert(p->calls);
	p->calls[p->n_calls++] = (struct call){++p->last_id, deadline_ns, done, arg};
	json_object_set_new(doc, "id", json_integer(p->last_id));
	put(p, doc);
}

void ftp_jsonrpc_notify(struct ftp_jsonrpc *p, const char *method, json_t *params)
{
	json_t *doc = request(method, params);

	ftp_assert(doc);
	put(p, doc);
}

void ftp_jsonrpc_postpone(struct ftp_jsonrpc *p, uint64_t by_ns)
{
	for (uint32_t i = 0; i < p->n_calls; i++)
		ftp_clock_postpone(&p->calls[i].deadline_ns, by_ns);
}

/* Texts may be cut in the middle of a character, which JSON does not allow. */
static json_t *safe_string(const char *text)
{
	json_t *s = json_string(text);
	char copy[sizeof(struct ftp_error)];

	if (s)
		return s;
	snprintf(copy, sizeof(copy), "%s", text);
	for (char *c = copy; *c; c++)
		if (*c & 0x80)
			*c = '?';
	return json_string(copy);
}

static void put_answer(
	struct ftp_jsonrpc *p, json_t *id, int code, json_t *result, const char *text)
{
	json_t *doc;

	if (code == 0)
		doc = json_pack("{s:s, s:O, s:o}", "jsonrpc", "2.0", "id", id, "result",
			result ? result : json_null());
	else
		doc = json_pack("{s:s, s:O, s:{s:i, s:o}}", "jsonrpc", "2.0", "id", id, "error",
			"code", code, "message", safe_string(text ? text : ""));
	if (code)
		json_decref(result);
	ftp_assert(doc);
	put(p, doc);
}

void ftp_jsonrpc_answer(
	struct ftp_jsonrpc *p, uint64_t call, int code, json_t *result, const char *text)
{
	for (uint32_t i = 0; i < p->n_served; i++) {
		struct served s = p->served[i];

		if (s.token != call)
			continue;
		p->served[i] = p->served[--p->n_served];
		put_answer(p, s.id, code, result, text);
		json_decref(s.id);
		return;
	}
	json_decref(result);
}

static void refuse(struct ftp_jsonrpc *p, json_t *id, int code, const char *text)
{
	json_t *null = json_null();

	put_answer(p, id ? id : null, code, NULL, text);
}

static void on_answer(struct ftp_jsonrpc *p, const json_t *doc)
{
	const json_t *id = json_object_get(doc, "id"), *error = json_object_get(doc, "error");
	json_int_t code = json_integer_value(json_object_get(error, "code"));
	const char *text = json_string_value(json_object_get(error, "message"));

	for (uint32_t i = 0; json_is_integer(id) && i < p->n_calls; i++) {
		if (p->calls[i].id != json_integer_value(id))
			continue;
		if (!error)
			end_call(p, i, 0, json_object_get(doc, "result"), NULL);
		else
			end_call(p, i,
				code && code >= INT32_MIN && code <= INT32_MAX
					? (int)code
					: FTP_JSONRPC_INTERNAL,
				NULL, text ? text : "error without a text");
		return;
	}
	/* An answer that came after its deadline, or to nothing that was asked. */
}

static void on_request(struct ftp_jsonrpc *p, const json_t *doc, const char *name)
{
	const struct ftp_jsonrpc_method *m = p->methods;
	json_t *id = json_object_get(doc, "id"), *params = json_object_get(doc, "params");
	json_t *result = NULL, *none = NULL;
	struct ftp_error err = {""};
	uint64_t token = 0;
	int rc;

	if (id && !json_is_string(id) && !json_is_number(id) && !json_is_null(id)) {
		refuse(p, NULL, FTP_JSONRPC_INVALID, "id must be a string, a number or null");
		return;
	}
	while (m && m->name && strcmp(m->name, name))
		m++;
	if (!m || !m->name) {
		ftp_error_set(&err, ENOENT, "there is no method '%.64s'", name);
		if (id)
			refuse(p, id, FTP_JSONRPC_NO_METHOD, err.text);
		return;
	}
	if (id) {
		if (p->n_served == MAX_CALLS) {
			break_peer(p, "the peer has too many calls open");
			return;
		}
		token = ++p->last_token;
		p->served[p->n_served++] = (struct served){token, json_incref(id)};
	}
	if (!params)
		params = none = json_object();
	rc = m->handle(p->arg, p, token, params, &result, &err);
	json_decref(none);
	if (rc == 1 && token)
		return;
	if (token)
		ftp_jsonrpc_answer(p, token, rc == 1 ? FTP_JSONRPC_INTERNAL : rc, result, err.text);
	else
		json_decref(result);
}

/* Depth is bounded before the parser recurses. */
static bool too_deep(const char *line, size_t n)
{
	bool quoted = false;
	int depth = 0;

	for (size_t i = 0; i < n; i++) {
		char c = line[i];

		if (quoted && c == '\\')
			i++;
		else if (c == '"')
			quoted = !quoted;
		else if (!quoted && (c == '{' || c == '['))
			depth++;
		else if (!quoted && (c == '}' || c == ']'))
			depth--;
		if (depth > MAX_DEPTH)
			return true;
	}
	return false;
}

static void on_line(struct ftp_jsonrpc *p, const char *line, size_t n)
{
	const char *version, *method;
	json_error_t parse;
	json_t *doc;

	if (too_deep(line, n)) {
		break_peer(p, "the peer sent a document that is nested too deep");
		return;
	}
	doc = json_loadb(line, n, JSON_REJECT_DUPLICATES, &parse);
	if (!doc) {
		refuse(p, NULL, FTP_JSONRPC_PARSE, parse.text);
		return;
	}
	version = json_string_value(json_object_get(doc, "jsonrpc"));
	method = json_string_value(json_object_get(doc, "method"));
	if (!version || strcmp(version, "2.0"))
		refuse(p, NULL, FTP_JSONRPC_INVALID,
			"expected one object with \"jsonrpc\": \"2.0\"");
	else if (method)
		on_request(p, doc, method);
	else if (json_object_get(doc, "result") || json_object_get(doc, "error"))
		on_answer(p, doc);
	else
		refuse(p, NULL, FTP_JSONRPC_INVALID, "expected a method, a result or an error");
	json_decref(doc);
}

/* Returns why there will be no more, or NULL. */
static const char *read_some(struct ftp_jsonrpc *p)
{
	size_t got = 0;
	ssize_t n;

	while (got < READ_BYTES) {
		buffer_reserve(&p->in, READ_BYTES);
		n = read(p->fd, p->in.data + p->in.n, READ_BYTES - got);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return NULL;
		if (n <= 0)
			return n ? strerror(errno) : "the peer closed the connection";
		p->in.n += (size_t)n;
		got += (size_t)n;
	}
	return NULL;
}

static void dispatch(struct ftp_jsonrpc *p)
{
	size_t at = 0;
	char *end;

	while (!p->broken && (end = memchr(p->in.data + p->scanned, '\n', p->in.n - p->scanned))) {
		size_t n = (size_t)(end - p->in.data) - at;

		if (n >= FTP_JSONRPC_MAX_LINE)
			break;
		if (n)
			on_line(p, p->in.data + at, n);
		at += n + 1;
		p->scanned = at;
	}
	if (p->in.n - at >= FTP_JSONRPC_MAX_LINE)
		break_peer(p, "the peer sent a line that is too long");
	buffer_drop(&p->in, at);
	p->scanned = p->in.n;
}

static void expire(struct ftp_jsonrpc *p, uint64_t now_ns)
{
	for (uint32_t i = 0; i < p->n_calls;) {
		if (p->calls[i].deadline_ns <= now_ns)
			end_call(p, i, FTP_JSONRPC_DEADLINE, NULL, "no answer in time");
		else
			i++;
	}
}

int ftp_jsonrpc_turn(struct ftp_jsonrpc *p, uint64_t now_ns, struct ftp_error *err)
{
	const char *end = p->broken ? NULL : read_some(p);

	if (p->in.n)
		dispatch(p);
	if (end)
		break_peer(p, end);
	expire(p, now_ns);
	if (!p->broken)
		flush(p);
	if (!p->broken)
		return 0;
	return ftp_error_set(err, EPIPE, "%s", p->why.text);
}
