/* Average and maximum pooling on blocked tensors, global average pooling included. oneDNN's jit
 * kernels need a workspace and spend more than a third of a LeNet step here; these keep nothing:
 * backward finds the maxima again. Padding never counts. Fixed order of operations; pure; any
 * thread. */
#ifndef FTP_KERNELS_POOL_H
#define FTP_KERNELS_POOL_H

#include <stdbool.h>

struct ftp_pool {
	bool max;
	int n_blocks; /* samples times channel blocks */
	int h, w, h_out, w_out;
	int kernel_h, kernel_w, stride, pad;
};

void ftp_pool_forward(const struct ftp_pool *p, const float *src, float *dst);

/* src: the forward's, read for max only. Of equal maxima the first takes the gradient. */
void ftp_pool_backward(
	const struct ftp_pool *p, const float *src, const float *dst_grad, float *src_grad);

#endif
