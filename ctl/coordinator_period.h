/* How often the coordinator has snapshots taken; part of its state (ctl/coordinator_state.h). */
#ifndef FTP_CTL_COORDINATOR_PERIOD_H
#define FTP_CTL_COORDINATOR_PERIOD_H

#include <stdbool.h>
#include <stdint.h>

#include "ctl/config.h"

struct ftp_coordinator;
struct ftp_actions;

struct ftp_coordinator_period {
	uint64_t every, global_every;		 /* where the configuration says auto */
	uint64_t cost_ns[FTP_CONFIG_MAX_NODES];	 /* of a snapshot, smoothed; 0: not known */
	uint64_t spent_ns[FTP_CONFIG_MAX_NODES]; /* for the one that is under way */
	/* When the loss of that step was known, of the next snapshot and of the stable one; 0: it
	 * is not. */
	uint64_t next_ns, stable_ns;
	uint64_t passed_ns;  /* since when a stage is known to be past the next; 0: none is */
	uint32_t n_given_up; /* in a row: none was settled since */
};

bool ftp_coordinator_period_is_auto(const struct ftp_coordinator *c);
/* Steps from one snapshot to the next, and from one global one; 0: none is taken. What the
 * configuration says is what a loss may take back; with 1f1b the last stage may be n_stages - 1
 * steps ahead of the first, and it is so many fewer. */
uint64_t ftp_coordinator_period(const struct ftp_coordinator *c);
uint64_t ftp_coordinator_global_period(const struct ftp_coordinator *c);
/* A step's time as measured, else as predicted; 0: not known. */
double ftp_coordinator_period_step_seconds(const struct ftp_coordinator *c);
/* From the moment when a stage is past a snapshot's step until all is told of it, at most. */
uint64_t ftp_coordinator_settle_ns(const struct ftp_coordinator *c);
/* A plan has begun; the next snapshot is to be named; a node tells what they cost it; one is
 * stable. */
void ftp_coordinator_period_begin(
	struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a);
void ftp_coordinator_period_look(struct ftp_coordinator *c, struct ftp_actions *a);
void ftp_coordinator_period_cost(struct ftp_coordinator *c, uint32_t node, uint64_t cost_ns);
void ftp_coordinator_period_taken(struct ftp_coordinator *c);
/* The loss of that step is known. */
void ftp_coordinator_period_row(struct ftp_coordinator *c, uint64_t step, uint64_t now_ns);
/* What a return to the newest stable snapshot would take back, in seconds of training. */
double ftp_coordinator_age_seconds(const struct ftp_coordinator *c);

#endif
