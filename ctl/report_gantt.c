/* A few steps of each plan as a Gantt chart: one lane per stage, the nodes' clocks aligned by the
 * fastest message that each sent to the coordinator (ctl/report.h). */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ctl/chart.h"
#include "ctl/document.h"
#include "ctl/html.h"
#include "ctl/report.h"

#define LEFT	 110
#define RIGHT	 16
#define LANE	 34
#define TOP	 34
#define MAX_TASK 3600e9 /* ns: a longer span is a mistake */
#define N_CHARTS 4	/* of the first plans, and the last one */

static const struct {
	const char *name;
	int colour; /* -1: not shown */
} tasks[] = {
	{"", -1},
	{"forward", 0},
	{"backward", 1},
	{"update", 2},
	{"evaluation", 4},
};

struct span {
	uint32_t task, micro;
	uint64_t step;
	double begin_ns, end_ns; /* on the coordinator's clock */
};

struct window {
	double begin_ns, end_ns;
	uint32_t n_lanes;
};

/* false: the span is malformed. */
static bool read_span(struct span *s, const json_t *j, double offset_ns)
{
	json_int_t v[5];

	for (size_t i = 0; i < 5; i++) {
		if (!json_is_integer(json_array_get(j, i)))
			return false;
		v[i] = json_integer_value(json_array_get(j, i));
		if (v[i] < 0)
			return false;
	}
	*s = (struct span){.step = (uint64_t)v[1],
		.micro = v[2] > 9999 ? 9999 : (uint32_t)v[2],
		.begin_ns = (double)v[3] + offset_ns,
		.end_ns = (double)v[4] + offset_ns};
	if (v[0] >= (json_int_t)(sizeof(tasks) / sizeof(*tasks)) || tasks[v[0]].colour < 0)
		return false;
	s->task = (uint32_t)v[0];
	return s->end_ns >= s->begin_ns && s->end_ns - s->begin_ns < MAX_TASK;
}

static void each_span(const json_t *trace, void (*take)(void *arg, const struct span *s), void *arg)
{
	const json_t *spans = json_object_get(trace, "spans");
	double offset_ns = ftp_document_number_or_0(trace, "offset_ns");
	struct span s;

	for (size_t i = 0; i < json_array_size(spans); i++)
		if (read_span(&s, json_array_get(spans, i), offset_ns))
			take(arg, &s);
}

static void widen(void *arg, const struct span *s)
{
	struct window *w = arg;

	w->begin_ns = fmin(w->begin_ns, s->begin_ns);
	w->end_ns = fmax(w->end_ns, s->end_ns);
}

struct lane {
	FILE *f;
	const struct window *window;
	const char *node;
	int y;
};

static double at_x(const struct window *w, double ns)
{
	return LEFT +
	       (ns - w->begin_ns) / (w->end_ns - w->begin_ns) * (FTP_CHART_WIDTH - LEFT - RIGHT);
}

static void draw_span(void *arg, const struct span *s)
{
	const struct lane *l = arg;
	double x = at_x(l->window, s->begin_ns), width = at_x(l->window, s->end_ns) - x;

	fprintf(l->f,
		"<g class=\"c%d\"><rect class=\"task%s\" x=\"%.2f\" y=\"%d\" width=\"%.2f\" "
		"height=\"%d\"/>",
		tasks[s->task].colour, s->step % 2 ? " odd" : "", x, l->y, fmax(width - 0.4, 0.4),
		LANE - 10);
	if (width > 13 && tasks[s->task].colour < 2)
		fprintf(l->f, "<text class=\"micro\" x=\"%.1f\" y=\"%d\">%u</text>", x + width / 2,
			l->y + 16, s->micro);
	fputs("<title>", l->f);
	ftp_html_text(l->f, l->node);
	fprintf(l->f, ": %s, step %llu, micro-batch %u, %.2f ms</title></g>\n", tasks[s->task].name,
		(unsigned long long)s->step, s->micro, (s->end_ns - s->begin_ns) / 1e6);
}

static void draw_axis(FILE *f, const struct window *w, int bottom)
{
	double length_ms = (w->end_ns - w->begin_ns) / 1e6;
	double tick = ftp_chart_tick(0, length_ms, 8);

	for (double t = 0; t <= length_ms; t += tick) {
		double x = at_x(w, w->begin_ns + t * 1e6);

		fprintf(f,
			"<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\"/><text "
			"x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%.6g%s</text>\n",
			x, x, TOP - 6, bottom, x, bottom + 16, t, t == 0 ? " ms" : "");
	}
}

static void draw_key(FILE *f)
{
	int x = LEFT;

	for (size_t i = 0; i < sizeof(tasks) / sizeof(*tasks); i++) {
		if (tasks[i].colour < 0)
			continue;
		fprintf(f,
			"<g class=\"c%d\"><rect class=\"task\" x=\"%d\" y=\"8\" width=\"12\" "
			"height=\"12\"/><text class=\"name\" x=\"%d\" y=\"18\">%s</text></g>\n",
			tasks[i].colour, x, x + 18, tasks[i].name);
		x += 110;
	}
}

/* The trace of that term and stage; NULL: there is none. */
static const json_t *find_trace(const json_t *traces, json_int_t term, json_int_t stage)
{
	for (size_t i = 0; i < json_array_size(traces); i++) {
		const json_t *t = json_array_get(traces, i);

		if (ftp_document_integer(t, "term") == term &&
			ftp_document_integer(t, "stage") == stage)
			return t;
	}
	return NULL;
}

static struct window measure(const json_t *traces, json_int_t term)
{
	struct window w = {.begin_ns = INFINITY, .end_ns = -INFINITY};

	for (uint32_t s = 0; s < FTP_CONFIG_MAX_NODES; s++) {
		const json_t *t = find_trace(traces, term, s);

		each_span(t, widen, &w);
		if (t)
			w.n_lanes = s + 1;
	}
	return w;
}

static bool write_term(FILE *f, const json_t *traces, json_int_t term)
{
	struct window w = measure(traces, term);
	int bottom = TOP + (int)w.n_lanes * LANE;

	if (!(w.end_ns > w.begin_ns) || !isfinite(w.end_ns - w.begin_ns))
		return false;
	fprintf(f, "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"Tasks of term %lld\">\n",
		FTP_CHART_WIDTH, bottom + 26, (long long)term);
	draw_key(f);
	draw_axis(f, &w, bottom);
	for (uint32_t s = 0; s < w.n_lanes; s++) {
		const json_t *t = find_trace(traces, term, s);
		const struct lane lane = {.f = f,
			.window = &w,
			.node = ftp_document_text(t, "node"),
			.y = TOP + (int)s * LANE};

		fprintf(f, "<text class=\"name\" x=\"12\" y=\"%d\">%u ", lane.y + 16, s);
		ftp_html_text(f, lane.node);
		fputs("</text>\n", f);
		each_span(t, draw_span, (void *)&lane);
	}
	fputs("</svg>\n", f);
	return true;
}

void ftp_report_write_gantt(FILE *f, const struct ftp_report_data *d)
{
	size_t n = json_array_size(d->plans), n_written = 0;

	if (!json_array_size(d->traces) || !n)
		return;
	ftp_html_section(f, "Tasks",
		"A few steps of each plan from its third on; one lane per stage, steps in "
		"alternating "
		"shades, numbers are micro-batches. The nodes' clocks are aligned to about one "
		"message "
		"time.");
	for (size_t i = 0; i < n; i++) {
		const json_t *plan = json_array_get(d->plans, i);
		json_int_t term = ftp_document_integer(plan, "term");

		if (n_written >= N_CHARTS && i + 1 < n)
			continue;
		fprintf(f, "<p>Term %lld</p>\n", (long long)term);
		if (write_term(f, d->traces, term))
			n_written++;
		else
			fputs("<p>was not traced: it ended before its seventh step.</p>\n", f);
	}
}
