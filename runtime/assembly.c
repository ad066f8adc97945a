#include "runtime/assembly.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/mesh.h"
#include "runtime/moves.h"
#include "runtime/recipe.h"
#include "runtime/replica_targets.h"

#define FOLDED_ACK_DELAY_NS (30 * FTP_NS_PER_MS) /* one primitive on a shared core */
#define THREAD_ACK_DELAY_NS (10 * FTP_NS_PER_MS)

struct ftp_assembly *ftp_assembly_new(const struct ftp_assembly_spec *spec, struct ftp_plan *plan)
{
	struct ftp_assembly *a = calloc(1, sizeof(*a));

	ftp_assert(a);
	a->spec = *spec;
	a->plan = plan;
	a->member = ftp_moves_member_of(plan, (uint32_t)spec->node);
	ftp_assert(a->member != FTP_MOVES_NOBODY);
	return a;
}

static int n_slots_of(const struct ftp_assembly *a, int stage)
{
	const struct ftp_config_training *t = &a->spec.config->training;

	return ftp_schedule_n_slots(t->schedule, (int)a->plan->n_stages, stage, t->micro_batches);
}

static int build_stage(struct ftp_assembly *a, struct ftp_error *err)
{
	const struct ftp_plan_stage *self = &a->plan->stages[a->member];
	const struct ftp_config *config = a->spec.config;
	struct ftp_stage_spec stage = ftp_recipe_stage(config, a->spec.model, a->spec.region);
	int rc;

	stage.first_unit = (int)self->first_unit;
	stage.end_unit = (int)self->end_unit;
	stage.n_slots = n_slots_of(a, a->member);
	stage.n_versions = ftp_schedule_n_versions(
		config->training.schedule, (int)a->plan->n_stages, a->member);
	rc = ftp_stage_new(&a->stage, &stage, err);
	if (rc)
		return rc;
	ftp_stage_touch(a->stage);
	ftp_log_debug("kernels:\n%s", ftp_stage_implementations(a->stage));
	for (uint32_t u = self->first_unit; u < self->end_unit; u++)
		if (ftp_moves_holder(a->plan, u) == FTP_MOVES_NOBODY)
			ftp_recipe_initialise(
				a->stage, a->spec.model, (int)u, (int)u + 1, config->training.seed);
	return 0;
}

static int build_states(struct ftp_assembly *a, struct ftp_error *err)
{
	struct ftp_states_spec states = {.model = a->spec.model, .self = a->member};

	for (uint32_t u = 0; u < a->plan->n_units; u++) {
		bool travels = ftp_moves_travels(a->plan, u);

		states.from[u] = travels ? ftp_moves_holder(a->plan, u) : FTP_MOVES_NOBODY;
		states.to[u] = travels ? ftp_moves_owner(a->plan, u) : FTP_MOVES_NOBODY;
	}
	return ftp_states_new(&a->states, &states, err);
}

static bool is_global(const struct ftp_assembly *a)
{
	return a->spec.config->snapshot.global_every > 0;
}

static int build_places(struct ftp_assembly *a, struct ftp_error *err)
{
	uint8_t n[FTP_PROTOCOL_MAX_UNITS];

	if (!a->spec.config->snapshot.every)
		return 0;
	ftp_replica_places(
		a->plan, a->member, is_global(a), a->spec.config->checkpoint.every > 0, n);
	return ftp_snapshot_places_new(&a->places, a->spec.model, a->spec.region, n, err);
}

int ftp_assembly_build(struct ftp_assembly *a, struct ftp_error *err)
{
	int rc = 0;

	if ((int)a->plan->n_units != a->spec.model->n_units)
		rc = ftp_error_set(err, EINVAL, "the plan has %u units, the model %d",
			a->plan->n_units, a->spec.model->n_units);
	if (!rc && a->member == 0 && !a->spec.dataset)
		rc = ftp_error_set(err, EINVAL, "the central node has no data set");
	if (!rc)
		rc = ftp_recipe_use_isa(a->plan->isa, err);
	if (!rc && ftp_moves_is_stage(a->plan, a->member))
		rc = build_stage(a, err);
	if (!rc && ftp_moves_is_stage(a->plan, a->member))
		rc = build_places(a, err);
	return rc ? rc : build_states(a, err);
}

static struct ftp_sequence sequence_of(const struct ftp_assembly *a, uint64_t step)
{
	return (struct ftp_sequence){.first_step = step + 1,
		.last_step = a->plan->last_step,
		.eval_every = a->spec.config->training.eval_every,
		.n_micro = a->spec.config->training.micro_batches,
		.n_eval = a->plan->n_eval};
}

static int start_feed(struct ftp_assembly *a, uint64_t step, struct ftp_error *err)
{
	const struct ftp_assembly_spec *s = &a->spec;
	const struct ftp_sequence sequence = sequence_of(a, step);
	const struct ftp_feed_spec feed = ftp_recipe_feed(s->config, s->model, s->dataset);

	return ftp_feed_new(&a->feed, &feed, &sequence, sequence.n_micro + 2, s->waker, err);
}

/* Of a boundary tensor or a unit's state with its label: the longest message that any two members
 * exchange. */
static uint32_t longest_message(const struct ftp_model *m, uint32_t micro_batch)
{
	size_t longest = 0;

	for (int u = 0; u < m->n_units; u++) {
		size_t cut = ftp_model_cut_floats(m, u, (int)micro_batch) * sizeof(float);
		size_t state = m->units[u].state_bytes + FTP_SNAPSHOT_LABEL_BYTES;

		longest = cut > longest ? cut : longest;
		longest = state > longest ? state : longest;
	}
	ftp_assert(longest <= FTP_WIRE_MAX_MESSAGE_BYTES);
	return (uint32_t)longest;
}

int ftp_assembly_connect(struct ftp_assembly *a, uint64_t now_ns, struct ftp_error *err)
{
	const struct ftp_assembly_spec *s = &a->spec;
	const struct ftp_mesh_spec mesh = {.config = s->config,
		.plan = a->plan,
		.index = a->member,
		/* Stage 0 holds most. */
		.n_messages = ftp_pipeline_n_messages(n_slots_of(a, 0)) + a->plan->n_units +
			      ftp_replicas_n_messages(a->plan),
		.max_message_bytes = longest_message(s->model, ftp_recipe_micro_batch(s->config)),
		.max_ack_delay_ns = s->net_core < 0 ? FOLDED_ACK_DELAY_NS : THREAD_ACK_DELAY_NS,
		.impair = s->impair,
		.is_drill = s->is_drill};
	int rc = ftp_netloop_new(&a->net, s->net_core, s->waker, err);

	return rc ? rc : ftp_mesh_open(a->net, &mesh, now_ns, err);
}

static void build_pipeline(struct ftp_assembly *a, uint64_t step)
{
	const struct ftp_config *config = a->spec.config;
	const struct ftp_plan_stage *self = &a->plan->stages[a->member];
	const struct ftp_pipeline_spec pipeline = {.stage = a->stage,
		.net = a->net,
		.feed = a->feed,
		.sequence = sequence_of(a, step),
		.lr = ftp_recipe_lr(config),
		.n_steps = a->plan->last_step,
		.schedule = config->training.schedule,
		.aggregate_every = config->training.aggregate_every,
		.batch = config->training.batch,
		.micro_batch = ftp_recipe_micro_batch(config),
		.n_stages = (int)a->plan->n_stages,
		.index = a->member,
		.first_unit = (int)self->first_unit,
		.end_unit = (int)self->end_unit};

	a->pipeline = ftp_pipeline_new(&pipeline);
}

int ftp_assembly_receive(struct ftp_assembly *a, uint64_t step, struct ftp_error *err)
{
	int rc = 0;

	ftp_states_post(a->states, a->net, step);
	if (a->member == 0)
		rc = start_feed(a, step, err);
	if (!rc && ftp_moves_is_stage(a->plan, a->member))
		build_pipeline(a, step);
	return rc;
}

void ftp_assembly_start(
	struct ftp_assembly *a, struct ftp_snapshots *store, struct ftp_replicas_stats *stats)
{
	const struct ftp_replicas_spec spec = {.plan = a->plan,
		.member = a->member,
		.stage = a->stage,
		.net = a->net,
		.store = store,
		.stats = stats,
		.max_bytes_per_s = a->spec.config->snapshot.max_bandwidth_bytes};

	if (!a->places)
		return;
	ftp_snapshots_adopt(store, a->places);
	a->places = NULL;
	a->replicas = ftp_replicas_new(&spec);
}

void ftp_assembly_copy(struct ftp_assembly *a, struct ftp_assembly *from)
{
	for (uint32_t u = 0; u < a->plan->n_units; u++)
		if (ftp_moves_holder(a->plan, u) == a->member &&
			ftp_moves_owner(a->plan, u) == a->member)
			ftp_stage_copy(a->stage, from->stage, (int)u);
}

int ftp_assembly_n_peers(const struct ftp_assembly *a)
{
	int n = 0;

	for (int i = 0; i < ftp_moves_n_members(a->plan); i++)
		n += ftp_moves_connects(a->plan, a->member, i);
	return n;
}

void ftp_assembly_disconnect(struct ftp_assembly *a, uint64_t now_ns)
{
	ftp_netloop_free(a->net, now_ns);
	a->net = NULL;
	ftp_replicas_free(a->replicas);
	a->replicas = NULL;
	ftp_pipeline_free(a->pipeline);
	a->pipeline = NULL;
}

void ftp_assembly_free(struct ftp_assembly *a)
{
	if (!a)
		return;
	ftp_assert(!a->net);
	ftp_feed_free(a->feed);
	ftp_states_free(a->states);
	ftp_snapshot_places_free(a->places);
	ftp_stage_free(a->stage);
	free(a->plan);
	free(a);
}
