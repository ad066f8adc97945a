#include "kernels/bnact.h"

#include <math.h>

#include "kernels/bnact_passes.h"
#include "kernels/isa.h"
#include "runtime/base/error.h"

#define LANES FTP_BNACT_LANES

static const struct {
	float low, high;
} clip[] = {
	[FTP_ACT_NONE] = {-INFINITY, INFINITY},
	[FTP_ACT_RELU] = {0.0f, INFINITY},
	[FTP_ACT_RELU6] = {0.0f, 6.0f},
};

static const struct ftp_bnact_passes *passes(void)
{
	return ftp_isa_current() >= FTP_ISA_AVX512 ? &ftp_bnact_passes_avx512
						   : &ftp_bnact_passes_portable;
}

static int n_blocks(const struct ftp_bnact *p)
{
	return (p->c + LANES - 1) / LANES;
}

static struct ftp_bnact_block block_of(const struct ftp_bnact *p)
{
	return (struct ftp_bnact_block){
		.n = p->n,
		.hw = p->hw,
		.sample_floats = (size_t)n_blocks(p) * (size_t)p->hw * LANES,
	};
}

/* Channels of block b that exist; lanes from there on hold zeros and must go on doing so. */
static int n_lanes(const struct ftp_bnact *p, int b)
{
	int left = p->c - b * LANES;

	return left < LANES ? left : LANES;
}

static void affine_fill(struct ftp_bnact_affine *a, const struct ftp_bnact *p, int lanes,
	const float *mean, const float *inv_std, const float *gamma, const float *beta)
{
	*a = (struct ftp_bnact_affine){.low = clip[p->act].low, .high = clip[p->act].high};
	for (int i = 0; i < lanes; i++) {
		a->mean[i] = mean[i];
		a->scale[i] = gamma[i] * inv_std[i];
		a->beta[i] = beta[i];
	}
}

/* A value near the mean: sums of squares around it lose nothing to cancellation. */
static void shift_fill(const struct ftp_bnact_block *k, const float *z, float *shift)
{
	int m = k->hw < 64 ? k->hw : 64;

	for (int i = 0; i < LANES; i++) {
		double sum = 0;

		for (int px = 0; px < m; px++)
			sum += z[px * LANES + i];
		shift[i] = (float)(sum / m);
	}
}

static void statistics_finish(const struct ftp_bnact *p, int lanes, const float *shift,
	const struct ftp_bnact_sums *sums, float *mean, float *inv_std, float *running_mean,
	float *running_var)
{
	double count = (double)p->n * p->hw;
	double unbias = count > 1 ? count / (count - 1) : 1;

	for (int i = 0; i < LANES; i++) {
		double off = sums->a[i] / count;
		double m = shift[i] + off;
		double var = sums->b[i] / count - off * off;

		if (var < 0)
			var = 0;
		mean[i] = i < lanes ? (float)m : 0.0f;
		inv_std[i] = i < lanes ? (float)(1 / sqrt(var + (double)p->eps)) : 0.0f;
		if (i >= lanes)
			continue;
		running_mean[i] += p->momentum * ((float)m - running_mean[i]);
		running_var[i] += p->momentum * ((float)(var * unbias) - running_var[i]);
	}
}

static void forward(const struct ftp_bnact_passes *pass, const struct ftp_bnact *p, const float *z,
	const float *gamma, const float *beta, const float *residual, float *y, float *mean,
	float *inv_std, float *running_mean, float *running_var)
{
	const struct ftp_bnact_block k = block_of(p);

	for (int b = 0; b < n_blocks(p); b++) {
		const size_t at = (size_t)b * (size_t)p->hw * LANES;
		const int ch = b * LANES;
		_Alignas(64) float shift[LANES];
		struct ftp_bnact_affine affine;
		struct ftp_bnact_sums sums;

		shift_fill(&k, z + at, shift);
		pass->statistics(&k, z + at, shift, &sums);
		statistics_finish(p, n_lanes(p, b), shift, &sums, mean + ch, inv_std + ch,
			running_mean + ch, running_var + ch);
		affine_fill(
			&affine, p, n_lanes(p, b), mean + ch, inv_std + ch, gamma + ch, beta + ch);
		pass->apply(&k, &affine, z + at, residual ? residual + at : NULL, y + at);
	}
}

static void grad_finish(const struct ftp_bnact *p, int lanes, const float *inv_std,
	const struct ftp_bnact_sums *sums, struct ftp_bnact_grad_coefs *coefs, float *dgamma,
	float *dbeta)
{
	double count = (double)p->n * p->hw;

	*coefs = (struct ftp_bnact_grad_coefs){0};
	for (int i = 0; i < lanes; i++) {
		double s = inv_std[i];

		coefs->bias[i] = (float)(sums->a[i] / count);
		coefs->slope[i] = (float)(s * s * sums->b[i] / count);
		dgamma[i] += (float)(sums->b[i] * s);
		dbeta[i] += (float)sums->a[i];
	}
}

static void backward(const struct ftp_bnact_passes *pass, const struct ftp_bnact *p, const float *z,
	const float *y, const float *dy, const float *gamma, const float *beta, const float *mean,
	const float *inv_std, float *dz, float *d_residual, float *dgamma, float *dbeta)
{
	const struct ftp_bnact_block k = block_of(p);

	ftp_assert(!d_residual || d_residual != dz);
	for (int b = 0; b < n_blocks(p); b++) {
		const size_t at = (size_t)b * (size_t)p->hw * LANES;
		const int ch = b * LANES;
		struct ftp_bnact_grad g = {.z = z + at, .y = y ? y + at : NULL, .dy = dy + at};
		struct ftp_bnact_grad_coefs coefs;
		struct ftp_bnact_sums sums;
		float *dr = d_residual ? d_residual + at : NULL;

		g.mask = p->act == FTP_ACT_NONE ? FTP_BNACT_MASK_NONE
			 : y			? FTP_BNACT_MASK_Y
						: FTP_BNACT_MASK_Z;
		if (g.mask == FTP_BNACT_MASK_NONE && d_residual == dy)
			dr = NULL; /* it is there already */
		affine_fill(&g.affine, p, n_lanes(p, b), mean + ch, inv_std + ch, gamma + ch,
			beta + ch);
		pass->grad_sums(&k, &g, &sums);
		grad_finish(p, n_lanes(p, b), inv_std + ch, &sums, &coefs, dgamma + ch, dbeta + ch);
		pass->grad_apply(&k, &g, &coefs, dz + at, dr);
	}
}

void ftp_bnact_forward(const struct ftp_bnact *p, const float *z, const float *gamma,
	const float *beta, const float *residual, float *y, float *mean, float *inv_std,
	float *running_mean, float *running_var)
{
	forward(passes(), p, z, gamma, beta, residual, y, mean, inv_std, running_mean, running_var);
}

void ftp_bnact_forward_portable(const struct ftp_bnact *p, const float *z, const float *gamma,
	const float *beta, const float *residual, float *y, float *mean, float *inv_std,
	float *running_mean, float *running_var)
{
	forward(&ftp_bnact_passes_portable, p, z, gamma, beta, residual, y, mean, inv_std,
		running_mean, running_var);
}

void ftp_bnact_eval(const struct ftp_bnact *p, const float *z, const float *gamma,
	const float *beta, const float *residual, float *y, const float *running_mean,
	const float *running_var)
{
	const struct ftp_bnact_block k = block_of(p);

	for (int b = 0; b < n_blocks(p); b++) {
		const size_t at = (size_t)b * (size_t)p->hw * LANES;
		const int ch = b * LANES, lanes = n_lanes(p, b);
		float inv_std[LANES] = {0};
		struct ftp_bnact_affine affine;

		for (int i = 0; i < lanes; i++)
			inv_std[i] =
				(float)(1 / sqrt((double)running_var[ch + i] + (double)p->eps));
		affine_fill(&affine, p, lanes, running_mean + ch, inv_std, gamma + ch, beta + ch);
		passes()->apply(&k, &affine, z + at, residual ? residual + at : NULL, y + at);
	}
}

void ftp_bnact_backward(const struct ftp_bnact *p, const float *z, const float *y, const float *dy,
	const float *gamma, const float *beta, const float *mean, const float *inv_std, float *dz,
	float *d_residual, float *dgamma, float *dbeta)
{
	backward(passes(), p, z, y, dy, gamma, beta, mean, inv_std, dz, d_residual, dgamma, dbeta);
}

void ftp_bnact_backward_portable(const struct ftp_bnact *p, const float *z, const float *y,
	const float *dy, const float *gamma, const float *beta, const float *mean,
	const float *inv_std, float *dz, float *d_residual, float *dgamma, float *dbeta)
{
	backward(&ftp_bnact_passes_portable, p, z, y, dy, gamma, beta, mean, inv_std, dz,
		d_residual, dgamma, dbeta);
}
