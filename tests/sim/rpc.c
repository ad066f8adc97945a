#include "tests/sim/rpc.h"

#include <stdlib.h>
#include <string.h>

#include "ctl/jsonrpc.h"
#include "ctl/protocol.h"
#include "runtime/base/error.h"

/* "n2.hold term 3 step 7 units 4 5": what one needs to see in a trace. NULL: nothing notable. */
static const char *describe(const struct sim_rpc *r, char *text, size_t bytes, const char *method,
	const char *what, const json_t *body)
{
	static const char *const keys[] = {"term", "step", "cuts", "nodes", "reason"};
	const json_t *units = json_object_get(body, "unit"), *unit;
	size_t at, i;

	if (!strcmp(method, FTP_METHOD_PROGRESS))
		return NULL;
	if (!r->world->is_heard)
		return method;
	at = (size_t)snprintf(text, bytes, "%s%s", method, what);
	for (i = 0; i < sizeof(keys) / sizeof(*keys) && at + 20 < bytes; i++) {
		const json_t *v = json_object_get(body, keys[i]);

		if (json_is_integer(v))
			at += (size_t)snprintf(text + at, bytes - at, " %s %lld", keys[i],
				(long long)json_integer_value(v));
		else if (json_is_string(v))
			at += (size_t)snprintf(text + at, bytes - at, " %s \"%.160s\"", keys[i],
				json_string_value(v));
	}
	if (json_array_size(units) && at + 20 < bytes)
		at += (size_t)snprintf(text + at, bytes - at, " units");
	json_array_foreach (units, i, unit)
		if (at + 20 < bytes)
			at += (size_t)snprintf(text + at, bytes - at, " %lld",
				(long long)json_integer_value(unit));
	return text;
}

/* As it is after it was written and parsed. document is taken. */
static json_t *parse_again(json_t *document)
{
	char *text = json_dumps(document, JSON_COMPACT);
	json_t *parsed;

	ftp_assert(text && strlen(text) < FTP_JSONRPC_MAX_LINE);
	parsed = json_loads(text, 0, NULL);
	ftp_assert(parsed);
	free(text);
	json_decref(document);
	return parsed;
}

/* document is taken. */
static void send(struct sim_rpc *r, json_t *document, const char *what)
{
	ftp_assert(document);
	if (r->world->writes_text)
		document = parse_again(document);
	sim_send_document(r->world, r->conn, r->process, document, what);
}

void sim_rpc_call(struct sim_rpc *r, uint64_t id, const char *method, json_t *params, uint64_t term)
{
	char text[300];
	const char *what;
	int i = 0;

	while (r->calls[i].id)
		ftp_assert(++i < SIM_RPC_MAX_CALLS);
	r->calls[i].id = id;
	r->calls[i].method = method;
	r->calls[i].term = term;
	what = describe(r, text, sizeof(text), method, "", params);
	send(r,
		json_pack("{s:s, s:I, s:s, s:o}", "jsonrpc", "2.0", "id", (json_int_t)id, "method",
			method, "params", params ? params : json_object()),
		what);
}

void sim_rpc_notify(struct sim_rpc *r, const char *method, json_t *params)
{
	char text[300];
	const char *what = describe(r, text, sizeof(text), method, "", params);

	send(r, json_pack("{s:s, s:s, s:o}", "jsonrpc", "2.0", "method", method, "params", params),
		what);
}

void sim_rpc_answer(struct sim_rpc *r, uint64_t id, const char *method, int code, json_t *result,
	const char *text)
{
	char said[300];
	const char *what;

	if (code) {
		snprintf(said, sizeof(said), "%s refused: %.200s", method, text);
		send(r,
			json_pack("{s:s, s:I, s:{s:i, s:s}}", "jsonrpc", "2.0", "id",
				(json_int_t)id, "error", "code", code, "message", text),
			said);
		return;
	}
	what = describe(r, said, sizeof(said), method, " done", result);
	send(r,
		json_pack("{s:s, s:I, s:o}", "jsonrpc", "2.0", "id", (json_int_t)id, "result",
			result ? result : json_object()),
		what);
}

static bool close_call(struct sim_rpc *r, uint64_t id, struct sim_rpc_message *m)
{
	for (int i = 0; i < SIM_RPC_MAX_CALLS; i++) {
		if (r->calls[i].id != id)
			continue;
		r->calls[i].id = 0;
		m->kind = SIM_RPC_ANSWER;
		m->method = r->calls[i].method;
		m->term = r->calls[i].term;
		return true;
	}
	return false;
}

static bool take_answer(struct sim_rpc *r, struct sim_rpc_message *m)
{
	const json_t *error = json_object_get(m->document, "error");

	if (!close_call(r, m->id, m))
		return false;
	m->body = json_object_get(m->document, "result");
	m->code = (int)json_integer_value(json_object_get(error, "code"));
	if (error)
		snprintf(m->text, sizeof(m->text), "%s",
			json_string_value(json_object_get(error, "message")));
	return true;
}

bool sim_rpc_take(struct sim_rpc *r, const void *document, struct sim_rpc_message *m)
{
	memset(m, 0, sizeof(*m));
	m->document = json_incref((json_t *)document);
	m->id = (uint64_t)json_integer_value(json_object_get(m->document, "id"));
	m->method = json_string_value(json_object_get(m->document, "method"));
	if (!m->method) {
		if (take_answer(r, m))
			return true;
		json_decref(m->document);
		return false;
	}
	m->kind = m->id ? SIM_RPC_CALL : SIM_RPC_NOTIFICATION;
	m->body = json_object_get(m->document, "params");
	return true;
}

bool sim_rpc_expire(struct sim_rpc *r, uint64_t id, struct sim_rpc_message *m)
{
	memset(m, 0, sizeof(*m));
	if (!close_call(r, id, m))
		return false;
	m->code = FTP_JSONRPC_DEADLINE;
	snprintf(m->text, sizeof(m->text), "no answer in time");
	return true;
}
