/* The control protocol between coordinator and nodes: method names and the documents they carry,
 * with encoders and bounded decoders. JSON-RPC 2.0 (ctl/jsonrpc.h). 64-bit identities
 * travel as 16 hex digits. Pure; any thread.
 *
 * A node's life: it calls node.join; the coordinator then calls, on the same connection,
 * node.profile and node.probe (only if the plan follows from what they measure). Every plan, the
 * first and any later one, then takes the same way:
 *
 *   node.prepare   to all members of the new plan, while the old one trains on: the stage is built,
 *                  the links of the new term are open. Nothing of the old plan is touched.
 *   node.hold      (not for the first plan) first to the central node, which names the last step of
 *                  the old term, s, then with s to all others: no step after s begins. The answer
 *                  only accepts; node.held follows when s is done, with the digests of the unit
 *                  states (unit, s) that this node is to send.
 *   node.transfer  to all members, with the digests of all moved units: they are fetched from their
 *                  holders over the new term's links, verified, and put into the new stage. For the
 *                  first plan s is 0 and every state is drawn from the seed.
 *   node.commit    the new plan is in force and trains from s + 1; the old one is torn down.
 *   node.abandon   instead, at any moment before the commit: the new plan is forgotten, and the
 *                  old one goes on where it held.
 *
 * Recovery. When a node of the plan in force is lost, node.halt goes to all others: training stops
 * where it is, what was under way in the plan in force and in the next one is dropped, their links
 * are closed; the answer is the inventory of the unit states that the node holds. A plan for those
 * who are left then takes the way of any plan but for the hold: it says itself after which step it
 * goes on, and every unit's holder has it as of that step in its store (or it is drawn from the
 * seed). A node that loses a peer of the plan in force halts by itself, says so with node.lost, and
 * waits. With node.lost it also names each peer of a plan that it prepares and does not hear: two
 * nodes that are there may not reach each other. Where those who are left cannot go on, all stay
 * halted, and node.halt comes again, under a new term, whenever a node has joined, and now and
 * then: a halted node that hears nothing for long ends.
 *
 * A coordinator that is killed comes back, and nodes train on meanwhile: a node that loses the
 * connection joins again with the incarnation and the term that it has. Where all stages of the
 * plan in force come back so, node.commit is repeated, which a stage that trains already grants,
 * and node.inventory asks all what they hold. Losses that the coordinator does not have, and the
 * last node.evaluated and node.finished, are told again after the answer to node.join.
 *
 * Snapshots. After the commit, and again whenever one is settled, node.retain names the step of the
 * next snapshot, to all nodes: every stage then copies its units after that step, and sends them to
 * the next stage (the last one to the central node), a global one to the central node too. Whoever
 * holds a unit's state complete, its owner included, tells it with node.stored. A stage that heard
 * of the step too late takes none, and says so; the next one is named when every stage has told of
 * its own units, and all replicas are there or somebody was late; or after a while, when what is
 * told of the one before counts no more. Nobody waits for any of it.
 *
 * Disks. Now and then node.retain also names a stable snapshot to put on the disks: every node puts
 * all complete states of it that it holds, its own and replicas, and tells with node.persisted what
 * is durable, or why nothing is. It names no other one before all nodes have told, or are lost, or
 * a minute has passed. The newest snapshot of which every unit is durable somewhere is pinned;
 * after a return to before it, what was gone back to, until another one is. What a node has on its
 * disk is part of its inventory, from its start on.
 *
 *   method           params               answer
 *   node.join        ftp_join             ftp_joined, or an error that says why not: the node ends
 *   node.profile     ftp_profile_ask      ftp_profile
 *   node.probe       ftp_probe            ftp_links
 *   node.prepare     ftp_plan             ftp_prepared
 *   node.hold        ftp_hold             ftp_hold: the same, with the step
 *   node.transfer    ftp_transfer         ftp_transferred
 *   node.commit      ftp_commit           {}: training has begun
 *   node.abandon     ftp_abandon          {}
 *   node.retain      ftp_retain           {}
 *   node.halt        ftp_halt             ftp_inventory
 *   node.inventory   {}                   ftp_inventory
 *   node.emulate     ftp_emulate          {}
 *   node.fail        ftp_fail             {}: of a drill; the node raises the signal on itself
 *   node.stop        ftp_stop             {}: sent before the node ends
 *   run.status       {}                   the status document of ctl/coordinator_report.c
 *   run.plan         {}                   the plan document: in force, best, why (dry run)
 *   run.repartition  ftp_repartition      {}: begun, or an error that says why not
 *   run.drain        ftp_named            {}: begun; the node ends when it holds nothing any more
 *   run.snapshots    ftp_toggle           {}: no more are named, or they are again
 *   run.emulate      ftp_emulate_ask      {}: only in a run started with --drill
 *   run.recover      ftp_recover          {}: a run that waits tries again; or an error: why not
 *   run.fail         ftp_fail_ask         {}: likewise
 *   run.stop         {}                   {}: stopping has begun
 *   run.exited       ftp_exited           {}
 *
 * While it trains a node notifies progress at least once a second, even if no step has ended. A
 * node notifies finished after its last step, its last evaluation and, on the central node, after
 * model.safetensors is in the run directory; progress with the last rows and node.evaluated come
 * before. A node whose worker fails notifies node.failed and ends.
 */
#ifndef FTP_CTL_PROTOCOL_H
#define FTP_CTL_PROTOCOL_H

#include <jansson.h>
#include <stdint.h>

#include "ctl/config.h"
#include "runtime/base/digest.h"
#include "runtime/base/error.h"

#define FTP_PROTOCOL_VERSION   6
#define FTP_PROTOCOL_MAX_UNITS 256
/* Terms of any history are far below: whatever follows one still fits a JSON integer. */
#define FTP_PROTOCOL_MAX_TERM (UINT64_C(1) << 62)
/* That a node may tell of: a coordinator without its journal counts on from there. */
#define FTP_PROTOCOL_MAX_TOLD_TERM (FTP_PROTOCOL_MAX_TERM - (UINT64_C(1) << 40))
/* Most of other numbers: what is made of several of them stays exact, and finite. */
#define FTP_PROTOCOL_MAX_NS	 (UINT64_C(1) << 50) /* 13 days */
#define FTP_PROTOCOL_MAX_COUNT	 (UINT64_C(1) << 53) /* of bytes, samples: exact in a double */
#define FTP_PROTOCOL_MAX_SECONDS UINT64_C(1000000000)

#define FTP_METHOD_JOIN	       "node.join"    /* node -> coordinator, call */
#define FTP_METHOD_PROFILE     "node.profile" /* coordinator -> node, calls */
#define FTP_METHOD_PROBE       "node.probe"
#define FTP_METHOD_PREPARE     "node.prepare"
#define FTP_METHOD_HOLD	       "node.hold"
#define FTP_METHOD_TRANSFER    "node.transfer"
#define FTP_METHOD_COMMIT      "node.commit"
#define FTP_METHOD_ABANDON     "node.abandon"
#define FTP_METHOD_RETAIN      "node.retain"
#define FTP_METHOD_HALT	       "node.halt"
#define FTP_METHOD_INVENTORY   "node.inventory"
#define FTP_METHOD_EMULATE     "node.emulate"
#define FTP_METHOD_FAIL	       "node.fail"
#define FTP_METHOD_STOP	       "node.stop"
#define FTP_METHOD_PROGRESS    "node.progress" /* node -> coordinator, notifications */
#define FTP_METHOD_HELD	       "node.held"
#define FTP_METHOD_STORED      "node.stored"
#define FTP_METHOD_PERSISTED   "node.persisted"
#define FTP_METHOD_LOST	       "node.lost"
#define FTP_METHOD_EVALUATED   "node.evaluated" /* last stage */
#define FTP_METHOD_TRACE       "node.trace"
#define FTP_METHOD_FINISHED    "node.finished"
#define FTP_METHOD_FAILED      "node.failed"
#define FTP_METHOD_STATUS      "run.status" /* ftpctl -> coordinator, calls */
#define FTP_METHOD_PLAN	       "run.plan"
#define FTP_METHOD_REPARTITION "run.repartition"
#define FTP_METHOD_DRAIN       "run.drain"
#define FTP_METHOD_SNAPSHOTS   "run.snapshots"
#define FTP_METHOD_SET_EMULATE "run.emulate"
#define FTP_METHOD_RECOVER     "run.recover"
#define FTP_METHOD_SET_FAIL    "run.fail"
#define FTP_METHOD_END	       "run.stop"
#define FTP_METHOD_EXITED      "run.exited" /* supervisor -> coordinator, call: a child has ended */

struct ftp_join {
	uint32_t protocol;
	char name[33];
	uint64_t incarnation;
	int64_t pid;
	char version[32];
	char cpu[128];
	char isa[16]; /* best of ftp_isa_detect() */
	uint32_t n_cores;
	uint16_t udp_port[2]; /* bound already; a term uses port [term % 2], as the term before it
				 may still be in use */
	char metrics[64];     /* "" when off */
	struct ftp_digest config;
	struct ftp_digest dataset; /* 0 where the node has no data: it cannot be stage 0 */
	uint64_t n_train, n_test;  /* its samples */
	char no_data[256];	   /* why it has none though it should; "": it has, or should not */
	uint64_t run;		   /* that admitted it before it lost the coordinator; else 0 */
	/* Of a process that has had a plan by then; else 0. */
	uint64_t term;	      /* in force */
	uint64_t next_term;   /* on its way */
	uint64_t newest_term; /* ever accepted */
	uint64_t step;	      /* finished */
	uint64_t first_row;   /* last stage: the oldest loss that it can tell */
};

struct ftp_joined {    /* the answer */
	uint32_t node; /* index in the config */
	uint64_t run;
	char isa[16]; /* empty until the plan */
	uint64_t row; /* the last whose loss is known */
};

struct ftp_profile_ask {
	char isa[16]; /* cap to measure under */
};

/* Answer to node.profile: medians per unit, of one micro-batch (update: of one step), and the bytes
 * that the executor plans for a unit (ctl/planner.h says how they add up). */
struct ftp_profile {
	uint32_t n_units;
	uint64_t forward_ns[FTP_PROTOCOL_MAX_UNITS];
	uint64_t backward_ns[FTP_PROTOCOL_MAX_UNITS];
	uint64_t update_ns[FTP_PROTOCOL_MAX_UNITS];
	uint64_t mad_ns[FTP_PROTOCOL_MAX_UNITS]; /* of forward + backward, over the rounds */
	uint64_t version_bytes[FTP_PROTOCOL_MAX_UNITS];
	uint64_t fixed_bytes[FTP_PROTOCOL_MAX_UNITS];
	uint64_t slot_bytes[FTP_PROTOCOL_MAX_UNITS];
	uint64_t shared_bytes[FTP_PROTOCOL_MAX_UNITS]; /* with the unit after */
	/* Of the stage of one, two, three units that begins with this one. */
	uint64_t scratch1_bytes[FTP_PROTOCOL_MAX_UNITS];
	uint64_t scratch2_bytes[FTP_PROTOCOL_MAX_UNITS];
	uint64_t scratch3_bytes[FTP_PROTOCOL_MAX_UNITS];
	uint64_t scratchpad_bytes[FTP_PROTOCOL_MAX_UNITS];
};

/* A node as its peers see it: stage of a plan, or without units one that only sends or probes. */
struct ftp_plan_stage {
	uint32_t node; /* index in the config */
	char name[33];
	char host[46];
	uint16_t udp_port; /* for this term */
	uint64_t incarnation;
	uint32_t first_unit, end_unit;
};

struct ftp_probe { /* every pair of these nodes measures its link, all in the same order */
	uint64_t run, term;
	uint32_t n_nodes;
	struct ftp_plan_stage nodes[FTP_CONFIG_MAX_NODES];
};

struct ftp_links { /* answer to node.probe: as measured from this node */
	uint32_t n_peers;
	uint32_t peer[FTP_CONFIG_MAX_NODES]; /* nodes of the config */
	uint64_t rtt_ns[FTP_CONFIG_MAX_NODES];
	uint64_t bytes_per_s[FTP_CONFIG_MAX_NODES]; /* to the peer */
};

#define FTP_PLAN_INITIAL                                                                           \
	UINT32_MAX /* a unit's holder: nobody, its state is drawn from the seed                    \
		    */

struct ftp_plan {
	uint64_t run, term;
	char isa[16];
	/* To train: (s, last_step], with s from node.transfer. */
	uint64_t last_step;
	uint32_t n_eval;	/* micro-batches of one evaluation: ceil(n_test / micro-batch) */
	uint32_t recovery;	/* 1: holders have the states after recovery_step in their stores */
	uint64_t recovery_step; /* 0: all are drawn from the seed */
	uint32_t n_stages;
	struct ftp_plan_stage stages[FTP_CONFIG_MAX_NODES]; /* stage 0 is the central node */
	uint32_t n_leaving; /* members that hold units of the old plan and get none */
	struct ftp_plan_stage leaving[FTP_CONFIG_MAX_NODES];
	uint32_t n_units;
	uint32_t holder[FTP_PROTOCOL_MAX_UNITS]; /* member that has the unit's state at s: a stage,
						    or n_stages + index in leaving */
};

/* Member i: the stages, then those who leave. */
static inline const struct ftp_plan_stage *ftp_plan_member(const struct ftp_plan *p, uint32_t i)
{
	return i < p->n_stages ? &p->stages[i] : &p->leaving[i - p->n_stages];
}

struct ftp_prepared { /* answer to node.prepare: stage built, every peer heard */
	uint64_t term;
	uint64_t memory_bytes; /* of the new stage's tensors */
};

struct ftp_hold {
	uint64_t term; /* in force */
	uint64_t step; /* no step after this one begins; asked with 0, the central node chooses */
};

struct ftp_held { /* notification: every update up to step is done, nothing is under way */
	uint64_t term, step;
	uint32_t n_units; /* that the prepared plan moves from this node */
	uint32_t unit[FTP_PROTOCOL_MAX_UNITS];
	struct ftp_digest digest[FTP_PROTOCOL_MAX_UNITS];
};

struct ftp_transfer {
	uint64_t term;	  /* that was prepared */
	uint64_t step;	  /* of the states; training begins with the next */
	uint32_t n_units; /* that move; in a recovery all, since none of them is in training */
	uint32_t unit[FTP_PROTOCOL_MAX_UNITS];
	struct ftp_digest digest[FTP_PROTOCOL_MAX_UNITS];
};

struct ftp_transferred { /* answer: every state is in place and verified */
	uint64_t term;
	uint64_t bytes;	     /* that this node received */
	uint64_t receive_ns; /* from node.transfer to the last byte */
	uint64_t import_ns;
};

struct ftp_commit {
	uint64_t term; /* that was prepared */
};

struct ftp_abandon {
	uint64_t term; /* that was, or was being, prepared */
	char reason[256];
};

struct ftp_stored { /* notification: this node holds these units' states after step from now on */
	uint64_t term, step; /* as node.retain named them */
	uint64_t at;	     /* last step that the sender's stage has finished */
	uint32_t n_units;    /* 0: it heard of the step too late, and has no snapshot of its own */
	uint32_t unit[FTP_PROTOCOL_MAX_UNITS];
	struct ftp_digest digest[FTP_PROTOCOL_MAX_UNITS];
	uint64_t cost_ns; /* of the worker's time, for snapshots, since it told that last */
};

struct ftp_halt {
	uint64_t term; /* of the plan to come: nothing older is taken from now on */
	char reason[256];
};

#define FTP_INVENTORY_MAX 2048

struct ftp_inventory { /* complete unit states in the node's store */
	uint32_t n;
	uint32_t unit[FTP_INVENTORY_MAX];
	uint64_t step[FTP_INVENTORY_MAX];
	uint64_t term[FTP_INVENTORY_MAX]; /* that trained it */
	struct ftp_digest digest[FTP_INVENTORY_MAX];
};

/* Notification: this node lost a peer of the plan in force, and has halted; or of the plan that it
 * prepares it does not hear a peer, and will answer that. */
struct ftp_lost {
	uint64_t term;	     /* of that plan */
	uint32_t node;	     /* the peer, of the config */
	uint64_t silence_ns; /* of the plan in force: the peer was silent for so long; 0: it was not
				that */
	char text[256];
};

/* Any link is lost after so long a silence, watched or not (runtime/rollcall.h). */
#define FTP_LINK_SILENCE_NS (10 * FTP_NS_PER_S)

#define FTP_RETAIN_MAX_STEPS 4

struct ftp_retain {    /* snapshots of `step` and of `next` and later are kept, all others freed */
	uint64_t term; /* in force */
	uint32_t n_steps;
	uint64_t step[FTP_RETAIN_MAX_STEPS];
	uint64_t next;	 /* the step after which the next one is taken; after the last: none is */
	uint32_t global; /* 1: the next one goes to the central node too */
	uint64_t disk; /* put what you hold of this step, one of `step`, on the disk; 0: nothing */
	uint64_t durable; /* keep what is on the disk of this step; 0: of none */
};

struct ftp_persisted {	     /* notification: the end of a put that node.retain asked for */
	uint64_t term, step; /* as node.retain had them: its term, its disk */
	uint32_t ok;	     /* 0: nothing of it is durable, text says why */
	uint32_t n_units;    /* that are durable now; a node may have held none */
	uint32_t unit[FTP_PROTOCOL_MAX_UNITS];
	char text[256];
};

struct ftp_emulate { /* nodes[].emulate, all of it */
	double slowdown, loss;
	uint64_t bandwidth_bytes, delay_ns;
};

struct ftp_stop {
	char reason[768];
};

#define FTP_PROGRESS_MAX_ROWS  512
#define FTP_PROGRESS_MAX_STEPS 64

struct ftp_progress {	     /* a few times a second; counters since the node's start */
	uint64_t term, step; /* the stage's last finished step */
	uint64_t samples;
	uint64_t now_ns; /* on the node's clock */
	double compute_s, wait_s, poll_s;
	uint32_t n_steps; /* finished since the last progress, the newest of them is step */
	uint64_t step_compute_ns[FTP_PROGRESS_MAX_STEPS]; /* this stage's tasks of each */
	uint32_t n_links;
	uint32_t link_peer[FTP_CONFIG_MAX_NODES]; /* node of the config */
	uint64_t link_rtt_ns[FTP_CONFIG_MAX_NODES];
	uint64_t link_tx_bytes[FTP_CONFIG_MAX_NODES], link_rx_bytes[FTP_CONFIG_MAX_NODES];
	uint32_t n_rows; /* last stage: loss.csv rows not sent before */
	uint64_t row_step[FTP_PROGRESS_MAX_ROWS];
	double row_loss[FTP_PROGRESS_MAX_ROWS]; /* may be infinite or NaN */
};

#define FTP_TRACE_MAX_SPANS 512

struct ftp_trace { /* the tasks of a few steps of a term, once a term */
	uint64_t term;
	uint32_t n_spans;
	uint32_t task[FTP_TRACE_MAX_SPANS]; /* enum ftp_task_kind of runtime/schedule.h */
	uint32_t micro[FTP_TRACE_MAX_SPANS];
	uint64_t step[FTP_TRACE_MAX_SPANS];
	uint64_t begin_ns[FTP_TRACE_MAX_SPANS], end_ns[FTP_TRACE_MAX_SPANS]; /* node's clock */
};

struct ftp_evaluated {
	uint64_t term, step;
	uint64_t n_correct, n_samples;
	double loss; /* mean over the samples */
};

struct ftp_finished {
	uint64_t term, step;
	char params_digest[FTP_DIGEST_HEX]; /* central node; "" elsewhere */
	double train_s;			    /* first forward to last update, on this stage */
};

struct ftp_failed {
	char reason[768]; /* one readable line */
};

struct ftp_fail {
	char how[16]; /* ctl/drill.h */
};

struct ftp_exited {
	char who[33]; /* a node's name */
	int64_t pid;
	uint32_t code, signal; /* signal 0: it exited with code */
	char reason[768];      /* its last words in the log, or "" */
};

/* Encoders give a new document; decoders return -EINVAL with the field's path in err, and bound
 * every size, and numbers that nodes measure. A decoded plan's stages are consecutive, not empty,
 * and start at unit 0; its holders are members. */
json_t *ftp_join_encode(const struct ftp_join *m);
int ftp_join_decode(struct ftp_join *m, const json_t *j, struct ftp_error *err);
json_t *ftp_joined_encode(const struct ftp_joined *m);
int ftp_joined_decode(struct ftp_joined *m, const json_t *j, struct ftp_error *err);
json_t *ftp_profile_encode(const struct ftp_profile *m);
int ftp_profile_decode(struct ftp_profile *m, const json_t *j, struct ftp_error *err);
json_t *ftp_plan_encode(const struct ftp_plan *m);
int ftp_plan_decode(struct ftp_plan *m, const json_t *j, struct ftp_error *err);
json_t *ftp_prepared_encode(const struct ftp_prepared *m);
int ftp_prepared_decode(struct ftp_prepared *m, const json_t *j, struct ftp_error *err);
json_t *ftp_progress_encode(const struct ftp_progress *m);
int ftp_progress_decode(struct ftp_progress *m, const json_t *j, struct ftp_error *err);
json_t *ftp_evaluated_encode(const struct ftp_evaluated *m);
int ftp_evaluated_decode(struct ftp_evaluated *m, const json_t *j, struct ftp_error *err);
json_t *ftp_finished_encode(const struct ftp_finished *m);
int ftp_finished_decode(struct ftp_finished *m, const json_t *j, struct ftp_error *err);
json_t *ftp_profile_ask_encode(const struct ftp_profile_ask *m);
int ftp_profile_ask_decode(struct ftp_profile_ask *m, const json_t *j, struct ftp_error *err);
json_t *ftp_commit_encode(const struct ftp_commit *m);
int ftp_commit_decode(struct ftp_commit *m, const json_t *j, struct ftp_error *err);
json_t *ftp_stop_encode(const struct ftp_stop *m);
int ftp_stop_decode(struct ftp_stop *m, const json_t *j, struct ftp_error *err);
json_t *ftp_failed_encode(const struct ftp_failed *m);
int ftp_failed_decode(struct ftp_failed *m, const json_t *j, struct ftp_error *err);
json_t *ftp_exited_encode(const struct ftp_exited *m);
int ftp_exited_decode(struct ftp_exited *m, const json_t *j, struct ftp_error *err);
json_t *ftp_probe_encode(const struct ftp_probe *m);
int ftp_probe_decode(struct ftp_probe *m, const json_t *j, struct ftp_error *err);
json_t *ftp_links_encode(const struct ftp_links *m);
int ftp_links_decode(struct ftp_links *m, const json_t *j, struct ftp_error *err);
json_t *ftp_hold_encode(const struct ftp_hold *m);
int ftp_hold_decode(struct ftp_hold *m, const json_t *j, struct ftp_error *err);
json_t *ftp_held_encode(const struct ftp_held *m);
int ftp_held_decode(struct ftp_held *m, const json_t *j, struct ftp_error *err);
json_t *ftp_transfer_encode(const struct ftp_transfer *m);
int ftp_transfer_decode(struct ftp_transfer *m, const json_t *j, struct ftp_error *err);
json_t *ftp_transferred_encode(const struct ftp_transferred *m);
int ftp_transferred_decode(struct ftp_transferred *m, const json_t *j, struct ftp_error *err);
json_t *ftp_abandon_encode(const struct ftp_abandon *m);
int ftp_abandon_decode(struct ftp_abandon *m, const json_t *j, struct ftp_error *err);
json_t *ftp_stored_encode(const struct ftp_stored *m);
int ftp_stored_decode(struct ftp_stored *m, const json_t *j, struct ftp_error *err);
json_t *ftp_retain_encode(const struct ftp_retain *m);
int ftp_retain_decode(struct ftp_retain *m, const json_t *j, struct ftp_error *err);
json_t *ftp_persisted_encode(const struct ftp_persisted *m);
int ftp_persisted_decode(struct ftp_persisted *m, const json_t *j, struct ftp_error *err);
json_t *ftp_halt_encode(const struct ftp_halt *m);
int ftp_halt_decode(struct ftp_halt *m, const json_t *j, struct ftp_error *err);
json_t *ftp_inventory_encode(const struct ftp_inventory *m);
int ftp_inventory_decode(struct ftp_inventory *m, const json_t *j, struct ftp_error *err);
json_t *ftp_lost_encode(const struct ftp_lost *m);
int ftp_lost_decode(struct ftp_lost *m, const json_t *j, struct ftp_error *err);
json_t *ftp_emulate_encode(const struct ftp_emulate *m);
int ftp_emulate_decode(struct ftp_emulate *m, const json_t *j, struct ftp_error *err);
json_t *ftp_trace_encode(const struct ftp_trace *m);
int ftp_trace_decode(struct ftp_trace *m, const json_t *j, struct ftp_error *err);
json_t *ftp_fail_encode(const struct ftp_fail *m);
int ftp_fail_decode(struct ftp_fail *m, const json_t *j, struct ftp_error *err);

#endif
