#include "ctl/planner_space.h"

/* In an order, who comes before the front is of no use. */
static void to_front(struct ftp_planner_space *s)
{
	uint32_t at = 0, node;

	while (at < s->n && !(s->first >> s->order[at] & 1))
		at++;
	if (at == s->n)
		return;
	for (node = s->order[at]; at; at--)
		s->order[at] = s->order[at - 1];
	s->order[0] = node;
}

struct ftp_planner_space ftp_planner_space_of(
	const struct ftp_planner_problem *problem, uint64_t first, uint64_t without)
{
	struct ftp_planner_space s = {
		.sets = problem->n_nodes <= FTP_PLANNER_EXACT_NODES && !problem->in_order,
		.all = problem->in_order,
		.first = first & ~without & UINT64_MAX >> (64 - problem->n_nodes)};

	for (uint32_t v = 0; v < problem->n_nodes; v++)
		if (!(without >> v & 1))
			s.order[s.n++] = v;
	if (!problem->in_order)
		to_front(&s);
	return s;
}

size_t ftp_planner_space_max_rows(uint32_t n_nodes)
{
	size_t sets = n_nodes <= FTP_PLANNER_EXACT_NODES ? (size_t)n_nodes << n_nodes : 0;
	size_t order = (size_t)n_nodes * n_nodes;

	return sets > order ? sets : order;
}

/* The only node that may be stage 0 is at the front. */
static bool has_sole(const struct ftp_planner_space *s, uint32_t rest)
{
	return rest & 1 && ftp_planner_space_is_sole(s, s->order[0]);
}

static bool next_set(const struct ftp_planner_space *s, struct ftp_planner_state *state)
{
	do {
		if (++state->at == s->n) {
			state->at = 0;
			do {
				if (++state->rest >> s->n)
					return false;
			} while (has_sole(s, state->rest));
			state->n_after = (uint32_t)__builtin_popcount(state->rest);
		}
	} while (state->rest >> state->at & 1);
	return true;
}

static bool next_in_order(const struct ftp_planner_space *s, struct ftp_planner_state *state)
{
	uint32_t behind = s->n - 1 - state->at;

	if (!s->all && state->n_after < behind) {
		state->n_after++;
		return true;
	}
	if (!state->at)
		return false;
	state->at--;
	state->n_after = s->all ? behind + 1 : 0;
	return true;
}

bool ftp_planner_space_next(
	const struct ftp_planner_space *s, bool started, struct ftp_planner_state *state)
{
	if (started)
		return s->sets ? next_set(s, state) : next_in_order(s, state);
	*state = (struct ftp_planner_state){.at = s->sets ? 0 : s->n - 1};
	return true;
}

uint32_t ftp_planner_space_after(const struct ftp_planner_space *s,
	const struct ftp_planner_state *state, struct ftp_planner_state *out)
{
	uint32_t n = 0, last;

	if (!state->n_after)
		return 0;
	if (s->sets) {
		for (uint32_t rest = state->rest; rest; rest &= rest - 1) {
			uint32_t bit = (uint32_t)__builtin_ctz(rest);

			out[n++] = (struct ftp_planner_state){.at = bit,
				.n_after = state->n_after - 1,
				.rest = state->rest & ~(1u << bit)};
		}
		return n;
	}
	last = s->all ? state->at + 1 : s->n - state->n_after;
	for (uint32_t at = state->at + 1; at <= last; at++)
		out[n++] = (struct ftp_planner_state){.at = at, .n_after = state->n_after - 1};
	return n;
}
