#include "ctl/report_data.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/document.h"
#include "ctl/events.h"

#define MAX_SECONDS    1e10
#define ENDING_SECONDS 1.0

static bool is_one_of(const char *kind, const char *const *kinds)
{
	while (*kinds && strcmp(*kinds, kind))
		kinds++;
	return *kinds;
}

static void append(struct ftp_report_data *d, json_t *array, const json_t *event)
{
	if (json_array_size(array) < FTP_REPORT_MAX_EVENTS)
		json_array_append(array, (json_t *)event);
	else
		d->n_dropped++;
}

static void on_begin(struct ftp_report_data *d, const json_t *e)
{
	if (!d->begin)
		d->begin = json_incref((json_t *)e);
}

static void on_end(struct ftp_report_data *d, const json_t *e)
{
	json_decref(d->end);
	d->end = json_incref((json_t *)e);
}

static void on_plan(struct ftp_report_data *d, const json_t *e)
{
	struct ftp_report_term *t;

	append(d, d->plans, e);
	d->last_step = -1;
	if (d->n_terms == FTP_REPORT_MAX_TERMS)
		return;
	t = &d->terms[d->n_terms++];
	t->term = (uint64_t)ftp_document_integer(e, "term");
	t->predicted_s = ftp_document_number_or_0(json_object_get(e, "plan"), "step_seconds");
}

static void on_repartition(struct ftp_report_data *d, const json_t *e)
{
	append(d, d->repartitions, e);
}

static void on_evaluation(struct ftp_report_data *d, const json_t *e)
{
	append(d, d->evaluations, e);
}

static void on_trace(struct ftp_report_data *d, const json_t *e)
{
	append(d, d->traces, e);
}

static void note_slowness(struct ftp_report_data *d, double t, const json_t *nodes)
{
	for (size_t i = 0; i < json_array_size(nodes) && i < FTP_CONFIG_MAX_NODES; i++) {
		const json_t *node = json_array_get(nodes, i);
		const char *name = ftp_document_text(node, "name");
		uint32_t n = 0;
		double v;

		if (!ftp_document_number(node, "slowness", &v))
			continue;
		while (n < d->n_nodes && strcmp(d->slowness[n].name, name))
			n++;
		if (n == FTP_CONFIG_MAX_NODES)
			continue;
		if (n == d->n_nodes)
			snprintf(d->slowness[d->n_nodes++].name, sizeof(d->slowness[0].name), "%s",
				name);
		ftp_series_add(&d->slowness[n].series, t, v);
	}
}

/* The time of a step, from one progress to the next; the first of a plan only sets the mark. */
static void note_step(struct ftp_report_data *d, double t, double step)
{
	struct ftp_report_term *term = d->n_terms ? &d->terms[d->n_terms - 1] : NULL;

	if (d->last_step >= 0 && step > d->last_step && t > d->last_t && term &&
		term->n_steps < FTP_REPORT_STEPS)
		term->step_s[term->n_steps++] = (t - d->last_t) / (step - d->last_step);
	d->last_t = t;
	d->last_step = step;
}

static void on_progress(struct ftp_report_data *d, const json_t *e)
{
	double t = ftp_document_number_or_0(e, "t"), rate, predicted_s;
	double batch = ftp_document_number_or_0(d->begin, "batch");

	if (ftp_document_number(e, "samples_per_second", &rate) && rate > 0)
		ftp_series_add(&d->rate, t, rate);
	if (ftp_document_number(e, "predicted_step_s", &predicted_s) && predicted_s > 0 &&
		batch > 0)
		ftp_series_add(&d->predicted_rate, t, batch / predicted_s);
	note_slowness(d, t, json_object_get(e, "nodes"));
	note_step(d, t, ftp_document_number_or_0(e, "step"));
}

static const struct {
	const char *kind;
	void (*take)(struct ftp_report_data *d, const json_t *e);
} kinds[] = {
	{"begin", on_begin},
	{"end", on_end},
	{"plan", on_plan},
	{"repartition", on_repartition},
	{"evaluation", on_evaluation},
	{"trace", on_trace},
	{"progress", on_progress},
};

static void on_event(void *arg, const char *kind, const json_t *e)
{
	static const char *const quiet[] = {"trace", "progress", "links", "profile", NULL};
	static const char *const marked[] = {
		"repartition", "recovery", "drain", "join", "gone", "emulate", NULL};
	struct ftp_report_data *d = arg;
	double t = ftp_document_number_or_0(e, "t");

	if (!(t >= 0 && t < MAX_SECONDS))
		return;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (!strcmp(kinds[i].kind, kind))
			kinds[i].take(d, e);
	if (!is_one_of(kind, quiet))
		append(d, d->happened, e);
	/* Joins of the beginning are no change. */
	if (is_one_of(kind, marked) && json_array_size(d->plans))
		append(d, d->marks, e);
}

/* When a run ends its nodes go. */
static void drop_marks_of_the_end(struct ftp_report_data *d)
{
	double end = ftp_document_number_or_0(d->end, "t");

	for (size_t i = json_array_size(d->marks); d->end && i-- > 0;) {
		const json_t *e = json_array_get(d->marks, i);

		if (!strcmp(ftp_document_text(e, "kind"), "gone") &&
			ftp_document_number_or_0(e, "t") > end - ENDING_SECONDS)
			json_array_remove(d->marks, i);
	}
}

static void read_loss(struct ftp_report_data *d)
{
	char path[FTP_PATHS_MAX], line[128];
	FILE *f;

	ftp_rundir_file(&d->dir, FTP_RUNDIR_LOSS, path);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		char *rest, *end;
		unsigned long long step = strtoull(line, &rest, 10);
		double loss = *rest == ',' ? strtod(rest + 1, &end) : 0;

		if (*rest == ',' && end > rest + 1 && *end == '\n' && step &&
			step < FTP_REPORT_MAX_LOSS)
			ftp_series_add(&d->loss, (double)step, loss);
	}
	if (f)
		fclose(f);
}

struct ftp_report_data *ftp_report_data_read(const struct ftp_rundir *dir)
{
	struct ftp_report_data *d = calloc(1, sizeof(*d));

	ftp_assert(d);
	d->dir = *dir;
	d->last_step = -1;
	d->slowness = calloc(FTP_CONFIG_MAX_NODES, sizeof(*d->slowness));
	d->terms = calloc(FTP_REPORT_MAX_TERMS, sizeof(*d->terms));
	ftp_assert(d->slowness && d->terms);
	d->happened = json_array();
	d->marks = json_array();
	d->plans = json_array();
	d->repartitions = json_array();
	d->evaluations = json_array();
	d->traces = json_array();
	d->summary = ftp_rundir_read_summary(dir);
	ftp_events_read(dir, 0, on_event, d);
	drop_marks_of_the_end(d);
	read_loss(d);
	ftp_series_finish(&d->loss);
	ftp_series_finish(&d->rate);
	ftp_series_finish(&d->predicted_rate);
	for (uint32_t i = 0; i < d->n_nodes; i++)
		ftp_series_finish(&d->slowness[i].series);
	return d;
}

void ftp_report_data_free(struct ftp_report_data *d)
{
	json_t *documents[] = {d->summary, d->begin, d->end, d->happened, d->marks, d->plans,
		d->repartitions, d->evaluations, d->traces};

	for (size_t i = 0; i < sizeof(documents) / sizeof(*documents); i++)
		json_decref(documents[i]);
	free(d->slowness);
	free(d->terms);
	free(d);
}

double ftp_report_data_step_s(const struct ftp_report_data *d, uint64_t term)
{
	double steps[FTP_REPORT_STEPS];

	for (uint32_t i = 0; i < d->n_terms; i++) {
		if (d->terms[i].term != term)
			continue;
		memcpy(steps, d->terms[i].step_s, d->terms[i].n_steps * sizeof(*steps));
		return ftp_series_median(steps, d->terms[i].n_steps);
	}
	return 0;
}
