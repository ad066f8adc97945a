/* The coordinator's shell over real sockets. The server is a child process; it dies with the test.
 */
#include "ctl/coordinator_server.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ctl/jsonrpc.h"
#include "ctl/protocol.h"
#include "tests/ctl/past_journal.h"
#include "tests/ctl/small_disk.h"

#define WAIT_NS (20 * FTP_NS_PER_S)

struct site {
	char root[64], address[32], metrics[32];
	uint64_t patience_ns;
	bool is_small; /* its disk */
	struct ftp_config *config;
	struct ftp_rundir dir;
	pid_t server;
};

static int free_port(void)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t bytes = sizeof(addr);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&addr, bytes), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &bytes), 0);
	close(fd);
	return ntohs(addr.sin_port);
}

static void serve(struct site *s, int ready_fd)
{
	static const struct ftp_coordinator_unit units[5];
	struct ftp_coordinator_settings settings = {.config = s->config,
		.config_digest = ftp_config_digest(s->config),
		.run = PAST_RUN,
		.id = s->dir.id,
		.n_units = 5,
		.units = units};
	const struct ftp_server_params params = {
		.settings = &settings, .dir = &s->dir, .patience_ns = s->patience_ns};
	struct ftp_server *server;
	struct ftp_error err;
	sigset_t set;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	if (ftp_server_new(&server, &params, &err) || write(ready_fd, "x", 1) != 1) {
		fprintf(stderr, "%s\n", err.text);
		_exit(1);
	}
	ftp_server_run(server, signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
	ftp_server_free(server);
	_exit(0);
}

static void make_site(struct site *s, const char *cuts)
{
	struct ftp_error err;
	char path[80];
	FILE *f;

	snprintf(s->address, sizeof(s->address), "127.0.0.1:%d", free_port());
	snprintf(path, sizeof(path), "%s/run.yaml", s->root);
	f = fopen(path, "w");
	fprintf(f,
		"cluster: {data_dir: %s/data, coordinator: {listen: \"%s\"}}\n"
		"nodes: [{name: n1, metrics: \"off\"}, {name: n2, metrics: \"off\"}]\n"
		"metrics: {listen: \"%s\"}\n"
		"training: {model: lenet5, dataset: {kind: idx, path: /tmp}, batch: 8, steps: 9, "
		"cuts: \"%s\"}\n",
		s->root, s->address, s->metrics[0] ? s->metrics : "off", cuts);
	fclose(f);
	if (ftp_config_load(&s->config, path, NULL, 0, &err) ||
		ftp_rundir_create(&s->dir, s->config, PAST_RUN, &err))
		fail_msg("%s", err.text);
}

static void start(struct site *s)
{
	int ready[2];
	char byte;

	assert_int_equal(pipe(ready), 0);
	s->server = fork();
	if (!s->server)
		serve(s, ready[1]);
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
}

static struct site *new_site(void)
{
	struct site *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	strcpy(s->root, "/tmp/test_server.XXXXXX");
	assert_non_null(mkdtemp(s->root));
	return s;
}

static int set_up(void **state)
{
	struct site *s = new_site();

	make_site(s, "auto");
	start(s);
	*state = s;
	return 0;
}

static int tear_down(void **state)
{
	struct site *s = *state;
	char command[128];

	kill(s->server, SIGKILL);
	waitpid(s->server, NULL, 0);
	if (s->is_small)
		small_disk_unmount(s->root);
	snprintf(command, sizeof(command), "rm -rf '%s'", s->root);
	ftp_config_free(s->config);
	free(s);
	return system(command);
}

static int connect_to(const char *address)
{
	struct ftp_error err;
	int fd = ftp_jsonrpc_connect(address, ftp_clock_now_ns() + WAIT_NS, &err);

	if (fd < 0)
		fail_msg("%s: %s", address, err.text);
	return fd;
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
	int second = connect_to(s->address), first;

	/* The server has accepted it when it answers. */
	assert_true(write(second, "{}\n", 3) == 3);
	expect_bytes(second, "-32600");
	first = connect_to(s->address);
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
	int first = connect_to(s->address), second = connect_to(s->address);
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
	int tcp = connect_to(s->address), local;

	ftp_rundir_file(&s->dir, FTP_RUNDIR_SOCKET, path);
	local = connect_to(path);
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
	int fd = connect_to(s->address);

	send_join(s, fd, "stranger");
	expect_bytes(fd, "there is no node 'stranger'");
	expect_bytes(fd, "");
	close(fd);
}

static void run__garbage_is_closed(void **state)
{
	struct site *s = *state;
	char *line = malloc(2 << 20);
	int fd = connect_to(s->address), kept = connect_to(s->address);
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

static json_t *ask_status(const struct site *s)
{
	char path[FTP_PATHS_MAX];
	json_t *status = NULL;
	struct ftp_error err;

	ftp_rundir_file(&s->dir, FTP_RUNDIR_SOCKET, path);
	if (ftp_jsonrpc_ask(
		    path, FTP_METHOD_STATUS, NULL, ftp_clock_now_ns() + WAIT_NS, &status, &err))
		fail_msg("%s", err.text);
	return status;
}

/* Strangers fill the TCP side; the operator's side still answers. */
static void run__strangers_do_not_lock_the_operator_out(void **state)
{
	struct site *s = *state;
	json_t *status;
	int fds[200];

	for (int i = 0; i < 200; i++)
		fds[i] = connect_to(s->address);
	status = ask_status(s);
	assert_string_equal(json_string_value(json_object_get(status, "state")), "waiting");
	json_decref(status);
	for (int i = 0; i < 200; i++)
		close(fds[i]);
}

static void await_state(const struct site *s, const char *state)
{
	uint64_t deadline_ns = ftp_clock_now_ns() + WAIT_NS;
	bool is_there = false;

	while (!is_there) {
		json_t *status = ask_status(s);

		is_there = !strcmp(json_string_value(json_object_get(status, "state")), state);
		json_decref(status);
		assert_true(ftp_clock_now_ns() < deadline_ns);
	}
}

struct full { /* a site whose disk is full when a plan is to be prepared */
	struct site *site;
	char filler[80];
	int first, second;
};

static struct full begin_full(uint64_t patience_ns)
{
	struct full f = {.site = new_site()};
	struct site *s = f.site;

	s->patience_ns = patience_ns;
	small_disk_mount(s->root, 128);
	s->is_small = true;
	make_site(s, "2");
	start(s);
	snprintf(f.filler, sizeof(f.filler), "%s/filler", s->root);
	f.first = connect_to(s->address);
	send_join(s, f.first, "n1");
	expect_bytes(f.first, "\"result\"");
	small_disk_fill(f.filler);
	f.second = connect_to(s->address);
	send_join(s, f.second, "n2");
	expect_bytes(f.second, "\"result\"");
	return f;
}

static void end_full(struct full *f)
{
	void *site = f->site;

	close(f->first);
	close(f->second);
	assert_int_equal(tear_down(&site), 0);
}

/* No term is told before it is durable; the operator is answered; and as soon as there is room all
 * goes on. */
static void run__full_disk_for_a_while(void **state)
{
	struct full f = begin_full(0);
	struct pollfd pfd = {.fd = f.first, .events = POLLIN};

	(void)state;
	await_state(f.site, "preparing");
	for (int i = 0; i < 3; i++)
		json_decref(ask_status(f.site));
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
	struct site *s = new_site();
	const char *page;
	int fd;

	(void)state;
	assert_non_null(at);
	snprintf(journal, sizeof(journal), "%.*s%s%s", (int)(at - past_journal), past_journal, some,
		at + strlen(none));
	snprintf(s->metrics, sizeof(s->metrics), "127.0.0.1:%d", free_port());
	make_site(s, "2");
	write_past(s, FTP_RUNDIR_LOSS, "step,loss\n1,0.5\n");
	write_past(s, FTP_RUNDIR_JOURNAL, journal);
	start(s);
	fd = connect_to(s->metrics);
	assert_true(write(fd, request, sizeof(request) - 1) > 0);
	page = expect_bytes(fd, "");
	assert_non_null(strstr(page, "\nftp_recoveries_total 2\n"));
	assert_non_null(strstr(page, "\nftp_recovery_duration_seconds_count{part=\"total\"} 0\n"));
	close(fd);
	*state = s;
	assert_int_equal(tear_down(state), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(run__full_disk_for_a_while),
		cmocka_unit_test(run__full_disk_for_too_long),
		cmocka_unit_test(metrics__of_a_life_before),
		cmocka_unit_test_setup_teardown(
			run__calls_reach_peers_in_any_order, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			run__a_join_is_answered_before_what_follows, set_up, tear_down),
		cmocka_unit_test_setup_teardown(run__each_side_has_its_methods, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			run__refused_node_hears_why_and_is_closed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(run__garbage_is_closed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			run__strangers_do_not_lock_the_operator_out, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
