#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ctl/coordinator_state.h"
#include "ctl/cuts.h"
#include "ctl/planner.h"

int ftp_coordinator_isa_rank(const char *isa)
{
	static const char *const names[] = {"sse41", "avx2", "avx512"};

	for (int i = 0; i < (int)(sizeof(names) / sizeof(*names)); i++)
		if (!strcmp(isa, names[i]))
			return i;
	return -1;
}

bool ftp_coordinator_has_data(const struct ftp_join *join)
{
	return join->dataset.high || join->dataset.low;
}

void ftp_coordinator_compare_data(
	const struct ftp_coordinator *c, uint32_t node, struct ftp_actions *a)
{
	const struct ftp_join *join = &c->nodes[node].join;

	if (join->no_data[0])
		ftp_actions_log(a, FTP_LOG_INFO,
			"%s has no data, and cannot be the central node: %s", join->name,
			join->no_data);
	else if (ftp_coordinator_has_data(join) && !ftp_digest_equal(join->dataset, c->data.digest))
		ftp_actions_log(a, FTP_LOG_WARNING,
			"%s has other data than the run, and cannot be the central node: compare "
			"training.dataset.path there",
			join->name);
}

uint64_t ftp_coordinator_with_data(const struct ftp_coordinator *c, uint64_t nodes)
{
	uint64_t with = 0;

	for (uint32_t i = 0; i < c->n_nodes; i++)
		if (nodes & FTP_NODE_BIT(i) && ftp_coordinator_has_data(&c->nodes[i].join) &&
			ftp_digest_equal(c->nodes[i].join.dataset, c->data.digest))
			with |= FTP_NODE_BIT(i);
	return with;
}

uint64_t ftp_coordinator_preferred(const struct ftp_coordinator *c, uint64_t nodes)
{
	uint64_t with = ftp_coordinator_with_data(c, nodes);
	uint64_t first = with & -with;

	return c->plan.n_stages ? first | (with & FTP_NODE_BIT(c->plan.stages[0].node)) : first;
}

uint32_t ftp_coordinator_central(const struct ftp_coordinator *c)
{
	uint64_t with = ftp_coordinator_with_data(c, UINT64_MAX);

	if (c->plan.n_stages)
		return c->plan.stages[0].node;
	return with ? (uint32_t)__builtin_ctzll(with) : FTP_NO_NODE;
}

int ftp_coordinator_check_data(
	const struct ftp_coordinator *c, uint64_t nodes, struct ftp_error *err)
{
	char who[256];

	if (ftp_coordinator_with_data(c, nodes))
		return 0;
	ftp_coordinator_list(c, ftp_coordinator_with_data(c, UINT64_MAX), who, sizeof(who));
	return ftp_error_set(err, ENODATA, "only %s has the data", who);
}

uint32_t ftp_coordinator_stage_of(const struct ftp_plan *plan, uint32_t node)
{
	for (uint32_t i = 0; i < plan->n_stages; i++)
		if (plan->stages[i].node == node)
			return i;
	return FTP_NO_NODE;
}

uint64_t ftp_coordinator_stages(const struct ftp_plan *plan)
{
	uint64_t nodes = 0;

	for (uint32_t i = 0; i < plan->n_stages; i++)
		nodes |= FTP_NODE_BIT(plan->stages[i].node);
	return nodes;
}

uint64_t ftp_coordinator_live(const struct ftp_coordinator *c)
{
	uint64_t nodes = 0;

	for (uint32_t i = 0; i < c->n_nodes; i++)
		nodes |= c->nodes[i].live ? FTP_NODE_BIT(i) : 0;
	return nodes;
}

uint64_t ftp_coordinator_usable(const struct ftp_coordinator *c)
{
	uint64_t nodes = 0;

	for (uint32_t i = 0; i < c->n_nodes; i++)
		if (c->nodes[i].live && !c->nodes[i].draining && !c->nodes[i].leaving &&
			!c->nodes[i].measuring)
			nodes |= FTP_NODE_BIT(i);
	return nodes & ~ftp_coordinator_reach_left_out(c) & ~c->recovery.shunned;
}

bool ftp_coordinator_in_force(
	const struct ftp_coordinator *c, const struct ftp_planner_plan *target)
{
	bool same = c->plan.n_stages == target->n_stages;

	for (uint32_t i = 0; same && i < target->n_stages; i++)
		same = c->plan.stages[i].node == target->node[i] &&
		       c->plan.stages[i].first_unit == target->first_unit[i];
	return same;
}

/* What the first node measured, or the first that did; without measurements what the units'
 * arithmetic suggests. */
static struct ftp_planner_times unit_times(const struct ftp_coordinator *c, uint32_t unit)
{
	const struct ftp_profile *p;
	uint32_t i = 0;

	while (i < c->n_nodes && !c->nodes[i].profiled)
		i++;
	if (i == c->n_nodes)
		return (struct ftp_planner_times){.forward_ns = 1 + c->settings.units[unit].flops};
	p = &c->nodes[i].profile;
	return (struct ftp_planner_times){.forward_ns = p->forward_ns[unit],
		.backward_ns = p->backward_ns[unit],
		.update_ns = p->update_ns[unit]};
}

void ftp_coordinator_plan_nodes(
	const struct ftp_coordinator *c, uint64_t nodes, struct ftp_planner_plan *target)
{
	uint32_t central = (uint32_t)__builtin_ctzll(ftp_coordinator_with_data(c, nodes));

	target->node[0] = central;
	target->n_stages = 1;
	for (uint32_t i = 0; i < c->n_nodes && target->n_stages < c->settings.n_units; i++)
		if (nodes & FTP_NODE_BIT(i) && i != central)
			target->node[target->n_stages++] = i;
}

int ftp_coordinator_plan_equal(
	const struct ftp_coordinator *c, struct ftp_planner_plan *target, struct ftp_error *err)
{
	struct ftp_planner_times units[FTP_PROTOCOL_MAX_UNITS];
	const struct ftp_planner_equal_problem problem = {.units = units,
		.n_units = c->settings.n_units,
		.n_stages = target->n_stages,
		.micro_batches = c->config->training.micro_batches};
	struct ftp_planner_equal_answer answer;
	int rc;

	for (uint32_t i = 0; i < c->settings.n_units; i++)
		units[i] = unit_times(c, i);
	rc = ftp_planner_equal(&problem, &answer, err);
	if (!rc)
		memcpy(target->first_unit, answer.first_unit, sizeof(target->first_unit));
	return rc;
}

int ftp_coordinator_plan_cuts(const struct ftp_coordinator *c, const char *cuts,
	struct ftp_planner_plan *target, struct ftp_error *err)
{
	uint32_t n_cuts = 0;
	int rc = ftp_cuts_parse(
		cuts, target->first_unit + 1, FTP_PLANNER_MAX_NODES - 1, &n_cuts, err);

	if (!rc)
		rc = ftp_cuts_check(
			target->first_unit + 1, n_cuts, c->settings.n_units, target->n_stages, err);
	target->first_unit[0] = 0;
	target->first_unit[target->n_stages] = c->settings.n_units;
	return rc;
}

/* Who was not measured yet is left out if the others can do without: its turn comes once it is. */
static int plan_best(
	const struct ftp_coordinator *c, struct ftp_planner_plan *target, struct ftp_error *err)
{
	uint64_t nodes = ftp_coordinator_usable(c), measured = 0;
	struct ftp_planner_answer answer;
	int rc;

	for (uint32_t i = 0; i < c->n_nodes; i++)
		measured |= c->nodes[i].profiled ? nodes & FTP_NODE_BIT(i) : 0;
	if (measured == nodes || !ftp_coordinator_with_data(c, measured))
		rc = ftp_coordinator_best(c, nodes, NULL, &answer, err);
	else
		rc = ftp_coordinator_best(c, measured, NULL, &answer, err) ? -ENODATA : 0;
	*target = answer.plan;
	return rc;
}

void ftp_coordinator_plan_first(struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a)
{
	const char *cuts = c->config->training.cuts;
	struct ftp_planner_plan target;
	struct ftp_error err;
	int rc;

	ftp_coordinator_plan_nodes(c, ftp_coordinator_usable(c), &target);
	if (c->n_nodes > 1 && !strcmp(cuts, "auto"))
		rc = plan_best(c, &target, &err);
	else if (ftp_cuts_measured(cuts))
		rc = ftp_coordinator_plan_equal(c, &target, &err);
	else
		rc = ftp_coordinator_plan_cuts(c, cuts, &target, &err);
	if (rc)
		ftp_coordinator_suspect(
			c, FTP_EVIDENCE_CERTAIN, now_ns, a, "training.cuts: %s", err.text);
	else
		ftp_coordinator_change_begin(
			c, FTP_CAUSE_START, "the run begins", &target, now_ns, a);
}

int ftp_coordinator_plan_again(
	const struct ftp_coordinator *c, struct ftp_planner_plan *target, struct ftp_error *err)
{
	int rc = ftp_coordinator_check_data(c, ftp_coordinator_usable(c), err);

	if (rc)
		return rc;
	if (!strcmp(c->config->training.cuts, "auto"))
		return plan_best(c, target, err);
	ftp_coordinator_plan_nodes(c, ftp_coordinator_usable(c), target);
	return ftp_coordinator_plan_equal(c, target, err);
}
