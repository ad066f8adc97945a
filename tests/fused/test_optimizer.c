#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <math.h>

#include <cmocka.h>

#include "kernels/optimizer.h"
#include "runtime/base/prng.h"

#define N 37

static const struct ftp_optimizer_spec specs[] = {
	{.kind = FTP_OPTIMIZER_SGD},
	{.kind = FTP_OPTIMIZER_SGD, .momentum = 0.9f},
	{.kind = FTP_OPTIMIZER_SGD, .momentum = 0.9f, .weight_decay = 5e-4f},
	{.kind = FTP_OPTIMIZER_SGD, .momentum = 0.8f, .weight_decay = 1e-2f, .nesterov = true},
};

/* torch.optim.SGD's rule, in f64. */
static void sgd(const struct ftp_optimizer_spec *o, double lr, double *w, double *m, double g)
{
	g += o->weight_decay * *w;
	*m = o->momentum * *m + g;
	*w -= lr * (o->nesterov ? g + o->momentum * *m : *m);
}

static void update__agrees_with_f64(void **state)
{
	uint64_t key = ftp_prng_key(1, FTP_PRNG_TEST, 0);

	(void)state;
	for (size_t s = 0; s < sizeof(specs) / sizeof(specs[0]); s++) {
		_Alignas(64) float w[N], m[N] = {0}, g[N];
		double w64[N], m64[N] = {0};

		for (uint64_t i = 0; i < N; i++)
			w64[i] = w[i] = (float)ftp_prng_normal(key, i);
		for (uint64_t step = 1; step <= 20; step++) {
			for (uint64_t i = 0; i < N; i++) {
				g[i] = (float)ftp_prng_normal(key, step * 100 + i);
				sgd(&specs[s], 0.05f, &w64[i], &m64[i], g[i]);
			}
			ftp_optimizer_update(&specs[s], 0.05f, w, w, m, g, N);
		}
		for (int i = 0; i < N; i++) {
			assert_true(fabs(w[i] - w64[i]) < 1e-5);
			assert_true(fabs(m[i] - m64[i]) < 1e-5);
			assert_true(g[i] == 0);
		}
	}
}

static void update__apart_gives_the_bits_of_in_place(void **state)
{
	uint64_t key = ftp_prng_key(2, FTP_PRNG_TEST, 0);

	(void)state;
	for (size_t s = 0; s < sizeof(specs) / sizeof(specs[0]); s++) {
		_Alignas(64) float w[N], before[N], next[N + 1], m[2][48], g[2][48];

		for (uint64_t i = 0; i < N; i++) {
			w[i] = before[i] = (float)ftp_prng_normal(key, i);
			m[0][i] = m[1][i] = (float)ftp_prng_normal(key, N + i);
			g[0][i] = g[1][i] = (float)ftp_prng_normal(key, 2 * N + i);
		}
		next[N] = 1;
		ftp_optimizer_update(&specs[s], 0.05f, w, next, m[0], g[0], N);
		assert_memory_equal(w, before, sizeof(w));
		assert_true(next[N] == 1);
		ftp_optimizer_update(&specs[s], 0.05f, w, w, m[1], g[1], N);
		assert_memory_equal(w, next, sizeof(w));
		assert_memory_equal(m[0], m[1], N * sizeof(float));
		assert_memory_equal(g[0], g[1], N * sizeof(float));
	}
}

static void update__zero_stays_zero(void **state)
{
	(void)state;
	for (size_t s = 0; s < sizeof(specs) / sizeof(specs[0]); s++) {
		_Alignas(64) float w[N] = {0}, m[N] = {0}, g[N] = {0};

		ftp_optimizer_update(&specs[s], 0.1f, w, w, m, g, N);
		for (int i = 0; i < N; i++)
			assert_true(w[i] == 0 && m[i] == 0 && g[i] == 0);
	}
}

static void update__touches_only_n(void **state)
{
	(void)state;
	for (size_t n = 0; n < 20; n++) {
		_Alignas(64) float w[32], m[32], g[32];

		for (int i = 0; i < 32; i++)
			w[i] = m[i] = g[i] = 1;
		ftp_optimizer_update(&specs[1], 0.1f, w, w, m, g, n);
		for (size_t i = 0; i < 32; i++)
			assert_true((w[i] == 1) == (i >= n) && (g[i] == 1) == (i >= n));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(update__agrees_with_f64),
		cmocka_unit_test(update__apart_gives_the_bits_of_in_place),
		cmocka_unit_test(update__zero_stays_zero),
		cmocka_unit_test(update__touches_only_n),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
