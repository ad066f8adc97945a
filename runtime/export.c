#include "runtime/export.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/protocol.h"
#include "runtime/base/digest.h"
#include "runtime/dataset.h"
#include "runtime/export_history.h"
#include "runtime/export_holders.h"
#include "runtime/safetensors.h"

#define MAX_TRIES 3

struct export
{
	const struct ftp_export_spec *spec;
	struct ftp_export_history history;
	struct ftp_export_holders *holders;
	json_t *problems;
	void *states[FTP_PROTOCOL_MAX_UNITS];
};

/* The units that nobody has: "3, 5", in text. */
static uint32_t read_all(
	struct export *x, uint64_t step, uint64_t term, char *text, size_t text_bytes)
{
	uint32_t n = 0;
	size_t at = 0;

	text[0] = 0;
	for (uint32_t u = 0; u < (uint32_t)x->spec->model->n_units; u++) {
		if (ftp_export_holders_read(x->holders, u, step, term,
			    x->spec->model->units[u].state_bytes, x->states[u]))
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
	const char *why;

	*step = *term = UINT64_MAX;
	while (ftp_export_holders_older(x->holders, step, term)) {
		if (!read_all(x, *step, *term, missing, sizeof(missing)))
			return 0;
		if (!newest_step) {
			newest_step = *step;
			memcpy(newest, missing, sizeof(newest));
		}
	}
	why = json_string_value(json_array_get(x->problems, 0));
	if (!newest_step)
		return ftp_error_set(err, ENODATA, "the run's checkpoints are empty%s%s",
			why ? "; " : "", why ? why : "");
	return ftp_error_set(err, ENODATA,
		"no snapshot is there whole; of the newest, after step %" PRIu64
		", units %s are missing%s%s",
		newest_step, newest, why ? "; " : "", why ? why : "");
}

/* A node at work may replace what is being read; then there is something newer. */
static int find(struct export *x, uint64_t *step, uint64_t *term, struct ftp_error *err)
{
	int rc = 0;

	for (int i = 0; i < MAX_TRIES; i++) {
		ftp_export_holders_close(x->holders);
		x->holders = NULL;
		json_array_clear(x->problems);
		ftp_export_history_deinit(&x->history);
		ftp_export_history_read(&x->history, x->spec->run_dir, x->problems);
		rc = ftp_export_holders_open(
			&x->holders, x->spec->run_dir, &x->history, x->problems, err);
		if (rc)
			return rc;
		rc = find_whole(x, step, term, err);
		if (!rc || !ftp_export_holders_have_moved(x->holders))
			break;
	}
	return rc;
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
	char *plans = json_dumps(x->history.plans, JSON_COMPACT), text[3][32];
	json_t *j;

	snprintf(text[0], sizeof(text[0]), "%" PRIu64, step);
	snprintf(text[1], sizeof(text[1]), "%" PRIu64, term);
	snprintf(text[2], sizeof(text[2]), "%016" PRIx64, x->history.run);
	j = json_pack("{s:s, s:s, s:s, s:s, s:s}", "step", text[0], "term", text[1], "run", text[2],
		"dataset_digest", x->history.dataset, "plans", plans);
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
	if (!strcmp(digest, x->history.dataset)) {
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
		*out = json_pack("{s:I, s:I, s:O, s:s, s:s, s:s, s:O, s:O}", "step",
			(json_int_t)step, "term", (json_int_t)term, "run",
			json_object_get(more, "run"), "params_digest", digest, "dataset_digest",
			x->history.dataset, "file", x->spec->path, "plans", x->history.plans,
			"problems", x->problems);
	json_decref(more);
	return rc;
}

int ftp_export_newest(json_t **out, const struct ftp_export_spec *spec, struct ftp_error *err)
{
	struct export x = {.spec = spec, .problems = json_array()};
	uint64_t step, term;
	int rc;

	for (int u = 0; u < spec->model->n_units; u++) {
		x.states[u] = malloc(spec->model->units[u].state_bytes + 1);
		ftp_assert(x.states[u]);
	}
	rc = find(&x, &step, &term, err);
	if (!rc)
		rc = write_snapshot(out, &x, step, term, err);
	ftp_export_holders_close(x.holders);
	ftp_export_history_deinit(&x.history);
	json_decref(x.problems);
	for (int u = 0; u < spec->model->n_units; u++)
		free(x.states[u]);
	return rc;
}
