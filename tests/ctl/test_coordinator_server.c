/* The coordinator's shell over real sockets. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ctl/jsonrpc.h"
#include "ctl/protocol.h"
#include "runtime/base/clock.h"
#include "tests/ctl/past_journal.h"
#include "tests/ctl/server_site.h"
#include "tests/ctl/small_disk.h"

static int set_up(void **state)
{
	struct site *s = site_new();

	site_make(s, "auto", 9);
	site_start(s);
	*state = s;
	return 0;
}

/* Reads until `what` has come, and returns all that has; "" waits for the end of the connection. */
static const char *expect_bytes(int fd, const char *what)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};
	static char text[1 << 16];
	size_t n = 0;

	for (;;) {
		ssize_t got;

		if (poll(&pfd, 1, 20000) != 1)
			fail_msg("waited for '%s', got '%.*s'", what, (int)n, text);
		got = read(fd, text + n, sizeof(text) - 1 - n);
		if (got <= 0) {
			if (what[0])
				fail_msg("closed before '%s', after '%.*s'", what, (int)n, text);
			return text;
		}
		n += (size_t)got;
		text[n] = 0;
		if (what[0] && strstr(text, what))
			return text;
	}
}

static void send_join(const struct site *s, int fd, const char *name)
{
	struct ftp_join m = {.protocol = FTP_PROTOCOL_VERSION,
		.pid = 1,
		.isa = "avx2",
		.config = ftp_config_digest(s->config),
		.dataset = {1, 1},
		.n_train = 100};
	json_t *doc;
	char *text;

	snprintf(m.name, sizeof(m.name), "%s", name);
	doc = json_pack("{s:s, s:i, s:s, s:o}", "jsonrpc", "2.0", "id", 1, "method",
		FTP_METHOD_JOIN, "params", ftp_join_encode(&m));
	text = json_dumps(doc, JSON_COMPACT);
	assert_true(write(fd, text, strlen(text)) > 0 && write(fd, "\n", 1) == 1);
	free(text);
	json_decref(doc);
}

/* The node that is asked for its unit times has had its turn when the other's joining asks it. */
static void run__calls_reach_peers_in_any_order(void **state)
{
	struct site *s = *state;
	int second = site_connect(s->address), first;

	/* The server has accepted it when it answers. */
	assert_true(write(second, "{}\n", 3) == 3);
	expect_bytes(second, "-32600");
	first = site_connect(s->address);
	send_join(s, first, "n1");
	expect_bytes(first, "\"result\"");
	send_join(s, second, "n2");
	expect_bytes(first, FTP_METHOD_PROFILE);
	close(first);
	close(second);
}

/* A node that is asked something before it knows that it was admitted cannot tell its losses first.
 */
static void run__a_join_is_answered_before_what_follows(void **state)
{
	struct site *s = *state;
	int first = site_connect(s->address), second = site_connect(s->address);
	const char *text;

	send_join(s, first, "n1");
	expect_bytes(first, "\"result\"");
	send_join(s, second, "n2");
	text = expect_bytes(second, FTP_METHOD_PROFILE);
	assert_non_null(strstr(text, "\"result\""));
	assert_true(strstr(text, "\"result\"") < strstr(text, FTP_METHOD_PROFILE));
	close(first);
	close(second);
}

static void run__each_side_has_its_methods(void **state)
{
	static const char stop[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"run.stop\"}\n";
	static const char join[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"node.join\"}\n";
	struct site *s = *state;
	char path[FTP_PATHS_MAX];
	int tcp = site_connect(s->address), local;

	ftp_rundir_file(&s->dir, FTP_RUNDIR_SOCKET, path);
	local = site_connect(path);
	assert_true(write(tcp, stop, sizeof(stop) - 1) > 0);
	expect_bytes(tcp, "there is no method");
	assert_true(write(local, join, sizeof(join) - 1) > 0);
	expect_bytes(local, "there is no method");
	close(tcp);
	close(local);
}

static void run__refused_node_hears_why_and_is_closed(void **state)
{
	struct site *s = *state;
	int fd = site_connect(s->address);

	send_join(s, fd, "stranger");
	expect_bytes(fd, "there is no node 'stranger'");
	expect_bytes(fd, "");
	close(fd);
}

static void run__garbage_is_closed(void **state)
{
	struct site *s = *state;
	char *line = malloc(2 << 20);
	int fd = site_connect(s->address), kept = site_connect(s->address);
	size_t at = 0;

	memset(line, 'x', 2 << 20);
	while (at < 2 << 20) {
		ssize_t n = send(fd, line + at, (2 << 20) - at, MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN)
			break;
		at += n > 0 ? (size_t)n : 0;
	}
	/* The others are served on. */
	send_join(s, kept, "n1");
	expect_bytes(kept, "\"result\"");
	close(fd);
	close(kept);
	free(line);
}

/* Strangers fill the TCP side; the operator's side still answers. */
static void run__strangers_do_not_lock_the_operator_out(void **state)
{
	struct site *s = *state;
	json_t *status;
	int fds[200];

	for (int i = 0; i < 200; i++)
		fds[i] = site_connect(s->address);
	status = site_status(s);
	assert_string_equal(json_string_value(json_object_get(status, "state")), "waiting");
	json_decref(status);
	for (int i = 0; i < 200; i++)
		close(fds[i]);
}

struct full { /* a site whose disk is full when a plan is to be prepared */
	struct site *site;
	char filler[80];
	int first, second;
};

static struct full begin_full(uint64_t patience_ns)
{
	struct full f = {.site = site_new()};
	struct site *s = f.site;

	s->patience_ns = patience_ns;
	small_disk_mount(s->root, 128);
	s->is_small = true;
	site_make(s, "2", 9);
	site_start(s);
	snprintf(f.filler, sizeof(f.filler), "%s/filler", s->root);
	f.first = site_connect(s->address);
	send_join(s, f.first, "n1");
	expect_bytes(f.first, "\"result\"");
	small_disk_fill(f.filler);
	f.second = site_connect(s->address);
	send_join(s, f.second, "n2");
	expect_bytes(f.second, "\"result\"");
	return f;
}

static void end_full(struct full *f)
{
	void *site = f->site;

	close(f->first);
	close(f->second);
	assert_int_equal(site_tear_down(&site), 0);
}

/* No term is told before it is durable; the operator is answered; and as soon as there is room all
 * goes on. */
static void run__full_disk_for_a_while(void **state)
{
	struct full f = begin_full(0);
	struct pollfd pfd = {.fd = f.first, .events = POLLIN};

	(void)state;
	site_await(f.site, "preparing");
	for (int i = 0; i < 3; i++)
		json_decref(site_status(f.site));
	assert_int_equal(poll(&pfd, 1, 0), 0);
	unlink(f.filler);
	expect_bytes(f.first, FTP_METHOD_PREPARE);
	expect_bytes(f.second, FTP_METHOD_PREPARE);
	end_full(&f);
}

static void run__full_disk_for_too_long(void **state)
{
	struct full f = begin_full(300 * FTP_NS_PER_MS);
	const char *said;

	(void)state;
	said = expect_bytes(f.first, FTP_METHOD_STOP);
	assert_null(strstr(said, FTP_METHOD_PREPARE));
	assert_non_null(strstr(said, "No space left on device"));
	assert_non_null(strstr(said, "start --resume"));
	end_full(&f);
}

static void write_past(const struct site *s, const char *name, const char *text)
{
	char path[FTP_PATHS_MAX];
	FILE *f;

	ftp_rundir_file(&s->dir, name, path);
	f = fopen(path, "w");
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

/* How long the recoveries of its life before took, a new coordinator does not know. */
static void metrics__of_a_life_before(void **state)
{
	static const char request[] = "GET /metrics HTTP/1.0\r\n\r\n";
	static const char none[] = "\"n_recoveries\": 0", some[] = "\"n_recoveries\": 2";
	const char *at = strstr(past_journal, none);
	char journal[sizeof(past_journal)];
	struct site *s = site_new();
	const char *page;
	int fd;

	(void)state;
	assert_non_null(at);
	snprintf(journal, sizeof(journal), "%.*s%s%s", (int)(at - past_journal), past_journal, some,
		at + strlen(none));
	snprintf(s->metrics, sizeof(s->metrics), "127.0.0.1:%d", site_free_port());
	site_make(s, "2", 9);
	write_past(s, FTP_RUNDIR_LOSS, "step,loss\n1,0.5\n");
	write_past(s, FTP_RUNDIR_JOURNAL, journal);
	site_start(s);
	fd = site_connect(s->metrics);
	assert_true(write(fd, request, sizeof(request) - 1) > 0);
	page = expect_bytes(fd, "");
	assert_non_null(strstr(page, "\nftp_recoveries_total 2\n"));
	assert_non_null(strstr(page, "\nftp_recovery_duration_seconds_count{part=\"total\"} 0\n"));
	close(fd);
	*state = s;
	assert_int_equal(site_tear_down(state), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(run__full_disk_for_a_while),
		cmocka_unit_test(run__full_disk_for_too_long),
		cmocka_unit_test(metrics__of_a_life_before),
		cmocka_unit_test_setup_teardown(
			run__calls_reach_peers_in_any_order, set_up, site_tear_down),
		cmocka_unit_test_setup_teardown(
			run__a_join_is_answered_before_what_follows, set_up, site_tear_down),
		cmocka_unit_test_setup_teardown(
			run__each_side_has_its_methods, set_up, site_tear_down),
		cmocka_unit_test_setup_teardown(
			run__refused_node_hears_why_and_is_closed, set_up, site_tear_down),
		cmocka_unit_test_setup_teardown(run__garbage_is_closed, set_up, site_tear_down),
		cmocka_unit_test_setup_teardown(
			run__strangers_do_not_lock_the_operator_out, set_up, site_tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
