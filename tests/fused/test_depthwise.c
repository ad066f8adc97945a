#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <math.h>

#include <cmocka.h>

#include "kernels/depthwise.h"
#include "runtime/base/error.h"
#include "runtime/base/prng.h"

#define LANES FTP_DEPTHWISE_LANES
#define TAPS  FTP_DEPTHWISE_TAPS

static const struct {
	int h, w, stride;
} shapes[] = {
	{1, 1, 1},
	{1, 1, 2},
	{2, 2, 1},
	{2, 2, 2},
	{3, 3, 2},
	{4, 4, 1},
	{4, 4, 2},
	{5, 9, 1},
	{5, 9, 2},
	{1, 7, 2},
	{7, 1, 1},
	{8, 8, 2},
	{13, 15, 1},
	{16, 33, 2},
	{32, 32, 1},
};

static const struct ftp_depthwise_passes *const implementations[2] = {
	&ftp_depthwise_portable, NULL /* the current one */};

static const struct ftp_depthwise_passes *implementation(int i)
{
	return implementations[i] ? implementations[i] : ftp_depthwise_current();
}

/* Exactly as large as the plane, so that a sanitizer sees every step beyond it. */
static float *plane(int h, int w, uint64_t sub)
{
	size_t n = (size_t)h * (size_t)w * LANES;
	float *p = aligned_alloc(64, n * sizeof(*p));
	uint64_t key = ftp_prng_key(1, FTP_PRNG_TEST, sub);

	ftp_assert(p);
	for (size_t i = 0; i < n; i++)
		p[i] = (float)ftp_prng_normal(key, i);
	return p;
}

static size_t at(int row, int col, int w, int lane)
{
	return ((size_t)row * (size_t)w + (size_t)col) * LANES + (size_t)lane;
}

/* sum over outputs and taps of x * weight * dy: linear in each, so its parts are the gradients. */
static double term(const struct ftp_depthwise *p, int oh, int ow, int tap, int lane, const float *x,
	const float *weights, const float *dy)
{
	int ih = oh * p->stride + tap / 3 - 1, iw = ow * p->stride + tap % 3 - 1;
	double v = 1;

	if (ih < 0 || ih >= p->h || iw < 0 || iw >= p->w)
		return 0;
	if (x)
		v *= x[at(ih, iw, p->w, lane)];
	if (weights)
		v *= weights[at(0, tap, 0, lane)];
	if (dy)
		v *= dy[at(oh, ow, p->w_out, lane)];
	return v;
}

static void check_close(double got, double want)
{
	if (!(fabs(got - want) <= 2e-5 * (1 + fabs(want))))
		fail_msg("%.9g instead of %.9g", got, want);
}

static void for_each_case(
	void (*check)(const struct ftp_depthwise *p, const struct ftp_depthwise_passes *passes))
{
	for (size_t s = 0; s < sizeof(shapes) / sizeof(shapes[0]); s++) {
		struct ftp_depthwise p =
			ftp_depthwise_shape(shapes[s].h, shapes[s].w, shapes[s].stride);

		for (int i = 0; i < 2; i++)
			check(&p, implementation(i));
	}
}

static void check_forward(const struct ftp_depthwise *p, const struct ftp_depthwise_passes *passes)
{
	float *x = plane(p->h, p->w, 1), *w = plane(3, 3, 2), *y = plane(p->h_out, p->w_out, 3);

	passes->forward(p, x, w, y);
	for (int oh = 0; oh < p->h_out; oh++) {
		for (int ow = 0; ow < p->w_out; ow++) {
			for (int lane = 0; lane < LANES; lane++) {
				double want = 0;

				for (int t = 0; t < TAPS; t++)
					want += term(p, oh, ow, t, lane, x, w, NULL);
				check_close(y[at(oh, ow, p->w_out, lane)], want);
			}
		}
	}
	free(x);
	free(w);
	free(y);
}

static void forward__agrees_with_f64(void **state)
{
	(void)state;
	for_each_case(check_forward);
}

static void check_backward_data(
	const struct ftp_depthwise *p, const struct ftp_depthwise_passes *passes)
{
	float *dx = plane(p->h, p->w, 1), *w = plane(3, 3, 2), *dy = plane(p->h_out, p->w_out, 3);
	size_t n = (size_t)p->h * (size_t)p->w * LANES;
	double *want = calloc(n, sizeof(*want));

	ftp_assert(want);
	for (int oh = 0; oh < p->h_out; oh++) {
		for (int ow = 0; ow < p->w_out; ow++) {
			for (int i = 0; i < TAPS * LANES; i++) {
				int ih = oh * p->stride + i / LANES / 3 - 1;
				int iw = ow * p->stride + i / LANES % 3 - 1;

				if (ih >= 0 && ih < p->h && iw >= 0 && iw < p->w)
					want[at(ih, iw, p->w, i % LANES)] +=
						term(p, oh, ow, i / LANES, i % LANES, NULL, w, dy);
			}
		}
	}
	passes->backward_data(p, dy, w, dx);
	for (size_t i = 0; i < n; i++)
		check_close(dx[i], want[i]);
	free(want);
	free(dx);
	free(w);
	free(dy);
}

static void backward_data__agrees_with_f64(void **state)
{
	(void)state;
	for_each_case(check_backward_data);
}

static void check_backward_weights(
	const struct ftp_depthwise *p, const struct ftp_depthwise_passes *passes)
{
	float *x = plane(p->h, p->w, 1), *dy = plane(p->h_out, p->w_out, 3);
	double sums[TAPS][LANES], again[TAPS][LANES];

	for (int i = 0; i < TAPS * LANES; i++)
		sums[i / LANES][i % LANES] = again[i / LANES][i % LANES] = 10;
	passes->backward_weights(p, x, dy, sums);
	passes->backward_weights(p, x, dy, again);
	assert_memory_equal(sums, again, sizeof(sums));
	for (int t = 0; t < TAPS; t++) {
		for (int lane = 0; lane < LANES; lane++) {
			double want = 10;

			for (int oh = 0; oh < p->h_out; oh++)
				for (int ow = 0; ow < p->w_out; ow++)
					want += term(p, oh, ow, t, lane, x, NULL, dy);
			check_close(sums[t][lane], want);
		}
	}
	free(x);
	free(dy);
}

static void backward_weights__agrees_with_f64_and_adds(void **state)
{
	(void)state;
	for_each_case(check_backward_weights);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forward__agrees_with_f64),
		cmocka_unit_test(backward_data__agrees_with_f64),
		cmocka_unit_test(backward_weights__agrees_with_f64_and_adds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
