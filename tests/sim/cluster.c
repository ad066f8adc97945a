#include "tests/sim/cluster.h"

#include <stdlib.h>
#include <string.h>

#include "ctl/coordinator_state.h"
#include "ctl/protocol_operator.h"
#include "runtime/base/prng.h"

#define LIMIT_NS	 (2000 * FTP_NS_PER_S)
#define OPERATOR_WAIT_NS (12 * FTP_NS_PER_S) /* until a frozen coordinator is killed */
#define REAP_NS		 (5 * FTP_NS_PER_S)
#define MAX_TRIES	 10
#define TEXT_ONE_IN	 16 /* seeds */

uint64_t sim_cluster_unit_ns(const struct sim_cluster *c, uint32_t unit)
{
	return c->spec.unit_ns * (1 + unit % 3);
}

void sim_cluster_failed(struct sim_cluster *c, const struct sim_node *n, const char *reason)
{
	char *fate = c->fates[n->index];
	size_t at = strlen(fate);

	snprintf(fate + at, sizeof(c->fates[0]) - at, "%s; ", reason);
}

void sim_cluster_found(
	struct sim_cluster *c, struct sim_node *n, uint32_t unit, uint64_t step, uint64_t term)
{
	if (step < SIM_MAX_STEPS && c->oracle.steps[step].term == term)
		n->ever_stored[step] |= (uint16_t)(1 << unit);
}

void sim_cluster_puts(struct sim_cluster *c, const struct sim_node *n, uint64_t pinned_step)
{
	for (uint64_t s = 0; s < SIM_MAX_STEPS; s++)
		if (s != pinned_step)
			c->on_disk[n->index][s] = 0;
}

void sim_cluster_put(struct sim_cluster *c, const struct sim_node *n, uint32_t unit, uint64_t step,
	uint64_t term)
{
	if (c->oracle.steps[step].term == term)
		c->on_disk[n->index][step] |= (uint16_t)(1 << unit);
}

void sim_cluster_opened(struct sim_cluster *c, const struct sim_node *n)
{
	for (uint64_t s = 0; s < SIM_MAX_STEPS; s++)
		if (c->on_disk[n->index][s] & ~n->ever_stored[s])
			oracle_fail(&c->oracle,
				"%s has lost units of step %llu that were on its disk",
				n->process->name, (unsigned long long)s);
}

/* The coordinator has given it up; it trains on until it learns that. */
bool sim_cluster_is_ghost(const struct sim_cluster *c, const struct sim_node *n)
{
	const struct ftp_coordinator_node *known = &c->coordinator->core->nodes[n->index];

	return !known->live || known->join.incarnation != n->incarnation;
}

void sim_cluster_unreadable(struct sim_cluster *c, struct sim_node *n, uint32_t unit, uint64_t step)
{
	c->on_disk[n->index][step] &= (uint16_t) ~(1u << unit);
	if (!sim_node_stored(n, unit, step))
		n->ever_stored[step] &= (uint16_t) ~(1u << unit);
}

static void note_halt(struct sim_cluster *c, uint64_t term)
{
	if (term == c->halt_term)
		return;
	c->halt_term = term;
	for (uint32_t i = 0; i < c->spec.n_nodes; i++) {
		bool halts = !sim_cluster_is_ghost(c, c->nodes[i]) &&
			     !c->coordinator->core->nodes[i].measuring;

		c->halted[i] = halts ? c->nodes[i]->incarnation : 0;
	}
}

/* What was stored of steps that do not count any more. */
static void forget_after(struct sim_cluster *c, uint64_t step)
{
	for (uint32_t i = 0; i < c->spec.n_nodes; i++)
		for (uint64_t s = step + 1; s < SIM_MAX_STEPS; s++)
			c->nodes[i]->ever_stored[s] = c->on_disk[i][s] = 0;
}

/* The coordinator tells a node to commit: from the first one on, the plan is in force. */
static void committed(struct sim_cluster *c, uint64_t term)
{
	const struct ftp_plan *plan = &c->coordinator->core->plan;

	if (c->coordinator->core->change.cause == FTP_CAUSE_RESUME)
		sim_judge_resumed(c);
	if (term == c->now_term)
		return;
	if (plan->term != term)
		oracle_fail(&c->oracle, "term %llu is committed, but is not in force",
			(unsigned long long)term);
	for (uint32_t i = 0; i < plan->n_stages + plan->n_leaving; i++) {
		const struct ftp_plan_stage *m = ftp_plan_member(plan, i);
		const struct sim_node *n = c->nodes[m->node];

		/* Its process may have died since, and another one begun. */
		if (n->ready_term != term && n->incarnation == m->incarnation)
			oracle_fail(&c->oracle,
				"term %llu is committed, but %s has not all it needs",
				(unsigned long long)term, n->process->name);
	}
	if (plan->recovery) {
		sim_judge_recovery(c, plan);
		c->stable_step = plan->recovery_step;
		c->cut_row = 0;
		oracle_goes_back(&c->oracle, plan->recovery_step);
		forget_after(c, plan->recovery_step);
	}
	oracle_committed(&c->oracle, term, plan->n_stages);
	c->now_term = term;
	c->now_stages = ftp_coordinator_stages(plan);
}

void sim_cluster_called(struct sim_cluster *c, const char *method, uint64_t term)
{
	uint64_t stable_step = c->coordinator->core->snapshots.stable_step;

	if (!strcmp(method, FTP_METHOD_COMMIT))
		committed(c, term);
	else if (!strcmp(method, FTP_METHOD_RETAIN) && stable_step > c->stable_step)
		c->stable_step = stable_step;
	else if (!strcmp(method, FTP_METHOD_HALT))
		note_halt(c, term);
	else if (!strcmp(method, FTP_METHOD_ABANDON) && term >= c->now_term)
		oracle_abandoned(&c->oracle, term); /* an older one is in force nowhere any more */
}

void sim_cluster_event(struct sim_cluster *c, const json_t *event)
{
	const char *kind = json_string_value(json_object_get(event, "kind"));
	const char *outcome = json_string_value(json_object_get(event, "outcome"));

	if (!strcmp(kind, "snapshot"))
		sim_judge_stable(c, (uint64_t)json_integer_value(json_object_get(event, "step")));
	c->n_recovered += !strcmp(kind, "recovery");
	if (c->n_recovered && !c->recovered_at)
		c->recovered_at = c->n_moments;
	if (strcmp(kind, "repartition"))
		return;
	if (outcome && !strcmp(outcome, "committed"))
		c->n_committed++;
	else
		c->n_abandoned++;
	c->counts = c->spec.always_counts;
}

static void give(struct sim_cluster *c, const struct sim_order *o)
{
	struct ftp_emulate_ask emulate;
	struct ftp_repartition plan;
	struct ftp_named named;
	json_t *body;

	memset(&emulate, 0, sizeof(emulate));
	memset(&plan, 0, sizeof(plan));
	memset(&named, 0, sizeof(named));
	plan.force = 1;
	memcpy(plan.cuts, o->cuts, sizeof(o->cuts));
	memcpy(plan.nodes, o->nodes, sizeof(o->nodes));
	memcpy(named.name, c->names[o->node], sizeof(c->names[0]));
	memcpy(emulate.name, c->names[o->node], sizeof(c->names[0]));
	snprintf(emulate.settings, sizeof(emulate.settings), "slowdown=%u", o->slowdown);
	if (o->kind == SIM_REPARTITION)
		body = ftp_repartition_encode(&plan);
	else if (o->kind == SIM_DRAIN)
		body = ftp_named_encode(&named);
	else
		body = ftp_emulate_ask_encode(&emulate);
	c->asked = sim_coordinator_ask(c->coordinator,
		o->kind == SIM_REPARTITION ? FTP_METHOD_REPARTITION
		: o->kind == SIM_DRAIN	   ? FTP_METHOD_DRAIN
					   : FTP_METHOD_SET_EMULATE,
		body, 0);
	c->counts |= o->opens_window;
	if (o->opens_window)
		c->world.trace = c->spec.trace;
}

/* false: it has to be asked again later. */
static bool was_taken(struct sim_cluster *c, struct sim_order *o)
{
	if (!c->coordinator->asks[c->asked].is_refused || ++c->n_tries == MAX_TRIES)
		return true;
	o->step = c->oracle.last_row + 2;
	if (o->opens_window && !c->spec.always_counts) {
		c->counts = false;
		c->n_moments = 0;
	}
	return false;
}

static void give_orders(struct sim_cluster *c)
{
	struct sim_order *o = &c->spec.orders[c->n_given];

	if (c->n_given == c->spec.n_orders || !c->coordinator->process->alive)
		return;
	if (c->asked >= 0) {
		if (!c->coordinator->asks[c->asked].is_done)
			return;
		if (was_taken(c, o)) {
			c->n_given++;
			c->n_tries = 0;
		}
		c->asked = -1;
	} else if (c->oracle.last_row >= o->step && o->kind != SIM_JOIN) {
		give(c, o);
	} else if (c->oracle.last_row >= o->step) {
		if (!c->nodes[o->node]->process->alive && o->node < c->config.n_nodes)
			sim_node_new(c, o->node);
		c->n_given++;
	}
}

/* A coordinator that does not answer is killed. */
static void watch_coordinator(struct sim_cluster *c)
{
	struct sim_process *p = c->coordinator->process;

	if (!p->alive || p->frozen_until_ns != FTP_NS_NEVER) {
		c->answer_by_ns = 0;
		return;
	}
	if (!c->answer_by_ns)
		c->answer_by_ns = c->world.now_ns + OPERATOR_WAIT_NS;
	if (c->world.now_ns >= c->answer_by_ns)
		sim_site_kill(c, p);
}

/* The supervisor ends what outlives the run, which nodes do that have lost a coordinator. */
static bool is_over(struct sim_cluster *c)
{
	bool is_over = true;

	if (!sim_site_is_over(c))
		return false;
	if (!c->reap_ns)
		c->reap_ns = c->world.now_ns + REAP_NS;
	for (uint32_t i = 0; i < c->spec.n_nodes; i++)
		is_over &= !c->nodes[i]->process->alive;
	return is_over || c->world.now_ns >= c->reap_ns;
}

static void configure(struct sim_cluster *c)
{
	struct ftp_config_training *t = &c->config.training;

	c->config.n_nodes = c->spec.n_nodes_first ? c->spec.n_nodes_first : c->spec.n_nodes;
	c->config.nodes = c->config_nodes;
	c->config.cluster.name = "sim";
	t->model = "mlp";
	t->isa = "auto";
	t->batch = 8 * c->spec.n_micro;
	t->micro_batches = c->spec.n_micro;
	t->schedule = c->spec.schedule;
	t->steps = c->spec.n_steps;
	t->cuts = c->spec.cuts;
	t->seed = c->spec.seed;
	c->config.snapshot.every = c->spec.snapshot_every;
	c->config.snapshot.global_every = c->spec.snapshot_global;
	c->config.snapshot.max_bandwidth_bytes = c->spec.snapshot_bytes_per_s;
	c->config.checkpoint.every = c->spec.checkpoint_every;
	c->config.checkpoint.keep = c->spec.checkpoint_keep;
	for (uint32_t i = 0; i < c->spec.n_nodes; i++) {
		snprintf(c->names[i], sizeof(c->names[i]), "n%u", i + 1);
		c->config_nodes[i].name = c->names[i];
		c->config_nodes[i].host = "127.0.0.1";
		c->config_nodes[i].memory_bytes = 1 << 30;
		c->config_nodes[i].emulate.slowdown = 1;
	}
	for (uint32_t u = 0; u < c->spec.n_units; u++)
		c->units[u] = (struct ftp_coordinator_unit){1000, 1000000, 1 + u % 3};
	sim_compute_model(&c->model, c->spec.n_units);
	c->core = (struct ftp_coordinator_settings){.config = &c->config,
		.config_digest = {1, 2},
		.run = 1,
		.id = "sim",
		.n_units = c->spec.n_units,
		.units = c->units,
		.drill = true};
}

bool sim_cluster_run(struct sim_cluster *c, const struct sim_spec *spec, bool keep_moments)
{
	memset(c, 0, sizeof(*c));
	c->spec = *spec;
	c->asked = -1;
	c->counts = spec->always_counts;
	if (keep_moments)
		c->moments = calloc(SIM_MAX_MOMENTS, sizeof(*c->moments));
	configure(c);
	sim_world_init(&c->world, spec->seed);
	c->world.trace = spec->traces_window ? NULL : spec->trace;
	c->world.writes_text = spec->trace || spec->seed % TEXT_ONE_IN == 0;
	c->world.is_heard = spec->trace || keep_moments;
	c->world.moment = sim_faults_moment;
	c->world.arg = c;
	oracle_init(&c->oracle, &c->world, spec->seed, spec->n_units, spec->n_steps);
	sim_site_begin(c);
	while (!c->oracle.failure[0] && !is_over(c)) {
		if (!sim_world_turn(&c->world)) {
			if (!c->reap_ns && !c->answer_by_ns)
				oracle_fail(&c->oracle, "nothing happens any more");
			/* only the frozen are left */
			c->world.now_ns = c->reap_ns ? c->reap_ns : c->answer_by_ns;
		}
		sim_judge_turn(c);
		sim_operator_attend(c);
		give_orders(c);
		watch_coordinator(c);
		if (c->world.now_ns > LIMIT_NS)
			oracle_fail(&c->oracle, "the run does not end");
	}
	if (!c->oracle.failure[0])
		sim_judge_end(c);
	return !c->oracle.failure[0];
}

void sim_cluster_free(struct sim_cluster *c)
{
	sim_world_free(&c->world);
	sim_site_free(c);
	sim_compute_check_region();
	oracle_free(&c->oracle);
	free(c->moments);
}
