/* Batch normalisation fused with activation and residual add, on blocked tensors
 * [n][c/16][hw][16] f32 (channels padded to 16 with zeros; padded lanes stay zero).
 *
 *   forward   y = act(gamma * (z - mean) / sqrt(var + eps) + beta + residual)
 *   backward  from dy: dz, dgamma, dbeta, and the gradient of the residual
 *
 * A pure oneDNN step spends half its time in these memory-bound passes; here the forward reads z
 * twice and writes y once, the backward reads z and dy twice and writes dz once. Two
 * implementations: AVX512 and a portable C twin that is its oracle. Reductions run in a fixed
 * order, so results do not depend on anything but shape, data and implementation.
 *
 * No allocation; the worker's thread.
 */
#ifndef FTP_KERNELS_BNACT_H
#define FTP_KERNELS_BNACT_H

#include <stdbool.h>
#include <stddef.h>

enum ftp_act { FTP_ACT_NONE, FTP_ACT_RELU, FTP_ACT_RELU6 };

struct ftp_bnact {
	int n, c, hw; /* samples, true channels, pixels */
	enum ftp_act act;
	float eps;
	float momentum; /* running = (1 - momentum) * running + momentum * batch (unbiased variance)
			 */
};

/* All channel vectors have c padded up to 16 floats. mean and inv_std are outputs, kept for
 * backward; running_* are updated. residual may be NULL; y may equal residual's storage, never z's.
 */
void ftp_bnact_forward(const struct ftp_bnact *p, const float *z, const float *gamma,
	const float *beta, const float *residual, float *y, float *mean, float *inv_std,
	float *running_mean, float *running_var);

/* As forward with the running statistics, which stay as they are. */
void ftp_bnact_eval(const struct ftp_bnact *p, const float *z, const float *gamma,
	const float *beta, const float *residual, float *y, const float *running_mean,
	const float *running_var);

/* dgamma and dbeta are added to. dz may equal dy's storage. y is the forward's output, needed only
 * when act is not NONE and there was a residual (else NULL: the mask is recomputed from z).
 * d_residual, where not NULL, becomes the gradient that flows to the residual (dy after the mask);
 * it may equal dy's storage if dz does not. */
void ftp_bnact_backward(const struct ftp_bnact *p, const float *z, const float *y, const float *dy,
	const float *gamma, const float *beta, const float *mean, const float *inv_std, float *dz,
	float *d_residual, float *dgamma, float *dbeta);

/* The portable twins, same contracts, for tests and CPUs without AVX512. */
void ftp_bnact_forward_portable(const struct ftp_bnact *p, const float *z, const float *gamma,
	const float *beta, const float *residual, float *y, float *mean, float *inv_std,
	float *running_mean, float *running_var);
void ftp_bnact_backward_portable(const struct ftp_bnact *p, const float *z, const float *y,
	const float *dy, const float *gamma, const float *beta, const float *mean,
	const float *inv_std, float *dz, float *d_residual, float *dgamma, float *dbeta);

#endif
