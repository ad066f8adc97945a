/* Export: the newest snapshot that the checkpoint directories of a run hold whole, as safetensors.
 * Of a run that lives or is dead; nothing is written to the directories. Any one thread. */
#ifndef FTP_RUNTIME_EXPORT_H
#define FTP_RUNTIME_EXPORT_H

#include <jansson.h>

#include "kernels/model.h"
#include "runtime/base/error.h"

struct ftp_export_spec { /* lent */
	const struct ftp_model *model;
	const char *run_dir; /* checkpoint/<node>/, run, journal.json, events.jsonl */
	const char *path;    /* of the file to write */
	const char *dataset; /* its directory, for what the input was scaled by; may not be there */
};

/* *out: {"step", "term", "run", "params_digest", "dataset_digest", "file", "plans"}, which are in
 * the file's metadata too, and "problems": lines about holders that were not believed. A snapshot
 * is whole if every unit has a sound state of its step and term, the one that the journal knows or
 * that most holders have; steps that the run has gone back behind are not taken.
 * -ENODATA: there is none, and what is missing of the newest; or the file's own. */
int ftp_export_newest(json_t **out, const struct ftp_export_spec *spec, struct ftp_error *err);

#endif
