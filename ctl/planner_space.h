/* The space that a search goes through, as suffixes of a plan: a node, and which may follow it.
 *
 * Sets: any order and subset of the nodes; a state's followers are exactly the set `rest`.
 * Order: a subset in the order given; a state's followers are any n_after nodes later in it.
 * A state whose node may be stage 0 is a whole plan too. The only node that may be is nothing else.
 */
#ifndef FTP_CTL_PLANNER_SPACE_H
#define FTP_CTL_PLANNER_SPACE_H

#include "ctl/planner.h"

struct ftp_planner_space {
	bool sets;
	bool all; /* with an order: nobody is left out */
	uint32_t n;
	uint32_t order[FTP_PLANNER_MAX_NODES]; /* nodes of the problem */
	uint64_t first;			       /* bit of each node that may be stage 0 */
};

struct ftp_planner_state {
	uint32_t at; /* in order[] */
	uint32_t n_after;
	uint32_t rest; /* sets: bit of each follower's place in order[] */
};

/* Of the nodes of the problem, those in `without` left out; sets where they are few enough. Of
 * `first`, those that are there. */
struct ftp_planner_space ftp_planner_space_of(
	const struct ftp_planner_problem *problem, uint64_t first, uint64_t without);

size_t ftp_planner_space_max_rows(uint32_t n_nodes);

/* A state's place in tables. */
static inline size_t ftp_planner_space_row(
	const struct ftp_planner_space *s, const struct ftp_planner_state *state)
{
	return s->sets ? (size_t)state->rest * s->n + state->at
		       : (size_t)state->at * s->n + state->n_after;
}

static inline bool ftp_planner_space_is_sole(const struct ftp_planner_space *s, uint32_t node)
{
	return s->first == UINT64_C(1) << node;
}

/* The state is a whole plan, or can be the end of one that begins with another. */
static inline bool ftp_planner_space_begins(
	const struct ftp_planner_space *s, const struct ftp_planner_state *state)
{
	return s->first >> s->order[state->at] & 1 && (!s->all || state->n_after + 1 == s->n);
}

static inline bool ftp_planner_space_follows(
	const struct ftp_planner_space *s, const struct ftp_planner_state *state)
{
	return !ftp_planner_space_is_sole(s, s->order[state->at]);
}

/* Every state, each after those that may follow it. *state starts and ends as all zero; the
 * function is first called with started == false. */
bool ftp_planner_space_next(
	const struct ftp_planner_space *s, bool started, struct ftp_planner_state *state);

/* The states that may follow; out has room for MAX_NODES. */
uint32_t ftp_planner_space_after(const struct ftp_planner_space *s,
	const struct ftp_planner_state *state, struct ftp_planner_state *out);

#endif
