#include "kernels/bnact_channels.h"

#include <math.h>

#include "kernels/isa.h"

#define LANES FTP_BNACT_LANES

static const struct {
	float low, high;
} clip[] = {
	[FTP_ACT_NONE] = {-INFINITY, INFINITY},
	[FTP_ACT_RELU] = {0.0f, INFINITY},
	[FTP_ACT_RELU6] = {0.0f, 6.0f},
};

const struct ftp_bnact_passes *ftp_bnact_channels_passes(void)
{
	return ftp_isa_current() >= FTP_ISA_AVX512 ? &ftp_bnact_passes_avx512
						   : &ftp_bnact_passes_portable;
}

int ftp_bnact_channels_lanes(const struct ftp_bnact *p, int b)
{
	int left = p->c - b * LANES;

	return left < LANES ? left : LANES;
}

void ftp_bnact_channels_affine(struct ftp_bnact_affine *a, const struct ftp_bnact *p, int lanes,
	const float *mean, const float *inv_std, const float *gamma, const float *beta)
{
	*a = (struct ftp_bnact_affine){.low = clip[p->act].low, .high = clip[p->act].high};
	for (int i = 0; i < lanes; i++) {
		a->mean[i] = mean[i];
		a->scale[i] = gamma[i] * inv_std[i];
		a->beta[i] = beta[i];
	}
}

void ftp_bnact_channels_shift(const struct ftp_bnact_block *k, const float *z, float *shift)
{
	int m = k->hw < 64 ? k->hw : 64;

	for (int i = 0; i < LANES; i++) {
		double sum = 0;

		for (int px = 0; px < m; px++)
			sum += z[px * LANES + i];
		shift[i] = (float)(sum / m);
	}
}

void ftp_bnact_channels_statistics(const struct ftp_bnact *p, int lanes, const float *shift,
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

void ftp_bnact_channels_gradients(const struct ftp_bnact *p, int lanes, const float *inv_std,
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
