/* A stage with several versions of its weights against an oracle that keeps canonical states: the
 * gradient of a micro-batch by a stage with one version, the weights of its forward imported; the
 * optimizer written out. Equal bit for bit. */
#include "tests/base/check.h"

#include <string.h>

#include "kernels/layout.h"
#include "runtime/base/prng.h"
#include "tests/kernels/net.h"

#define MICRO_BATCH  4
#define LR	     0.05f
#define MAX_VERSIONS 8
#define N_STEPS	     10

static uint64_t seed;

static const struct ftp_optimizer_spec sgd = {
	.kind = FTP_OPTIMIZER_SGD, .momentum = 0.9f, .weight_decay = 1e-3f};

struct bench {
	struct ftp_model *model;
	struct ftp_region *region;
	int first, end; /* units of the stage */
	enum ftp_stage_impl impl;
	struct ftp_stage *stage;  /* under test */
	struct ftp_stage *simple; /* one version, one slot */
	size_t state_bytes;	  /* of the units */
	/* The oracle. */
	float *versions[N_STEPS * 4 + 1]; /* canonical state, moments included, after each update */
	int n_versions;
	float *statistics; /* canonical state; only the statistics count */
};

static struct ftp_stage *stage_of(const struct bench *b, int n_slots, int n_versions)
{
	const struct ftp_stage_spec spec = {.model = b->model,
		.first_unit = b->first,
		.end_unit = b->end,
		.micro_batch = MICRO_BATCH,
		.batch = MICRO_BATCH,
		.n_slots = n_slots,
		.n_versions = n_versions,
		.threads = 1,
		.impl = b->impl,
		.optimizer = sgd,
		.region = b->region};
	struct ftp_error err = {""};
	struct ftp_stage *s;

	if (ftp_stage_new(&s, &spec, &err))
		fail_msg("%s", err.text);
	return s;
}

static float *state_new(const struct bench *b)
{
	float *state = aligned_alloc(64, b->state_bytes + 64);

	assert_non_null(state);
	memset(state, 0, b->state_bytes + 64);
	return state;
}

/* The units' states in a row. */
static void export(const struct bench *b, struct ftp_stage *s, float *state)
{
	for (int u = b->first; u < b->end; u++) {
		ftp_stage_export(s, u, state);
		state += b->model->units[u].state_bytes / sizeof(float);
	}
}

static void import(const struct bench *b, struct ftp_stage *s, const float *state)
{
	for (int u = b->first; u < b->end; u++) {
		ftp_stage_import(s, u, state);
		state += b->model->units[u].state_bytes / sizeof(float);
	}
}

typedef void visit_tensor(
	const struct bench *b, int unit, int tensor, const struct ftp_tensor *t, size_t at);

/* at: bytes from the start of the units' states to the start of the unit's. */
static void for_each_tensor(const struct bench *b, visit_tensor *visit)
{
	size_t at = 0;

	for (int u = b->first; u < b->end; u++) {
		for (int i = 0; i < b->model->units[u].n_tensors; i++)
			visit(b, u, i, &b->model->units[u].tensors[i], at);
		at += b->model->units[u].state_bytes;
	}
}

static void bench_init(struct bench *b, const char *model, int first, int end, int n_slots,
	int n_versions, enum ftp_stage_impl impl)
{
	size_t at = 0;

	*b = (struct bench){
		.model = model_of(model, model[1] == 'o' ? 0.25 : 1, FTP_STRIDES_CIFAR, true),
		.first = first,
		.impl = impl,
		.n_versions = 1};
	b->end = end < 0 ? b->model->n_units : end;
	assert_int_equal(ftp_region_new(&b->region, (size_t)1 << 30, NULL), 0);
	for (int u = b->first; u < b->end; u++)
		b->state_bytes += b->model->units[u].state_bytes;
	b->stage = stage_of(b, n_slots, n_versions);
	b->simple = stage_of(b, 1, 1);
	b->versions[0] = state_new(b);
	b->statistics = state_new(b);
	for (int u = b->first; u < b->end; u++) {
		ftp_model_init_unit(b->model, u, seed, (char *)b->versions[0] + at);
		at += b->model->units[u].state_bytes;
	}
	memcpy(b->statistics, b->versions[0], b->state_bytes);
	import(b, b->stage, b->versions[0]);
}

static void bench_deinit(struct bench *b)
{
	ftp_stage_free(b->stage);
	ftp_stage_free(b->simple);
	for (int i = 0; i < b->n_versions; i++)
		free(b->versions[i]);
	free(b->statistics);
	ftp_region_free(b->region);
	ftp_model_free(b->model);
}

static void run(struct ftp_stage *s, enum ftp_pass pass, int slot)
{
	ftp_stage_begin(s, pass, slot, LR);
	while (ftp_stage_run(s))
		;
}

/* A boundary tensor: padding channels stay zero. */
static void draw(float *x, size_t bytes, struct ftp_shape shape, uint64_t batch, uint64_t purpose)
{
	uint64_t key = ftp_prng_key(seed, FTP_PRNG_TEST, batch << 8 | purpose);
	size_t hw = (size_t)shape.h * (size_t)shape.w, c = (size_t)ftp_layout_pad(shape.c);
	bool dense = bytes < MICRO_BATCH * c * hw * sizeof(*x);

	for (size_t i = 0; x && i < bytes / sizeof(*x); i++) {
		size_t channel = i / (hw * FTP_BLOCK) * FTP_BLOCK % c + i % FTP_BLOCK;

		x[i] = dense || channel < (size_t)shape.c ? (float)ftp_prng_normal(key, i) : 0;
	}
}

static void forward(const struct bench *b, struct ftp_stage *s, uint64_t batch, int slot)
{
	int32_t *labels = ftp_stage_labels(s, slot);

	draw(ftp_stage_input(s, slot), ftp_stage_input_bytes(s), b->model->units[b->first].src,
		batch, 0);
	for (int i = 0; labels && i < MICRO_BATCH; i++)
		labels[i] = (int32_t)((batch + (uint64_t)i) % (uint64_t)b->model->n_classes);
	run(s, FTP_PASS_FORWARD, slot);
}

static void backward(const struct bench *b, struct ftp_stage *s, uint64_t batch, int slot)
{
	draw(ftp_stage_output_grad(s, slot), ftp_stage_output_bytes(s),
		b->model->units[b->end - 1].dst, batch, 1);
	run(s, FTP_PASS_BACKWARD, slot);
}

static void copy_statistic(
	const struct bench *b, int unit, int tensor, const struct ftp_tensor *t, size_t at)
{
	size_t i = (at + t->offset_bytes) / sizeof(float);
	float *newest = b->versions[b->n_versions - 1];

	(void)unit;
	(void)tensor;
	if (!ftp_tensor_is_trained(t))
		memcpy(newest + i, b->statistics + i, t->n_elements * sizeof(float));
}

static void optimize(
	const struct bench *b, int unit, int tensor, const struct ftp_tensor *t, size_t at)
{
	float *state = b->versions[b->n_versions - 1] + at / sizeof(float);
	float *param = state + t->offset_bytes / sizeof(float);
	float *moment = state + t->moment_offset_bytes / sizeof(float);
	float *gradient = malloc(t->n_elements * sizeof(float));

	if (ftp_tensor_is_trained(t)) {
		ftp_stage_gradient(b->simple, unit, tensor, gradient);
		for (size_t i = 0; i < t->n_elements; i++) {
			float g = gradient[i] + sgd.weight_decay * param[i];

			moment[i] = sgd.momentum * moment[i] + g;
			param[i] = param[i] - LR * moment[i];
		}
	}
	free(gradient);
}

/* The gradient of a batch at a version of the oracle is then in b->simple. */
static void gradient_at(struct bench *b, int version, uint64_t batch)
{
	import(b, b->simple, b->versions[version]);
	run(b->simple, FTP_PASS_UPDATE, 0); /* the gradient back to zero */
	import(b, b->simple, b->versions[version]);
	forward(b, b->simple, batch, 0);
	backward(b, b->simple, batch, 0);
}

/* The oracle's next version: the newest, and the gradient at a stale one. */
static void oracle_step(struct bench *b, int version, uint64_t batch)
{
	float *next = state_new(b);

	gradient_at(b, version, batch);
	memcpy(next, b->versions[b->n_versions - 1], b->state_bytes);
	b->versions[b->n_versions++] = next;
	for_each_tensor(b, optimize);
}

/* Running statistics follow the forwards, whatever their weights. */
static void oracle_forward(struct bench *b, int version, uint64_t batch)
{
	float *newest = b->versions[b->n_versions - 1], *kept = state_new(b);

	memcpy(kept, newest, b->state_bytes);
	memcpy(newest, b->versions[version], b->state_bytes);
	for_each_tensor(b, copy_statistic);
	import(b, b->simple, newest);
	forward(b, b->simple, batch, 0);
	export(b, b->simple, b->statistics);
	memcpy(newest, kept, b->state_bytes);
	free(kept);
}

static void expect_newest(struct bench *b)
{
	float *state = state_new(b);

	for_each_tensor(b, copy_statistic);
	export(b, b->stage, state);
	assert_memory_equal(state, b->versions[b->n_versions - 1], b->state_bytes);
	free(state);
}

/* One window of forwards ahead, then backward, update, forward by turns, then the rest. Batches
 * [first, first + N_STEPS). */
static void train(struct bench *b, int w, uint64_t first)
{
	int stale[MAX_VERSIONS + 1];
	uint64_t forwards = first, end = first + N_STEPS;

	for (uint64_t batch = first; batch < end; batch++) {
		int slot = (int)(batch % (uint64_t)(w + 1));

		for (; forwards < end && forwards < batch + (uint64_t)w; forwards++) {
			int ahead = (int)(forwards % (uint64_t)(w + 1));

			stale[ahead] = b->n_versions - 1;
			oracle_forward(b, stale[ahead], forwards);
			forward(b, b->stage, forwards, ahead);
		}
		oracle_step(b, stale[slot], batch);
		backward(b, b->stage, batch, slot);
		run(b->stage, FTP_PASS_UPDATE, 0);
		expect_newest(b);
	}
}

struct row {
	const char *model;
	int first, end; /* end -1: all */
	enum ftp_stage_impl impl;
};

static const struct row rows[] = {
	{"lenet5", 0, -1, FTP_IMPL_ONEDNN},
	{"lenet5", 1, 3, FTP_IMPL_ONEDNN},
	{"mobilenetv2", 0, 6, FTP_IMPL_ONEDNN},
	{"mobilenetv2", 9, -1, FTP_IMPL_ONEDNN},
	{"mlp", 0, -1, FTP_IMPL_REFERENCE},
};

static void run__backward_reads_what_forward_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		for (int w = 1; w <= 4; w++) {
			struct bench b;

			bench_init(&b, rows[i].model, rows[i].first, rows[i].end, w + 1, w,
				rows[i].impl);
			train(&b, w, 0);
			bench_deinit(&b);
		}
}

/* Momentum and statistics too: it continues elsewhere as if it had not moved. */
static void import__continues_with_versions(void **state)
{
	(void)state;
	for (int w = 1; w <= 3; w++) {
		float *moved;
		struct bench b;

		bench_init(&b, "mobilenetv2", 3, 9, w + 1, w, FTP_IMPL_ONEDNN);
		moved = state_new(&b);
		train(&b, w, 0);
		export(&b, b.stage, moved);
		ftp_stage_free(b.stage);
		b.stage = stage_of(&b, w + 2, w + 1);
		import(&b, b.stage, moved);
		train(&b, w + 1, N_STEPS);
		free(moved);
		bench_deinit(&b);
	}
}

/* Slot 0 waits while slot 1 makes many versions around it. */
static void update__never_writes_what_a_slot_holds(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b, "mobilenetv2", 3, 9, 2, 3, FTP_IMPL_ONEDNN);
	for (uint64_t round = 0; round < 3; round++) {
		uint64_t old = 10 * round;
		int version = b.n_versions - 1;
		size_t bytes = ftp_stage_input_bytes(b.stage);

		oracle_forward(&b, version, old);
		forward(&b, b.stage, old, 0);
		for (uint64_t batch = old + 1; batch < old + 6; batch++) {
			oracle_forward(&b, b.n_versions - 1, batch);
			oracle_step(&b, b.n_versions - 1, batch);
			forward(&b, b.stage, batch, 1);
			backward(&b, b.stage, batch, 1);
			run(b.stage, FTP_PASS_UPDATE, 0);
			expect_newest(&b);
		}
		oracle_step(&b, version, old);
		backward(&b, b.stage, old, 0);
		assert_memory_equal(
			ftp_stage_input_grad(b.stage, 0), ftp_stage_input_grad(b.simple, 0), bytes);
		/* It matters which version: the newest one gives another gradient. */
		gradient_at(&b, b.n_versions - 2, old);
		assert_memory_not_equal(
			ftp_stage_input_grad(b.stage, 0), ftp_stage_input_grad(b.simple, 0), bytes);
		run(b.stage, FTP_PASS_UPDATE, 0);
		expect_newest(&b);
	}
	bench_deinit(&b);
}

static int n_averaged; /* newest of the oracle's versions that average() takes */

static void average(
	const struct bench *b, int unit, int tensor, const struct ftp_tensor *t, size_t at)
{
	size_t first = (at + t->offset_bytes) / sizeof(float);

	(void)unit;
	(void)tensor;
	for (size_t i = first; ftp_tensor_is_trained(t) && i < first + t->n_elements; i++) {
		float sum = b->versions[b->n_versions - n_averaged][i];

		for (int k = n_averaged - 1; k > 0; k--)
			sum += b->versions[b->n_versions - k][i];
		b->versions[b->n_versions - 1][i] = sum / (float)n_averaged;
	}
}

static void aggregate__is_the_mean_of_the_valid_versions(void **state)
{
	const int w = 3;
	struct bench b;

	(void)state;
	bench_init(&b, "mobilenetv2", 3, 9, w, w, FTP_IMPL_ONEDNN);
	for (uint64_t batch = 0; batch < 8; batch++) {
		/* After an import there is one, then two, then three. */
		n_averaged = batch < 2 ? (int)batch + 1 : w;
		run(b.stage, FTP_PASS_AGGREGATE, 0);
		for_each_tensor(&b, average);
		expect_newest(&b);
		oracle_forward(&b, b.n_versions - 1, batch);
		oracle_step(&b, b.n_versions - 1, batch);
		forward(&b, b.stage, batch, 0);
		backward(&b, b.stage, batch, 0); /* reads the copies, which must be the mean's */
		assert_memory_equal(ftp_stage_input_grad(b.stage, 0),
			ftp_stage_input_grad(b.simple, 0), ftp_stage_input_bytes(b.stage));
		run(b.stage, FTP_PASS_UPDATE, 0);
		expect_newest(&b);
	}
	import(&b, b.stage, b.versions[3]);
	run(b.stage, FTP_PASS_AGGREGATE, 0);
	memcpy(b.versions[b.n_versions - 1], b.versions[3], b.state_bytes);
	memcpy(b.statistics, b.versions[3], b.state_bytes);
	expect_newest(&b);
	bench_deinit(&b);
}

static void eval__reads_the_newest(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b, "lenet5", 0, -1, 3, 2, FTP_IMPL_ONEDNN);
	forward(&b, b.stage, 0, 0);
	for (uint64_t batch = 1; batch < 3; batch++) {
		forward(&b, b.stage, batch, 1);
		backward(&b, b.stage, batch, 1);
		run(b.stage, FTP_PASS_UPDATE, 0);
		if (batch == 1) { /* the second update would need a third buffer */
			backward(&b, b.stage, 0, 0);
			forward(&b, b.stage, 0, 0);
		}
		export(&b, b.stage, b.versions[0]);
		import(&b, b.simple, b.versions[0]);
		memcpy(ftp_stage_input(b.simple, 0), ftp_stage_input(b.stage, 1),
			ftp_stage_input_bytes(b.stage));
		memcpy(ftp_stage_labels(b.simple, 0), ftp_stage_labels(b.stage, 1),
			MICRO_BATCH * sizeof(int32_t));
		run(b.simple, FTP_PASS_EVAL, 0);
		run(b.stage, FTP_PASS_EVAL, 1);
		assert_true(ftp_stage_loss(b.simple, 0).sum == ftp_stage_loss(b.stage, 1).sum);
	}
	bench_deinit(&b);
}

static int set_up(void **state)
{
	(void)state;
	seed = check_seed();
	return 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(run__backward_reads_what_forward_read),
		cmocka_unit_test(import__continues_with_versions),
		cmocka_unit_test(update__never_writes_what_a_slot_holds),
		cmocka_unit_test(aggregate__is_the_mean_of_the_valid_versions),
		cmocka_unit_test(eval__reads_the_newest),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
