/* A node's store of past unit states, after runtime/snapshots.h and runtime/replicas.h. */
#include <stdlib.h>
#include <string.h>

#include "tests/sim/cluster.h"
#include "tests/sim/node.h"
#include "tests/sim/rounds.h"

_Static_assert(ORACLE_MAX_UNITS <= 16, "a set of units is one word");

void sim_node_store(struct sim_node *n, const struct sim_stored *x)
{
	ftp_assert(n->n_stored < SIM_MAX_STORED && x->step < SIM_MAX_STEPS);
	n->store[n->n_stored++] = *x;
	n->ever_stored[x->step] |= (uint16_t)(1 << x->unit);
}

static bool is_kept(const struct sim_node *n, const struct ftp_retain *m, uint64_t step)
{
	if (n->cluster->spec.plant == SIM_PLANT_FREED_EARLY)
		return step >= m->next;
	for (uint32_t i = 0; i < m->n_steps; i++)
		if (m->step[i] == step)
			return true;
	return step >= m->next;
}

static void tell(struct sim_node *n, struct ftp_stored *m)
{
	m->at = n->now->schedule.updated_step;
	sim_node_progress(n);
	sim_node_say(n, FTP_METHOD_STORED, ftp_stored_encode(m));
}

void sim_node_retain(struct sim_node *n, const struct ftp_retain *m)
{
	uint32_t kept = 0;

	if (n->now && n->now->plan.term != m->term)
		return;
	sim_node_disk_retain(n, m);
	for (uint32_t i = 0; i < n->n_stored; i++)
		if (is_kept(n, m, n->store[i].step))
			n->store[kept++] = n->store[i];
	n->n_stored = kept;
	n->retain = *m;
	if (n->now && n->now->rounds && m->next <= n->now->plan.last_step)
		sim_rounds_name(n->now->rounds, m);
}

void sim_node_tell_late(struct sim_node *n, uint64_t step)
{
	struct ftp_stored m = {.term = n->now->plan.term, .step = step};

	tell(n, &m);
}

/* Of a step that another one was named after, nothing is told. */
static bool is_news(const struct sim_node *n, uint64_t step)
{
	return step >= n->retain.next;
}

void sim_node_take_snapshot(struct sim_node *n, uint64_t step)
{
	const struct ftp_plan_stage *here = &n->now->plan.stages[n->now->member];
	struct ftp_stored m = {.term = n->now->plan.term, .step = step};

	if (!is_kept(n, &n->retain, step))
		return;
	for (uint32_t u = here->first_unit; u < here->end_unit; u++) {
		sim_node_store(n, &(struct sim_stored){u, step, m.term, n->now->units[u].state});
		m.unit[m.n_units] = u;
		m.digest[m.n_units++] = sim_stage_digest(&n->now->units[u], u);
	}
	if (is_news(n, step))
		tell(n, &m);
}

void sim_node_take_replica(struct sim_node *n, uint32_t unit, const struct sim_unit *u)
{
	struct ftp_stored m = {.term = n->now->plan.term, .step = u->step, .n_units = 1};

	if (!is_kept(n, &n->retain, u->step))
		return;
	sim_node_store(n, &(struct sim_stored){unit, u->step, m.term, u->state});
	m.unit[0] = unit;
	m.digest[0] = sim_stage_digest(u, unit);
	if (is_news(n, u->step))
		tell(n, &m);
}

void sim_node_cut_store(struct sim_node *n, uint64_t step)
{
	uint32_t kept = 0;

	if (n->cluster->spec.keeps_stale)
		return;
	for (uint32_t i = 0; i < n->n_stored; i++)
		if (n->store[i].step <= step)
			n->store[kept++] = n->store[i];
	n->n_stored = kept;
}

const struct sim_stored *sim_node_stored(const struct sim_node *n, uint32_t unit, uint64_t step)
{
	const struct sim_stored *newest = NULL;

	for (uint32_t i = 0; i < n->n_stored; i++)
		if (n->store[i].unit == unit && n->store[i].step == step &&
			(!newest || n->store[i].term > newest->term))
			newest = &n->store[i];
	return newest;
}

struct ftp_inventory *sim_node_inventory(const struct sim_node *n)
{
	struct ftp_inventory *m = calloc(1, sizeof(*m));

	ftp_assert(m);
	for (uint32_t i = 0; i < n->n_stored; i++) {
		const struct sim_stored *x = &n->store[i];
		const struct sim_unit unit = {true, x->step, x->state};

		m->unit[m->n] = x->unit;
		m->step[m->n] = x->step;
		m->term[m->n] = n->cluster->spec.plant == SIM_PLANT_STALE_REPLICA ? n->retain.term
										  : x->term;
		m->digest[m->n++] = sim_stage_digest(&unit, x->unit);
	}
	sim_node_disk_list(n, m);
	return m;
}
