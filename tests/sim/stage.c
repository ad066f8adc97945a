#include "tests/sim/stage.h"

#include <stdlib.h>
#include <stdio.h>

#include "runtime/base/prng.h"
#include "runtime/moves.h"
#include "runtime/replica_targets.h"
#include "tests/sim/cluster.h"
#include "tests/sim/links.h"
#include "tests/sim/node.h"

#define MAX_PAYLOAD_BYTES 1024
#define MAX_ACK_DELAY_NS  (30 * FTP_NS_PER_MS)

struct sim_stage *sim_stage_new(struct sim_node *n, const struct ftp_plan *plan, uint64_t serial)
{
	struct sim_stage *s = calloc(1, sizeof(*s));

	ftp_assert(s && plan->n_units <= ORACLE_MAX_UNITS);
	s->node = n;
	s->compute.oracle = &n->cluster->oracle;
	s->compute.who = n->process->name;
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

	return 4 * (uint32_t)n_slots + s->plan.n_units + ftp_replicas_n_messages(&s->plan);
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
		.max_message_bytes = SIM_STATE_BYTES + FTP_SNAPSHOT_LABEL_BYTES,
		.max_ack_delay_ns = MAX_ACK_DELAY_NS,
		.idle_timeout_ns = FTP_LINK_SILENCE_NS,
		.waits_for_peer = true};

	ftp_assert(!ftp_connection_new(&link.connection, &params, now_ns(s), NULL));
	s->ports[peer] = link.port;
	ftp_netloop_add(s->net, peer, &link);
}

void sim_stage_connect(struct sim_stage *s)
{
	ftp_assert(!ftp_netloop_new(&s->net, -1, NULL, NULL));
	for (int i = 0; i < ftp_moves_n_members(&s->plan); i++)
		if (ftp_moves_connects(&s->plan, s->member, i))
			open_link(s, i);
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
	ftp_replicas_free(s->replicas);
	ftp_states_free(s->states);
	ftp_states_free(s->gather);
	ftp_snapshot_places_free(s->places);
	free(s->slots);
	free(s);
}

bool sim_stage_is_stage(const struct sim_stage *s)
{
	return ftp_moves_is_stage(&s->plan, s->member);
}

static void build_states(struct sim_stage *s)
{
	struct ftp_states_spec spec = {.model = &s->node->cluster->model.model, .self = s->member};

	for (uint32_t u = 0; u < s->plan.n_units; u++) {
		bool travels = ftp_moves_travels(&s->plan, u);

		spec.from[u] = travels ? ftp_moves_holder(&s->plan, u) : FTP_MOVES_NOBODY;
		spec.to[u] = travels ? ftp_moves_owner(&s->plan, u) : FTP_MOVES_NOBODY;
	}
	ftp_assert(!ftp_states_new(&s->states, &spec, NULL));
}

static void build_places(struct sim_stage *s)
{
	const struct sim_spec *spec = &s->node->cluster->spec;
	uint8_t n[FTP_PROTOCOL_MAX_UNITS];

	ftp_replica_places(
		&s->plan, s->member, spec->snapshot_global > 0, spec->checkpoint_every > 0, n);
	ftp_assert(!ftp_snapshot_places_new(
		&s->places, &s->node->cluster->model.model, sim_compute_region(), n, NULL));
}

/* As runtime/assembly.c. */
void sim_stage_build(struct sim_stage *s)
{
	if (sim_stage_is_stage(s) && s->node->cluster->spec.snapshot_every)
		build_places(s);
	build_states(s);
}

void sim_stage_begin(struct sim_stage *s, uint64_t after_step)
{
	const struct sim_cluster *c = s->node->cluster;

	s->step = after_step;
	s->has_step = true;
	ftp_states_post(s->states, s->net, after_step);
	if (sim_stage_is_stage(s))
		sim_stage_begin_items(s);
	for (uint32_t u = 0; u < s->plan.n_units; u++)
		if (s->plan.holder[u] == FTP_PLAN_INITIAL)
			s->compute.units[u] = (struct sim_unit){true, 0, c->oracle.states[0][u]};
}

void sim_stage_give(struct sim_stage *s, struct sim_stage *now)
{
	struct sim_world *w = &s->node->cluster->world;
	char what[80];

	for (uint32_t u = 0; u < s->plan.n_units; u++) {
		if (!ftp_states_sends(s->states, u))
			continue;
		snprintf(
			what, sizeof(what), "unit %u of step %llu", u, (unsigned long long)s->step);
		sim_links_send(w, s->ports[ftp_moves_owner(&s->plan, u)], what);
	}
	ftp_states_send(s->states, now ? &now->compute : NULL, s->net, now_ns(s));
}

void sim_stage_copy(struct sim_stage *next, struct sim_stage *now)
{
	for (uint32_t u = 0; u < next->plan.n_units; u++)
		if (ftp_moves_holder(&next->plan, u) == next->member &&
			ftp_moves_owner(&next->plan, u) == next->member)
			ftp_stage_copy(&next->compute, &now->compute, (int)u);
}

void sim_stage_start(struct sim_stage *s)
{
	const struct ftp_replicas_spec spec = {.plan = &s->plan,
		.member = s->member,
		.stage = &s->compute,
		.net = s->net,
		.store = s->node->snapshots.store,
		.stats = &s->node->snapshots.stats,
		.max_bytes_per_s = s->node->cluster->config.snapshot.max_bandwidth_bytes};

	if (s->node->transition.survives)
		ftp_rollcall_start(&s->node->rollcall, &s->plan, s->member, s->net, now_ns(s));
	if (!s->places)
		return;
	ftp_snapshots_adopt(spec.store, s->places);
	s->places = NULL;
	s->replicas = ftp_replicas_new(&spec);
}

/* As runtime/gather.c. */
void sim_stage_gather(struct sim_stage *s)
{
	struct ftp_states_spec spec = {.model = &s->node->cluster->model.model, .self = s->member};

	for (uint32_t u = 0; u < s->plan.n_units; u++)
		spec.from[u] = ftp_moves_owner(&s->plan, u);
	ftp_assert(!ftp_states_new(&s->gather, &spec, NULL));
	ftp_states_post(s->gather, s->net, s->plan.last_step);
	ftp_states_send(s->gather, &s->compute, s->net, now_ns(s));
}

static void check_gathered(const struct sim_stage *s)
{
	struct oracle *o = &s->node->cluster->oracle;
	uint64_t step, state;

	for (uint32_t u = 0; u < s->plan.n_units; u++) {
		if (!sim_parcel_is_state(ftp_states_data(s->gather, u), u, &step, &state))
			oracle_fail(o, "what is gathered as unit %u is something else", u);
		else if (step != o->last_step)
			oracle_fail(o, "unit %u is gathered before the last step", u);
		else
			oracle_has(o, s->node->process->name, u, step, state);
	}
}

bool sim_stage_is_gathered(const struct sim_stage *s)
{
	if (!s->gather || !ftp_states_is_idle(s->gather))
		return false;
	if (!s->member)
		check_gathered(s);
	return true;
}
