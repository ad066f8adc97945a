#include "tests/runtime/pipeline_life.h"

#include <string.h>

#include "net/ring.h"
#include "net/simulated.h"
#include "runtime/base/clock.h"
#include "runtime/moves.h"
#include "tests/base/check.h"
#include "tests/runtime/small_dataset.h"

/* jemalloc's, where it is linked. */
int mallctl(const char *name, void *old, size_t *old_bytes, void *new, size_t new_bytes)
	__attribute__((weak));

#define MAX_UNITS    20
#define BATCH	     8
#define REGION_BYTES ((size_t)256 << 20)
#define DEADLINE_NS  (600 * FTP_NS_PER_S) /* of virtual time */

struct node {
	struct ftp_stage *stage;
	struct ftp_netloop *net;
	struct ftp_feed *feed;
	struct ftp_pipeline *pipeline;
};

struct cluster {
	const struct pipeline_life *life;
	const struct pipeline_piece *piece;
	uint64_t first_step;	/* of the piece */
	uint64_t held_step;	/* of its hold; 0: not asked yet */
	void *state[MAX_UNITS]; /* after the pieces so far */
	struct ftp_model *model;
	struct ftp_dataset *dataset;
	char directory[64];
	struct ftp_region *region;
	struct ftp_simulated *network;
	struct node nodes[PIPELINE_LIFE_MAX_STAGES];
	struct pipeline_outcome *outcome;
	uint64_t allocated_bytes; /* outside kernels, after the first step */
};

static struct ftp_feed_spec feed_spec(const struct cluster *c)
{
	return (struct ftp_feed_spec){.dataset = c->dataset,
		.src = c->model->src,
		.batch = BATCH,
		.micro_batch = BATCH / c->life->n_micro,
		.seed = 3,
		.augment = true};
}

static struct ftp_sequence sequence(const struct cluster *c)
{
	const struct ftp_feed_spec feed = feed_spec(c);

	return (struct ftp_sequence){.first_step = c->first_step,
		.last_step = PIPELINE_LIFE_STEPS,
		.eval_every = c->life->eval_every,
		.n_micro = c->life->n_micro,
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
	const struct pipeline_life *life = c->life;
	const struct pipeline_piece *piece = c->piece;
	struct node *n = &c->nodes[i];
	const struct ftp_sequence s = sequence(c);
	const struct ftp_feed_spec feed = feed_spec(c);
	const struct ftp_stage_spec stage = {.model = c->model,
		.first_unit = piece->cuts[i],
		.end_unit = piece->cuts[i + 1],
		.micro_batch = (int)feed.micro_batch,
		.batch = BATCH,
		.n_slots = ftp_schedule_n_slots(life->schedule, piece->n_stages, i, s.n_micro),
		.n_versions = ftp_schedule_n_versions(life->schedule, piece->n_stages, i),
		.threads = 1,
		.impl = FTP_IMPL_ONEDNN,
		.optimizer = {.momentum = 0.9f, .weight_decay = 1e-4f},
		.region = c->region};
	struct ftp_pipeline_spec spec = {.sequence = s,
		.n_steps = PIPELINE_LIFE_STEPS,
		.schedule = life->schedule,
		.aggregate_every = life->aggregate_every,
		.batch = BATCH,
		.micro_batch = feed.micro_batch,
		.n_stages = piece->n_stages,
		.index = i,
		.first_unit = stage.first_unit,
		.end_unit = stage.end_unit,
		.lr = {.kind = FTP_LR_COSINE, .base = 0.01, .final = 0.001}};
	struct ftp_error err;

	assert_int_equal(ftp_stage_new(&n->stage, &stage, &err), 0);
	for (int u = stage.first_unit; u < stage.end_unit; u++)
		ftp_stage_import(n->stage, u, c->state[u]);
	if (i == 0)
		assert_int_equal(ftp_feed_new(&n->feed, &feed, &s, 4, NULL, &err), 0);
	spec.stage = n->stage;
	spec.net = n->net;
	spec.feed = n->feed;
	n->pipeline = ftp_pipeline_new(&spec);
}

static void build(
	struct cluster *c, const struct pipeline_life *life, struct pipeline_outcome *outcome)
{
	const struct ftp_model_spec spec = {.name = life->model,
		.width = strcmp(life->model, "mobilenetv2") ? 1.0 : 0.25,
		.strides = FTP_STRIDES_IMAGENET,
		.activations = true};
	struct ftp_error err;

	memset(c, 0, sizeof(*c));
	c->life = life;
	c->outcome = outcome;
	c->first_step = 1;
	c->network = ftp_simulated_new(life->seed);
	assert_int_equal(ftp_model_new(&c->model, &spec, &err), 0);
	assert_int_equal(ftp_region_new(&c->region, REGION_BYTES, &err), 0);
	small_dataset_directory(c->directory);
	small_dataset_write(c->directory);
	assert_int_equal(ftp_dataset_open(&c->dataset, c->directory, &err), 0);
	assert_true(c->model->n_units <= MAX_UNITS);
	for (int u = 0; u < c->model->n_units; u++) {
		c->state[u] = aligned_alloc(64, c->model->units[u].state_bytes + 64);
		assert_non_null(c->state[u]);
		ftp_model_init_unit(c->model, u, 7, c->state[u]);
	}
}

static void build_piece(struct cluster *c, const struct pipeline_piece *piece)
{
	struct ftp_error err;

	c->piece = piece;
	c->held_step = 0;
	for (int i = 0; i < piece->n_stages; i++)
		assert_int_equal(ftp_netloop_new(&c->nodes[i].net, -1, NULL, &err), 0);
	for (int a = 0; a < piece->n_stages; a++)
		for (int b = a + 1; b < piece->n_stages; b++)
			if (ftp_moves_connects_stages(a, b))
				connect_pair(c, a, b);
	for (int i = 0; i < piece->n_stages; i++)
		build_node(c, i);
}

/* The states go over to the next piece. */
static void tear_down_piece(struct cluster *c)
{
	for (int i = 0; i < c->piece->n_stages; i++) {
		struct node *n = &c->nodes[i];

		for (int u = c->piece->cuts[i]; u < c->piece->cuts[i + 1]; u++)
			ftp_stage_export(n->stage, u, c->state[u]);
		ftp_netloop_free(n->net, ftp_simulated_now_ns(c->network));
		ftp_pipeline_free(n->pipeline);
		ftp_feed_free(n->feed);
		ftp_stage_free(n->stage);
		memset(n, 0, sizeof(*n));
	}
}

static void take_report(struct cluster *c, struct node *n)
{
	const struct ftp_pipeline_report r = ftp_pipeline_report(n->pipeline);

	if (r.kind == FTP_REPORT_NONE)
		return;
	if (r.kind == FTP_REPORT_STEP) {
		assert_true(c->outcome->loss[r.step - 1] == 0);
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
	enum ftp_pipeline_work work;
	struct ftp_netloop_event e;

	while (ftp_netloop_next_event(n->net, &e)) {
		assert_int_not_equal(e.event.kind, FTP_CONNECTION_LOST);
		ftp_pipeline_event(n->pipeline, &e);
		worked = true;
	}
	worked |= ftp_pipeline_serve(n->pipeline, now_ns);
	if (ftp_pipeline_step(n->pipeline) >= c->first_step)
		c->allocated_bytes += allocated_bytes() - before_bytes;
	work = ftp_pipeline_run(n->pipeline);
	worked |= work != FTP_PIPELINE_IDLE;
	if (work == FTP_PIPELINE_TASK_DONE)
		ftp_pipeline_finish(n->pipeline, now_ns);
	take_report(c, n);
	return worked;
}

/* Stage 0 names the step, the others are told; true: the piece is over. */
static bool hold(struct cluster *c)
{
	const struct pipeline_piece *piece = c->piece;
	int n_held = 0;

	if (!piece->hold || ftp_pipeline_step(c->nodes[0].pipeline) < piece->ask_after)
		return false;
	if (!c->held_step) {
		c->held_step = ftp_pipeline_hold(c->nodes[0].pipeline, piece->hold_step);
		assert_true(!piece->hold_step || c->held_step == piece->hold_step);
		for (int i = 1; i < piece->n_stages; i++)
			assert_int_equal(ftp_pipeline_hold(c->nodes[i].pipeline, c->held_step),
				c->held_step);
	}
	for (int i = 0; i < piece->n_stages; i++)
		n_held += ftp_pipeline_is_held(c->nodes[i].pipeline);
	if (n_held < piece->n_stages)
		return false;
	for (int i = 0; i < piece->n_stages && piece->hold == HOLD_AND_RESUME; i++)
		ftp_pipeline_resume(c->nodes[i].pipeline);
	return piece->hold == HOLD_AND_GO_ON;
}

static void advance(struct cluster *c, uint64_t now_ns)
{
	uint64_t next_ns = ftp_simulated_next_ns(c->network);

	for (int i = 0; i < c->piece->n_stages; i++) {
		uint64_t d = ftp_netloop_deadline(c->nodes[i].net);

		next_ns = d < next_ns ? d : next_ns;
	}
	if (next_ns > now_ns + FTP_NS_PER_MS) /* the feed may be the one that is late */
		next_ns = now_ns + FTP_NS_PER_MS;
	ftp_simulated_advance(c->network, next_ns > now_ns ? next_ns : now_ns + 1);
}

/* Turns every node until all have ended or are held; virtual time moves when nobody has work. */
static void run_piece(struct cluster *c)
{
	int n_ended = 0;

	while (n_ended < c->piece->n_stages && !hold(c)) {
		uint64_t now_ns = ftp_simulated_now_ns(c->network);
		bool worked = false;

		assert_true(now_ns < DEADLINE_NS);
		n_ended = 0;
		for (int i = 0; i < c->piece->n_stages; i++) {
			worked |= turn_node(c, &c->nodes[i], now_ns);
			n_ended += ftp_pipeline_has_ended(c->nodes[i].pipeline);
		}
		if (!worked)
			advance(c, now_ns);
	}
}

static void digest(struct cluster *c)
{
	struct ftp_digest_stream *s = ftp_digest_begin();

	for (int u = 0; u < c->model->n_units; u++)
		ftp_digest_add(s, c->state[u], c->model->units[u].state_bytes);
	ftp_digest_hex(ftp_digest_end(s), c->outcome->digest);
}

struct pipeline_outcome pipeline_life_live(const struct pipeline_life *life)
{
	struct pipeline_outcome outcome = {0};
	struct cluster c;

	build(&c, life, &outcome);
	for (int i = 0; i < PIPELINE_LIFE_MAX_PIECES && life->pieces[i].n_stages; i++) {
		build_piece(&c, &life->pieces[i]);
		run_piece(&c);
		tear_down_piece(&c);
		c.first_step = c.held_step + 1;
	}
	assert_true(!mallctl || allocated_bytes() > 0); /* the counter counts */
	if (!life->seed)
		assert_int_equal(c.allocated_bytes, 0);
	digest(&c);
	for (int u = 0; u < c.model->n_units; u++)
		free(c.state[u]);
	ftp_simulated_free(c.network);
	ftp_region_free(c.region);
	ftp_dataset_close(c.dataset);
	small_dataset_remove(c.directory);
	ftp_model_free(c.model);
	return outcome;
}
