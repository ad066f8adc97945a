/* What the parts of the checkpointer share: checkpointer.c opens and puts, checkpointer_read.c
 * gives back what is there. */
#ifndef FTP_RUNTIME_CHECKPOINTER_STATE_H
#define FTP_RUNTIME_CHECKPOINTER_STATE_H

#include "runtime/checkpointer.h"

struct ftp_checkpointer_put {
	uint64_t term, step; /* step 0: none; as node.retain named them */
	bool is_begun;
	uint32_t n;
	const struct ftp_snapshot *states[FTP_PROTOCOL_MAX_UNITS]; /* pinned */
	uint64_t begun_ns;
};

struct ftp_checkpointer {
	struct ftp_checkpointer_spec spec;
	char *directory;
	struct ftp_disk *disk;	      /* NULL: none */
	struct ftp_checkpoint *store; /* NULL: of no use, why says why */
	struct ftp_error why;	      /* also of what is hung */
	bool is_open;		      /* what is in the store is known */
	bool is_hung;		      /* the disk owes answers; nothing new is begun */
	bool is_checked;	      /* nothing is left that nobody has read */
	uint64_t looked_ns, moved_ns; /* at the disk; it answered, or owed nothing */
	struct ftp_checkpointer_put put;
	/* To be told next; step 0: nothing. The coordinator waits for the snapshot that it named
	 * last and for no other: what there is to tell of an older one gives way. */
	struct ftp_persisted told;
	bool is_failing;
	struct ftp_checkpointer_stats stats;
};

/* There is a disk that answers, and what is on it is known. */
bool ftp_checkpointer_can(const struct ftp_checkpointer *k);

/* Looks at the disk, and sleeps a short while until something comes. One that has owed an answer
 * for too long is declared hung. */
void ftp_checkpointer_wait(struct ftp_checkpointer *k);

/* The same, again and again, until the event of what is under way. false: it is hung. */
bool ftp_checkpointer_await(struct ftp_checkpointer *k, struct ftp_checkpoint_event *e);

/* The end of what was under way, whatever it was; false: it has not come. */
bool ftp_checkpointer_take_event(struct ftp_checkpointer *k, uint64_t now_ns);

/* What the store holds now, into stats. */
void ftp_checkpointer_count(struct ftp_checkpointer *k);

/* checkpointer_read.c: goes on with reading what nobody has read since the store was opened. true:
 * there was something. */
bool ftp_checkpointer_check(struct ftp_checkpointer *k);
void ftp_checkpointer_end_check(struct ftp_checkpointer *k, const struct ftp_checkpoint_event *e);

#endif
