#include "ctl/jsonrpc.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/prng.h"
#include "tests/base/check.h"

/* Two ends of one stream; now is virtual. */
struct pair {
	struct ftp_jsonrpc *a, *b;
	uint64_t deferred; /* call that b answers later */
	int n_notes;
};

static int echo(void *arg, struct ftp_jsonrpc *peer, uint64_t call, const json_t *params,
	json_t **result, struct ftp_error *err)
{
	(void)arg, (void)peer, (void)call, (void)err;
	*result = json_deep_copy(params);
	return 0;
}

static int refuse(void *arg, struct ftp_jsonrpc *peer, uint64_t call, const json_t *params,
	json_t **result, struct ftp_error *err)
{
	(void)arg, (void)peer, (void)call, (void)params, (void)result;
	ftp_error_set(err, EINVAL, "cut in the middle: \xc3");
	return FTP_JSONRPC_STATE;
}

static int later(void *arg, struct ftp_jsonrpc *peer, uint64_t call, const json_t *params,
	json_t **result, struct ftp_error *err)
{
	(void)peer, (void)params, (void)result, (void)err;
	((struct pair *)arg)->deferred = call;
	return 1;
}

static int note(void *arg, struct ftp_jsonrpc *peer, uint64_t call, const json_t *params,
	json_t **result, struct ftp_error *err)
{
	(void)peer, (void)params, (void)err;
	assert_int_equal(call, 0);
	*result = json_true(); /* dropped */
	((struct pair *)arg)->n_notes++;
	return 0;
}

static const struct ftp_jsonrpc_method methods[] = {
	{"echo", echo}, {"refuse", refuse}, {"later", later}, {"note", note}, {NULL, NULL}};

static void open_pair(struct pair *p)
{
	int fds[2];

	memset(p, 0, sizeof(*p));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	p->a = ftp_jsonrpc_new(fds[0], methods, p);
	p->b = ftp_jsonrpc_new(fds[1], methods, p);
}

static void close_pair(struct pair *p)
{
	ftp_jsonrpc_free(p->a);
	ftp_jsonrpc_free(p->b);
}

static void turn_both(struct pair *p, uint64_t now_ns)
{
	for (int i = 0; i < 4; i++) {
		ftp_jsonrpc_turn(p->a, now_ns, NULL);
		ftp_jsonrpc_turn(p->b, now_ns, NULL);
	}
}

struct outcome {
	int n, code;
	char text[256];
};

static void on_done(void *arg, int code, const json_t *result, const char *text)
{
	struct outcome *o = arg;
	char *dump = result ? json_dumps(result, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;

	o->n++;
	o->code = code;
	snprintf(o->text, sizeof(o->text), "%s", dump ? dump : text ? text : "");
	free(dump);
}

static void call__result(void **state)
{
	struct outcome o = {0};
	struct pair p;

	(void)state;
	open_pair(&p);
	ftp_jsonrpc_call(p.a, "echo", json_pack("{s:i}", "x", 7), 100, on_done, &o);
	turn_both(&p, 1);
	assert_int_equal(o.n, 1);
	assert_int_equal(o.code, 0);
	assert_string_equal(o.text, "{\"x\":7}");
	close_pair(&p);
	assert_int_equal(o.n, 1);
}

static void call__error_text_is_made_valid(void **state)
{
	struct outcome o = {0};
	struct pair p;

	(void)state;
	open_pair(&p);
	ftp_jsonrpc_call(p.a, "refuse", NULL, 100, on_done, &o);
	turn_both(&p, 1);
	assert_int_equal(o.code, FTP_JSONRPC_STATE);
	assert_string_equal(o.text, "cut in the middle: ?");
	close_pair(&p);
}

static void call__no_method(void **state)
{
	struct outcome o = {0};
	struct pair p;

	(void)state;
	open_pair(&p);
	ftp_jsonrpc_call(p.a, "nonesuch", NULL, 100, on_done, &o);
	turn_both(&p, 1);
	assert_int_equal(o.code, FTP_JSONRPC_NO_METHOD);
	assert_non_null(strstr(o.text, "nonesuch"));
	close_pair(&p);
}

static void call__deadline(void **state)
{
	struct outcome o = {0};
	struct pair p;

	(void)state;
	open_pair(&p);
	ftp_jsonrpc_call(p.a, "later", NULL, 100, on_done, &o);
	assert_int_equal(ftp_jsonrpc_deadline(p.a), 100);
	turn_both(&p, 99);
	assert_int_equal(o.n, 0);
	turn_both(&p, 100);
	assert_int_equal(o.code, FTP_JSONRPC_DEADLINE);
	assert_int_equal(ftp_jsonrpc_deadline(p.a), FTP_NS_NEVER);
	/* The late answer meets nobody. */
	ftp_jsonrpc_answer(p.b, p.deferred, 0, json_true(), NULL);
	turn_both(&p, 101);
	assert_int_equal(o.n, 1);
	close_pair(&p);
}

static void call__postponed(void **state)
{
	struct outcome o[2] = {{0}};
	struct pair p;

	(void)state;
	open_pair(&p);
	ftp_jsonrpc_call(p.a, "later", NULL, 100, on_done, &o[0]);
	ftp_jsonrpc_call(p.a, "later", NULL, FTP_NS_NEVER, on_done, &o[1]);
	ftp_jsonrpc_postpone(p.a, 50);
	assert_int_equal(ftp_jsonrpc_deadline(p.a), 150);
	turn_both(&p, 149);
	assert_int_equal(o[0].n, 0);
	turn_both(&p, 150);
	assert_int_equal(o[0].code, FTP_JSONRPC_DEADLINE);
	assert_int_equal(o[1].n, 0);
	assert_int_equal(ftp_jsonrpc_deadline(p.a), FTP_NS_NEVER);
	close_pair(&p);
}

static void call__peer_goes(void **state)
{
	struct ftp_error err;
	struct outcome o = {0};
	struct pair p;

	(void)state;
	open_pair(&p);
	ftp_jsonrpc_call(p.a, "later", NULL, 100, on_done, &o);
	turn_both(&p, 1);
	ftp_jsonrpc_free(p.b);
	p.b = NULL;
	assert_int_equal(ftp_jsonrpc_turn(p.a, 2, &err), -EPIPE);
	assert_string_equal(err.text, "the peer closed the connection");
	close_pair(&p);
	assert_int_equal(o.n, 1);
	assert_int_equal(o.code, FTP_JSONRPC_CLOSED);
}

static void call__beyond_the_bound(void **state)
{
	struct outcome o = {0};
	struct ftp_error err;
	struct pair p;

	(void)state;
	open_pair(&p);
	for (int i = 0; i < 65; i++)
		ftp_jsonrpc_call(p.a, "later", NULL, 100, on_done, &o);
	assert_int_equal(o.n, 0);
	assert_int_equal(ftp_jsonrpc_turn(p.a, 1, &err), -EPIPE);
	assert_string_equal(err.text, "too many calls are open");
	close_pair(&p);
	assert_int_equal(o.n, 65);
}

static void answer__later(void **state)
{
	struct outcome o = {0};
	struct pair p;

	(void)state;
	open_pair(&p);
	ftp_jsonrpc_call(p.a, "later", NULL, 100, on_done, &o);
	turn_both(&p, 1);
	assert_int_not_equal(p.deferred, 0);
	ftp_jsonrpc_answer(p.b, p.deferred, 0, json_integer(5), NULL);
	ftp_jsonrpc_answer(p.b, p.deferred, 0, json_integer(6), NULL); /* ignored */
	turn_both(&p, 2);
	assert_int_equal(o.n, 1);
	assert_string_equal(o.text, "5");
	close_pair(&p);
}

static void notify__has_no_answer(void **state)
{
	struct pair p;

	(void)state;
	open_pair(&p);
	ftp_jsonrpc_notify(p.a, "note", NULL);
	ftp_jsonrpc_notify(p.a, "nonesuch", NULL);
	turn_both(&p, 1);
	assert_int_equal(p.n_notes, 1);
	assert_int_equal(ftp_jsonrpc_turn(p.a, 1, NULL), 0);
	close_pair(&p);
}

/* One end is ours, the other raw bytes. */
static struct ftp_jsonrpc *open_raw(struct pair *p, int *raw)
{
	int fds[2];

	memset(p, 0, sizeof(*p));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	*raw = fds[1];
	return ftp_jsonrpc_new(fds[0], methods, p);
}

static void turn__raw_lines(void **state)
{
	static const struct {
		const char *line, *answer;
	} cases[] = {
		{"{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"method\":\"echo\",\"params\":[1]}",
			"{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"result\":[1]}\n"},
		{"{\"jsonrpc\":\"2.0\",\"id\":1.5,\"method\":\"echo\"}",
			"{\"jsonrpc\":\"2.0\",\"id\":1.5,\"result\":{}}\n"},
		{"{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"echo\"}", "-32600"},
		{"{\"id\":1,\"method\":\"echo\"}", "-32600"},
		{"{\"jsonrpc\":\"2.0\",\"id\":1}", "-32600"},
		{"[]", "-32600"},
		{"7", "-32700"},
		{"{", "-32700"},
		{"\"\xff\"", "-32700"},
		{"{\"a\":1,\"a\":2}", "-32700"},
		{"{\"jsonrpc\":\"2.0\",\"id\":9,\"result\":1}", ""},
		{"{\"jsonrpc\":\"2.0\",\"id\":9,\"error\":7}", ""},
		{"", ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct pair p;
		char answer[1024];
		ssize_t n;
		int raw;
		struct ftp_jsonrpc *peer = open_raw(&p, &raw);

		assert_true(write(raw, cases[i].line, strlen(cases[i].line)) >= 0);
		assert_int_equal(ftp_jsonrpc_turn(peer, 1, NULL), 0);
		assert_int_equal(write(raw, "\n", 1), 1);
		assert_int_equal(ftp_jsonrpc_turn(peer, 1, NULL), 0);
		n = recv(raw, answer, sizeof(answer) - 1, MSG_DONTWAIT);
		answer[n < 0 ? 0 : n] = 0;
		if (!strstr(answer, cases[i].answer) || (!cases[i].answer[0] && n > 0))
			fail_msg("%s: answered %s", cases[i].line, answer);
		ftp_jsonrpc_free(peer);
		close(raw);
	}
}

static void turn__two_lines_and_a_half(void **state)
{
	static const char lines[] = "{\"jsonrpc\":\"2.0\",\"method\":\"note\"}\n"
				    "{\"jsonrpc\":\"2.0\",\"method\":\"note\"}\n"
				    "{\"jsonrpc\":\"2.0\",\"meth";
	struct pair p;
	int raw;
	struct ftp_jsonrpc *peer = open_raw(&p, &raw);

	(void)state;
	assert_int_equal(write(raw, lines, strlen(lines)), strlen(lines));
	close(raw);
	/* What came before the end counts. */
	assert_int_equal(ftp_jsonrpc_turn(peer, 1, NULL), -EPIPE);
	assert_int_equal(p.n_notes, 2);
	ftp_jsonrpc_free(peer);
}

static void expect_broken(const char *line, size_t n, const char *why)
{
	struct ftp_error err = {""};
	struct pair p;
	size_t at = 0;
	int raw, rc = 0;
	struct ftp_jsonrpc *peer = open_raw(&p, &raw);

	while (!rc && at < n) {
		ssize_t sent = send(raw, line + at, n - at, MSG_DONTWAIT | MSG_NOSIGNAL);

		at += sent > 0 ? (size_t)sent : 0;
		rc = ftp_jsonrpc_turn(peer, 1, &err);
	}
	for (int i = 0; !rc && i < 100; i++)
		rc = ftp_jsonrpc_turn(peer, 1, &err);
	assert_int_equal(rc, -EPIPE);
	assert_non_null(strstr(err.text, why));
	ftp_jsonrpc_free(peer);
	close(raw);
}

static void turn__bounds(void **state)
{
	size_t n = 3 << 20;
	char *line = malloc(n);

	(void)state;
	memset(line, 'x', n);
	expect_broken(line, n, "too long");
	memset(line, '[', 33);
	line[33] = '\n';
	expect_broken(line, 34, "too deep");
	free(line);
}

static void turn__peer_opens_too_many_calls(void **state)
{
	static const char line[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"later\"}\n";
	char *lines = malloc(65 * sizeof(line));

	(void)state;
	lines[0] = 0;
	for (int i = 0; i < 65; i++)
		strcat(lines, line);
	expect_broken(lines, strlen(lines), "too many calls");
	free(lines);
}

static void turn__peer_does_not_read(void **state)
{
	struct ftp_error err = {""};
	struct pair p;
	int raw, rc = 0;
	struct ftp_jsonrpc *peer = open_raw(&p, &raw);
	char *big = malloc(500000);

	(void)state;
	memset(big, 'x', 500000);
	big[499999] = 0;
	for (int i = 0; !rc && i < 100; i++) {
		ftp_jsonrpc_notify(peer, "note", json_pack("[s]", big));
		rc = ftp_jsonrpc_turn(peer, 1, &err);
	}
	assert_int_equal(rc, -EPIPE);
	assert_non_null(strstr(err.text, "does not read"));
	ftp_jsonrpc_free(peer);
	close(raw);
	free(big);
}

/* Mutations of valid lines: nothing but errors and closed peers may come of them. */
static void turn__hostile_bytes(void **state)
{
	static const char seed_line[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\","
					"\"params\":{\"a\":[1,\"\\u00e9\"]}}\n";
	uint64_t key = ftp_prng_key(check_seed(), FTP_PRNG_TEST, 1), draw = 0;

	(void)state;
	for (int round = 0; round < 2000; round++) {
		struct pair p;
		int raw, rc = 0;
		struct ftp_jsonrpc *peer = open_raw(&p, &raw);

		for (int i = 0; i < 4; i++) {
			char line[sizeof(seed_line)];
			size_t n = 1 + ftp_prng_below(key, draw++, sizeof(seed_line) - 1);

			memcpy(line, seed_line, sizeof(line));
			for (uint64_t k = ftp_prng_below(key, draw++, 4); k; k--) {
				line[ftp_prng_below(key, draw, n)] =
					(char)ftp_prng_u64(key, draw + 1);
				draw += 2;
			}
			assert_true(send(raw, line, n, MSG_DONTWAIT | MSG_NOSIGNAL) > 0);
			rc = ftp_jsonrpc_turn(peer, 1, NULL);
			assert_true(rc == 0 || rc == -EPIPE);
			if (rc)
				break;
		}
		ftp_jsonrpc_free(peer);
		close(raw);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(call__result),
		cmocka_unit_test(call__error_text_is_made_valid),
		cmocka_unit_test(call__no_method),
		cmocka_unit_test(call__deadline),
		cmocka_unit_test(call__postponed),
		cmocka_unit_test(call__peer_goes),
		cmocka_unit_test(call__beyond_the_bound),
		cmocka_unit_test(answer__later),
		cmocka_unit_test(notify__has_no_answer),
		cmocka_unit_test(turn__raw_lines),
		cmocka_unit_test(turn__two_lines_and_a_half),
		cmocka_unit_test(turn__bounds),
		cmocka_unit_test(turn__peer_opens_too_many_calls),
		cmocka_unit_test(turn__peer_does_not_read),
		cmocka_unit_test(turn__hostile_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
