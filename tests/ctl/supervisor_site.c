#include "tests/ctl/supervisor_site.h"

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
#include "ctl/supervisor_run.h"
#include "runtime/base/clock.h"
#include "tests/base/check.h"

static const char *coordinator_path, *node_path;

void site_set_programs(const char *coordinator, const char *node)
{
	coordinator_path = realpath(coordinator, NULL);
	node_path = realpath(node, NULL);
}

int site_free_port(int *held_fd)
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

static void site_write_config(struct site *s, int port, const char *training)
{
	char path[128];
	struct ftp_error err;
	FILE *f;

	snprintf(path, sizeof(path), "%s/run.yaml", s->root);
	f = fopen(path, "w");
	fprintf(f,
		"cluster: {data_dir: %s/data, coordinator: {listen: \"127.0.0.1:%d\"}}\n"
		"nodes: [{name: n1, restart: never}, {name: n2, restart: never}]\n"
		"metrics: {listen: \"off\"}\n"
		"training: {model: lenet5, dataset: {kind: idx, path: /tmp}, batch: 64, %s}\n"
		"snapshot: {every: 0}\n",
		s->root, port, training);
	fclose(f);
	if (ftp_config_load(&s->config, path, NULL, 0, &err))
		fail_msg("%s", err.text);
}

void site_open(struct site *s, const char *training, int port)
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
	site_write_config(s, port ? port : site_free_port(NULL), training);
}

void site_start(struct site *s)
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
int site_read_report(struct site *s, char *text, size_t bytes)
{
	struct pollfd pfd = {.fd = s->report_fd, .events = POLLIN};
	ssize_t n;
	char *rest;

	assert_int_equal(poll(&pfd, 1, 20000), 1);
	n = read(s->report_fd, text, bytes - 1);
	text[n > 0 ? n : 0] = 0;
	return (int)strtol(text, &rest, 10);
}

void site_await_exit(struct site *s)
{
	struct pollfd pfd = {.fd = s->supervisor_fd, .events = POLLIN};

	assert_int_equal(poll(&pfd, 1, 20000), 1);
	waitpid(s->supervisor, NULL, 0);
	s->supervisor = 0;
}

void site_find_children(struct site *s)
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
static bool site_is_gone(pid_t pid)
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

void site_await_children(struct site *s)
{
	uint64_t deadline_ns = ftp_clock_now_ns() + 20 * FTP_NS_PER_S;

	for (int i = 0; i < s->n_pids; i++) {
		while (!site_is_gone(s->pids[i])) {
			assert_true(ftp_clock_now_ns() < deadline_ns);
			poll(NULL, 0, 10);
		}
	}
}

json_t *site_ask(struct site *s, const char *method)
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

void site_await_training(struct site *s)
{
	uint64_t deadline_ns = ftp_clock_now_ns() + 20 * FTP_NS_PER_S;
	char report[256];
	bool trains = false;

	assert_int_equal(site_read_report(s, report, sizeof(report)), 0);

	while (!trains) {
		json_t *status = site_ask(s, FTP_METHOD_STATUS);

		trains = json_integer_value(json_object_get(status, "step")) > 0;
		json_decref(status);
		assert_true(ftp_clock_now_ns() < deadline_ns);
		poll(NULL, 0, 10);
	}
	site_find_children(s);
	assert_int_equal(s->n_pids, 3);
}

void site_expect_summary(struct site *s, const char *state, const char *reason)
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
void site_expect_clean(struct site *s)
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

void site_close(struct site *s)
{
	char command[128];

	close(s->report_fd);
	close(s->supervisor_fd);
	ftp_config_free(s->config);
	snprintf(command, sizeof(command), "rm -rf '%s'", s->root);
	assert_int_equal(system(command), 0);
}

void site_expect_losses(struct site *s, int n)
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

pid_t site_coordinator_of(struct site *s)
{
	char path[64], name[64] = "";
	FILE *f;

	site_find_children(s);
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

void site_await_coordinator_after(struct site *s, pid_t before)
{
	uint64_t deadline_ns = ftp_clock_now_ns() + 20 * FTP_NS_PER_S;
	pid_t pid;

	while (!(pid = site_coordinator_of(s)) || pid == before) {
		assert_true(ftp_clock_now_ns() < deadline_ns);
		poll(NULL, 0, 10);
	}
}
