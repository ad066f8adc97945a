/* The planner's problem (ctl/planner.h) from a configuration, its model and what was measured
 * (ctl/measured.h). Pure; one thread. */
#ifndef FTP_CTL_PLAN_PROBLEM_H
#define FTP_CTL_PLAN_PROBLEM_H

#include <jansson.h>

#include "ctl/config.h"
#include "ctl/planner.h"
#include "ctl/protocol.h"
#include "kernels/model.h"

/* Of a link that nobody measured. */
#define FTP_PLAN_FAR_LATENCY_NS	  100000u      /* one way, between hosts */
#define FTP_PLAN_FAR_BYTES_PER_S  1250000000u  /* 10 Gbit/s */
#define FTP_PLAN_NEAR_LATENCY_NS  5000u	       /* within one */
#define FTP_PLAN_NEAR_BYTES_PER_S 10000000000u /* of memory */

struct ftp_plan_problem {
	struct ftp_planner_problem problem;
	const char *names[FTP_PLANNER_MAX_NODES]; /* of its nodes; lent by the configuration */
	uint32_t n_near, n_far;			  /* links that are assumed, both ways counted */
	struct ftp_planner_unit units[FTP_PLANNER_MAX_UNITS];
	struct ftp_planner_node nodes[FTP_PLANNER_MAX_NODES];
	struct ftp_planner_times times[FTP_PLANNER_MAX_NODES][FTP_PLANNER_MAX_UNITS];
	struct ftp_planner_link links[FTP_PLANNER_MAX_NODES * FTP_PLANNER_MAX_NODES];
};

/* nodes: "n1,n3", one that has the data among them; NULL: all. The caller owns *out and
 * frees it with free(); c is lent for its life. -ENOENT: a node was not measured; -EINVAL. */
int ftp_plan_problem_new(struct ftp_plan_problem **out, const struct ftp_config *c,
	const struct ftp_model *m, const json_t *measured, const char *nodes,
	struct ftp_error *err);

/* Of a unit, what a node's profile says; input_bytes and state_bytes are the model's. */
static inline struct ftp_planner_unit ftp_plan_problem_unit(
	const struct ftp_profile *p, uint32_t u, uint64_t input_bytes, uint64_t state_bytes)
{
	return (struct ftp_planner_unit){.input_bytes = input_bytes,
		.state_bytes = state_bytes,
		.version_bytes = p->version_bytes[u],
		.fixed_bytes = p->fixed_bytes[u],
		.slot_bytes = p->slot_bytes[u],
		.shared_bytes = p->shared_bytes[u],
		.scratch_bytes = {p->scratch1_bytes[u], p->scratch2_bytes[u], p->scratch3_bytes[u]},
		.scratchpad_bytes = p->scratchpad_bytes[u]};
}

#endif
