#include "ctl/progress_view.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "ctl/document.h"
#include "ctl/terminal.h"
#include "runtime/base/clock.h"

#define BAR 20 /* characters of a stage's bar */

void ftp_progress_view_init(struct ftp_progress_view *v, FILE *out)
{
	const char *term = getenv("TERM");

	memset(v, 0, sizeof(*v));
	v->out = out;
	v->live = isatty(fileno(out)) && term && strcmp(term, "dumb");
	v->percent = -1;
}

void ftp_progress_view_time(double seconds, char *text, size_t bytes)
{
	uint64_t s = seconds > 0 && seconds < 1e9 ? (uint64_t)(seconds + 0.5) : 0;

	if (s >= 3600)
		snprintf(text, bytes, "%u:%02u:%02u", (unsigned)(s / 3600), (unsigned)(s / 60 % 60),
			(unsigned)(s % 60));
	else
		snprintf(text, bytes, "%u:%02u", (unsigned)(s / 60), (unsigned)(s % 60));
}

static void append(char *text, size_t bytes, const char *format, double value)
{
	size_t n = strlen(text);

	snprintf(text + n, bytes - n, format, value);
}

/* "step 120/469, epoch 1, loss 0.7823, accuracy 0.745, 4386 samples/s, 0:12 left" */
static void describe(const json_t *status, char *text, size_t bytes)
{
	char left[24];
	double v;

	if (!ftp_document_integer(status, "step")) {
		snprintf(text, bytes, "%s", ftp_document_text(status, "state"));
		return;
	}
	snprintf(text, bytes, "step %lld/%lld, epoch %lld",
		(long long)ftp_document_integer(status, "step"),
		(long long)ftp_document_integer(status, "last_step"),
		(long long)ftp_document_integer(status, "epoch"));
	if (ftp_document_number(status, "loss", &v))
		append(text, bytes, ", loss %.4f", v);
	if (ftp_document_number(status, "test_accuracy", &v))
		append(text, bytes, ", accuracy %.4f", v);
	if (ftp_document_number(status, "samples_per_second", &v) && v > 0)
		append(text, bytes, ", %.0f samples/s", v);
	if (ftp_document_number(status, "eta_seconds", &v)) {
		size_t n = strlen(text);

		ftp_progress_view_time(v, left, sizeof(left));
		snprintf(text + n, bytes - n, ", %s left", left);
	}
}

/* Who the run waits for: "waiting for n2, n3"; in mid-training, for want of what. */
static void describe_waiting(const json_t *status, char *text, size_t bytes)
{
	const char *why = ftp_document_text(status, "waiting_for");
	const json_t *node;
	size_t i, at;

	if (why[0]) {
		snprintf(text, bytes, "step %lld/%lld, waiting: %s",
			(long long)ftp_document_integer(status, "step"),
			(long long)ftp_document_integer(status, "last_step"), why);
		return;
	}

	at = (size_t)snprintf(text, bytes, "waiting for");
	json_array_foreach (json_object_get(status, "nodes"), i, node) {
		if (at + 48 < bytes && !strcmp(ftp_document_text(node, "state"), "awaited"))
			at += (size_t)snprintf(
				text + at, bytes - at, " %.32s", ftp_document_text(node, "name"));
	}
}

void ftp_progress_view_describe(const json_t *status, char *text, size_t bytes)
{
	if (!strcmp(ftp_document_text(status, "state"), "waiting"))
		describe_waiting(status, text, bytes);
	else
		describe(status, text, bytes);
}

static int percent_of(const json_t *status)
{
	json_int_t last = ftp_document_integer(status, "last_step");

	return last > 0 ? (int)(100 * (double)ftp_document_integer(status, "step") / (double)last)
			: 0;
}

static int columns(const struct ftp_progress_view *v)
{
	struct winsize size;

	if (ioctl(fileno(v->out), TIOCGWINSZ, &size) || size.ws_col < 20)
		return 80;
	return size.ws_col;
}

static void draw_line(struct ftp_progress_view *v, int width, const char *text)
{
	fprintf(v->out, "\r\033[K%.*s\n", width - 1, text);
	v->n_drawn++;
}

static void draw_stage(struct ftp_progress_view *v, int width, const json_t *stage)
{
	char text[160], bar[BAR + 1];
	double busy = 0;
	int n;

	ftp_document_number(stage, "busy_ratio", &busy);
	n = (int)(busy * BAR + 0.5);
	for (int i = 0; i < BAR; i++)
		bar[i] = i < n ? '#' : '.';
	bar[BAR] = 0;
	snprintf(text, sizeof(text), "  %-8.32s units %3lld-%-3lld [%s] %3.0f %% busy",
		ftp_document_text(stage, "node"),
		(long long)ftp_document_integer(stage, "first_unit"),
		(long long)ftp_document_integer(stage, "end_unit") - 1, bar, 100 * busy);
	draw_line(v, width, text);
}

static void draw(struct ftp_progress_view *v, const json_t *status)
{
	const json_t *stage;
	char text[512];
	int width = columns(v);
	size_t i;

	if (v->n_drawn)
		fprintf(v->out, "\033[%dA", v->n_drawn);
	v->n_drawn = 0;
	ftp_progress_view_describe(status, text, sizeof(text));
	draw_line(v, width, text);
	json_array_foreach (json_object_get(status, "stages"), i, stage)
		draw_stage(v, width, stage);
	fprintf(v->out, "\033[J");
	fflush(v->out);
}

static void print_plain(struct ftp_progress_view *v, const json_t *status)
{
	const char *before = "; busy";
	const json_t *stage;
	char text[512];
	double busy;
	size_t i;

	ftp_progress_view_describe(status, text, sizeof(text));
	fprintf(v->out, "%s", text);
	json_array_foreach (json_object_get(status, "stages"), i, stage) {
		if (!ftp_document_number(stage, "busy_ratio", &busy) || busy <= 0)
			continue;
		fprintf(v->out, "%s %s %.0f %%", before, ftp_document_text(stage, "node"),
			100 * busy);
		before = ",";
	}
	fprintf(v->out, "\n");
	fflush(v->out);
}

void ftp_progress_view_update(struct ftp_progress_view *v, const json_t *status, uint64_t now_ns)
{
	const char *state = ftp_document_text(status, "state");
	bool changed = strcmp(state, v->state) != 0;
	int percent = percent_of(status);

	if (v->live) {
		draw(v, status);
	} else if (changed || (percent != v->percent && now_ns >= v->printed_ns + FTP_NS_PER_S)) {
		print_plain(v, status);
		v->printed_ns = now_ns;
		v->percent = percent;
	}
	snprintf(v->state, sizeof(v->state), "%s", state);
}

void ftp_progress_view_leave(struct ftp_progress_view *v)
{
	v->n_drawn = 0;
}

void ftp_progress_view_end(struct ftp_progress_view *v, const json_t *summary, const char *dir)
{
	const char *state = ftp_document_text(summary, "state"),
		   *reason = ftp_document_text(summary, "reason");
	bool completed = !strcmp(state, "completed");
	char time[24];
	double x;

	ftp_progress_view_leave(v);
	fprintf(v->out, "%srun %s %s%s",
		ftp_terminal_colour(v->out, completed ? FTP_TERMINAL_GREEN : FTP_TERMINAL_RED),
		ftp_document_text(summary, "run"), state[0] ? state : "ended without a word",
		ftp_terminal_colour(v->out, FTP_TERMINAL_PLAIN));
	if (reason[0])
		fprintf(v->out, ": %s", reason);
	else if (completed) {
		fprintf(v->out, ": %lld steps", (long long)ftp_document_integer(summary, "steps"));
		if (ftp_document_number(summary, "final_loss", &x))
			fprintf(v->out, ", loss %.4f", x);
		if (ftp_document_number(summary, "test_accuracy", &x))
			fprintf(v->out, ", accuracy %.4f", x);
		if (ftp_document_number(summary, "samples_per_second", &x))
			fprintf(v->out, ", %.0f samples/s", x);
		if (ftp_document_number(summary, "train_seconds", &x)) {
			ftp_progress_view_time(x, time, sizeof(time));
			fprintf(v->out, ", %s", time);
		}
	}
	fprintf(v->out, "\n%s\n", dir);
	fflush(v->out);
}
