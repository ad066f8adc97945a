#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "ctl/document.h"
#include "ctl/events.h"
#include "ctl/ftpctl.h"
#include "ctl/ftpctl_run.h"
#include "ctl/lock.h"
#include "ctl/progress_view.h"
#include "ctl/protocol.h"
#include "ctl/top_view.h"
#include "runtime/base/clock.h"

#define ASK_NS	   (3 * FTP_NS_PER_S)
#define EVERY_MS   500
#define TAIL_BYTES (256 << 10) /* of events.jsonl: what happened lately */
#define ENTER_TEXT "\033[?1049h\033[?25l"
#define LEAVE_TEXT "\033[?25h\033[?1049l"

struct top {
	struct ftp_ftpctl_run run;
	struct ftp_top_view view;
	struct ftp_top_frame frame;
	json_t *events; /* with --json: those shown; else NULL */
	uint64_t at;	/* events read up to here */
	struct termios before;
	int signal_fd;
};

static void on_event(void *arg, const char *kind, const json_t *event)
{
	struct top *t = arg;
	uint32_t n = t->view.n_events;

	(void)kind;
	ftp_top_view_event(&t->view, event);
	if (t->events && (t->view.n_events > n || n == FTP_TOP_EVENTS)) {
		json_array_append(t->events, (json_t *)event);
		if (json_array_size(t->events) > FTP_TOP_EVENTS)
			json_array_remove(t->events, 0);
	}
}

/* The status and the newest events; 0 or negative errno. status is the caller's. */
static int look(struct top *t, json_t **status, struct ftp_error *err)
{
	t->at = ftp_events_read(&t->run.dir, t->at, on_event, t);
	return ftp_ftpctl_ask(&t->run, FTP_METHOD_STATUS, NULL, ASK_NS, status, err);
}

static void print_line(const struct ftp_top_line *line, int width)
{
	printf("%s%.*s%s", ftp_terminal_colour(stdout, line->colour), width, line->text,
		ftp_terminal_colour(stdout, FTP_TERMINAL_PLAIN));
}

static int once(struct top *t, const struct ftp_options *o)
{
	json_t *status = NULL;
	struct ftp_error err;

	t->events = o->json ? json_array() : NULL;
	if (look(t, &status, &err))
		return ftp_ftpctl_fail(o, FTP_EXIT_DEGRADED, err.text);
	if (o->json) {
		ftp_ftpctl_print_json(json_pack("{s:b, s:s, s:o, s:o}", "ok", 1, "run",
			t->run.dir.id, "status", json_incref(status), "events", t->events));
	} else {
		ftp_top_view_frame(&t->view, status, &t->frame);
		for (uint32_t i = 0; i < t->frame.n; i++) {
			print_line(&t->frame.lines[i], FTP_TOP_LINE);
			putchar('\n');
		}
	}
	json_decref(status);
	return FTP_EXIT_OK;
}

static void draw(const struct ftp_top_frame *f)
{
	struct winsize size = {.ws_row = 24, .ws_col = 80};

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_row || !size.ws_col)
		size = (struct winsize){.ws_row = 24, .ws_col = 80};
	printf("\033[H");
	for (uint32_t i = 0; i < f->n && i + 1 < size.ws_row; i++) {
		print_line(&f->lines[i], size.ws_col);
		printf("\033[K\n");
	}
	printf("\033[Jq leaves");
	fflush(stdout);
}

/* Waits for the next frame's time; false: the operator leaves. */
static bool await_next(struct top *t)
{
	struct pollfd fds[2] = {
		{.fd = t->signal_fd, .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};
	char key = 0;

	if (poll(fds, 2, EVERY_MS) <= 0)
		return true;
	if (fds[0].revents)
		return false;
	return read(STDIN_FILENO, &key, 1) == 1 && key != 'q' && key != 3;
}

static void enter_screen(struct top *t)
{
	struct termios raw;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	t->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	raw = t->before;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
	fputs(ENTER_TEXT, stdout);
}

static void leave_screen(struct top *t)
{
	fputs(LEAVE_TEXT, stdout);
	fflush(stdout);
	tcsetattr(STDIN_FILENO, TCSADRAIN, &t->before);
	close(t->signal_fd);
}

static int live(struct top *t)
{
	struct ftp_progress_view end = {.out = stdout};
	bool goes_on = true, lives = true;
	struct ftp_error err = {""};
	json_t *summary;

	enter_screen(t);
	while (goes_on && lives) {
		json_t *status = NULL;

		if (!look(t, &status, &err)) {
			ftp_top_view_frame(&t->view, status, &t->frame);
			draw(&t->frame);
		}
		json_decref(status);
		goes_on = await_next(t);
		lives = ftp_lock_holder(t->run.data_dir) != 0;
	}
	leave_screen(t);
	if (lives)
		return FTP_EXIT_OK;
	summary = ftp_rundir_read_summary(&t->run.dir);
	ftp_progress_view_end(&end, summary, t->run.dir.path);
	json_decref(summary);
	return FTP_EXIT_OK;
}

int ftp_ftpctl_top(const struct ftp_options *o)
{
	static struct top t;
	struct ftp_progress_view probe;
	uint64_t end;
	int rc = ftp_ftpctl_find_live(&t.run, o);

	if (rc)
		return rc;
	end = ftp_events_end(&t.run.dir);
	t.at = end > TAIL_BYTES ? end - TAIL_BYTES : 0;
	ftp_progress_view_init(&probe, stdout);
	if (o->once || o->json || !probe.live || tcgetattr(STDIN_FILENO, &t.before))
		return once(&t, o);
	return live(&t);
}
