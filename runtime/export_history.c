#include "runtime/export_history.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/protocol_fields.h"
#include "runtime/base/error.h"

#define MAX_PATH  4096
#define MAX_LINE  (1 << 20)
#define MAX_PLANS 4096

#define FIELD(member, kind_)                                                                       \
	{                                                                                          \
		.name = #member, .kind = kind_,                                                    \
		.offset = offsetof(struct ftp_export_history, member)                              \
	}
#define VALUES(member, kind_, count, max)                                                          \
	{                                                                                          \
		.name = #member, .kind = FTP_FIELD_VALUES, .element_kind = kind_,                  \
		.offset = offsetof(struct ftp_export_history, member),                             \
		.count_offset = offsetof(struct ftp_export_history, count), .max_count = max,      \
		.stride_bytes = sizeof(((struct ftp_export_history *)0)->member[0])                \
	}

/* Of the coordinator's journal, what matters here. */
static const struct ftp_field fields[] = {
	FIELD(run, FTP_FIELD_HEX64),
	FIELD(forgotten_term, FTP_FIELD_U64),
	VALUES(begun_term, FTP_FIELD_U64, n_begun, FTP_EXPORT_HISTORY_MAX_TERMS),
	VALUES(begun_step, FTP_FIELD_U64, n_begun, FTP_EXPORT_HISTORY_MAX_TERMS),
	FIELD(disk_step, FTP_FIELD_U64),
	FIELD(disk_term, FTP_FIELD_U64),
	VALUES(digest, FTP_FIELD_DIGEST, n_units, FTP_PROTOCOL_MAX_UNITS),
	{.name = NULL},
};

void ftp_export_problem(json_t *problems, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	json_array_append_new(problems, json_string(text));
}

/* The number that the run was made with; 0: its file is not there. */
static uint64_t read_run(const char *run_dir)
{
	char path[MAX_PATH], text[20] = "", *rest;
	uint64_t run;
	FILE *f;

	snprintf(path, sizeof(path), "%s/run", run_dir);
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (!fgets(text, sizeof(text), f))
		text[0] = 0;
	fclose(f);
	run = strtoull(text, &rest, 16);
	return rest == text + 16 ? run : 0;
}

static int decode_journal(struct ftp_export_history *h, const char *path, struct ftp_error *err)
{
	uint64_t run = h->run;
	json_error_t why;
	json_t *j = json_load_file(path, 0, &why);
	int rc;

	if (!j)
		return ftp_error_set(err, EINVAL, "%s", why.text);
	rc = ftp_protocol_fields_decode(fields, h, j, err);
	json_decref(j);
	if (!rc && run && h->run != run)
		rc = ftp_error_set(err, EINVAL, "it is another run's");
	if (run)
		h->run = run;
	return rc;
}

static void read_journal(struct ftp_export_history *h, const char *run_dir, json_t *problems)
{
	char path[MAX_PATH];
	struct ftp_error why;

	snprintf(path, sizeof(path), "%s/journal.json", run_dir);
	h->has_journal = !decode_journal(h, path, &why);
	if (!h->has_journal)
		ftp_export_problem(problems,
			"journal.json: %s: what was trained and then abandoned is only known from "
			"the states themselves",
			why.text);
}

static void take_event(struct ftp_export_history *h, const json_t *event)
{
	const char *kind = json_string_value(json_object_get(event, "kind"));
	const char *dataset = json_string_value(json_object_get(event, "dataset"));

	if (kind && !strcmp(kind, "begin") && dataset)
		snprintf(h->dataset, sizeof(h->dataset), "%s", dataset);
	if (!kind || strcmp(kind, "plan") || json_array_size(h->plans) == MAX_PLANS)
		return;
	json_array_append_new(
		h->plans, json_pack("{s:O?, s:O?, s:O?}", "term", json_object_get(event, "term"),
				  "step", json_object_get(event, "step"), "stages",
				  json_object_get(event, "stages")));
}

static void read_events(struct ftp_export_history *h, const char *run_dir)
{
	char path[MAX_PATH], *line = malloc(MAX_LINE);
	FILE *f;

	ftp_assert(line);
	snprintf(path, sizeof(path), "%s/events.jsonl", run_dir);
	f = fopen(path, "re");
	while (f && fgets(line, MAX_LINE, f)) {
		json_t *event = json_loads(line, 0, NULL);

		if (event)
			take_event(h, event);
		json_decref(event);
	}
	if (f)
		fclose(f);
	free(line);
}

void ftp_export_history_read(struct ftp_export_history *h, const char *run_dir, json_t *problems)
{
	*h = (struct ftp_export_history){.run = read_run(run_dir), .plans = json_array()};
	read_journal(h, run_dir, problems);
	read_events(h, run_dir);
}

void ftp_export_history_deinit(struct ftp_export_history *h)
{
	json_decref(h->plans);
}

bool ftp_export_history_is_valid(const struct ftp_export_history *h, uint64_t term, uint64_t step)
{
	if (!h->has_journal)
		return true;
	for (uint32_t i = 0; i < h->n_begun; i++)
		if (h->begun_term[i] > term && h->begun_step[i] < step)
			return false;
	return term > h->forgotten_term;
}

bool ftp_export_history_digest(const struct ftp_export_history *h, uint32_t unit, uint64_t step,
	uint64_t term, struct ftp_digest *digest)
{
	if (!h->has_journal || step != h->disk_step || term != h->disk_term || unit >= h->n_units)
		return false;
	*digest = h->digest[unit];
	return true;
}
