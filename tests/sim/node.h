/* A node process: the real transition (runtime/transition.h) and ledger between a simulated
 * connection to the coordinator, after runtime/control.c, and simulated stages, after
 * runtime/worker_plan.c. */
#ifndef FTP_TESTS_SIM_NODE_H
#define FTP_TESTS_SIM_NODE_H

#include "runtime/ledger.h"
#include "runtime/transition.h"
#include "tests/sim/rpc.h"
#include "tests/sim/stage.h"

struct sim_cluster;

#define SIM_MAX_STORED 256
#define SIM_MAX_STEPS  128

struct sim_stored { /* a unit's state after a step, in a node's store */
	uint32_t unit;
	uint64_t step, term, state;
};

struct sim_node {
	struct sim_cluster *cluster;
	struct sim_process *process;
	uint32_t index;
	int64_t pid;
	uint64_t incarnation;
	double slowness;
	struct sim_rpc rpc;
	uint64_t term; /* of the plan in force; 0: none */
	struct ftp_ledger ledger;
	double compute_s;
	struct ftp_transition transition;
	uint64_t calls[FTP_N_TRANSITION_CALLS]; /* open; 0: none */
	uint64_t n_stages;			/* ever made */
	struct sim_stage *now, *next;
	uint64_t n_moved;    /* units received for next */
	uint64_t ready_term; /* the newest whose transfer it has answered */
	struct sim_stored store[SIM_MAX_STORED];
	uint32_t n_stored;
	uint16_t ever_stored[SIM_MAX_STEPS]; /* by step: units */
	struct ftp_retain retain;	     /* the latest */
	bool has_gathered[ORACLE_MAX_UNITS];
	bool finished;
	bool hangs; /* its worker: the control thread goes on */
};

/* Starts it as the cluster's node of that index: it connects and joins. */
void sim_node_new(struct sim_cluster *c, uint32_t index);
/* The stage computes for that long. */
void sim_node_work(struct sim_node *n, uint64_t serial, uint64_t ns);

/* node_plan.c: plans come and go. */
void sim_node_happen(struct sim_node *n, const struct ftp_transition_event *e);
void sim_node_prepare(struct sim_node *n, const struct ftp_plan *plan);
void sim_node_built(struct sim_node *n, uint64_t serial);
void sim_node_connect_deadline(struct sim_node *n, uint64_t serial);
void sim_node_met(struct sim_node *n, struct sim_stage *s, struct sim_conn *c);
void sim_node_unlinked(
	struct sim_node *n, struct sim_stage *s, struct sim_conn *c, const char *why);
void sim_node_take_unit(struct sim_node *n, struct sim_stage *s, const struct sim_packet *p);
void sim_node_stand(struct sim_node *n); /* the plan in force may have come to stand still */

/* node_store.c: snapshots, and what a recovery takes from them. */
void sim_node_retain(struct sim_node *n, const struct ftp_retain *m);
void sim_node_stepped(struct sim_node *n, uint64_t step); /* the stage has done it */
void sim_node_take_replica(struct sim_node *n, struct sim_stage *s, const struct sim_packet *p);
void sim_node_cut_store(struct sim_node *n, uint64_t step);
/* What the node has of a step that a recovery goes on from; NULL: nothing. */
const struct sim_stored *sim_node_stored(const struct sim_node *n, uint32_t unit, uint64_t step);
struct ftp_inventory *sim_node_inventory(const struct sim_node *n); /* the caller's */

/* node.c, for node_plan.c */
enum sim_node_timer {
	SIM_TELL,
	SIM_BUILT,
	SIM_CONNECT_DEADLINE,
	SIM_TASK,
	SIM_PROFILED,
	SIM_PROBED
};
void sim_node_answer(
	struct sim_node *n, enum ftp_transition_call call, json_t *result, const char *text);
void sim_node_progress(struct sim_node *n);
void sim_node_fail(struct sim_node *n, const char *text);

#endif
