/* What the parts of the checkpointer share: checkpointer_open.c opens, checkpointer.c puts,
 * checkpointer_read.c gives back what is there. */
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

struct ftp_checkpointer_fetch { /* what a recovery waits for */
	uint64_t step;
	uint32_t n, next; /* n == next: nothing is left */
	uint32_t units[FTP_PROTOCOL_MAX_UNITS];
	struct ftp_snapshot *into; /* of the next one, which is being read; NULL: it is not */
	struct ftp_digest digest;  /* of it */
	bool has_failed;
	struct ftp_error err; /* why */
};

struct ftp_checkpointer {
	struct ftp_checkpointer_spec spec;
	char *directory;
	enum ftp_config_direct direct;
	uint32_t keep;		      /* as configured */
	uint64_t max_bytes, run;      /* run 0: not known yet */
	struct ftp_disk *disk;	      /* NULL: none */
	struct ftp_checkpoint *store; /* NULL: of no use, why says why */
	struct ftp_error why;	      /* also of what is hung */
	bool is_open;		      /* what is in the store is known */
	bool is_hung;		      /* the disk owes answers; nothing new is begun */
	bool is_checked;	      /* nothing is left that nobody has read */
	uint64_t n_damaged;	      /* of which a line was written */
	uint32_t n_unreadable;	      /* states that the disk did not give when it was asked */
	uint64_t again_ns;	      /* when it is asked for them again; 0: not known yet */
	uint64_t again_gap_ns;	      /* after that; 0: the first one */
	uint64_t looked_ns, moved_ns; /* at the disk; it answered, or owed nothing */
	struct ftp_checkpointer_put put;
	struct ftp_checkpointer_fetch fetch;
	/* To be told next; step 0: nothing. The coordinator waits for the snapshot that it named
	 * last and for no other: what there is to tell of an older one gives way. */
	struct ftp_persisted told;
	bool is_failing;
	struct ftp_checkpointer_stats stats;
};

static inline void ftp_checkpointer_set_usable(struct ftp_checkpointer *k, bool is_usable)
{
	k->stats.is_usable = is_usable;
	k->stats.n_changes++;
}

/* There is a disk that answers, and what is on it is known. */
bool ftp_checkpointer_can(const struct ftp_checkpointer *k);

/* Until the event of what is under way. false: it is hung. */
bool ftp_checkpointer_await(struct ftp_checkpointer *k, struct ftp_checkpoint_event *e);
/* The disk is of no use, why says why. */
void ftp_checkpointer_give_up(struct ftp_checkpointer *k);

/* checkpointer_open.c: the end of opening. */
void ftp_checkpointer_opened(struct ftp_checkpointer *k, const struct ftp_checkpoint_event *e);
/* What is open leads nowhere any more; the store is idle. What is there is known some turns later.
 */
void ftp_checkpointer_open_anew(struct ftp_checkpointer *k);

/* What the store holds now, into stats. */
void ftp_checkpointer_count(struct ftp_checkpointer *k);

/* checkpointer_read.c: a recovery waits for something. */
static inline bool ftp_checkpointer_is_fetching(const struct ftp_checkpointer *k)
{
	return k->fetch.next < k->fetch.n;
}

/* Begins with the next one; the store is idle. */
void ftp_checkpointer_fetch_next(struct ftp_checkpointer *k);
void ftp_checkpointer_end_get(struct ftp_checkpointer *k, const struct ftp_checkpoint_event *e);
/* What has not come does not come any more, if anything is waited for. */
void ftp_checkpointer_fail_fetch(struct ftp_checkpointer *k, const char *why);

/* Goes on with reading what nobody has read since the store was opened, or what the disk has not
 * given a while ago. true: there was something. */
bool ftp_checkpointer_check(struct ftp_checkpointer *k, uint64_t now_ns);
void ftp_checkpointer_end_check(struct ftp_checkpointer *k, const struct ftp_checkpoint_event *e);

#endif
