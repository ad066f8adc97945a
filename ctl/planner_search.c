#include "ctl/planner_search.h"

#include <string.h>

#include "ctl/planner_predict.h"
#include "ctl/planner_walk.h"

/* No step is longer: see the bounds in planner_tables.c. A window's cap, 64 times it, still fits.
 */
#define LONGEST_NS (UINT64_C(1) << 57)

/* One row of a table: least over the end of the stage and what follows it. */
struct row {
	const uint64_t *until; /* the stage's own part is until[end] - until[first] */
	uint64_t times;	       /* and times that much at least; 0: no such bound */
	uint64_t cap;
	uint64_t after[FTP_PLANNER_MAX_UNITS + 1]; /* [end]: least of what follows */
	uint32_t first_end, last_end;		   /* where `after` is not NEVER */
};

uint64_t ftp_planner_search_cap(const struct ftp_planner_search *s, uint32_t n_after)
{
	return s->tables->problem->schedule == FTP_PLANNER_FLUSH ? s->limit_ns
								 : s->limit_ns * (n_after + 1);
}

uint32_t ftp_planner_search_end(const struct ftp_planner_search *s,
	const struct ftp_planner_space *space, const struct ftp_planner_state *state,
	uint32_t first)
{
	const struct ftp_planner_tables *t = s->tables;
	const struct ftp_planner_problem *p = t->problem;
	uint32_t node = space->order[state->at];
	uint32_t fit = t->fit_end[(node * p->n_nodes + state->n_after) * p->n_units + first];
	uint32_t time = t->time_end[node * p->n_units + first];

	return fit < time ? fit : time;
}

static void limit_times(struct ftp_planner_search *s)
{
	const struct ftp_planner_tables *t = s->tables;
	uint32_t n_units = t->problem->n_units;

	for (uint32_t v = 0; v < t->problem->n_nodes; v++)
		for (uint32_t i = 0, end = 0; i < n_units; i++) {
			end = end > i ? end : i;
			while (end < n_units &&
				ftp_planner_busy_ns(t, v, i, end + 1) <= s->limit_ns)
				end++;
			t->time_end[v * n_units + i] = (uint16_t)end;
		}
}

/* table: of what follows; hops count for times, not for bytes. */
static void fill_after(struct ftp_planner_search *s, const struct ftp_planner_space *space,
	const struct ftp_planner_state *state, const uint64_t *table, bool timed, struct row *row)
{
	const struct ftp_planner_tables *t = s->tables;
	uint32_t n_units = t->problem->n_units, n;
	struct ftp_planner_state after[FTP_PLANNER_MAX_NODES];
	uint32_t last = n_units - (state->n_after < n_units ? state->n_after : n_units);

	for (uint32_t j = 0; j <= n_units; j++)
		row->after[j] = FTP_PLANNER_NEVER;
	row->first_end = row->last_end = n_units;
	if (!state->n_after) {
		row->after[n_units] = 0;
		return;
	}
	n = ftp_planner_space_after(space, state, after);
	for (uint32_t a = 0; a < n; a++) {
		const uint64_t *next = table + ftp_planner_space_row(space, &after[a]) * n_units;
		const struct ftp_planner_hop *hops =
			t->hops + (space->order[state->at] * t->problem->n_nodes +
					  space->order[after[a].at]) *
					  n_units;

		for (uint32_t j = 1; j <= last; j++) {
			uint64_t value = next[j] + (timed ? hops[j].path_ns : 0);

			if (hops[j].busy_ns <= s->limit_ns && value < row->after[j])
				row->after[j] = value;
		}
	}
	s->work += (uint64_t)n * last;
	row->first_end = 1;
	while (row->first_end <= last && row->after[row->first_end] == FTP_PLANNER_NEVER)
		row->first_end++;
	row->last_end = last;
	while (row->last_end >= row->first_end && row->after[row->last_end] == FTP_PLANNER_NEVER)
		row->last_end--;
}

static uint64_t least_from(const struct row *row, uint32_t first, uint32_t end, uint64_t *work)
{
	uint64_t least = FTP_PLANNER_NEVER;
	uint32_t j = first + 1 > row->first_end ? first + 1 : row->first_end;

	if (end > row->last_end)
		end = row->last_end;
	*work += j <= end ? end - j + 1 : 1;
	for (; j <= end; j++) {
		uint64_t own = row->until[j] - row->until[first];
		uint64_t value = own + row->after[j];

		if (value < own * row->times)
			value = own * row->times;
		if (value < least)
			least = value;
	}
	return least <= row->cap ? least : FTP_PLANNER_NEVER;
}

/* Of a whole plan: in a flush the first stage's update ends the step. */
static uint64_t least_whole(const struct ftp_planner_search *s, const struct row *row, uint32_t end)
{
	const struct ftp_planner_tables *t = s->tables;
	uint64_t least = FTP_PLANNER_NEVER;

	for (uint32_t j = row->first_end; j <= end && j <= row->last_end; j++) {
		uint64_t value = row->until[j] + row->after[j];

		if (value < row->until[j] * row->times)
			value = row->until[j] * row->times;
		if (t->problem->schedule == FTP_PLANNER_FLUSH)
			value += ftp_planner_update_ns(t, 0, 0, j);
		if (value < least)
			least = value;
	}
	return least <= row->cap ? least : FTP_PLANNER_NEVER;
}

static void fill_times(struct ftp_planner_search *s, const struct ftp_planner_space *space,
	const struct ftp_planner_state *state)
{
	const struct ftp_planner_tables *t = s->tables;
	const struct ftp_planner_problem *p = t->problem;
	const struct ftp_planner_sums *sums = &t->nodes[space->order[state->at]];
	bool flush = p->schedule == FTP_PLANNER_FLUSH;
	uint64_t *out = t->value_ns + ftp_planner_space_row(space, state) * p->n_units;
	struct row row;

	row.until = flush ? sums->micro_ns : sums->busy_ns;
	row.times = flush ? p->micro_batches : 0;
	row.cap = ftp_planner_search_cap(s, state->n_after);
	fill_after(s, space, state, t->value_ns, true, &row);
	if (!state->at) {
		out[0] = least_whole(s, &row, ftp_planner_search_end(s, space, state, 0));
		return;
	}
	out[0] = FTP_PLANNER_NEVER;
	for (uint32_t i = 1; i < p->n_units; i++)
		out[i] = least_from(&row, i, ftp_planner_search_end(s, space, state, i), &s->work);
}

uint64_t ftp_planner_search_values(struct ftp_planner_search *s,
	const struct ftp_planner_space *space, struct ftp_planner_state *whole)
{
	const struct ftp_planner_tables *t = s->tables;
	uint64_t least = FTP_PLANNER_NEVER;
	struct ftp_planner_state state;

	limit_times(s);
	for (bool more = ftp_planner_space_next(space, false, &state); more;
		more = ftp_planner_space_next(space, true, &state)) {
		size_t row = ftp_planner_space_row(space, &state) * t->problem->n_units;

		fill_times(s, space, &state);
		if (!state.at && t->value_ns[row] < least) {
			least = t->value_ns[row];
			*whole = state;
		}
	}
	return least;
}

void ftp_planner_search_moves(struct ftp_planner_search *s, const struct ftp_planner_space *space)
{
	const struct ftp_planner_tables *t = s->tables;
	uint32_t n_units = t->problem->n_units;
	struct ftp_planner_state state;

	for (bool more = ftp_planner_space_next(space, false, &state); more;
		more = ftp_planner_space_next(space, true, &state)) {
		size_t at = ftp_planner_space_row(space, &state) * n_units;
		struct row row = {.until = t->moved_bytes[space->order[state.at]],
			.cap = FTP_PLANNER_NEVER - 1};

		fill_after(s, space, &state, t->least_bytes, false, &row);
		for (uint32_t i = 0; i < (state.at ? n_units : 1); i++)
			t->least_bytes[at + i] =
				t->value_ns[at + i] == FTP_PLANNER_NEVER
					? FTP_PLANNER_NEVER
					: least_from(&row, i,
						  ftp_planner_search_end(s, space, &state, i),
						  &s->work);
	}
}

/* No plan has a shorter step: some node runs the longest unit, and all together run every unit. */
static uint64_t lower_bound(
	const struct ftp_planner_search *s, const struct ftp_planner_space *space)
{
	const struct ftp_planner_tables *t = s->tables;
	uint64_t longest = 0, total = 0;

	for (uint32_t i = 0; i < t->problem->n_units; i++) {
		uint64_t least = UINT64_MAX;

		for (uint32_t at = 0; at < space->n; at++) {
			uint64_t ns = ftp_planner_busy_ns(t, space->order[at], i, i + 1);

			least = ns < least ? ns : least;
		}
		longest = least > longest ? least : longest;
		total += least;
	}
	total /= space->n;
	return longest > total ? longest : total;
}

bool ftp_planner_search_improve(struct ftp_planner_search *s, const struct ftp_planner_space *space)
{
	uint64_t low = lower_bound(s, space);
	bool improved = false;

	/* First whether there is anything to gain, then by halves. */
	s->limit_ns = s->step_ns > LONGEST_NS ? LONGEST_NS : s->step_ns - 1;
	while (low < s->step_ns) {
		struct ftp_planner_state whole;
		uint64_t value = ftp_planner_search_values(s, space, &whole);

		if (value == FTP_PLANNER_NEVER) {
			if (!improved)
				return false;
			low = s->limit_ns + 1;
		} else {
			ftp_planner_walk_least(s, space, &whole, value, &s->best);
			s->step_ns = ftp_planner_predict_step(s->tables, &s->best);
			ftp_assert(s->step_ns <= s->limit_ns);
			improved = true;
		}
		s->limit_ns = low + (s->step_ns - low) / 2;
	}
	return improved;
}
