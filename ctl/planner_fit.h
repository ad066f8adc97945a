/* Which plans fit the memory, whatever their time. */
#ifndef FTP_CTL_PLANNER_FIT_H
#define FTP_CTL_PLANNER_FIT_H

#include "ctl/planner_space.h"
#include "ctl/planner_tables.h"

/* Fills fit_end as if every node had extra_bytes more. */
void ftp_planner_fit_limits(struct ftp_planner_tables *t, uint64_t extra_bytes);

/* Some plan of the space fits; plan (NULL: not asked) becomes one of them. After limits(). */
bool ftp_planner_fit_any(struct ftp_planner_tables *t, const struct ftp_planner_space *space,
	struct ftp_planner_plan *plan);

/* -ENOSPC: the plan that would fit with the fewest bytes more for every node (to 0.1%), and the
 * node that lacks them. When nothing of the space fits; overwrites fit_end. */
int ftp_planner_fit_refuse(
	struct ftp_planner_tables *t, const struct ftp_planner_space *space, struct ftp_error *err);

/* Bit of each node that the others can do without. With many nodes: for plans in the order of the
 * problem, or of the plan. */
uint64_t ftp_planner_fit_absorbs(struct ftp_planner_tables *t, const struct ftp_planner_plan *plan);

/* "n2", or "node 2" when it has no name. */
const char *ftp_planner_fit_name(
	const struct ftp_planner_problem *problem, uint32_t node, char text[24]);

#endif
