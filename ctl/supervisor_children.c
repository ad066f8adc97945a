/* How the supervisor starts its children. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/cores.h"
#include "ctl/pinning.h"
#include "ctl/supervisor.h"
#include "ctl/supervisor_state.h"
#include "runtime/base/clock.h"

struct ftp_child *ftp_supervisor_children_find(struct ftp_supervisor *s, const char *name)
{
	for (uint32_t i = 0; i < s->n_children; i++)
		if (!strcmp(s->children[i].name, name))
			return &s->children[i];
	return NULL;
}

static struct ftp_child *place(struct ftp_supervisor *s, const char *name)
{
	struct ftp_child *before = ftp_supervisor_children_find(s, name);

	ftp_assert(before || s->n_children < FTP_SUPERVISOR_MAX_CHILDREN);
	return before ? before : &s->children[s->n_children++];
}

static int start_child(struct ftp_supervisor *s, const char *name, const char *program, char **argv,
	int kept_fd, int parent_death_signal, struct ftp_error *err)
{
	char path[2 * FTP_PATHS_MAX];
	const struct ftp_child_spec spec = {.name = name,
		.argv = argv,
		.output_fd = s->params->log_fd,
		.kept_fd = kept_fd,
		.parent_death_signal = parent_death_signal};

	snprintf(path, sizeof(path), "%s/%s", s->params->bin_dir, program);
	argv[0] = path;
	return ftp_child_start(place(s, name), &spec, err);
}

int ftp_supervisor_children_start_node(
	struct ftp_supervisor *s, uint32_t node, struct ftp_error *err)
{
	const struct ftp_config *c = s->params->config;
	char cores[FTP_CONFIG_MAX_NODES][FTP_PINNING_LIST_BYTES], config[FTP_PATHS_MAX];
	char *argv[] = {NULL, "--config", config, "--node", c->nodes[node].name, "--coordinator",
		c->cluster.coordinator_listen, "--run-dir", (char *)s->params->dir->path, "--cores",
		cores[node], s->params->drill ? "--drill" : NULL, NULL};
	bool local[FTP_CONFIG_MAX_NODES];
	cpu_set_t available;

	ftp_rundir_file(s->params->dir, FTP_RUNDIR_CONFIG, config);
	memcpy(local, s->params->local, sizeof(local));
	local[node] = true;
	ftp_cores_available(&available);
	ftp_pinning_choose(c, local, &available, cores);
	ftp_backoff_started(&s->restarts[node], ftp_clock_now_ns());
	s->missed[node].who[0] = 0; /* the one before: no news once the next one joins */
	return start_child(s, c->nodes[node].name, "ftpipe-node", argv, -1, SIGKILL, err);
}

/* The coordinator's line: it listens, or why not. An exit code. */
static int await_ready(struct ftp_supervisor *s, int fd, struct ftp_error *err)
{
	uint64_t deadline_ns = ftp_clock_now_ns() + FTP_SUPERVISOR_READY_NS;
	struct pollfd pfd = {.fd = fd, .events = POLLIN};
	char line[sizeof(err->text)], *rest;
	ssize_t n = -1;
	int code;

	while (n < 0 && ftp_clock_now_ns() < deadline_ns)
		if (poll(&pfd, 1, 100) > 0)
			n = read(fd, line, sizeof(line) - 1);
	line[n > 0 ? n : 0] = 0;
	code = (int)strtol(line, &rest, 10);
	rest[strcspn(rest, "\n")] = 0;
	if (rest == line) {
		char words[512];

		ftp_rundir_last_words(s->params->dir, "coordinator", words, sizeof(words));
		ftp_error_set(err, EIO, "the coordinator did not start: %s",
			words[0] ? words : "see the run's log");
		return FTP_EXIT_FAILURE;
	}
	ftp_error_set(err, EIO, "%s", rest + (*rest == ' '));
	return code;
}

int ftp_supervisor_children_start_coordinator(struct ftp_supervisor *s, struct ftp_error *err)
{
	char run[17], ready_fd[12], config[FTP_PATHS_MAX];
	char *argv[] = {NULL, "--config", config, "--run-dir", (char *)s->params->dir->path,
		"--run", run, "--ready-fd", ready_fd, NULL, NULL, NULL};
	char **option = argv + 9;
	int ready[2], rc;

	ftp_rundir_file(s->params->dir, FTP_RUNDIR_CONFIG, config);
	if (s->params->drill)
		*option++ = "--drill";
	if (s->params->resumes && !s->coordinator.restart.started_ns)
		*option++ = "--resume"; /* only at first: what it decides then counts */
	ftp_backoff_started(&s->coordinator.restart, ftp_clock_now_ns());
	s->coordinator.is_ready = false;
	if (pipe2(ready, O_CLOEXEC)) {
		ftp_error_set(err, errno, "the coordinator cannot be started: %s", strerror(errno));
		return FTP_EXIT_FAILURE;
	}
	snprintf(run, sizeof(run), "%016llx", (unsigned long long)s->params->run);
	snprintf(ready_fd, sizeof(ready_fd), "%d", ready[1]);
	rc = start_child(s, "coordinator", "ftpipe-coordinator", argv, ready[1], SIGTERM, err);
	close(ready[1]);
	rc = rc ? ftp_options_exit(rc) : await_ready(s, ready[0], err);
	close(ready[0]);
	if (rc != FTP_EXIT_OK)
		return rc;
	s->coordinator.is_ready = true;
	s->coordinator.answered_ns = ftp_clock_now_ns();
	s->coordinator.ask_ns = s->coordinator.answered_ns + FTP_SUPERVISOR_ASK_EVERY_NS;
	return FTP_EXIT_OK;
}
