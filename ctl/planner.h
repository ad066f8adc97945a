/* The planner: which node runs which units. Pure; any thread.
 *
 * It minimises the predicted time of one step of the schedule in force over cuts, device order and
 * device subset, under each node's memory limit. Stage 0 needs the data: the problem says which
 * nodes may be it. Exact up to FTP_PLANNER_EXACT_NODES nodes; above, a bounded search that is never
 * worse than the best plan for the order given, the first that may be stage 0 moved to its front.
 *
 * With C a stage's forward and backward of one micro-batch, U its updates, hop what a cut adds to
 * a micro-batch's way there and back, and w = n_stages - s, a step takes at least
 *   every stage's M C + U, and every link direction's transfers of M micro-batches;
 *   1f1b (M = 1): for every s U(s) and the sum of C and hop from stage s on, divided by w; for
 *   s > 0 that sum, the hop before s and its latencies once more, divided by w + 1, since a slot
 *   also waits for an acknowledgement, and its credit then travels;
 *   flush: V(0) + U(0), V(s) = max(C + hop + V(s + 1), M C + wait(s)) by struct ftp_planner_span,
 * with forwards that run as soon as the window allows.
 *
 * Sources: FTPipeHD (arXiv 2110.02781, section on dynamic partition), PipeDream (arXiv 1806.03377,
 * section 3.1); here with both directions of every link, fill and drain, the window of in-flight
 * micro-batches, memory, order and subset.
 */
#ifndef FTP_CTL_PLANNER_H
#define FTP_CTL_PLANNER_H

#include <stdbool.h>
#include <stdint.h>

#include "ctl/config.h"
#include "runtime/base/error.h"

#define FTP_PLANNER_MAX_UNITS	256
#define FTP_PLANNER_MAX_NODES	FTP_CONFIG_MAX_NODES
#define FTP_PLANNER_EXACT_NODES 10
#define FTP_PLANNER_RUN		3 /* units whose scratch is known together */

/* A unit's times on one node, now: measured, times the node's slowness. */
struct ftp_planner_times {
	uint64_t forward_ns, backward_ns; /* of one micro-batch */
	uint64_t update_ns;		  /* once per step */
};

/* What a unit takes, the same on every node. A stage of units [i, j) holds
 *   sum of fixed + n_versions * sum of version + n_slots * (sum of slot - sum of shared inside)
 *   + max of scratch[k - 1] of its runs of k = min(j - i, 3) units + max of scratchpad
 * with n_slots and n_versions as runtime/schedule.h says. Scratch is reused from unit to unit, so
 * it is known of short runs only (kernels/memory_model.h). Where two units meet, two boundaries of
 * two tensors become one tensor, and a small unit may save more than it has: a longer stage may
 * take less. A plan fits only where any part of a stage does too, on which the search relies. */
struct ftp_planner_unit {
	uint64_t input_bytes; /* the cut before it, per micro-batch: activation, and its gradient */
	uint64_t state_bytes; /* what travels when it moves */
	uint64_t version_bytes; /* one version of its weights */
	uint64_t fixed_bytes;	/* gradients, moments, statistics */
	uint64_t slot_bytes;	/* of one micro-batch in flight */
	uint64_t shared_bytes;	/* of slot_bytes, with the unit after, when both are in one stage */
	uint64_t scratch_bytes[FTP_PLANNER_RUN]; /* [k - 1]: of the k units from this one on */
	uint64_t scratchpad_bytes;
};

/* With snapshots a stage has room for two copies of each of its units and of the stage's before
 * it; stage 0 of the last one's instead, with global ones of every unit, and one more of those two
 * stages'. Where snapshots go to disks it is one more of each. That depends on a neighbour's cuts,
 * so a plan fits only where there is room for as many copies of all units up to the stage's end, on
 * stage 0 of all units: no more than that is ever needed, and the early units, which this counts
 * too often, are the small ones. */
#define FTP_PLANNER_LABEL_BYTES 64 /* that follow each copy (runtime/snapshots.h) */

struct ftp_planner_node {
	const struct ftp_planner_times *times; /* n_units; lent */
	uint64_t memory_bytes;		       /* limit of its tensors */
	uint64_t held_bytes; /* of it, taken by the plan in force until the switch */
	const char *name;    /* for messages; NULL: its index */
};

struct ftp_planner_link {     /* one direction */
	uint64_t latency_ns;  /* one way */
	uint64_t bytes_per_s; /* 0: takes no time */
};

enum ftp_planner_schedule { FTP_PLANNER_FLUSH, FTP_PLANNER_1F1B };

struct ftp_planner_plan {
	uint32_t n_stages;
	uint32_t node[FTP_PLANNER_MAX_NODES];
	uint32_t first_unit[FTP_PLANNER_MAX_NODES +
			    1]; /* stage s: [first_unit[s], first_unit[s+1]) */
};

struct ftp_planner_problem { /* all lent */
	const struct ftp_planner_unit *units;
	uint32_t n_units;
	const struct ftp_planner_node *nodes;
	uint32_t n_nodes;
	uint64_t first; /* bit of each node that may be stage 0 */
	uint64_t heirs; /* of each that could be if it had to: for `absorbs`, and in a given plan */
	const struct ftp_planner_link *links; /* [from * n_nodes + to] */
	enum ftp_planner_schedule schedule;
	uint32_t micro_batches;
	const struct ftp_planner_plan *current; /* in force; NULL: none */
	bool snapshots;				/* stages keep copies of unit states: see below */
	bool global_snapshots;			/* stage 0 of all */
	bool disk_snapshots;			/* one more, that a disk takes its time with */
	bool in_order;				/* keep the order of nodes[], and use all of them */
};

enum ftp_planner_bottleneck { /* what the step time is made of */
	FTP_BOTTLENECK_STAGE, /* index: the stage whose compute fills the step */
	FTP_BOTTLENECK_LINK,  /* index: the cut, 1 ... n_stages - 1 */
	FTP_BOTTLENECK_PATH,  /* fill and drain, or the window: from stage index to the end */
};

struct ftp_planner_answer {
	struct ftp_planner_plan plan;
	uint64_t step_ns;			     /* predicted */
	uint64_t stage_ns[FTP_PLANNER_MAX_NODES];    /* compute per step, update included */
	uint64_t stage_bytes[FTP_PLANNER_MAX_NODES]; /* memory by the formula, snapshots included */
	uint64_t limit_bytes[FTP_PLANNER_MAX_NODES]; /* that it may have: not what is held, unless
							the plan is the one in force */
	enum ftp_planner_bottleneck bottleneck;
	uint32_t bottleneck_index;
	uint64_t earlier_ns[FTP_PLANNER_MAX_NODES]; /* cut s (1 ...): the step time with the cut one
						       unit earlier, or later; 0: impossible */
	uint64_t later_ns[FTP_PLANNER_MAX_NODES];
	uint64_t move_bytes; /* unit states whose node changes against current */
	uint64_t absorbs;    /* bit of each node of the problem that the others can do without */
	bool exact;	     /* no better plan exists */
};

/* The best plan. Ties go to fewer bytes moved, then fewer stages, then the earliest (cut, node)
 * where plans differ. The plan in force needs no room beside what is held for it. -EINVAL: a bound
 * is broken, or no node may be stage 0; -ENOSPC: no plan fits the memory, err names the limit that
 * comes nearest. */
int ftp_planner_best(const struct ftp_planner_problem *problem, struct ftp_planner_answer *answer,
	struct ftp_error *err);

/* What a given plan would do. -EINVAL: not a plan of the problem; -ENOSPC: it does not fit. */
int ftp_planner_predict(const struct ftp_planner_problem *problem,
	const struct ftp_planner_plan *plan, struct ftp_planner_answer *answer,
	struct ftp_error *err);

/* Equal cuts: of n_stages like nodes with the times of one. */
struct ftp_planner_equal_problem {
	const struct ftp_planner_times *units; /* lent */
	uint32_t n_units;
	uint32_t n_stages; /* every one gets at least one unit */
	uint32_t micro_batches;
};

struct ftp_planner_equal_answer {
	uint32_t n_stages;
	uint32_t first_unit[FTP_PLANNER_MAX_NODES + 1];
	uint64_t stage_ns[FTP_PLANNER_MAX_NODES]; /* compute per step */
	uint64_t slowest_ns;			  /* the largest of them */
};

/* Minimises slowest_ns; among equals the sum of squares of stage_ns (the most even split); among
 * those the earliest cuts. The answer is a function of the problem alone. -EINVAL when n_stages is
 * not 1 ... min(n_units, FTP_PLANNER_MAX_NODES), n_units is above FTP_PLANNER_MAX_UNITS, or a
 * step's times add up to more than 2^62 ns. */
int ftp_planner_equal(const struct ftp_planner_equal_problem *problem,
	struct ftp_planner_equal_answer *answer, struct ftp_error *err);

#endif
