#include <immintrin.h>

#include "kernels/bnact_passes.h"

#define LANES  FTP_BNACT_LANES
#define CHUNK  FTP_BNACT_CHUNK
#define AVX512 __attribute__((target("avx512f")))
#define INLINE static inline __attribute__((always_inline)) AVX512

/* Four partial sums of each of two quantities: enough chains to hide the latency of an add. */
struct partial {
	__m512 a[4], b[4];
};

struct totals {
	__m512d a[2], b[2];
};

INLINE void add_wide(__m512d total[2], const __m512 part[4])
{
	__m512 s = _mm512_add_ps(_mm512_add_ps(part[0], part[1]), _mm512_add_ps(part[2], part[3]));
	__m256 low = _mm512_castps512_ps256(s);
	__m256 high = _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(s), 1));

	total[0] = _mm512_add_pd(total[0], _mm512_cvtps_pd(low));
	total[1] = _mm512_add_pd(total[1], _mm512_cvtps_pd(high));
}

INLINE struct totals totals_load(const struct ftp_bnact_sums *sums)
{
	struct totals t;

	for (int i = 0; i < 2; i++) {
		t.a[i] = _mm512_loadu_pd(sums->a + 8 * i);
		t.b[i] = _mm512_loadu_pd(sums->b + 8 * i);
	}
	return t;
}

INLINE void totals_store(const struct totals *t, struct ftp_bnact_sums *sums)
{
	for (int i = 0; i < 2; i++) {
		_mm512_storeu_pd(sums->a + 8 * i, t->a[i]);
		_mm512_storeu_pd(sums->b + 8 * i, t->b[i]);
	}
}

INLINE void statistics_pixel(struct partial *p, int j, const float *z, __m512 shift)
{
	__m512 d = _mm512_sub_ps(_mm512_load_ps(z), shift);

	p->a[j] = _mm512_add_ps(p->a[j], d);
	p->b[j] = _mm512_add_ps(p->b[j], _mm512_mul_ps(d, d));
}

AVX512 static void statistics(const struct ftp_bnact_block *k, const float *z, const float *shift,
	struct ftp_bnact_sums *sums)
{
	const __m512 sh = _mm512_load_ps(shift);
	struct totals t = totals_load(sums);

	for (int s = 0; s < k->n; s++) {
		const float *v = z + (size_t)s * k->sample_floats;

		for (int left = k->hw; left > 0; left -= CHUNK) {
			int m = left < CHUNK ? left : CHUNK, px = 0;
			struct partial p = {0};

			for (; px + 4 <= m; px += 4, v += 4 * LANES)
				for (int j = 0; j < 4; j++)
					statistics_pixel(&p, j, v + j * LANES, sh);
			for (int j = 0; px < m; px++, j++, v += LANES)
				statistics_pixel(&p, j, v, sh);
			add_wide(t.a, p.a);
			add_wide(t.b, p.b);
		}
	}
	totals_store(&t, sums);
}

struct affine {
	__m512 mean, scale, beta, low, high;
};

INLINE struct affine affine_load(const struct ftp_bnact_affine *f)
{
	return (struct affine){
		.mean = _mm512_load_ps(f->mean),
		.scale = _mm512_load_ps(f->scale),
		.beta = _mm512_load_ps(f->beta),
		.low = _mm512_set1_ps(f->low),
		.high = _mm512_set1_ps(f->high),
	};
}

INLINE __m512 affine_of(const struct affine *f, __m512 z)
{
	return _mm512_add_ps(_mm512_mul_ps(_mm512_sub_ps(z, f->mean), f->scale), f->beta);
}

INLINE void apply_block(const struct ftp_bnact_block *k, const struct affine *f, const float *z,
	const float *residual, float *y, const bool add)
{
	/* Backwards: what the statistics pass read last is still in the cache. */
	for (int s = k->n - 1; s >= 0; s--) {
		const size_t base = (size_t)s * k->sample_floats;
		const size_t end = base + (size_t)k->hw * LANES;

		for (size_t i = base; i < end; i += LANES) {
			__m512 v = affine_of(f, _mm512_load_ps(z + i));

			if (add)
				v = _mm512_add_ps(v, _mm512_load_ps(residual + i));
			/* Operand order: a NaN goes through. */
			v = _mm512_min_ps(f->high, _mm512_max_ps(f->low, v));
			_mm512_store_ps(y + i, v);
		}
	}
}

AVX512 static void apply(const struct ftp_bnact_block *k, const struct ftp_bnact_affine *affine,
	const float *z, const float *residual, float *y)
{
	const struct affine f = affine_load(affine);

	if (residual)
		apply_block(k, &f, z, residual, y, true);
	else
		apply_block(k, &f, z, residual, y, false);
}

/* dy where the activation let it through; x is z - mean. */
INLINE __m512 masked(const struct ftp_bnact_grad *g, const struct affine *f, size_t i, __m512 x,
	const enum ftp_bnact_mask mask)
{
	__m512 v;
	__mmask16 open;

	if (mask == FTP_BNACT_MASK_NONE)
		return _mm512_load_ps(g->dy + i);
	if (mask == FTP_BNACT_MASK_Y)
		v = _mm512_load_ps(g->y + i);
	else
		v = _mm512_add_ps(_mm512_mul_ps(x, f->scale), f->beta);
	open = _mm512_cmp_ps_mask(v, f->low, _CMP_NLE_UQ);
	open = _mm512_mask_cmp_ps_mask(open, v, f->high, _CMP_NGE_UQ);
	return _mm512_maskz_load_ps(open, g->dy + i);
}

INLINE void grad_pixel(struct partial *p, int j, const struct ftp_bnact_grad *g,
	const struct affine *f, size_t i, const enum ftp_bnact_mask mask)
{
	__m512 x = _mm512_sub_ps(_mm512_load_ps(g->z + i), f->mean);
	__m512 d = masked(g, f, i, x, mask);

	p->a[j] = _mm512_add_ps(p->a[j], d);
	p->b[j] = _mm512_add_ps(p->b[j], _mm512_mul_ps(d, x));
}

INLINE void grad_sums_block(const struct ftp_bnact_block *k, const struct ftp_bnact_grad *g,
	struct ftp_bnact_sums *sums, const enum ftp_bnact_mask mask)
{
	const struct affine f = affine_load(&g->affine);
	struct totals t = totals_load(sums);

	for (int s = 0; s < k->n; s++) {
		size_t i = (size_t)s * k->sample_floats;

		for (int left = k->hw; left > 0; left -= CHUNK) {
			int m = left < CHUNK ? left : CHUNK, px = 0;
			struct partial p = {0};

			for (; px + 4 <= m; px += 4, i += 4 * LANES)
				for (int j = 0; j < 4; j++)
					grad_pixel(&p, j, g, &f, i + (size_t)j * LANES, mask);
			for (int j = 0; px < m; px++, j++, i += LANES)
				grad_pixel(&p, j, g, &f, i, mask);
			add_wide(t.a, p.a);
			add_wide(t.b, p.b);
		}
	}
	totals_store(&t, sums);
}

AVX512 static void grad_sums(const struct ftp_bnact_block *k, const struct ftp_bnact_grad *g,
	struct ftp_bnact_sums *sums)
{
	if (g->mask == FTP_BNACT_MASK_NONE)
		grad_sums_block(k, g, sums, FTP_BNACT_MASK_NONE);
	else if (g->mask == FTP_BNACT_MASK_Z)
		grad_sums_block(k, g, sums, FTP_BNACT_MASK_Z);
	else
		grad_sums_block(k, g, sums, FTP_BNACT_MASK_Y);
}

INLINE void grad_apply_block(const struct ftp_bnact_block *k, const struct ftp_bnact_grad *g,
	const struct ftp_bnact_grad_coefs *c, float *dz, float *d_residual,
	const enum ftp_bnact_mask mask)
{
	const struct affine f = affine_load(&g->affine);
	const __m512 bias = _mm512_load_ps(c->bias), slope = _mm512_load_ps(c->slope);

	for (int s = k->n - 1; s >= 0; s--) {
		const size_t base = (size_t)s * k->sample_floats;
		const size_t end = base + (size_t)k->hw * LANES;

		for (size_t i = base; i < end; i += LANES) {
			__m512 x = _mm512_sub_ps(_mm512_load_ps(g->z + i), f.mean);
			__m512 d = masked(g, &f, i, x, mask);

			if (d_residual)
				_mm512_store_ps(d_residual + i, d);
			d = _mm512_sub_ps(_mm512_sub_ps(d, bias), _mm512_mul_ps(x, slope));
			_mm512_store_ps(dz + i, _mm512_mul_ps(f.scale, d));
		}
	}
}

AVX512 static void grad_apply(const struct ftp_bnact_block *k, const struct ftp_bnact_grad *g,
	const struct ftp_bnact_grad_coefs *c, float *dz, float *d_residual)
{
	if (g->mask == FTP_BNACT_MASK_NONE)
		grad_apply_block(k, g, c, dz, d_residual, FTP_BNACT_MASK_NONE);
	else if (g->mask == FTP_BNACT_MASK_Z)
		grad_apply_block(k, g, c, dz, d_residual, FTP_BNACT_MASK_Z);
	else
		grad_apply_block(k, g, c, dz, d_residual, FTP_BNACT_MASK_Y);
}

const struct ftp_bnact_passes ftp_bnact_passes_avx512 = {
	.statistics = statistics,
	.apply = apply,
	.grad_sums = grad_sums,
	.grad_apply = grad_apply,
};
