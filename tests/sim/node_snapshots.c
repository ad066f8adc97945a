/* Snapshots of the plan in force, and the store that outlives it, after runtime/worker_snapshots.c,
 * worker_recovery.c and news.c: what there is to do for them is done one thing a turn, each at a
 * drawn time when the stage computes nothing, or has waited long enough. */
#include <stdlib.h>
#include <string.h>

#include "tests/sim/cluster.h"
#include "tests/sim/node.h"

#define PATIENCE_NS (20 * FTP_NS_PER_MS)
#define TURN_NS	    (FTP_NS_PER_MS / 2)
#define REST_NS	    (5 * FTP_NS_PER_MS) /* of links */

_Static_assert(ORACLE_MAX_UNITS <= 16, "a set of units is one word");

static uint64_t now_ns(const struct sim_node *n)
{
	return n->cluster->world.now_ns;
}

static struct ftp_replicas *replicas(const struct sim_node *n)
{
	return n->now ? n->now->replicas : NULL;
}

static bool is_idle(const struct sim_node *n)
{
	return !n->now || !n->now->is_running;
}

void sim_node_retain(struct sim_node *n, const struct ftp_retain *m)
{
	struct ftp_retain kept = *m;

	if (n->now && n->now->plan.term != m->term)
		return;
	sim_node_disk_retain(n, m);
	if (n->cluster->spec.plant == SIM_PLANT_FREED_EARLY)
		kept.n_steps = 0;
	n->snapshots.retain_term = m->term;
	ftp_snapshots_retain(n->snapshots.store, kept.step, kept.n_steps, kept.next);
	if (replicas(n) && m->next <= n->now->plan.last_step)
		ftp_replicas_name(replicas(n), &kept);
	n->snapshots.is_due = true;
}

void sim_node_stepped(struct sim_node *n, uint64_t step)
{
	if (!replicas(n))
		return;
	ftp_replicas_stepped(replicas(n), step);
	n->snapshots.is_due = true;
}

static void send_news(struct sim_node *n)
{
	struct ftp_stored *m = &n->snapshots.news;

	if (!m->step)
		return;
	sim_node_progress(n);
	sim_node_say(n, FTP_METHOD_STORED, ftp_stored_encode(m));
	m->step = m->n_units = 0;
}

static void add_news(struct sim_node *n, const struct ftp_replica_news *news)
{
	struct ftp_stored *m = &n->snapshots.news;
	bool is_spoiled = news->unit == FTP_REPLICA_SPOILED;

	if (news->term != m->term || news->step != m->step || is_spoiled)
		send_news(n);
	m->term = news->term;
	m->step = news->step;
	m->at = news->at;
	if (is_spoiled) {
		send_news(n);
		return;
	}
	m->unit[m->n_units] = news->unit;
	m->digest[m->n_units++] = news->digest;
}

void sim_node_note_store(struct sim_node *n)
{
	const struct ftp_snapshot *x = NULL;

	while ((x = ftp_snapshots_next(n->snapshots.store, x)))
		sim_cluster_found(n->cluster, n, x->unit, x->step, x->term);
}

/* What it is about to tell that it holds is that. */
static void check(struct sim_node *n, const struct ftp_replica_news *news)
{
	const struct ftp_snapshot *x = sim_node_stored(n, news->unit, news->step);
	struct oracle *o = &n->cluster->oracle;
	uint64_t step, state;

	if (!x || x->term != news->term)
		return;
	if (!sim_parcel_is_state(x->data, news->unit, &step, &state) || step != news->step)
		oracle_fail(o, "%s stores something else as unit %u after step %llu",
			n->process->name, news->unit, (unsigned long long)news->step);
	else
		oracle_has(o, n->process->name, news->unit, step, state);
}

/* true: there was something. */
static bool replicate(struct sim_node *n)
{
	struct ftp_replica_news news;

	if (!replicas(n) || !ftp_replicas_turn(replicas(n), &news, now_ns(n)))
		return false;
	sim_node_note_store(n);
	if (news.step && news.unit != FTP_REPLICA_SPOILED)
		check(n, &news);
	if (news.step)
		add_news(n, &news);
	return true;
}

void sim_node_snapshots_turn(struct sim_node *n, uint64_t at_ns)
{
	if (at_ns != n->snapshots.turn_ns)
		return;
	n->snapshots.turn_ns = 0;
	if (!is_idle(n) && now_ns(n) < n->snapshots.overdue_ns)
		return;
	n->snapshots.rests = false;
	if (replicate(n))
		return;
	n->snapshots.overdue_ns = 0;
	send_news(n);
	n->snapshots.rests = replicas(n) && ftp_replicas_wait(replicas(n));
	n->snapshots.is_due =
		(is_idle(n) && ftp_snapshots_tidy(n->snapshots.store)) || n->snapshots.rests;
}

void sim_node_snapshots_plan(struct sim_node *n)
{
	uint64_t at_ns = now_ns(n);

	if (!n->snapshots.is_due)
		return;
	if (!is_idle(n) && !n->snapshots.overdue_ns)
		n->snapshots.overdue_ns = at_ns + PATIENCE_NS;
	if (!is_idle(n) && n->snapshots.overdue_ns > at_ns)
		at_ns = n->snapshots.overdue_ns;
	if (n->snapshots.turn_ns && (n->snapshots.rests || n->snapshots.turn_ns <= at_ns + TURN_NS))
		return;
	n->snapshots.turn_ns =
		at_ns + 1 + sim_draw(&n->cluster->world, n->snapshots.rests ? REST_NS : TURN_NS);
	sim_timer(&n->cluster->world, n->process, n->snapshots.turn_ns, SIM_REPLICATE,
		n->snapshots.turn_ns);
}

void sim_node_snapshots_begin(struct sim_node *n)
{
	if (n->now->plan.recovery && !n->cluster->spec.keeps_stale)
		ftp_snapshots_cut(n->snapshots.store, n->now->plan.recovery_step);
	sim_stage_start(n->now);
	n->snapshots.is_due = true;
}

const struct ftp_snapshot *sim_node_stored(const struct sim_node *n, uint32_t unit, uint64_t step)
{
	return ftp_snapshots_newest(n->snapshots.store, unit, step);
}

struct ftp_inventory *sim_node_inventory(const struct sim_node *n)
{
	struct ftp_inventory *m = calloc(1, sizeof(*m));
	const struct ftp_snapshot *x = NULL;

	ftp_assert(m);
	while ((x = ftp_snapshots_next(n->snapshots.store, x)) && m->n < FTP_INVENTORY_MAX) {
		m->unit[m->n] = x->unit;
		m->step[m->n] = x->step;
		m->term[m->n] = n->cluster->spec.plant == SIM_PLANT_STALE_REPLICA
					? n->snapshots.retain_term
					: x->term;
		m->digest[m->n++] = x->digest;
	}
	sim_node_disk_list(n, m);
	return m;
}
