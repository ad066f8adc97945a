#include "tests/ctl/server_site.h"

#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ctl/coordinator_server.h"
#include "ctl/jsonrpc.h"
#include "ctl/protocol.h"
#include "runtime/base/clock.h"
#include "tests/ctl/past_journal.h"
#include "tests/ctl/small_disk.h"

int site_free_port(void)
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

void site_make(struct site *s, const char *cuts, int steps)
{
	struct ftp_error err;
	char path[80];
	FILE *f;

	snprintf(s->address, sizeof(s->address), "127.0.0.1:%d", site_free_port());
	snprintf(path, sizeof(path), "%s/run.yaml", s->root);
	f = fopen(path, "w");
	fprintf(f,
		"cluster: {data_dir: %s/data, coordinator: {listen: \"%s\"}}\n"
		"nodes: [{name: n1, metrics: \"off\"}, {name: n2, metrics: \"off\"}]\n"
		"metrics: {listen: \"%s\"}\n"
		"training: {model: lenet5, dataset: {kind: idx, path: /tmp}, batch: 8, steps: %d, "
		"cuts: \"%s\"}\n",
		s->root, s->address, s->metrics[0] ? s->metrics : "off", steps, cuts);
	fclose(f);
	if (ftp_config_load(&s->config, path, NULL, 0, &err) ||
		ftp_rundir_create(&s->dir, s->config, PAST_RUN, &err))
		fail_msg("%s", err.text);
}

void site_start(struct site *s)
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

struct site *site_new(void)
{
	struct site *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	strcpy(s->root, "/tmp/test_server.XXXXXX");
	assert_non_null(mkdtemp(s->root));
	return s;
}

int site_tear_down(void **state)
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

int site_connect(const char *address)
{
	struct ftp_error err;
	int fd = ftp_jsonrpc_connect(address, ftp_clock_now_ns() + WAIT_NS, &err);

	if (fd < 0)
		fail_msg("%s: %s", address, err.text);
	return fd;
}

json_t *site_status(const struct site *s)
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

void site_await(const struct site *s, const char *state)
{
	uint64_t deadline_ns = ftp_clock_now_ns() + WAIT_NS;
	bool is_there = false;

	while (!is_there) {
		json_t *status = site_status(s);

		is_there = !strcmp(json_string_value(json_object_get(status, "state")), state);
		json_decref(status);
		assert_true(ftp_clock_now_ns() < deadline_ns);
	}
}
