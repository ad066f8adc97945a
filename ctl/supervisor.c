#include "ctl/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ctl/lock.h"
#include "ctl/supervisor_run.h"
#include "runtime/base/address.h"
#include "runtime/base/clock.h"
#include "runtime/base/log.h"

/* An address is this machine's if a socket can be bound to it. */
static bool is_local(const char *host)
{
	struct sockaddr_storage addr;
	socklen_t bytes;
	char text[80];
	bool yes;
	int fd;

	snprintf(text, sizeof(text), strchr(host, ':') ? "[%s]:0" : "%s:0", host);
	if (ftp_address_parse(text, &addr, &bytes, NULL))
		return false;
	fd = socket(addr.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	yes = fd >= 0 && !bind(fd, (struct sockaddr *)&addr, bytes);
	if (fd >= 0)
		close(fd);
	return yes;
}

static bool listens_here(const char *address)
{
	struct sockaddr_storage addr;
	socklen_t bytes;
	char host[64];
	const char *colon = strrchr(address, ':');

	if (!colon || ftp_address_parse(address, &addr, &bytes, NULL))
		return false;
	if (address[0] == '[')
		snprintf(host, sizeof(host), "%.*s", (int)(colon - address - 2), address + 1);
	else
		snprintf(host, sizeof(host), "%.*s", (int)(colon - address), address);
	return is_local(host);
}

bool ftp_supervisor_has_coordinator(const struct ftp_config *config)
{
	return listens_here(config->cluster.coordinator_listen);
}

static int choose_children(struct ftp_supervisor_params *p, const char *node, struct ftp_error *err)
{
	const struct ftp_config *c = p->config;
	bool any = false;

	if (node && ftp_config_find_node(c, node) < 0)
		return ftp_error_set(
			err, EINVAL, "%s: nodes: there is no node '%s'", c->file, node);
	for (uint32_t i = 0; i < c->n_nodes; i++) {
		p->local[i] = node ? !strcmp(node, c->nodes[i].name) : is_local(c->nodes[i].host);
		any |= p->local[i];
	}
	if (!any)
		return ftp_error_set(err, EADDRNOTAVAIL,
			"%s: nodes: no node's host is an address of this machine; name one with "
			"--node",
			c->file);
	/* With the first node, which holds the data, comes the coordinator. */
	p->coordinator = node ? p->local[0] : ftp_supervisor_has_coordinator(c);
	return 0;
}

/* A run that was killed as a whole could not write how it ended. */
static void bury_last_run(const char *data_dir)
{
	struct ftp_rundir last;
	struct ftp_error err;
	char path[FTP_PATHS_MAX];
	json_t *summary;

	if (ftp_rundir_latest(&last, data_dir, &err))
		return;
	ftp_rundir_file(&last, FTP_RUNDIR_SOCKET, path);
	unlink(path);
	ftp_rundir_file(&last, FTP_RUNDIR_SUMMARY, path);
	if (!access(path, F_OK) || access(last.path, W_OK))
		return;
	summary = json_pack("{s:i, s:s, s:s, s:s}", "schema", 1, "run", last.id, "state", "failed",
		"reason", "every process of the run was killed");
	if (ftp_rundir_write_summary(&last, summary, &err))
		fprintf(stderr, "ftpctl: %s\n", err.text);
	json_decref(summary);
}

/* 0, or a negative errno with the reason why the last run cannot go on. */
static int check_last(const struct ftp_rundir *last, const struct ftp_supervisor_params *p,
	enum ftp_supervisor_begin begin, uint64_t *run, struct ftp_error *err)
{
	json_t *summary = ftp_rundir_read_summary(last);
	const char *state = json_string_value(json_object_get(summary, "state"));
	bool has_ended = state && (begin != FTP_SUPERVISOR_RESUME || !strcmp(state, "completed"));
	struct ftp_digest before, now = ftp_config_training_digest(p->config);
	char path[FTP_PATHS_MAX], how[32];
	struct ftp_config *config;
	int rc;

	snprintf(how, sizeof(how), "%s", state ? state : "");
	json_decref(summary);
	if (has_ended)
		return ftp_error_set(err, EINVAL, "run %s has ended: %s", last->id, how);
	ftp_rundir_file(last, FTP_RUNDIR_CONFIG, path);
	rc = ftp_rundir_read_run(last, run, err);
	if (!rc)
		rc = ftp_config_load(&config, path, NULL, 0, err);
	if (rc)
		return rc;
	before = ftp_config_training_digest(config);
	ftp_config_free(config);
	if (before.high != now.high || before.low != now.low)
		return ftp_error_set(err, EINVAL,
			"run %s computes something else: see `training` in %s", last->id, path);
	return 0;
}

/* true: *dir is the last run's, made ready to go on. */
static int take_last(struct ftp_rundir *dir, struct ftp_supervisor_params *p,
	enum ftp_supervisor_begin begin, bool *taken, struct ftp_error *err)
{
	char path[FTP_PATHS_MAX];
	int rc = ftp_rundir_latest(dir, p->config->cluster.data_dir, err);

	*taken = false;
	if (!rc)
		rc = check_last(dir, p, begin, &p->run, err);
	if (rc || begin == FTP_SUPERVISOR_NEW)
		return begin == FTP_SUPERVISOR_RESUME ? rc : 0;
	rc = ftp_rundir_write_config(dir, p->config, err);
	ftp_rundir_file(dir, FTP_RUNDIR_SUMMARY, path);
	if (!rc && unlink(path) && errno != ENOENT)
		rc = ftp_error_set(err, errno, "cannot remove %s: %s", path, strerror(errno));
	*taken = p->resumes = !rc;
	return rc;
}

static int make_new(struct ftp_rundir *dir, struct ftp_supervisor_params *p, struct ftp_error *err)
{
	bury_last_run(p->config->cluster.data_dir);
	if (getrandom(&p->run, sizeof(p->run), 0) != sizeof(p->run))
		return ftp_error_set(err, EIO, "no random numbers for the run's id");
	return ftp_rundir_create(dir, p->config, p->run, err);
}

/* The child of a child, in a session of its own: no terminal, no parent. *report_fd is where it
 * reports to. */
static pid_t daemonize(int log_fd, int report[2])
{
	int null_fd;
	pid_t pid;

	if (pipe2(report, O_CLOEXEC))
		return -1;
	fflush(NULL);
	pid = fork();
	if (pid)
		return pid;
	setsid();
	if (fork())
		_exit(0);
	close(report[0]);
	null_fd = open("/dev/null", O_RDWR);
	dup2(null_fd, STDIN_FILENO);
	dup2(log_fd, STDOUT_FILENO);
	dup2(log_fd, STDERR_FILENO);
	if (null_fd > STDERR_FILENO)
		close(null_fd);
	return 0;
}

static enum ftp_exit read_report(int fd, struct ftp_error *err)
{
	uint64_t deadline_ns = ftp_clock_now_ns() + 2 * FTP_SUPERVISOR_READY_NS;
	struct pollfd pfd = {.fd = fd, .events = POLLIN};
	char line[sizeof(err->text)], *rest;
	size_t n = 0;
	long code;

	while (n < sizeof(line) - 1) {
		uint64_t now_ns = ftp_clock_now_ns();
		ssize_t got;

		if (now_ns >= deadline_ns)
			break;
		if (poll(&pfd, 1, (int)((deadline_ns - now_ns) / FTP_NS_PER_MS) + 1) <= 0)
			continue;
		got = read(fd, line + n, sizeof(line) - 1 - n);
		if (got <= 0)
			break;
		n += (size_t)got;
		/* After a failed start the daemon's end is awaited too: it holds the lock. */
		if (line[0] == '0' && memchr(line, '\n', n))
			break;
	}
	line[n] = 0;
	code = strtol(line, &rest, 10);
	if (rest == line) {
		ftp_error_set(err, EIO, "the supervisor ended before it had started anything");
		return FTP_EXIT_FAILURE;
	}
	rest[strcspn(rest, "\n")] = 0;
	ftp_error_set(err, EIO, "%s", rest + (*rest == ' '));
	return (enum ftp_exit)code;
}

static enum ftp_exit start_locked(struct ftp_supervisor_params *p, int lock_fd,
	enum ftp_supervisor_begin begin, struct ftp_supervisor_started *out, struct ftp_error *err)
{
	pid_t pid;
	const char *data_dir = p->config->cluster.data_dir;
	enum ftp_exit code;
	int report[2], rc;

	rc = take_last(&out->dir, p, begin, &out->resumed, err);
	if (!rc && !out->resumed)
		rc = make_new(&out->dir, p, err);
	if (!rc)
		rc = p->log_fd = ftp_rundir_open_log(&out->dir, err);
	if (rc < 0)
		return ftp_options_exit(rc);
	p->dir = &out->dir;
	pid = daemonize(p->log_fd, report);
	if (pid < 0) {
		ftp_error_set(err, errno, "cannot start the supervisor: %s", strerror(errno));
		return FTP_EXIT_FAILURE;
	}
	if (!pid) {
		ftp_lock_sign(lock_fd);
		p->report_fd = report[1];
		ftp_supervisor_run(p);
		if (ftruncate(lock_fd, 0))
			ftp_log_warn("cannot clear the lock file: %s", strerror(errno));
		_exit(0);
	}
	close(report[1]);
	close(p->log_fd);
	waitpid(pid, NULL, 0);
	code = read_report(report[0], err);
	close(report[0]);
	out->supervisor = ftp_lock_holder(data_dir);
	return code;
}

enum ftp_exit ftp_supervisor_start(struct ftp_supervisor_started *out,
	const struct ftp_config *config, const char *node, bool drill,
	enum ftp_supervisor_begin begin, struct ftp_error *err)
{
	struct ftp_supervisor_params p = {.config = config, .drill = drill};
	enum ftp_exit code;
	pid_t holder;
	int lock_fd, rc;

	rc = choose_children(&p, node, err);
	if (!rc)
		rc = ftp_paths_programs(p.bin_dir, sizeof(p.bin_dir), err);
	if (!rc)
		rc = ftp_lock_take(config->cluster.data_dir, &lock_fd, &holder, err);
	if (rc == 1) {
		ftp_error_set(err, EBUSY,
			"a run is going on in %s: its supervisor is pid %d; follow it with `ftpctl "
			"follow`, end it with `ftpctl stop`, or give this one another "
			"cluster.data_dir",
			config->cluster.data_dir, holder);
		return FTP_EXIT_FAILURE;
	}
	if (rc)
		return rc == -EINVAL ? FTP_EXIT_USAGE : (enum ftp_exit)ftp_options_exit(rc);
	out->coordinator = p.coordinator;
	code = start_locked(&p, lock_fd, begin, out, err);
	/* The daemon's copy holds the lock on; after a failure nobody does, once it has ended. */
	close(lock_fd);
	return code;
}
