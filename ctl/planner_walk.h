/* From the tables of a search back to plans. */
#ifndef FTP_CTL_PLANNER_WALK_H
#define FTP_CTL_PLANNER_WALK_H

#include "ctl/planner_search.h"

/* The earliest plan that takes value: what ftp_planner_search_values() returned, and its state. */
void ftp_planner_walk_least(struct ftp_planner_search *s, const struct ftp_planner_space *space,
	const struct ftp_planner_state *whole, uint64_t value, struct ftp_planner_plan *plan);

/* Among the plans of the space with a step of at most step_ns, best becomes the one with the fewest
 * bytes moved, then the fewest stages, then the earliest (cut, node) where plans differ. Looks for
 * a bounded amount of work, and then keeps the best of those seen. */
void ftp_planner_walk_settle(struct ftp_planner_search *s, const struct ftp_planner_space *space);

#endif
