/* Export history: what the directory of a run says of its past, for a tool that looks at it without
 * a coordinator. journal.json: which terms began after which steps, and what the units of the
 * newest snapshot on disks must be; events.jsonl: the plans, for people. One thread. */
#ifndef FTP_RUNTIME_EXPORT_HISTORY_H
#define FTP_RUNTIME_EXPORT_HISTORY_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "ctl/protocol.h"
#include "runtime/base/digest.h"

#define FTP_EXPORT_HISTORY_MAX_TERMS 256

struct ftp_export_history {
	uint64_t run;		 /* its number; 0: not known */
	bool has_journal;	 /* else nothing is known of terms */
	uint64_t forgotten_term; /* of this and older ones nothing is known any more */
	uint32_t n_begun;	 /* terms, each with a greater step than the one before */
	uint64_t begun_term[FTP_EXPORT_HISTORY_MAX_TERMS];
	uint64_t begun_step[FTP_EXPORT_HISTORY_MAX_TERMS];
	uint64_t disk_step, disk_term; /* the newest snapshot on disks; 0: none is known */
	uint32_t n_units;	       /* of it */
	struct ftp_digest digest[FTP_PROTOCOL_MAX_UNITS];

	char dataset[FTP_DIGEST_HEX]; /* digest of the run's; "": not known */
	json_t *plans;		      /* [{"term", "step", "stages"}], in order */
};

/* What cannot be read is not known; that of the journal is a line in problems, an array of texts.
 * ftp_export_history_deinit() it. */
void ftp_export_history_read(struct ftp_export_history *h, const char *run_dir, json_t *problems);
void ftp_export_history_deinit(struct ftp_export_history *h);

/* As far as the journal tells: no later term began before the step. */
bool ftp_export_history_is_valid(const struct ftp_export_history *h, uint64_t term, uint64_t step);

/* What the unit's state must be; false: not known. */
bool ftp_export_history_digest(const struct ftp_export_history *h, uint32_t unit, uint64_t step,
	uint64_t term, struct ftp_digest *digest);

/* A line for people; as ftp_export_problem(problems, "%s: ...", ...). */
void ftp_export_problem(json_t *problems, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
