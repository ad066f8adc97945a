#include "kernels/bnact_passes.h"

#define LANES FTP_BNACT_LANES
#define CHUNK FTP_BNACT_CHUNK

struct partial {
	float a[4][LANES], b[4][LANES];
};

static const float *at(const struct ftp_bnact_block *k, const float *base, int sample)
{
	return base + (size_t)sample * k->sample_floats;
}

static void partial_flush(const struct partial *p, struct ftp_bnact_sums *sums)
{
	for (int i = 0; i < LANES; i++) {
		float a = (p->a[0][i] + p->a[1][i]) + (p->a[2][i] + p->a[3][i]);
		float b = (p->b[0][i] + p->b[1][i]) + (p->b[2][i] + p->b[3][i]);

		sums->a[i] += (double)a;
		sums->b[i] += (double)b;
	}
}

static void statistics(const struct ftp_bnact_block *k, const float *z, const float *shift,
	struct ftp_bnact_sums *sums)
{
	for (int s = 0; s < k->n; s++) {
		for (int begin = 0; begin < k->hw; begin += CHUNK) {
			int end = begin + CHUNK < k->hw ? begin + CHUNK : k->hw;
			struct partial p = {0};

			for (int px = begin; px < end; px++) {
				const float *v = at(k, z, s) + (size_t)px * LANES;

				for (int i = 0; i < LANES; i++) {
					float d = v[i] - shift[i];

					p.a[px & 3][i] += d;
					p.b[px & 3][i] += d * d;
				}
			}
			partial_flush(&p, sums);
		}
	}
}

/* Comparisons are written so that a NaN goes through, as in the vector version. */
static float clip(float v, float low, float high)
{
	v = low > v ? low : v;
	return high < v ? high : v;
}

static void apply(const struct ftp_bnact_block *k, const struct ftp_bnact_affine *f, const float *z,
	const float *residual, float *y)
{
	for (int s = 0; s < k->n; s++) {
		const float *in = at(k, z, s);
		const float *res = residual ? at(k, residual, s) : NULL;
		float *out = y + (size_t)s * k->sample_floats;

		for (size_t j = 0; j < (size_t)k->hw * LANES; j++) {
			size_t i = j % LANES;
			float v = (in[j] - f->mean[i]) * f->scale[i] + f->beta[i];

			if (res)
				v += res[j];
			out[j] = clip(v, f->low, f->high);
		}
	}
}

static float masked(const struct ftp_bnact_grad *g, size_t at_float, size_t lane)
{
	const struct ftp_bnact_affine *f = &g->affine;
	float v;

	if (g->mask == FTP_BNACT_MASK_NONE)
		return g->dy[at_float];
	v = g->mask == FTP_BNACT_MASK_Y
		    ? g->y[at_float]
		    : (g->z[at_float] - f->mean[lane]) * f->scale[lane] + f->beta[lane];
	return v <= f->low || v >= f->high ? 0.0f : g->dy[at_float];
}

static void grad_sums(const struct ftp_bnact_block *k, const struct ftp_bnact_grad *g,
	struct ftp_bnact_sums *sums)
{
	for (int s = 0; s < k->n; s++) {
		for (int begin = 0; begin < k->hw; begin += CHUNK) {
			int end = begin + CHUNK < k->hw ? begin + CHUNK : k->hw;
			struct partial p = {0};

			for (int px = begin; px < end; px++) {
				size_t base = (size_t)s * k->sample_floats + (size_t)px * LANES;

				for (size_t i = 0; i < LANES; i++) {
					float d = masked(g, base + i, i);

					p.a[px & 3][i] += d;
					p.b[px & 3][i] += d * (g->z[base + i] - g->affine.mean[i]);
				}
			}
			partial_flush(&p, sums);
		}
	}
}

static void grad_apply(const struct ftp_bnact_block *k, const struct ftp_bnact_grad *g,
	const struct ftp_bnact_grad_coefs *c, float *dz, float *d_residual)
{
	const struct ftp_bnact_affine *f = &g->affine;

	for (int s = 0; s < k->n; s++) {
		size_t base = (size_t)s * k->sample_floats;

		for (size_t j = 0; j < (size_t)k->hw * LANES; j++) {
			size_t i = j % LANES;
			float d = masked(g, base + j, i);
			float x = g->z[base + j] - f->mean[i];

			if (d_residual)
				d_residual[base + j] = d;
			dz[base + j] = f->scale[i] * ((d - c->bias[i]) - x * c->slope[i]);
		}
	}
}

const struct ftp_bnact_passes ftp_bnact_passes_portable = {
	.statistics = statistics,
	.apply = apply,
	.grad_sums = grad_sums,
	.grad_apply = grad_apply,
};
