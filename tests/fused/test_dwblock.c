#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/depthwise.h"
#include "kernels/dwblock.h"
#include "runtime/base/error.h"
#include "runtime/base/prng.h"

#define LANES FTP_DEPTHWISE_LANES
#define TAPS  FTP_DEPTHWISE_TAPS

static const struct ftp_dwblock cases[] = {
	{.n = 3,
		.c = 16,
		.h = 8,
		.w = 8,
		.stride = 1,
		.has_before = true,
		.act_before = FTP_ACT_RELU6,
		.act_after = FTP_ACT_RELU6},
	{.n = 2,
		.c = 24,
		.h = 9,
		.w = 7,
		.stride = 2,
		.has_before = true,
		.act_before = FTP_ACT_RELU6,
		.act_after = FTP_ACT_RELU6},
	{.n = 1, .c = 40, .h = 5, .w = 5, .stride = 1, .has_before = true},
	{.n = 4, .c = 32, .h = 4, .w = 4, .stride = 2, .act_after = FTP_ACT_RELU6},
	{.n = 2,
		.c = 8,
		.h = 1,
		.w = 1,
		.stride = 1,
		.has_before = true,
		.act_before = FTP_ACT_RELU,
		.act_after = FTP_ACT_RELU},
	{.n = 2,
		.c = 16,
		.h = 33,
		.w = 32,
		.stride = 1,
		.has_before = true,
		.act_before = FTP_ACT_RELU6,
		.act_after = FTP_ACT_NONE},
};

struct norm {
	float *gamma, *beta, *mean, *inv_std, *running_mean, *running_var, *d_gamma, *d_beta;
};

struct block {
	struct ftp_dwblock p;
	struct ftp_depthwise shape;
	struct norm before, after;
	size_t n_in, n_out, n_c, n_taps; /* floats */
	float *z, *x, *weights, *u, *y, *dy, *du, *dz, *d_weights;
};

static float *floats(size_t n)
{
	float *p = aligned_alloc(64, n * sizeof(*p));

	ftp_assert(p && n % LANES == 0);
	memset(p, 0, n * sizeof(*p));
	return p;
}

/* Blocked, with zeros where the channel does not exist. */
static void fill(float *t, const struct ftp_dwblock *p, int hw, uint64_t sub)
{
	uint64_t key = ftp_prng_key(1, FTP_PRNG_TEST, sub);
	size_t blocks = ((size_t)p->c + 15) / 16;
	size_t n = (size_t)p->n * blocks * (size_t)hw * LANES;

	for (size_t i = 0; i < n; i++) {
		size_t c = i / LANES / (size_t)hw % blocks * LANES + i % LANES;

		t[i] = c < (size_t)p->c ? (float)(0.3 + 2 * ftp_prng_normal(key, i)) : 0.0f;
	}
}

static void norm_new(struct norm *m, const struct block *b, uint64_t sub)
{
	float **all[] = {&m->gamma, &m->beta, &m->mean, &m->inv_std, &m->running_mean,
		&m->running_var, &m->d_gamma, &m->d_beta};
	uint64_t key = ftp_prng_key(1, FTP_PRNG_TEST, sub);

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		*all[i] = floats(b->n_c);
	for (int i = 0; i < b->p.c; i++) {
		m->gamma[i] = (float)(1 + 0.4 * ftp_prng_normal(key, (uint64_t)i));
		m->beta[i] = (float)(0.5 + ftp_prng_normal(key, 1000 + (uint64_t)i));
		m->running_var[i] = 1 + 0.01f * (float)i;
		m->running_mean[i] = 0.02f * (float)i;
	}
}

static void norm_free(struct norm *m)
{
	float *all[] = {m->gamma, m->beta, m->mean, m->inv_std, m->running_mean, m->running_var,
		m->d_gamma, m->d_beta};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		free(all[i]);
}

static struct ftp_dwblock_bn lend(const struct norm *m)
{
	return (struct ftp_dwblock_bn){m->gamma, m->beta, m->mean, m->inv_std, m->running_mean,
		m->running_var, m->d_gamma, m->d_beta};
}

static void block_new(struct block *b, const struct ftp_dwblock *p)
{
	uint64_t key = ftp_prng_key(1, FTP_PRNG_TEST, 50);
	size_t blocks = ((size_t)p->c + 15) / 16;

	*b = (struct block){.p = *p, .shape = ftp_depthwise_shape(p->h, p->w, p->stride)};
	b->p.eps = 1e-5f;
	b->p.momentum = 0.1f;
	b->n_c = blocks * LANES;
	b->n_taps = b->n_c * TAPS;
	b->n_in = (size_t)p->n * b->n_c * (size_t)(p->h * p->w);
	b->n_out = (size_t)p->n * b->n_c * (size_t)(b->shape.h_out * b->shape.w_out);
	norm_new(&b->before, b, 10);
	norm_new(&b->after, b, 11);
	b->z = floats(b->n_in);
	b->x = floats(b->n_in);
	b->dz = floats(b->n_in);
	b->u = floats(b->n_out);
	b->y = floats(b->n_out);
	b->du = floats(b->n_out);
	b->dy = floats(b->n_out);
	b->weights = floats(b->n_taps);
	b->d_weights = floats(b->n_taps);
	fill(b->z, p, p->h * p->w, 1);
	fill(b->dy, p, b->shape.h_out * b->shape.w_out, 2);
	for (size_t i = 0; i < b->n_taps; i++)
		if (i / (TAPS * LANES) * LANES + i % LANES < (size_t)p->c)
			b->weights[i] = (float)ftp_prng_normal(key, i);
}

static void block_free(struct block *b)
{
	float *all[] = {b->z, b->x, b->dz, b->u, b->y, b->du, b->dy, b->weights, b->d_weights};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		free(all[i]);
	norm_free(&b->before);
	norm_free(&b->after);
}

static struct ftp_bnact bnact_of(const struct block *b, bool is_after)
{
	return (struct ftp_bnact){.n = b->p.n,
		.c = b->p.c,
		.hw = is_after ? b->shape.h_out * b->shape.w_out : b->p.h * b->p.w,
		.act = is_after ? b->p.act_after : b->p.act_before,
		.eps = b->p.eps,
		.momentum = b->p.momentum};
}

/* The same by whole-tensor operations, one after the other. */
static void unfused_forward(struct block *b)
{
	const struct ftp_bnact before = bnact_of(b, false), after = bnact_of(b, true);
	const size_t plane = (size_t)before.hw * LANES, plane_out = (size_t)after.hw * LANES;
	const size_t blocks = b->n_c / LANES;
	struct norm *m = &b->before;

	if (b->p.has_before)
		ftp_bnact_forward(&before, b->z, m->gamma, m->beta, NULL, b->x, m->mean, m->inv_std,
			m->running_mean, m->running_var);
	else
		memcpy(b->x, b->z, b->n_in * sizeof(float));
	for (size_t i = 0; i < (size_t)b->p.n * blocks; i++)
		ftp_depthwise_current()->forward(&b->shape, b->x + i * plane,
			b->weights + i % blocks * TAPS * LANES, b->u + i * plane_out);
	m = &b->after;
	ftp_bnact_forward(&after, b->u, m->gamma, m->beta, NULL, b->y, m->mean, m->inv_std,
		m->running_mean, m->running_var);
}

static void unfused_backward(struct block *b)
{
	const struct ftp_bnact before = bnact_of(b, false), after = bnact_of(b, true);
	const size_t plane = (size_t)before.hw * LANES, plane_out = (size_t)after.hw * LANES;
	const size_t blocks = b->n_c / LANES;
	struct norm *m = &b->after;

	ftp_bnact_backward(&after, b->u, NULL, b->dy, m->gamma, m->beta, m->mean, m->inv_std, b->du,
		NULL, m->d_gamma, m->d_beta);
	for (size_t c = 0; c < blocks; c++) {
		double sums[TAPS][LANES] = {0};

		for (size_t s = 0; s < (size_t)b->p.n; s++) {
			size_t i = s * blocks + c;

			ftp_depthwise_current()->backward_weights(
				&b->shape, b->x + i * plane, b->du + i * plane_out, sums);
			ftp_depthwise_current()->backward_data(&b->shape, b->du + i * plane_out,
				b->weights + c * TAPS * LANES, b->dz + i * plane);
		}
		for (size_t k = 0; k < TAPS * LANES; k++)
			b->d_weights[c * TAPS * LANES + k] += (float)sums[k / LANES][k % LANES];
	}
	m = &b->before;
	if (b->p.has_before)
		ftp_bnact_backward(&before, b->z, NULL, b->dz, m->gamma, m->beta, m->mean,
			m->inv_std, b->dz, NULL, m->d_gamma, m->d_beta);
}

static void fused_forward(struct block *b)
{
	const struct ftp_dwblock_bn before = lend(&b->before), after = lend(&b->after);
	float *scratch = floats(ftp_dwblock_scratch_floats(&b->p));

	ftp_dwblock_forward(&b->p, b->p.has_before ? &before : NULL, &after, b->z, b->weights, b->u,
		b->y, scratch);
	free(scratch);
}

static void fused_backward(struct block *b)
{
	const struct ftp_dwblock_bn before = lend(&b->before), after = lend(&b->after);
	float *scratch = floats(ftp_dwblock_scratch_floats(&b->p));

	ftp_dwblock_backward(&b->p, b->p.has_before ? &before : NULL, &after, b->z, b->u, b->dy,
		b->weights, b->dz, b->d_weights, scratch);
	free(scratch);
}

static void check_same(const float *a, const float *b, size_t n)
{
	assert_memory_equal(a, b, n * sizeof(*a));
}

static void check_norms(const struct block *a, const struct block *b)
{
	const struct norm *pairs[][2] = {{&a->before, &b->before}, {&a->after, &b->after}};

	for (int i = 0; i < 2; i++) {
		check_same(pairs[i][0]->mean, pairs[i][1]->mean, a->n_c);
		check_same(pairs[i][0]->inv_std, pairs[i][1]->inv_std, a->n_c);
		check_same(pairs[i][0]->running_mean, pairs[i][1]->running_mean, a->n_c);
		check_same(pairs[i][0]->running_var, pairs[i][1]->running_var, a->n_c);
		check_same(pairs[i][0]->d_gamma, pairs[i][1]->d_gamma, a->n_c);
		check_same(pairs[i][0]->d_beta, pairs[i][1]->d_beta, a->n_c);
	}
}

static void forward__same_bits_as_unfused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct block a, b;

		block_new(&a, &cases[i]);
		block_new(&b, &cases[i]);
		unfused_forward(&a);
		fused_forward(&b);
		check_same(a.u, b.u, a.n_out);
		check_same(a.y, b.y, a.n_out);
		check_norms(&a, &b);
		block_free(&a);
		block_free(&b);
	}
}

static void backward__same_bits_as_unfused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct block a, b;

		block_new(&a, &cases[i]);
		block_new(&b, &cases[i]);
		/* Twice: parameter gradients add up. */
		for (int turn = 0; turn < 2; turn++) {
			unfused_forward(&a);
			unfused_backward(&a);
			fused_forward(&b);
			fused_backward(&b);
		}
		check_same(a.dz, b.dz, a.n_in);
		check_same(a.d_weights, b.d_weights, a.n_taps);
		check_norms(&a, &b);
		block_free(&a);
		block_free(&b);
	}
}

static void eval__same_bits_as_unfused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct block a;
		float *scratch, *y;

		block_new(&a, &cases[i]);
		{
			const struct ftp_bnact before = bnact_of(&a, false);
			const struct ftp_bnact after = bnact_of(&a, true);
			const struct ftp_dwblock_bn pre = lend(&a.before), post = lend(&a.after);
			const size_t blocks = a.n_c / LANES;

			y = floats(a.n_out);
			scratch = floats(ftp_dwblock_scratch_floats(&a.p));
			if (a.p.has_before)
				ftp_bnact_eval(&before, a.z, pre.gamma, pre.beta, NULL, a.x,
					pre.running_mean, pre.running_var);
			else
				memcpy(a.x, a.z, a.n_in * sizeof(float));
			for (size_t k = 0; k < (size_t)a.p.n * blocks; k++)
				ftp_depthwise_current()->forward(&a.shape,
					a.x + k * (size_t)before.hw * LANES,
					a.weights + k % blocks * TAPS * LANES,
					a.u + k * (size_t)after.hw * LANES);
			ftp_bnact_eval(&after, a.u, post.gamma, post.beta, NULL, a.y,
				post.running_mean, post.running_var);
			ftp_dwblock_eval(&a.p, a.p.has_before ? &pre : NULL, &post, a.z, a.weights,
				y, scratch);
			check_same(a.y, y, a.n_out);
		}
		free(scratch);
		free(y);
		block_free(&a);
	}
}

static void backward__without_source_gradient(void **state)
{
	struct ftp_dwblock p = cases[3];
	struct block a, b;

	(void)state;
	block_new(&a, &p);
	block_new(&b, &p);
	unfused_forward(&a);
	unfused_backward(&a);
	fused_forward(&b);
	free(b.dz);
	b.dz = NULL;
	fused_backward(&b);
	check_same(a.d_weights, b.d_weights, a.n_taps);
	block_free(&a);
	block_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forward__same_bits_as_unfused),
		cmocka_unit_test(backward__same_bits_as_unfused),
		cmocka_unit_test(backward__without_source_gradient),
		cmocka_unit_test(eval__same_bits_as_unfused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
