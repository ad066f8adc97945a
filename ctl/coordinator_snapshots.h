/* Snapshots while a plan is in force, as the core keeps them. Part of ctl/coordinator_state.h. */
#ifndef FTP_CTL_COORDINATOR_SNAPSHOTS_H
#define FTP_CTL_COORDINATOR_SNAPSHOTS_H

#include <stdbool.h>

#include "ctl/coordinator.h"
#include "ctl/coordinator_catalogue.h"
#include "ctl/coordinator_disk.h"
#include "ctl/coordinator_period.h"

#define FTP_SNAPSHOTS_MARGIN_NS (20 * FTP_NS_PER_MS) /* from naming to the step, at least */

struct ftp_coordinator_snapshots {
	struct ftp_catalogue catalogue;
	uint64_t stable_step, global_step; /* the newest ones; 0: none, the seed's states serve */
	uint64_t disk_step;  /* the newest of which every unit is durable on some disk; 0: none */
	uint64_t known_step; /* as the journal has it: one as new as that was stable; 0: none was */
	struct ftp_coordinator_disk disk;
	uint64_t next; /* named to all nodes; 0: none yet; after the last step: none is taken */
	bool is_off;   /* the operator wants none for now */
	bool is_global;
	bool is_spoiled;			  /* it will not become stable */
	uint64_t spoiled_nodes;			  /* that said so */
	bool is_own_told[FTP_PROTOCOL_MAX_UNITS]; /* by the stage that has the unit */
	uint64_t at;				  /* the newest step that any stage has finished */
	uint64_t named_step; /* the last next that was a step, or where the plan began */
	uint64_t past_step;  /* up to here a coordinator before this one may have named one */
	uint64_t margin_ns;  /* to the next step, at least */
	uint64_t n_skipped;  /* that were due */
	struct ftp_coordinator_period period;
	uint64_t event_ns;
};

/* coordinator_snapshots.c: which step is copied next. */
/* The plan in force stays, under a coordinator that has been started again. */
void ftp_coordinator_snapshots_resume(struct ftp_coordinator *c);
/* The plan in force went on from that snapshot, of which every unit has a holder among `holders`:
 * it is the newest one to keep. */
void ftp_coordinator_snapshots_adopt(
	struct ftp_coordinator *c, const struct ftp_catalogue_snapshot *snapshot);
/* The plan in force trains, and the configuration wants them. */
bool ftp_coordinator_snapshots_are_taken(const struct ftp_coordinator *c);
void ftp_coordinator_snapshots_init(struct ftp_coordinator *c);
/* The plan in force has just become it: what was in progress is given up. */
void ftp_coordinator_snapshots_begin(
	struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a);
/* Names the next one to all nodes: when all train under the plan in force. */
void ftp_coordinator_snapshots_name(
	struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a);
void ftp_coordinator_snapshots_lose(struct ftp_coordinator *c, uint32_t node);
/* The catalogue forgets it, unless it is kept: stable, global, on disk or on its way there. */
void ftp_coordinator_snapshots_forget(struct ftp_coordinator *c, uint64_t step);
/* Some stage has finished this step. */
void ftp_coordinator_snapshots_at(struct ftp_coordinator *c, uint64_t step);
/* Steps whose loss is known and that a return to the newest stable snapshot would take back. */
uint64_t ftp_coordinator_snapshots_age(const struct ftp_coordinator *c);
json_t *ftp_coordinator_snapshots_document(const struct ftp_coordinator *c); /* null: off */
/* The next one gets no longer than until then; FTP_NS_NEVER: no stage is past it. Noted after every
 * event, judged when the time comes. */
uint64_t ftp_coordinator_snapshots_deadline(const struct ftp_coordinator *c);
void ftp_coordinator_snapshots_note(struct ftp_coordinator *c, uint64_t now_ns);
void ftp_coordinator_snapshots_time(
	struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a);
/* Off: the one that is under way is finished, and no other is named. */
void ftp_coordinator_snapshots_turn(
	struct ftp_coordinator *c, bool is_on, uint64_t now_ns, struct ftp_actions *a);

/* coordinator_stored.c: what nodes tell. */
int ftp_coordinator_on_stored(struct ftp_coordinator *c, uint32_t node, const json_t *body,
	uint64_t now_ns, struct ftp_actions *a, struct ftp_error *err);
/* The stages that have not said of all their own units what became of them. */
uint64_t ftp_coordinator_stored_untold(const struct ftp_coordinator *c);

#endif
