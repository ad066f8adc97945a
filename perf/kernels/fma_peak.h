/* The machine's own f32 limit, measured: independent FMA chains in registers. */
#ifndef FTP_PERF_KERNELS_FMA_PEAK_H
#define FTP_PERF_KERNELS_FMA_PEAK_H

/* GFLOP/s of one thread with AVX512, the best of several short runs; 0 where the CPU has no AVX512.
 */
double fma_peak_gflops(void);

#endif
