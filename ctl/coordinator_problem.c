/* The run as the planner sees it: what was measured, times how slow each node is now. Plans and
 * answers that leave this file name nodes by their place in the config. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/coordinator_state.h"
#include "ctl/plan_problem.h"
#include "ctl/planner_json.h"

struct view {
	struct ftp_planner_problem problem;
	struct ftp_planner_unit units[FTP_PLANNER_MAX_UNITS];
	struct ftp_planner_times times[FTP_PLANNER_MAX_NODES][FTP_PLANNER_MAX_UNITS];
	struct ftp_planner_node nodes[FTP_PLANNER_MAX_NODES];
	struct ftp_planner_link links[FTP_PLANNER_MAX_NODES * FTP_PLANNER_MAX_NODES];
	struct ftp_planner_plan current;
	uint32_t config[FTP_PLANNER_MAX_NODES]; /* of each node of the problem */
};

/* n_nodes if it is not in the view: such a plan is none of the problem. */
static uint32_t place_of(const struct view *v, uint32_t node)
{
	uint32_t i = 0;

	while (i < v->problem.n_nodes && v->config[i] != node)
		i++;
	return i;
}

/* What a unit takes is the same on every node: the first one's word. */
static void set_units(struct view *v, const struct ftp_coordinator *c)
{
	const struct ftp_profile *p = &c->nodes[v->config[0]].profile;

	for (uint32_t u = 0; u < c->settings.n_units; u++)
		v->units[u] = ftp_plan_problem_unit(
			p, u, c->settings.units[u].input_bytes, c->settings.units[u].state_bytes);
}

/* What is longer is refused by the planner. */
static uint64_t scaled(uint64_t ns, double by)
{
	double scaled_ns = (double)ns * by + 0.5;

	return scaled_ns < 0x1p62 ? (uint64_t)scaled_ns : UINT64_C(1) << 62;
}

static void set_node(struct view *v, const struct ftp_coordinator *c, uint32_t place)
{
	uint32_t node = v->config[place];
	const struct ftp_coordinator_node *n = &c->nodes[node];

	for (uint32_t u = 0; u < c->settings.n_units; u++)
		v->times[place][u] = (struct ftp_planner_times){
			.forward_ns = scaled(n->profile.forward_ns[u], n->slowness.value),
			.backward_ns = scaled(n->profile.backward_ns[u], n->slowness.value),
			.update_ns = scaled(n->profile.update_ns[u], n->slowness.value)};
	v->nodes[place] = (struct ftp_planner_node){.times = v->times[place],
		.memory_bytes = c->config->nodes[node].memory_bytes,
		.held_bytes = n->memory_bytes,
		.name = c->config->nodes[node].name};
}

/* From the config's nodes to the problem's. */
static uint64_t places_of(const struct view *v, uint64_t nodes)
{
	uint64_t places = 0;

	for (uint32_t i = 0; i < v->problem.n_nodes; i++)
		if (nodes & FTP_NODE_BIT(v->config[i]))
			places |= UINT64_C(1) << i;
	return places;
}

static void set_current(struct view *v, const struct ftp_coordinator *c)
{
	v->current.n_stages = c->plan.n_stages;
	for (uint32_t i = 0; i < c->plan.n_stages; i++) {
		v->current.node[i] = place_of(v, c->plan.stages[i].node);
		v->current.first_unit[i] = c->plan.stages[i].first_unit;
	}
	v->current.first_unit[c->plan.n_stages] = c->settings.n_units;
}

/* Of n nodes of the config, in this order; NULL: they have not all been measured. free() it. */
static struct view *view_new(
	const struct ftp_coordinator *c, const uint32_t *nodes, uint32_t n, struct ftp_error *err)
{
	struct view *v;

	if (!n)
		ftp_error_set(err, ENODATA, "no node is there");
	for (uint32_t i = 0; i < n; i++)
		if (!c->nodes[nodes[i]].profiled) {
			ftp_error_set(err, ENODATA, "%s was not measured",
				c->config->nodes[nodes[i]].name);
			return NULL;
		}
	if (!n)
		return NULL;
	v = malloc(sizeof(*v));
	ftp_assert(v);
	memcpy(v->config, nodes, n * sizeof(*nodes));
	v->problem = (struct ftp_planner_problem){.units = v->units,
		.n_units = c->settings.n_units,
		.nodes = v->nodes,
		.n_nodes = n,
		.links = v->links,
		.schedule = c->config->training.schedule == FTP_SCHEDULE_1F1B ? FTP_PLANNER_1F1B
									      : FTP_PLANNER_FLUSH,
		.micro_batches = c->config->training.micro_batches,
		.snapshots = c->config->snapshot.every > 0,
		.global_snapshots = c->config->snapshot.every && c->config->snapshot.global_every,
		.disk_snapshots = c->config->checkpoint.every > 0,
		.current = c->plan.n_stages ? &v->current : NULL};
	v->problem.heirs = places_of(v, ftp_coordinator_with_data(c, UINT64_MAX));
	v->problem.first = v->problem.heirs;
	set_units(v, c);
	for (uint32_t i = 0; i < n; i++) {
		set_node(v, c, i);
		for (uint32_t j = 0; j < n; j++)
			v->links[i * n + j] = (struct ftp_planner_link){
				.latency_ns = c->links[nodes[i]][nodes[j]].rtt_ns / 2,
				.bytes_per_s = c->links[nodes[i]][nodes[j]].bytes_per_s};
	}
	set_current(v, c);
	return v;
}

/* From the problem's nodes to the config's; all can do without a node that is not there. */
static void translate(const struct view *v, struct ftp_planner_answer *answer)
{
	uint64_t absorbs = ~UINT64_C(0);

	for (uint32_t i = 0; i < answer->plan.n_stages; i++)
		answer->plan.node[i] = v->config[answer->plan.node[i]];
	for (uint32_t i = 0; i < v->problem.n_nodes; i++)
		if (!(answer->absorbs >> i & 1))
			absorbs &= ~FTP_NODE_BIT(v->config[i]);
	answer->absorbs = absorbs;
}

static uint32_t list_of(const struct ftp_coordinator *c, uint64_t nodes, uint32_t *list)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < c->n_nodes; i++)
		if (nodes & FTP_NODE_BIT(i))
			list[n++] = i;
	return n;
}

/* With who should be stage 0; if nothing fits so, with anybody who can. */
static int best(const struct ftp_coordinator *c, uint64_t nodes, struct view *v,
	struct ftp_planner_answer *answer, struct ftp_error *err)
{
	int rc;

	if (!v->problem.in_order)
		v->problem.first = places_of(v, ftp_coordinator_preferred(c, nodes));
	rc = ftp_planner_best(&v->problem, answer, err);
	if (rc != -ENOSPC || v->problem.first == v->problem.heirs)
		return rc;
	v->problem.first = v->problem.heirs;
	return ftp_planner_best(&v->problem, answer, err);
}

int ftp_coordinator_best(const struct ftp_coordinator *c, uint64_t nodes,
	const struct ftp_planner_plan *order, struct ftp_planner_answer *answer,
	struct ftp_error *err)
{
	uint32_t list[FTP_PLANNER_MAX_NODES] = {0},
		 n = order ? order->n_stages : list_of(c, nodes, list);
	struct view *v = view_new(c, order ? order->node : list, n, err);
	int rc;

	if (!v)
		return -ENODATA;
	v->problem.in_order = order != NULL;
	rc = best(c, nodes, v, answer, err);
	if (!rc)
		translate(v, answer);
	free(v);
	return rc;
}

int ftp_coordinator_predict(const struct ftp_coordinator *c, const struct ftp_planner_plan *plan,
	struct ftp_planner_answer *answer, struct ftp_error *err)
{
	uint64_t nodes = ftp_coordinator_stages(&c->plan);
	struct ftp_planner_plan placed = *plan;
	uint32_t list[FTP_PLANNER_MAX_NODES] = {0};
	struct view *v;
	int rc;

	for (uint32_t i = 0; i < c->n_nodes; i++)
		if (c->nodes[i].profiled)
			nodes |= ftp_coordinator_usable(c) & FTP_NODE_BIT(i);
	for (uint32_t i = 0; i < plan->n_stages; i++)
		nodes |= FTP_NODE_BIT(plan->node[i]);
	v = view_new(c, list, list_of(c, nodes, list), err);
	if (!v)
		return -ENODATA;
	for (uint32_t i = 0; i < plan->n_stages; i++)
		placed.node[i] = place_of(v, plan->node[i]);
	rc = ftp_planner_predict(&v->problem, &placed, answer, err);
	if (!rc)
		translate(v, answer);
	free(v);
	return rc;
}

void ftp_coordinator_target_in_force(
	const struct ftp_coordinator *c, struct ftp_planner_plan *target)
{
	target->n_stages = c->plan.n_stages;
	for (uint32_t i = 0; i < c->plan.n_stages; i++) {
		target->node[i] = c->plan.stages[i].node;
		target->first_unit[i] = c->plan.stages[i].first_unit;
	}
	target->first_unit[c->plan.n_stages] = c->settings.n_units;
}

json_t *ftp_coordinator_answer_json(
	const struct ftp_coordinator *c, const struct ftp_planner_answer *answer)
{
	const char *names[FTP_CONFIG_MAX_NODES];
	json_t *j;

	for (uint32_t i = 0; i < c->n_nodes; i++)
		names[i] = c->config->nodes[i].name;
	j = ftp_planner_json(answer, names, c->n_nodes, c->config->training.batch);
	ftp_assert(j);
	return j;
}

double ftp_coordinator_profiled_ns(
	const struct ftp_coordinator *c, uint32_t node, uint32_t first_unit, uint32_t end_unit)
{
	const struct ftp_profile *p = &c->nodes[node].profile;
	double ns = 0;

	for (uint32_t u = first_unit; c->nodes[node].profiled && u < end_unit; u++)
		ns += (double)(p->forward_ns[u] + p->backward_ns[u]) *
			      c->config->training.micro_batches +
		      (double)p->update_ns[u];
	return ns;
}
