/* Dense convolution on blocked tensors in portable C, for CPUs and caps below AVX512, where oneDNN
 * has no jit kernel for blocks of 16 channels and its reference code is a hundred times slower.
 *
 * src is [n][c/16][h][w][16], or [n][c][h][w] when dense_src. Weights are kept twice: by outputs
 * [c_out/16][c_in][k][k][16] (that is also the gradient's layout) and by inputs
 * [c_in/16][c_out][k][k][16]. Lanes of padding are zero and stay so. No fused multiply-add and a
 * fixed order of sums: results do not depend on the vector width. Pure; any thread.
 */
#ifndef FTP_KERNELS_BLOCKCONV_H
#define FTP_KERNELS_BLOCKCONV_H

#include <stdbool.h>
#include <stddef.h>

struct ftp_blockconv {
	int n, c_in, c_out; /* true channels */
	int h, w, h_out, w_out, kernel, stride, pad;
	bool dense_src, relu; /* relu: of the forward's result */
};

/* bias may be NULL. */
void ftp_blockconv_forward(const struct ftp_blockconv *p, const float *src, const float *by_outputs,
	const float *bias, float *dst);
void ftp_blockconv_backward_data(const struct ftp_blockconv *p, const float *dst_grad,
	const float *by_inputs, float *src_grad);
/* The gradients are added to; bias_grad may be NULL. */
void ftp_blockconv_backward_weights(const struct ftp_blockconv *p, const float *src,
	const float *dst_grad, float *weights_grad, float *bias_grad);

/* From OIHW with rows of channels to either layout; the way back is for by_outputs. */
size_t ftp_blockconv_weight_floats(const struct ftp_blockconv *p, bool by_inputs);
void ftp_blockconv_pack(const struct ftp_blockconv *p, const float *oihw, float *by_outputs);
void ftp_blockconv_unpack(const struct ftp_blockconv *p, const float *by_outputs, float *oihw);
void ftp_blockconv_transpose(
	const struct ftp_blockconv *p, const float *by_outputs, float *by_inputs);

#endif
