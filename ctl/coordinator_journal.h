/* The journal's document as its writer and its reader share it: coordinator_journal*.c. */
#ifndef FTP_CTL_COORDINATOR_JOURNAL_H
#define FTP_CTL_COORDINATOR_JOURNAL_H

#include "ctl/coordinator_state.h"
#include "ctl/protocol_fields.h"

#define FTP_JOURNAL_VERSION 3

/* Counters and sizes: exact in a double, and far from where a sum would not fit JSON. */
#define FTP_JOURNAL_MAX_COUNT FTP_PROTOCOL_MAX_COUNT
/* Above what nodes may tell of, and yet to be counted on from. */
#define FTP_JOURNAL_MAX_TERM (FTP_PROTOCOL_MAX_TERM - (UINT64_C(1) << 39))

/* All but plan, evaluation, nodes, plans, changes, recoveries. */
struct ftp_journal_head {
	uint32_t version;
	uint64_t run;
	uint64_t last_term, old_term, plan_step, last_step;
	uint64_t plan_term; /* in force; 0: none yet. Whose it is may be forgotten */
	char isa[16];
	double train_s; /* since training began */
	uint32_t outcome;
	char reason[1024], params_digest[FTP_DIGEST_HEX];
	uint64_t fatal_step, fatal_stable; /* of recoveries: struct ftp_coordinator_recovery */
	uint32_t n_fatal, n_recoveries, n_committed, n_abandoned;
	uint64_t n_lost_steps, n_cut_rows;
	struct ftp_digest dataset; /* the run's */
	uint64_t n_train, n_test;
	uint64_t stable_step;	       /* a snapshot as new as that was stable once; 0: none was */
	uint64_t disk_step, disk_term; /* the snapshot on disks, 0: none */
	uint64_t back_step;	       /* struct ftp_coordinator_disk */
	uint32_t n_units;	       /* of it: all, or 0 */
	struct ftp_digest digest[FTP_PROTOCOL_MAX_UNITS];
	/* struct ftp_catalogue's history */
	uint64_t forgotten_term;
	uint32_t n_begun;
	uint64_t begun_term[FTP_CATALOGUE_MAX_TERMS], begun_step[FTP_CATALOGUE_MAX_TERMS];
};

extern const struct ftp_field ftp_coordinator_journal_fields[];

/* All parts of it within their bounds, and in agreement with each other. plan->n_stages and
 * evaluation->n_samples 0: there is none. -EINVAL: err names the field. */
int ftp_coordinator_journal_decode(const json_t *journal, struct ftp_journal_head *h,
	struct ftp_plan *plan, struct ftp_evaluated *evaluation, struct ftp_error *err);

#endif
