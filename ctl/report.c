#include "ctl/report.h"

#include <stdlib.h>
#include <string.h>

#include "ctl/chart.h"
#include "ctl/document.h"
#include "ctl/events.h"
#include "ctl/html.h"
#include "ctl/progress_view.h"

/* The first of the documents that has the key. */
static const char *text_of(const struct ftp_report_data *d, const char *key, const char *begin_key)
{
	const char *text = ftp_document_text(d->summary, key);

	return text[0] ? text : ftp_document_text(d->begin, begin_key);
}

static void figure(FILE *f, const char *name, const char *text)
{
	if (!text[0])
		return;
	fputs("<div><b>", f);
	ftp_html_text(f, text);
	fputs("</b><span>", f);
	ftp_html_text(f, name);
	fputs("</span></div>\n", f);
}

static void figure_number(FILE *f, const struct ftp_report_data *d, const char *key,
	const char *name, const char *format) __attribute__((format(printf, 5, 0)));

static void figure_number(FILE *f, const struct ftp_report_data *d, const char *key,
	const char *name, const char *format)
{
	char text[64];
	double v;

	if (!ftp_document_number(d->summary, key, &v))
		return;
	snprintf(text, sizeof(text), format, v);
	figure(f, name, text);
}

static void write_figures(FILE *f, const struct ftp_report_data *d)
{
	char text[64];
	double v;

	fputs("<div class=\"figures\">\n", f);
	figure_number(f, d, "steps", "steps", "%.0f");
	figure_number(f, d, "final_loss", "final loss", "%.4f");
	figure_number(f, d, "test_accuracy", "test accuracy", "%.4f");
	figure_number(f, d, "samples_per_second", "samples/s", "%.0f");
	if (ftp_document_number(d->summary, "train_seconds", &v)) {
		ftp_progress_view_time(v, text, sizeof(text));
		figure(f, "training", text);
	}
	if (json_array_size(d->plans)) {
		snprintf(text, sizeof(text), "%zu", json_array_size(d->plans));
		figure(f, json_array_size(d->plans) == 1 ? "plan" : "plans", text);
	}
	fputs("</div>\n", f);
}

static void write_head(FILE *f, const struct ftp_report_data *d)
{
	const char *state = text_of(d, "state", ""),
		   *reason = ftp_document_text(d->summary, "reason");
	const char *digest = ftp_document_text(d->summary, "params_digest");
	const char *schedule = ftp_document_text(d->begin, "schedule");

	if (!state[0])
		state = d->end ? ftp_document_text(d->end, "outcome")
			       : "has not ended, or was killed";
	fputs("<h1>Run ", f);
	ftp_html_text(f, d->dir.id);
	fputs("</h1>\n<p>", f);
	ftp_html_text(f, text_of(d, "model", "model"));
	if (schedule[0])
		fprintf(f, ", %s",
			!strcmp(schedule, "1f1b") ? "asynchronous 1F1B" : "1F1B with flush");
	if (ftp_document_integer(d->begin, "batch"))
		fprintf(f, ", batch %lld", (long long)ftp_document_integer(d->begin, "batch"));
	if (ftp_document_integer(d->begin, "micro_batches") > 1)
		fprintf(f, " in %lld micro-batches",
			(long long)ftp_document_integer(d->begin, "micro_batches"));
	fputs(strcmp(state, "completed") ? ": <span class=\"bad\">" : ": <span>", f);
	ftp_html_text(f, state);
	fputs("</span>", f);
	if (reason[0]) {
		fputs(": ", f);
		ftp_html_text(f, reason);
	}
	if (digest[0]) {
		fputs("<br>parameters ", f);
		ftp_html_text(f, digest);
	}
	fputs("</p>\n", f);
	write_figures(f, d);
}

static void write_loss(FILE *f, const struct ftp_report_data *d)
{
	const struct ftp_chart_line line = {.series = &d->loss, .name = "loss"};
	const struct ftp_chart chart = {.title = "Training loss over steps",
		.x_name = "step",
		.y_name = "training loss",
		.lines = &line,
		.n_lines = 1};
	char text[160] = "";

	if (!d->loss.n)
		return;
	if (d->loss.stride > 1 || d->loss.n_lost)
		snprintf(text, sizeof(text), "A point is the mean of %llu steps%s.",
			(unsigned long long)d->loss.stride,
			d->loss.n_lost ? "; losses that are no numbers are left out" : "");
	ftp_html_section(f, "Loss", text[0] ? text : NULL);
	ftp_chart_write(f, &chart);
}

/* The marks' titles live in text. */
static uint32_t collect_marks(
	const struct ftp_report_data *d, struct ftp_chart_mark *marks, char (*text)[512])
{
	uint32_t n = (uint32_t)json_array_size(d->marks);

	for (uint32_t i = 0; i < n; i++) {
		const json_t *e = json_array_get(d->marks, i);

		ftp_events_describe(e, text[i], sizeof(text[i]));
		marks[i] = (struct ftp_chart_mark){
			.x = ftp_document_number_or_0(e, "t"), .number = i + 1, .title = text[i]};
	}
	return n;
}

static void write_marks(FILE *f, const struct ftp_chart_mark *marks, uint32_t n)
{
	static const char *const columns[] = {">mark", ">s", "what happened", NULL};

	if (!n)
		return;
	ftp_html_table(f, columns);
	for (uint32_t i = 0; i < n; i++) {
		ftp_html_row(f);
		ftp_html_number(f, "%.0f", marks[i].number);
		ftp_html_number(f, "%.1f", marks[i].x);
		ftp_html_cell(f, marks[i].title);
	}
	ftp_html_table_end(f);
}

static void write_rates(FILE *f, const struct ftp_report_data *d)
{
	const struct ftp_chart_line lines[] = {{.series = &d->rate, .name = "measured"},
		{.series = &d->predicted_rate, .name = "predicted", .colour = 1, .dashed = true}};
	struct ftp_chart_mark *marks = calloc(FTP_REPORT_MAX_EVENTS, sizeof(*marks));
	char(*text)[512] = calloc(FTP_REPORT_MAX_EVENTS, sizeof(*text));
	struct ftp_chart chart = {.title = "Samples per second over time",
		.x_name = "seconds since the coordinator's start",
		.y_name = "samples/s",
		.from_zero = true,
		.lines = lines,
		.n_lines = d->predicted_rate.n ? 2 : 1,
		.marks = marks};

	ftp_assert(marks && text);
	chart.n_marks = collect_marks(d, marks, text);
	if (d->rate.n) {
		ftp_html_section(f, "Throughput", NULL);
		ftp_chart_write(f, &chart);
		write_marks(f, marks, chart.n_marks);
	}
	free(text);
	free(marks);
}

/* Only where some node was not as fast as measured. */
static void write_slowness(FILE *f, const struct ftp_report_data *d)
{
	struct ftp_chart_line lines[FTP_CHART_COLOURS];
	struct ftp_chart chart = {.title = "Slowness of the nodes over time",
		.x_name = "seconds since the coordinator's start",
		.y_name = "measured / profiled",
		.from_zero = true,
		.lines = lines};
	char name[64];

	for (uint32_t i = 0; i < d->n_nodes && chart.n_lines < FTP_CHART_COLOURS; i++) {
		const struct ftp_series *s = &d->slowness[i].series;
		bool varies = false;

		for (uint32_t j = 0; j < s->n; j++)
			varies |= s->y[j] < 0.85 || s->y[j] > 1.15;
		if (varies)
			lines[chart.n_lines++] = (struct ftp_chart_line){
				.series = s, .name = d->slowness[i].name, .colour = i};
	}
	if (!chart.n_lines)
		return;
	ftp_html_section(f, "Slowness",
		"How many times as long as measured at the start a node's tasks take; nodes that "
		"stay within 15 % are left out.");
	if (chart.n_lines == 1) { /* it needs no key */
		snprintf(name, sizeof(name), "%s: %s", lines[0].name, chart.y_name);
		chart.y_name = name;
	}
	ftp_chart_write(f, &chart);
}

void ftp_report_write(FILE *f, const struct ftp_report_data *d)
{
	char title[FTP_RUNDIR_ID_BYTES + 16];

	snprintf(title, sizeof(title), "ftpipe run %s", d->dir.id);
	ftp_html_begin(f, title);
	write_head(f, d);
	write_loss(f, d);
	write_rates(f, d);
	write_slowness(f, d);
	ftp_report_write_gantt(f, d);
	ftp_report_write_tables(f, d);
	ftp_html_end(f);
}
