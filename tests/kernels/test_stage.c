/* The stage's contract besides its arithmetic: state in and out, tasks, refusals, memory. */
#include "tests/base/check.h"

#include <errno.h>
#include <string.h>

#include "kernels/layout.h"
#include "tests/kernels/net.h"

static uint64_t seed;
static int n_allocations; /* by our code */

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t n, size_t bytes);
void *__real_realloc(void *p, size_t bytes);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t n, size_t bytes);
void *__wrap_realloc(void *p, size_t bytes);

void *__wrap_malloc(size_t bytes)
{
	n_allocations++;
	return __real_malloc(bytes);
}

void *__wrap_calloc(size_t n, size_t bytes)
{
	n_allocations++;
	return __real_calloc(n, bytes);
}

void *__wrap_realloc(void *p, size_t bytes)
{
	n_allocations++;
	return __real_realloc(p, bytes);
}

static void step(struct net *net, uint64_t batch)
{
	net_forward(net, seed, batch);
	net_backward(net);
	net_update(net, 0.05f);
}

static void move_state(struct net *to, struct net *from)
{
	for (int u = 0; u < from->model->n_units; u++) {
		size_t bytes = from->model->units[u].state_bytes;
		void *state = malloc(bytes + 1);

		memset(state, 0xff, bytes + 1);
		ftp_stage_export(net_stage(from, u), u, state);
		assert_int_equal(((unsigned char *)state)[bytes], 0xff);
		ftp_stage_import(net_stage(to, u), u, state);
		free(state);
	}
}

static void copy_state(struct net *to, struct net *from)
{
	for (int u = 0; u < from->model->n_units; u++)
		ftp_stage_copy(net_stage(to, u), net_stage(from, u), u);
}

static void continue_elsewhere(struct ftp_model *m, enum ftp_stage_impl impl,
	void (*move)(struct net *to, struct net *from))
{
	const int cuts[] = {m->n_units / 2};
	struct net whole, cut;

	net_init(&whole, m, NULL, 0, 4, 2, impl, seed);
	net_init(&cut, m, cuts, 1, 4, 2, impl, seed + 1);
	step(&whole, 0);
	step(&whole, 1);
	move(&cut, &whole);
	step(&whole, 2);
	step(&cut, 2);
	assert_memory_equal((struct ftp_digest[]){net_digest(&whole)},
		(struct ftp_digest[]){net_digest(&cut)}, sizeof(struct ftp_digest));
	net_deinit(&whole);
	net_deinit(&cut);
}

static void import_and_copy__continue_elsewhere(struct ftp_model *m, enum ftp_stage_impl impl)
{
	continue_elsewhere(m, impl, move_state);
	continue_elsewhere(m, impl, copy_state);
	ftp_model_free(m);
}

static void import_and_copy__continue_elsewhere_lenet5(void **state)
{
	(void)state;
	import_and_copy__continue_elsewhere(
		model_of("lenet5", 1, FTP_STRIDES_CIFAR, true), FTP_IMPL_ONEDNN);
}

static void import_and_copy__continue_elsewhere_mobilenetv2(void **state)
{
	(void)state;
	import_and_copy__continue_elsewhere(
		model_of("mobilenetv2", 0.25, FTP_STRIDES_CIFAR, true), FTP_IMPL_ONEDNN);
}

static void import_and_copy__continue_elsewhere_reference(void **state)
{
	(void)state;
	import_and_copy__continue_elsewhere(
		model_of("mlp", 1, FTP_STRIDES_CIFAR, true), FTP_IMPL_REFERENCE);
}

/* What was imported comes back to the bit, padding zeroed. */
static void export__gives_back_what_was_imported(void **state)
{
	struct ftp_model *m = model_of("mobilenetv2", 0.25, FTP_STRIDES_IMAGENET, true);
	struct net net;

	(void)state;
	net_init(&net, m, NULL, 0, 2, 1, FTP_IMPL_ONEDNN, seed);
	for (int u = 0; u < m->n_units; u++) {
		const struct ftp_unit *unit = &m->units[u];
		float *in = malloc(unit->state_bytes), *out = malloc(unit->state_bytes);

		memset(out, 0xff, unit->state_bytes);
		ftp_model_init_unit(m, u, seed + 7, in);
		for (int t = 0; t < unit->n_tensors; t++) /* moments are 0 initially */
			if (ftp_tensor_is_trained(&unit->tensors[t]))
				for (size_t i = 0; i < unit->tensors[t].n_elements; i++)
					in[unit->tensors[t].moment_offset_bytes / 4 + i] =
						(float)(i + 1);
		ftp_stage_import(net.stages[0], u, in);
		ftp_stage_export(net.stages[0], u, out);
		assert_memory_equal(in, out, unit->state_bytes);
		free(in);
		free(out);
	}
	net_deinit(&net);
	ftp_model_free(m);
}

static void run__allocates_nothing(void **state)
{
	struct ftp_model *m = model_of("mobilenetv2", 0.25, FTP_STRIDES_CIFAR, true);
	const int cuts[] = {7};
	struct net net;
	int before;

	(void)state;
	before = n_allocations;
	net_init(&net, m, cuts, 1, 2, 2, FTP_IMPL_ONEDNN, seed);
	assert_true(n_allocations > before); /* the counter counts */
	before = n_allocations;
	for (uint64_t i = 0; i < 2; i++)
		step(&net, i);
	net_eval(&net, seed, 3);
	assert_int_equal(n_allocations, before);
	net_deinit(&net);
	ftp_model_free(m);
}

static void run__allocates_nothing_for_versions(void **state)
{
	static const enum ftp_pass passes[] = {
		FTP_PASS_FORWARD, FTP_PASS_BACKWARD, FTP_PASS_UPDATE, FTP_PASS_AGGREGATE};
	struct ftp_model *m = model_of("lenet5", 1, FTP_STRIDES_CIFAR, true);
	struct ftp_stage_spec spec = {.model = m,
		.end_unit = m->n_units,
		.micro_batch = 2,
		.batch = 2,
		.n_slots = 2,
		.n_versions = 3,
		.threads = 1};
	struct ftp_stage *s;
	int before;

	(void)state;
	assert_int_equal(ftp_region_new(&spec.region, (size_t)1 << 28, NULL), 0);
	assert_int_equal(ftp_stage_new(&s, &spec, NULL), 0);
	before = n_allocations;
	for (int i = 0; i < 20; i++) {
		ftp_stage_begin(s, passes[i % 4], 1, 0.1f);
		while (ftp_stage_run(s))
			;
	}
	assert_int_equal(n_allocations, before);
	ftp_stage_free(s);
	ftp_region_free(spec.region);
	ftp_model_free(m);
}

static void next_unit__goes_up_then_down(void **state)
{
	struct ftp_model *m = model_of("mobilenetv2", 0.25, FTP_STRIDES_CIFAR, true);
	struct ftp_stage *s;
	struct net net;

	(void)state;
	net_init(&net, m, NULL, 0, 2, 1, FTP_IMPL_ONEDNN, seed);
	s = net.stages[0];
	net_feed(&net, seed, 0, 0);
	for (enum ftp_pass pass = FTP_PASS_FORWARD; pass <= FTP_PASS_UPDATE; pass++) {
		int last = -1, n_units = 0, n_steps = 0;

		ftp_stage_begin(s, pass, 0, 0.1f);
		do {
			int unit = ftp_stage_next_unit(s);

			if (last >= 0 && pass == FTP_PASS_BACKWARD)
				assert_true(unit <= last);
			else
				assert_true(unit >= last);
			n_units += unit != last;
			n_steps++;
			last = unit;
		} while (ftp_stage_run(s));
		assert_int_equal(n_units, m->n_units);
		assert_true(n_steps >= n_units);
	}
	net_deinit(&net);
	ftp_model_free(m);
}

static void eval__masks_and_changes_nothing(void **state)
{
	struct ftp_model *m = model_of("mobilenetv2", 0.25, FTP_STRIDES_CIFAR, true);
	struct net fast, slow;
	struct ftp_stage_loss all, masked;
	struct ftp_digest before, after;
	double loss;

	(void)state;
	net_init(&fast, m, NULL, 0, 4, 1, FTP_IMPL_ONEDNN, seed);
	net_init(&slow, m, NULL, 0, 4, 1, FTP_IMPL_REFERENCE, seed);
	for (uint64_t i = 0; i < 2; i++)
		step(&fast, i);
	move_state(&slow, &fast);
	before = net_digest(&fast);
	loss = net_eval(&fast, seed, 9);
	assert_true(loss > 0 && loss / net_eval(&slow, seed, 9) - 1 < 1e-4);
	assert_true(loss / net_eval(&slow, seed, 9) - 1 > -1e-4);
	all = ftp_stage_loss(fast.stages[0], 0);
	assert_int_equal(all.n_samples, 4);
	ftp_stage_labels(fast.stages[0], 0)[3] = -1;
	ftp_stage_begin(fast.stages[0], FTP_PASS_EVAL, 0, 0);
	while (ftp_stage_run(fast.stages[0]))
		;
	masked = ftp_stage_loss(fast.stages[0], 0);
	assert_int_equal(masked.n_samples, 3);
	assert_true(masked.sum < all.sum);
	assert_true(net_eval(&fast, seed, 9) == loss);
	after = net_digest(&fast);
	assert_memory_equal(&before, &after, sizeof(after));
	net_deinit(&fast);
	net_deinit(&slow);
	ftp_model_free(m);
}

/* Only the weights' copies, once per update: nothing is reordered on the way of a micro-batch. */
static void n_reorders__only_weights_once_a_step(void **state)
{
	struct ftp_model *m = model_of("mobilenetv2", 0.25, FTP_STRIDES_CIFAR, true);
	struct net net;
	uint64_t first;

	(void)state;
	net_init(&net, m, NULL, 0, 2, 2, FTP_IMPL_ONEDNN, seed);
	net_forward(&net, seed, 0);
	net_backward(&net);
	assert_int_equal(ftp_stage_n_reorders(net.stages[0]), 0);
	net_update(&net, 0.1f);
	first = ftp_stage_n_reorders(net.stages[0]);
	assert_true(first <= 36);
	step(&net, 1);
	assert_int_equal(ftp_stage_n_reorders(net.stages[0]), 2 * first);
	net_deinit(&net);
	ftp_model_free(m);
}

static void memory__is_what_the_region_gave(void **state)
{
	struct ftp_model *m = model_of("mobilenetv2", 0.25, FTP_STRIDES_CIFAR, true);
	struct ftp_stage_memory mem;
	struct net net;

	(void)state;
	net_init(&net, m, NULL, 0, 4, 3, FTP_IMPL_ONEDNN, seed);
	mem = ftp_stage_memory(net.stages[0]);
	assert_int_equal(mem.params + mem.gradients + mem.moments + mem.activations + mem.scratch,
		ftp_region_used_bytes(net.region));
	assert_int_equal(mem.gradients, mem.moments);
	assert_true(mem.gradients >= (size_t)m->n_params * 4);
	net_deinit(&net);
	ftp_model_free(m);
}

static void implementations__are_fast(void **state)
{
	struct ftp_model *m = model_of("mobilenetv2", 1, FTP_STRIDES_IMAGENET, true);
	const char *text;
	struct net net;

	(void)state;
	net_init(&net, m, NULL, 0, 8, 1, FTP_IMPL_ONEDNN, seed);
	text = ftp_stage_implementations(net.stages[0]);
	assert_non_null(strstr(text, "blocks.3.expand fwd "));
	assert_non_null(strstr(text, "blocks.3.expand bwd_data "));
	assert_non_null(strstr(text, "classifier.fc bwd_weights "));
	assert_null(strstr(text, "ref:"));
	assert_null(strstr(text, "simple:"));
	net_deinit(&net);
	ftp_model_free(m);
}

static void new__refuses(void **state)
{
	struct ftp_model *m = model_of("lenet5", 1, FTP_STRIDES_CIFAR, true);
	struct ftp_region *region;
	static const struct {
		int first_unit, end_unit, micro_batch, batch, n_slots, n_versions, threads, code;
		const char *says;
	} rows[] = {
		{-1, 5, 4, 4, 1, 1, 1, -EINVAL, "units"},
		{0, 6, 4, 4, 1, 1, 1, -EINVAL, "units"},
		{3, 3, 4, 4, 1, 1, 1, -EINVAL, "units"},
		{0, 5, 0, 4, 1, 1, 1, -EINVAL, "micro-batch"},
		{0, 5, 8, 4, 1, 1, 1, -EINVAL, "micro-batch"},
		{0, 5, 4, 4, 0, 1, 1, -EINVAL, "slots"},
		{0, 5, 4, 4, 1, 0, 1, -EINVAL, "versions 0"},
		{0, 5, 4, 4, 1, -1, 1, -EINVAL, "versions -1"},
		{0, 5, 4, 4, 1, 1, 7, -EINVAL, "threads"},
		{0, 5, 4, 4, 100, 1, 1, -ENOMEM, "memory"},
		{0, 5, 4, 4, 1, 100, 1, -ENOMEM, "100 versions"},
	};

	(void)state;
	assert_int_equal(ftp_region_new(&region, (size_t)4 << 20, NULL), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct ftp_stage_spec spec = {.model = m,
			.first_unit = rows[i].first_unit,
			.end_unit = rows[i].end_unit,
			.micro_batch = rows[i].micro_batch,
			.batch = rows[i].batch,
			.n_slots = rows[i].n_slots,
			.n_versions = rows[i].n_versions,
			.threads = rows[i].threads,
			.region = region};
		struct ftp_error err = {""};
		struct ftp_stage *s;

		assert_int_equal(ftp_stage_new(&s, &spec, &err), rows[i].code);
		assert_non_null(strstr(err.text, rows[i].says));
		assert_null(s);
		assert_int_equal(ftp_region_used_bytes(region), 0);
	}
	ftp_region_free(region);
	ftp_model_free(m);
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
		cmocka_unit_test(import_and_copy__continue_elsewhere_lenet5),
		cmocka_unit_test(import_and_copy__continue_elsewhere_mobilenetv2),
		cmocka_unit_test(import_and_copy__continue_elsewhere_reference),
		cmocka_unit_test(export__gives_back_what_was_imported),
		cmocka_unit_test(run__allocates_nothing),
		cmocka_unit_test(run__allocates_nothing_for_versions),
		cmocka_unit_test(next_unit__goes_up_then_down),
		cmocka_unit_test(eval__masks_and_changes_nothing),
		cmocka_unit_test(n_reorders__only_weights_once_a_step),
		cmocka_unit_test(memory__is_what_the_region_gave),
		cmocka_unit_test(implementations__are_fast),
		cmocka_unit_test(new__refuses),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
