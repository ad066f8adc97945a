#include "ctl/planner_search.h"

#include <string.h>

#include "ctl/planner_fit.h"
#include "ctl/planner_predict.h"
#include "ctl/planner_walk.h"

/* No step is longer: see the bounds in planner_tables.c. A window's cap, 64 times it, still fits.
 */
#define LONGEST_NS (UINT64_C(1) << 57)

/* What may follow a stage that ends at some unit: of those no worse in both. */
struct option {
	uint64_t sum;  /* adds to what the stage itself takes */
	uint64_t trip; /* of a flush: what it may have to wait for */
};

/* One row of a table: least over the end of the stage and what follows it. */
struct row {
	const uint64_t *until;	       /* the stage's own part is until[end] - until[first] */
	const uint64_t *forward_until; /* of a flush; else NULL */
	const uint64_t *busy_until;    /* of 1f1b, what the stage's window holds; else NULL */
	struct ftp_planner_span span;
	uint64_t cap;
	struct option after[FTP_PLANNER_MAX_NODES][FTP_PLANNER_MAX_UNITS + 1]; /* [option][end] */
	uint8_t n_after[FTP_PLANNER_MAX_UNITS + 1];
	uint32_t first_end, last_end; /* where there is an option */
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

static void add_option(struct row *row, uint32_t end, uint64_t sum, uint64_t trip)
{
	uint32_t n = 0;

	for (uint32_t o = 0; o < row->n_after[end]; o++)
		if (row->after[o][end].sum <= sum && row->after[o][end].trip <= trip)
			return;
	for (uint32_t o = 0; o < row->n_after[end]; o++)
		if (row->after[o][end].sum < sum || row->after[o][end].trip < trip)
			row->after[n++][end] = row->after[o][end];
	row->after[n++][end] = (struct option){sum, trip};
	row->n_after[end] = (uint8_t)n;
	row->first_end = end < row->first_end ? end : row->first_end;
	row->last_end = end > row->last_end ? end : row->last_end;
}

/* times: and hops count; else moved bytes. */
static void fill_after(struct ftp_planner_search *s, const struct ftp_planner_space *space,
	const struct ftp_planner_state *state, bool times, struct row *row)
{
	const struct ftp_planner_tables *t = s->tables;
	uint32_t n_units = t->problem->n_units, n;
	struct ftp_planner_state after[FTP_PLANNER_MAX_NODES];

	memset(row->n_after, 0, n_units + 1);
	row->first_end = n_units;
	row->last_end = 0;
	if (!state->n_after) {
		add_option(row, n_units, 0, 0);
		return;
	}
	n = ftp_planner_space_after(space, state, after);
	for (uint32_t a = 0; a < n; a++) {
		size_t next = ftp_planner_space_row(space, &after[a]);
		const uint64_t *values = (times ? t->value_ns : t->least_bytes) + next * n_units;
		const uint64_t *trips = t->trip_ns + next * n_units;
		const struct ftp_planner_hop *hops =
			t->hops + (space->order[state->at] * t->problem->n_nodes +
					  space->order[after[a].at]) *
					  n_units;

		s->work += 1u + t->reach[next][1];
		for (uint32_t j = t->reach[next][0]; j <= t->reach[next][1]; j++) {
			uint64_t hop_ns = times ? hops[j].path_ns : 0;
			uint64_t sum = values[j] + hop_ns;
			uint64_t beside_ns = row->busy_until ? hops[j].late_ns : t->ahead_ns[j];

			if (sum + (times ? beside_ns : 0) <= row->cap &&
				hops[j].busy_ns <= s->limit_ns)
				add_option(row, j, sum, row->forward_until ? trips[j] + hop_ns : 0);
		}
	}
}

/* The least for a stage [first, end), if that is less than least. */
static uint64_t least_of(
	const struct row *row, uint32_t first, uint32_t end, uint64_t least, uint64_t *work)
{
	uint64_t own = row->until[end] - row->until[first];

	*work += row->n_after[end];
	for (uint32_t o = 0; o < row->n_after[end]; o++) {
		const struct option *option = &row->after[o][end];
		uint64_t value = own + option->sum;

		if (row->busy_until &&
			row->busy_until[end] - row->busy_until[first] + option->sum > row->cap)
			continue;
		if (row->forward_until && value < least) {
			uint64_t forward = row->forward_until[end] - row->forward_until[first];
			uint64_t span_ns = ftp_planner_span_own_ns(
				&row->span, forward, own - forward, option->trip);

			value = span_ns > value ? span_ns : value;
		}
		least = value < least ? value : least;
	}
	return least;
}

/* For any stage that starts at first and ends at most at `end`, if that is at most cap. */
static uint64_t least_from(
	const struct row *row, uint32_t first, uint32_t end, uint64_t cap, uint64_t *work)
{
	uint64_t least = cap + 1;
	uint32_t j = first + 1 > row->first_end ? first + 1 : row->first_end;

	if (end > row->last_end)
		end = row->last_end;
	for (; j <= end; j++)
		least = least_of(row, first, j, least, work);
	*work += 1;
	return least <= cap ? least : FTP_PLANNER_NEVER;
}

/* Of a whole plan, the first stage's update included: in a flush it ends the step, in 1f1b the
 * first window holds it. */
static uint64_t least_whole(
	const struct ftp_planner_search *s, const struct row *row, uint32_t node, uint32_t end)
{
	const struct ftp_planner_tables *t = s->tables;
	uint64_t least = FTP_PLANNER_NEVER, work = 0;

	for (uint32_t j = row->first_end; j <= end && j <= row->last_end; j++) {
		uint64_t value = least_of(row, 0, j, FTP_PLANNER_NEVER, &work) +
				 ftp_planner_update_ns(t, node, 0, j);

		least = value < least ? value : least;
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
	size_t at = ftp_planner_space_row(space, state);
	uint64_t *out = t->value_ns + at * p->n_units;
	uint16_t *reach = t->reach[at];
	struct row row;

	row.until = sums->micro_ns;
	row.forward_until = flush ? sums->forward_ns : NULL;
	row.busy_until = flush ? NULL : sums->busy_ns;
	row.span = ftp_planner_span_of(p->micro_batches, state->n_after);
	row.cap = ftp_planner_search_cap(s, state->n_after);
	fill_after(s, space, state, true, &row);
	out[0] = FTP_PLANNER_NEVER;
	if (ftp_planner_space_begins(space, state))
		out[0] = least_whole(s, &row, space->order[state->at],
			ftp_planner_search_end(s, space, state, 0));
	reach[0] = 1;
	reach[1] = 0;
	if (!ftp_planner_space_follows(space, state))
		return;
	for (uint32_t i = 1; i < p->n_units; i++) {
		out[i] = FTP_PLANNER_NEVER;
		if (t->ahead_ns[i] <= row.cap)
			out[i] = least_from(&row, i, ftp_planner_search_end(s, space, state, i),
				row.cap - t->ahead_ns[i], &s->work);
		if (out[i] == FTP_PLANNER_NEVER)
			continue;
		if (flush)
			t->trip_ns[at * p->n_units + i] =
				ftp_planner_span_trip_ns(&row.span, out[i]);
		reach[0] = reach[1] ? reach[0] : (uint16_t)i;
		reach[1] = (uint16_t)i;
	}
}

/* No plan of whole's kind under the same limit has a shorter step. */
static uint64_t step_bound(
	const struct ftp_planner_search *s, const struct ftp_planner_state *whole, uint64_t value)
{
	return s->tables->problem->schedule == FTP_PLANNER_FLUSH
		       ? value
		       : (value + whole->n_after) / (whole->n_after + 1);
}

uint64_t ftp_planner_search_values(struct ftp_planner_search *s,
	const struct ftp_planner_space *space, struct ftp_planner_state *whole)
{
	const struct ftp_planner_tables *t = s->tables;
	uint64_t least = FTP_PLANNER_NEVER, value = FTP_PLANNER_NEVER;
	struct ftp_planner_state state;

	limit_times(s);
	for (bool more = ftp_planner_space_next(space, false, &state); more;
		more = ftp_planner_space_next(space, true, &state)) {
		size_t row = ftp_planner_space_row(space, &state) * t->problem->n_units;

		fill_times(s, space, &state);
		if (t->value_ns[row] == FTP_PLANNER_NEVER ||
			step_bound(s, &state, t->value_ns[row]) >= least)
			continue;
		value = t->value_ns[row];
		least = step_bound(s, &state, value);
		*whole = state;
	}
	return value;
}

void ftp_planner_search_moves(struct ftp_planner_search *s, const struct ftp_planner_space *space)
{
	const struct ftp_planner_tables *t = s->tables;
	uint32_t n_units = t->problem->n_units;
	struct ftp_planner_state state;

	for (bool more = ftp_planner_space_next(space, false, &state); more;
		more = ftp_planner_space_next(space, true, &state)) {
		size_t at = ftp_planner_space_row(space, &state) * n_units;
		bool follows = ftp_planner_space_follows(space, &state);
		struct row row;

		row.until = t->moved_bytes[space->order[state.at]];
		row.forward_until = NULL;
		row.busy_until = NULL;
		row.cap = FTP_PLANNER_NEVER - 1;
		fill_after(s, space, &state, false, &row);
		for (uint32_t i = 0; i < (follows ? n_units : 1); i++)
			t->least_bytes[at + i] =
				t->value_ns[at + i] == FTP_PLANNER_NEVER
					? FTP_PLANNER_NEVER
					: least_from(&row, i,
						  ftp_planner_search_end(s, space, &state, i),
						  row.cap, &s->work);
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

/* Whether there is a plan under limit_ns; best becomes one. Then and otherwise *low is raised: a
 * lower limit leaves fewer plans. */
static bool improve_once(
	struct ftp_planner_search *s, const struct ftp_planner_space *space, uint64_t *low)
{
	struct ftp_planner_state whole;
	uint64_t value = ftp_planner_search_values(s, space, &whole);
	uint64_t bound = s->limit_ns + 1;

	if (value != FTP_PLANNER_NEVER) {
		ftp_planner_walk_least(s, space, &whole, value, &s->best);
		s->step_ns = ftp_planner_predict_step(s->tables, &s->best);
		ftp_assert(s->step_ns <= s->limit_ns);
		bound = step_bound(s, &whole, value);
	}
	*low = bound > *low ? bound : *low;
	return value != FTP_PLANNER_NEVER;
}

/* The first plan: from below, where little fits under the limit and the answer comes fast. */
static bool find_first(
	struct ftp_planner_search *s, const struct ftp_planner_space *space, uint64_t *low)
{
	uint64_t above = *low / 8 + 1;

	if (!ftp_planner_fit_any(s->tables, space, NULL))
		return false;
	for (s->limit_ns = *low + above; !improve_once(s, space, low); above *= 2) {
		ftp_assert(s->limit_ns < LONGEST_NS);
		s->limit_ns = above < LONGEST_NS - *low ? *low + above : LONGEST_NS;
	}
	return true;
}

bool ftp_planner_search_improve(struct ftp_planner_search *s, const struct ftp_planner_space *space)
{
	uint64_t low = lower_bound(s, space), enough;
	bool at_once = false;

	if (s->step_ns == UINT64_MAX) {
		if (!find_first(s, space, &low))
			return false;
	} else {
		s->limit_ns = s->step_ns - 1;
		if (low >= s->step_ns || !improve_once(s, space, &low))
			return false;
	}
	/* By halves; but near the end a new plan is often the best, and one "no" shows it. */
	enough = s->roughly ? s->step_ns / 1024 : 0;
	while (low + enough < s->step_ns) {
		s->limit_ns = at_once ? s->step_ns - 1 : low + (s->step_ns - low) / 2;
		at_once = improve_once(s, space, &low) && !at_once &&
			  s->step_ns - low < s->step_ns / 16;
	}
	return true;
}
