/* What is on a node's disk, for an inventory and for a recovery; and the reading of all of it, in
 * the background, that finds what is damaged before somebody counts on it. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/checkpointer_state.h"

#define AGAIN_NS      (60 * FTP_NS_PER_S) /* as a coordinator tries again what has failed */
#define AGAIN_MOST_NS (64 * AGAIN_NS)

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

static const struct ftp_checkpoint_name *newest(
	const struct ftp_checkpointer *k, uint32_t unit, uint64_t step)
{
	const struct ftp_checkpoint_record *r =
		ftp_checkpointer_can(k) ? ftp_checkpoint_newest(k->store, unit, step) : NULL;

	return r && is_possible(k, &r->name) ? &r->name : NULL;
}

bool ftp_checkpointer_has(const struct ftp_checkpointer *k, uint32_t unit, uint64_t step)
{
	return newest(k, unit, step);
}

/* Those that need no disk, on however slow a one a put is under way, are done. */
static void skip(struct ftp_checkpointer *k)
{
	struct ftp_checkpointer_fetch *f = &k->fetch;

	for (; f->next < f->n; f->next++) {
		const struct ftp_snapshot *there =
			ftp_snapshots_newest(k->spec.snapshots, f->units[f->next], f->step);
		const struct ftp_checkpoint_name *name = newest(k, f->units[f->next], f->step);

		if (!there || (name && name->term > there->term))
			return;
	}
}

void ftp_checkpointer_fetch(
	struct ftp_checkpointer *k, const uint32_t *units, uint32_t n, uint64_t step)
{
	ftp_checkpointer_fetch_end(k);
	ftp_assert(n <= FTP_PROTOCOL_MAX_UNITS);
	k->fetch.step = step;
	k->fetch.n = n;
	memcpy(k->fetch.units, units, n * sizeof(*units));
	k->moved_ns =
		k->looked_ns; /* what a check waits for is no reason to give the disk up now */
	skip(k);
	if (!ftp_checkpointer_can(k))
		ftp_checkpointer_fail_fetch(k, k->why.text);
}

static void no_more(struct ftp_checkpointer *k)
{
	struct ftp_checkpointer_fetch *f = &k->fetch;

	if (f->into) {
		ftp_checkpoint_cancel(k->store); /* it writes there no more */
		ftp_snapshots_give_up(k->spec.snapshots, f->into);
		f->into = NULL;
	}
	f->n = f->next = 0;
}

void ftp_checkpointer_fetch_end(struct ftp_checkpointer *k)
{
	no_more(k);
	k->fetch.has_failed = false;
}

void ftp_checkpointer_fail_fetch(struct ftp_checkpointer *k, const char *why)
{
	struct ftp_checkpointer_fetch *f = &k->fetch;

	if (!ftp_checkpointer_is_fetching(k))
		return;
	f->has_failed = true;
	ftp_error_set(&f->err, EIO,
		"unit %u after step %" PRIu64 " does not come from the disk: %s", f->units[f->next],
		f->step, why);
	no_more(k);
}

enum ftp_checkpointer_fetching ftp_checkpointer_fetched(
	const struct ftp_checkpointer *k, struct ftp_error *err)
{
	if (k->fetch.has_failed) {
		*err = k->fetch.err;
		return FTP_CHECKPOINTER_NOT_FETCHED;
	}
	return ftp_checkpointer_is_fetching(k) ? FTP_CHECKPOINTER_FETCHING
					       : FTP_CHECKPOINTER_FETCHED;
}

void ftp_checkpointer_fetch_next(struct ftp_checkpointer *k)
{
	struct ftp_checkpointer_fetch *f = &k->fetch;
	const struct ftp_checkpoint_name *name;

	skip(k);
	if (!ftp_checkpointer_is_fetching(k))
		return;
	name = newest(k, f->units[f->next], f->step);
	if (!name) {
		ftp_checkpointer_fail_fetch(k, "it is not there any more");
		return;
	}
	f->into = ftp_snapshots_add(
		k->spec.snapshots, k->spec.region, name->unit, name->bytes, name->step, name->term);
	if (!f->into) {
		ftp_checkpointer_fail_fetch(k, "there is no room for it; raise nodes[].memory");
		return;
	}
	f->digest = name->digest;
	if (ftp_checkpoint_get(k->store, name, f->into->data))
		ftp_checkpointer_fail_fetch(k, "the store does not give it");
}

void ftp_checkpointer_end_get(struct ftp_checkpointer *k, const struct ftp_checkpoint_event *e)
{
	struct ftp_checkpointer_fetch *f = &k->fetch;
	char why[256];

	if (!f->into)
		return; /* it was given up */
	if (e->outcome == FTP_CHECKPOINT_DONE) {
		ftp_snapshots_complete(k->spec.snapshots, f->into, f->digest);
		f->into = NULL;
		f->next++;
		return;
	}
	ftp_checkpointer_count(k);
	k->stats.n_changes++;
	snprintf(why, sizeof(why), "%s: %s", ftp_checkpoint_outcome_name(e->outcome), e->text);
	ftp_log_warn("checkpoint: %s: %s", k->directory, why);
	ftp_checkpointer_fail_fetch(k, why);
}

/* A disk that refuses may do so for a moment only, and a recovery may have nothing else: but who
 * asks it without end keeps it from what it does well. */
static bool asks_again(struct ftp_checkpointer *k, uint64_t now_ns)
{
	if (!k->n_unreadable) {
		k->again_ns = k->again_gap_ns = 0;
		return false;
	}
	if (!k->again_gap_ns)
		k->again_gap_ns = AGAIN_NS;
	if (!k->again_ns)
		k->again_ns = now_ns + k->again_gap_ns;
	if (now_ns < k->again_ns)
		return false;
	if (k->again_gap_ns < AGAIN_MOST_NS)
		k->again_gap_ns *= 2;
	k->again_ns = now_ns + k->again_gap_ns;
	k->is_checked = false;
	ftp_checkpoint_look_again(k->store);
	return true;
}

static void checked(struct ftp_checkpointer *k)
{
	uint64_t n_damaged = k->n_damaged;

	k->is_checked = true;
	ftp_checkpointer_count(k);
	k->stats.n_changes++;
	k->n_damaged = k->stats.n_damaged;
	if (k->stats.n_damaged && k->stats.n_damaged != n_damaged)
		ftp_log_warn("checkpoint: %s: %" PRIu64 " unit states are damaged, and not used; "
			     "`ftpctl ckpt verify` shows them",
			k->directory, k->stats.n_damaged);
	else if (n_damaged && !k->stats.n_damaged)
		ftp_log_info("checkpoint: %s: all unit states are whole again", k->directory);
}

bool ftp_checkpointer_check(struct ftp_checkpointer *k, uint64_t now_ns)
{
	if (k->is_checked && !asks_again(k, now_ns))
		return false;
	if (!ftp_checkpoint_check(k->store))
		return true;
	checked(k);
	return false;
}

void ftp_checkpointer_end_check(struct ftp_checkpointer *k, const struct ftp_checkpoint_event *e)
{
	if (e->outcome != FTP_CHECKPOINT_DONE && e->outcome != FTP_CHECKPOINT_CANCELLED)
		ftp_log_warn("checkpoint: %s: %s: %s", k->directory,
			ftp_checkpoint_outcome_name(e->outcome), e->text);
}
