#include "ctl/planner_fit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define WORDS (FTP_PLANNER_MAX_UNITS / 64)

static uint16_t *ends_of(const struct ftp_planner_tables *t, uint32_t node, uint32_t n_after)
{
	const struct ftp_planner_problem *p = t->problem;

	return t->fit_end + (node * p->n_nodes + n_after) * p->n_units;
}

void ftp_planner_fit_limits(struct ftp_planner_tables *t, uint64_t extra_bytes)
{
	const struct ftp_planner_problem *p = t->problem;

	for (uint32_t v = 0; v < p->n_nodes; v++) {
		uint64_t limit = ftp_planner_tables_limit(t, v) + extra_bytes;

		for (uint32_t n_after = 0; n_after < p->n_nodes; n_after++) {
			uint16_t *ends = ends_of(t, v, n_after);
			uint32_t end = 0;

			/* A stage that begins later never ends earlier. */
			for (uint32_t i = 0; i < p->n_units; i++) {
				end = end > i ? end : i;
				while (end < p->n_units &&
					ftp_planner_tables_room(t, n_after, i, end + 1) <= limit)
					end++;
				ends[i] = (uint16_t)end;
			}
		}
	}
}

static void set_bit(uint64_t *words, uint32_t i)
{
	words[i / 64] |= UINT64_C(1) << (i % 64);
}

static bool has_bit(const uint64_t *words, uint32_t i)
{
	return words[i / 64] >> (i % 64) & 1;
}

/* The units at which the state's stage may start, from those at which the next may. */
static void fill_row(struct ftp_planner_tables *t, const struct ftp_planner_space *space,
	const struct ftp_planner_state *state)
{
	uint64_t *row = t->starts[ftp_planner_space_row(space, state)], next[WORDS] = {0};
	const uint16_t *ends = ends_of(t, space->order[state->at], state->n_after);
	struct ftp_planner_state after[FTP_PLANNER_MAX_NODES];
	uint32_t n = ftp_planner_space_after(space, state, after), nearest = 0;

	for (uint32_t a = 0; a < n; a++)
		for (uint32_t w = 0; w < WORDS; w++)
			next[w] |= t->starts[ftp_planner_space_row(space, &after[a])][w];
	memset(row, 0, sizeof(*t->starts));
	if (!state->n_after)
		nearest = t->problem->n_units;
	for (uint32_t i = t->problem->n_units; i-- > 0;) {
		if (nearest && nearest <= ends[i])
			set_bit(row, i);
		if (has_bit(next, i))
			nearest = i;
	}
}

/* A way through the rows from a whole plan's state. */
static void walk(const struct ftp_planner_tables *t, const struct ftp_planner_space *space,
	struct ftp_planner_state state, struct ftp_planner_plan *plan)
{
	uint32_t first = 0;

	plan->n_stages = state.n_after + 1;
	for (uint32_t s = 0; s < plan->n_stages; s++) {
		struct ftp_planner_state after[FTP_PLANNER_MAX_NODES];
		uint32_t n = ftp_planner_space_after(space, &state, after);
		uint32_t end = first + 1, a = n;

		plan->node[s] = space->order[state.at];
		plan->first_unit[s] = first;
		for (; n && a == n; end += a == n)
			for (a = 0; a < n; a++)
				if (has_bit(t->starts[ftp_planner_space_row(space, &after[a])],
					    end))
					break;
		if (n)
			state = after[a];
		first = end;
	}
	plan->first_unit[plan->n_stages] = t->problem->n_units;
}

bool ftp_planner_fit_any(struct ftp_planner_tables *t, const struct ftp_planner_space *space,
	struct ftp_planner_plan *plan)
{
	struct ftp_planner_state state;

	for (bool more = ftp_planner_space_next(space, false, &state); more;
		more = ftp_planner_space_next(space, true, &state)) {
		fill_row(t, space, &state);
		if (!ftp_planner_space_begins(space, &state) ||
			!has_bit(t->starts[ftp_planner_space_row(space, &state)], 0))
			continue;
		if (plan)
			walk(t, space, state, plan);
		return true;
	}
	return false;
}

const char *ftp_planner_fit_name(
	const struct ftp_planner_problem *problem, uint32_t node, char text[24])
{
	if (problem->nodes[node].name)
		return problem->nodes[node].name;
	snprintf(text, 24, "node %u", node);
	return text;
}

int ftp_planner_fit_refuse(
	struct ftp_planner_tables *t, const struct ftp_planner_space *space, struct ftp_error *err)
{
	const struct ftp_planner_problem *p = t->problem;
	uint64_t enough = ftp_planner_tables_room(t, p->n_nodes - 1, 0, p->n_units);
	uint64_t few = 0, lacking = 0, needed = 0;
	struct ftp_planner_plan plan;
	uint32_t node = 0;
	char text[24];

	while (enough - few > 1 + few / 1024) {
		uint64_t extra = few + (enough - few) / 2;

		ftp_planner_fit_limits(t, extra);
		if (ftp_planner_fit_any(t, space, NULL))
			enough = extra;
		else
			few = extra;
	}
	ftp_planner_fit_limits(t, enough);
	ftp_assert(ftp_planner_fit_any(t, space, &plan));
	for (uint32_t s = 0; s < plan.n_stages; s++) {
		uint64_t bytes = ftp_planner_tables_room(
			t, plan.n_stages - 1 - s, plan.first_unit[s], plan.first_unit[s + 1]);
		uint64_t limit = ftp_planner_tables_limit(t, plan.node[s]);

		if (bytes > limit && bytes - limit > lacking) {
			lacking = bytes - limit;
			needed = bytes;
			node = plan.node[s];
		}
	}
	return ftp_error_set(err, ENOSPC,
		"planner: no plan fits the memory; the nearest needs %llu bytes on %s, %llu more "
		"than "
		"it has (limit %llu, of it held by the plan in force %llu)",
		(unsigned long long)needed, ftp_planner_fit_name(p, node, text),
		(unsigned long long)lacking, (unsigned long long)p->nodes[node].memory_bytes,
		(unsigned long long)p->nodes[node].held_bytes);
}

static bool can_do_without(
	struct ftp_planner_tables *t, const struct ftp_planner_plan *plan, uint32_t node)
{
	struct ftp_planner_space others = ftp_planner_space_of(
		t->problem, t->problem->first | t->problem->heirs, UINT64_C(1) << node);
	struct ftp_planner_space stages = {.first = others.first};

	for (uint32_t s = 0; s < plan->n_stages; s++)
		if (plan->node[s] != node)
			stages.order[stages.n++] = plan->node[s];
	if (stages.n == plan->n_stages)
		return true;
	others.all = false;
	return (others.n && ftp_planner_fit_any(t, &others, NULL)) ||
	       (!others.sets && stages.n && ftp_planner_fit_any(t, &stages, NULL));
}

uint64_t ftp_planner_fit_absorbs(struct ftp_planner_tables *t, const struct ftp_planner_plan *plan)
{
	uint64_t absorbs = 0;

	ftp_planner_fit_limits(t, 0);
	for (uint32_t v = 0; v < t->problem->n_nodes; v++)
		absorbs |= (uint64_t)can_do_without(t, plan, v) << v;
	return absorbs;
}
