/* The planner: which units make which stage. Pure and exact; any thread.
 *
 * Today it answers one question: given measured unit times, where must the cuts lie so that the
 * slowest of n_stages like nodes is as fast as it can be? The problem and the answer are structs so
 * that unequal nodes, links, memory limits, device order and subset (design: planner and probing)
 * add fields to them and cases to the dynamic programme, not new entry points.
 */
#ifndef FTP_CTL_PLANNER_H
#define FTP_CTL_PLANNER_H

#include <stdint.h>

#include "ctl/config.h"
#include "runtime/base/error.h"

#define FTP_PLANNER_MAX_UNITS  256
#define FTP_PLANNER_MAX_STAGES FTP_CONFIG_MAX_NODES

struct ftp_planner_unit {		  /* medians of one node */
	uint64_t forward_ns, backward_ns; /* of one micro-batch */
	uint64_t update_ns;		  /* once per step */
};

struct ftp_planner_problem {
	const struct ftp_planner_unit *units; /* lent */
	uint32_t n_units;
	uint32_t n_stages; /* every one gets at least one unit */
	uint32_t micro_batches;
};

struct ftp_planner_answer {
	uint32_t n_stages;
	uint32_t first_unit[FTP_PLANNER_MAX_STAGES +
			    1];			   /* stage s: [first_unit[s], first_unit[s+1]) */
	uint64_t stage_ns[FTP_PLANNER_MAX_STAGES]; /* compute per step */
	uint64_t slowest_ns;			   /* the largest of them */
};

/* Minimises slowest_ns; among equals the sum of squares of stage_ns (the most even split); among
 * those the earliest cuts. The answer is a function of the problem alone. -EINVAL when n_stages is
 * not 1 ... min(n_units, FTP_PLANNER_MAX_STAGES), n_units is above FTP_PLANNER_MAX_UNITS, or a
 * step's times add up to more than 2^62 ns. */
int ftp_planner_equal(const struct ftp_planner_problem *problem, struct ftp_planner_answer *answer,
	struct ftp_error *err);

#endif
