#include "runtime/checkpointer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/checkpointer_state.h"

#define OPS_A_TURN    4 /* of at most a buffer each: copied in some 0.1 ms together */
#define AWAIT_NS      (10 * FTP_NS_PER_S) /* for an answer, while the node waits for it */
#define HUNG_NS	      (30 * FTP_NS_PER_S) /* while it does not */
#define LOOK_GAP_NS   FTP_NS_PER_S	  /* who has not looked cannot say that nothing came */
#define FREE_NS	      (5 * FTP_NS_PER_S)
#define LOOK_EVERY_NS (10 * FTP_NS_PER_MS)

bool ftp_checkpointer_can(const struct ftp_checkpointer *k)
{
	return k->store && k->is_open && !k->is_hung;
}

static void unpin(struct ftp_checkpointer *k)
{
	for (uint32_t i = 0; i < k->put.n; i++)
		ftp_snapshots_unpin(k->spec.snapshots, k->put.states[i]);
	k->put = (struct ftp_checkpointer_put){.step = 0};
}

static void tell_last_named(struct ftp_checkpointer *k, const struct ftp_persisted *m)
{
	const struct ftp_persisted *t = &k->told;
	bool is_older = m->term < t->term || (m->term == t->term && m->step < t->step);

	if (!t->step || !is_older)
		k->told = *m;
}

static void tell(struct ftp_checkpointer *k, const char *text)
{
	struct ftp_persisted m = {.term = k->put.term, .step = k->put.step, .ok = !text};

	for (uint32_t i = 0; !text && i < k->put.n; i++)
		m.unit[m.n_units++] = k->put.states[i]->unit;
	snprintf(m.text, sizeof(m.text), "%s", text ? text : "");
	tell_last_named(k, &m);
	if (text && !k->is_failing)
		ftp_log_warn("checkpoint: the snapshot after step %" PRIu64
			     " is not on this disk: %s; the next one is tried",
			m.step, text);
	else if (!text && k->is_failing)
		ftp_log_info("checkpoint: the snapshot after step %" PRIu64
			     " is on this disk again",
			m.step);
	k->is_failing = text;
	unpin(k);
}

/* What it owes goes to its own buffers, if it ever comes: nobody waits for it, and the states of a
 * put are free. */
static void hang(struct ftp_checkpointer *k, uint64_t waited_ns)
{
	ftp_error_set(&k->why, ETIMEDOUT, "the disk has not answered for %.1f s",
		(double)waited_ns * 1e-9);
	ftp_log_warn("checkpoint: %s: %s: the node goes on without it, until it does", k->directory,
		k->why.text);
	k->is_hung = true;
	k->stats.n_hung++;
	ftp_checkpointer_set_usable(k, false);
	ftp_checkpoint_cancel(k->store);
	ftp_checkpointer_fail_fetch(k, k->why.text);
	if (k->put.step)
		tell(k, k->why.text);
}

static void recover(struct ftp_checkpointer *k)
{
	ftp_log_info("checkpoint: %s: the disk answers again", k->directory);
	k->is_hung = false;
	if (k->is_open)
		ftp_checkpointer_set_usable(k, true);
	else
		ftp_error_set(&k->why, EAGAIN, "what is on the disk is being looked at");
}

/* One look at the disk, of so many new operations at most. true: something moved. One that has owed
 * an answer for patience_ns is declared hung. */
static bool look_at(struct ftp_checkpointer *k, uint32_t max_ops, uint64_t timeout_ns,
	uint64_t patience_ns, uint64_t now_ns)
{
	bool moved = ftp_checkpoint_turn(k->store, k->disk, max_ops, timeout_ns);

	if (k->spec.patience_ns)
		patience_ns = k->spec.patience_ns;
	if (moved || ftp_checkpoint_is_still(k->store))
		k->moved_ns = now_ns;
	else if (now_ns > k->looked_ns + LOOK_GAP_NS) /* nobody looked: that is not the disk's */
		k->moved_ns += now_ns - k->looked_ns - LOOK_GAP_NS;
	k->looked_ns = now_ns;
	if (now_ns > k->moved_ns + patience_ns)
		hang(k, now_ns - k->moved_ns);
	return moved;
}

bool ftp_checkpointer_await(struct ftp_checkpointer *k, struct ftp_checkpoint_event *e)
{
	while (!k->is_hung && !ftp_checkpoint_event(k->store, e))
		look_at(k, FTP_DISK_N_BUFFERS, LOOK_EVERY_NS, AWAIT_NS, ftp_clock_now_ns());
	return !k->is_hung;
}

/* How much longer an answer is waited for: not at all from a disk that owes it for long already. */
static uint64_t patience_left_ns(const struct ftp_checkpointer *k)
{
	uint64_t owed_ns = k->looked_ns - k->moved_ns;
	uint64_t patience_ns = k->spec.patience_ns ? k->spec.patience_ns : FREE_NS;

	return k->is_hung || owed_ns > patience_ns ? 0 : patience_ns - owed_ns;
}

static bool is_still(struct ftp_checkpointer *k)
{
	uint64_t deadline_ns = ftp_clock_now_ns() + patience_left_ns(k);

	while (k->store && !ftp_checkpoint_is_still(k->store)) {
		ftp_checkpoint_turn(k->store, k->disk, 0, LOOK_EVERY_NS);
		if (ftp_clock_now_ns() > deadline_ns)
			return ftp_checkpoint_is_still(k->store);
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
	} else {
		ftp_log_warn("checkpoint: %s: the disk still owes answers, and is left so",
			k->directory);
	}
	k->store = NULL;
	k->disk = NULL;
	k->is_open = false;
	ftp_checkpointer_set_usable(k, false);
}

void ftp_checkpointer_give_up(struct ftp_checkpointer *k)
{
	ftp_checkpointer_fail_fetch(k, k->why.text);
	close_store(k);
	ftp_log_warn("checkpoint: %s: %s: nothing is written to disk", k->directory, k->why.text);
	if (k->put.step)
		tell(k, k->why.text);
}

void ftp_checkpointer_free(struct ftp_checkpointer *k)
{
	if (!k)
		return;
	ftp_checkpointer_fetch_end(k);
	if (k->put.step)
		ftp_log_info("checkpoint: the node ends before the snapshot after step %" PRIu64
			     " is known to be on this disk",
			k->put.step);
	close_store(k);
	unpin(k);
	free(k->directory);
	free(k);
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
	if (ftp_checkpointer_can(k))
		ftp_checkpoint_pin(k->store, m->durable);
	if (!m->disk)
		return;
	if (k->put.step == m->disk && k->put.term == m->term)
		return; /* another coordinator asks for it: its end will be told */
	if (k->put.step) {
		struct ftp_persisted told = {.term = m->term, .step = m->disk};

		k->stats.n_refused++;
		snprintf(told.text, sizeof(told.text),
			"the disk is still busy with the snapshot after step %" PRIu64,
			k->put.step);
		tell_last_named(k, &told);
		return;
	}
	collect(k, m->term, m->disk);
	k->put.begun_ns = now_ns;
	if (ftp_checkpointer_can(k))
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

/* A file has no name any more, or the directory takes no other one. */
static bool leads_nowhere(const struct ftp_checkpoint_event *e)
{
	return e->error == -ESTALE || e->error == -ENOENT;
}

static void fail_put(struct ftp_checkpointer *k, const struct ftp_checkpoint_event *e)
{
	char text[256];

	snprintf(text, sizeof(text), "%s: %s", ftp_checkpoint_outcome_name(e->outcome), e->text);
	tell(k, text);
	if (leads_nowhere(e))
		ftp_checkpointer_open_anew(k);
}

static void end_put(
	struct ftp_checkpointer *k, const struct ftp_checkpoint_event *e, uint64_t now_ns)
{
	ftp_checkpointer_count(k);
	if (!k->put.is_begun) { /* the disk was hung, and it was told */
		k->stats.n_changes++;
		if (leads_nowhere(e))
			ftp_checkpointer_open_anew(k);
		return;
	}
	k->stats.n_puts[e->outcome]++;
	if (e->outcome != FTP_CHECKPOINT_DONE) {
		fail_put(k, e);
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

/* The end of what was under way, whatever it was; false: it has not come. */
static bool take_event(struct ftp_checkpointer *k, uint64_t now_ns)
{
	struct ftp_checkpoint_event e;

	if (!ftp_checkpoint_event(k->store, &e))
		return false;
	if (e.activity == FTP_CHECKPOINT_OPEN)
		ftp_checkpointer_opened(k, &e);
	else if (e.activity == FTP_CHECKPOINT_PUT)
		end_put(k, &e, now_ns);
	else if (e.activity == FTP_CHECKPOINT_GET)
		ftp_checkpointer_end_get(k, &e);
	else if (e.activity == FTP_CHECKPOINT_CHECK)
		ftp_checkpointer_end_check(k, &e);
	return true;
}

static bool begin_something(struct ftp_checkpointer *k, uint64_t now_ns)
{
	if (ftp_checkpointer_is_fetching(k)) {
		ftp_checkpointer_fetch_next(k);
		return true;
	}
	if (k->put.step && !k->put.is_begun)
		return begin(k);
	return ftp_checkpointer_check(k, now_ns);
}

/* What a recovery asks for is older than a put under way, and training waits for it; a check can be
 * made again. */
static bool is_in_the_way(const struct ftp_checkpointer *k)
{
	if (ftp_checkpointer_is_fetching(k))
		return !k->fetch.into;
	return k->put.step && !k->put.is_begun;
}

static bool go_on(struct ftp_checkpointer *k, uint64_t now_ns)
{
	bool is_awaited = ftp_checkpointer_is_fetching(k), moved;

	if (k->is_hung) {
		moved = ftp_checkpoint_turn(k->store, k->disk, 0, 0);
		if (ftp_checkpoint_is_still(k->store))
			recover(k);
		return moved;
	}
	if (!ftp_checkpoint_is_busy(k->store)) {
		k->looked_ns = k->moved_ns = now_ns;
		return begin_something(k, now_ns);
	}
	if (is_in_the_way(k))
		ftp_checkpoint_cancel(k->store);
	moved = look_at(k, is_awaited ? FTP_DISK_N_BUFFERS : OPS_A_TURN, 0,
		is_awaited ? AWAIT_NS : HUNG_NS, now_ns);
	return take_event(k, now_ns) || moved;
}

bool ftp_checkpointer_turn(struct ftp_checkpointer *k, struct ftp_persisted *told, uint64_t now_ns)
{
	bool moved = (told && k->told.step) || (k->store && go_on(k, now_ns));

	if (told) {
		*told = k->told;
		k->told.step = 0;
	}
	return moved;
}

bool ftp_checkpointer_is_busy(const struct ftp_checkpointer *k)
{
	return k->store && !k->is_hung && ftp_checkpoint_is_busy(k->store);
}

const struct ftp_checkpointer_stats *ftp_checkpointer_stats(const struct ftp_checkpointer *k)
{
	return &k->stats;
}
