#include "runtime/export.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/protocol.h"
#include "runtime/base/digest.h"
#include "runtime/base/log.h"
#include "runtime/checkpoint_dir.h"
#include "runtime/dataset.h"
#include "runtime/safetensors.h"

#define MAX_LINE  (1 << 20)
#define MAX_PLANS 4096

struct export
{
	const struct ftp_export_spec *spec;
	struct ftp_checkpoint_dir dirs[FTP_CONFIG_MAX_NODES];
	uint32_t n_dirs;
	json_t *plans; /* [{"term", "step", "stages"}], in order */
	char dataset_digest[FTP_DIGEST_HEX];
	uint64_t run;
	void *states[FTP_PROTOCOL_MAX_UNITS];
};

static void close_all(struct export *x)
{
	for (uint32_t i = 0; i < x->n_dirs; i++)
		ftp_checkpoint_dir_close(&x->dirs[i]);
	for (int u = 0; u < x->spec->model->n_units; u++)
		free(x->states[u]);
	json_decref(x->plans);
}

/* A directory without a checkpoint, or that cannot be read, is a line, and the others may do. */
static int open_all(struct export *x, struct ftp_error *err)
{
	char path[4096], name[4400];
	const struct dirent *e;
	struct ftp_error why;
	DIR *d;

	snprintf(path, sizeof(path), "%s/checkpoint", x->spec->run_dir);
	d = opendir(path);
	if (!d)
		return ftp_error_set(
			err, ENODATA, "%s: %s: the run has no checkpoints", path, strerror(errno));
	while ((e = readdir(d)) && x->n_dirs < FTP_CONFIG_MAX_NODES) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
		if (ftp_checkpoint_dir_open(
			    &x->dirs[x->n_dirs], name, FTP_CHECKPOINT_DIR_LOOK, &why))
			ftp_log_warn("%s", why.text);
		else
			x->n_dirs++;
	}
	closedir(d);
	return 0;
}

static void take_event(struct export *x, const json_t *event)
{
	const char *kind = json_string_value(json_object_get(event, "kind"));
	const char *dataset = json_string_value(json_object_get(event, "dataset"));

	if (kind && !strcmp(kind, "begin") && dataset)
		snprintf(x->dataset_digest, sizeof(x->dataset_digest), "%s", dataset);
	if (!kind || strcmp(kind, "plan") || json_array_size(x->plans) == MAX_PLANS)
		return;
	json_array_append_new(
		x->plans, json_pack("{s:O?, s:O?, s:O?}", "term", json_object_get(event, "term"),
				  "step", json_object_get(event, "step"), "stages",
				  json_object_get(event, "stages")));
}

/* Without them the newest step counts, whichever term trained it. */
static void read_events(struct export *x)
{
	char path[4096], *line = malloc(MAX_LINE);
	FILE *f;

	ftp_assert(line);
	snprintf(path, sizeof(path), "%s/events.jsonl", x->spec->run_dir);
	f = fopen(path, "re");
	while (f && fgets(line, MAX_LINE, f)) {
		json_t *event = json_loads(line, 0, NULL);

		if (event)
			take_event(x, event);
		json_decref(event);
	}
	if (f)
		fclose(f);
	free(line);
}

/* No later term has begun at an earlier step. */
static bool is_valid(const struct export *x, uint64_t term, uint64_t step)
{
	const json_t *plan;
	size_t i;

	json_array_foreach (x->plans, i, plan)
		if ((uint64_t)json_integer_value(json_object_get(plan, "term")) > term &&
			(uint64_t)json_integer_value(json_object_get(plan, "step")) < step)
			return false;
	return true;
}

static const struct ftp_checkpoint_name *record(const struct export *x, uint32_t dir, uint32_t i)
{
	struct ftp_checkpoint_totals t;
	enum ftp_checkpoint_record_state state;
	const struct ftp_checkpoint_name *name;

	ftp_checkpoint_totals(x->dirs[dir].store, &t);
	if (i >= t.n_records)
		return NULL;
	name = &ftp_checkpoint_record_at(x->dirs[dir].store, i, &state)->name;
	return name;
}

/* The newest valid (step, term) before the one given; false: there is none. */
static bool find_older(const struct export *x, uint64_t *step, uint64_t *term)
{
	uint64_t best_step = 0, best_term = 0;
	const struct ftp_checkpoint_name *r;

	for (uint32_t d = 0; d < x->n_dirs; d++)
		for (uint32_t i = 0; (r = record(x, d, i)); i++) {
			bool is_older = r->step < *step || (r->step == *step && r->term < *term);
			bool is_newer = r->step > best_step ||
					(r->step == best_step && r->term > best_term);

			if (is_older && is_newer && is_valid(x, r->term, r->step)) {
				best_step = r->step;
				best_term = r->term;
			}
		}
	*step = best_step;
	*term = best_term;
	return best_step;
}

static bool is_equal(struct ftp_digest a, struct ftp_digest b)
{
	return a.high == b.high && a.low == b.low;
}

/* From the first directory that gives the unit's state as it was stored. */
static bool read_unit(struct export *x, uint32_t unit, uint64_t step, uint64_t term)
{
	size_t bytes = x->spec->model->units[unit].state_bytes;
	const struct ftp_checkpoint_name *r;

	for (uint32_t d = 0; d < x->n_dirs; d++)
		for (uint32_t i = 0; (r = record(x, d, i)); i++) {
			const struct ftp_checkpoint_name want = *r;

			if (want.unit != unit || want.step != step || want.term != term ||
				want.bytes != bytes ||
				ftp_checkpoint_dir_get(&x->dirs[d], unit, step, x->states[unit]))
				continue;
			if (!is_equal(ftp_digest_of(x->states[unit], bytes), want.digest))
				continue;
			x->run = want.run;
			return true;
		}
	return false;
}

/* The units that nobody has: "3, 5", in text. */
static uint32_t read_all(
	struct export *x, uint64_t step, uint64_t term, char *text, size_t text_bytes)
{
	uint32_t n = 0;
	size_t at = 0;

	text[0] = 0;
	for (uint32_t u = 0; u < (uint32_t)x->spec->model->n_units; u++) {
		if (read_unit(x, u, step, term))
			continue;
		if (at + 8 < text_bytes)
			at += (size_t)snprintf(
				text + at, text_bytes - at, "%s%u", n ? ", " : "", u);
		n++;
	}
	return n;
}

static int find_whole(struct export *x, uint64_t *step, uint64_t *term, struct ftp_error *err)
{
	char missing[128], newest[128] = "";
	uint64_t newest_step = 0;

	*step = *term = UINT64_MAX;
	while (find_older(x, step, term)) {
		if (!read_all(x, *step, *term, missing, sizeof(missing)))
			return 0;
		if (!newest_step) {
			newest_step = *step;
			memcpy(newest, missing, sizeof(newest));
		}
	}
	if (!newest_step)
		return ftp_error_set(err, ENODATA, "the run's checkpoints are empty");
	return ftp_error_set(err, ENODATA,
		"no snapshot is there whole; of the newest, after step %" PRIu64
		", units %s are missing",
		newest_step, newest);
}

static void digest_all(const struct export *x, char hex[FTP_DIGEST_HEX])
{
	struct ftp_digest_stream *s = ftp_digest_begin();

	for (int u = 0; u < x->spec->model->n_units; u++)
		ftp_digest_add(s, x->states[u], x->spec->model->units[u].state_bytes);
	ftp_digest_hex(ftp_digest_end(s), hex);
}

/* Safetensors' metadata are texts. */
static json_t *describe(const struct export *x, uint64_t step, uint64_t term)
{
	char *plans = json_dumps(x->plans, JSON_COMPACT), text[3][32];
	json_t *j;

	snprintf(text[0], sizeof(text[0]), "%" PRIu64, step);
	snprintf(text[1], sizeof(text[1]), "%" PRIu64, term);
	snprintf(text[2], sizeof(text[2]), "%016" PRIx64, x->run);
	j = json_pack("{s:s, s:s, s:s, s:s, s:s}", "step", text[0], "term", text[1], "run", text[2],
		"dataset_digest", x->dataset_digest, "plans", plans);
	free(plans);
	return j;
}

/* What the input was scaled by, if the data are the run's. */
static void add_scale(const struct export *x, struct ftp_safetensors_info *info)
{
	char digest[FTP_DIGEST_HEX];
	struct ftp_dataset *data;
	struct ftp_error why;

	info->input_mean = info->input_std = NAN;
	if (ftp_dataset_open(&data, x->spec->dataset, &why))
		return;
	ftp_digest_hex(data->digest, digest);
	if (!strcmp(digest, x->dataset_digest)) {
		info->input_mean = data->mean;
		info->input_std = data->std;
	}
	ftp_dataset_close(data);
}

static int write_snapshot(
	json_t **out, const struct export *x, uint64_t step, uint64_t term, struct ftp_error *err)
{
	char digest[FTP_DIGEST_HEX];
	json_t *more = describe(x, step, term);
	struct ftp_safetensors_info info = {.params_digest = digest, .more = more};
	int rc;

	digest_all(x, digest);
	add_scale(x, &info);
	rc = ftp_safetensors_write(
		x->spec->path, x->spec->model, (const void *const *)x->states, &info, err);
	if (!rc)
		*out = json_pack("{s:I, s:I, s:O, s:s, s:s, s:s, s:O}", "step", (json_int_t)step,
			"term", (json_int_t)term, "run", json_object_get(more, "run"),
			"params_digest", digest, "dataset_digest", x->dataset_digest, "file",
			x->spec->path, "plans", x->plans);
	json_decref(more);
	return rc;
}

int ftp_export_newest(json_t **out, const struct ftp_export_spec *spec, struct ftp_error *err)
{
	struct export x = {.spec = spec, .plans = json_array()};
	uint64_t step, term;
	int rc;

	for (int u = 0; u < spec->model->n_units; u++) {
		x.states[u] = malloc(spec->model->units[u].state_bytes + 1);
		ftp_assert(x.states[u]);
	}
	rc = open_all(&x, err);
	read_events(&x);
	if (!rc)
		rc = find_whole(&x, &step, &term, err);
	if (!rc)
		rc = write_snapshot(out, &x, step, term, err);
	close_all(&x);
	return rc;
}
