/* Several stages in one process, over the simulated network in virtual time: the loss trace and the
 * final parameters are bit-identical for any number of stages, any cut, any loss. */
#include "tests/base/check.h"

#include <string.h>

#include "kernels/team.h"
#include "net/ring.h"
#include "net/simulated.h"
#include "runtime/base/clock.h"
#include "runtime/mesh.h"
#include "runtime/pipeline.h"
#include "runtime/recipe.h"
#include "tests/runtime/small_dataset.h"

/* jemalloc's, where it is linked. */
int mallctl(const char *name, void *old, size_t *old_bytes, void *new, size_t new_bytes)
	__attribute__((weak));

#define MAX_STAGES   5
#define N_STEPS	     4
#define BATCH	     8
#define MICRO_BATCH  2
#define REGION_BYTES ((size_t)256 << 20)
#define DEADLINE_NS  (600 * FTP_NS_PER_S) /* of virtual time */

struct life {
	const char *model;
	int n_stages;
	int cuts[MAX_STAGES + 1]; /* units: 0, first cut, ..., n_units */
	struct ftp_impair impair;
	uint64_t seed; /* of the network; 0: in-process rings instead */
};

struct outcome {
	double loss[N_STEPS];
	uint64_t n_correct, n_samples;
	char digest[FTP_DIGEST_HEX];
};

struct node {
	struct ftp_stage *stage;
	struct ftp_netloop *net;
	struct ftp_feed *feed;
	struct ftp_pipeline *pipeline;
};

struct cluster {
	const struct life *life;
	struct ftp_model *model;
	struct ftp_dataset *dataset;
	char directory[64];
	struct ftp_region *region;
	struct ftp_simulated *network;
	struct node nodes[MAX_STAGES];
	struct outcome *outcome;
	uint64_t allocated_bytes; /* outside kernels, after the first step */
};

static struct ftp_feed_spec feed_spec(const struct cluster *c)
{
	return (struct ftp_feed_spec){.dataset = c->dataset,
		.src = c->model->src,
		.batch = BATCH,
		.micro_batch = MICRO_BATCH,
		.seed = 3,
		.augment = true};
}

static struct ftp_sequence sequence(const struct cluster *c)
{
	const struct ftp_feed_spec feed = feed_spec(c);

	return (struct ftp_sequence){.first_step = 1,
		.last_step = N_STEPS,
		.eval_every = 2,
		.n_micro = BATCH / MICRO_BATCH,
		.n_eval = ftp_feed_eval_micro_batches(&feed)};
}

static void connect_pair(struct cluster *c, int a, int b)
{
	struct ftp_port *ends[2];
	struct ftp_error err;

	if (c->life->seed)
		ftp_simulated_pair(c->network, &c->life->impair, 128, ends);
	else
		ftp_ring_pair(256, ends);
	for (int side = 0; side < 2; side++) {
		int self = side ? b : a, peer = side ? a : b;
		const struct ftp_connection_params params = {.run = 1,
			.term = 1,
			.local = 100 + (uint64_t)self,
			.remote = 100 + (uint64_t)peer,
			.caps = ends[side]->caps,
			.n_messages = ftp_pipeline_n_messages(8),
			.max_ack_delay_ns = FTP_NS_PER_MS,
			.idle_timeout_ns = 30 * FTP_NS_PER_S};
		struct ftp_link link = {.port = ends[side]};

		assert_int_equal(ftp_connection_new(&link.connection, &params,
					 ftp_simulated_now_ns(c->network), &err),
			0);
		ftp_netloop_add(c->nodes[self].net, peer, &link);
	}
}

static void build_node(struct cluster *c, int i)
{
	const struct life *life = c->life;
	struct node *n = &c->nodes[i];
	const struct ftp_sequence s = sequence(c);
	const struct ftp_feed_spec feed = feed_spec(c);
	const struct ftp_stage_spec stage = {.model = c->model,
		.first_unit = life->cuts[i],
		.end_unit = life->cuts[i + 1],
		.micro_batch = MICRO_BATCH,
		.batch = BATCH,
		.n_slots = ftp_schedule_n_slots(FTP_SCHEDULE_FLUSH, life->n_stages, i, s.n_micro),
		.n_versions = 1,
		.threads = 1,
		.impl = FTP_IMPL_ONEDNN,
		.optimizer = {.momentum = 0.9f, .weight_decay = 1e-4f},
		.region = c->region};
	struct ftp_pipeline_spec spec = {.sequence = s,
		.n_steps = N_STEPS,
		.batch = BATCH,
		.micro_batch = MICRO_BATCH,
		.n_stages = life->n_stages,
		.index = i,
		.first_unit = life->cuts[i],
		.end_unit = life->cuts[i + 1],
		.lr = {.kind = FTP_LR_CONSTANT, .base = 0.02}};
	struct ftp_error err;

	assert_int_equal(ftp_stage_new(&n->stage, &stage, &err), 0);
	ftp_recipe_initialise(n->stage, c->model, stage.first_unit, stage.end_unit, 7);
	if (i == 0)
		assert_int_equal(ftp_feed_new(&n->feed, &feed, &s, 4, NULL, &err), 0);
	spec.stage = n->stage;
	spec.net = n->net;
	spec.feed = n->feed;
	n->pipeline = ftp_pipeline_new(&spec);
}

static void build(struct cluster *c, const struct life *life, struct outcome *outcome)
{
	const struct ftp_model_spec spec = {.name = life->model,
		.width = 0.25,
		.strides = FTP_STRIDES_IMAGENET,
		.activations = true};
	struct ftp_model_spec plain = spec;
	struct ftp_error err;

	plain.width = 1.0;
	memset(c, 0, sizeof(*c));
	c->life = life;
	c->outcome = outcome;
	c->network = ftp_simulated_new(life->seed);
	assert_int_equal(
		ftp_model_new(&c->model, strcmp(life->model, "mobilenetv2") ? &plain : &spec, &err),
		0);
	assert_int_equal(ftp_region_new(&c->region, REGION_BYTES, &err), 0);
	small_dataset_directory(c->directory);
	small_dataset_write(c->directory);
	assert_int_equal(ftp_dataset_open(&c->dataset, c->directory, &err), 0);
	for (int i = 0; i < life->n_stages; i++)
		assert_int_equal(ftp_netloop_new(&c->nodes[i].net, -1, NULL, &err), 0);
	for (int a = 0; a < life->n_stages; a++)
		for (int b = a + 1; b < life->n_stages; b++)
			if (ftp_mesh_connects(a, b))
				connect_pair(c, a, b);
	for (int i = 0; i < life->n_stages; i++)
		build_node(c, i);
}

static void take_report(struct cluster *c, struct node *n)
{
	const struct ftp_pipeline_report r = ftp_pipeline_report(n->pipeline);

	if (r.kind == FTP_REPORT_NONE)
		return;
	if (r.kind == FTP_REPORT_STEP) {
		c->outcome->loss[r.step - 1] = r.loss;
	} else {
		c->outcome->n_correct = r.n_correct;
		c->outcome->n_samples = r.n_samples;
	}
	ftp_pipeline_take_report(n->pipeline);
}

/* What this thread has allocated so far; 0 where jemalloc is not the allocator. */
static uint64_t allocated_bytes(void)
{
	uint64_t bytes = 0;
	size_t size = sizeof(bytes);

	if (mallctl)
		mallctl("thread.allocated", &bytes, &size, NULL, 0);
	return bytes;
}

static bool turn_node(struct cluster *c, struct node *n, uint64_t now_ns)
{
	uint64_t before_bytes = allocated_bytes();
	bool worked = ftp_netloop_turn(n->net, now_ns) > 0;
	struct ftp_netloop_event e;

	while (ftp_netloop_next_event(n->net, &e)) {
		assert_int_not_equal(e.event.kind, FTP_CONNECTION_LOST);
		ftp_pipeline_event(n->pipeline, &e);
		worked = true;
	}
	worked |= ftp_pipeline_serve(n->pipeline, now_ns);
	if (ftp_pipeline_step(n->pipeline) > 0)
		c->allocated_bytes += allocated_bytes() - before_bytes;
	worked |= ftp_pipeline_compute(n->pipeline, now_ns);
	take_report(c, n);
	return worked;
}

/* Turns every node until all have ended; virtual time moves when nobody has work. */
static void run(struct cluster *c)
{
	int n_ended = 0;

	while (n_ended < c->life->n_stages) {
		uint64_t now_ns = ftp_simulated_now_ns(c->network), next_ns = FTP_NS_NEVER;
		bool worked = false;

		assert_true(now_ns < DEADLINE_NS);
		n_ended = 0;
		for (int i = 0; i < c->life->n_stages; i++) {
			worked |= turn_node(c, &c->nodes[i], now_ns);
			n_ended += ftp_pipeline_has_ended(c->nodes[i].pipeline);
		}
		if (worked)
			continue;
		next_ns = ftp_simulated_next_ns(c->network);
		for (int i = 0; i < c->life->n_stages; i++) {
			uint64_t d = ftp_netloop_deadline(c->nodes[i].net);

			next_ns = d < next_ns ? d : next_ns;
		}
		if (next_ns > now_ns + FTP_NS_PER_MS) /* the feed may be the one that is late */
			next_ns = now_ns + FTP_NS_PER_MS;
		ftp_simulated_advance(c->network, next_ns > now_ns ? next_ns : now_ns + 1);
	}
}

static void digest(struct cluster *c)
{
	struct ftp_digest_stream *s = ftp_digest_begin();

	for (int i = 0; i < c->life->n_stages; i++)
		for (int u = c->life->cuts[i]; u < c->life->cuts[i + 1]; u++) {
			size_t bytes = c->model->units[u].state_bytes;
			void *state = aligned_alloc(64, bytes + 64);

			ftp_stage_export(c->nodes[i].stage, u, state);
			ftp_digest_add(s, state, bytes);
			free(state);
		}
	ftp_digest_hex(ftp_digest_end(s), c->outcome->digest);
}

static struct outcome live(const struct life *life)
{
	struct outcome outcome = {0};
	struct cluster c;

	build(&c, life, &outcome);
	run(&c);
	assert_true(!mallctl || allocated_bytes() > 0); /* the counter counts */
	if (!life->seed)
		assert_int_equal(c.allocated_bytes, 0);
	digest(&c);
	for (int i = 0; i < life->n_stages; i++) {
		struct node *n = &c.nodes[i];

		ftp_netloop_free(n->net, ftp_simulated_now_ns(c.network));
		ftp_pipeline_free(n->pipeline);
		ftp_feed_free(n->feed);
		ftp_stage_free(n->stage);
	}
	ftp_simulated_free(c.network);
	ftp_region_free(c.region);
	ftp_dataset_close(c.dataset);
	small_dataset_remove(c.directory);
	ftp_model_free(c.model);
	return outcome;
}

#define PERFECT                                                                                    \
	{                                                                                          \
		.loss = 0                                                                          \
	}
#define LOSSY                                                                                      \
	{                                                                                          \
		.loss = 0.05, .reordering = 0.05, .duplication = 0.02, .delay_ns = 20000           \
	}

static const struct life lives[] = {
	{"lenet5", 1, {0, 5}, PERFECT, 1},
	{"lenet5", 2, {0, 2, 5}, PERFECT, 1},
	{"lenet5", 3, {0, 1, 3, 5}, PERFECT, 1},
	{"lenet5", 3, {0, 2, 4, 5}, LOSSY, 2},
	{"lenet5", 5, {0, 1, 2, 3, 4, 5}, LOSSY, 3},
	{"lenet5", 3, {0, 1, 3, 5}, PERFECT, 0},
	{"mobilenetv2", 1, {0, 20}, PERFECT, 1},
	{"mobilenetv2", 2, {0, 9, 20}, LOSSY, 4},
	{"mobilenetv2", 3, {0, 2, 17, 20}, PERFECT, 1},
	{"mobilenetv2", 5, {0, 1, 5, 12, 19, 20}, LOSSY, 5},
};

static void pipeline__result_does_not_depend_on_stages(void **state)
{
	struct outcome first = {0};

	(void)state;
	ftp_team_set(1);
	for (size_t i = 0; i < sizeof(lives) / sizeof(lives[0]); i++) {
		const struct outcome o = live(&lives[i]);

		if (lives[i].n_stages == 1) {
			first = o;
			assert_true(o.loss[N_STEPS - 1] > 0);
			continue;
		}
		assert_string_equal(o.digest, first.digest);
		assert_memory_equal(o.loss, first.loss, sizeof(o.loss));
		assert_int_equal(o.n_correct, first.n_correct);
		assert_int_equal(o.n_samples, first.n_samples);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pipeline__result_does_not_depend_on_stages),
	};

	return cmocka_run_group_tests_name("pipeline", tests, NULL, NULL);
}
