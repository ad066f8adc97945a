#include <string.h>

#include "kernels/depthwise.h"

#define LANES FTP_DEPTHWISE_LANES
#define TAPS  FTP_DEPTHWISE_TAPS

/* Calls each for every pair of an output and an input pixel that a tap joins. */
typedef void tap_fn(int out, int in, int tap, const float *a, const float *b, float *sum);

static inline __attribute__((always_inline)) void for_each_tap(
	const struct ftp_depthwise *p, tap_fn *each, const float *a, const float *b, float *sum)
{
	for (int oh = 0; oh < p->h_out; oh++) {
		for (int ow = 0; ow < p->w_out; ow++) {
			for (int tap = 0; tap < TAPS; tap++) {
				int ih = oh * p->stride + tap / 3 - 1;
				int iw = ow * p->stride + tap % 3 - 1;

				if (ih < 0 || ih >= p->h || iw < 0 || iw >= p->w)
					continue;
				each((oh * p->w_out + ow) * LANES, (ih * p->w + iw) * LANES,
					tap * LANES, a, b, sum);
			}
		}
	}
}

static inline void tap_forward(
	int out, int in, int tap, const float *x, const float *weights, float *y)
{
	for (int i = 0; i < LANES; i++)
		y[out + i] += x[in + i] * weights[tap + i];
}

static void forward(const struct ftp_depthwise *p, const float *x, const float *weights, float *y)
{
	memset(y, 0, (size_t)p->h_out * (size_t)p->w_out * LANES * sizeof(*y));
	for_each_tap(p, tap_forward, x, weights, y);
}

static inline void tap_data(
	int out, int in, int tap, const float *dy, const float *weights, float *dx)
{
	for (int i = 0; i < LANES; i++)
		dx[in + i] += dy[out + i] * weights[tap + i];
}

static void backward_data(
	const struct ftp_depthwise *p, const float *dy, const float *weights, float *dx)
{
	memset(dx, 0, (size_t)p->h * (size_t)p->w * LANES * sizeof(*dx));
	for_each_tap(p, tap_data, dy, weights, dx);
}

static inline void tap_weights(
	int out, int in, int tap, const float *x, const float *dy, float *sum)
{
	for (int i = 0; i < LANES; i++)
		sum[tap + i] += x[in + i] * dy[out + i];
}

static void backward_weights(
	const struct ftp_depthwise *p, const float *x, const float *dy, double sums[TAPS][LANES])
{
	float plane[TAPS * LANES] = {0};

	for_each_tap(p, tap_weights, x, dy, plane);
	for (int i = 0; i < TAPS * LANES; i++)
		sums[i / LANES][i % LANES] += (double)plane[i];
}

const struct ftp_depthwise_passes ftp_depthwise_portable = {
	.forward = forward,
	.backward_data = backward_data,
	.backward_weights = backward_weights,
};
