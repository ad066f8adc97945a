#include "kernels/elementwise.h"

#include "kernels/vector.h"

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
