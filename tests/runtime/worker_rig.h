/* A cluster of real workers in this process, over kernel UDP, with the test in the coordinator's
 * place. After each commit it names snapshots by itself, one after the other. */
#ifndef FTP_TESTS_WORKER_RIG_H
#define FTP_TESTS_WORKER_RIG_H

#include "runtime/worker.h"

#define RIG_NODES 3
#define RIG_STEPS 300

struct rig_settings {
	const char *schedule;	      /* "flush" or "1f1b" */
	bool net_cores;		      /* every net loop has a thread */
	const char *memory;	      /* of each node */
	uint64_t every, global_every; /* snapshots; 0: none */
	const char *bandwidth;	      /* of snapshots; NULL: no limit */
	uint64_t disk_every;	      /* not 0: stable ones go to disks, one after the other */
	uint64_t lead;		      /* steps from naming one to taking it, at least */
	bool is_late;		      /* every third one is named when some stages have passed it */
	uint32_t n_outcomes;	      /* as in ftp_worker_params */
	/* Of a node's checkpoints, taken; NULL, or gives NULL: that in the run directory. */
	struct ftp_disk *(*disk)(const struct ftp_model *model, int node);
};

/* Stages in order: node and first unit after its own. Nodes of the plan in force that are not named
 * leave. */
struct rig_plan {
	int n_stages;
	struct {
		int node;
		uint32_t end_unit;
	} stages[RIG_NODES];
};

struct rig_node {
	struct ftp_worker *worker;
	struct ftp_region *region;
	struct ftp_node_metrics metrics;
	uint16_t port[2];
	int port_fd[2];
	uint64_t incarnation;
	bool is_open[FTP_N_TRANSITION_CALLS]; /* a call is not answered yet */
	struct ftp_outcome answer[FTP_N_TRANSITION_CALLS];
	char refusal[FTP_N_TRANSITION_CALLS][256]; /* "": granted */
	bool is_held, is_finished, is_failed;
	struct ftp_held held;
	char failure[256];
};

struct rig {
	struct ftp_config *config;
	struct ftp_model *model;
	struct ftp_dataset *dataset;
	char directory[64], run_dir[64];
	struct rig_node nodes[RIG_NODES];
	struct ftp_plan plan, next; /* term 0: none */
	uint64_t term;
	uint64_t last_row;
	double loss[RIG_STEPS + 1];
	int n_evaluations;
	uint64_t n_correct[RIG_STEPS + 1];
	char digest[FTP_DIGEST_HEX];
	struct rig_snapshots {
		uint64_t every, global_every, lead;
		bool is_late, is_owed; /* owed: one is not named before it is too late */
		unsigned n_named;
		uint64_t next; /* 0: none is named */
		bool is_global, is_spoiled;
		uint32_t told; /* stages that told of all of their own */
		uint32_t holders[FTP_PROTOCOL_MAX_UNITS];
		struct ftp_digest digest[FTP_PROTOCOL_MAX_UNITS];
		uint64_t stable_step, global_step;
		unsigned n_stable, n_global, n_spoiled;
		bool has_disk;
		uint32_t disk_awaited; /* nodes that have not told of the last put */
		unsigned n_puts;       /* that nodes told of, and that succeeded */
	} snapshots;
};

void rig_open(struct rig *r, const struct rig_settings *settings);
void rig_close(struct rig *r);

/* One part of a change after the other; each waits for its answers, at most 20 s. */
void rig_begin_prepare(struct rig *r, const struct rig_plan *plan); /* does not wait */
void rig_make_next(struct rig *r, const struct rig_plan *plan);	    /* tells nobody */
void rig_call_prepare(struct rig *r, int node);			    /* does not wait */
void rig_prepare(struct rig *r, const struct rig_plan *plan);
void rig_hold(struct rig *r);	  /* and waits until all are held */
void rig_transfer(struct rig *r); /* the first plan: of step 0 */
void rig_commit(struct rig *r);
void rig_abandon(struct rig *r);
void rig_change(struct rig *r, const struct rig_plan *plan); /* all of them, to the commit */

/* Calls one node without waiting; then for what comes of it. */
void rig_call(struct rig *r, int node, const struct ftp_command *c);
/* Again and again, until the reason contains this. */
void rig_call_until_refused(
	struct rig *r, int node, const struct ftp_command *c, const char *reason);
void rig_wait(struct rig *r, bool (*condition)(const struct rig *));

void rig_slow(struct rig *r, int node, double slowdown);
void rig_wait_for_step(struct rig *r, uint64_t step);
void rig_finish(struct rig *r); /* trains to the end */

/* rig_snapshots.c, for worker_rig.c: after a commit; and what a node tells. */
void rig_snapshots_name(struct rig *r);
void rig_snapshots_take(struct rig *r, int node);

#endif
