#include "ctl/planner_order.h"

#include <string.h>

#define MAX_WORK UINT64_C(150000000) /* about a second */

static void try_order(struct ftp_planner_search *s, const struct ftp_planner_space *candidate,
	struct ftp_planner_space *best)
{
	if ((s->work < MAX_WORK || s->step_ns == UINT64_MAX) &&
		ftp_planner_search_improve(s, candidate))
		*best = *candidate;
}

/* The plan's nodes as it has them, then the others. */
static void follow_plan(struct ftp_planner_space *space, const struct ftp_planner_plan *plan)
{
	struct ftp_planner_space old = *space;
	uint64_t used = 0;

	space->n = 0;
	for (uint32_t s = 0; s < plan->n_stages; s++) {
		space->order[space->n++] = plan->node[s];
		used |= UINT64_C(1) << plan->node[s];
	}
	for (uint32_t i = 0; i < old.n; i++)
		if (!(used >> old.order[i] & 1))
			space->order[space->n++] = old.order[i];
}

static uint64_t rank_by_speed(const struct ftp_planner_tables *t, uint32_t node)
{
	return t->nodes[node].busy_ns[t->problem->n_units];
}

static uint64_t rank_by_memory(const struct ftp_planner_tables *t, uint32_t node)
{
	return UINT64_MAX - ftp_planner_tables_limit(t, node);
}

/* Lowest rank first; the first node stays. */
static void sort(struct ftp_planner_space *space, const struct ftp_planner_tables *t,
	uint64_t (*rank)(const struct ftp_planner_tables *t, uint32_t node))
{
	for (uint32_t i = 2; i < space->n; i++) {
		uint32_t node = space->order[i], at = i;

		for (; at > 1 && rank(t, space->order[at - 1]) > rank(t, node); at--)
			space->order[at] = space->order[at - 1];
		space->order[at] = node;
	}
}

/* Every swap that gains is taken, until none does. */
static void swap_nodes(struct ftp_planner_search *s, struct ftp_planner_space *best)
{
	uint32_t from = ftp_planner_space_is_sole(best, best->order[0]);
	uint32_t n = best->n - from, n_pairs = n * n, since_gain = 0;

	for (uint32_t pair = 0; since_gain < n_pairs && s->work < MAX_WORK;
		pair = (pair + 1) % n_pairs) {
		struct ftp_planner_space candidate = *best;
		uint32_t a = from + pair / n, b = from + pair % n;
		uint64_t before_ns = s->step_ns;

		since_gain++;
		if (a >= b || (!a && !(best->first >> best->order[b] & 1)))
			continue;
		candidate.order[a] = best->order[b];
		candidate.order[b] = best->order[a];
		try_order(s, &candidate, best);
		if (s->step_ns < before_ns)
			since_gain = 0;
	}
}

void ftp_planner_order_search(struct ftp_planner_search *s, struct ftp_planner_space *space)
{
	static uint64_t (*const ranks[])(const struct ftp_planner_tables *t, uint32_t node) = {
		rank_by_speed, rank_by_memory};
	const struct ftp_planner_tables *t = s->tables;
	const struct ftp_planner_space given = *space;

	try_order(s, &given, space);
	s->roughly = true;
	for (size_t i = 0; i < sizeof(ranks) / sizeof(ranks[0]); i++) {
		struct ftp_planner_space candidate = given;

		sort(&candidate, t, ranks[i]);
		try_order(s, &candidate, space);
	}
	if (t->has_current) {
		struct ftp_planner_space candidate = given;

		follow_plan(&candidate, t->problem->current);
		try_order(s, &candidate, space);
	}
	if (s->step_ns != UINT64_MAX) {
		swap_nodes(s, space);
		follow_plan(space, &s->best);
	}
}
