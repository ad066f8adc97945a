/* The supervisor with real processes, sockets and kill -9: the real coordinator, and stand-ins for
 * the nodes (fake_node.c). argv: the programs' paths. Every wait has a deadline. */
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ctl/jsonrpc.h"
#include "ctl/protocol.h"
#include "ctl/supervisor.h"
#include "ctl/supervisor_run.h"
#include "runtime/base/clock.h"
#include "tests/base/check.h"

#define MAX_PIDS 8

static const char *coordinator_path, *node_path;

struct site {
	char root[64]; /* bin/, data/ and the configuration */
	struct ftp_config *config;
	struct ftp_rundir dir;
	pid_t supervisor;
	int supervisor_fd;
	int report_fd;
	pid_t pids[MAX_PIDS]; /* its children */
	int n_pids;
};

static int free_port(int *held_fd)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t bytes = sizeof(addr);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&addr, bytes), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &bytes), 0);
	if (held_fd) {
		assert_int_equal(listen(fd, 1), 0);
		*held_fd = fd;
	} else {
		close(fd);
	}
	return ntohs(addr.sin_port);
}

static void write_config(struct site *s, int port, const char *training)
{
	char path[128];
	struct ftp_error err;
	FILE *f;

	snprintf(path, sizeof(path), "%s/run.yaml", s->root);
	f = fopen(path, "w");
	fprintf(f,
		"cluster: {data_dir: %s/data, coordinator: {listen: \"127.0.0.1:%d\"}}\n"
		"nodes: [{name: n1}, {name: n2}]\n"
		"metrics: {listen: \"off\"}\n"
		"training: {model: lenet5, dataset: {kind: idx, path: /tmp}, batch: 64, %s}\n"
		"snapshot: {every: 0}\n",
		s->root, port, training);
	fclose(f);
	if (ftp_config_load(&s->config, path, NULL, 0, &err))
		fail_msg("%s", err.text);
}

static void open_site(struct site *s, const char *training, int port)
{
	char path[128];

	memset(s, 0, sizeof(*s));
	strcpy(s->root, "/tmp/test_supervisor.XXXXXX");
	assert_non_null(mkdtemp(s->root));
	snprintf(path, sizeof(path), "%s/bin", s->root);
	assert_int_equal(mkdir(path, 0755), 0);
	snprintf(path, sizeof(path), "%s/bin/ftpipe-coordinator", s->root);
	assert_int_equal(symlink(coordinator_path, path), 0);
	snprintf(path, sizeof(path), "%s/bin/ftpipe-node", s->root);
	assert_int_equal(symlink(node_path, path), 0);
	write_config(s, port ? port : free_port(NULL), training);
}

static void start(struct site *s)
{
	struct ftp_supervisor_params p = {.config = s->config,
		.dir = &s->dir,
		.run = 0x1234,
		.coordinator = true,
		.local = {true, true}};
	struct ftp_error err;
	int report[2];

	snprintf(p.bin_dir, sizeof(p.bin_dir), "%s/bin", s->root);
	if (ftp_rundir_create(&s->dir, s->config, p.run, &err))
		fail_msg("%s", err.text);
	p.log_fd = ftp_rundir_open_log(&s->dir, &err);
	assert_true(p.log_fd >= 0);
	assert_int_equal(pipe(report), 0);
	p.report_fd = report[1];
	s->supervisor = fork();
	if (!s->supervisor) {
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* no test that fails leaves a run behind */
		close(report[0]);
		dup2(p.log_fd, STDERR_FILENO);
		ftp_supervisor_run(&p);
		_exit(0);
	}
	close(report[1]);
	close(p.log_fd);
	s->report_fd = report[0];
	s->supervisor_fd = pidfd_open(s->supervisor, 0);
	assert_true(s->supervisor_fd >= 0);
}

/* The line that the supervisor reports. */
static int read_report(struct site *s, char *text, size_t bytes)
{
	struct pollfd pfd = {.fd = s->report_fd, .events = POLLIN};
	ssize_t n;
	char *rest;

	assert_int_equal(poll(&pfd, 1, 20000), 1);
	n = read(s->report_fd, text, bytes - 1);
	text[n > 0 ? n : 0] = 0;
	return (int)strtol(text, &rest, 10);
}

static void await_exit(struct site *s)
{
	struct pollfd pfd = {.fd = s->supervisor_fd, .events = POLLIN};

	assert_int_equal(poll(&pfd, 1, 20000), 1);
	waitpid(s->supervisor, NULL, 0);
	s->supervisor = 0;
}

static void find_children(struct site *s)
{
	char path[64], line[256];
	char *at = line;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", s->supervisor, s->supervisor);
	f = fopen(path, "r");
	assert_non_null(f);
	if (!fgets(line, sizeof(line), f))
		line[0] = 0;
	fclose(f);
	for (s->n_pids = 0; s->n_pids < MAX_PIDS; s->n_pids++) {
		s->pids[s->n_pids] = (pid_t)strtol(at, &at, 10);
		if (!s->pids[s->n_pids])
			break;
	}
}

/* Ended, or a zombie that only its adopter has not yet reaped. */
static bool is_gone(pid_t pid)
{
	char path[64], line[512], *state;
	FILE *f;
	bool gone = true;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "r");
	if (!f)
		return true;
	if (fgets(line, sizeof(line), f)) {
		state = strrchr(line, ')');
		gone = state && state[2] == 'Z';
	}
	fclose(f);
	return gone;
}

static void await_children(struct site *s)
{
	uint64_t deadline_ns = ftp_clock_now_ns() + 20 * FTP_NS_PER_S;

	for (int i = 0; i < s->n_pids; i++) {
		while (!is_gone(s->pids[i])) {
			assert_true(ftp_clock_now_ns() < deadline_ns);
			poll(NULL, 0, 10);
		}
	}
}

static json_t *ask(struct site *s, const char *method)
{
	char path[FTP_PATHS_MAX];
	json_t *result = NULL;
	struct ftp_error err;

	ftp_rundir_file(&s->dir, FTP_RUNDIR_SOCKET, path);
	if (ftp_jsonrpc_ask(
		    path, method, NULL, ftp_clock_now_ns() + 5 * FTP_NS_PER_S, &result, &err))
		fail_msg("%s", err.text);
	return result;
}

static void await_training(struct site *s)
{
	uint64_t deadline_ns = ftp_clock_now_ns() + 20 * FTP_NS_PER_S;
	char report[256];
	bool trains = false;

	assert_int_equal(read_report(s, report, sizeof(report)), 0);

	while (!trains) {
		json_t *status = ask(s, FTP_METHOD_STATUS);

		trains = json_integer_value(json_object_get(status, "step")) > 0;
		json_decref(status);
		assert_true(ftp_clock_now_ns() < deadline_ns);
		poll(NULL, 0, 10);
	}
	find_children(s);
	assert_int_equal(s->n_pids, 3);
}

static void expect_summary(struct site *s, const char *state, const char *reason)
{
	json_t *summary = ftp_rundir_read_summary(&s->dir);
	const char *said;

	assert_non_null(summary);
	said = json_string_value(json_object_get(summary, "reason"));
	if (strcmp(json_string_value(json_object_get(summary, "state")), state))
		fail_msg("not %s: %s", state, said ? said : "");
	if (reason && (!said || !strstr(said, reason)))
		fail_msg("expected the reason to hold '%s', got '%s'", reason, said ? said : "");
	json_decref(summary);
}

/* Nothing but what a run is meant to leave. */
static void expect_clean(struct site *s)
{
	static const char *const left[] = {".", "..", "config.yaml", "events.jsonl", "journal.json",
		"log", "loss.csv", "run", "summary.json"};
	struct dirent *e;
	DIR *d = opendir(s->dir.path);

	while ((e = readdir(d))) {
		bool known = false;

		for (size_t i = 0; i < sizeof(left) / sizeof(*left); i++)
			known |= !strcmp(e->d_name, left[i]);
		if (!known)
			fail_msg("left behind: %s", e->d_name);
	}
	closedir(d);
}

static void close_site(struct site *s)
{
	char command[128];

	close(s->report_fd);
	close(s->supervisor_fd);
	ftp_config_free(s->config);
	snprintf(command, sizeof(command), "rm -rf '%s'", s->root);
	assert_int_equal(system(command), 0);
}

static void expect_losses(struct site *s, int n)
{
	char path[FTP_PATHS_MAX], line[64], expected[64];
	FILE *f;

	ftp_rundir_file(&s->dir, FTP_RUNDIR_LOSS, path);
	f = fopen(path, "r");
	assert_string_equal(fgets(line, sizeof(line), f), "step,loss\n");
	for (int i = 1; i <= n; i++) {
		snprintf(expected, sizeof(expected), "%d,%.9g\n", i, 1.0 / i);
		assert_string_equal(fgets(line, sizeof(line), f), expected);
	}
	assert_null(fgets(line, sizeof(line), f));
	fclose(f);
}

static void run__completes(void **state)
{
	char report[256];
	struct site s;

	(void)state;
	open_site(&s, "steps: 50", 0);
	start(&s);
	assert_int_equal(read_report(&s, report, sizeof(report)), 0);
	await_exit(&s);
	expect_summary(&s, "completed", NULL);
	expect_clean(&s);
	expect_losses(&s, 50);
	close_site(&s);
}

static void run__node_killed(void **state)
{
	char expected[80];
	struct site s;

	(void)state;
	open_site(&s, "steps: 1000000", 0);
	start(&s);
	await_training(&s);
	kill(s.pids[2], SIGKILL);
	await_exit(&s);
	await_children(&s);
	snprintf(expected, sizeof(expected), "n2 (pid %d) was killed by signal 9 (SIGKILL)",
		s.pids[2]);
	expect_summary(&s, "failed", expected);
	expect_clean(&s);
	close_site(&s);
}

static pid_t coordinator_of(struct site *s)
{
	char path[64], name[64] = "";
	FILE *f;

	find_children(s);
	for (int i = 0; i < s->n_pids; i++) {
		snprintf(path, sizeof(path), "/proc/%d/comm", s->pids[i]);
		f = fopen(path, "r");
		if (f && fgets(name, sizeof(name), f) && !strncmp(name, "ftpipe-coord", 12)) {
			fclose(f);
			return s->pids[i];
		}
		if (f)
			fclose(f);
	}
	return 0;
}

static void await_coordinator_after(struct site *s, pid_t before)
{
	uint64_t deadline_ns = ftp_clock_now_ns() + 20 * FTP_NS_PER_S;
	pid_t pid;

	while (!(pid = coordinator_of(s)) || pid == before) {
		assert_true(ftp_clock_now_ns() < deadline_ns);
		poll(NULL, 0, 10);
	}
}

/* It comes back, and knows all losses; the nodes have never stopped. */
static void run__coordinator_killed(void **state)
{
	struct site s;

	(void)state;
	open_site(&s, "steps: 3000", 0);
	start(&s);
	await_training(&s);
	for (int i = 0; i < 2; i++) {
		pid_t pid = coordinator_of(&s);

		kill(pid, SIGKILL);
		await_coordinator_after(&s, pid);
	}
	assert_int_equal(s.n_pids, 3);
	await_exit(&s);
	expect_summary(&s, "completed", NULL);
	expect_losses(&s, 3000);
	expect_clean(&s);
	close_site(&s);
}

/* A node that ends while nobody can be told is told of later. */
static void run__node_killed_without_a_coordinator(void **state)
{
	char expected[80];
	struct site s;

	(void)state;
	open_site(&s, "steps: 1000000", 0);
	start(&s);
	await_training(&s);
	kill(s.pids[0], SIGKILL);
	kill(s.pids[2], SIGKILL);
	await_exit(&s);
	await_children(&s);
	snprintf(expected, sizeof(expected), "n2 (pid %d) was killed by signal 9 (SIGKILL)",
		s.pids[2]);
	expect_summary(&s, "failed", expected);
	expect_clean(&s);
	close_site(&s);
}

/* It answers nothing; that it is there helps nobody. */
static void run__coordinator_frozen(void **state)
{
	struct site s;
	pid_t pid;

	(void)state;
	open_site(&s, "steps: 18000", 0);
	start(&s);
	await_training(&s);
	pid = coordinator_of(&s);
	kill(pid, SIGSTOP);
	await_coordinator_after(&s, pid);
	await_exit(&s);
	expect_summary(&s, "completed", NULL);
	expect_losses(&s, 18000);
	close_site(&s);
}

static void run__supervisor_killed(void **state)
{
	struct site s;

	(void)state;
	open_site(&s, "steps: 1000000", 0);
	start(&s);
	await_training(&s);
	kill(s.supervisor, SIGKILL);
	await_exit(&s);
	await_children(&s);
	assert_null(ftp_rundir_read_summary(&s.dir)); /* it can be resumed */
	expect_clean(&s);
	close_site(&s);
}

static void run__node_dies_before_it_joins(void **state)
{
	struct site s;

	(void)state;
	setenv("FAKE_NODE", "n1=die", 1);
	open_site(&s, "steps: 50", 0);
	start(&s);
	await_exit(&s);
	expect_summary(&s, "failed", "exited with code 7: the data are not there");
	expect_clean(&s);
	close_site(&s);
	unsetenv("FAKE_NODE");
}

/* Requests to start a node that runs, or none, before. */
static void run__stopped(void **state)
{
	static const int requests[] = {1, -1, 2};
	struct site s;

	(void)state;
	open_site(&s, "steps: 1000000", 0);
	start(&s);
	await_training(&s);
	for (size_t i = 0; i < sizeof(requests) / sizeof(*requests); i++)
		sigqueue(s.supervisor, FTP_SUPERVISOR_JOIN,
			(union sigval){.sival_int = requests[i]});
	json_decref(ask(&s, FTP_METHOD_STATUS));
	find_children(&s);
	assert_int_equal(s.n_pids, 3);
	kill(s.supervisor, SIGTERM);
	await_exit(&s);
	await_children(&s);
	expect_summary(&s, "stopped", "by the operator");
	expect_clean(&s);
	close_site(&s);
}

static void run__stubborn_node_is_killed(void **state)
{
	struct site s;

	(void)state;
	setenv("FAKE_NODE", "n2=stubborn", 1);
	open_site(&s, "steps: 1000000", 0);
	start(&s);
	await_training(&s);
	json_decref(ask(&s, FTP_METHOD_END));
	await_exit(&s);
	await_children(&s);
	expect_summary(&s, "stopped", "by the operator");
	expect_clean(&s);
	close_site(&s);
	unsetenv("FAKE_NODE");
}

static void run__killed_by_the_operator(void **state)
{
	struct site s;

	(void)state;
	setenv("FAKE_NODE", "n2=stubborn", 1);
	open_site(&s, "steps: 1000000", 0);
	start(&s);
	await_training(&s);
	kill(s.supervisor, SIGTERM);
	kill(s.supervisor, SIGQUIT);
	await_exit(&s);
	await_children(&s);
	expect_summary(&s, "failed", "killed by the operator");
	expect_clean(&s);
	close_site(&s);
	unsetenv("FAKE_NODE");
}

static void run__port_taken(void **state)
{
	char report[512];
	struct site s;
	int held;

	(void)state;
	open_site(&s, "steps: 50", free_port(&held));
	start(&s);
	assert_int_equal(read_report(&s, report, sizeof(report)), FTP_EXIT_UNAVAILABLE);
	assert_non_null(strstr(report, "Address already in use"));
	await_exit(&s);
	expect_summary(&s, "failed", "cannot listen on 127.0.0.1:");
	expect_clean(&s);
	close(held);
	close_site(&s);
}

static void run__program_missing(void **state)
{
	char report[512], path[128];
	struct site s;

	(void)state;
	open_site(&s, "steps: 50", 0);
	snprintf(path, sizeof(path), "%s/bin/ftpipe-node", s.root);
	unlink(path);
	start(&s);
	assert_int_equal(read_report(&s, report, sizeof(report)), FTP_EXIT_FAILURE);
	assert_non_null(strstr(report, "cannot start n1"));
	await_exit(&s);
	expect_summary(&s, "failed", "cannot start n1");
	expect_clean(&s);
	close_site(&s);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(run__completes),
		cmocka_unit_test(run__node_killed),
		cmocka_unit_test(run__coordinator_killed),
		cmocka_unit_test(run__node_killed_without_a_coordinator),
		cmocka_unit_test(run__coordinator_frozen),
		cmocka_unit_test(run__supervisor_killed),
		cmocka_unit_test(run__node_dies_before_it_joins),
		cmocka_unit_test(run__stopped),
		cmocka_unit_test(run__stubborn_node_is_killed),
		cmocka_unit_test(run__killed_by_the_operator),
		cmocka_unit_test(run__port_taken),
		cmocka_unit_test(run__program_missing),
	};

	if (argc != 3) {
		fprintf(stderr, "usage: test_supervisor COORDINATOR NODE\n");
		return 2;
	}
	coordinator_path = realpath(argv[1], NULL);
	node_path = realpath(argv[2], NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
