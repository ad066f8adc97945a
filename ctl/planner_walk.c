#include "ctl/planner_walk.h"

#include <string.h>

#include "ctl/planner_predict.h"

#define MAX_STEPS (UINT32_C(1) << 21)

struct walk {
	struct ftp_planner_search *s;
	const struct ftp_planner_space *space;
	bool settle; /* else the first plan found will do */
	bool moves;  /* least_bytes is filled */
	uint32_t steps_left;
	struct ftp_planner_plan plan, best;
	uint64_t best_bytes;
};

struct place { /* a stage about to be added to walk.plan */
	struct ftp_planner_state state;
	uint32_t stage, first;
	uint64_t budget_ns;   /* for the suffix that it begins */
	uint64_t moved_bytes; /* before it */
};

/* The stages up to `stage` of plan come before those of best: where they first differ, in (cut,
 * node). 0: they do not differ. */
static int compare_start(const struct walk *w, uint32_t stage)
{
	for (uint32_t s = 0; s <= stage; s++) {
		if (w->plan.first_unit[s] != w->best.first_unit[s])
			return w->plan.first_unit[s] < w->best.first_unit[s] ? -1 : 1;
		if (w->plan.node[s] != w->best.node[s])
			return w->plan.node[s] < w->best.node[s] ? -1 : 1;
	}
	return 0;
}

/* With at least so many bytes moved and stages up to `stage` as they are, plan may still win. */
static bool may_win(const struct walk *w, uint64_t bytes, uint32_t stage)
{
	int order;

	if (!w->settle)
		return true;
	if (bytes != w->best_bytes)
		return bytes < w->best_bytes;
	if (w->plan.n_stages != w->best.n_stages)
		return w->plan.n_stages < w->best.n_stages;
	order = compare_start(w, stage);
	return order < 0 || (!order && stage + 1 < w->plan.n_stages);
}

/* What is left for the stages after one that ends at `end`, next is one of them, hop_ns away: the
 * inverse of ftp_planner_span_own_ns() and _trip_ns(). NEVER: nothing. */
static uint64_t left_in_span(const struct ftp_planner_span *span, uint64_t forward_ns,
	uint64_t backward_ns, uint64_t hop_ns, uint64_t budget_ns)
{
	uint64_t all_ns = span->micro_batches * (forward_ns + backward_ns), wait_ns, trip_ns;
	uint64_t fill_ns = (span->in_flight - 1) * forward_ns;
	uint64_t drain_ns = (span->in_flight - 1) * backward_ns;
	uint64_t low_ns = fill_ns < drain_ns ? fill_ns : drain_ns;
	uint64_t high_ns = fill_ns < drain_ns ? drain_ns : fill_ns;

	if (all_ns > budget_ns)
		return FTP_PLANNER_NEVER;
	wait_ns = budget_ns - all_ns;
	trip_ns = low_ns + wait_ns;
	if (span->in_flight < span->micro_batches && wait_ns > high_ns - low_ns)
		trip_ns = (wait_ns + low_ns + high_ns) / 2;
	if (!span->n_after || trip_ns < hop_ns)
		return span->n_after ? FTP_PLANNER_NEVER : 0;
	return (uint64_t)(((unsigned __int128)(trip_ns - hop_ns + 1) *
					  (span->micro_batches + span->n_after - 1) -
				  1) /
			  span->n_after);
}

static uint64_t left_for_next(const struct walk *w, const struct place *p, uint32_t end,
	const struct ftp_planner_hop *hop)
{
	const struct ftp_planner_tables *t = w->s->tables;
	uint32_t node = w->space->order[p->state.at];
	bool flush = t->problem->schedule == FTP_PLANNER_FLUSH;
	uint64_t micro_ns = ftp_planner_micro_ns(t, node, p->first, end);
	uint64_t forward_ns = ftp_planner_forward_ns(t, node, p->first, end);
	uint64_t busy_ns = ftp_planner_busy_ns(t, node, p->first, end);
	uint64_t update_ns = p->stage ? 0 : ftp_planner_update_ns(t, node, p->first, end);
	struct ftp_planner_span span =
		ftp_planner_span_of(t->problem->micro_batches, p->state.n_after);
	uint64_t hop_ns = hop->path_ns;
	uint64_t left_ns = p->budget_ns - micro_ns - update_ns - hop_ns, span_ns;

	if (micro_ns + update_ns + hop_ns > p->budget_ns)
		return FTP_PLANNER_NEVER;
	if (!flush) {
		uint64_t cap_ns = ftp_planner_search_cap(w->s, p->state.n_after);
		uint64_t beside_ns = hop_ns + (busy_ns > hop->late_ns ? busy_ns : hop->late_ns);

		if (beside_ns > cap_ns)
			return FTP_PLANNER_NEVER;
		return cap_ns - beside_ns < left_ns ? cap_ns - beside_ns : left_ns;
	}
	span_ns = left_in_span(
		&span, forward_ns, micro_ns - forward_ns, hop_ns, p->budget_ns - update_ns);
	return span_ns == FTP_PLANNER_NEVER || span_ns < left_ns ? span_ns : left_ns;
}

static bool descend(struct walk *w, const struct place *p);

/* true: that was enough. */
static bool descend_to(struct walk *w, const struct place *p, uint32_t end, uint64_t moved_bytes,
	const struct ftp_planner_state *next)
{
	const struct ftp_planner_tables *t = w->s->tables;
	uint32_t node = w->space->order[next->at], n_units = t->problem->n_units;
	const struct ftp_planner_hop *hop =
		t->hops + (w->space->order[p->state.at] * t->problem->n_nodes + node) * n_units +
		end;
	size_t row = ftp_planner_space_row(w->space, next) * n_units + end;
	struct place q = {*next, p->stage + 1, end, 0, moved_bytes};
	uint64_t cap_ns = ftp_planner_search_cap(w->s, next->n_after);
	uint64_t left_ns = left_for_next(w, p, end, hop);

	if (hop->busy_ns > w->s->limit_ns || left_ns == FTP_PLANNER_NEVER ||
		t->value_ns[row] > left_ns)
		return false;
	q.budget_ns = left_ns < cap_ns ? left_ns : cap_ns;
	w->plan.node[q.stage] = node;
	w->plan.first_unit[q.stage] = end;
	if (!may_win(w, moved_bytes + (w->moves ? t->least_bytes[row] : 0), q.stage))
		return false;
	return descend(w, &q);
}

static bool descend(struct walk *w, const struct place *p)
{
	static const struct ftp_planner_hop no_hop;
	const struct ftp_planner_tables *t = w->s->tables;
	const uint64_t *moved = t->moved_bytes[w->space->order[p->state.at]];
	uint32_t last = ftp_planner_search_end(w->s, w->space, &p->state, p->first);
	struct ftp_planner_state after[FTP_PLANNER_MAX_NODES];
	uint32_t n = ftp_planner_space_after(w->space, &p->state, after);
	uint32_t end = n ? p->first + 1 : t->problem->n_units;

	for (; end <= last; end++) {
		uint64_t bytes = p->moved_bytes + moved[end] - moved[p->first];

		if (!w->steps_left--) {
			w->steps_left = 0;
			return true;
		}
		if (left_for_next(w, p, end, &no_hop) == FTP_PLANNER_NEVER)
			return false;
		if (!n) {
			w->best = w->plan;
			w->best_bytes = bytes;
			return !w->settle;
		}
		for (uint32_t a = 0; a < n && end < t->problem->n_units; a++)
			if (descend_to(w, p, end, bytes, &after[a]))
				return true;
	}
	return false;
}

static bool begin(struct walk *w, const struct ftp_planner_state *whole, uint64_t budget_ns)
{
	const struct ftp_planner_tables *t = w->s->tables;
	size_t row = ftp_planner_space_row(w->space, whole) * t->problem->n_units;
	struct place p = {.state = *whole, .budget_ns = budget_ns};

	w->plan.n_stages = whole->n_after + 1;
	w->plan.node[0] = w->space->order[whole->at];
	w->plan.first_unit[w->plan.n_stages] = t->problem->n_units;
	return t->value_ns[row] <= budget_ns && may_win(w, w->moves ? t->least_bytes[row] : 0, 0) &&
	       descend(w, &p);
}

void ftp_planner_walk_least(struct ftp_planner_search *s, const struct ftp_planner_space *space,
	const struct ftp_planner_state *whole, uint64_t value, struct ftp_planner_plan *plan)
{
	struct walk w = {.s = s, .space = space, .steps_left = UINT32_MAX};

	ftp_assert(begin(&w, whole, value));
	*plan = w.best;
}

void ftp_planner_walk_settle(struct ftp_planner_search *s, const struct ftp_planner_space *space)
{
	const struct ftp_planner_tables *t = s->tables;
	struct ftp_planner_state state, least = {0};
	struct walk w = {.s = s,
		.space = space,
		.settle = true,
		.moves = t->has_current,
		.steps_left = MAX_STEPS,
		.best = s->best,
		.best_bytes = ftp_planner_predict_moved(t, &s->best)};
	uint64_t least_bytes = FTP_PLANNER_NEVER;

	s->limit_ns = s->step_ns;
	if (ftp_planner_search_values(s, space, &state) == FTP_PLANNER_NEVER)
		return;
	if (w.moves)
		ftp_planner_search_moves(s, space);
	/* The most promising set first: what it yields cuts the others short. */
	for (bool more = ftp_planner_space_next(space, false, &state); more && w.moves;
		more = ftp_planner_space_next(space, true, &state)) {
		size_t row = ftp_planner_space_row(space, &state) * t->problem->n_units;

		if (ftp_planner_space_begins(space, &state) && t->least_bytes[row] < least_bytes) {
			least_bytes = t->least_bytes[row];
			least = state;
		}
	}
	if (least_bytes != FTP_PLANNER_NEVER)
		begin(&w, &least, ftp_planner_search_cap(s, least.n_after));
	for (bool more = ftp_planner_space_next(space, false, &state); more;
		more = ftp_planner_space_next(space, true, &state))
		if (ftp_planner_space_begins(space, &state))
			begin(&w, &state, ftp_planner_search_cap(s, state.n_after));
	s->best = w.best;
}
