/* The arithmetic of one block of 16 channels between the memory passes: from sums to statistics,
 * from statistics to coefficients. Vectors point at the block's first channel; lanes is how many of
 * its channels exist, and lanes from there on hold zeros and go on doing so. f64 inside.
 */
#ifndef FTP_KERNELS_BNACT_CHANNELS_H
#define FTP_KERNELS_BNACT_CHANNELS_H

#include "kernels/bnact_passes.h"

/* What this CPU, under the instruction set cap, runs. */
const struct ftp_bnact_passes *ftp_bnact_channels_passes(void);

int ftp_bnact_channels_lanes(const struct ftp_bnact *p, int block);

void ftp_bnact_channels_affine(struct ftp_bnact_affine *a, const struct ftp_bnact *p, int lanes,
	const float *mean, const float *inv_std, const float *gamma, const float *beta);

/* A value near the mean, from the first pixels: sums of squares around it lose nothing to
 * cancellation. */
void ftp_bnact_channels_shift(const struct ftp_bnact_block *k, const float *z, float *shift);

void ftp_bnact_channels_statistics(const struct ftp_bnact *p, int lanes, const float *shift,
	const struct ftp_bnact_sums *sums, float *mean, float *inv_std, float *running_mean,
	float *running_var);

/* dgamma and dbeta are added to. */
void ftp_bnact_channels_gradients(const struct ftp_bnact *p, int lanes, const float *inv_std,
	const struct ftp_bnact_sums *sums, struct ftp_bnact_grad_coefs *coefs, float *dgamma,
	float *dbeta);

#endif
