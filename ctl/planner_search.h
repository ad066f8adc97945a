/* The best plan of a space of orders, by dynamic programming over suffixes of a plan.
 *
 * "Is there a plan with a step of at most T?" is answered exactly: T caps stages, link directions
 * and windows, and under the caps a suffix that takes less is never worse. T goes down by halving
 * towards a lower bound, and every answer but "no" is a plan with its own step time, so the end is
 * exact to the nanosecond.
 */
#ifndef FTP_CTL_PLANNER_SEARCH_H
#define FTP_CTL_PLANNER_SEARCH_H

#include "ctl/planner_space.h"
#include "ctl/planner_tables.h"

struct ftp_planner_search {
	struct ftp_planner_tables *tables; /* lent; for a search, fit_end filled */
	struct ftp_planner_plan best;	   /* so far */
	uint64_t step_ns;		   /* of best; UINT64_MAX: there is none */
	uint64_t work;	   /* inner steps so far: a clock that is the same everywhere */
	uint64_t limit_ns; /* T of value_ns */
	bool roughly;	   /* to 0.1% is enough */
};

/* Makes best a plan of the space with the least step time, if that is less than step_ns. true: it
 * is. */
bool ftp_planner_search_improve(
	struct ftp_planner_search *s, const struct ftp_planner_space *space);

/* For planner_walk.c: fills value_ns for limit_ns. What the plan takes, by the schedule's sum,
 * whose sum bounds its step least, and its state; NEVER when no plan of the space keeps the limit.
 */
uint64_t ftp_planner_search_values(struct ftp_planner_search *s,
	const struct ftp_planner_space *space, struct ftp_planner_state *whole);

/* Fills least_bytes for the same limit. */
void ftp_planner_search_moves(struct ftp_planner_search *s, const struct ftp_planner_space *space);

/* What a suffix that n_after + 1 stages long may take. */
uint64_t ftp_planner_search_cap(const struct ftp_planner_search *s, uint32_t n_after);

/* Where a stage that starts at first may end at most. */
uint32_t ftp_planner_search_end(const struct ftp_planner_search *s,
	const struct ftp_planner_space *space, const struct ftp_planner_state *state,
	uint32_t first);

#endif
