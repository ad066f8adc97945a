#include "runtime/checkpointer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/log.h"

#define OPS_A_TURN    4 /* of at most a buffer each: copied in some 0.1 ms together */
#define OPEN_NS	      (60 * FTP_NS_PER_S)
#define FETCH_NS      (10 * FTP_NS_PER_S)
#define FREE_NS	      (5 * FTP_NS_PER_S)
#define LOOK_EVERY_NS (10 * FTP_NS_PER_MS)

struct put {
	uint64_t term, step; /* step 0: none; as node.retain named them */
	bool is_begun;
	uint32_t n;
	const struct ftp_snapshot *states[FTP_PROTOCOL_MAX_UNITS]; /* pinned */
	uint64_t begun_ns;
};

struct ftp_checkpointer {
	struct ftp_checkpointer_spec spec;
	char *directory;
	struct ftp_disk *disk;	      /* NULL: none */
	struct ftp_checkpoint *store; /* NULL: of no use, why says why */
	struct ftp_error why;
	struct put put;
	struct ftp_persisted told; /* to be told next; step 0: nothing */
	bool is_failing;
	struct ftp_checkpointer_stats stats;
};

/* Until the event of what is under way. */
static bool await(struct ftp_checkpointer *k, struct ftp_checkpoint_event *e, uint64_t ns)
{
	uint64_t deadline_ns = ftp_clock_now_ns() + ns;

	while (!ftp_checkpoint_event(k->store, e)) {
		if (ftp_clock_now_ns() > deadline_ns)
			return false;
		ftp_checkpoint_turn(k->store, k->disk, FTP_DISK_N_BUFFERS, LOOK_EVERY_NS);
	}
	return true;
}

static bool is_still(struct ftp_checkpointer *k)
{
	uint64_t deadline_ns = ftp_clock_now_ns() + FREE_NS;

	while (k->store && !ftp_checkpoint_is_still(k->store)) {
		if (ftp_clock_now_ns() > deadline_ns)
			return false;
		ftp_checkpoint_turn(k->store, k->disk, 0, LOOK_EVERY_NS);
	}
	return true;
}

/* Nothing new is begun. Operations that do not end keep their memory: who waits for them may wait
 * for ever. */
static void close_store(struct ftp_checkpointer *k)
{
	if (is_still(k)) {
		ftp_checkpoint_free(k->store);
		if (k->disk)
			k->disk->ops->free(k->disk);
	}
	k->store = NULL;
	k->disk = NULL;
	k->stats.is_usable = false;
}

static void give_up(struct ftp_checkpointer *k)
{
	close_store(k);
	ftp_log_warn("checkpoint: %s: %s: nothing is written to disk", k->directory, k->why.text);
}

static void look(struct ftp_checkpointer *k)
{
	struct ftp_checkpoint_totals t;
	enum ftp_checkpoint_record_state state;

	ftp_checkpoint_totals(k->store, &t);
	k->stats.live_bytes = t.live_bytes;
	k->stats.capacity_bytes = t.capacity_bytes;
	k->stats.n_damaged = 0;
	for (uint32_t i = 0; i < t.n_records; i++) {
		ftp_checkpoint_record_at(k->store, i, &state);
		k->stats.n_damaged += state != FTP_CHECKPOINT_GOOD;
	}
}

static void say_what_is_there(struct ftp_checkpointer *k)
{
	struct ftp_checkpoint_totals t;

	k->stats.is_usable = true;
	look(k);
	ftp_checkpoint_totals(k->store, &t);
	ftp_log_info("checkpoint: %s: %s%s%s; %u unit states of %.1f MB are there", k->directory,
		k->stats.mode.engine, k->stats.mode.is_direct ? ", past the page cache" : "",
		k->stats.mode.has_registered_buffers ? ", registered buffers" : "", t.n_records,
		(double)t.live_bytes / 1e6);
	if (k->stats.n_damaged)
		ftp_log_warn("checkpoint: %s: %" PRIu64 " unit states are damaged, and not used; "
			     "`ftpctl ckpt verify` shows them",
			k->directory, k->stats.n_damaged);
	if (t.slots[0] == FTP_CHECKPOINT_SLOT_TORN && t.slots[1] == FTP_CHECKPOINT_SLOT_TORN)
		ftp_log_warn("checkpoint: %s: no manifest is whole: what was there is lost",
			k->directory);
}

/* k->why says why not. */
static bool open_store(struct ftp_checkpointer *k)
{
	const struct ftp_checkpoint_spec spec = {
		.keep = k->spec.config->keep, .max_bytes = k->spec.config->max_bytes};
	struct ftp_checkpoint_event e;
	int rc = ftp_checkpoint_new(&k->store, &spec, k->disk);

	if (rc)
		ftp_error_set(&k->why, -rc, "%s", strerror(-rc));
	else if (!await(k, &e, OPEN_NS))
		rc = ftp_error_set(&k->why, ETIMEDOUT, "the disk does not answer");
	else if (e.outcome != FTP_CHECKPOINT_DONE)
		rc = ftp_error_set(&k->why, EIO, "%s", e.text);
	return !rc;
}

struct ftp_checkpointer *ftp_checkpointer_new(const struct ftp_checkpointer_spec *spec)
{
	struct ftp_checkpointer *k = calloc(1, sizeof(*k));

	ftp_assert(k);
	k->spec = *spec;
	k->disk = spec->disk;
	k->directory = strdup(spec->directory);
	ftp_assert(k->directory);
	if (k->disk)
		k->stats.mode = k->disk->mode;
	else
		ftp_error_set(&k->why, EIO, "%s", spec->why);
	if (k->disk && open_store(k))
		say_what_is_there(k);
	else
		give_up(k);
	return k;
}

static void unpin(struct ftp_checkpointer *k)
{
	for (uint32_t i = 0; i < k->put.n; i++)
		ftp_snapshots_unpin(k->spec.snapshots, k->put.states[i]);
	k->put = (struct put){.step = 0};
}

void ftp_checkpointer_free(struct ftp_checkpointer *k)
{
	if (!k)
		return;
	close_store(k);
	unpin(k);
	free(k->directory);
	free(k);
}

void ftp_checkpointer_claim(struct ftp_checkpointer *k, uint64_t run)
{
	if (!k->store || ftp_checkpoint_claim(k->store, run))
		return;
	ftp_error_set(&k->why, EEXIST, "it is another run's");
	give_up(k);
}

static void tell(struct ftp_checkpointer *k, const char *text)
{
	struct ftp_persisted *m = &k->told;

	*m = (struct ftp_persisted){.term = k->put.term, .step = k->put.step, .ok = !text};
	for (uint32_t i = 0; !text && i < k->put.n; i++)
		m->unit[m->n_units++] = k->put.states[i]->unit;
	snprintf(m->text, sizeof(m->text), "%s", text ? text : "");
	if (text && !k->is_failing)
		ftp_log_warn("checkpoint: the snapshot after step %" PRIu64
			     " is not on this disk: %s; the next one is tried",
			m->step, text);
	else if (!text && k->is_failing)
		ftp_log_info("checkpoint: the snapshot after step %" PRIu64
			     " is on this disk again",
			m->step);
	k->is_failing = text;
	unpin(k);
}

/* Of each unit of the step the state of the newest term, pinned until it is put. */
static void collect(struct ftp_checkpointer *k, uint64_t term, uint64_t step)
{
	k->put.term = term;
	k->put.step = step;
	for (uint32_t u = 0; u < (uint32_t)k->spec.model->n_units; u++) {
		const struct ftp_snapshot *s = ftp_snapshots_newest(k->spec.snapshots, u, step);

		if (!s)
			continue;
		ftp_snapshots_pin(k->spec.snapshots, s);
		k->put.states[k->put.n++] = s;
	}
}

void ftp_checkpointer_retain(
	struct ftp_checkpointer *k, const struct ftp_retain *m, uint64_t now_ns)
{
	if (k->store)
		ftp_checkpoint_pin(k->store, m->durable);
	if (!m->disk)
		return;
	if (k->put.step) {
		k->stats.n_refused++;
		k->told = (struct ftp_persisted){.term = m->term, .step = m->disk};
		snprintf(k->told.text, sizeof(k->told.text),
			"the disk is still busy with the snapshot after step %" PRIu64,
			k->put.step);
		return;
	}
	collect(k, m->term, m->disk);
	k->put.begun_ns = now_ns;
	if (k->store)
		return;
	k->stats.n_refused++;
	tell(k, k->why.text);
}

static bool begin(struct ftp_checkpointer *k)
{
	static const char *const refusals[] = {
		[FTP_CHECKPOINT_BUSY] = "the store is busy",
		[FTP_CHECKPOINT_STALE] = "newer states are on the disk",
		[FTP_CHECKPOINT_CONFLICT] = "another state of that name is on the disk",
	};
	struct ftp_checkpoint_entry entries[FTP_PROTOCOL_MAX_UNITS];
	int rc;

	for (uint32_t i = 0; i < k->put.n; i++) {
		const struct ftp_snapshot *s = k->put.states[i];

		entries[i] = (struct ftp_checkpoint_entry){.unit = s->unit,
			.step = s->step,
			.term = s->term,
			.digest = s->digest,
			.bytes = ftp_snapshot_state_bytes(s),
			.data = s->data};
	}
	rc = ftp_checkpoint_put(k->store, entries, k->put.n);
	if (rc) {
		k->stats.n_refused++;
		tell(k, rc > 0 ? refusals[rc] : "more unit states than a checkpoint can list");
	}
	k->put.is_begun = !rc;
	return true;
}

static void end(struct ftp_checkpointer *k, const struct ftp_checkpoint_event *e, uint64_t now_ns)
{
	char text[256];

	k->stats.n_puts[e->outcome]++;
	look(k);
	if (e->outcome != FTP_CHECKPOINT_DONE) {
		snprintf(text, sizeof(text), "%s: %s", ftp_checkpoint_outcome_name(e->outcome),
			e->text);
		tell(k, text);
		return;
	}
	k->stats.step = k->put.step;
	k->stats.written_bytes += e->bytes;
	k->stats.put_ns += now_ns - k->put.begun_ns;
	ftp_log_debug("checkpoint: %u unit states after step %" PRIu64 ", %.1f MB in %.0f ms",
		k->put.n, k->put.step, (double)e->bytes / 1e6,
		(double)(now_ns - k->put.begun_ns) * 1e-6);
	tell(k, NULL);
}

static bool go_on(struct ftp_checkpointer *k, uint64_t now_ns)
{
	struct ftp_checkpoint_event e;
	bool moved;

	if (k->put.step && !k->put.is_begun && !ftp_checkpoint_is_busy(k->store))
		return begin(k);
	if (!ftp_checkpoint_is_busy(k->store))
		return false;
	moved = ftp_checkpoint_turn(k->store, k->disk, OPS_A_TURN, 0);
	if (!ftp_checkpoint_event(k->store, &e))
		return moved;
	end(k, &e, now_ns);
	return true;
}

bool ftp_checkpointer_turn(struct ftp_checkpointer *k, struct ftp_persisted *told, uint64_t now_ns)
{
	bool moved = k->told.step || (k->store && go_on(k, now_ns));

	*told = k->told;
	k->told.step = 0;
	return moved;
}

bool ftp_checkpointer_is_busy(const struct ftp_checkpointer *k)
{
	return k->store && ftp_checkpoint_is_busy(k->store);
}

static bool has(const struct ftp_inventory *m, const struct ftp_checkpoint_name *name)
{
	for (uint32_t i = 0; i < m->n; i++)
		if (m->unit[i] == name->unit && m->step[i] == name->step &&
			m->term[i] == name->term)
			return true;
	return false;
}

/* A record that could be the state of a unit of this model, and was whole when it was read last. */
static const struct ftp_checkpoint_name *usable(const struct ftp_checkpointer *k, uint32_t i)
{
	enum ftp_checkpoint_record_state state;
	const struct ftp_checkpoint_name *name =
		&ftp_checkpoint_record_at(k->store, i, &state)->name;

	if (state != FTP_CHECKPOINT_GOOD || name->unit >= (uint32_t)k->spec.model->n_units ||
		name->bytes != k->spec.model->units[name->unit].state_bytes)
		return NULL;
	return name;
}

static uint32_t n_records(const struct ftp_checkpointer *k)
{
	struct ftp_checkpoint_totals t;

	if (!k->store)
		return 0;
	ftp_checkpoint_totals(k->store, &t);
	return t.n_records;
}

void ftp_checkpointer_list(const struct ftp_checkpointer *k, struct ftp_inventory *m)
{
	for (uint32_t i = 0; i < n_records(k) && m->n < FTP_INVENTORY_MAX; i++) {
		const struct ftp_checkpoint_name *name = usable(k, i);

		if (!name || has(m, name))
			continue;
		m->unit[m->n] = name->unit;
		m->step[m->n] = name->step;
		m->term[m->n] = name->term;
		m->digest[m->n++] = name->digest;
	}
}

/* A put under way is ended first. */
static bool become_idle(struct ftp_checkpointer *k)
{
	uint64_t deadline_ns = ftp_clock_now_ns() + FETCH_NS;
	struct ftp_checkpoint_event e;

	while (ftp_checkpoint_is_busy(k->store)) {
		if (ftp_clock_now_ns() > deadline_ns)
			return false;
		ftp_checkpoint_turn(k->store, k->disk, FTP_DISK_N_BUFFERS, LOOK_EVERY_NS);
		if (ftp_checkpoint_event(k->store, &e))
			end(k, &e, ftp_clock_now_ns());
	}
	return true;
}

static const struct ftp_checkpoint_name *newest(
	const struct ftp_checkpointer *k, uint32_t unit, uint64_t step)
{
	const struct ftp_checkpoint_name *best = NULL;

	for (uint32_t i = 0; i < n_records(k); i++) {
		const struct ftp_checkpoint_name *name = usable(k, i);

		if (name && name->unit == unit && name->step == step &&
			(!best || name->term > best->term))
			best = name;
	}
	return best;
}

static bool read_into(struct ftp_checkpointer *k, struct ftp_snapshot *s, struct ftp_digest digest)
{
	struct ftp_checkpoint_event e;

	if (ftp_checkpoint_get(k->store, s->unit, s->step, s->data))
		return false;
	if (!await(k, &e, FETCH_NS)) {
		ftp_error_set(&k->why, ETIMEDOUT, "the disk does not answer");
		give_up(k);
		return false;
	}
	look(k);
	if (e.outcome != FTP_CHECKPOINT_DONE) {
		ftp_log_warn("checkpoint: unit %u after step %" PRIu64 ": %s: %s", s->unit, s->step,
			ftp_checkpoint_outcome_name(e.outcome), e.text);
		return false;
	}
	ftp_snapshots_complete(k->spec.snapshots, s, digest);
	return true;
}

bool ftp_checkpointer_fetch(struct ftp_checkpointer *k, uint32_t unit, uint64_t step)
{
	const struct ftp_snapshot *there = ftp_snapshots_newest(k->spec.snapshots, unit, step);
	const struct ftp_checkpoint_name *name;
	struct ftp_snapshot *s;

	name = k->store ? newest(k, unit, step) : NULL;
	if (there && (!name || name->term <= there->term))
		return true; /* a put under way, on however slow a disk, is none of its business */
	if (!name || !become_idle(k))
		return false;
	name = newest(k, unit, step); /* the put has moved them */
	if (!name)
		return false;
	s = ftp_snapshots_add(
		k->spec.snapshots, k->spec.region, unit, name->bytes, step, name->term);
	if (!s) {
		ftp_log_warn("checkpoint: no room to read unit %u from the disk; raise "
			     "nodes[].memory",
			unit);
		return false;
	}
	if (read_into(k, s, name->digest))
		return true;
	ftp_snapshots_give_up(k->spec.snapshots, s);
	return false;
}

const struct ftp_checkpointer_stats *ftp_checkpointer_stats(const struct ftp_checkpointer *k)
{
	return &k->stats;
}
