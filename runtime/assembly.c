#include "runtime/assembly.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/mesh.h"
#include "runtime/recipe.h"

#define FOLDED_ACK_DELAY_NS (30 * FTP_NS_PER_MS) /* one primitive on a shared core */
#define THREAD_ACK_DELAY_NS (10 * FTP_NS_PER_MS)

static int find_stage(
	struct ftp_assembly *a, const struct ftp_assembly_spec *spec, struct ftp_error *err)
{
	for (int i = 0; i < (int)spec->plan->n_stages; i++)
		if (spec->plan->stages[i].node == (uint32_t)spec->node) {
			a->index = i;
			return 0;
		}
	return ftp_error_set(err, EINVAL, "the plan of term %" PRIu64 " has no stage for this node",
		spec->plan->term);
}

static int build_stage(
	struct ftp_assembly *a, const struct ftp_assembly_spec *spec, struct ftp_error *err)
{
	const struct ftp_plan_stage *self = &spec->plan->stages[a->index];
	struct ftp_stage_spec stage = ftp_recipe_stage(spec->config, spec->model, spec->region);
	int rc;

	stage.first_unit = (int)self->first_unit;
	stage.end_unit = (int)self->end_unit;
	stage.n_slots = ftp_schedule_n_slots(spec->config->training.schedule,
		(int)spec->plan->n_stages, a->index, spec->config->training.micro_batches);
	stage.n_versions = ftp_schedule_n_versions(
		spec->config->training.schedule, (int)spec->plan->n_stages, a->index);
	rc = ftp_stage_new(&a->stage, &stage, err);
	if (rc)
		return rc;
	ftp_recipe_initialise(a->stage, spec->model, stage.first_unit, stage.end_unit,
		spec->config->training.seed);
	return 0;
}

static struct ftp_sequence sequence_of(const struct ftp_assembly_spec *spec)
{
	return (struct ftp_sequence){.first_step = 1,
		.last_step = spec->plan->last_step,
		.eval_every = spec->config->training.eval_every,
		.n_micro = spec->config->training.micro_batches,
		.n_eval = spec->plan->n_eval};
}

static int build_feed(
	struct ftp_assembly *a, const struct ftp_assembly_spec *spec, struct ftp_error *err)
{
	const struct ftp_sequence sequence = sequence_of(spec);
	struct ftp_feed_spec feed;

	if (a->index > 0)
		return 0;
	if (!spec->dataset)
		return ftp_error_set(err, EINVAL, "the central node has no data set");
	feed = ftp_recipe_feed(spec->config, spec->model, spec->dataset);
	return ftp_feed_new(&a->feed, &feed, &sequence, sequence.n_micro + 2, spec->waker, err);
}

/* Of a boundary tensor or a unit's state: the longest message that any two stages exchange. */
static uint32_t longest_message(const struct ftp_model *m, uint32_t micro_batch)
{
	size_t longest = 0;

	for (int u = 0; u < m->n_units; u++) {
		size_t cut = ftp_model_cut_floats(m, u, (int)micro_batch) * sizeof(float);

		longest = cut > longest ? cut : longest;
		longest = m->units[u].state_bytes > longest ? m->units[u].state_bytes : longest;
	}
	ftp_assert(longest <= FTP_WIRE_MAX_MESSAGE_BYTES);
	return (uint32_t)longest;
}

static int open_links(struct ftp_assembly *a, const struct ftp_assembly_spec *spec, uint64_t now_ns,
	struct ftp_error *err)
{
	/* Stage 0 holds most. */
	int n_slots = ftp_schedule_n_slots(spec->config->training.schedule,
		(int)spec->plan->n_stages, 0, spec->config->training.micro_batches);
	const struct ftp_mesh_spec mesh = {.config = spec->config,
		.plan = spec->plan,
		.index = a->index,
		.n_messages = ftp_pipeline_n_messages(n_slots) + (uint32_t)spec->model->n_units,
		.max_message_bytes =
			longest_message(spec->model, ftp_recipe_micro_batch(spec->config)),
		.max_ack_delay_ns = spec->net_core < 0 ? FOLDED_ACK_DELAY_NS : THREAD_ACK_DELAY_NS,
		.impair = spec->impair,
		.is_drill = spec->is_drill};
	int rc = ftp_netloop_new(&a->net, spec->net_core, spec->waker, err);

	return rc ? rc : ftp_mesh_open(a->net, &mesh, now_ns, err);
}

static void build_pipeline(struct ftp_assembly *a, const struct ftp_assembly_spec *spec)
{
	const struct ftp_config *config = spec->config;
	const struct ftp_plan_stage *self = &spec->plan->stages[a->index];
	const struct ftp_pipeline_spec pipeline = {.stage = a->stage,
		.net = a->net,
		.feed = a->feed,
		.sequence = sequence_of(spec),
		.lr = ftp_recipe_lr(config),
		.n_steps = spec->plan->last_step,
		.schedule = config->training.schedule,
		.aggregate_every = config->training.aggregate_every,
		.batch = config->training.batch,
		.micro_batch = ftp_recipe_micro_batch(config),
		.n_stages = (int)spec->plan->n_stages,
		.index = a->index,
		.first_unit = (int)self->first_unit,
		.end_unit = (int)self->end_unit};

	a->pipeline = ftp_pipeline_new(&pipeline);
}

int ftp_assembly_build(struct ftp_assembly *a, const struct ftp_assembly_spec *spec,
	uint64_t now_ns, struct ftp_error *err)
{
	int rc;

	memset(a, 0, sizeof(*a));
	rc = find_stage(a, spec, err);
	if (!rc)
		rc = build_stage(a, spec, err);
	if (!rc)
		rc = build_feed(a, spec, err);
	if (!rc)
		rc = open_links(a, spec, now_ns, err);
	if (rc) {
		ftp_assembly_tear_down(a, now_ns);
		return rc;
	}
	build_pipeline(a, spec);
	return 0;
}

void ftp_assembly_tear_down(struct ftp_assembly *a, uint64_t now_ns)
{
	ftp_netloop_free(a->net, now_ns);
	ftp_pipeline_free(a->pipeline);
	ftp_feed_free(a->feed);
	ftp_stage_free(a->stage);
	memset(a, 0, sizeof(*a));
}
