/* Replicas: how the snapshots of one plan come about. The coordinator names a step (node.retain);
 * after it the stage exports its units into the store, and sends them to the stage after it, the
 * last one to the central node; a global snapshot goes to the central node too. Receivers know the
 * plan, and so post what they will get as soon as the step is named.
 *
 * Where there is a limit of bandwidth, a unit is sent when what was sent before has had its time on
 * average; it then goes as fast as the link takes it, behind activations. A void one is as long as
 * any other, and counts like it: a message's length is what its receiver posted.
 *
 * Everything but the export is done one unit a turn, behind whatever else there is to do; nobody
 * waits for it. A receiver's buffer cannot be taken back, so a stage that hears of a step too late
 * sends its units all the same, but void, and tells that it has none.
 *
 * Two named steps can be under way at once. One that is named meanwhile waits for a round to end,
 * and may be late by then. All are gone through, for what they are worth: what one stage left out,
 * others would wait for. A step is over for the coordinator when another one is named: what comes
 * of it later is neither kept nor told.
 *
 * With the 1f1b schedule a snapshot's weights are those after the step, and its running statistics
 * may have seen micro-batches that were in flight then.
 *
 * Who gets what: runtime/replica_targets.h. The worker's thread. Nothing is allocated after
 * ftp_replicas_new().
 */
#ifndef FTP_RUNTIME_REPLICAS_H
#define FTP_RUNTIME_REPLICAS_H

#include "ctl/protocol.h"
#include "kernels/stage.h"
#include "runtime/netloop.h"
#include "runtime/snapshots.h"

struct ftp_replicas; /* opaque */

struct ftp_replicas_stats {
	uint64_t sent_bytes, received_bytes; /* of messages that are through */
	uint64_t n_taken, n_spoiled;	     /* snapshots */
};

struct ftp_replicas_spec { /* lent */
	const struct ftp_plan *plan;
	int member; /* a stage */
	struct ftp_stage *stage;
	struct ftp_netloop *net;
	struct ftp_snapshots *store;
	struct ftp_replicas_stats *stats; /* added to; outlives plans */
	uint64_t max_bytes_per_s;	  /* to one other node, on average; 0: no limit */
};

/* What this node holds from now on, or that the snapshot is spoiled: it was late itself, or
 * something else came than should have. */
struct ftp_replica_news {
	uint64_t term, step;
	uint64_t at;   /* last finished step of the stage */
	uint32_t unit; /* FTP_REPLICA_SPOILED: none */
	struct ftp_digest digest;
	uint64_t cost_ns; /* of the thread, since it told that last; the caller's to fill */
};

#define FTP_REPLICA_SPOILED UINT32_MAX

/* Messages that can be open on one connection at once. */
uint32_t ftp_replicas_n_messages(const struct ftp_plan *plan);

struct ftp_replicas *ftp_replicas_new(const struct ftp_replicas_spec *spec);
void ftp_replicas_free(struct ftp_replicas *r); /* after every link is closed */

/* node.retain, after the store's ftp_snapshots_retain(): its next, no step after the last. */
void ftp_replicas_name(struct ftp_replicas *r, const struct ftp_retain *m);

/* The stage has finished this step, and no task has begun since. true: it exported its units. */
bool ftp_replicas_stepped(struct ftp_replicas *r, uint64_t step);

/* Does one thing of what there is to do, if anything; true: there was something. news->step is not
 * 0 if there is something to tell. */
bool ftp_replicas_turn(struct ftp_replicas *r, struct ftp_replica_news *news, uint64_t now_ns);

/* Something waits for nothing but time to pass: turns have to come by themselves. */
bool ftp_replicas_wait(const struct ftp_replicas *r);

/* An event of the net loop. false: it is not about a replica. */
bool ftp_replicas_event(struct ftp_replicas *r, const struct ftp_netloop_event *e);

#endif
