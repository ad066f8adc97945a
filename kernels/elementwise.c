#include "kernels/elementwise.h"

#include <string.h>

#include "kernels/vector.h"

#define MEAN_CHUNK 1024

FTP_VECTOR_WIDTHS
void ftp_elementwise_add(float *dst, const float *a, const float *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		dst[i] = a[i] + b[i];
}

FTP_VECTOR_WIDTHS
void ftp_elementwise_clip(float *y, const float *x, float upper, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		float low = x[i] < 0 ? 0 : x[i];

		y[i] = low > upper ? upper : low;
	}
}

FTP_VECTOR_WIDTHS
void ftp_elementwise_clip_backward(
	float *dx, const float *y, const float *dy, float upper, size_t n)
{
	for (size_t i = 0; i < n; i++)
		dx[i] = y[i] > 0 && y[i] < upper ? dy[i] : 0;
}

FTP_VECTOR_WIDTHS
void ftp_elementwise_sum_rows(
	float *sum, const float *x, size_t rows, size_t columns, size_t stride)
{
	for (size_t r = 0; r < rows; r++)
		for (size_t c = 0; c < columns; c++)
			sum[c] += x[r * stride + c];
}

FTP_VECTOR_WIDTHS
void ftp_elementwise_mean(float *dst, const float *const *x, int n_x, size_t begin, size_t n)
{
	_Alignas(64) float sum[MEAN_CHUNK]; /* dst may still be an operand */

	for (size_t at = begin, end = begin + n; at < end; at += MEAN_CHUNK) {
		size_t length = end - at < MEAN_CHUNK ? end - at : MEAN_CHUNK;

		memcpy(sum, x[0] + at, length * sizeof(*sum));
		for (int k = 1; k < n_x; k++)
			for (size_t i = 0; i < length; i++)
				sum[i] += x[k][at + i];
		for (size_t i = 0; i < length; i++)
			dst[at + i] = sum[i] / (float)n_x;
	}
}
