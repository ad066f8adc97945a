#include "tests/sim/rounds.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/moves.h"
#include "runtime/replica_targets.h"
#include "tests/sim/cluster.h"
#include "tests/sim/node.h"

#define N_ROUNDS 2
#define N_NAMES	 16

struct round_unit {
	bool is_open; /* to be sent, under way, or to come */
	uint32_t n_lent;
	uint64_t words[SIM_STATE_WORDS];
	struct ftp_buffer buffers[FTP_REPLICA_MAX_TARGETS];
};

struct round { /* of one named step */
	uint64_t step;
	bool is_global, is_late;
	bool is_spoiled, is_told; /* and that it is */
	uint32_t n_open;	  /* units; 0: the round is over */
	struct round_unit *units[ORACLE_MAX_UNITS];
};

struct name {
	uint64_t step;
	bool is_global;
};

struct sim_rounds {
	struct sim_stage *stage;
	uint64_t step; /* last finished of the stage */
	struct round rounds[N_ROUNDS];
	struct name names[N_NAMES]; /* that wait for a round, oldest first */
	uint32_t n_names;
};

uint32_t sim_rounds_n_messages(const struct ftp_plan *plan)
{
	return N_ROUNDS * plan->n_units;
}

struct sim_rounds *sim_rounds_new(struct sim_stage *s)
{
	struct sim_rounds *r = calloc(1, sizeof(*r));

	ftp_assert(r);
	r->stage = s;
	r->step = s->step;
	return r;
}

void sim_rounds_free(struct sim_rounds *r)
{
	for (int i = 0; r && i < N_ROUNDS; i++)
		for (int u = 0; u < ORACLE_MAX_UNITS; u++)
			free(r->rounds[i].units[u]);
	free(r);
}

static const struct ftp_plan_stage *self(const struct sim_rounds *r)
{
	return &r->stage->plan.stages[r->stage->member];
}

static bool is_own(const struct sim_rounds *r, uint32_t unit)
{
	return unit >= self(r)->first_unit && unit < self(r)->end_unit;
}

static struct ftp_message_id id_of(uint32_t unit, uint64_t step)
{
	return (struct ftp_message_id){
		.kind = FTP_MESSAGE_REPLICA, .cut = (uint16_t)unit, .step = step};
}

static void done(struct round *round, struct round_unit *x)
{
	x->is_open = false;
	round->n_open--;
}

static void lend(struct sim_rounds *r, struct round *round, uint32_t unit)
{
	const struct sim_unit *u = &r->stage->units[unit];
	const struct ftp_message_id id = id_of(unit, round->step);
	struct round_unit *x = round->units[unit];
	int targets[FTP_REPLICA_MAX_TARGETS];

	sim_parcel_fill_state(x->words, unit, round->step, u->state, round->is_late);
	x->n_lent = (uint32_t)ftp_replica_targets(
		&r->stage->plan, r->stage->member, round->is_global, targets);
	for (uint32_t i = 0; i < x->n_lent; i++) {
		ftp_buffer_init(&x->buffers[i], x->words, SIM_STATE_BYTES);
		ftp_netloop_send(r->stage->net, targets[i], &id, FTP_CLASS_BULK, &x->buffers[i],
			r->stage->node->cluster->world.now_ns);
	}
	if (!x->n_lent)
		done(round, x);
}

static void lend_own(struct sim_rounds *r, struct round *round)
{
	for (uint32_t u = self(r)->first_unit; u < self(r)->end_unit; u++)
		lend(r, round, u);
}

/* By a coordinator that does not know that the one before it has. */
static bool is_named(struct sim_rounds *r, uint64_t step)
{
	for (uint32_t i = 0; i < r->n_names; i++)
		if (r->names[i].step == step)
			return true;
	for (int i = 0; i < N_ROUNDS; i++) {
		if (r->rounds[i].step != step)
			continue;
		r->rounds[i].is_spoiled = true;
		r->rounds[i].is_told = false;
		return true;
	}
	return false;
}

static void begin(struct sim_rounds *r, struct round *round, const struct name *name)
{
	const struct ftp_plan *plan = &r->stage->plan;

	round->step = name->step;
	round->is_global = name->is_global;
	round->is_late = round->is_spoiled = name->step <= r->step;
	round->is_told = false;
	for (uint32_t u = 0; u < plan->n_units; u++) {
		const struct ftp_message_id id = id_of(u, name->step);
		struct round_unit *x = round->units[u];

		if (!is_own(r, u) &&
			!ftp_replica_comes_to(plan, r->stage->member, u, name->is_global))
			continue;
		if (!x)
			x = round->units[u] = malloc(sizeof(*x));
		ftp_assert(x);
		x->is_open = true;
		x->n_lent = 0;
		round->n_open++;
		sim_parcel_scribble(x->words, SIM_STATE_WORDS);
		if (!is_own(r, u))
			ftp_netloop_post(r->stage->net, ftp_moves_owner(plan, u), &id, x->words,
				SIM_STATE_BYTES);
	}
	if (round->is_late)
		lend_own(r, round);
}

/* A stage tells that it was late when its own units are through. */
static void tell_spoiled(struct sim_rounds *r, struct round *round)
{
	if (!round->is_spoiled || round->is_told)
		return;
	for (uint32_t u = self(r)->first_unit; u < self(r)->end_unit; u++)
		if (round->units[u]->is_open)
			return;
	round->is_told = true;
	sim_node_tell_late(r->stage->node, round->step);
}

static bool is_over(const struct round *round)
{
	return !round->n_open && (!round->is_spoiled || round->is_told);
}

/* None is left out, however late: other stages have posted its units. */
static void turn(struct sim_rounds *r)
{
	for (int i = 0; i < N_ROUNDS; i++)
		if (r->rounds[i].step)
			tell_spoiled(r, &r->rounds[i]);
	for (int i = 0; i < N_ROUNDS && r->n_names; i++) {
		if (!is_over(&r->rounds[i]))
			continue;
		begin(r, &r->rounds[i], &r->names[0]);
		memmove(r->names, r->names + 1, --r->n_names * sizeof(*r->names));
		tell_spoiled(r, &r->rounds[i]);
	}
}

void sim_rounds_name(struct sim_rounds *r, const struct ftp_retain *m)
{
	if (!is_named(r, m->next)) {
		ftp_assert(r->n_names < N_NAMES);
		r->names[r->n_names++] = (struct name){m->next, m->global};
	}
	turn(r);
}

void sim_rounds_stepped(struct sim_rounds *r, uint64_t step)
{
	r->step = step;
	for (int i = 0; i < N_ROUNDS; i++) {
		struct round *round = &r->rounds[i];

		if (!round->n_open || round->step != step)
			continue;
		sim_node_take_snapshot(r->stage->node, step);
		lend_own(r, round);
	}
	turn(r);
}

bool sim_rounds_event(struct sim_rounds *r, const struct ftp_netloop_event *e)
{
	const struct ftp_message_id *id = &e->event.id;
	struct round *round;
	struct round_unit *x;
	struct sim_unit u;

	if (id->kind != FTP_MESSAGE_REPLICA)
		return false;
	round = &r->rounds[r->rounds[0].step != id->step];
	ftp_assert(round->step == id->step && round->units[id->cut]->is_open);
	x = round->units[id->cut];
	if (e->event.kind == FTP_CONNECTION_SENT) {
		if (--x->n_lent == 0) {
			sim_parcel_scribble(x->words, SIM_STATE_WORDS);
			done(round, x);
		}
	} else {
		if (sim_stage_take_state(r->stage, e, &u) == SIM_PARCEL_SOUND)
			sim_node_take_replica(r->stage->node, id->cut, &u);
		done(round, x);
	}
	turn(r);
	return true;
}
