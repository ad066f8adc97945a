#include "runtime/replicas.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/moves.h"
#include "runtime/replica_targets.h"

#define N_ROUNDS 2
#define N_NAMES	 16 /* that wait for a round: one, but for those that the coordinator gave up */

/* A unit's way through a round. A stage's own: PLACELESS -> PLACED -> EXPORTED -> LABELLED -> LENT
 * -> DONE, without EXPORTED if the round is late. A guest's: PLACELESS -> PLACED (posted) ->
 * ARRIVED
 * -> DONE. */
enum unit_state {
	UNIT_DONE, /* or it does not concern us */
	UNIT_PLACELESS,
	UNIT_PLACED,
	UNIT_EXPORTED,
	UNIT_LABELLED, /* is told of; may have to wait for its turn on the links */
	UNIT_LENT,
	UNIT_ARRIVED,
};

struct round_unit {
	enum unit_state state;
	struct ftp_snapshot *place;
	int n_lent;
	struct ftp_buffer
		buffers[FTP_REPLICA_MAX_TARGETS]; /* a port keeps its count of a send in each */
};

struct round { /* of one named step */
	uint64_t step;
	bool is_global, is_late;
	bool is_spoiled, is_told; /* and that it is */
	uint32_t n_open;	  /* units not DONE; 0: the round is over */
	struct round_unit units[FTP_PROTOCOL_MAX_UNITS];
};

struct name {
	uint64_t step;
	bool is_global;
};

struct ftp_replicas {
	struct ftp_replicas_spec spec;
	uint64_t free_ns[FTP_CONFIG_MAX_NODES]; /* by member: when the next unit may go there */
	bool is_waiting;			/* for one of these */
	uint64_t step;				/* last finished of the stage */
	bool is_pending; /* something has happened since there was nothing to do */
	struct round rounds[N_ROUNDS];
	struct name names[N_NAMES]; /* that wait for a round, oldest first */
	uint32_t n_names;
	uint64_t named_step;		     /* the latest */
	uint64_t kept[FTP_RETAIN_MAX_STEPS]; /* steps before it, whose late replicas count too */
	uint32_t n_kept;
};

/* A round's messages, and those of the one before whose memory is not idle yet. */
uint32_t ftp_replicas_n_messages(const struct ftp_plan *plan)
{
	return N_ROUNDS * plan->n_units;
}

struct ftp_replicas *ftp_replicas_new(const struct ftp_replicas_spec *spec)
{
	struct ftp_replicas *r = calloc(1, sizeof(*r));

	ftp_assert(r);
	r->spec = *spec;
	return r;
}

static bool is_own(const struct ftp_replicas *r, uint32_t unit)
{
	return ftp_moves_owner(r->spec.plan, unit) == r->spec.member;
}

/* The links are closed: what was never filled goes back, and what was lent is ours again. */
static void close_unit(struct ftp_replicas *r, struct round_unit *x)
{
	if (x->state == UNIT_PLACED || x->state == UNIT_EXPORTED || x->state == UNIT_ARRIVED)
		ftp_snapshots_give_up(r->spec.store, x->place);
	for (; (x->state == UNIT_LENT || x->state == UNIT_LABELLED) && x->n_lent; x->n_lent--)
		ftp_snapshots_unpin(r->spec.store, x->place);
}

void ftp_replicas_free(struct ftp_replicas *r)
{
	if (!r)
		return;
	for (int i = 0; i < N_ROUNDS; i++)
		for (uint32_t u = 0; r->rounds[i].n_open && u < r->spec.plan->n_units; u++)
			close_unit(r, &r->rounds[i].units[u]);
	free(r);
}

static struct ftp_message_id id_of(uint32_t unit, uint64_t step)
{
	return (struct ftp_message_id){
		.kind = FTP_MESSAGE_REPLICA, .cut = (uint16_t)unit, .step = step};
}

/* The older round first: a newer one would not give the place back before its receivers have room,
 * and they may wait for the older one. */
static bool is_in_turn(const struct ftp_replicas *r, const struct round *round, uint32_t unit)
{
	const struct round *other = &r->rounds[round == &r->rounds[0]];

	return other->step > round->step || other->units[unit].state != UNIT_PLACELESS;
}

/* false: its places are still taken. */
static bool place(struct ftp_replicas *r, struct round *round, uint32_t unit)
{
	const struct ftp_message_id id = id_of(unit, round->step);
	struct round_unit *x = &round->units[unit];

	if (!is_in_turn(r, round, unit))
		return false;
	x->place = ftp_snapshots_take(r->spec.store, unit, round->step, r->spec.plan->term);
	if (!x->place)
		return false;
	x->state = UNIT_PLACED;
	if (!is_own(r, unit))
		ftp_netloop_post(r->spec.net, ftp_moves_owner(r->spec.plan, unit), &id,
			x->place->data, x->place->bytes);
	return true;
}

/* By a coordinator that does not know that the one before it has: it is to name another. */
static bool is_named(struct ftp_replicas *r, uint64_t step)
{
	for (uint32_t i = 0; i < r->n_names; i++)
		if (r->names[i].step == step)
			return true;
	for (int i = 0; i < N_ROUNDS; i++) {
		struct round *round = &r->rounds[i];

		if (round->step != step)
			continue;
		round->is_spoiled = true;
		round->is_told = false;
		r->is_pending = true;
		return true;
	}
	return false;
}

static void begin(struct ftp_replicas *r, struct round *round, const struct name *name)
{
	round->step = name->step;
	round->is_global = name->is_global;
	round->is_late = round->is_spoiled = name->step <= r->step;
	round->is_told = false;
	for (uint32_t u = 0; u < r->spec.plan->n_units; u++) {
		if (!is_own(r, u) &&
			!ftp_replica_comes_to(r->spec.plan, r->spec.member, u, name->is_global))
			continue;
		round->n_open++;
		round->units[u].state = UNIT_PLACELESS;
		place(r, round, u);
	}
	r->is_pending = true;
}

static bool is_over(const struct round *round)
{
	return !round->n_open && (!round->is_spoiled || round->is_told);
}

/* None is left out, however late: other stages have posted its units. */
static void take_up(struct ftp_replicas *r)
{
	for (int i = 0; i < N_ROUNDS && r->n_names; i++) {
		if (!is_over(&r->rounds[i]))
			continue;
		begin(r, &r->rounds[i], &r->names[0]);
		memmove(r->names, r->names + 1, --r->n_names * sizeof(*r->names));
	}
}

void ftp_replicas_name(struct ftp_replicas *r, const struct ftp_retain *m)
{
	uint64_t step = m->next;

	r->named_step = step;
	r->n_kept = m->n_steps;
	memcpy(r->kept, m->step, sizeof(r->kept));
	if (is_named(r, step))
		return;
	if (r->n_names == N_NAMES) {
		ftp_log_error("%d snapshots are under way: that after step %llu is not taken",
			N_ROUNDS + N_NAMES, (unsigned long long)step);
		return;
	}
	r->names[r->n_names++] = (struct name){step, m->global};
	take_up(r);
}

static bool has_places(const struct ftp_replicas *r, const struct round *round)
{
	const struct ftp_plan_stage *self = &r->spec.plan->stages[r->spec.member];

	for (uint32_t u = self->first_unit; u < self->end_unit; u++)
		if (round->units[u].state != UNIT_PLACED)
			return false;
	return true;
}

static void take(struct ftp_replicas *r, struct round *round)
{
	const struct ftp_plan_stage *self = &r->spec.plan->stages[r->spec.member];

	for (uint32_t u = self->first_unit; u < self->end_unit; u++) {
		ftp_stage_export(r->spec.stage, (int)u, round->units[u].place->data);
		round->units[u].state = UNIT_EXPORTED;
	}
	r->spec.stats->n_taken++;
}

bool ftp_replicas_stepped(struct ftp_replicas *r, uint64_t step)
{
	bool took = false;

	r->step = step;
	for (int i = 0; i < N_ROUNDS; i++) {
		struct round *round = &r->rounds[i];

		if (!round->n_open || round->step != step)
			continue;
		took = has_places(r, round);
		if (took)
			take(r, round);
		else
			round->is_late = round->is_spoiled = true;
		r->is_pending = true;
	}
	return took;
}

static void done(struct round *round, struct round_unit *x)
{
	x->state = UNIT_DONE;
	round->n_open--;
}

static bool is_kept(const struct ftp_replicas *r, uint64_t step)
{
	for (uint32_t i = 0; i < r->n_kept; i++)
		if (r->kept[i] == step)
			return true;
	return step >= r->named_step;
}

/* Of a step that is neither the latest nor to be kept, nobody would say when its states may go. */
static void keep(struct ftp_replicas *r, const struct round *round, struct ftp_snapshot *s,
	struct ftp_digest digest, struct ftp_replica_news *news)
{
	if (!is_kept(r, round->step)) {
		ftp_snapshots_give_up(r->spec.store, s);
		return;
	}
	ftp_snapshots_complete(r->spec.store, s, digest);
	if (round->step < r->named_step)
		return;
	news->step = round->step;
	news->unit = s->unit;
	news->digest = digest;
}

/* Own units: to whom they go, with the state if there is one. */
static void label(
	struct ftp_replicas *r, struct round *round, uint32_t unit, struct ftp_replica_news *news)
{
	struct round_unit *x = &round->units[unit];
	struct ftp_snapshot *s = x->place;
	struct ftp_digest digest = {0};
	int targets[FTP_REPLICA_MAX_TARGETS];

	x->n_lent = ftp_replica_targets(r->spec.plan, r->spec.member, round->is_global, targets);
	for (int i = 0; i < x->n_lent; i++)
		ftp_snapshots_pin(r->spec.store, s);
	if (x->state == UNIT_EXPORTED) {
		digest = ftp_digest_of(s->data, ftp_snapshot_state_bytes(s));
		ftp_snapshot_label(s, FTP_SNAPSHOT_SOUND, digest);
		keep(r, round, s, digest, news);
	} else {
		ftp_snapshot_label(s, FTP_SNAPSHOT_VOID, digest);
		ftp_snapshots_give_up(r->spec.store, s);
	}
	x->state = UNIT_LABELLED;
}

static bool may_send(const struct ftp_replicas *r, const int *targets, int n, uint64_t now_ns)
{
	for (int i = 0; i < n; i++)
		if (now_ns < r->free_ns[targets[i]])
			return false;
	return true;
}

static void charge(struct ftp_replicas *r, int target, uint32_t bytes, uint64_t now_ns)
{
	if (r->spec.max_bytes_per_s)
		r->free_ns[target] = now_ns + (uint64_t)((double)bytes * (double)FTP_NS_PER_S /
							 (double)r->spec.max_bytes_per_s);
}

/* false: the links have to rest. */
static bool lend(struct ftp_replicas *r, struct round *round, uint32_t unit, uint64_t now_ns)
{
	const struct ftp_message_id id = id_of(unit, round->step);
	struct round_unit *x = &round->units[unit];
	int targets[FTP_REPLICA_MAX_TARGETS];
	int n = ftp_replica_targets(r->spec.plan, r->spec.member, round->is_global, targets);

	if (!may_send(r, targets, n, now_ns)) {
		r->is_waiting = true;
		return false;
	}
	x->state = UNIT_LENT;
	for (int i = 0; i < n; i++) {
		charge(r, targets[i], x->place->bytes, now_ns);
		ftp_buffer_init(&x->buffers[i], x->place->data, x->place->bytes);
		ftp_netloop_send(
			r->spec.net, targets[i], &id, FTP_CLASS_BULK, &x->buffers[i], now_ns);
	}
	if (!n)
		done(round, x);
	return true;
}

static void take_in(
	struct ftp_replicas *r, struct round *round, uint32_t unit, struct ftp_replica_news *news)
{
	struct ftp_snapshot *s = round->units[unit].place;
	const struct ftp_digest digest = ftp_digest_of(s->data, ftp_snapshot_state_bytes(s));
	enum ftp_snapshot_label_kind kind = ftp_snapshot_check(s, digest);
	const struct ftp_plan *plan = r->spec.plan;

	if (kind == FTP_SNAPSHOT_SOUND)
		keep(r, round, s, digest, news);
	else
		ftp_snapshots_give_up(r->spec.store, s);
	if (kind == FTP_SNAPSHOT_WRONG) {
		ftp_log_error("the replica of unit %u after step %llu from %s is not what it says",
			unit, (unsigned long long)round->step,
			plan->stages[ftp_moves_owner(plan, unit)].name);
		round->is_spoiled = true;
	}
	done(round, &round->units[unit]);
}

/* true: there was something to do. */
static bool turn_unit(struct ftp_replicas *r, struct round *round, uint32_t unit,
	struct ftp_replica_news *news, uint64_t now_ns)
{
	struct round_unit *x = &round->units[unit];

	switch (x->state) {
	case UNIT_PLACELESS:
		return place(r, round, unit);
	case UNIT_PLACED:
		if (!is_own(r, unit) || !round->is_late)
			return false;
		label(r, round, unit, news);
		return true;
	case UNIT_EXPORTED:
		label(r, round, unit, news);
		return true;
	case UNIT_LABELLED:
		return lend(r, round, unit, now_ns);
	case UNIT_ARRIVED:
		take_in(r, round, unit, news);
		return true;
	case UNIT_LENT:
	case UNIT_DONE:
		return false;
	}
	return false;
}

/* A stage tells that it was late when its own units are through: while they are under way they have
 * the places of the next ones, which would be late too. */
static bool tell_spoiled(struct ftp_replicas *r, struct round *round, struct ftp_replica_news *news)
{
	const struct ftp_plan_stage *self = &r->spec.plan->stages[r->spec.member];

	if (!round->is_spoiled || round->is_told)
		return false;
	for (uint32_t u = self->first_unit; u < self->end_unit; u++)
		if (round->units[u].state != UNIT_DONE)
			return false;
	round->is_told = true;
	news->step = round->step;
	news->unit = FTP_REPLICA_SPOILED;
	r->spec.stats->n_spoiled++;
	return true;
}

static bool turn_round(
	struct ftp_replicas *r, struct round *round, struct ftp_replica_news *news, uint64_t now_ns)
{
	for (uint32_t u = 0; round->n_open && u < r->spec.plan->n_units; u++)
		if (turn_unit(r, round, u, news, now_ns))
			return true;
	return tell_spoiled(r, round, news);
}

bool ftp_replicas_turn(struct ftp_replicas *r, struct ftp_replica_news *news, uint64_t now_ns)
{
	bool is_swapped;

	*news = (struct ftp_replica_news){.term = r->spec.plan->term, .at = r->step};
	if (!r->is_pending && !r->is_waiting)
		return false;
	r->is_waiting = false;
	take_up(r);
	is_swapped = r->rounds[1].step < r->rounds[0].step;
	r->is_pending = turn_round(r, &r->rounds[is_swapped], news, now_ns) ||
			turn_round(r, &r->rounds[!is_swapped], news, now_ns);
	return r->is_pending;
}

bool ftp_replicas_wait(const struct ftp_replicas *r)
{
	return r->is_waiting;
}

bool ftp_replicas_event(struct ftp_replicas *r, const struct ftp_netloop_event *e)
{
	const struct ftp_message_id *id = &e->event.id;
	struct round *round = &r->rounds[r->rounds[0].step != id->step];
	struct round_unit *x;

	if (id->kind != FTP_MESSAGE_REPLICA ||
		(e->event.kind != FTP_CONNECTION_RECEIVED && e->event.kind != FTP_CONNECTION_SENT))
		return false;
	ftp_assert(round->step == id->step && id->cut < r->spec.plan->n_units);
	x = &round->units[id->cut];
	r->is_pending = true;
	if (e->event.kind == FTP_CONNECTION_RECEIVED) {
		ftp_assert(x->state == UNIT_PLACED);
		x->state = UNIT_ARRIVED;
		r->spec.stats->received_bytes += e->event.bytes;
		return true;
	}
	ftp_assert(x->state == UNIT_LENT);
	r->spec.stats->sent_bytes += e->event.bytes;
	ftp_snapshots_unpin(r->spec.store, x->place);
	if (!--x->n_lent)
		done(round, x);
	return true;
}
