#include "tests/sim/stage.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/base/prng.h"
#include "runtime/moves.h"
#include "tests/sim/cluster.h"
#include "tests/sim/links.h"
#include "tests/sim/node.h"
#include "tests/sim/rounds.h"

#define MAX_PAYLOAD_BYTES 1024
#define MAX_ACK_DELAY_NS  (30 * FTP_NS_PER_MS)

struct sim_stage *sim_stage_new(struct sim_node *n, const struct ftp_plan *plan, uint64_t serial)
{
	struct sim_stage *s = calloc(1, sizeof(*s));

	ftp_assert(s && plan->n_units <= ORACLE_MAX_UNITS);
	s->node = n;
	s->plan = *plan;
	s->serial = serial;
	s->member = ftp_moves_member_of(&s->plan, n->index);
	return s;
}

static uint64_t now_ns(const struct sim_stage *s)
{
	return s->node->cluster->world.now_ns;
}

static uint64_t incarnation_of(const struct sim_stage *s, int member)
{
	return ftp_plan_member(&s->plan, (uint32_t)member)->incarnation;
}

/* As runtime/mesh.c names a port. */
static uint64_t key_of(const struct sim_stage *s, int peer)
{
	uint64_t a = incarnation_of(s, s->member), b = incarnation_of(s, peer);

	return ftp_prng_mix(s->plan.term ^ ftp_prng_mix(a) ^ ftp_prng_mix(b));
}

static uint32_t n_messages(const struct sim_stage *s)
{
	const struct sim_spec *spec = &s->node->cluster->spec;
	int n_slots = ftp_schedule_n_slots(spec->schedule, (int)s->plan.n_stages, 0, spec->n_micro);

	return 4 * (uint32_t)n_slots + s->plan.n_units + sim_rounds_n_messages(&s->plan);
}

static void open_link(struct sim_stage *s, int peer)
{
	struct ftp_link link = {.port = sim_links_open(&s->node->cluster->world, key_of(s, peer),
					s->node->process)};
	const struct ftp_connection_params params = {.run = s->plan.run,
		.term = s->plan.term,
		.local = incarnation_of(s, s->member),
		.remote = incarnation_of(s, peer),
		.caps = link.port->caps,
		.max_payload_bytes = MAX_PAYLOAD_BYTES,
		.n_messages = n_messages(s),
		.max_message_bytes = SIM_STATE_BYTES,
		.max_ack_delay_ns = MAX_ACK_DELAY_NS,
		.idle_timeout_ns = SIM_SILENCE_NS,
		.waits_for_peer = true};

	ftp_assert(!ftp_connection_new(&link.connection, &params, now_ns(s), NULL));
	s->ports[peer] = link.port;
	ftp_netloop_add(s->net, peer, &link);
}

void sim_stage_connect(struct sim_stage *s)
{
	ftp_assert(!ftp_netloop_new(&s->net, -1, NULL, NULL));
	for (int i = 0; i < ftp_moves_n_members(&s->plan); i++)
		if (ftp_moves_connects(&s->plan, s->member, i)) {
			s->unheard |= UINT64_C(1) << i;
			open_link(s, i);
		}
}

void sim_stage_disconnect(struct sim_stage *s)
{
	for (int i = 0; i < FTP_CONFIG_MAX_NODES; i++) {
		if (s->ports[i])
			sim_links_leave(&s->node->cluster->world, s->ports[i]);
		s->ports[i] = NULL;
	}
	ftp_netloop_free(s->net, now_ns(s));
	s->net = NULL;
}

void sim_stage_free(struct sim_stage *s)
{
	if (!s)
		return;
	sim_stage_disconnect(s);
	sim_rounds_free(s->rounds);
	for (uint32_t u = 0; u < s->plan.n_units; u++) {
		free(s->travelling[u]);
		free(s->gathered[u]);
	}
	free(s->slots);
	free(s);
}

bool sim_stage_is_stage(const struct sim_stage *s)
{
	return ftp_moves_is_stage(&s->plan, s->member);
}

static struct ftp_message_id state_id(uint32_t unit, uint64_t step)
{
	return (struct ftp_message_id){
		.kind = FTP_MESSAGE_UNIT_STATE, .cut = (uint16_t)unit, .step = step};
}

static struct sim_state *state_new(void)
{
	struct sim_state *x = malloc(sizeof(*x));

	ftp_assert(x);
	sim_parcel_scribble(x->words, SIM_STATE_WORDS);
	ftp_buffer_init(&x->buffer, x->words, SIM_STATE_BYTES);
	return x;
}

static void post_state(struct sim_stage *s, struct sim_state **x, uint32_t unit, int from)
{
	const struct ftp_message_id id =
		state_id(unit, x == &s->gathered[unit] ? s->plan.last_step : s->step);

	*x = state_new();
	ftp_netloop_post(s->net, from, &id, (*x)->words, SIM_STATE_BYTES);
}

static void send_state(
	struct sim_stage *s, struct sim_state **x, uint32_t unit, int to, struct sim_unit state)
{
	const struct ftp_message_id id = state_id(unit, state.step);

	*x = state_new();
	sim_parcel_fill_state((*x)->words, unit, state.step, state.state, false);
	ftp_netloop_send(s->net, to, &id, FTP_CLASS_BULK, &(*x)->buffer, now_ns(s));
}

void sim_stage_begin(struct sim_stage *s, uint64_t after_step)
{
	const struct sim_cluster *c = s->node->cluster;

	s->step = after_step;
	s->has_step = true;
	for (uint32_t u = 0; u < s->plan.n_units; u++)
		if (ftp_moves_travels(&s->plan, u) && ftp_moves_owner(&s->plan, u) == s->member)
			post_state(s, &s->travelling[u], u, ftp_moves_holder(&s->plan, u));
	if (sim_stage_is_stage(s))
		sim_stage_begin_items(s);
	for (uint32_t u = 0; u < s->plan.n_units; u++)
		if (s->plan.holder[u] == FTP_PLAN_INITIAL)
			s->units[u] = (struct sim_unit){true, 0, c->oracle.states[0][u]};
}

void sim_stage_give(struct sim_stage *s, uint32_t unit, uint64_t state)
{
	int to = ftp_moves_owner(&s->plan, unit);
	char what[80];

	snprintf(what, sizeof(what), "unit %u of step %llu", unit, (unsigned long long)s->step);
	if (sim_links_send(&s->node->cluster->world, s->ports[to], what))
		send_state(
			s, &s->travelling[unit], unit, to, (struct sim_unit){true, s->step, state});
}

void sim_stage_gather(struct sim_stage *s)
{
	for (uint32_t u = 0; u < s->plan.n_units; u++) {
		int owner = ftp_moves_owner(&s->plan, u);

		if (s->member && owner == s->member)
			send_state(s, &s->gathered[u], u, 0, s->units[u]);
		else if (!s->member && owner)
			post_state(s, &s->gathered[u], u, owner);
		else
			continue;
		s->n_to_gather++;
	}
}

void sim_stage_sent_state(struct sim_state *x)
{
	sim_parcel_scribble(x->words, SIM_STATE_WORDS);
}

enum sim_parcel_kind sim_stage_take_state(
	struct sim_stage *s, const struct ftp_netloop_event *e, struct sim_unit *u)
{
	const struct ftp_message_id *id = &e->event.id;
	enum sim_parcel_kind kind = sim_parcel_state(e->event.data, id->cut, id->step, &u->state);

	u->is_here = true;
	u->step = id->step;
	if (kind == SIM_PARCEL_WRONG || e->event.bytes != SIM_STATE_BYTES)
		oracle_fail(&s->node->cluster->oracle,
			"what %s gets from %s as unit %u of step %llu is something else",
			s->node->process->name, ftp_plan_member(&s->plan, (uint32_t)e->peer)->name,
			id->cut, (unsigned long long)id->step);
	return kind;
}

void sim_stage_copy(struct sim_stage *next, const struct sim_stage *now)
{
	for (uint32_t u = 0; u < next->plan.n_units; u++)
		if (ftp_moves_holder(&next->plan, u) == next->member &&
			!ftp_moves_travels(&next->plan, u))
			next->units[u] = now->units[u];
}

void sim_stage_content(const struct sim_unit *u, uint32_t unit, uint64_t content[SIM_CONTENT])
{
	content[0] = unit;
	content[1] = u->step;
	content[2] = u->state;
}

struct ftp_digest sim_stage_digest(const struct sim_unit *u, uint32_t unit)
{
	uint64_t content[SIM_CONTENT];

	sim_stage_content(u, unit, content);
	return ftp_digest_of(content, sizeof(content));
}
