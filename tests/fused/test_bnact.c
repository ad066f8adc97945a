#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <math.h>

#include <cmocka.h>

#include "kernels/bnact.h"
#include "runtime/base/error.h"
#include "runtime/base/prng.h"
#include "tests/fused/bnact_oracle.h"

static uint64_t seed = 1;

/* Odd pixel counts, channels that do not fill a block, one sample, one pixel, more than a chunk. */
static const struct {
	int n, c, hw;
} shapes[] = {
	{1, 16, 64},
	{2, 24, 49},
	{3, 5, 9},
	{1, 33, 257},
	{4, 16, 1},
	{7, 40, 3},
	{2, 16, 1025},
	{5, 96, 16},
	{64, 8, 4},
};

static const enum ftp_act acts[] = {FTP_ACT_NONE, FTP_ACT_RELU, FTP_ACT_RELU6};

typedef void forward_fn(const struct ftp_bnact *, const float *, const float *, const float *,
	const float *, float *, float *, float *, float *, float *);
typedef void backward_fn(const struct ftp_bnact *, const float *, const float *, const float *,
	const float *, const float *, const float *, const float *, float *, float *, float *,
	float *);

/* Everything one layer reads and writes, blocked as the kernels have it. */
struct layer {
	struct ftp_bnact p;
	size_t floats, vec;
	bool has_residual;
	float *z, *residual, *dy, *gamma, *beta, *running_mean, *running_var;
	float *y, *mean, *inv_std, *dz, *d_residual, *d_gamma, *d_beta;
};

static float *floats(size_t n)
{
	float *p = aligned_alloc(64, (n * sizeof(float) + 63) / 64 * 64);

	ftp_assert(p);
	memset(p, 0, n * sizeof(float));
	return p;
}

static size_t place(const struct ftp_bnact *p, int n, int c, int px)
{
	size_t blocks = ((size_t)p->c + 15) / 16;

	return (((size_t)n * blocks + (size_t)c / 16) * (size_t)p->hw + (size_t)px) * 16 +
	       (size_t)c % 16;
}

static void layer_free(struct layer *l)
{
	float *all[] = {l->z, l->residual, l->dy, l->gamma, l->beta, l->running_mean,
		l->running_var, l->y, l->mean, l->inv_std, l->dz, l->d_residual, l->d_gamma,
		l->d_beta};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		free(all[i]);
}

static void fill(float *t, const struct ftp_bnact *p, uint64_t sub, double mean, double std)
{
	uint64_t key = ftp_prng_key(seed, FTP_PRNG_TEST, sub), i = 0;

	for (int n = 0; n < p->n; n++)
		for (int c = 0; c < p->c; c++)
			for (int px = 0; px < p->hw; px++)
				t[place(p, n, c, px)] = (float)(mean * (1 + c % 3) +
								std * ftp_prng_normal(key, i++));
}

static void layer_new(struct layer *l, const struct ftp_bnact *p, bool residual)
{
	size_t vec = ((size_t)p->c + 15) / 16 * 16, all = vec * (size_t)p->n * (size_t)p->hw;
	uint64_t key = ftp_prng_key(seed, FTP_PRNG_TEST, 99);

	*l = (struct layer){.p = *p, .floats = all, .vec = vec, .has_residual = residual};
	float **tensors[] = {&l->z, &l->residual, &l->dy, &l->y, &l->dz, &l->d_residual};
	float **vectors[] = {&l->gamma, &l->beta, &l->running_mean, &l->running_var, &l->mean,
		&l->inv_std, &l->d_gamma, &l->d_beta};

	for (size_t i = 0; i < sizeof(tensors) / sizeof(tensors[0]); i++)
		*tensors[i] = floats(all);
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
		*vectors[i] = floats(vec);
	fill(l->z, p, 1, 0.7, 2);
	fill(l->residual, p, 2, 0.1, 1);
	fill(l->dy, p, 3, 0.05, 1);
	for (size_t i = 0; i < vec; i++) {
		l->gamma[i] = (float)(1 + 0.5 * ftp_prng_normal(key, 2 * i));
		l->beta[i] = (float)(1 + ftp_prng_normal(key, 2 * i + 1));
		l->running_var[i] = 1;
	}
}

static const float *residual_of(const struct layer *l)
{
	return l->has_residual ? l->residual : NULL;
}

static void run_forward(struct layer *l, forward_fn *f)
{
	f(&l->p, l->z, l->gamma, l->beta, residual_of(l), l->y, l->mean, l->inv_std,
		l->running_mean, l->running_var);
}

static void run_backward(struct layer *l, backward_fn *f)
{
	const float *y = l->p.act != FTP_ACT_NONE && l->has_residual ? l->y : NULL;

	f(&l->p, l->z, y, l->dy, l->gamma, l->beta, l->mean, l->inv_std, l->dz,
		l->has_residual ? l->d_residual : NULL, l->d_gamma, l->d_beta);
}

static void oracle_of(struct bnact_oracle *o, const struct layer *l)
{
	const struct ftp_bnact *p = &l->p;
	size_t i = 0;

	bnact_oracle_new(o, p, l->has_residual);
	for (int n = 0; n < p->n; n++) {
		for (int c = 0; c < p->c; c++) {
			for (int px = 0; px < p->hw; px++, i++) {
				o->z[i] = l->z[place(p, n, c, px)];
				o->dy[i] = l->dy[place(p, n, c, px)];
				if (o->residual)
					o->residual[i] = l->residual[place(p, n, c, px)];
			}
		}
	}
	for (int c = 0; c < p->c; c++) {
		o->gamma[c] = l->gamma[c];
		o->beta[c] = l->beta[c];
	}
}

/* Relative L2 distance of a blocked tensor from the oracle's; padded lanes must hold zeros. */
static double tensor_error(const struct layer *l, const float *t, const double *want)
{
	const struct ftp_bnact *p = &l->p;
	double diff = 0, norm = 0;
	size_t i = 0;

	for (int n = 0; n < p->n; n++) {
		for (int c = 0; c < (int)l->vec; c++) {
			for (int px = 0; px < p->hw; px++) {
				float got = t[place(p, n, c, px)];

				if (c >= p->c) {
					assert_true(got == 0);
					continue;
				}
				diff += (got - want[i]) * (got - want[i]);
				norm += want[i] * want[i];
				i++;
			}
		}
	}
	return norm > 0 ? sqrt(diff / norm) : sqrt(diff);
}

static double vector_error(const float *v, const double *want, int c)
{
	double diff = 0, norm = 0;

	for (int i = 0; i < c; i++) {
		diff += (v[i] - want[i]) * (v[i] - want[i]);
		norm += want[i] * want[i];
	}
	return norm > 0 ? sqrt(diff / norm) : sqrt(diff);
}

static void for_each_case(void (*check)(const struct ftp_bnact *p, bool residual))
{
	for (size_t s = 0; s < sizeof(shapes) / sizeof(shapes[0]); s++)
		for (size_t a = 0; a < sizeof(acts) / sizeof(acts[0]); a++)
			for (int residual = 0; residual < 2; residual++)
				check(&(struct ftp_bnact){.n = shapes[s].n,
					      .c = shapes[s].c,
					      .hw = shapes[s].hw,
					      .act = acts[a],
					      .eps = 1e-5f,
					      .momentum = 0.1f},
					residual);
}

static void check_forward(const struct ftp_bnact *p, bool residual)
{
	double count = (double)p->n * p->hw, unbias = count > 1 ? count / (count - 1) : 1;
	struct bnact_oracle o;
	struct layer l;

	layer_new(&l, p, residual);
	oracle_of(&o, &l);
	bnact_oracle_forward(&o);
	run_forward(&l, ftp_bnact_forward);
	assert_true(tensor_error(&l, l.y, o.y) < 5e-7);
	assert_true(vector_error(l.mean, o.mean, p->c) < 2e-7);
	assert_true(vector_error(l.inv_std, o.inv_std, p->c) < 5e-7);
	for (int c = 0; c < p->c; c++) {
		assert_true(fabs(l.running_mean[c] - 0.1 * o.mean[c]) < 1e-6);
		assert_true(fabs(l.running_var[c] - (0.9 + 0.1 * unbias * o.var[c])) < 1e-5);
	}
	bnact_oracle_free(&o);
	layer_free(&l);
}

static void forward__agrees_with_f64(void **state)
{
	(void)state;
	for_each_case(check_forward);
}

static void forward__sound_far_from_zero(void **state)
{
	struct ftp_bnact p = {.n = 8, .c = 16, .hw = 300, .eps = 1e-5f, .momentum = 0.1f};
	struct bnact_oracle o;
	struct layer l;

	(void)state;
	layer_new(&l, &p, false);
	fill(l.z, &p, 5, 1000, 0.5);
	/* The first sample is unlike the rest. */
	for (int px = 0; px < p.hw; px++)
		l.z[place(&p, 0, 3, px)] = -2000;
	oracle_of(&o, &l);
	bnact_oracle_forward(&o);
	run_forward(&l, ftp_bnact_forward);
	for (int c = 0; c < p.c; c++)
		assert_true(fabs(l.inv_std[c] / o.inv_std[c] - 1) < 1e-6);
	bnact_oracle_free(&o);
	layer_free(&l);
}

static void check_backward(const struct ftp_bnact *p, bool residual)
{
	struct bnact_oracle o;
	struct layer l;

	layer_new(&l, p, residual);
	oracle_of(&o, &l);
	bnact_oracle_forward(&o);
	bnact_oracle_backward(&o);
	run_forward(&l, ftp_bnact_forward);
	run_backward(&l, ftp_bnact_backward);
	if ((double)p->n * p->hw > 1)
		assert_true(tensor_error(&l, l.dz, o.dz) < 2e-6);
	if (residual)
		assert_true(tensor_error(&l, l.d_residual, o.d_residual) < 1e-7);
	assert_true(vector_error(l.d_gamma, o.d_gamma, p->c) < 2e-6);
	assert_true(vector_error(l.d_beta, o.d_beta, p->c) < 1e-6);
	bnact_oracle_free(&o);
	layer_free(&l);
}

static void backward__agrees_with_f64(void **state)
{
	(void)state;
	for_each_case(check_backward);
}

static double oracle_value(struct bnact_oracle *o, size_t all)
{
	double sum = 0;

	bnact_oracle_forward(o);
	for (size_t i = 0; i < all; i++)
		sum += o->dy[i] * o->y[i];
	return sum;
}

/* The oracle's own gradient against central differences of its forward. */
static void check_oracle(const struct ftp_bnact *p, bool residual)
{
	size_t all = (size_t)p->n * (size_t)p->c * (size_t)p->hw;
	uint64_t key = ftp_prng_key(seed, FTP_PRNG_TEST, 7);
	const double h = 1e-6;
	struct bnact_oracle o;
	struct layer l;

	layer_new(&l, p, residual);
	oracle_of(&o, &l);
	bnact_oracle_forward(&o);
	bnact_oracle_backward(&o);
	for (uint64_t t = 0; t < 12; t++) {
		size_t i = ftp_prng_below(key, t, all), c = i / (size_t)p->hw % (size_t)p->c;
		const struct {
			double *value, grad;
		} probes[] = {
			{&o.z[i], o.dz[i]},
			{&o.gamma[c], o.d_gamma[c]},
			{&o.beta[c], o.d_beta[c]},
			{residual ? &o.residual[i] : NULL, o.d_residual[i]},
		};

		for (size_t k = 0; k < sizeof(probes) / sizeof(probes[0]); k++) {
			double *x = probes[k].value, was, up, down;

			if (!x)
				continue;
			was = *x;
			*x = was + h;
			up = oracle_value(&o, all);
			*x = was - h;
			down = oracle_value(&o, all);
			*x = was;
			assert_true(fabs((up - down) / (2 * h) - probes[k].grad) <
				    1e-4 * (1 + fabs(probes[k].grad)));
		}
	}
	bnact_oracle_free(&o);
	layer_free(&l);
}

static void oracle__agrees_with_finite_differences(void **state)
{
	(void)state;
	for_each_case(check_oracle);
}

static bool same(const float *a, const float *b, size_t n)
{
	return !memcmp(a, b, n * sizeof(float));
}

static void check_twin(const struct ftp_bnact *p, bool residual)
{
	struct layer a, b;

	layer_new(&a, p, residual);
	layer_new(&b, p, residual);
	run_forward(&a, ftp_bnact_forward);
	run_backward(&a, ftp_bnact_backward);
	run_forward(&b, ftp_bnact_forward_portable);
	run_backward(&b, ftp_bnact_backward_portable);
	assert_true(same(a.y, b.y, a.floats));
	assert_true(same(a.mean, b.mean, a.vec) && same(a.inv_std, b.inv_std, a.vec));
	assert_true(same(a.running_mean, b.running_mean, a.vec));
	assert_true(same(a.running_var, b.running_var, a.vec));
	assert_true(same(a.dz, b.dz, a.floats));
	assert_true(same(a.d_residual, b.d_residual, a.floats));
	assert_true(same(a.d_gamma, b.d_gamma, a.vec) && same(a.d_beta, b.d_beta, a.vec));
	layer_free(&a);
	layer_free(&b);
}

static void portable__same_bits(void **state)
{
	(void)state;
	for_each_case(check_twin);
}

static void check_in_place(const struct ftp_bnact *p, bool residual)
{
	const bool y_needed = p->act != FTP_ACT_NONE && residual;
	struct layer a, b;
	float *keep;

	layer_new(&a, p, residual);
	layer_new(&b, p, residual);
	keep = floats(a.floats);
	run_forward(&a, ftp_bnact_forward);
	run_backward(&a, ftp_bnact_backward);

	/* y over the residual, dz over dy */
	ftp_bnact_forward(p, b.z, b.gamma, b.beta, residual ? b.residual : NULL,
		residual ? b.residual : b.y, b.mean, b.inv_std, b.running_mean, b.running_var);
	if (residual)
		memcpy(b.y, b.residual, b.floats * sizeof(float));
	assert_true(same(a.y, b.y, a.floats));
	memcpy(keep, b.dy, b.floats * sizeof(float));
	ftp_bnact_backward(p, b.z, y_needed ? b.y : NULL, b.dy, b.gamma, b.beta, b.mean, b.inv_std,
		b.dy, residual ? b.d_residual : NULL, b.d_gamma, b.d_beta);
	assert_true(same(a.dz, b.dy, a.floats));
	assert_true(same(a.d_residual, b.d_residual, a.floats));

	/* d_residual over dy */
	if (residual) {
		memcpy(b.dy, keep, b.floats * sizeof(float));
		ftp_bnact_backward(p, b.z, y_needed ? b.y : NULL, b.dy, b.gamma, b.beta, b.mean,
			b.inv_std, b.dz, b.dy, b.d_gamma, b.d_beta);
		assert_true(same(a.dz, b.dz, a.floats));
		assert_true(same(a.d_residual, b.dy, a.floats));
	}
	free(keep);
	layer_free(&a);
	layer_free(&b);
}

static void backward__in_place(void **state)
{
	(void)state;
	for_each_case(check_in_place);
}

static void backward__adds_to_parameter_gradients(void **state)
{
	struct ftp_bnact p = {.n = 2, .c = 20, .hw = 10, .act = FTP_ACT_RELU6, .eps = 1e-5f};
	struct layer l;
	float once[2];

	(void)state;
	layer_new(&l, &p, false);
	run_forward(&l, ftp_bnact_forward);
	run_backward(&l, ftp_bnact_backward);
	once[0] = l.d_gamma[17];
	once[1] = l.d_beta[17];
	run_backward(&l, ftp_bnact_backward);
	assert_true(l.d_gamma[17] == 2 * once[0] && l.d_beta[17] == 2 * once[1]);
	for (size_t i = 20; i < l.vec; i++)
		assert_true(l.d_gamma[i] == 0 && l.d_beta[i] == 0);
	layer_free(&l);
}

static void backward__nan_is_not_masked(void **state)
{
	struct ftp_bnact p = {.n = 1, .c = 16, .hw = 8, .act = FTP_ACT_RELU6, .eps = 1e-5f};
	struct layer l;

	(void)state;
	layer_new(&l, &p, false);
	l.z[5] = NAN;
	run_forward(&l, ftp_bnact_forward);
	run_backward(&l, ftp_bnact_backward);
	assert_true(isnan(l.y[5]) && isnan(l.dz[5]));
	assert_false(isnan(l.y[6]));
	layer_free(&l);
}

static void eval__uses_running_statistics(void **state)
{
	struct ftp_bnact p = {.n = 3, .c = 24, .hw = 7, .act = FTP_ACT_RELU6, .eps = 1e-3f};
	struct layer l;
	float kept_mean[32], kept_var[32];

	(void)state;
	layer_new(&l, &p, true);
	for (int c = 0; c < 24; c++) {
		l.running_mean[c] = 0.1f * (float)c;
		l.running_var[c] = 0.5f + 0.25f * (float)c;
	}
	memcpy(kept_mean, l.running_mean, sizeof(kept_mean));
	memcpy(kept_var, l.running_var, sizeof(kept_var));
	ftp_bnact_eval(&p, l.z, l.gamma, l.beta, l.residual, l.y, l.running_mean, l.running_var);
	for (int n = 0; n < p.n; n++) {
		for (int c = 0; c < p.c; c++) {
			for (int px = 0; px < p.hw; px++) {
				size_t i = place(&p, n, c, px);
				double v = (l.z[i] - (double)kept_mean[c]) * l.gamma[c] /
						   sqrt(kept_var[c] + 1e-3) +
					   l.beta[c] + l.residual[i];

				v = v < 0 ? 0 : v > 6 ? 6 : v;
				assert_true(fabs(l.y[i] - v) < 1e-5);
			}
		}
	}
	assert_true(same(kept_mean, l.running_mean, 32) && same(kept_var, l.running_var, 32));
	layer_free(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(oracle__agrees_with_finite_differences),
		cmocka_unit_test(forward__agrees_with_f64),
		cmocka_unit_test(forward__sound_far_from_zero),
		cmocka_unit_test(backward__agrees_with_f64),
		cmocka_unit_test(backward__in_place),
		cmocka_unit_test(backward__adds_to_parameter_gradients),
		cmocka_unit_test(backward__nan_is_not_masked),
		cmocka_unit_test(eval__uses_running_statistics),
		cmocka_unit_test(portable__same_bits),
	};
	const char *text = getenv("FTP_SEED");

	if (text)
		seed = strtoull(text, NULL, 0);
	printf("FTP_SEED=%llu\n", (unsigned long long)seed);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
