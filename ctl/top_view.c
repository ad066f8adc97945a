#include "ctl/top_view.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ctl/document.h"
#include "ctl/events.h"
#include "ctl/progress_view.h"

#define BAR    16   /* characters */
#define SLOW   1.15 /* times the profile: yellow, red */
#define SLOWER 2.0

static struct ftp_top_line *add(struct ftp_top_frame *f, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static struct ftp_top_line *add(struct ftp_top_frame *f, const char *fmt, ...)
{
	struct ftp_top_line *line = &f->lines[f->n];
	va_list args;

	if (f->n + 1 < FTP_TOP_MAX_LINES)
		f->n++;
	line->colour = FTP_TERMINAL_PLAIN;
	va_start(args, fmt);
	vsnprintf(line->text, sizeof(line->text), fmt, args);
	va_end(args);
	return line;
}

void ftp_top_view_event(struct ftp_top_view *v, const json_t *event)
{
	char text[FTP_TOP_LINE - 16];

	ftp_events_describe(event, text, sizeof(text));
	if (!text[0])
		return;
	if (v->n_events == FTP_TOP_EVENTS)
		memmove(v->events, v->events + 1, --v->n_events * sizeof(*v->events));
	snprintf(v->events[v->n_events++], FTP_TOP_LINE, "%9.1f s  %s",
		ftp_document_number_or_0(event, "t"), text);
}

static void add_run(struct ftp_top_frame *f, const json_t *status)
{
	char text[FTP_TOP_LINE];

	ftp_progress_view_describe(status, text, sizeof(text));
	add(f, "run %s  %s  %s", ftp_document_text(status, "run"),
		ftp_document_text(status, "state"), text)
		->colour = FTP_TERMINAL_GREEN;
}

static void add_plan(struct ftp_top_frame *f, const json_t *status)
{
	const json_t *change = json_object_get(status, "change");
	double predicted_s, measured_s;
	char text[FTP_TOP_LINE] = "";
	size_t n = 0;

	if (!ftp_document_integer(status, "term"))
		return;
	if (ftp_document_number(status, "measured_step_seconds", &measured_s))
		n += (size_t)snprintf(text, sizeof(text), ", %.1f ms a step", measured_s * 1e3);
	if (ftp_document_number(status, "predicted_step_seconds", &predicted_s) &&
		predicted_s > 0) {
		n += (size_t)snprintf(
			text + n, sizeof(text) - n, ", predicted %.1f", predicted_s * 1e3);
		if (measured_s > 0)
			snprintf(text + n, sizeof(text) - n, " (%+.0f %%)",
				100 * (measured_s / predicted_s - 1));
	}
	add(f, "plan %lld%s, %lld repartition%s", (long long)ftp_document_integer(status, "term"),
		text, (long long)ftp_document_integer(status, "n_repartitions"),
		ftp_document_integer(status, "n_repartitions") == 1 ? "" : "s");
	if (json_is_object(change))
		add(f, "change to plan %lld: %s; %s",
			(long long)ftp_document_integer(change, "term"),
			ftp_document_text(change, "phase"), ftp_document_text(change, "reason"))
			->colour = FTP_TERMINAL_YELLOW;
}

/* What the node did since the frame before; the sums are kept for the next one. */
static void shares_of(struct ftp_top_view *v, const json_t *stage, double share[3])
{
	static const char *const keys[] = {"compute_seconds", "wait_seconds", "poll_seconds"};
	const char *node = ftp_document_text(stage, "node");
	struct ftp_top_busy *b = v->before, none = {.node = ""};
	double all = 0;

	while (b < v->before + v->n_before && strcmp(b->node, node))
		b++;
	if (b == v->before + FTP_CONFIG_MAX_NODES)
		b = &none;
	else if (b == v->before + v->n_before)
		v->n_before++;
	if (strcmp(b->node, node)) {
		*b = (struct ftp_top_busy){.node = ""};
		snprintf(b->node, sizeof(b->node), "%s", node);
	}
	for (int i = 0; i < 3; i++) {
		double sum = ftp_document_number_or_0(stage, keys[i]);

		/* Less than before: the node began anew. */
		share[i] = sum >= b->busy_s[i] ? sum - b->busy_s[i] : sum;
		b->busy_s[i] = sum;
		all += share[i];
	}
	for (int i = 0; i < 3; i++)
		share[i] = all > 0 ? share[i] / all : 0;
}

static void draw_bar(char bar[BAR + 1], const double share[3])
{
	int busy = (int)(share[0] * BAR + 0.5), wait = (int)((share[0] + share[1]) * BAR + 0.5);

	for (int i = 0; i < BAR; i++)
		bar[i] = i < busy ? '#' : i < wait ? '-' : '.';
	bar[BAR] = 0;
}

static void add_stage(
	struct ftp_top_view *v, struct ftp_top_frame *f, const json_t *status, const json_t *stage)
{
	const json_t *node = ftp_document_find(
		json_object_get(status, "nodes"), "name", ftp_document_text(stage, "node"));
	char bar[BAR + 1], units[24], slow[16] = "-";
	struct ftp_top_line *line;
	double share[3], slowness;

	shares_of(v, stage, share);
	draw_bar(bar, share);
	snprintf(units, sizeof(units), "%d-%d", (int)ftp_document_integer(stage, "first_unit"),
		(int)ftp_document_integer(stage, "end_unit") - 1);
	if (ftp_document_number(node, "slowness", &slowness) && slowness > 0)
		snprintf(slow, sizeof(slow), "%.2f", slowness);
	else
		slowness = 1;
	line = add(f, "%5lld %-8.32s %-7s %7lld [%s] %3.0f %3.0f %3.0f %6s %8.1f",
		(long long)ftp_document_integer(stage, "stage"), ftp_document_text(stage, "node"),
		units, (long long)ftp_document_integer(stage, "step"), bar, 100 * share[0],
		100 * share[1], 100 * share[2], slow,
		ftp_document_number_or_0(stage, "memory_bytes") / 1e6);
	line->colour = slowness > SLOWER ? FTP_TERMINAL_RED
		       : slowness > SLOW ? FTP_TERMINAL_YELLOW
					 : FTP_TERMINAL_PLAIN;
}

static void add_stages(struct ftp_top_view *v, struct ftp_top_frame *f, const json_t *status)
{
	const json_t *stages = json_object_get(status, "stages");

	if (!json_array_size(stages))
		return;
	add(f, "%s", "");
	add(f, "%5s %-8s %-7s %7s %-*s %3s %3s %3s %6s %8s", "stage", "node", "units", "step",
		BAR + 2, "busy# wait- poll.", "#", "-", ".", "slow", "MB");
	for (size_t i = 0; i < json_array_size(stages) && i < FTP_CONFIG_MAX_NODES; i++)
		add_stage(v, f, status, json_array_get(stages, i));
}

/* Who is in no stage, and why. */
static void add_others(struct ftp_top_frame *f, const json_t *status)
{
	const json_t *nodes = json_object_get(status, "nodes");
	char text[FTP_TOP_LINE] = "";
	size_t n = 0;

	for (size_t i = 0; i < json_array_size(nodes) && n + 60 < sizeof(text); i++) {
		const json_t *node = json_array_get(nodes, i);

		if (ftp_document_find(json_object_get(status, "stages"), "node",
			    ftp_document_text(node, "name")))
			continue;
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%.32s %.16s", n ? ", " : "",
			ftp_document_text(node, "name"), ftp_document_text(node, "state"));
	}
	if (n)
		add(f, "       in no stage: %s", text);
}

static void add_links(struct ftp_top_frame *f, const json_t *status)
{
	const json_t *links = json_object_get(status, "links");

	if (!json_array_size(links))
		return;
	add(f, "%s", "");
	add(f, "%-12s %-12s %10s %10s %12s %12s", "link from", "to", "rtt us", "MB/s", "sent MB",
		"received MB");
	for (size_t i = 0; i < json_array_size(links) && i < FTP_CONFIG_MAX_NODES; i++) {
		const json_t *l = json_array_get(links, i);

		add(f, "%-12.32s %-12.32s %10.0f %10.1f %12.1f %12.1f",
			ftp_document_text(l, "from"), ftp_document_text(l, "to"),
			ftp_document_number_or_0(l, "rtt_seconds") * 1e6,
			ftp_document_number_or_0(l, "bytes_per_second") / 1e6,
			ftp_document_number_or_0(l, "tx_bytes") / 1e6,
			ftp_document_number_or_0(l, "rx_bytes") / 1e6);
	}
}

void ftp_top_view_frame(struct ftp_top_view *v, const json_t *status, struct ftp_top_frame *frame)
{
	frame->n = 0;
	add_run(frame, status);
	add_plan(frame, status);
	add_stages(v, frame, status);
	add_others(frame, status);
	add_links(frame, status);
	if (v->n_events)
		add(frame, "%s", "");
	for (uint32_t i = 0; i < v->n_events; i++)
		add(frame, "%s", v->events[i]);
}
