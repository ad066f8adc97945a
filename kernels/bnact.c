#include "kernels/bnact.h"

#include <math.h>

#include "kernels/bnact_channels.h"
#include "kernels/bnact_passes.h"
#include "runtime/base/error.h"

#define LANES FTP_BNACT_LANES

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
		struct ftp_bnact_sums sums = {0};

		ftp_bnact_channels_shift(&k, z + at, shift);
		pass->statistics(&k, z + at, shift, &sums);
		ftp_bnact_channels_statistics(p, ftp_bnact_channels_lanes(p, b), shift, &sums,
			mean + ch, inv_std + ch, running_mean + ch, running_var + ch);
		ftp_bnact_channels_affine(&affine, p, ftp_bnact_channels_lanes(p, b), mean + ch,
			inv_std + ch, gamma + ch, beta + ch);
		pass->apply(&k, &affine, z + at, residual ? residual + at : NULL, y + at);
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
		struct ftp_bnact_sums sums = {0};
		float *dr = d_residual ? d_residual + at : NULL;

		g.mask = p->act == FTP_ACT_NONE ? FTP_BNACT_MASK_NONE
			 : y			? FTP_BNACT_MASK_Y
						: FTP_BNACT_MASK_Z;
		if (g.mask == FTP_BNACT_MASK_NONE && d_residual == dy)
			dr = NULL; /* it is there already */
		ftp_bnact_channels_affine(&g.affine, p, ftp_bnact_channels_lanes(p, b), mean + ch,
			inv_std + ch, gamma + ch, beta + ch);
		pass->grad_sums(&k, &g, &sums);
		ftp_bnact_channels_gradients(p, ftp_bnact_channels_lanes(p, b), inv_std + ch, &sums,
			&coefs, dgamma + ch, dbeta + ch);
		pass->grad_apply(&k, &g, &coefs, dz + at, dr);
	}
}

void ftp_bnact_forward(const struct ftp_bnact *p, const float *z, const float *gamma,
	const float *beta, const float *residual, float *y, float *mean, float *inv_std,
	float *running_mean, float *running_var)
{
	forward(ftp_bnact_channels_passes(), p, z, gamma, beta, residual, y, mean, inv_std,
		running_mean, running_var);
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
		const int ch = b * LANES, lanes = ftp_bnact_channels_lanes(p, b);
		float inv_std[LANES] = {0};
		struct ftp_bnact_affine affine;

		for (int i = 0; i < lanes; i++)
			inv_std[i] =
				(float)(1 / sqrt((double)running_var[ch + i] + (double)p->eps));
		ftp_bnact_channels_affine(
			&affine, p, lanes, running_mean + ch, inv_std, gamma + ch, beta + ch);
		ftp_bnact_channels_passes()->apply(
			&k, &affine, z + at, residual ? residual + at : NULL, y + at);
	}
}

void ftp_bnact_backward(const struct ftp_bnact *p, const float *z, const float *y, const float *dy,
	const float *gamma, const float *beta, const float *mean, const float *inv_std, float *dz,
	float *d_residual, float *dgamma, float *dbeta)
{
	backward(ftp_bnact_channels_passes(), p, z, y, dy, gamma, beta, mean, inv_std, dz,
		d_residual, dgamma, dbeta);
}

void ftp_bnact_backward_portable(const struct ftp_bnact *p, const float *z, const float *y,
	const float *dy, const float *gamma, const float *beta, const float *mean,
	const float *inv_std, float *dz, float *d_residual, float *dgamma, float *dbeta)
{
	backward(&ftp_bnact_passes_portable, p, z, y, dy, gamma, beta, mean, inv_std, dz,
		d_residual, dgamma, dbeta);
}
