/* A node's disk: the real checkpoint store (runtime/checkpoint.h) on a disk that loses power, after
 * runtime/checkpointer.h. Puts and what a recovery reads take virtual time, an operation after the
 * other; opening takes none. */
#include <stdlib.h>
#include <string.h>

#include "tests/sim/cluster.h"
#include "tests/sim/node.h"

#define SEGMENT_BYTES 8192 /* small, so that segments are added and recycled */
#define OPS_A_TURN    4
#define OP_NS	      (2 * FTP_NS_PER_MS) /* at most */
#define SLOW_OP_NS    (2 * FTP_NS_PER_S)
#define RUN	      1

static struct ftp_disk *seam(struct sim_node *n)
{
	return simulated_disk_seam(n->disk.disk);
}

/* One operation comes back. */
static void reap(struct sim_node *n)
{
	struct ftp_disk_completion done;

	if (seam(n)->ops->reap(seam(n), &done, 1, 0))
		ftp_checkpoint_complete(n->disk.store, &done);
}

/* Until the event of what is under way. */
static struct ftp_checkpoint_event await(struct sim_node *n)
{
	struct ftp_checkpoint_event e;
	struct ftp_disk_op op;

	while (!ftp_checkpoint_event(n->disk.store, &e)) {
		while (ftp_checkpoint_next(n->disk.store, &op))
			seam(n)->ops->submit(seam(n), &op);
		reap(n);
	}
	return e;
}

/* A record that was whole when it was read last. */
static const struct ftp_checkpoint_name *record_at(const struct sim_node *n, uint32_t i)
{
	enum ftp_checkpoint_record_state state;
	const struct ftp_checkpoint_record *r = ftp_checkpoint_record_at(n->disk.store, i, &state);

	return state == FTP_CHECKPOINT_GOOD ? &r->name : NULL;
}

static uint32_t n_records(const struct sim_node *n)
{
	struct ftp_checkpoint_totals t;

	if (!n->disk.store)
		return 0;
	ftp_checkpoint_totals(n->disk.store, &t);
	return t.n_records;
}

static bool may_fail(const struct sim_node *n)
{
	return n->cluster->faulty_disks & FTP_NODE_BIT(n->index);
}

void sim_node_disk_open(struct sim_node *n, struct simulated_disk *disk)
{
	const struct sim_spec *spec = &n->cluster->spec;
	const struct ftp_checkpoint_spec settings = {
		.keep = spec->checkpoint_keep, .segment_unit_bytes = SEGMENT_BYTES};

	n->disk.disk = disk;
	if (!disk)
		return;
	if (spec->plant == SIM_PLANT_NO_SYNC)
		simulated_disk_leave_out(disk, SIMULATED_NO_SEGMENT_SYNC);
	ftp_assert(!ftp_checkpoint_new(&n->disk.store, &settings, seam(n)));
	if (await(n).outcome != FTP_CHECKPOINT_DONE) {
		if (!may_fail(n))
			oracle_fail(
				&n->cluster->oracle, "%s cannot open its disk", n->process->name);
		sim_node_disk_close(n); /* it goes on without */
		return;
	}
	for (uint32_t i = 0; i < n_records(n); i++) {
		const struct ftp_checkpoint_name *name = record_at(n, i);

		if (name)
			sim_cluster_found(n->cluster, n, name->unit, name->step, name->term);
	}
	sim_cluster_opened(n->cluster, n);
}

void sim_node_disk_close(struct sim_node *n)
{
	while (n->disk.store && !ftp_checkpoint_is_still(n->disk.store))
		reap(n);
	ftp_checkpoint_free(n->disk.store);
	n->disk.store = NULL;
}

void sim_node_disk_claim(struct sim_node *n)
{
	if (n->disk.store && !ftp_checkpoint_claim(n->disk.store, RUN))
		oracle_fail(&n->cluster->oracle, "%s has another run's disk", n->process->name);
}

static void unpin(struct sim_node *n)
{
	struct sim_put *p = &n->disk.put;

	for (; p->n; p->n--)
		ftp_snapshots_unpin(n->snapshots.store, p->states[p->n - 1]);
}

static void tell(struct sim_node *n, struct ftp_persisted *m)
{
	unpin(n);
	n->disk.put.step = 0;
	sim_node_say(n, FTP_METHOD_PERSISTED, ftp_persisted_encode(m));
}

static void tell_refused(struct sim_node *n, uint64_t term, uint64_t step, const char *why)
{
	struct ftp_persisted m = {.term = term, .step = step};

	snprintf(m.text, sizeof(m.text), "%s", why);
	sim_node_say(n, FTP_METHOD_PERSISTED, ftp_persisted_encode(&m));
}

/* Of each unit of the step the state of the newest term, pinned until it is put. */
static void collect(struct sim_node *n, uint64_t term, uint64_t step)
{
	struct sim_put *p = &n->disk.put;

	*p = (struct sim_put){.term = term, .step = step};
	for (uint32_t u = 0; u < n->cluster->spec.n_units; u++) {
		const struct ftp_snapshot *x = sim_node_stored(n, u, step);

		if (!x)
			continue;
		ftp_snapshots_pin(n->snapshots.store, x);
		p->states[p->n++] = x;
	}
}

static void later(struct sim_node *n)
{
	struct sim_world *w = &n->cluster->world;
	bool is_slow = w->now_ns < n->cluster->slow_until_ns[n->index];

	if (n->disk.has_turn)
		return;
	n->disk.has_turn = true;
	sim_timer(
		w, n->process, w->now_ns + sim_draw(w, is_slow ? SLOW_OP_NS : OP_NS), SIM_DISK, 0);
}

void sim_node_disk_retain(struct sim_node *n, const struct ftp_retain *m)
{
	if (!n->disk.store)
		return;
	ftp_checkpoint_pin(n->disk.store, m->durable);
	n->disk.pinned_step = m->durable;
	if (!m->disk)
		return;
	if (n->disk.put.step) {
		tell_refused(n, m->term, m->disk, "the disk is still busy");
		return;
	}
	collect(n, m->term, m->disk);
	later(n);
}

static bool begin(struct sim_node *n)
{
	struct ftp_checkpoint_entry entries[ORACLE_MAX_UNITS];
	struct sim_put *p = &n->disk.put;
	int rc;

	for (uint32_t i = 0; i < p->n; i++)
		entries[i] = (struct ftp_checkpoint_entry){.unit = p->states[i]->unit,
			.step = p->states[i]->step,
			.term = p->states[i]->term,
			.digest = p->states[i]->digest,
			.bytes = ftp_snapshot_state_bytes(p->states[i]),
			.data = p->states[i]->data};
	rc = ftp_checkpoint_put(n->disk.store, entries, p->n);
	p->is_begun = !rc;
	if (rc == FTP_CHECKPOINT_CONFLICT)
		oracle_fail(&n->cluster->oracle, "%s puts another state than is on its disk",
			n->process->name);
	if (!rc) {
		sim_cluster_puts(n->cluster, n, n->disk.pinned_step);
		return true;
	}
	tell_refused(n, p->term, p->step, "refused");
	unpin(n);
	p->step = 0;
	return false;
}

static void end(struct sim_node *n, const struct ftp_checkpoint_event *e)
{
	const struct sim_put *p = &n->disk.put;
	bool is_done = e->outcome == FTP_CHECKPOINT_DONE;
	struct ftp_persisted m = {.term = p->term,
		.step = p->step,
		.ok = is_done || n->cluster->spec.plant == SIM_PLANT_FAILED_PUT};

	snprintf(m.text, sizeof(m.text), "%s", m.ok ? "" : e->text);
	for (uint32_t i = 0; m.ok && i < p->n; i++) {
		m.unit[m.n_units++] = p->states[i]->unit;
		if (is_done)
			sim_cluster_put(
				n->cluster, n, p->states[i]->unit, p->step, p->states[i]->term);
	}
	if (!is_done && e->outcome != FTP_CHECKPOINT_CANCELLED && !may_fail(n))
		oracle_fail(&n->cluster->oracle, "%s cannot put: %s", n->process->name, e->text);
	tell(n, &m);
}

bool sim_node_disk_is_fetching(const struct sim_node *n)
{
	return n->disk.fetch.next < n->disk.fetch.n;
}

static const struct ftp_checkpoint_name *newest(
	const struct sim_node *n, uint32_t unit, uint64_t step)
{
	const struct ftp_checkpoint_record *r =
		n->disk.store ? ftp_checkpoint_newest(n->disk.store, unit, step) : NULL;

	return r ? &r->name : NULL;
}

bool sim_node_disk_has(const struct sim_node *n, uint32_t unit, uint64_t step)
{
	return newest(n, unit, step);
}

/* Those that are in the store are done. */
static void skip(struct sim_node *n)
{
	struct sim_fetch *f = &n->disk.fetch;

	for (; f->next < f->n; f->next++) {
		const struct ftp_snapshot *there = sim_node_stored(n, f->units[f->next], f->step);
		const struct ftp_checkpoint_name *name = newest(n, f->units[f->next], f->step);

		if (!there || (name && name->term > there->term))
			return;
	}
}

void sim_node_disk_fetch_end(struct sim_node *n)
{
	if (n->disk.fetch.into) {
		if (n->disk.store)
			ftp_checkpoint_cancel(n->disk.store); /* it writes there no more */
		ftp_snapshots_give_up(n->snapshots.store, n->disk.fetch.into);
	}
	n->disk.fetch = (struct sim_fetch){.n = 0};
}

static void fail_fetch(struct sim_node *n)
{
	const struct sim_fetch *f = &n->disk.fetch;

	sim_cluster_unreadable(n->cluster, n, f->units[f->next], f->step);
	sim_node_disk_fetch_end(n);
	n->disk.fetch.has_failed = true;
	sim_node_fetched(n);
}

void sim_node_disk_fetch(struct sim_node *n, const uint32_t *units, uint32_t n_units, uint64_t step)
{
	sim_node_disk_fetch_end(n);
	n->disk.fetch.step = step;
	n->disk.fetch.n = n_units;
	memcpy(n->disk.fetch.units, units, n_units * sizeof(*units));
	skip(n);
	if (sim_node_disk_is_fetching(n))
		later(n);
}

static void fetch_next(struct sim_node *n)
{
	struct sim_fetch *f = &n->disk.fetch;
	const struct ftp_checkpoint_name *name;

	skip(n);
	if (!sim_node_disk_is_fetching(n)) {
		sim_node_fetched(n);
		return;
	}
	name = newest(n, f->units[f->next], f->step);
	if (!name) {
		fail_fetch(n);
		return;
	}
	f->into = ftp_snapshots_add(n->snapshots.store, sim_compute_region(), name->unit,
		name->bytes, name->step, name->term);
	ftp_assert(f->into);
	f->digest = name->digest;
	if (ftp_checkpoint_get(n->disk.store, name, f->into->data))
		fail_fetch(n);
}

static void end_get(struct sim_node *n, const struct ftp_checkpoint_event *e)
{
	struct sim_fetch *f = &n->disk.fetch;

	if (!f->into)
		return; /* it was given up */
	if (e->outcome != FTP_CHECKPOINT_DONE) {
		fail_fetch(n);
		return;
	}
	ftp_snapshots_complete(n->snapshots.store, f->into, f->digest);
	f->into = NULL;
	f->next++;
	sim_node_note_store(n);
	if (!sim_node_disk_is_fetching(n))
		sim_node_fetched(n);
}

/* false: there is nothing. */
static bool begin_something(struct sim_node *n)
{
	if (sim_node_disk_is_fetching(n))
		fetch_next(n);
	else if (n->disk.put.step && !n->disk.put.is_begun)
		return begin(n);
	return true;
}

static bool is_in_the_way(const struct sim_node *n)
{
	if (sim_node_disk_is_fetching(n))
		return !n->disk.fetch.into;
	return n->disk.put.step && !n->disk.put.is_begun;
}

void sim_node_disk_turn(struct sim_node *n)
{
	struct ftp_checkpoint_event e;
	struct ftp_disk_op op;

	n->disk.has_turn = false;
	if (!ftp_checkpoint_is_busy(n->disk.store)) {
		if (!begin_something(n))
			return;
	} else if (is_in_the_way(n)) {
		ftp_checkpoint_cancel(n->disk.store);
	}
	if (!n->disk.store) /* what came of it has ended the node */
		return;
	for (int i = 0; i < OPS_A_TURN && ftp_checkpoint_next(n->disk.store, &op); i++)
		seam(n)->ops->submit(seam(n), &op);
	reap(n);
	if (ftp_checkpoint_event(n->disk.store, &e)) {
		if (e.activity == FTP_CHECKPOINT_GET)
			end_get(n, &e);
		else
			end(n, &e);
	}
	if (!n->disk.store) /* it was killed while it told that */
		return;
	if (n->disk.put.step || sim_node_disk_is_fetching(n) ||
		ftp_checkpoint_is_busy(n->disk.store))
		later(n);
}

static bool has(const struct ftp_inventory *m, const struct ftp_checkpoint_name *name)
{
	for (uint32_t i = 0; i < m->n; i++)
		if (m->unit[i] == name->unit && m->step[i] == name->step &&
			m->term[i] == name->term)
			return true;
	return false;
}

void sim_node_disk_list(const struct sim_node *n, struct ftp_inventory *m)
{
	for (uint32_t i = 0; i < n_records(n); i++) {
		const struct ftp_checkpoint_name *name = record_at(n, i);

		if (!name || has(m, name))
			continue;
		m->unit[m->n] = name->unit;
		m->step[m->n] = name->step;
		m->term[m->n] = name->term;
		m->digest[m->n++] = name->digest;
	}
}
