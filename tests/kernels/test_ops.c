/* Each row of the shape table as the middle unit of a small model, run by the stage on oneDNN and
 * on the reference from the same state: output, gradient of the input, gradient of every tensor,
 * running statistics and evaluation must agree. Then the same for what ops absorb. */
#include "tests/base/check.h"

#include <string.h>

#include "kernels/model_builder.h"
#include "runtime/base/prng.h"
#include "tests/kernels/net.h"
#include "tests/kernels/shapes.h"

#define TOLERANCE 2e-6 /* relative L2 */
#define N_MICRO	  2

static struct ftp_model_builder *begin(struct ftp_shape src)
{
	static const struct ftp_model_spec spec = {"row", 1, FTP_STRIDES_CIFAR, true};
	/* A unit before and a unit after make the row's input and output blocked cuts with
	 * gradients. */
	struct ftp_model_builder *b = ftp_model_builder_begin("row", &spec, src, FTP_INIT_FAN_IN);

	ftp_model_builder_unit(b, "before");
	ftp_model_builder_add(b, "", &(struct ftp_layer)PLAIN(FTP_LAYER_RELU));
	ftp_model_builder_unit(b, "row");
	return b;
}

static struct ftp_model *end(struct ftp_model_builder *b)
{
	ftp_model_builder_unit(b, "after");
	ftp_model_builder_add(b, "", &(struct ftp_layer)PLAIN(FTP_LAYER_RELU));
	return ftp_model_builder_end(b);
}

/* Lanes past c stay as they are: zero. */
static void fill(float *x, struct ftp_shape s, int n, uint64_t stream)
{
	uint64_t key = ftp_prng_key(check_seed(), FTP_PRNG_TEST, stream), index = 0;
	size_t hw = (size_t)s.h * (size_t)s.w, blocks = ((size_t)s.c + 15) / 16;

	for (size_t i = 0; i < (size_t)n * blocks * hw * 16; i++)
		if ((int)(i / (hw * 16) % blocks * 16 + i % 16) < s.c)
			x[i] = (float)ftp_prng_normal(key, index++);
}

struct twin {
	struct ftp_stage *fast, *slow;
	struct ftp_region *region;
	const struct ftp_unit *unit;
	int n;
	const char *what;
};

static struct ftp_stage *stage_new(struct twin *t, struct ftp_model *m, enum ftp_stage_impl impl)
{
	const struct ftp_stage_spec spec = {.model = m,
		.first_unit = 1,
		.end_unit = 2,
		.micro_batch = t->n,
		.batch = t->n * N_MICRO,
		.n_slots = N_MICRO,
		.n_versions = 1,
		.threads = 1,
		.impl = impl,
		.optimizer = {.momentum = 0.9f, .nesterov = true, .weight_decay = 1e-3f},
		.region = t->region};
	struct ftp_error err;
	struct ftp_stage *s;

	if (ftp_stage_new(&s, &spec, &err))
		fail_msg("%s: %s", t->what, err.text);
	return s;
}

static void run(struct ftp_stage *s, enum ftp_pass pass, int slot)
{
	ftp_stage_begin(s, pass, slot, 0.1f);
	while (ftp_stage_run(s))
		;
}

static void both(struct twin *t, enum ftp_pass pass, int slot)
{
	run(t->fast, pass, slot);
	run(t->slow, pass, slot);
}

static void expect_close(const char *what, const char *of, const float *a, const float *b, size_t n)
{
	double error = relative_l2(a, b, n);

	if (!(error < TOLERANCE))
		fail_msg("%s: %s: relative L2 %g", what, of, error);
}

static void expect_same_state(struct twin *t, const char *what)
{
	float *a = malloc(t->unit->state_bytes + 1), *b = malloc(t->unit->state_bytes + 1);

	ftp_stage_export(t->fast, 1, a);
	ftp_stage_export(t->slow, 1, b);
	for (int i = 0; i < t->unit->n_tensors; i++) {
		const struct ftp_tensor *tensor = &t->unit->tensors[i];
		size_t at = tensor->offset_bytes / sizeof(float);
		size_t moment = tensor->moment_offset_bytes / sizeof(float);

		expect_close(what, tensor->name, a + at, b + at, tensor->n_elements);
		if (ftp_tensor_is_trained(tensor))
			expect_close(
				what, tensor->name, a + moment, b + moment, tensor->n_elements);
	}
	free(a);
	free(b);
}

static void expect_same_gradients(struct twin *t, const char *what)
{
	for (int i = 0; i < t->unit->n_tensors; i++) {
		const struct ftp_tensor *tensor = &t->unit->tensors[i];
		float *a = malloc(tensor->n_elements * sizeof(*a));
		float *b = malloc(tensor->n_elements * sizeof(*b));

		if (ftp_tensor_is_trained(tensor)) {
			ftp_stage_gradient(t->fast, 1, i, a);
			ftp_stage_gradient(t->slow, 1, i, b);
			expect_close(what, tensor->name, a, b, tensor->n_elements);
		}
		free(a);
		free(b);
	}
}

/* Gammas and betas off their initial values, so that a mix-up shows. */
static void load_state(struct twin *t)
{
	float *state = calloc(1, t->unit->state_bytes + 1);

	for (int i = 0; i < t->unit->n_tensors; i++) {
		const struct ftp_tensor *tensor = &t->unit->tensors[i];
		uint64_t key = ftp_prng_key(check_seed(), FTP_PRNG_TEST, 1000 + (uint64_t)i);

		for (size_t k = 0; k < tensor->n_elements; k++)
			state[tensor->offset_bytes / sizeof(float) + k] =
				(float)(tensor->role == FTP_TENSOR_VAR
						? 0.5 + ftp_prng_unit(key, k)
						: 0.3 * ftp_prng_normal(key, k) +
							  tensor->init_mean);
	}
	ftp_stage_import(t->fast, 1, state);
	ftp_stage_import(t->slow, 1, state);
	free(state);
}

static void copy_state(struct twin *t)
{
	void *state = malloc(t->unit->state_bytes + 1);

	ftp_stage_export(t->fast, 1, state);
	ftp_stage_import(t->slow, 1, state);
	free(state);
}

static void expect_agreement(struct ftp_model *m, int n, const char *what)
{
	struct twin t = {.unit = &m->units[1], .n = n, .what = what};
	size_t in, out;

	assert_int_equal(ftp_region_new(&t.region, (size_t)256 << 20, NULL), 0);
	t.fast = stage_new(&t, m, FTP_IMPL_ONEDNN);
	t.slow = stage_new(&t, m, FTP_IMPL_REFERENCE);
	in = ftp_stage_input_bytes(t.fast) / sizeof(float);
	out = ftp_stage_output_bytes(t.fast) / sizeof(float);
	load_state(&t);
	for (int i = 0; i < N_MICRO; i++) {
		fill(ftp_stage_input(t.fast, i), t.unit->src, n, (uint64_t)i);
		fill(ftp_stage_output_grad(t.fast, i), t.unit->dst, n, 10 + (uint64_t)i);
		memcpy(ftp_stage_input(t.slow, i), ftp_stage_input(t.fast, i), in * sizeof(float));
		memcpy(ftp_stage_output_grad(t.slow, i), ftp_stage_output_grad(t.fast, i),
			out * sizeof(float));
		both(&t, FTP_PASS_FORWARD, i);
		expect_close(what, "output", ftp_stage_output(t.fast, i),
			ftp_stage_output(t.slow, i), out);
	}
	for (int i = 0; i < N_MICRO; i++) {
		both(&t, FTP_PASS_BACKWARD, i);
		expect_close(what, "input gradient", ftp_stage_input_grad(t.fast, i),
			ftp_stage_input_grad(t.slow, i), in);
	}
	expect_same_gradients(&t, what);
	both(&t, FTP_PASS_UPDATE, 0);
	expect_same_state(&t, what);
	/* The same weights from here on; the copies that the fast one made of them must be new. */
	copy_state(&t);
	both(&t, FTP_PASS_EVAL, 1);
	expect_close(
		what, "evaluation", ftp_stage_output(t.fast, 1), ftp_stage_output(t.slow, 1), out);
	both(&t, FTP_PASS_FORWARD, 0);
	both(&t, FTP_PASS_BACKWARD, 0);
	expect_close(what, "input gradient of the second step", ftp_stage_input_grad(t.fast, 0),
		ftp_stage_input_grad(t.slow, 0), in);
	ftp_stage_free(t.fast);
	ftp_stage_free(t.slow);
	ftp_region_free(t.region);
	ftp_model_free(m);
}

static void ops__agree_with_reference(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_LAYER_ROWS; i++) {
		struct ftp_model_builder *b = begin(layer_rows[i].src);

		ftp_model_builder_add(b, "layer", &layer_rows[i].layer);
		expect_agreement(end(b), layer_rows[i].n, layer_rows[i].what);
	}
}

/* Layers of one unit, each reading the one before; ADD adds the unit's input. */
struct chain_row {
	const char *what;
	struct ftp_shape src;
	struct ftp_layer layers[5];
	int n_layers;
};

static const struct chain_row chain_rows[] = {
	{"conv, relu", {16, 5, 5}, {CONV(3, 1, 1, 1, true, 20), PLAIN(FTP_LAYER_RELU)}, 2},
	{"conv, relu6", {16, 5, 5}, {CONV(3, 1, 1, 1, true, 20), PLAIN(FTP_LAYER_RELU6)}, 2},
	{"fc, relu", {20, 1, 1}, {{.kind = FTP_LAYER_FC, .dst.c = 30}, PLAIN(FTP_LAYER_RELU)}, 2},
	{"bn, relu", {20, 4, 4}, {PLAIN(FTP_LAYER_BN), PLAIN(FTP_LAYER_RELU)}, 2},
	{"bn, relu6", {20, 4, 4}, {PLAIN(FTP_LAYER_BN), PLAIN(FTP_LAYER_RELU6)}, 2},
	{"bn, add", {20, 4, 4}, {PLAIN(FTP_LAYER_BN), PLAIN(FTP_LAYER_ADD)}, 2},
	{"bn, add, relu", {20, 4, 4},
		{PLAIN(FTP_LAYER_BN), PLAIN(FTP_LAYER_ADD), PLAIN(FTP_LAYER_RELU)}, 3},
	{"add, relu", {20, 4, 4}, {PLAIN(FTP_LAYER_ADD), PLAIN(FTP_LAYER_RELU)}, 2},
	{"residual block", {16, 4, 4},
		{CONV(3, 1, 1, 1, false, 16), PLAIN(FTP_LAYER_BN), PLAIN(FTP_LAYER_RELU6),
			PLAIN(FTP_LAYER_ADD), CONV(1, 1, 0, 1, false, 16)},
		5},
	{"depthwise, bn", {24, 5, 5}, {CONV(3, 1, 1, 24, false, 24), PLAIN(FTP_LAYER_BN)}, 2},
	{"depthwise stride 2, bn, relu6", {24, 5, 5},
		{CONV(3, 2, 1, 24, false, 24), PLAIN(FTP_LAYER_BN), PLAIN(FTP_LAYER_RELU6)}, 3},
	{"bn, depthwise, bn, relu", {20, 2, 2},
		{PLAIN(FTP_LAYER_BN), CONV(3, 1, 1, 20, false, 20), PLAIN(FTP_LAYER_BN),
			PLAIN(FTP_LAYER_RELU)},
		4},
	{"bn, relu6, depthwise stride 2, bn", {40, 6, 6},
		{PLAIN(FTP_LAYER_BN), PLAIN(FTP_LAYER_RELU6), CONV(3, 2, 1, 40, false, 40),
			PLAIN(FTP_LAYER_BN), CONV(1, 1, 0, 1, false, 16)},
		5},
	{"depthwise, relu", {16, 4, 4}, {CONV(3, 1, 1, 16, false, 16), PLAIN(FTP_LAYER_RELU)}, 2},
	{"depthwise, bn, add", {16, 4, 4},
		{CONV(3, 1, 1, 16, false, 16), PLAIN(FTP_LAYER_BN), PLAIN(FTP_LAYER_ADD)}, 3},
	{"residual block with activation", {24, 3, 3},
		{CONV(1, 1, 0, 1, false, 24), PLAIN(FTP_LAYER_BN), PLAIN(FTP_LAYER_ADD),
			PLAIN(FTP_LAYER_RELU6), POOL(true, 2, 1, 0)},
		5},
};

static void ops__absorb(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(chain_rows) / sizeof(*chain_rows); i++) {
		const struct chain_row *row = &chain_rows[i];
		struct ftp_model_builder *b = begin(row->src);
		int32_t x = FTP_UNIT_INPUT;

		for (int k = 0; k < row->n_layers; k++) {
			struct ftp_layer l = row->layers[k];

			l.in[0] = x;
			l.in[1] = FTP_UNIT_INPUT;
			x = ftp_model_builder_add(b, (char[]){'l', (char)('0' + k), 0}, &l);
		}
		expect_agreement(end(b), 3, row->what);
	}
}

static int set_up(void **state)
{
	(void)state;
	return ftp_isa_cap(TEST_ISA, NULL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(ops__agree_with_reference),
		cmocka_unit_test(ops__absorb),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
