/* The space that a search goes through, as suffixes of a plan: a node, and which may follow it.
 *
 * Sets: any order and subset of the nodes; a state's followers are exactly the set `rest`.
 * Order: a subset in the order given; a state's followers are any n_after nodes later in it.
 * The first node of the space is stage 0 of every plan, and only that.
 */
#ifndef FTP_CTL_PLANNER_SPACE_H
#define FTP_CTL_PLANNER_SPACE_H

#include "ctl/planner.h"

struct ftp_planner_space {
	bool sets;
	bool all; /* with an order: nobody is left out */
	uint32_t n;
	uint32_t order[FTP_PLANNER_MAX_NODES]; /* nodes of the problem */
};

struct ftp_planner_state {
	uint32_t at; /* in order[]; 0: a whole plan */
	uint32_t n_after;
	uint32_t rest; /* sets: bit w - 1 for each follower at w */
};

/* Of the nodes of the problem, those in `without` left out; sets where they are few enough. */
struct ftp_planner_space ftp_planner_space_of(
	const struct ftp_planner_problem *problem, uint64_t without);

size_t ftp_planner_space_max_rows(uint32_t n_nodes);

/* A state's place in tables. */
static inline size_t ftp_planner_space_row(
	const struct ftp_planner_space *s, const struct ftp_planner_state *state)
{
	return s->sets ? (size_t)state->rest * s->n + state->at
		       : (size_t)state->at * s->n + state->n_after;
}

/* Every state, each after those that may follow it. *state starts and ends as all zero; the
 * function is first called with started == false. */
bool ftp_planner_space_next(
	const struct ftp_planner_space *s, bool started, struct ftp_planner_state *state);

/* The states that may follow; out has room for MAX_NODES. */
uint32_t ftp_planner_space_after(const struct ftp_planner_space *s,
	const struct ftp_planner_state *state, struct ftp_planner_state *out);

#endif
