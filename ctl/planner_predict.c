#include "ctl/planner_predict.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/planner_fit.h"

struct step {
	uint64_t ns;
	enum ftp_planner_bottleneck bottleneck;
	uint32_t index;
};

int ftp_planner_predict_check(const struct ftp_planner_problem *problem,
	const struct ftp_planner_plan *plan, struct ftp_error *err)
{
	uint64_t used = 0;

	if (!plan->n_stages || plan->n_stages > problem->n_nodes)
		return ftp_error_set(err, EINVAL, "plan: expected 1 to %u stages, got %u",
			problem->n_nodes, plan->n_stages);
	if (plan->first_unit[0] || plan->first_unit[plan->n_stages] != problem->n_units)
		return ftp_error_set(
			err, EINVAL, "plan: stages do not cover the %u units", problem->n_units);
	for (uint32_t s = 0; s < plan->n_stages; s++) {
		if (plan->node[s] >= problem->n_nodes || used >> plan->node[s] & 1)
			return ftp_error_set(err, EINVAL,
				"plan: stage %u is on node %u, which is unknown or has another "
				"stage",
				s, plan->node[s]);
		if (plan->first_unit[s] >= plan->first_unit[s + 1])
			return ftp_error_set(err, EINVAL, "plan: stage %u has no unit", s);
		used |= UINT64_C(1) << plan->node[s];
	}
	if (!((problem->first | problem->heirs) >> plan->node[0] & 1))
		return ftp_error_set(err, EINVAL, "plan: stage 0 is on a node without the data");
	return 0;
}

static void raise_to(
	struct step *step, uint64_t ns, enum ftp_planner_bottleneck bottleneck, uint32_t index)
{
	if (ns > step->ns)
		*step = (struct step){ns, bottleneck, index};
}

static struct ftp_planner_hop hop_after(
	const struct ftp_planner_tables *t, const struct ftp_planner_plan *plan, uint32_t s)
{
	if (s + 1 == plan->n_stages)
		return (struct ftp_planner_hop){0};
	return ftp_planner_tables_hop(t, plan->node[s], plan->node[s + 1], plan->first_unit[s + 1]);
}

/* A stage is busy with its micro-batches and update, a link direction with its transfers: no step
 * is shorter. */
static void by_part(
	const struct ftp_planner_tables *t, const struct ftp_planner_plan *plan, struct step *step)
{
	for (uint32_t s = 0; s < plan->n_stages; s++)
		raise_to(step,
			ftp_planner_busy_ns(
				t, plan->node[s], plan->first_unit[s], plan->first_unit[s + 1]),
			FTP_BOTTLENECK_STAGE, s);
	for (uint32_t s = 0; s + 1 < plan->n_stages; s++)
		raise_to(step, hop_after(t, plan, s).busy_ns, FTP_BOTTLENECK_LINK, s + 1);
}

/* The flush. The stage that decides is the first whose own span is that of its suffix. */
static void by_span(
	const struct ftp_planner_tables *t, const struct ftp_planner_plan *plan, struct step *step)
{
	uint64_t span_ns = 0, trip_ns = 0, filled_ns = 0, update_ns;
	uint32_t decides = 0;

	for (uint32_t s = plan->n_stages; s-- > 0;) {
		uint32_t node = plan->node[s], n_after = plan->n_stages - 1 - s;
		uint32_t first = plan->first_unit[s], end = plan->first_unit[s + 1];
		struct ftp_planner_span span =
			ftp_planner_span_of(t->problem->micro_batches, n_after);
		uint64_t micro_ns = ftp_planner_micro_ns(t, node, first, end);
		uint64_t forward_ns = ftp_planner_forward_ns(t, node, first, end);
		uint64_t hop_ns = hop_after(t, plan, s).path_ns;
		uint64_t own_ns = ftp_planner_span_own_ns(
			&span, forward_ns, micro_ns - forward_ns, hop_ns + trip_ns);

		span_ns += micro_ns + hop_ns;
		if (own_ns >= span_ns) {
			span_ns = own_ns;
			filled_ns = t->problem->micro_batches * micro_ns;
			decides = s;
		}
		trip_ns = ftp_planner_span_trip_ns(&span, span_ns);
	}
	update_ns =
		ftp_planner_update_ns(t, plan->node[0], plan->first_unit[0], plan->first_unit[1]);
	span_ns += update_ns;
	raise_to(step, span_ns,
		span_ns - filled_ns > filled_ns ? FTP_BOTTLENECK_PATH : FTP_BOTTLENECK_STAGE,
		decides);
}

/* Stage s has at most w = n_stages - s micro-batches on their way through the stages from s on, and
 * begins a step with the weights of w steps before: its own update is on the way, those of later
 * stages are beside it. It has w + 1 slots: each is posted, filled, sent back and acknowledged.
 *
 * Not here: an update also waits for the forwards that must not see it. Over 24,000 drawn plans in
 * virtual time that bound changes the mean prediction by at most 0.02 %, with links and updates as
 * long as stages, and the search would have to carry more than one sum for it. */
static void by_window(
	const struct ftp_planner_tables *t, const struct ftp_planner_plan *plan, struct step *step)
{
	uint64_t path_ns = 0;

	for (uint32_t s = plan->n_stages; s-- > 0;) {
		uint32_t node = plan->node[s], window = plan->n_stages - s;
		uint32_t first = plan->first_unit[s], end = plan->first_unit[s + 1];
		struct ftp_planner_hop before =
			s ? hop_after(t, plan, s - 1) : (struct ftp_planner_hop){0};
		uint64_t round_ns;

		path_ns +=
			ftp_planner_micro_ns(t, node, first, end) + hop_after(t, plan, s).path_ns;
		round_ns = path_ns + ftp_planner_update_ns(t, node, first, end);
		raise_to(step, (round_ns + window - 1) / window, FTP_BOTTLENECK_PATH, s);
		if (!s)
			break;
		round_ns = path_ns + before.path_ns + before.late_ns;
		raise_to(step, (round_ns + window) / (window + 1), FTP_BOTTLENECK_PATH, s - 1);
	}
}

static struct step step_of(const struct ftp_planner_tables *t, const struct ftp_planner_plan *plan)
{
	struct step step = {0};

	by_part(t, plan, &step);
	if (t->problem->schedule == FTP_PLANNER_FLUSH)
		by_span(t, plan, &step);
	else
		by_window(t, plan, &step);
	return step;
}

uint64_t ftp_planner_predict_step(
	const struct ftp_planner_tables *t, const struct ftp_planner_plan *plan)
{
	return step_of(t, plan).ns;
}

static bool in_force(const struct ftp_planner_tables *t, const struct ftp_planner_plan *plan)
{
	const struct ftp_planner_plan *current = t->problem->current;

	return t->has_current && plan->n_stages == current->n_stages &&
	       !memcmp(plan->node, current->node, plan->n_stages * sizeof(plan->node[0])) &&
	       !memcmp(plan->first_unit, current->first_unit,
		       plan->n_stages * sizeof(plan->first_unit[0]));
}

static uint64_t limit_of(
	const struct ftp_planner_tables *t, const struct ftp_planner_plan *plan, uint32_t s)
{
	return in_force(t, plan) ? t->problem->nodes[plan->node[s]].memory_bytes
				 : ftp_planner_tables_limit(t, plan->node[s]);
}

int ftp_planner_predict_fits(const struct ftp_planner_tables *t,
	const struct ftp_planner_plan *plan, struct ftp_error *err)
{
	char text[24];

	for (uint32_t s = 0; s < plan->n_stages; s++) {
		uint64_t bytes = ftp_planner_tables_room(
			t, plan->n_stages - 1 - s, plan->first_unit[s], plan->first_unit[s + 1]);

		if (bytes > limit_of(t, plan, s))
			return ftp_error_set(err, ENOSPC,
				"plan: stage %u needs %llu bytes on %s, which has %llu", s,
				(unsigned long long)bytes,
				ftp_planner_fit_name(t->problem, plan->node[s], text),
				(unsigned long long)limit_of(t, plan, s));
	}
	return 0;
}

uint64_t ftp_planner_predict_moved(
	const struct ftp_planner_tables *t, const struct ftp_planner_plan *plan)
{
	uint64_t bytes = 0;

	for (uint32_t s = 0; s < plan->n_stages; s++)
		bytes += t->moved_bytes[plan->node[s]][plan->first_unit[s + 1]] -
			 t->moved_bytes[plan->node[s]][plan->first_unit[s]];
	return bytes;
}

/* The step time with cut s elsewhere; 0: impossible. */
static uint64_t with_cut(const struct ftp_planner_tables *t, const struct ftp_planner_plan *plan,
	uint32_t s, uint32_t cut)
{
	struct ftp_planner_plan other = *plan;

	other.first_unit[s] = cut;
	if (cut <= plan->first_unit[s - 1] || cut >= plan->first_unit[s + 1] ||
		ftp_planner_predict_fits(t, &other, NULL))
		return 0;
	return step_of(t, &other).ns;
}

void ftp_planner_predict_fill(struct ftp_planner_tables *t, const struct ftp_planner_plan *plan,
	struct ftp_planner_answer *answer)
{
	struct step step = step_of(t, plan);

	*answer = (struct ftp_planner_answer){.step_ns = step.ns,
		.bottleneck = step.bottleneck,
		.bottleneck_index = step.index,
		.move_bytes = ftp_planner_predict_moved(t, plan),
		.absorbs = ftp_planner_fit_absorbs(t, plan)};
	answer->plan.n_stages = plan->n_stages;
	for (uint32_t s = 0; s < plan->n_stages; s++) {
		answer->plan.node[s] = plan->node[s];
		answer->plan.first_unit[s] = plan->first_unit[s];
		answer->stage_ns[s] = ftp_planner_busy_ns(
			t, plan->node[s], plan->first_unit[s], plan->first_unit[s + 1]);
		answer->stage_bytes[s] = ftp_planner_tables_bytes(t, plan->n_stages - 1 - s,
						 plan->first_unit[s], plan->first_unit[s + 1]) +
					 ftp_planner_tables_copies(t, plan, s);
		answer->limit_bytes[s] = limit_of(t, plan, s);
		if (!s)
			continue;
		answer->earlier_ns[s] = with_cut(t, plan, s, plan->first_unit[s] - 1);
		answer->later_ns[s] = with_cut(t, plan, s, plan->first_unit[s] + 1);
	}
	answer->plan.first_unit[plan->n_stages] = t->problem->n_units;
}

int ftp_planner_predict(const struct ftp_planner_problem *problem,
	const struct ftp_planner_plan *plan, struct ftp_planner_answer *answer,
	struct ftp_error *err)
{
	int rc;
	struct ftp_planner_tables *t = ftp_planner_tables_new(problem, false, &rc, err);

	if (!t)
		return rc;
	rc = ftp_planner_predict_check(problem, plan, err);
	if (!rc)
		rc = ftp_planner_predict_fits(t, plan, err);
	if (!rc)
		ftp_planner_predict_fill(t, plan, answer);
	free(t);
	return rc;
}
