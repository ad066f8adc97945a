#include <immintrin.h>
#include <stdbool.h>

#include "kernels/depthwise.h"

#define LANES FTP_DEPTHWISE_LANES
#define TAPS  FTP_DEPTHWISE_TAPS
/* The small loops over an array of accumulators, which stays in registers only when they are
 * unrolled. */
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#pragma clang diagnostic ignored "-Wpass-failed" /* a loop of one turn has nothing to unroll */
#else
#define UNROLL _Pragma("GCC unroll 32")
#endif
#define AVX512 __attribute__((target("avx512f")))
#define INLINE static inline __attribute__((always_inline)) AVX512

/* Rows of a source plane that a row of results reads, with the three weights of each. A row beyond
 * the plane's edge is left out; a column beyond it is read under an empty mask, which is zero and
 * touches no memory. */
struct rows {
	const float *row[3], *weights[3];
	int n, w; /* rows, columns of each */
};

INLINE __m512 column(const float *row, int col, int w)
{
	return _mm512_maskz_load_ps(
		(unsigned)col < (unsigned)w ? 0xffff : 0, row + (long)col * LANES);
}

/* n results from column begin on. Each source column is read once and goes to every result that it
 * is a tap of. Only the first and the last can lie outside. */
INLINE void forward_pixels(const struct rows *r, int begin, float *y, const int n, const int stride)
{
	const int first = begin * stride - 1, n_columns = (n - 1) * stride + 3;
	__m512 acc[8];

	UNROLL
	for (int j = 0; j < n; j++)
		acc[j] = _mm512_setzero_ps();
	for (int k = 0; k < r->n; k++) {
		const float *x = r->row[k] + (long)first * LANES;
		const __m512 w0 = _mm512_load_ps(r->weights[k]);
		const __m512 w1 = _mm512_load_ps(r->weights[k] + LANES);
		const __m512 w2 = _mm512_load_ps(r->weights[k] + 2 * LANES);

		UNROLL
		for (int c = 0; c < n_columns; c++) {
			const bool edge = c == 0 || c == n_columns - 1;
			const int j = c / stride; /* the result of which this is tap 0 (or 1) */
			const __m512 v = edge ? column(r->row[k], first + c, r->w)
					      : _mm512_load_ps(x + (long)c * LANES);

			if (c % stride == 0 && j < n)
				acc[j] = _mm512_fmadd_ps(v, w0, acc[j]);
			if (stride == 1 && j >= 1 && j <= n)
				acc[j - 1] = _mm512_fmadd_ps(v, w1, acc[j - 1]);
			if (stride == 2 && c % 2 == 1)
				acc[j] = _mm512_fmadd_ps(v, w1, acc[j]);
			if (c % stride == 0 && c >= 2)
				acc[(c - 2) / stride] =
					_mm512_fmadd_ps(v, w2, acc[(c - 2) / stride]);
		}
	}
	UNROLL
	for (int j = 0; j < n; j++)
		_mm512_store_ps(y + (long)(begin + j) * LANES, acc[j]);
}

INLINE void forward_row(const struct rows *r, float *y, int w_out, const int stride)
{
	int j = 0;

	for (; j + 8 <= w_out; j += 8)
		forward_pixels(r, j, y, 8, stride);
	for (; j + 4 <= w_out; j += 4)
		forward_pixels(r, j, y, 4, stride);
	for (; j < w_out; j++)
		forward_pixels(r, j, y, 1, stride);
}

INLINE void rows_add(struct rows *r, const float *plane, int row, int h, const float *weights)
{
	if (row < 0 || row >= h)
		return;
	r->row[r->n] = plane + (long)row * r->w * LANES;
	r->weights[r->n++] = weights;
}

INLINE void forward_plane(const struct ftp_depthwise *p, const float *x, const float *weights,
	float *y, const int stride)
{
	for (int oh = 0; oh < p->h_out; oh++) {
		struct rows r = {.w = p->w};

		for (int k = 0; k < 3; k++)
			rows_add(&r, x, oh * stride + k - 1, p->h, weights + (long)k * 3 * LANES);
		forward_row(&r, y + (long)oh * p->w_out * LANES, p->w_out, stride);
	}
}

AVX512 static void forward(
	const struct ftp_depthwise *p, const float *x, const float *weights, float *y)
{
	if (p->stride == 1)
		forward_plane(p, x, weights, y, 1);
	else
		forward_plane(p, x, weights, y, 2);
}

/* Stride 1: the convolution of dy with the weights turned by half a circle. */
AVX512 static void data_plane(
	const struct ftp_depthwise *p, const float *dy, const float *weights, float *dx)
{
	_Alignas(64) float turned[TAPS * LANES];

	for (int t = 0; t < TAPS; t++)
		_mm512_store_ps(turned + (long)t * LANES,
			_mm512_load_ps(weights + (long)(TAPS - 1 - t) * LANES));
	forward_plane(p, dy, turned, dx, 1);
}

/* Stride 2: an even column of dx has one tap of dy's column below it, an odd one has the taps of
 * its two neighbours. n columns of dy make 2 n of dx. */
INLINE void data_pixels(const struct rows *r, int begin, float *dx, int w, const int n)
{
	__m512 even[4], odd[4];

	UNROLL
	for (int j = 0; j < n; j++)
		even[j] = odd[j] = _mm512_setzero_ps();
	for (int k = 0; k < r->n; k++) {
		const float *d = r->row[k] + (long)begin * LANES;
		__m512 here = _mm512_load_ps(d);
		const __m512 w0 = _mm512_load_ps(r->weights[k]);
		const __m512 w1 = _mm512_load_ps(r->weights[k] + LANES);
		const __m512 w2 = _mm512_load_ps(r->weights[k] + 2 * LANES);

		UNROLL
		for (int j = 0; j < n; j++) {
			const __m512 next = j < n - 1 ? _mm512_load_ps(d + (long)(j + 1) * LANES)
						      : column(r->row[k], begin + n, r->w);

			even[j] = _mm512_fmadd_ps(here, w1, even[j]);
			odd[j] = _mm512_fmadd_ps(here, w2, odd[j]);
			odd[j] = _mm512_fmadd_ps(next, w0, odd[j]);
			here = next;
		}
	}
	UNROLL
	for (int j = 0; j < n; j++) {
		float *to = dx + (long)(begin + j) * 2 * LANES;

		_mm512_store_ps(to, even[j]);
		if (j < n - 1 || 2 * (begin + j) + 1 < w)
			_mm512_store_ps(to + LANES, odd[j]);
	}
}

AVX512 static void data_plane_strided(
	const struct ftp_depthwise *p, const float *dy, const float *weights, float *dx)
{
	for (int ih = 0; ih < p->h; ih++) {
		float *to = dx + (long)ih * p->w * LANES;
		struct rows r = {.w = p->w_out};
		int j = 0;

		if (ih & 1) {
			rows_add(&r, dy, (ih + 1) / 2, p->h_out, weights);
			rows_add(&r, dy, (ih - 1) / 2, p->h_out, weights + 6 * LANES);
		} else {
			rows_add(&r, dy, ih / 2, p->h_out, weights + 3 * LANES);
		}
		for (; j + 4 <= p->w_out; j += 4)
			data_pixels(&r, j, to, p->w, 4);
		for (; j < p->w_out; j++)
			data_pixels(&r, j, to, p->w, 1);
	}
}

AVX512 static void backward_data(
	const struct ftp_depthwise *p, const float *dy, const float *weights, float *dx)
{
	if (p->stride == 1)
		data_plane(p, dy, weights, dx);
	else
		data_plane_strided(p, dy, weights, dx);
}

/* The three taps of one kernel row at one column of dy, where some may lie outside. */
INLINE void weights_edge(
	__m512 acc[3], const float *x, const float *dy, int j, int w, const int stride)
{
	const __m512 d = _mm512_load_ps(dy + (long)j * LANES);

	UNROLL
	for (int t = 0; t < 3; t++)
		acc[t] = _mm512_fmadd_ps(column(x, j * stride - 1 + t, w), d, acc[t]);
}

/* The same along a row, in two chains, so that a multiply-add need not wait for the one before. */
INLINE void weights_row(
	__m512 acc[2][3], const float *x, const float *dy, int w, int w_out, const int stride)
{
	int j = 1;

	weights_edge(acc[0], x, dy, 0, w, stride);
	for (; (j + 1) * stride + 1 < w; j += 2) {
		const float *at = x + (long)(j * stride - 1) * LANES;
		__m512 v[5];

		UNROLL
		for (int c = 0; c < 3 + stride; c++)
			v[c] = _mm512_load_ps(at + (long)c * LANES);
		UNROLL
		for (int i = 0; i < 2; i++) {
			const __m512 d = _mm512_load_ps(dy + (long)(j + i) * LANES);

			UNROLL
			for (int t = 0; t < 3; t++)
				acc[i][t] = _mm512_fmadd_ps(v[i * stride + t], d, acc[i][t]);
		}
	}
	for (; j < w_out; j++)
		weights_edge(acc[1], x, dy, j, w, stride);
}

INLINE void add_wide(double *total, __m512 part)
{
	__m256 low = _mm512_castps512_ps256(part);
	__m256 high = _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(part), 1));

	_mm512_storeu_pd(total, _mm512_add_pd(_mm512_loadu_pd(total), _mm512_cvtps_pd(low)));
	_mm512_storeu_pd(
		total + 8, _mm512_add_pd(_mm512_loadu_pd(total + 8), _mm512_cvtps_pd(high)));
}

INLINE void weights_plane(const struct ftp_depthwise *p, const float *x, const float *dy,
	double sums[TAPS][LANES], const int stride)
{
	for (int k = 0; k < 3; k++) {
		__m512 acc[2][3] = {0};

		for (int oh = 0; oh < p->h_out; oh++) {
			int ih = oh * stride + k - 1;

			if (ih >= 0 && ih < p->h)
				weights_row(acc, x + (long)ih * p->w * LANES,
					dy + (long)oh * p->w_out * LANES, p->w, p->w_out, stride);
		}
		for (int t = 0; t < 3; t++)
			add_wide(sums[k * 3 + t], _mm512_add_ps(acc[0][t], acc[1][t]));
	}
}

AVX512 static void backward_weights(
	const struct ftp_depthwise *p, const float *x, const float *dy, double sums[TAPS][LANES])
{
	if (p->stride == 1)
		weights_plane(p, x, dy, sums, 1);
	else
		weights_plane(p, x, dy, sums, 2);
}

const struct ftp_depthwise_passes ftp_depthwise_avx512 = {
	.forward = forward,
	.backward_data = backward_data,
	.backward_weights = backward_weights,
};
