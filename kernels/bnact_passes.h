/* The four memory passes behind kernels/bnact.h, each over one block of 16 channels of all samples.
 * Two implementations, bit-identical: both add up in the same order and neither contracts a
 * multiply and an add, so that a run's values do not depend on which of them ran.
 *
 * The order of every sum: pixels of a sample in chunks of FTP_BNACT_CHUNK; within a chunk four f32
 * partial sums (pixel index modulo 4), joined as (0 + 1) + (2 + 3); chunks in memory order in f64.
 * So samples may be passed all at once or one by one, with the same bits.
 */
#ifndef FTP_KERNELS_BNACT_PASSES_H
#define FTP_KERNELS_BNACT_PASSES_H

#include "kernels/bnact.h"

#define FTP_BNACT_LANES 16
#define FTP_BNACT_CHUNK 256 /* pixels: 16 KiB, half of L1 */

/* Where one channel block lies in a tensor: sample i starts at base + i * sample_floats. */
struct ftp_bnact_block {
	int n, hw;
	size_t sample_floats;
};

struct ftp_bnact_sums {
	double a[FTP_BNACT_LANES], b[FTP_BNACT_LANES];
};

/* Per channel: v = (z - mean) * scale + beta, clipped to [low, high]. */
struct ftp_bnact_affine {
	_Alignas(64) float mean[FTP_BNACT_LANES], scale[FTP_BNACT_LANES], beta[FTP_BNACT_LANES];
	float low, high;
};

/* Where the activation let a gradient through: everywhere, where v of z lies inside (low, high), or
 * where the stored output does. */
enum ftp_bnact_mask { FTP_BNACT_MASK_NONE, FTP_BNACT_MASK_Z, FTP_BNACT_MASK_Y };

/* One direction's operands; y is NULL unless mask is MASK_Y. */
struct ftp_bnact_grad {
	const float *z, *y, *dy;
	enum ftp_bnact_mask mask;
	struct ftp_bnact_affine affine;
};

/* dz = scale * ((g - bias) - (z - mean) * slope) with g the masked dy. */
struct ftp_bnact_grad_coefs {
	_Alignas(64) float bias[FTP_BNACT_LANES], slope[FTP_BNACT_LANES];
};

struct ftp_bnact_passes {
	/* Adds to a the sum of z - shift, to b that of its square. */
	void (*statistics)(const struct ftp_bnact_block *k, const float *z, const float *shift,
		struct ftp_bnact_sums *sums);
	/* residual may be NULL. */
	void (*apply)(const struct ftp_bnact_block *k, const struct ftp_bnact_affine *affine,
		const float *z, const float *residual, float *y);
	/* Adds to a the sum of g, to b that of g * (z - mean). */
	void (*grad_sums)(const struct ftp_bnact_block *k, const struct ftp_bnact_grad *g,
		struct ftp_bnact_sums *sums);
	/* d_residual may be NULL. */
	void (*grad_apply)(const struct ftp_bnact_block *k, const struct ftp_bnact_grad *g,
		const struct ftp_bnact_grad_coefs *coefs, float *dz, float *d_residual);
};

extern const struct ftp_bnact_passes ftp_bnact_passes_portable, ftp_bnact_passes_avx512;

#endif
