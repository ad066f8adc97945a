/* The judge: whether what the cluster does, says and ends with is right, by what really happened to
 * it. What must hold of the training itself, the oracle knows (tests/sim/oracle.h). */
#include <stdio.h>
#include <string.h>

#include "tests/sim/cluster.h"

#define LL(x) ((unsigned long long)(x))

/* It was there when nodes were told to halt, and is still; what one holds that is left out because
 * it does not reach another counts only where nothing else is whole. */
static bool takes_part(const struct sim_cluster *c, uint32_t node)
{
	return !sim_cluster_is_ghost(c, c->nodes[node]) &&
	       !(ftp_coordinator_reach_left_out(c->coordinator->core) & FTP_NODE_BIT(node)) &&
	       c->halted[node] == c->nodes[node]->incarnation;
}

/* What is stable is kept until something newer is: so what was ever stored of it is still there. */
static uint32_t ever_stored(const struct sim_cluster *c, uint32_t node, uint64_t step)
{
	return c->nodes[node]->ever_stored[step];
}

/* What is durable is on disks; whether the memory of others has it still is another matter. */
static uint32_t on_disk(const struct sim_cluster *c, uint32_t node, uint64_t step)
{
	return c->on_disk[node][step];
}

static bool is_held(const struct sim_cluster *c, uint64_t step,
	uint32_t (*units)(const struct sim_cluster *c, uint32_t node, uint64_t step),
	bool (*counts)(const struct sim_cluster *c, uint32_t node))
{
	uint32_t held = 0;

	for (uint32_t i = 0; step && i < c->spec.n_nodes; i++)
		if (counts(c, i))
			held |= units(c, i, step);
	return held == (1u << c->spec.n_units) - 1;
}

/* The newest step that was stable, or durable, whose loss is known, and of which the nodes that
 * count hold every unit; 0: none. */
static uint64_t newest_held(const struct sim_cluster *c, uint64_t row,
	bool (*counts)(const struct sim_cluster *c, uint32_t node))
{
	uint64_t stable = c->stable_step, durable = c->files.disk_step, newest = 0;

	if (stable <= row && is_held(c, stable, ever_stored, counts))
		newest = stable;
	if (durable > newest && durable <= row && is_held(c, durable, on_disk, counts))
		newest = durable;
	return newest;
}

/* It is not lost. */
void sim_judge_recovery(struct sim_cluster *c, const struct ftp_plan *plan)
{
	uint64_t row = c->cut_row > c->oracle.last_row ? c->cut_row : c->oracle.last_row;
	uint64_t held = newest_held(c, row, takes_part);

	if (plan->recovery_step < held)
		oracle_fail(&c->oracle,
			"term %llu goes back to step %llu, but step %llu is held whole",
			LL(plan->term), LL(plan->recovery_step), LL(held));
}

static bool is_usable(const struct sim_cluster *c, uint32_t node)
{
	const struct ftp_coordinator_node *known = &c->coordinator->core->nodes[node];

	return !sim_cluster_is_ghost(c, c->nodes[node]) && !known->leaving && !known->measuring &&
	       !(c->coordinator->core->recovery.shunned & FTP_NODE_BIT(node));
}

/* There must be a unit of what was stable, and of what was durable, that no node of the run has, or
 * no node. */
void sim_judge_wait(struct sim_cluster *c)
{
	uint64_t held = newest_held(c, c->oracle.last_row, is_usable);

	if (held && c->coordinator->core->recovery.wait_kind != FTP_WAIT_PLAN)
		oracle_fail(&c->oracle, "the run waits, but step %llu is held whole", LL(held));
}

/* A fault may cost a recovery, and each costs one at most: whatever else it leads to is part of it.
 */
void sim_judge_begins(struct sim_cluster *c)
{
	if (c->n_causes == c->n_causes_begun)
		oracle_fail(&c->oracle,
			"a recovery begins, but nothing has failed since the one before");
	c->n_causes_begun = c->n_causes;
}

/* The plan in force goes on under another coordinator: as far as that knows, with all its stages.
 */
void sim_judge_resumed(struct sim_cluster *c)
{
	const struct ftp_coordinator *core = c->coordinator->core;

	for (uint32_t i = 0; i < core->plan.n_stages; i++) {
		const struct ftp_plan_stage *s = &core->plan.stages[i];
		const struct ftp_coordinator_node *n = &core->nodes[s->node];

		if (!n->live || n->join.incarnation != s->incarnation)
			oracle_fail(&c->oracle,
				"term %llu goes on under another coordinator, but %s has not come "
				"back",
				LL(core->plan.term), s->name);
	}
}

/* These nodes are there, were never parted, and have every unit of the step. */
static bool could_go_on(const struct sim_cluster *c, uint64_t nodes, uint64_t step)
{
	uint32_t held = 0;

	for (uint32_t i = 0; i < c->spec.n_nodes; i++) {
		if (!(nodes & FTP_NODE_BIT(i)))
			continue;
		if (!is_usable(c, i))
			return false;
		held |= c->nodes[i]->ever_stored[step];
		for (uint32_t k = 0; k < c->spec.n_nodes; k++)
			if (nodes & FTP_NODE_BIT(k) && c->parted[i] & FTP_NODE_BIT(k))
				return false;
	}
	return nodes && (!step || held == (1u << c->spec.n_units) - 1);
}

/* The run waits, after a recovery that was asked for, because links are down: without them nobody
 * could go on, or not from where it must. */
void sim_judge_parted(struct sim_cluster *c)
{
	const struct ftp_coordinator *core = c->coordinator->core;
	uint64_t nodes = 0;

	if (!(c->recovers_asked & 1u << FTP_WAIT_PLAN) ||
		core->change.began_ns[FTP_CHANGE_WAITING] <= c->recover_ns ||
		!strstr(core->recovery.waits_for, "do not reach each other"))
		return;
	while (nodes < FTP_NODE_BIT(c->spec.n_nodes) && !could_go_on(c, nodes, c->stable_step))
		nodes++;
	if (nodes < FTP_NODE_BIT(c->spec.n_nodes))
		oracle_fail(&c->oracle,
			"nodes %llx hold step %llu and reach each other, but the run waits: %s",
			LL(nodes), LL(c->stable_step), core->recovery.waits_for);
}

/* What a node says of itself, to a coordinator that did not see it, is so. */
void sim_judge_join(struct sim_cluster *c, const struct sim_node *n, const struct ftp_join *m)
{
	const struct ftp_transition *t = &n->transition;
	uint64_t term = t->now_plan ? t->now_plan->term : 0;

	if (m->term != term)
		oracle_fail(&c->oracle, "%s says that it trains term %llu, but it trains term %llu",
			n->process->name, LL(m->term), LL(term));
	if (m->next_term != t->next_term)
		oracle_fail(&c->oracle, "%s says that it prepares term %llu, but it is term %llu",
			n->process->name, LL(m->next_term), LL(t->next_term));
}

/* It was told to halt for a plan that is not newer than the one it had. */
void sim_judge_halt(
	struct sim_cluster *c, const struct sim_node *n, uint64_t had_term, uint64_t term)
{
	if (had_term >= term && !n->transition.now_plan)
		oracle_fail(&c->oracle, "%s halts for term %llu, but has term %llu in force",
			n->process->name, LL(term), LL(had_term));
}

/* A process that has joined anew since, or is gone, may have held it too. */
static bool may_hold(const struct sim_cluster *c, uint32_t node, uint64_t step, uint32_t unit)
{
	return c->nodes[node]->ever_stored[step] & 1u << unit ||
	       (c->coordinator->core->nodes[node].live && sim_cluster_is_ghost(c, c->nodes[node]));
}

/* The coordinator says so of a snapshot: every unit has another holder than its stage. */
void sim_judge_stable(struct sim_cluster *c, uint64_t step)
{
	uint32_t least = c->coordinator->core->plan.n_stages > 1 ? 2 : 1;

	for (uint32_t u = 0; u < c->spec.n_units; u++) {
		uint32_t n = 0;

		for (uint32_t i = 0; i < c->spec.n_nodes; i++)
			n += may_hold(c, i, step, u);
		if (n < least)
			oracle_fail(&c->oracle,
				"step %llu is called stable, but unit %u has %u holders", LL(step),
				u, n);
	}
}

/* Likewise: every unit is on a disk that has acknowledged it. */
void sim_judge_durable(struct sim_cluster *c, uint64_t step)
{
	uint32_t held = 0;

	for (uint32_t i = 0; i < c->spec.n_nodes; i++)
		held |= c->on_disk[i][step];
	if (held != (1u << c->spec.n_units) - 1)
		oracle_fail(&c->oracle,
			"step %llu is called durable, but of its units %x only are on disks",
			LL(step), held);
}

/* Of all units on one node, with any slowdown that an order may ask for, and with all that may have
 * stood still in it. */
static uint64_t slowest_step_s(const struct sim_cluster *c)
{
	uint64_t ns = c->n_struck[SIM_FREEZE_1S] * FTP_NS_PER_S;

	if (c->n_struck[SIM_PARTED])
		ns += FTP_LINK_SILENCE_NS;
	for (uint32_t u = 0; u < c->spec.n_units; u++)
		ns += 4 * c->spec.n_micro * sim_cluster_unit_ns(c, u);
	for (uint32_t i = 0; i < c->spec.n_orders; i++)
		if (c->spec.orders[i].kind == SIM_EMULATE)
			return ns * SIM_MAX_SLOWDOWN / FTP_NS_PER_S + 1;
	return ns / FTP_NS_PER_S + 1;
}

/* No phase of a change outlasts its deadline (ctl/coordinator.h). */
static void check_change(struct sim_cluster *c)
{
	const uint64_t bounds_s[FTP_N_CHANGE_PHASES] = {[FTP_CHANGE_HALTING] = 3,
		[FTP_CHANGE_PREPARING] = 60 + 2 /* read from disks */,
		[FTP_CHANGE_HOLDING] = 10 + 20 * slowest_step_s(c),
		[FTP_CHANGE_TRANSFERRING] = 12,
		[FTP_CHANGE_COMMITTING] = 10,
		[FTP_CHANGE_ABANDONING] = 10};
	const struct ftp_coordinator *core = c->coordinator->core;
	const struct ftp_coordinator_change *x = &core->change;

	if (!c->coordinator->process->alive || x->phase == FTP_CHANGE_NONE ||
		x->phase == FTP_CHANGE_WAITING || core->verdict_ns != FTP_NS_NEVER ||
		c->coordinator->process->n_freezes)
		return;
	if (c->world.now_ns - x->began_ns[x->phase] > (bounds_s[x->phase] + 1) * FTP_NS_PER_S)
		oracle_fail(&c->oracle, "the change to term %llu is still %s after %llu s",
			LL(x->plan.term), ftp_coordinator_phase_name(x->phase),
			LL(bounds_s[x->phase] + 1));
}

/* At any moment, one plan at most is being trained. */
static void check_terms(struct sim_cluster *c)
{
	uint64_t term = 0;

	for (uint32_t i = 0; i < c->spec.n_nodes; i++) {
		const struct ftp_transition *t = &c->nodes[i]->transition;

		if (!c->nodes[i]->process->alive ||
			c->nodes[i]->hangs || /* it trains nothing, and does not know it */
			(t->now != FTP_NOW_TRAINING && t->now != FTP_NOW_HOLDING) ||
			sim_cluster_is_ghost(c, c->nodes[i]))
			continue;
		if (term && t->now_plan->term != term)
			oracle_fail(&c->oracle, "terms %llu and %llu train at once", LL(term),
				LL(t->now_plan->term));
		term = t->now_plan->term;
	}
}

void sim_judge_turn(struct sim_cluster *c)
{
	check_terms(c);
	check_change(c);
}

/* A node that the plan in force needs and a fault has hit is to blame; or one that ended for a
 * reason that names another, who is: its complaint may come before the other's. */
static bool names_a_victim(struct sim_cluster *c, const char *reason, uint64_t seen)
{
	for (uint32_t i = 0; i < c->spec.n_nodes; i++)
		if (c->hit & FTP_NODE_BIT(i) && (!c->now_term || c->now_stages & FTP_NODE_BIT(i)) &&
			strstr(reason, c->names[i]))
			return true;
	for (uint32_t i = 0; i < c->spec.n_nodes; i++) {
		if (seen & FTP_NODE_BIT(i) || !strstr(reason, c->names[i]) ||
			!names_a_victim(c, c->fates[i], seen | FTP_NODE_BIT(i)))
			continue;
		c->is_blame_indirect = true;
		return true;
	}
	return false;
}

/* Step `step` was given up: more faults than recoveries that are tried have struck since its loss
 * was last known. */
static void judge_poison(struct sim_cluster *c, uint64_t step)
{
	uint32_t n = c->n_causes - (step < SIM_MAX_STEPS ? c->causes_at_row[step] : 0);

	if (n <= FTP_COORDINATOR_RECOVERY_TRIES)
		oracle_fail(&c->oracle, "step %llu is given up after %u faults: %s", LL(step), n,
			c->coordinator->reason);
}

/* Without snapshots a hold that may be half told is the end, which is nobody's fault but that of
 * who killed the coordinator. */
static bool may_be_half_held(const struct sim_cluster *c, const char *reason)
{
	return !c->spec.snapshot_every && c->spec.schedule == FTP_SCHEDULE_1F1B &&
	       c->n_coordinators &&
	       strstr(reason, "was away while a plan was on its way, and there is no snapshot");
}

static void judge_failure(struct sim_cluster *c)
{
	const char *reason = c->coordinator->reason;
	unsigned long long step;

	if (sscanf(reason, "step %llu was not passed in", &step) == 1)
		judge_poison(c, step);
	else if (c->spec.snapshot_every && c->now_term)
		oracle_fail(&c->oracle, "nodes can be lost, but the run failed: %s", reason);
	else if (c->is_worker_hit && strstr(reason, "no stage has computed anything"))
		return; /* nobody can say which stage hangs */
	else if (!may_be_half_held(c, reason) && !names_a_victim(c, reason, 0))
		oracle_fail(&c->oracle,
			"no node of the plan in force was hit, or another is blamed: %s", reason);
}

void sim_judge_end(struct sim_cluster *c)
{
	struct oracle *o = &c->oracle;

	if (c->coordinator->outcome == FTP_END_FAILED)
		judge_failure(c);
	if (c->coordinator->outcome == FTP_END_NONE)
		oracle_fail(o, "the coordinator is gone without an outcome");
	if (c->coordinator->outcome != FTP_END_COMPLETED)
		return;
	if (o->last_row != c->spec.n_steps || !o->is_gathered)
		oracle_fail(o, "the run completed with the row of step %llu", LL(o->last_row));
	for (uint64_t step = 1; step <= c->spec.n_steps; step++)
		if (!oracle_is_complete(o, step))
			oracle_fail(o, "step %llu was not trained by every stage", LL(step));
}
