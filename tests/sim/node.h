/* A node process: the real transition (runtime/transition.h), standing, ledger, snapshots, replicas
 * and checkpoint store between a simulated connection to the coordinator, after runtime/control.c,
 * a simulated disk, and simulated stages with real connections to their peers, after
 * runtime/worker_plan.c. */
#ifndef FTP_TESTS_SIM_NODE_H
#define FTP_TESTS_SIM_NODE_H

#include "runtime/checkpoint.h"
#include "runtime/ledger.h"
#include "runtime/rollcall.h"
#include "runtime/snapshots.h"
#include "runtime/standing.h"
#include "runtime/transition.h"
#include "tests/runtime/simulated_disk.h"
#include "tests/sim/rpc.h"
#include "tests/sim/stage.h"

struct sim_cluster;

#define SIM_MAX_STEPS 128

struct sim_put {	     /* of a snapshot, on the way to the disk */
	uint64_t term, step; /* step 0: none */
	bool is_begun;
	uint32_t n;
	const struct ftp_snapshot *states[ORACLE_MAX_UNITS]; /* pinned */
};

struct sim_fetch { /* from the disk, for a recovery */
	uint64_t step;
	uint32_t n, next;
	uint32_t units[ORACLE_MAX_UNITS];
	struct ftp_snapshot *into; /* the next one is being read; NULL: it is not */
	struct ftp_digest digest;
	bool has_failed;
};

struct sim_node {
	struct sim_cluster *cluster;
	struct sim_process *process;
	uint32_t index;
	int64_t pid;
	uint64_t incarnation;
	double slowness;
	struct sim_rpc rpc;
	bool is_linked, is_joined; /* over rpc */
	uint64_t give_up_ns;	   /* FTP_NS_NEVER: it has a coordinator */
	struct ftp_standing standing;
	struct ftp_finished said_finished; /* step 0: not yet */
	struct ftp_ledger ledger;
	double compute_s;
	struct ftp_transition transition;
	uint64_t n_stages; /* ever made */
	struct sim_stage *now, *next;
	struct sim_stage *retired; /* a list: their links are to be closed */
	struct {
		uint64_t serial; /* of its stage; 0: none */
		struct ftp_netloop_event event;
	} held;			      /* taken from the net loop by a process that froze then */
	struct ftp_rollcall rollcall; /* of next */
	uint64_t n_moved;	      /* units received for next */
	uint64_t ready_term;	      /* the newest whose transfer it has answered */
	struct {
		struct ftp_snapshots *store;
		struct ftp_replicas_stats stats;
		uint64_t retain_term; /* of the latest word of what to keep */
		bool is_due;	      /* there may be something to do */
		bool rests;	      /* because links have to */
		uint64_t overdue_ns;  /* when it has waited long enough; 0: it need not */
		uint64_t turn_ns;     /* of the next turn; 0: none is to come */
		struct ftp_stored news;
	} snapshots;
	uint16_t ever_stored[SIM_MAX_STEPS]; /* by step: units */
	struct {
		struct simulated_disk *disk;  /* the cluster's; NULL: there is none */
		struct ftp_checkpoint *store; /* NULL once it is closed */
		struct sim_put put;
		struct sim_fetch fetch;
		bool has_turn;	      /* is to come */
		uint64_t pinned_step; /* 0: none */
	} disk;
	bool is_gathering, finished;
	bool hangs; /* its worker: the control thread goes on */
};

/* Starts it as the cluster's node of that index: it connects and joins. */
void sim_node_new(struct sim_cluster *c, uint32_t index);
void sim_node_absent(struct sim_cluster *c, uint32_t index); /* a place for one */
/* The stage computes for that long. */
void sim_node_work(struct sim_node *n, uint64_t serial, uint64_t ns);

/* node_plan.c: plans come and go. */
void sim_node_happen(struct sim_node *n, const struct ftp_transition_event *e);
void sim_node_prepare(struct sim_node *n, const struct ftp_plan *plan);
void sim_node_built(struct sim_node *n, uint64_t serial);
void sim_node_fetched(struct sim_node *n); /* nothing is left to be read, or it has failed */
void sim_node_connect_deadline(struct sim_node *n, uint64_t serial);
void sim_node_met(struct sim_node *n, struct sim_stage *s, int peer);
void sim_node_unlinked(struct sim_node *n, struct sim_stage *s, const struct ftp_netloop_event *e);
void sim_node_take_unit(struct sim_node *n, uint32_t unit); /* of next: it has come */
void sim_node_stand(struct sim_node *n); /* the plan in force may have come to stand still */

/* node_snapshots.c: snapshots, and what a recovery takes from them. */
void sim_node_retain(struct sim_node *n, const struct ftp_retain *m);
void sim_node_snapshots_begin(struct sim_node *n);	  /* a plan is in force */
void sim_node_stepped(struct sim_node *n, uint64_t step); /* nothing has run since */
void sim_node_snapshots_plan(struct sim_node *n);	  /* when the next turn is, if any */
void sim_node_snapshots_turn(struct sim_node *n, uint64_t at_ns); /* planned for then */
void sim_node_note_store(struct sim_node *n);			  /* for the judge: what is there */
/* What the node has of a step that a recovery goes on from; NULL: nothing. */
const struct ftp_snapshot *sim_node_stored(const struct sim_node *n, uint32_t unit, uint64_t step);
struct ftp_inventory *sim_node_inventory(const struct sim_node *n); /* the caller's */

/* node_peers.c: what comes over the links of both plans. true: something did, or goes. */
bool sim_node_serve_links(struct sim_node *n);
void sim_node_wake(struct sim_node *n);		   /* when they are to be served next */
bool sim_node_is_active(const struct sim_node *n); /* its worker does something */

/* node_disk.c */
void sim_node_disk_open(struct sim_node *n, struct simulated_disk *disk); /* NULL: none */
void sim_node_disk_close(struct sim_node *n);
void sim_node_disk_claim(struct sim_node *n);
void sim_node_disk_retain(struct sim_node *n, const struct ftp_retain *m);
void sim_node_disk_turn(struct sim_node *n);
void sim_node_disk_list(const struct sim_node *n, struct ftp_inventory *m);
bool sim_node_disk_has(const struct sim_node *n, uint32_t unit, uint64_t step);
/* What is on the disk only, or of a newer term there, comes into the store, in turns. */
void sim_node_disk_fetch(
	struct sim_node *n, const uint32_t *units, uint32_t n_units, uint64_t step);
bool sim_node_disk_is_fetching(const struct sim_node *n);
void sim_node_disk_fetch_end(struct sim_node *n);

/* node_link.c: the connection to the coordinator. */
void sim_node_connect(struct sim_node *n); /* tries to, and again later */
void sim_node_joined(struct sim_node *n, const struct sim_rpc_message *m);
void sim_node_lose_coordinator(struct sim_node *n, const char *why);
/* What was measured, if the coordinator that asked is still there. */
void sim_node_answer_profile(struct sim_node *n);
void sim_node_answer_probe(struct sim_node *n);
/* Notifies, where there is a coordinator. body is taken. */
void sim_node_say(struct sim_node *n, const char *method, json_t *body);

/* node.c, for the others */
enum sim_node_timer {
	SIM_TELL,
	SIM_CONNECT,
	SIM_DISK,
	SIM_REPLICATE,
	SIM_BUILT,
	SIM_CONNECT_DEADLINE,
	SIM_TASK,
	SIM_PROFILED,
	SIM_PROBED
};
void sim_node_answer(
	struct sim_node *n, enum ftp_transition_call call, json_t *result, const char *text);
void sim_node_progress(struct sim_node *n);
void sim_node_end(struct sim_node *n); /* of the last step: units are gathered */
void sim_node_finish_if_gathered(struct sim_node *n);
void sim_node_say_finished(struct sim_node *n);
void sim_node_leave(struct sim_node *n, uint32_t code, const char *reason);
void sim_node_fail(struct sim_node *n, const char *text);

#endif
