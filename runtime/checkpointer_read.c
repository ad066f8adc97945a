/* What is on a node's disk, for an inventory and for a recovery; and the reading of all of it, in
 * the background, that finds what is damaged before somebody counts on it. */
#include <inttypes.h>

#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/checkpointer_state.h"

static bool has(const struct ftp_inventory *m, const struct ftp_checkpoint_name *name)
{
	for (uint32_t i = 0; i < m->n; i++)
		if (m->unit[i] == name->unit && m->step[i] == name->step &&
			m->term[i] == name->term)
			return true;
	return false;
}

/* It could be the state of a unit of this model. */
static bool is_possible(const struct ftp_checkpointer *k, const struct ftp_checkpoint_name *name)
{
	return name->unit < (uint32_t)k->spec.model->n_units &&
	       name->bytes == k->spec.model->units[name->unit].state_bytes;
}

/* And was whole when it was read last. */
static const struct ftp_checkpoint_name *usable(const struct ftp_checkpointer *k, uint32_t i)
{
	enum ftp_checkpoint_record_state state;
	const struct ftp_checkpoint_name *name =
		&ftp_checkpoint_record_at(k->store, i, &state)->name;

	return state == FTP_CHECKPOINT_GOOD && is_possible(k, name) ? name : NULL;
}

static uint32_t n_records(const struct ftp_checkpointer *k)
{
	struct ftp_checkpoint_totals t;

	if (!ftp_checkpointer_can(k))
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

/* Whatever is under way is given up: the states that a recovery asks for are older, and training
 * waits for them. */
static bool become_idle(struct ftp_checkpointer *k)
{
	while (ftp_checkpointer_is_busy(k)) {
		ftp_checkpoint_cancel(k->store);
		ftp_checkpointer_wait(k);
		ftp_checkpointer_take_event(k, ftp_clock_now_ns());
	}
	return ftp_checkpointer_can(k);
}

static const struct ftp_checkpoint_name *newest(
	const struct ftp_checkpointer *k, uint32_t unit, uint64_t step)
{
	const struct ftp_checkpoint_record *r =
		ftp_checkpointer_can(k) ? ftp_checkpoint_newest(k->store, unit, step) : NULL;

	return r && is_possible(k, &r->name) ? &r->name : NULL;
}

static bool read_into(
	struct ftp_checkpointer *k, struct ftp_snapshot *s, const struct ftp_checkpoint_name *name)
{
	struct ftp_digest digest = name->digest;
	struct ftp_checkpoint_event e;

	if (ftp_checkpoint_get(k->store, name, s->data) || !ftp_checkpointer_await(k, &e))
		return false;
	ftp_checkpointer_count(k);
	if (e.outcome != FTP_CHECKPOINT_DONE) {
		ftp_log_warn("checkpoint: %s: %s: %s", k->directory,
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

	name = newest(k, unit, step);
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
	if (read_into(k, s, name))
		return true;
	ftp_snapshots_give_up(k->spec.snapshots, s);
	return false;
}

bool ftp_checkpointer_check(struct ftp_checkpointer *k)
{
	if (k->is_checked)
		return false;
	if (!ftp_checkpoint_check(k->store))
		return true;
	k->is_checked = true;
	ftp_checkpointer_count(k);
	k->stats.n_changes++;
	if (k->stats.n_damaged)
		ftp_log_warn("checkpoint: %s: %" PRIu64 " unit states are damaged, and not used; "
			     "`ftpctl ckpt verify` shows them",
			k->directory, k->stats.n_damaged);
	return false;
}

void ftp_checkpointer_end_check(struct ftp_checkpointer *k, const struct ftp_checkpoint_event *e)
{
	if (e->outcome != FTP_CHECKPOINT_DONE && e->outcome != FTP_CHECKPOINT_CANCELLED)
		ftp_log_warn("checkpoint: %s: %s: %s", k->directory,
			ftp_checkpoint_outcome_name(e->outcome), e->text);
}
