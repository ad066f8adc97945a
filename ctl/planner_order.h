/* Many nodes: a bounded search over orders, each of them solved exactly with any node left out. */
#ifndef FTP_CTL_PLANNER_ORDER_H
#define FTP_CTL_PLANNER_ORDER_H

#include "ctl/planner_search.h"

/* Starts from the order given, the plan in force and the fastest first, then swaps nodes for a
 * bounded amount of work. space becomes the order of the best plan. */
void ftp_planner_order_search(struct ftp_planner_search *s, struct ftp_planner_space *space);

#endif
