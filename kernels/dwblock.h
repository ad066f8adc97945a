/* Batch norm + activation, depthwise 3x3 convolution, batch norm + activation as one pass over
 * memory: the middle of an inverted residual block. Tensors are blocked [n][c/16][h][w][16] f32, c
 * padded with zeros, 64-byte aligned.
 *
 *   forward   y = bn_after(u),  u = depthwise(bn_before(z))
 *
 * Between whole-tensor operations the normalised input of the convolution and the gradient of its
 * output would go to memory and come back. Here they live in two planes of the L2 cache, one sample
 * of 16 channels at a time, and are computed again in the backward pass: 14 tensor trips a step
 * become 9 going back and 8 become 5 going forth, and the normalised input need not be kept. The
 * values are those of ftp_bnact_* and the depthwise passes run one after the other, to the bit.
 *
 * No allocation; the worker's thread.
 */
#ifndef FTP_KERNELS_DWBLOCK_H
#define FTP_KERNELS_DWBLOCK_H

#include <stdbool.h>
#include <stddef.h>

#include "kernels/bnact.h"

struct ftp_dwblock {
	int n, c, h, w, stride;
	bool has_before; /* false: the convolution reads z as it is */
	enum ftp_act act_before, act_after;
	float eps, momentum;
};

/* One batch norm's vectors, c padded up to 16 floats each; see kernels/bnact.h. */
struct ftp_dwblock_bn {
	const float *gamma, *beta;
	float *mean, *inv_std; /* written by forward, read by backward */
	float *running_mean, *running_var;
	float *d_gamma, *d_beta; /* backward adds to them */
};

/* Floats of scratch that every call needs: one source and one result plane. */
size_t ftp_dwblock_scratch_floats(const struct ftp_dwblock *p);

/* weights: [c/16][3][3][16]. u [n][c/16][h_out][w_out][16] is kept for backward, as is z. before is
 * NULL when has_before is not set. */
void ftp_dwblock_forward(const struct ftp_dwblock *p, const struct ftp_dwblock_bn *before,
	const struct ftp_dwblock_bn *after, const float *z, const float *weights, float *u,
	float *y, float *scratch);

/* As forward with the running statistics, which stay as they are. */
void ftp_dwblock_eval(const struct ftp_dwblock *p, const struct ftp_dwblock_bn *before,
	const struct ftp_dwblock_bn *after, const float *z, const float *weights, float *y,
	float *scratch);

/* d_weights is added to. dz may be NULL when has_before is not set; it does not overlap dy. */
void ftp_dwblock_backward(const struct ftp_dwblock *p, const struct ftp_dwblock_bn *before,
	const struct ftp_dwblock_bn *after, const float *z, const float *u, const float *dy,
	const float *weights, float *dz, float *d_weights, float *scratch);

#endif
