/* Snapshots: the unit states of past steps that a node holds, its own and replicas of others'
 * alike. They outlive plans: whoever holds one can give it to any later plan.
 *
 * Room for them is made when a plan is prepared, a few places for each unit, and never while it
 * trains. The places of the plan in force take new states; those of older plans only keep what they
 * have, and are given back once it is freed.
 *
 * A state is followed by a label that says what it is, so that a replica explains itself: it may be
 * void, when its sender had nothing to send. The worker's thread, but for making and freeing
 * places.
 */
#ifndef FTP_RUNTIME_SNAPSHOTS_H
#define FTP_RUNTIME_SNAPSHOTS_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/model.h"
#include "runtime/base/digest.h"
#include "runtime/base/error.h"
#include "runtime/base/region.h"

#define FTP_SNAPSHOT_LABEL_BYTES 64

struct ftp_snapshot { /* a unit's state after a step, or a place for one */
	uint32_t unit;
	uint64_t step, term; /* term: of the plan that trained it */
	struct ftp_digest digest;
	void *data;	/* canonical state, then the label */
	uint32_t bytes; /* of both */
};

/* Places of one plan. Any thread. */
struct ftp_snapshot_places;

/* n_of_unit: places for each unit of the model. -ENOMEM when the region does not hold them. All
 * memory is touched. */
int ftp_snapshot_places_new(struct ftp_snapshot_places **out, const struct ftp_model *model,
	struct ftp_region *region, const uint8_t *n_of_unit, struct ftp_error *err);
void ftp_snapshot_places_free(struct ftp_snapshot_places *p);
size_t ftp_snapshot_places_bytes(const struct ftp_snapshot_places *p);

struct ftp_snapshots; /* opaque: the store */

struct ftp_snapshots *ftp_snapshots_new(void);
void ftp_snapshots_free(struct ftp_snapshots *s); /* after every link is closed */

/* Takes the places of a plan that comes into force. May allocate. */
void ftp_snapshots_adopt(struct ftp_snapshots *s, struct ftp_snapshot_places *p);

/* A free place of the plan in force, which is the caller's to fill, until complete() or give_up().
 * NULL: there is none now. */
struct ftp_snapshot *ftp_snapshots_take(
	struct ftp_snapshots *s, uint32_t unit, uint64_t step, uint64_t term);

/* A place of its own, outside all plans, for a state that comes from a disk; likewise. NULL: no
 * room. Calls the allocator. */
struct ftp_snapshot *ftp_snapshots_add(struct ftp_snapshots *s, struct ftp_region *region,
	uint32_t unit, size_t state_bytes, uint64_t step, uint64_t term);

/* It can be found from now on, unless it was freed meanwhile. */
void ftp_snapshots_complete(
	struct ftp_snapshots *s, struct ftp_snapshot *snapshot, struct ftp_digest digest);
void ftp_snapshots_give_up(struct ftp_snapshots *s, struct ftp_snapshot *snapshot);

/* Complete ones only. NULL: not here. */
const struct ftp_snapshot *ftp_snapshots_find(
	const struct ftp_snapshots *s, uint32_t unit, uint64_t step);

/* Of several, which different terms trained, that of the newest: if any of them is of the history
 * that counts, that is it. */
const struct ftp_snapshot *ftp_snapshots_newest(
	const struct ftp_snapshots *s, uint32_t unit, uint64_t step);

/* All complete ones, in no order: after NULL the first, NULL after the last. */
const struct ftp_snapshot *ftp_snapshots_next(
	const struct ftp_snapshots *s, const struct ftp_snapshot *after);

/* While it is pinned its memory neither changes nor goes, even if it is freed. Pins count. */
void ftp_snapshots_pin(struct ftp_snapshots *s, const struct ftp_snapshot *snapshot);
void ftp_snapshots_unpin(struct ftp_snapshots *s, const struct ftp_snapshot *snapshot);

/* Frees all but those of these steps, and of `from` and later; what is being filled is freed when
 * it is full. */
void ftp_snapshots_retain(
	struct ftp_snapshots *s, const uint64_t *steps, uint32_t n_steps, uint64_t from);

/* Frees those of later steps: training goes on after this one. */
void ftp_snapshots_cut(struct ftp_snapshots *s, uint64_t step);

/* Gives the memory of older plans' free places back; true: there was some. Calls the allocator: for
 * when there is nothing else to do. */
bool ftp_snapshots_tidy(struct ftp_snapshots *s);

enum ftp_snapshot_label_kind {
	FTP_SNAPSHOT_VOID, /* the sender had no such state */
	FTP_SNAPSHOT_SOUND,
	FTP_SNAPSHOT_WRONG, /* of another unit, step or term, or of another state than this one */
};

/* Writes the label. SOUND: digest is that of the state; VOID: 0. */
void ftp_snapshot_label(
	struct ftp_snapshot *snapshot, enum ftp_snapshot_label_kind kind, struct ftp_digest digest);

/* What has come into a place; digest: of the state in it. */
enum ftp_snapshot_label_kind ftp_snapshot_check(
	const struct ftp_snapshot *snapshot, struct ftp_digest digest);

static inline size_t ftp_snapshot_state_bytes(const struct ftp_snapshot *snapshot)
{
	return snapshot->bytes - FTP_SNAPSHOT_LABEL_BYTES;
}

#endif
