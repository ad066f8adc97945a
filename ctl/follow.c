#include "ctl/follow.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "ctl/jsonrpc.h"
#include "ctl/lock.h"
#include "ctl/progress_view.h"
#include "ctl/protocol.h"
#include "runtime/base/clock.h"

#define ASK_EVERY_NS  (200 * FTP_NS_PER_MS)
#define ANSWER_NS     (3 * FTP_NS_PER_S)
#define CONNECT_NS    (65 * FTP_NS_PER_S) /* it may be started again */
#define LOCK_CHECK_NS (20 * FTP_NS_PER_MS)

struct follow {
	const struct ftp_follow_params *params;
	struct ftp_progress_view view;
	struct ftp_jsonrpc *peer; /* NULL: no connection */
	int signal_fd;
	bool asking, trains, detached;
	uint64_t ask_at_ns;
	unsigned n_interrupts;
};

int ftp_follow_await_end(const char *data_dir, uint64_t deadline_ns)
{
	while (ftp_lock_holder(data_dir)) {
		if (ftp_clock_now_ns() >= deadline_ns)
			return -ETIMEDOUT;
		ftp_clock_sleep_ns(LOCK_CHECK_NS);
	}
	return 0;
}

static void on_status(void *arg, int code, const json_t *status, const char *text)
{
	const char *state = json_string_value(json_object_get(status, "state"));
	struct follow *f = arg;

	(void)text;
	f->asking = false;
	if (code)
		return;
	if (!f->params->quiet)
		ftp_progress_view_update(&f->view, status, ftp_clock_now_ns());
	f->trains = state && !strcmp(state, "training");
}

/* Ctrl-C: stop, then kill; or detach. */
static void on_interrupt(struct follow *f)
{
	struct signalfd_siginfo info;
	pid_t supervisor;

	if (read(f->signal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	ftp_progress_view_leave(&f->view);
	if (!f->params->stops) {
		f->detached = true;
		return;
	}
	supervisor = ftp_lock_holder(f->params->data_dir);
	if (supervisor > 0)
		kill(supervisor, f->n_interrupts++ ? SIGQUIT : SIGTERM);
	fprintf(stderr, f->n_interrupts > 1 ? "\nkilling the run\n"
					    : "\nstopping the run; Ctrl-C again kills it\n");
}

static bool has_ended(const struct follow *f)
{
	char path[FTP_PATHS_MAX];

	ftp_rundir_file(f->params->dir, FTP_RUNDIR_SUMMARY, path);
	return !access(path, F_OK) || !ftp_lock_holder(f->params->data_dir);
}

/* The coordinator may be starting, again too, or ending: the supervisor's lock tells which. */
static bool connect_peer(struct follow *f)
{
	static const struct ftp_jsonrpc_method none[] = {{NULL, NULL}};
	uint64_t deadline_ns = ftp_clock_now_ns() + CONNECT_NS;
	struct pollfd interrupt = {.fd = f->signal_fd, .events = POLLIN};
	char path[FTP_PATHS_MAX];
	int fd;

	ftp_rundir_file(f->params->dir, FTP_RUNDIR_SOCKET, path);
	do {
		fd = ftp_jsonrpc_connect(path, deadline_ns, NULL);
		if (fd >= 0) {
			f->peer = ftp_jsonrpc_new(fd, none, f);
			return true;
		}
		if (poll(&interrupt, 1, (int)(LOCK_CHECK_NS / FTP_NS_PER_MS)) > 0)
			on_interrupt(f);
	} while (!f->detached && !has_ended(f) && ftp_clock_now_ns() < deadline_ns);
	return false;
}

static int wait_ms(const struct follow *f, uint64_t now_ns)
{
	uint64_t until_ns = f->asking ? ftp_jsonrpc_deadline(f->peer) : f->ask_at_ns;

	return until_ns <= now_ns ? 0 : (int)((until_ns - now_ns) / FTP_NS_PER_MS) + 1;
}

/* One turn with the coordinator; false when it has gone. */
static bool turn(struct follow *f)
{
	uint64_t now_ns = ftp_clock_now_ns();
	struct pollfd fds[2];

	if (!f->asking && now_ns >= f->ask_at_ns) {
		f->asking = true;
		f->ask_at_ns = now_ns + ASK_EVERY_NS;
		ftp_jsonrpc_call(
			f->peer, FTP_METHOD_STATUS, NULL, now_ns + ANSWER_NS, on_status, f);
	}
	fds[0] = (struct pollfd){
		.fd = ftp_jsonrpc_fd(f->peer), .events = ftp_jsonrpc_poll_events(f->peer)};
	fds[1] = (struct pollfd){.fd = f->signal_fd, .events = POLLIN};
	if (!(fds[0].events & POLLOUT))
		poll(fds, 2, wait_ms(f, now_ns));
	if (fds[1].revents)
		on_interrupt(f);
	return !ftp_jsonrpc_turn(f->peer, ftp_clock_now_ns(), NULL);
}

/* Until the run has ended, or there is nothing more to see for this caller. */
static void see_through(struct follow *f)
{
	while (connect_peer(f)) {
		while (turn(f) && !f->detached && !(f->trains && f->params->until_training))
			;
		if (f->detached || (f->trains && f->params->until_training))
			return;
		ftp_jsonrpc_free(f->peer);
		f->peer = NULL;
	}
}

static enum ftp_exit end_of_run(struct follow *f, json_t **summary)
{
	const char *state;

	if (ftp_follow_await_end(f->params->data_dir, ftp_clock_now_ns() + FTP_FOLLOW_END_NS)) {
		fprintf(stderr, "ftpctl: the run's supervisor does not end; see %s/%s\n",
			f->params->dir->path, FTP_RUNDIR_LOG);
		return FTP_EXIT_TIMED_OUT;
	}
	*summary = ftp_rundir_read_summary(f->params->dir);
	state = json_string_value(json_object_get(*summary, "state"));
	if (!*summary)
		fprintf(stderr,
			"ftpctl: the run was killed as a whole; `ftpctl start` resumes it\n");
	else if (!f->params->quiet || !state || strcmp(state, "completed"))
		ftp_progress_view_end(&f->view, *summary, f->params->dir->path);
	return state && !strcmp(state, "completed") ? FTP_EXIT_OK : FTP_EXIT_FAILURE;
}

static int catch_interrupts(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* A run whose coordinator is elsewhere: its view is there too. */
static void await_lock(struct follow *f)
{
	struct pollfd pfd = {.fd = f->signal_fd, .events = POLLIN};

	while (!f->detached && ftp_lock_holder(f->params->data_dir))
		if (poll(&pfd, 1, (int)(ASK_EVERY_NS / FTP_NS_PER_MS)) > 0)
			on_interrupt(f);
}

enum ftp_exit ftp_follow(const struct ftp_follow_params *params, json_t **summary)
{
	struct follow f = {.params = params, .signal_fd = catch_interrupts()};
	enum ftp_exit code = FTP_EXIT_OK;

	*summary = NULL;
	ftp_progress_view_init(&f.view, stderr);
	if (!params->coordinator)
		await_lock(&f);
	else
		see_through(&f);
	if (!f.detached && !(f.trains && params->until_training))
		code = end_of_run(&f, summary);
	ftp_progress_view_leave(&f.view);
	ftp_jsonrpc_free(f.peer);
	close(f.signal_fd);
	return code;
}
