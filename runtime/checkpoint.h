/* Checkpoint: the unit states that a node keeps on its disk, its own and those that it holds for
 * others, alike. A pure state machine: operations for a disk come out, completions go in; no file,
 * no thread, no clock. Layout: runtime/checkpoint_format.h; what is kept: runtime/retention.h.
 *
 * A put goes through these, each begun when all of the one before has succeeded:
 *
 *   room for it: a free part of the segments, or a new segment: created, written with zeros, made
 *                durable, its directory too
 *   data         into extents that no manifest which a power cut could leave behind refers to
 *   sync data    and on with data, if not all of it is written: see sync_every_bytes
 *   manifest     into the slot that does not hold the durable one
 *   sync manifest -> acknowledged; segments that nobody needs are removed
 *
 * So at any moment the newest whole manifest lists only durable records, and an acknowledged one is
 * found again after a power cut. A manifest whose writing failed may be on the disk or not: before
 * anything else is written, another one that lists what is durable is written over it.
 *
 * One activity at a time: open, put, get, check or trim. Not for the compute path's own memory:
 * data is lent until the put's event, and copied into the disk's buffers piece by piece.
 *
 * One thread, any.
 */
#ifndef FTP_RUNTIME_CHECKPOINT_H
#define FTP_RUNTIME_CHECKPOINT_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/error.h"
#include "runtime/checkpoint_format.h"
#include "runtime/disk.h"

#define FTP_CHECKPOINT_MAX_PUT	    1024 /* entries */
#define FTP_CHECKPOINT_MAX_SEGMENTS (FTP_DISK_MAX_FILES - 1)
#define FTP_CHECKPOINT_SEGMENT_UNIT (1u << 20)
#define FTP_CHECKPOINT_SYNC_EVERY   (16u << 20)

struct ftp_checkpoint; /* opaque; some 0.5 MB */

/* How far it looks when it opens. What was not read is believed until a check or a get reads it. */
enum ftp_checkpoint_depth {
	FTP_CHECKPOINT_READ_ALL,     /* every byte */
	FTP_CHECKPOINT_READ_HEADERS, /* of the records */
	FTP_CHECKPOINT_READ_MANIFEST,
};

struct ftp_checkpoint_spec {
	uint64_t run;		     /* 0: whichever is there; to put, claim it then */
	uint32_t keep;		     /* steps of each unit, at least 1 */
	uint64_t max_bytes;	     /* of all segments; 0: no limit */
	uint32_t segment_unit_bytes; /* segments are multiples of it; 0: FTP_CHECKPOINT_SEGMENT_UNIT
				      */
	/* Through the page cache no more than that is written before it is made durable: a disk
	 * that is slow and not hung then goes on answering. 0: FTP_CHECKPOINT_SYNC_EVERY. */
	uint64_t sync_every_bytes;
	bool is_read_only;
	enum ftp_checkpoint_depth depth;
};

/* Unit u's state after a step, in canonical form. */
struct ftp_checkpoint_entry {
	uint32_t unit;
	uint64_t step, term;
	struct ftp_digest digest; /* of data; trusted */
	uint64_t bytes;
	const void *data;
};

enum ftp_checkpoint_record_state {
	FTP_CHECKPOINT_GOOD,
	FTP_CHECKPOINT_BAD_HEADER,
	FTP_CHECKPOINT_BAD_DIGEST,
	FTP_CHECKPOINT_MISSING,	   /* its segment, or the end of it */
	FTP_CHECKPOINT_UNREADABLE, /* the disk said so; kept, as it may say otherwise later: good
				      when it is read again, see ftp_checkpoint_look_again() */
	FTP_N_CHECKPOINT_RECORD_STATES,
};

enum ftp_checkpoint_slot_state {
	FTP_CHECKPOINT_SLOT_WHOLE,
	FTP_CHECKPOINT_SLOT_BLANK, /* never written */
	FTP_CHECKPOINT_SLOT_TORN,  /* a power cut leaves at most one; read errors count as such */
	FTP_N_CHECKPOINT_SLOT_STATES,
};

enum ftp_checkpoint_activity {
	FTP_CHECKPOINT_OPEN,
	FTP_CHECKPOINT_PUT,
	FTP_CHECKPOINT_GET,
	FTP_CHECKPOINT_CHECK,
	FTP_CHECKPOINT_TRIM,
};

enum ftp_checkpoint_outcome {
	FTP_CHECKPOINT_DONE,	  /* of a put: durable */
	FTP_CHECKPOINT_NO_SPACE,  /* the disk is full, or max_bytes is reached */
	FTP_CHECKPOINT_IO_ERROR,  /* of an open: not usable; else as it was before, try again */
	FTP_CHECKPOINT_NONE,	  /* open to read: there is no checkpoint */
	FTP_CHECKPOINT_OTHER_RUN, /* open: this directory belongs to another run */
	FTP_CHECKPOINT_DAMAGED,	  /* get, check: the record is not what was stored */
	FTP_CHECKPOINT_CANCELLED, /* as it was before */
	FTP_N_CHECKPOINT_OUTCOMES,
};

struct ftp_checkpoint_event {
	enum ftp_checkpoint_activity activity;
	enum ftp_checkpoint_outcome outcome;
	int error;	  /* negative errno; 0: done */
	const char *text; /* for people; lives until the next call */
	uint64_t bytes;	  /* PUT: written for records */
};

struct ftp_checkpoint_totals {
	uint32_t n_segments, n_records;
	uint64_t run, sequence;
	uint64_t capacity_bytes,
		live_bytes; /* of segments; of records that count, padding included */
	enum ftp_checkpoint_slot_state slots[FTP_CHECKPOINT_N_SLOTS];
	uint32_t n_strange_files; /* in the directory, not ours; left alone */
	uint64_t n_puts, n_failed, n_removed_segments;
};

/* What put and get may answer at once; nothing has changed then. */
enum {
	FTP_CHECKPOINT_BUSY = 1, /* another activity is under way */
	FTP_CHECKPOINT_STALE,	 /* put: of an abandoned history, or older than what is kept */
	FTP_CHECKPOINT_CONFLICT, /* put: stored already, under another digest */
	FTP_CHECKPOINT_ABSENT,	 /* get: no good record of that name; check: none left */
};

/* Opens at once: its event says how. disk lends its buffers. -ENOMEM. */
int ftp_checkpoint_new(struct ftp_checkpoint **out, const struct ftp_checkpoint_spec *spec,
	const struct ftp_disk *disk);
/* When the disk has nothing of it under way. */
void ftp_checkpoint_free(struct ftp_checkpoint *c);

/* One that was opened with run 0 is this run's from now on; false: it holds another one's. */
bool ftp_checkpoint_claim(struct ftp_checkpoint *c, uint64_t run);

/* Stores all of the entries, or none: one or several steps. 0: the event will say; their data is
 * lent until then. What is stored already is not written again. -EINVAL: not to be stored at all.
 */
int ftp_checkpoint_put(
	struct ftp_checkpoint *c, const struct ftp_checkpoint_entry *entries, uint32_t n);

/* Reads the record of exactly that name, and no other, into `into`, which is lent until the event
 * and has room for name->bytes. Header and digest are checked. */
int ftp_checkpoint_get(
	struct ftp_checkpoint *c, const struct ftp_checkpoint_name *name, void *into);

/* Reads one of the good records that nobody has read yet, and believes it no more if it is not
 * what was stored. */
int ftp_checkpoint_check(struct ftp_checkpoint *c);

/* Checks read each of the unreadable records once more, and believe it if it is what was stored. */
void ftp_checkpoint_look_again(struct ftp_checkpoint *c);

/* Nothing more is begun of a get, a check, or a put that has not come to its manifest: it ends when
 * what is under way has come back, and touches the caller's memory no more. */
void ftp_checkpoint_cancel(struct ftp_checkpoint *c);

/* Removes the segments that hold nothing. FTP_CHECKPOINT_BUSY: also after a put whose manifest
 * failed, until the next one. */
int ftp_checkpoint_trim(struct ftp_checkpoint *c);

/* From the next put on, records of this step are kept whatever comes; 0: of none. */
void ftp_checkpoint_pin(struct ftp_checkpoint *c, uint64_t step);

/* The next operation to submit. false: none, for now. */
bool ftp_checkpoint_next(struct ftp_checkpoint *c, struct ftp_disk_op *op);
void ftp_checkpoint_complete(struct ftp_checkpoint *c, const struct ftp_disk_completion *done);

/* The end of an activity, once. */
bool ftp_checkpoint_event(struct ftp_checkpoint *c, struct ftp_checkpoint_event *e);
bool ftp_checkpoint_is_busy(const struct ftp_checkpoint *c);
bool ftp_checkpoint_is_still(const struct ftp_checkpoint *c); /* the disk has nothing of it */

/* Submits what there is, at most max_ops, and reaps: the whole of a shell's turn. Sleeps no longer
 * than timeout_ns, if something is under way. true: something was submitted or has come back. */
bool ftp_checkpoint_turn(
	struct ftp_checkpoint *c, struct ftp_disk *disk, uint32_t max_ops, uint64_t timeout_ns);

/* The durable records; of the last open's bad ones too, until the first put. i < totals.n_records;
 * *state may be NULL. Lives until the next event. */
const struct ftp_checkpoint_record *ftp_checkpoint_record_at(
	const struct ftp_checkpoint *c, uint32_t i, enum ftp_checkpoint_record_state *state);
/* Of the good ones of the unit and step that of the newest term; NULL: there is none. */
const struct ftp_checkpoint_record *ftp_checkpoint_newest(
	const struct ftp_checkpoint *c, uint32_t unit, uint64_t step);
void ftp_checkpoint_totals(const struct ftp_checkpoint *c, struct ftp_checkpoint_totals *totals);

const char *ftp_checkpoint_outcome_name(enum ftp_checkpoint_outcome outcome);
const char *ftp_checkpoint_record_state_name(enum ftp_checkpoint_record_state state);
const char *ftp_checkpoint_slot_state_name(enum ftp_checkpoint_slot_state state);

#endif
