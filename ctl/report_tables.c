/* Plans, repartitions, evaluations and events of a run as tables (ctl/report.h). */
#include <stdio.h>
#include <string.h>

#include "ctl/document.h"
#include "ctl/events.h"
#include "ctl/html.h"
#include "ctl/report.h"

#define STAGES_BYTES 2048

/* A number, or a dash for one that is not known. */
static void number_if(FILE *f, bool known, const char *format, double v)
	__attribute__((format(printf, 3, 0)));

static void number_if(FILE *f, bool known, const char *format, double v)
{
	if (known)
		ftp_html_number(f, format, v);
	else
		fputs("<td class=\"n\">–</td>", f);
}

/* "n1 0-3, n2 4-9" */
static void describe_stages(const json_t *stages, char *text, size_t bytes)
{
	size_t n = 0;

	text[0] = 0;
	for (size_t i = 0; i < json_array_size(stages) && n + 80 < bytes; i++) {
		const json_t *s = json_array_get(stages, i);

		n += (size_t)snprintf(text + n, bytes - n, "%s%.32s %lld-%lld", i ? ", " : "",
			ftp_document_text(s, "node"),
			(long long)ftp_document_integer(s, "first_unit"),
			(long long)ftp_document_integer(s, "end_unit") - 1);
	}
}

static void write_plan(FILE *f, const struct ftp_report_data *d, const json_t *e)
{
	double predicted_s = ftp_document_number_or_0(json_object_get(e, "plan"), "step_seconds");
	double measured_s = ftp_report_data_step_s(d, (uint64_t)ftp_document_integer(e, "term"));
	char stages[STAGES_BYTES];

	describe_stages(json_object_get(e, "stages"), stages, sizeof(stages));
	ftp_html_row(f);
	ftp_html_number(f, "%.0f", ftp_document_number_or_0(e, "term"));
	ftp_html_number(f, "%.0f", ftp_document_number_or_0(e, "step") + 1);
	ftp_html_cell(f, ftp_document_text(e, "reason"));
	ftp_html_cell(f, stages);
	number_if(f, predicted_s > 0, "%.1f", predicted_s * 1e3);
	number_if(f, measured_s > 0, "%.1f", measured_s * 1e3);
	number_if(f, predicted_s > 0 && measured_s > 0, "%.2f", measured_s / predicted_s);
}

static void write_plans(FILE *f, const struct ftp_report_data *d)
{
	static const char *const columns[] = {">term", ">from step", "reason",
		"stages: node and units", ">predicted ms", ">measured ms", ">measured / predicted",
		NULL};

	if (!json_array_size(d->plans))
		return;
	ftp_html_section(f, "Plans",
		"Step time as the planner predicts it, and the median of what the run took from "
		"one progress report to the next.");
	ftp_html_table(f, columns);
	for (size_t i = 0; i < json_array_size(d->plans); i++)
		write_plan(f, d, json_array_get(d->plans, i));
	ftp_html_table_end(f);
}

/* Of the last plan: what the planner's formula says against what the executor planned. */
static void write_memory(FILE *f, const struct ftp_report_data *d)
{
	static const char *const columns[] = {"node", "units", ">predicted MB", ">used MB",
		">used / predicted", ">limit MB", NULL};
	size_t n = json_array_size(d->plans);
	const json_t *last = n ? json_array_get(d->plans, n - 1) : NULL;
	const json_t *stages = json_object_get(last, "stages");
	const json_t *predicted = json_object_get(json_object_get(last, "plan"), "stages");

	if (!json_array_size(stages))
		return;
	ftp_html_section(f, "Memory", "Tensors of each stage of the last plan.");
	ftp_html_table(f, columns);
	for (size_t i = 0; i < json_array_size(stages); i++) {
		const json_t *s = json_array_get(stages, i), *p = json_array_get(predicted, i);
		double used = ftp_document_number_or_0(s, "memory_bytes");
		double said = ftp_document_number_or_0(p, "memory_bytes");
		double limit = ftp_document_number_or_0(p, "limit_bytes");
		char units[48];

		snprintf(units, sizeof(units), "%lld-%lld",
			(long long)ftp_document_integer(s, "first_unit"),
			(long long)ftp_document_integer(s, "end_unit") - 1);
		ftp_html_row(f);
		ftp_html_cell(f, ftp_document_text(s, "node"));
		ftp_html_cell(f, units);
		number_if(f, said > 0, "%.1f", said / 1e6);
		number_if(f, used > 0, "%.1f", used / 1e6);
		number_if(f, said > 0 && used > 0, "%.3f", used / said);
		number_if(f, limit > 0, "%.0f", limit / 1e6);
	}
	ftp_html_table_end(f);
}

static void write_repartition(FILE *f, const json_t *e)
{
	static const char *const parts[] = {
		"prepare_s", "hold_s", "transfer_s", "commit_s", "pause_s"};
	const char *outcome = ftp_document_text(e, "outcome"), *why = ftp_document_text(e, "why");
	bool committed = !strcmp(outcome, "committed");
	double bytes = ftp_document_number_or_0(e, "moved_bytes");
	double rate = ftp_document_number_or_0(e, "link_bytes_per_s");
	char text[1024];

	snprintf(text, sizeof(text), "%s%s%s", outcome, why[0] ? ": " : "", why);
	ftp_html_row(f);
	ftp_html_number(f, "%.1f", ftp_document_number_or_0(e, "t"));
	ftp_html_number(f, "%.0f", ftp_document_number_or_0(e, "term"));
	ftp_html_number(f, "%.0f", ftp_document_number_or_0(e, "step"));
	ftp_html_cell(f, ftp_document_text(e, "reason"));
	ftp_html_cell(f, text);
	number_if(f, committed, "%.2f", bytes / 1e6);
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		double s;
		bool known = ftp_document_number(e, parts[i], &s);

		number_if(f, known && committed, "%.1f", s * 1e3);
	}
	number_if(f, committed && rate > 0, "%.1f", rate > 0 ? bytes / rate * 1e3 : 0);
}

static void write_repartitions(FILE *f, const struct ftp_report_data *d)
{
	static const char *const columns[] = {">s", ">term", ">step", "reason", "outcome",
		">moved MB", ">prepare ms", ">hold ms", ">transfer ms", ">commit ms", ">pause ms",
		">bytes / bandwidth ms", NULL};

	if (!json_array_size(d->repartitions))
		return;
	ftp_html_section(f, "Repartitions",
		"The old plan trains on through prepare, and runs dry during hold; the pause is "
		"from its last stage's stillness to the new plan's first step.");
	ftp_html_table(f, columns);
	for (size_t i = 0; i < json_array_size(d->repartitions); i++)
		write_repartition(f, json_array_get(d->repartitions, i));
	ftp_html_table_end(f);
}

static void write_evaluations(FILE *f, const struct ftp_report_data *d)
{
	static const char *const columns[] = {">step", ">test accuracy", ">test loss", NULL};

	if (!json_array_size(d->evaluations))
		return;
	ftp_html_section(f, "Evaluation", NULL);
	ftp_html_table(f, columns);
	for (size_t i = 0; i < json_array_size(d->evaluations); i++) {
		const json_t *e = json_array_get(d->evaluations, i);

		ftp_html_row(f);
		ftp_html_number(f, "%.0f", ftp_document_number_or_0(e, "step"));
		ftp_html_number(f, "%.4f", ftp_document_number_or_0(e, "accuracy"));
		ftp_html_number(f, "%.4f", ftp_document_number_or_0(e, "loss"));
	}
	ftp_html_table_end(f);
}

static void write_happened(FILE *f, const struct ftp_report_data *d)
{
	static const char *const columns[] = {">s", "what happened", NULL};
	char text[1024];

	if (!json_array_size(d->happened))
		return;
	snprintf(text, sizeof(text), "%llu more are not shown.", (unsigned long long)d->n_dropped);
	ftp_html_section(f, "Events", d->n_dropped ? text : NULL);
	ftp_html_table(f, columns);
	for (size_t i = 0; i < json_array_size(d->happened); i++) {
		const json_t *e = json_array_get(d->happened, i);

		ftp_events_describe(e, text, sizeof(text));
		if (!text[0])
			continue;
		ftp_html_row(f);
		ftp_html_number(f, "%.1f", ftp_document_number_or_0(e, "t"));
		ftp_html_cell(f, text);
	}
	ftp_html_table_end(f);
}

void ftp_report_write_tables(FILE *f, const struct ftp_report_data *d)
{
	write_plans(f, d);
	write_repartitions(f, d);
	write_memory(f, d);
	write_evaluations(f, d);
	write_happened(f, d);
}
