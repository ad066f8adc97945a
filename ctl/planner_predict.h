/* What a plan costs: the objective that the search minimises, written once more as it is defined.
 */
#ifndef FTP_CTL_PLANNER_PREDICT_H
#define FTP_CTL_PLANNER_PREDICT_H

#include "ctl/planner_tables.h"

/* -EINVAL: not a plan of the problem. */
int ftp_planner_predict_check(const struct ftp_planner_problem *problem,
	const struct ftp_planner_plan *plan, struct ftp_error *err);

uint64_t ftp_planner_predict_step(
	const struct ftp_planner_tables *t, const struct ftp_planner_plan *plan);

/* -ENOSPC: a stage is above its node's limit. The plan in force has what it holds. */
int ftp_planner_predict_fits(const struct ftp_planner_tables *t,
	const struct ftp_planner_plan *plan, struct ftp_error *err);

uint64_t ftp_planner_predict_moved(
	const struct ftp_planner_tables *t, const struct ftp_planner_plan *plan);

/* Everything but `exact`. Overwrites fit_end. */
void ftp_planner_predict_fill(struct ftp_planner_tables *t, const struct ftp_planner_plan *plan,
	struct ftp_planner_answer *answer);

#endif
