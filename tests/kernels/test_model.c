#include "tests/base/check.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "tests/kernels/net.h"

static void new__sizes(void **state)
{
	static const struct {
		const char *name;
		double width;
		enum ftp_strides strides;
		const char *full_name;
		int n_units;
		int64_t n_params;
		double mflops; /* forward, of the convolutions and fully connected layers */
	} rows[] = {
		/* 784*256+256 + 256*128+128 + 128*10+10 */
		{"mlp", 1, FTP_STRIDES_CIFAR, "mlp", 3, 235146, 0.4695},
		/* LeCun's sizes with full connections: 156 + 2416 + 48120 + 10164 + 850 */
		{"lenet5", 1, FTP_STRIDES_CIFAR, "lenet5", 5, 61706, 0.833},
		/* torchvision.models.mobilenet_v2(num_classes=10) has as many */
		{"mobilenetv2", 1, FTP_STRIDES_CIFAR, "mobilenetv2-1.0-cifar", 20, 2236682, 175.7},
		{"mobilenetv2", 1, FTP_STRIDES_IMAGENET, "mobilenetv2-1.0-imagenet", 20, 2236682,
			12.2},
		{"mobilenetv2", 1.4, FTP_STRIDES_IMAGENET, "mobilenetv2-1.4-imagenet", 20, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct ftp_model *m = model_of(rows[i].name, rows[i].width, rows[i].strides, true);
		double flops = 0;

		assert_string_equal(m->name, rows[i].full_name);
		assert_int_equal(m->n_units, rows[i].n_units);
		assert_int_equal(m->n_classes, 10);
		if (rows[i].n_params)
			assert_int_equal(m->n_params, rows[i].n_params);
		for (int u = 0; u < m->n_units; u++)
			flops += m->units[u].flops;
		if (rows[i].mflops > 0 && fabs(flops / 1e6 / rows[i].mflops - 1) > 0.1)
			fail_msg("%s: %.3f MFLOP, expected about %.3f", m->name, flops / 1e6,
				rows[i].mflops);
		ftp_model_free(m);
	}
}

static void new__width_rounds_to_8(void **state)
{
	static const struct {
		double width;
		int32_t stem, last_block, head;
	} rows[] = {{0.25, 8, 80, 1280}, {0.35, 16, 112, 1280}, {0.5, 16, 160, 1280},
		{1, 32, 320, 1280}, {1.4, 48, 448, 1792}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct ftp_model *m =
			model_of("mobilenetv2", rows[i].width, FTP_STRIDES_CIFAR, true);

		assert_int_equal(m->units[0].dst.c, rows[i].stem);
		assert_int_equal(m->units[17].dst.c, rows[i].last_block);
		assert_int_equal(m->units[18].dst.c, rows[i].head);
		for (int u = 0; u < 19; u++)
			assert_int_equal(m->units[u].dst.c % 8, 0);
		ftp_model_free(m);
	}
}

static void new__strides(void **state)
{
	struct ftp_model *cifar = model_of("mobilenetv2", 1, FTP_STRIDES_CIFAR, true);
	struct ftp_model *imagenet = model_of("mobilenetv2", 1, FTP_STRIDES_IMAGENET, true);
	static const int side_cifar[] = {
		32, 32, 32, 32, 16, 16, 16, 8, 8, 8, 8, 8, 8, 8, 4, 4, 4, 4};
	static const int side_imagenet[] = {16, 16, 8, 8, 4, 4, 4, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1};

	(void)state;
	for (int u = 0; u < 18; u++) {
		assert_int_equal(cifar->units[u].dst.h, side_cifar[u]);
		assert_int_equal(imagenet->units[u].dst.h, side_imagenet[u]);
	}
	ftp_model_free(cifar);
	ftp_model_free(imagenet);
}

static void new__without_activations(void **state)
{
	struct ftp_model *m = model_of("mobilenetv2", 1, FTP_STRIDES_CIFAR, false);

	(void)state;
	assert_int_equal(m->n_params, 2236682);
	for (int u = 0; u < m->n_units; u++)
		for (int i = 0; i < m->units[u].n_layers; i++)
			assert_true(m->units[u].layers[i].kind != FTP_LAYER_RELU6);
	ftp_model_free(m);
}

static void new__refuses(void **state)
{
	static const struct {
		const char *name;
		double width;
		const char *says;
	} rows[] = {
		{"alexnet", 1, "mlp, lenet5, mobilenetv2"},
		{NULL, 1, "training.model"},
		{"mobilenetv2", 0, "training.width"},
		{"mobilenetv2", -1, "training.width"},
		{"mobilenetv2", NAN, "training.width"},
		{"mobilenetv2", 4.1, "training.width"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct ftp_model_spec spec = {
			rows[i].name, rows[i].width, FTP_STRIDES_CIFAR, true};
		struct ftp_error err = {""};
		struct ftp_model *m;

		assert_int_equal(ftp_model_new(&m, &spec, &err), -EINVAL);
		assert_non_null(strstr(err.text, rows[i].says));
	}
}

/* Tensors and moments lie one after another on 64-byte boundaries, under names that differ. */
static void new__canonical_state(void **state)
{
	struct ftp_model *m = model_of("mobilenetv2", 0.25, FTP_STRIDES_CIFAR, true);

	(void)state;
	for (int u = 0; u < m->n_units; u++) {
		const struct ftp_unit *unit = &m->units[u];
		size_t at = 0;

		for (int moments = 0; moments < 2; moments++)
			for (int i = 0; i < unit->n_tensors; i++) {
				const struct ftp_tensor *t = &unit->tensors[i];

				if (moments && !ftp_tensor_is_trained(t))
					continue;
				assert_int_equal(
					moments ? t->moment_offset_bytes : t->offset_bytes, at);
				at += (t->n_elements * 4 + 63) / 64 * 64;
			}
		assert_int_equal(unit->state_bytes, at);
		for (int i = 0; i < unit->n_tensors; i++)
			for (int k = 0; k < i; k++)
				assert_string_not_equal(
					unit->tensors[i].name, unit->tensors[k].name);
	}
	assert_string_equal(m->units[4].tensors[0].name, "blocks.3.expand.weight");
	assert_string_equal(m->units[4].tensors[1].name, "blocks.3.expand_bn.weight");
	assert_string_equal(m->units[4].tensors[4].name, "blocks.3.expand_bn.running_var");
	ftp_model_free(m);
}

static void cut_floats__blocked_but_the_input(void **state)
{
	struct ftp_model *m = model_of("lenet5", 1, FTP_STRIDES_CIFAR, true);

	(void)state;
	assert_int_equal(ftp_model_cut_floats(m, 0, 2), 2 * 28 * 28);
	assert_int_equal(ftp_model_cut_floats(m, 1, 2), 2 * 16 * 14 * 14);
	assert_int_equal(ftp_model_cut_floats(m, 2, 3), 3 * 16 * 5 * 5);
	assert_int_equal(ftp_model_cut_floats(m, 3, 1), 128);
	ftp_model_free(m);
}

static void init_unit__distribution(void **state)
{
	struct ftp_model *m = model_of("mobilenetv2", 1, FTP_STRIDES_CIFAR, true);
	const struct ftp_unit *u = &m->units[18];
	const struct ftp_tensor *t = &u->tensors[0];
	float *x = malloc(u->state_bytes), *again = malloc(u->state_bytes);
	double sum = 0, squares = 0, n = (double)t->n_elements;

	(void)state;
	ftp_model_init_unit(m, 18, check_seed(), x);
	ftp_model_init_unit(m, 18, check_seed(), again);
	assert_memory_equal(x, again, u->state_bytes);
	for (size_t i = 0; i < t->n_elements; i++) {
		sum += (double)x[i];
		squares += (double)x[i] * (double)x[i];
	}
	/* 320 * 1280 draws: 6 standard errors */
	assert_true(fabs(sum / n) < 6 * sqrt(2.0 / 1280 / n));
	assert_true(fabs(squares / n * 1280 / 2 - 1) < 6 * sqrt(2 / n));
	assert_true(x[u->tensors[1].offset_bytes / 4] == 1.0f);
	assert_true(x[u->tensors[2].offset_bytes / 4] == 0.0f);
	assert_true(x[u->tensors[4].offset_bytes / 4] == 1.0f);
	assert_true(x[t->moment_offset_bytes / 4] == 0.0f);
	ftp_model_init_unit(m, 18, check_seed() + 1, again);
	assert_memory_not_equal(x, again, u->state_bytes);
	free(x);
	free(again);
	ftp_model_free(m);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(new__sizes),
		cmocka_unit_test(new__width_rounds_to_8),
		cmocka_unit_test(new__strides),
		cmocka_unit_test(new__without_activations),
		cmocka_unit_test(new__refuses),
		cmocka_unit_test(new__canonical_state),
		cmocka_unit_test(cut_floats__blocked_but_the_input),
		cmocka_unit_test(init_unit__distribution),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
