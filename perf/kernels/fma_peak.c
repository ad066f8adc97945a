#include "perf/kernels/fma_peak.h"

#include <immintrin.h>

#include "runtime/base/clock.h"

#define CHAINS 12 /* above latency times throughput of every core so far (2 x 4) */
#define TURNS  2000000
#define RUNS   5

__attribute__((target("avx512f"))) static double run_once(void)
{
	const __m512 a = _mm512_set1_ps(0.999f), b = _mm512_set1_ps(1e-3f);
	uint64_t begin = ftp_clock_thread_cpu_ns();
	__m512 x[CHAINS], sum = a;

	for (int i = 0; i < CHAINS; i++)
		x[i] = _mm512_set1_ps((float)i);
	for (long t = 0; t < TURNS; t++)
#pragma GCC unroll 12
		for (int i = 0; i < CHAINS; i++)
			x[i] = _mm512_fmadd_ps(x[i], a, b);
	for (int i = 0; i < CHAINS; i++)
		sum = _mm512_add_ps(sum, x[i]);
	/* Computed, and before the clock is read. */
	__asm__ volatile("" : : "v"(sum));
	return 2.0 * 16 * CHAINS * TURNS / (double)(ftp_clock_thread_cpu_ns() - begin);
}

double fma_peak_gflops(void)
{
	double best = 0;

	if (!__builtin_cpu_supports("avx512f"))
		return 0;
	for (int i = 0; i < RUNS; i++) {
		double g = run_once();

		best = g > best ? g : best;
	}
	return best;
}
