/* The planner's oracle: every plan of a small problem, judged by the definitions alone. */
#ifndef FTP_TESTS_PLANNER_ORACLE_H
#define FTP_TESTS_PLANNER_ORACLE_H

#include "ctl/planner.h"

struct oracle {
	bool found;
	struct ftp_planner_plan plan;
	uint64_t step_ns, move_bytes;
	uint64_t without; /* bit of each node that some plan that fits does not use */
};

uint64_t oracle_step(const struct ftp_planner_problem *p, const struct ftp_planner_plan *plan);
uint64_t oracle_bytes(
	const struct ftp_planner_problem *p, const struct ftp_planner_plan *plan, uint32_t stage);
bool oracle_fits(const struct ftp_planner_problem *p, const struct ftp_planner_plan *plan);
uint64_t oracle_moved(const struct ftp_planner_problem *p, const struct ftp_planner_plan *plan);
bool oracle_same(const struct ftp_planner_plan *a, const struct ftp_planner_plan *b);

/* skip: with in_order, nodes may be left out. */
struct oracle oracle_search(const struct ftp_planner_problem *p, bool skip);

/* A problem drawn from seed, with storage for all that it lends. */
struct oracle_case {
	struct ftp_planner_problem problem;
	struct ftp_planner_unit units[FTP_PLANNER_MAX_UNITS];
	struct ftp_planner_times times[FTP_PLANNER_MAX_NODES][FTP_PLANNER_MAX_UNITS];
	struct ftp_planner_node nodes[FTP_PLANNER_MAX_NODES];
	struct ftp_planner_link links[FTP_PLANNER_MAX_NODES * FTP_PLANNER_MAX_NODES];
	struct ftp_planner_plan current;
	uint64_t key, draw;
};

uint64_t oracle_draw(struct oracle_case *c, uint64_t n); /* in [0, n) */
void oracle_draw_problem(
	struct oracle_case *c, uint64_t seed, uint64_t round, uint32_t n_nodes, uint32_t n_units);
void oracle_draw_plan(struct oracle_case *c, struct ftp_planner_plan *plan);

#endif
