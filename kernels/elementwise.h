/* Element-wise passes and row sums on f32. Every result is a fixed sequence of IEEE operations per
 * element, so it does not depend on the vector width that the compiler chose. Pure; any thread. */
#ifndef FTP_KERNELS_ELEMENTWISE_H
#define FTP_KERNELS_ELEMENTWISE_H

#include <stddef.h>

/* dst = a + b; dst may equal either. */
void ftp_elementwise_add(float *dst, const float *a, const float *b, size_t n);

/* y = min(max(x, 0), upper); y may equal x. */
void ftp_elementwise_clip(float *y, const float *x, float upper, size_t n);

/* dx = dy where 0 < y < upper, else 0; y is the forward's output; dx may equal dy. */
void ftp_elementwise_clip_backward(
	float *dx, const float *y, const float *dy, float upper, size_t n);

/* dst[i] = (x[0][i] + x[1][i] + ...) / n_x for i from begin on, n elements; dst may be one of x. */
void ftp_elementwise_mean(float *dst, const float *const *x, int n_x, size_t begin, size_t n);

/* sum[c] += x[0][c] + x[1][c] + ..., rows in order; x is [rows][stride]. */
void ftp_elementwise_sum_rows(
	float *sum, const float *x, size_t rows, size_t columns, size_t stride);

#endif
