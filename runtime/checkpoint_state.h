/* What the parts of the checkpoint share: checkpoint.c turns phases, checkpoint_open.c, _read.c,
 * _put.c are the phases. */
#ifndef FTP_RUNTIME_CHECKPOINT_STATE_H
#define FTP_RUNTIME_CHECKPOINT_STATE_H

#include "runtime/checkpoint.h"
#include "runtime/extents.h"
#include "runtime/retention.h"

#define MANIFEST_FILE 0 /* segment i is file 1 + i */
#define MAX_TABLE     (FTP_CHECKPOINT_MAX_RECORDS + FTP_CHECKPOINT_MAX_PUT)
#define MAX_TRIES     4 /* of an operation that gets no further */

/* A record of the durable manifest, or of the next one. */
struct record {
	struct ftp_checkpoint_record at;
	enum ftp_checkpoint_record_state state;
	bool is_read;	  /* its bytes were seen whole by this process, or are its own */
	bool is_durable;  /* in the durable manifest */
	bool is_wanted;	  /* in the next one */
	bool is_new;	  /* of this put: not written yet */
	bool is_replaced; /* not known to be whole, and one of its name is_new */
	bool is_asked;	  /* by this put, which found it durable already */
	bool is_again;	  /* it was unreadable, and a check is to read it once more */
	const void *data;
};

struct segment {
	uint32_t number;
	uint64_t bytes;
	bool is_open; /* this place is taken */
	bool is_bad;  /* a write to it failed: the next records go elsewhere */
};

enum slot_state {
	SLOT_FREE,
	SLOT_FLYING, /* submitted */
	SLOT_AGAIN,  /* to be submitted again, for its rest */
	SLOT_HELD,   /* read, waits for those before it */
};

/* One operation, and one staging buffer of the same number. */
struct slot {
	enum slot_state state;
	struct ftp_disk_op op; /* what is left of it */
	uint32_t done_bytes;
	int n_tries;	/* without getting further */
	uint32_t chunk; /* READ: which one */
};

/* A record on its way from the disk: chunks fly, and are taken in their order. */
struct reading {
	struct record *record;
	uint32_t unit;
	uint64_t step;
	uint64_t bytes; /* on disk; a part of them, if the header is enough */
	uint32_t n_chunks, n_issued, n_taken;
	bool is_whole_chunk; /* one chunk is all */
	struct ftp_digest found;
	enum ftp_checkpoint_record_state state;
	uint8_t *into; /* may be NULL */
	bool is_cancelled;
};

enum phase { /* those of a put in their order, from PHASE_REPAIR on */
	PHASE_IDLE,
	PHASE_FAILED, /* the open did not succeed */
	PHASE_ATTACH,
	PHASE_OPEN_MANIFEST,
	PHASE_BLANK,
	PHASE_READ_SLOTS,
	PHASE_REWRITE,
	PHASE_OPEN_SYNC,
	PHASE_OPEN_SYNC_DIR,
	PHASE_LIST,
	PHASE_OPEN_SEGMENTS,
	PHASE_VERIFY,
	PHASE_GET,
	PHASE_CHECK,
	PHASE_REPAIR,
	PHASE_REPAIR_SYNC,
	PHASE_CREATE,
	PHASE_PREWRITE,
	PHASE_NEW_SYNC,
	PHASE_NEW_SYNC_DIR,
	PHASE_UNDO,
	PHASE_DATA,
	PHASE_DATA_SYNC,
	PHASE_MANIFEST,
	PHASE_MANIFEST_SYNC,
	PHASE_TRIM,
	N_PHASES,
};

struct ftp_checkpoint {
	struct ftp_checkpoint_spec spec;
	uint8_t *buffers;
	uint64_t pinned_step;

	struct record records[MAX_TABLE];
	uint32_t n_records;
	uint32_t n_listed; /* durable, or bad ones of the open: the first ones */
	struct segment segments[FTP_CHECKPOINT_MAX_SEGMENTS];
	uint64_t sequence, last_sequence; /* durable; ever tried */
	uint32_t slot_in_force;
	bool is_doubted; /* the other slot may hold a manifest that is not the durable one */

	enum phase phase;
	uint32_t cursor, cursor_end; /* what the phase has issued; meaning by phase */
	uint64_t position;	     /* in what cursor names */
	struct slot slots[FTP_DISK_N_BUFFERS];
	uint32_t n_in_flight;
	int error;	   /* negative errno of the first failure of this activity */
	bool is_cancelled; /* which was none */
	struct ftp_error error_text;
	uint32_t error_file;

	bool has_event;
	struct ftp_checkpoint_event event;
	char event_text[sizeof(((struct ftp_error *)0)->text)];

	/* open */
	uint64_t manifest_bytes; /* size of the file that was found */
	enum ftp_checkpoint_slot_state slot_states[FTP_CHECKPOINT_N_SLOTS];
	struct ftp_checkpoint_manifest manifest; /* read, or to be written */
	struct ftp_disk_entry entries[FTP_CHECKPOINT_MAX_SEGMENTS * 2];
	uint32_t n_strange_files;
	uint32_t n_rereads; /* of the manifest */
	struct reading reading;
	struct ftp_digest_stream *digest; /* of a reading of several chunks */

	/* put */
	uint32_t new_segment; /* index; or FTP_CHECKPOINT_MAX_SEGMENTS */
	uint32_t touched[FTP_CHECKPOINT_MAX_SEGMENTS], n_touched;
	struct record *order[FTP_CHECKPOINT_MAX_PUT]; /* the new records by their place */
	uint32_t n_order;
	uint32_t order_cursor;	 /* the record that is written next, */
	uint64_t order_position; /* and from which byte on */
	uint64_t prewritten_bytes;
	uint64_t unsynced_bytes;
	int put_error; /* while a new segment is undone */
	uint64_t put_bytes, largest_put_bytes;
	bool trims_all;
	uint64_t n_puts, n_failed, n_removed_segments;

	/* scratch of planning */
	struct ftp_extent used[MAX_TABLE], holes[MAX_TABLE + FTP_CHECKPOINT_MAX_SEGMENTS],
		room[FTP_CHECKPOINT_MAX_SEGMENTS];
	struct ftp_retention_state states[MAX_TABLE];
};

/* issue: makes s the next operation; false: no more of this phase, for now. taken (NULL: the common
 * rule, a failure ends the activity): what came back. end: nothing is left, all has succeeded.
 * fail: something failed, and nothing is under way any more. */
struct phase_row {
	bool (*issue)(struct ftp_checkpoint *c, struct slot *s);
	void (*taken)(struct ftp_checkpoint *c, struct slot *s, int64_t result);
	void (*end)(struct ftp_checkpoint *c);
	void (*fail)(struct ftp_checkpoint *c);
};

/* Each file's own phases; the rows of the others' are empty. */
extern const struct phase_row ftp_checkpoint_open_phases[N_PHASES];
extern const struct phase_row ftp_checkpoint_read_phases[N_PHASES];
extern const struct phase_row ftp_checkpoint_room_phases[N_PHASES];
extern const struct phase_row ftp_checkpoint_write_phases[N_PHASES];

/* checkpoint.c */
void ftp_checkpoint_enter(struct ftp_checkpoint *c, enum phase p);
/* The activity is over: back to PHASE_IDLE, or to PHASE_FAILED. */
void ftp_checkpoint_finish(struct ftp_checkpoint *c, enum ftp_checkpoint_activity activity,
	enum ftp_checkpoint_outcome outcome);
/* Its event; the activity may go on with what nobody waits for. */
void ftp_checkpoint_tell(struct ftp_checkpoint *c, enum ftp_checkpoint_activity activity,
	enum ftp_checkpoint_outcome outcome);
/* The first failure counts. */
void ftp_checkpoint_note(struct ftp_checkpoint *c, const struct ftp_disk_op *op, int error);
/* NO_SPACE, CANCELLED or IO_ERROR, by c->error. */
enum ftp_checkpoint_outcome ftp_checkpoint_failure(const struct ftp_checkpoint *c);
/* For phases of a single operation: true the first time. */
bool ftp_checkpoint_once(
	struct ftp_checkpoint *c, struct slot *s, enum ftp_disk_op_kind kind, uint32_t file);
uint8_t *ftp_checkpoint_buffer(const struct ftp_checkpoint *c, const struct slot *s);
uint32_t ftp_checkpoint_segment_of(const struct ftp_checkpoint *c, uint32_t number);
/* So much was written to segments that they are made durable first. */
bool ftp_checkpoint_must_sync(const struct ftp_checkpoint *c);
/* Forgets the records that are neither durable nor new; the durable ones stay first. */
void ftp_checkpoint_compact(struct ftp_checkpoint *c);

/* checkpoint_read.c */
void ftp_checkpoint_begin_reading(struct ftp_checkpoint *c, struct record *r, uint8_t *into);
void ftp_checkpoint_cancel_reading(struct ftp_checkpoint *c);

/* checkpoint_put.c */
void ftp_checkpoint_plan_put(struct ftp_checkpoint *c);
void ftp_checkpoint_fail_put(struct ftp_checkpoint *c);

/* checkpoint_room.c: gives every new record its place, and all of them a new segment where they
 * need one. FTP_CHECKPOINT_NO_SPACE: they would take too much. */
int ftp_checkpoint_find_room(struct ftp_checkpoint *c);
uint64_t ftp_checkpoint_live_bytes(const struct ftp_checkpoint *c);
uint64_t ftp_checkpoint_capacity(const struct ftp_checkpoint *c);

#endif
