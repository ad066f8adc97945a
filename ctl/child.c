#include "ctl/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* Between fork and exec. A failure's errno goes up the pipe, which exec closes. */
static _Noreturn void become(const struct ftp_child_spec *spec, pid_t parent, int failed_fd)
{
	sigset_t none;
	int errnum, null_fd = open("/dev/null", O_RDONLY);

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, spec->parent_death_signal);
	if (getppid() != parent)
		_exit(1); /* the parent died before the tie was made */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	if (null_fd >= 0)
		dup2(null_fd, STDIN_FILENO);
	dup2(spec->output_fd, STDOUT_FILENO);
	dup2(spec->output_fd, STDERR_FILENO);
	if (spec->kept_fd >= 0)
		fcntl(spec->kept_fd, F_SETFD, 0);
	execv(spec->argv[0], spec->argv);
	errnum = errno;
	if (write(failed_fd, &errnum, sizeof(errnum)) < 0)
		_exit(126);
	_exit(127);
}

int ftp_child_start(struct ftp_child *c, const struct ftp_child_spec *spec, struct ftp_error *err)
{
	pid_t parent = getpid();
	int failed[2], errnum = 0;

	memset(c, 0, sizeof(*c));
	snprintf(c->name, sizeof(c->name), "%s", spec->name);
	c->pidfd = -1;
	if (pipe2(failed, O_CLOEXEC))
		return ftp_error_set(err, errno, "pipe: %s", strerror(errno));
	c->pid = fork();
	if (!c->pid)
		become(spec, parent, failed[1]);
	close(failed[1]);
	if (c->pid > 0 && read(failed[0], &errnum, sizeof(errnum)) != sizeof(errnum))
		c->pidfd = pidfd_open(c->pid, 0);
	close(failed[0]);
	if (c->pidfd >= 0)
		return 0;
	errnum = errnum ? errnum : errno;
	if (c->pid > 0) {
		kill(c->pid, SIGKILL);
		waitpid(c->pid, NULL, 0);
	}
	return ftp_error_set(
		err, errnum, "cannot start %s: %s: %s", c->name, spec->argv[0], strerror(errnum));
}

void ftp_child_reap(struct ftp_child *c)
{
	siginfo_t info;

	ftp_assert(!waitid(P_PIDFD, (id_t)c->pidfd, &info, WEXITED));
	if (info.si_code == CLD_EXITED)
		c->code = info.si_status;
	else
		c->signal = info.si_status;
	close(c->pidfd);
	c->pidfd = -1;
}

bool ftp_child_runs(const struct ftp_child *c)
{
	return c->pidfd >= 0;
}

void ftp_child_signal(const struct ftp_child *c, int signum)
{
	if (ftp_child_runs(c))
		pidfd_send_signal(c->pidfd, signum, NULL, 0);
}

void ftp_child_describe(const struct ftp_child *c, char *text, size_t bytes)
{
	const char *name = c->signal ? sigabbrev_np(c->signal) : NULL;

	if (c->signal)
		snprintf(text, bytes, "%s (pid %d) was killed by signal %d (SIG%s)", c->name,
			c->pid, c->signal, name ? name : "?");
	else
		snprintf(text, bytes, "%s (pid %d) exited with code %d", c->name, c->pid, c->code);
}
