/* Transition: one node's life over plans. A pure state machine: what the coordinator says and what
 * the worker met go in, what to do comes out. No threads, no clock, no memory of its own; the
 * worker executes its actions, a simulator may run several of them against the coordinator's core.
 *
 * There are two plans at most: `now`, in force, and `next`, on its way. Only the commit touches
 * `now`; whatever fails in `next` before it ends `next` alone (design: replication, recovery).
 *
 *   now    IDLE --> TRAINING <--> HOLDING --> HELD --commit--> TRAINING or IDLE (left)
 *                       '--> ENDED            '--abandon--> TRAINING
 *   next   NONE --prepare--> BUILDING --> CONNECTING --> PREPARED --transfer--> MOVING --> READY
 *            '<---------- abandon, or a failure while the call is open; PREPARED and later: BROKEN
 *                         until the coordinator abandons it
 *
 * A node lost (design: one recovery path): whatever is under way in now and next is over at once,
 * by node.halt or because a peer of now is lost, where snapshots are taken.
 *
 *   now    any of these --halt, or a lost peer--> HALTED --commit of a recovery--> TRAINING or IDLE
 *
 * A plan for a recovery is prepared like any other, by nodes that train nothing. It says itself
 * after which step it goes on, so that its units begin to travel as soon as its links stand; they
 * come from stores of past states, this node's own among them.
 *
 * Unit states begin to travel at the hold: receivers post and holders send as soon as they stand
 * still, so that node.transfer finds them on their way; its digests then decide.
 *
 * Every call gets exactly one answer. A call that does not fit is refused and changes nothing; a
 * repeated commit or abandon is granted again. While a call is open the caller refuses another of
 * its kind.
 */
#ifndef FTP_RUNTIME_TRANSITION_H
#define FTP_RUNTIME_TRANSITION_H

#include <stdbool.h>
#include <stdint.h>

#include "ctl/protocol.h"

enum ftp_now_state {
	FTP_NOW_IDLE, /* no plan in force */
	FTP_NOW_TRAINING,
	FTP_NOW_HOLDING, /* towards a step */
	FTP_NOW_HELD,
	FTP_NOW_ENDED,	/* the last step is done; what follows is no part of this */
	FTP_NOW_HALTED, /* a plan was in force and is over: the coordinator decides what follows */
	FTP_NOW_FAILED,
	FTP_N_NOW_STATES,
};

enum ftp_next_state {
	FTP_NEXT_NONE,
	FTP_NEXT_BUILDING,   /* its links are open */
	FTP_NEXT_CONNECTING, /* built; not every peer was heard */
	FTP_NEXT_PREPARED,
	FTP_NEXT_MOVING, /* node.transfer is open */
	FTP_NEXT_READY,	 /* every state is in place: the commit decides */
	FTP_NEXT_BROKEN, /* failed after it was prepared; waits to be abandoned */
	FTP_N_NEXT_STATES,
};

enum ftp_transition_call { /* of the coordinator */
	FTP_CALL_PREPARE,
	FTP_CALL_HOLD,
	FTP_CALL_TRANSFER,
	FTP_CALL_COMMIT,
	FTP_CALL_ABANDON,
	FTP_CALL_HALT,
	FTP_N_TRANSITION_CALLS,
};

enum ftp_transition_event_kind {
	/* The calls, in their order. */
	FTP_TRANSITION_PREPARE,	 /* plan, has */
	FTP_TRANSITION_HOLD,	 /* term, step */
	FTP_TRANSITION_TRANSFER, /* transfer */
	FTP_TRANSITION_COMMIT,	 /* term */
	FTP_TRANSITION_ABANDON,	 /* term */
	FTP_TRANSITION_HALT,	 /* term of the plan to come, text */
	/* From the worker; those that `next` has outlived are ignored. */
	FTP_TRANSITION_BUILT,
	FTP_TRANSITION_CONNECTED,   /* every peer of next was heard; after BUILT */
	FTP_TRANSITION_NEXT_FAILED, /* text: building, connecting, receiving, a lost peer */
	FTP_TRANSITION_HOLDING,	    /* step: chosen by the schedule; right after FTP_DO_HOLD */
	FTP_TRANSITION_HELD,
	FTP_TRANSITION_RECEIVING, /* right after FTP_DO_RECEIVE, unless NEXT_FAILED is */
	FTP_TRANSITION_FETCHED,	  /* unit, digest: received and imported */
	FTP_TRANSITION_NOW_LOST,  /* peer of the plan in force, text */
	FTP_TRANSITION_ENDED,	  /* the last step is done */
	FTP_N_TRANSITION_EVENTS,
};

struct ftp_transition_event {
	enum ftp_transition_event_kind kind;
	const struct ftp_plan *plan; /* lent, if it became next, until RETIRE or DROP of it */
	const bool *has; /* of a recovery: units as of its step in the store; lent for the call */
	const struct ftp_transfer *transfer; /* lent for the call */
	uint64_t term, step;
	uint32_t unit;
	uint32_t peer; /* node of the config */
	struct ftp_digest digest;
	const char *text; /* lent for the call */
};

enum ftp_transition_action_kind {
	FTP_DO_BUILD,	/* next's stage, in the background */
	FTP_DO_CONNECT, /* open next's links, meanwhile: a peer that hears nothing can then take
			   the way for broken, and needs no patience for those who build */
	FTP_DO_HOLD,	/* now at step; HOLDING says which step it will be, HELD that it is */
	FTP_DO_RECEIVE, /* next continues after step: post what it fetches, start its feed */
	FTP_DO_SEND,	/* the units of step that travel from here, over next's links: from now's
			   stage, in a recovery from the store */
	FTP_DO_TELL,	/* node.held: step, and the digests of what was sent */
	FTP_DO_COPY,	/* the units that stay here, from now to next */
	FTP_DO_RESTORE, /* of a recovery: the units of step that stay here, from the store; FETCHED
			   says of each what it was */
	FTP_DO_RETIRE,	/* now is over: take it down */
	FTP_DO_HALT, /* now is over where it is: whatever is under way is dropped, links closed */
	FTP_DO_COMPLAIN, /* node.lost: term, peer, text */
	FTP_DO_START,	 /* next is in force: train */
	FTP_DO_DROP,	 /* next is over: take it down, whatever is under way in it */
	FTP_DO_RESUME,	 /* now goes on from where it holds */
	FTP_DO_ANSWER,	 /* call: granted (text "") with step, or refused with text */
	FTP_DO_FAIL,	 /* the node: text */
};

struct ftp_transition_action {
	enum ftp_transition_action_kind kind;
	enum ftp_transition_call call;
	uint64_t step, term;
	uint32_t peer;
	char text[256];
};

#define FTP_TRANSITION_MAX_ACTIONS 4

struct ftp_transition_actions { /* of one event, to be done in order before the next event */
	int n;
	struct ftp_transition_action items[FTP_TRANSITION_MAX_ACTIONS];
};

struct ftp_transition { /* read by everyone, written by ftp_transition_step() */
	uint32_t node;	/* index in the config */
	bool survives;	/* the loss of a peer: there are snapshots */
	enum ftp_now_state now;
	enum ftp_next_state next;
	const struct ftp_plan *now_plan, *next_plan; /* NULL: none, or BROKEN */
	uint64_t next_term;			     /* also when BROKEN; 0: no next */
	int now_member, next_member;
	uint64_t newest_term;	     /* ever accepted */
	uint64_t step;		     /* of the hold or transfer */
	bool has_step, is_receiving; /* next was told the step; is ready for its units */
	uint32_t n_missing;	     /* units to be fetched or restored */
	bool fetched[FTP_PROTOCOL_MAX_UNITS];
	struct ftp_digest digest[FTP_PROTOCOL_MAX_UNITS]; /* of what was fetched */
	struct ftp_digest promised[FTP_PROTOCOL_MAX_UNITS];
	bool is_open[FTP_N_TRANSITION_CALLS];
	char broken[256];   /* why next is BROKEN */
	char orphaned[256]; /* lost peer of now while READY: it may have committed before us */
	uint32_t orphaned_by;
};

void ftp_transition_init(struct ftp_transition *t, uint32_t node, bool survives);

/* *actions is overwritten. Aborts when an invariant breaks. */
void ftp_transition_step(struct ftp_transition *t, const struct ftp_transition_event *event,
	struct ftp_transition_actions *actions);

/* next takes this unit over: from another member, in a recovery also from this node's store. */
bool ftp_transition_fetches(const struct ftp_transition *t, uint32_t unit);

/* A lost peer of `next`, or after the commit of `now`, is of no interest: it only gave its units
 * away, and has nothing more to give. */
bool ftp_transition_is_done_with(const struct ftp_transition *t, bool of_next, int member);

/* Nothing happens here until the coordinator says something. */
bool ftp_transition_awaits_word(const struct ftp_transition *t);

const char *ftp_now_state_name(enum ftp_now_state s);
const char *ftp_next_state_name(enum ftp_next_state s);

#endif
