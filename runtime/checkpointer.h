/* Checkpointer: what a node does with its checkpoint directory. It puts the snapshots that the
 * coordinator names there, all states of them that the node's store holds; it tells an inventory
 * what is there; and it gives a recovery back what the store does not hold.
 *
 * Putting is done a few operations a turn, behind whatever else there is to do. The states are
 * pinned meanwhile, so that a slow disk keeps places and nothing else. Whatever fails is said in
 * one line, the first time; training does not know of it. A disk that does not answer is left alone
 * until it does, what it refused to read is asked for again later, and a directory that was removed
 * is opened anew.
 *
 * Made by any thread, from then on the worker's.
 */
#ifndef FTP_RUNTIME_CHECKPOINTER_H
#define FTP_RUNTIME_CHECKPOINTER_H

#include "ctl/protocol.h"
#include "kernels/model.h"
#include "runtime/checkpoint.h"
#include "runtime/snapshots.h"

struct ftp_checkpointer; /* opaque */

struct ftp_checkpointer_spec {
	struct ftp_disk *disk; /* taken; NULL: there is none, why says why */
	const char *why;       /* lent for the call, as directory is, which lines of the log name */
	const char *directory;
	const struct ftp_config_checkpoint *config; /* lent for the call */
	const struct ftp_model *model;		    /* these until ftp_checkpointer_free() */
	struct ftp_snapshots *snapshots;	    /* the node's store */
	struct ftp_region *region;
	uint64_t patience_ns; /* with a disk that does not answer; 0: 10 s where the node waits for
				 it, else 30 s */
};

struct ftp_checkpointer_stats {
	bool is_usable;		    /* and not hung */
	uint64_t n_hung, n_changes; /* how often it hung; of what is here, but for puts */
	struct ftp_disk_mode mode;  /* engine NULL: there is no disk */
	bool lacks_direct;	    /* though checkpoint.direct is on: it is not used */
	uint64_t step;		    /* the newest that was put; 0: none */
	uint64_t n_puts[FTP_N_CHECKPOINT_OUTCOMES];
	uint64_t n_refused; /* not begun: nothing to write with, or still busy with an older one */
	uint64_t written_bytes, put_ns; /* sums over those that were done */
	uint64_t live_bytes, capacity_bytes, n_damaged;
};

/* Opens what is on the disk by its manifest; its bytes are read in later turns that have nothing
 * else to do, or when they are asked for. One that cannot be used is no failure, but a line: puts
 * are refused then. */
struct ftp_checkpointer *ftp_checkpointer_new(const struct ftp_checkpointer_spec *spec);
/* What is under way is not ended: a disk gets 5 s to answer, none if it is known to hang, less if
 * it has owed its answer for a while; what it has not given back then keeps its memory. Before the
 * store is freed. */
void ftp_checkpointer_free(struct ftp_checkpointer *k);

/* Which run this is: what is there of another one is left alone from now on. */
void ftp_checkpointer_claim(struct ftp_checkpointer *k, uint64_t run);

/* node.retain, before the store frees anything by it. */
void ftp_checkpointer_retain(
	struct ftp_checkpointer *k, const struct ftp_retain *m, uint64_t now_ns);

/* Goes on with what is under way; true: something moved. told->step is not 0 if there is something
 * to tell; what there is waits where told is NULL. */
bool ftp_checkpointer_turn(struct ftp_checkpointer *k, struct ftp_persisted *told, uint64_t now_ns);
bool ftp_checkpointer_is_busy(const struct ftp_checkpointer *k);

/* Adds what is on the disk and not in the store. */
void ftp_checkpointer_list(const struct ftp_checkpointer *k, struct ftp_inventory *m);

/* The unit's state of that step is on the disk, as far as was looked. */
bool ftp_checkpointer_has(const struct ftp_checkpointer *k, uint32_t unit, uint64_t step);

/* For a recovery: reads the units' states of that step into the store in later turns, of the newest
 * term there is, but for those that it has already. A put under way is given up for it. What was
 * asked for before is forgotten. */
void ftp_checkpointer_fetch(
	struct ftp_checkpointer *k, const uint32_t *units, uint32_t n, uint64_t step);

enum ftp_checkpointer_fetching {
	FTP_CHECKPOINTER_FETCHED, /* all are in the store */
	FTP_CHECKPOINTER_FETCHING,
	FTP_CHECKPOINTER_NOT_FETCHED, /* one is not there, or damaged, or there is no room for it,
					 or the disk hangs; err says so */
};
enum ftp_checkpointer_fetching ftp_checkpointer_fetched(
	const struct ftp_checkpointer *k, struct ftp_error *err);

/* Nobody waits for it any more. What has come stays in the store. */
void ftp_checkpointer_fetch_end(struct ftp_checkpointer *k);

const struct ftp_checkpointer_stats *ftp_checkpointer_stats(const struct ftp_checkpointer *k);

#endif
