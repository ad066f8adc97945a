/* The reference, compiled for double, against central differences: for random weights r of the
 * output, d/dx sum(r * forward(x)) must be what backward makes of r. */
#include "tests/base/check.h"

#include <math.h>
#include <string.h>

#include "kernels/model_builder.h"
#include "kernels/reference.h"
#include "runtime/base/prng.h"
#include "tests/kernels/shapes.h"

#define STEP	  1e-5
#define TOLERANCE 1e-7 /* relative to the largest gradient */
#define N_CLASSES 7
#define N_PROBES  150 /* elements of a tensor that are moved, evenly spread */

struct subject {
	struct ftp_model *model;
	struct ftp_reference_args args;
	double loss;
	int n_correct, n_samples;
};

static double *draw(size_t n, uint64_t *stream)
{
	uint64_t key = ftp_prng_key(check_seed(), FTP_PRNG_TEST, (*stream)++);
	double *x = malloc(n * sizeof(*x));

	assert_non_null(x);
	for (size_t i = 0; i < n; i++)
		x[i] = ftp_prng_normal(key, i);
	return x;
}

static size_t view_size(const struct ftp_view *v)
{
	return (size_t)v->n * (size_t)v->shape.c * (size_t)v->shape.h * (size_t)v->shape.w;
}

static void view_init(struct ftp_view *v, struct ftp_shape shape, int n, uint64_t *stream)
{
	*v = (struct ftp_view){NULL, shape, n, 1};
	v->data = draw(view_size(v), stream);
}

static void subject_init(struct subject *s, const struct layer_row *row)
{
	const struct ftp_model_spec spec = {"row", 1, FTP_STRIDES_CIFAR, true};
	struct ftp_model_builder *b =
		ftp_model_builder_begin("row", &spec, row->src, FTP_INIT_FAN_IN);
	struct ftp_reference_args *a = &s->args;
	uint64_t stream = 0;

	*s = (struct subject){0};
	ftp_model_builder_unit(b, "unit");
	ftp_model_builder_add(b, "layer", &row->layer);
	s->model = ftp_model_builder_end(b);
	a->layer = &s->model->units[0].layers[0];
	a->training = true;
	for (int i = 0; i < 2; i++) {
		if (a->layer->in[i] == FTP_NO_INPUT)
			continue;
		view_init(&a->src[i], a->layer->src, row->n, &stream);
		view_init(&a->src_grad[i], a->layer->src, row->n, &stream);
	}
	view_init(&a->dst, a->layer->dst, row->n, &stream);
	view_init(&a->dst_grad, a->layer->dst, row->n, &stream);
	for (int i = 0; i < a->layer->n_tensors; i++) {
		size_t n = s->model->units[0].tensors[i].n_elements;

		a->tensors[i] = draw(n, &stream);
		a->gradients[i] = calloc(n, sizeof(double));
	}
	a->loss = &s->loss;
	a->n_correct = &s->n_correct;
	a->n_samples = &s->n_samples;
	a->loss_scale = 1;
}

static void subject_deinit(struct subject *s)
{
	for (int i = 0; i < 2; i++) {
		free(s->args.src[i].data);
		free(s->args.src_grad[i].data);
	}
	free(s->args.dst.data);
	free(s->args.dst_grad.data);
	for (int i = 0; i < 4; i++) {
		free(s->args.tensors[i]);
		free(s->args.gradients[i]);
	}
	ftp_model_free(s->model);
}

static double objective(struct subject *s)
{
	const struct ftp_reference_args *a = &s->args;
	double sum = 0;

	ftp_reference_table[a->layer->kind].forward(a);
	if (a->layer->kind == FTP_LAYER_LOSS)
		return s->loss;
	for (size_t i = 0; i < view_size(&a->dst); i++)
		sum += a->dst.data[i] * a->dst_grad.data[i];
	return sum;
}

static void expect_gradient(
	struct subject *s, const char *what, double *x, const double *gradient, size_t n)
{
	double largest = 0, worst = 0;

	for (size_t i = 0; i < n; i += 1 + n / N_PROBES) {
		double kept = x[i], high, difference;

		x[i] = kept + STEP;
		high = objective(s);
		x[i] = kept - STEP;
		difference = (high - objective(s)) / (2 * STEP);
		x[i] = kept;
		largest = fmax(largest, fabs(difference));
		worst = fmax(worst, fabs(difference - gradient[i]));
	}
	if (worst > TOLERANCE * fmax(largest, 1))
		fail_msg("%s: off by %g of %g", what, worst, largest);
}

static void expect_gradients(struct subject *s, const char *what)
{
	struct ftp_reference_args *a = &s->args;
	const struct ftp_reference *ref = &ftp_reference_table[a->layer->kind];
	size_t n = view_size(&a->src[0]);

	ref->backward_data(a);
	if (ref->backward_weights)
		ref->backward_weights(a);
	for (int i = 0; i < 2; i++)
		if (a->src[i].data)
			expect_gradient(s, what, a->src[i].data, a->src_grad[i].data, n);
	for (int i = 0; i < a->layer->n_tensors; i++) {
		const struct ftp_tensor *t = &s->model->units[0].tensors[i];

		if (ftp_tensor_is_trained(t))
			expect_gradient(s, t->name, a->tensors[i], a->gradients[i], t->n_elements);
	}
}

static void reference__finite_differences(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_LAYER_ROWS; i++) {
		struct subject s;

		subject_init(&s, &layer_rows[i]);
		expect_gradients(&s, layer_rows[i].what);
		subject_deinit(&s);
	}
}

static void loss__finite_differences(void **state)
{
	static const struct layer_row row = {"loss", PLAIN(FTP_LAYER_LOSS), {N_CLASSES, 1, 1}, 4};
	static const int32_t labels[] = {3, 0, -1, 6};
	struct subject s;

	(void)state;
	subject_init(&s, &row);
	s.args.labels = labels;
	expect_gradients(&s, row.what);
	assert_int_equal(s.n_samples, 3);
	for (int c = 0; c < N_CLASSES; c++)
		assert_true(s.args.src_grad[0].data[2 * N_CLASSES + c] == 0);
	subject_deinit(&s);
}

static void bn__running_statistics(void **state)
{
	static const struct layer_row row = {"bn", PLAIN(FTP_LAYER_BN), {1, 1, 1}, 4};
	struct subject s;

	(void)state;
	subject_init(&s, &row);
	memcpy(s.args.src[0].data, (double[]){1, 2, 3, 6}, 4 * sizeof(double));
	s.args.tensors[2][0] = 1;
	s.args.tensors[3][0] = 2;
	objective(&s);
	/* mean 3, unbiased variance 14 / 3 */
	assert_true(fabs(s.args.tensors[2][0] - (0.9 * 1 + 0.1 * 3)) < 1e-12);
	assert_true(fabs(s.args.tensors[3][0] - (0.9 * 2 + 0.1 * 14 / 3)) < 1e-12);
	s.args.training = false;
	s.args.tensors[0][0] = 2;
	s.args.tensors[1][0] = 5;
	s.args.tensors[2][0] = 1;
	s.args.tensors[3][0] = 4 - FTP_BN_EPS;
	objective(&s);
	assert_true(fabs(s.args.dst.data[3] - (5 + 2 * (6 - 1) / 2.0)) < 1e-12);
	subject_deinit(&s);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(reference__finite_differences),
		cmocka_unit_test(loss__finite_differences),
		cmocka_unit_test(bn__running_statistics),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
