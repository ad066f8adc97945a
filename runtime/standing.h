/* Standing: what a node is to its coordinator, as it says when it joins again after that was away:
 * the plans that it has, the losses that it can tell, and the calls that it has still to answer.
 * Pure; the control thread. */
#ifndef FTP_RUNTIME_STANDING_H
#define FTP_RUNTIME_STANDING_H

#include "runtime/ledger.h"
#include "runtime/transition.h"

/* A call that came over a connection that is gone: its answer goes nowhere, and until it comes the
 * worker is busy with it. */
#define FTP_STANDING_ORPHAN UINT64_MAX

struct ftp_standing {
	uint64_t run;			   /* that it was admitted to; 0: none yet */
	uint64_t term;			   /* of the plan in force; 0: none */
	bool is_halted;			   /* that plan is over */
	uint64_t next_term;		   /* of the one on its way; 0: none */
	uint64_t newest_term;		   /* ever accepted */
	uint64_t row_term;		   /* of the losses in the ledger */
	uint64_t profile_call, probe_call; /* open calls to answer; 0: none */
	uint64_t calls[FTP_N_TRANSITION_CALLS], inventory_call;
};

/* It was asked to, and has begun: of the call's plan or, of a halt, the one to come. */
void ftp_standing_prepare(struct ftp_standing *s, uint64_t term);
void ftp_standing_halt(struct ftp_standing *s, uint64_t term);

/* How the call has ended; term: that of its plan, 0: of a commit that left no stage here. true:
 * another plan is in force from now on, and the losses of the one before are not told any more. */
bool ftp_standing_answered(
	struct ftp_standing *s, enum ftp_transition_call call, uint64_t term, bool is_refused);

/* A peer of the plan in force is lost: it is over. */
void ftp_standing_lose_peer(struct ftp_standing *s);

/* The coordinator is lost: nobody waits for answers. true: so is the plan of next_term, which was
 * never answered to be prepared and will not be committed; it is to be abandoned. */
bool ftp_standing_lose_coordinator(struct ftp_standing *s);

/* What the worker does that a new coordinator could not interrupt: it would be refused. */
bool ftp_standing_is_busy(const struct ftp_standing *s);

/* Its part of node.join. */
void ftp_standing_tell(
	const struct ftp_standing *s, const struct ftp_ledger *ledger, struct ftp_join *m);

#endif
