/* Depthwise 3x3 convolution, padding 1, stride 1 or 2, on one plane: 16 channels of one sample.
 *
 * A plane is [h][w][16] f32, the weights of its channels are [3][3][16]; both 64-byte aligned.
 * Planes are small enough for the L2 cache, so whoever calls can put the passes before and after a
 * convolution (kernels/dwblock.h) between two planes and spare their trips to memory.
 *
 * Two implementations, AVX512 and portable C; they differ by the rounding of fused multiply-adds.
 * Sums run in an order that the shape alone fixes. No allocation; any thread.
 */
#ifndef FTP_KERNELS_DEPTHWISE_H
#define FTP_KERNELS_DEPTHWISE_H

#define FTP_DEPTHWISE_LANES 16
#define FTP_DEPTHWISE_TAPS  9 /* row-major */

struct ftp_depthwise {
	int h, w, h_out, w_out; /* h_out = (h - 1) / stride + 1, and so w_out */
	int stride;
};

struct ftp_depthwise ftp_depthwise_shape(int h, int w, int stride);

struct ftp_depthwise_passes {
	void (*forward)(
		const struct ftp_depthwise *p, const float *x, const float *weights, float *y);
	/* The gradient of x; dx must not overlap dy. */
	void (*backward_data)(
		const struct ftp_depthwise *p, const float *dy, const float *weights, float *dx);
	/* Adds this plane's share to sums: f32 within the plane, f64 over planes. */
	void (*backward_weights)(const struct ftp_depthwise *p, const float *x, const float *dy,
		double sums[FTP_DEPTHWISE_TAPS][FTP_DEPTHWISE_LANES]);
};

extern const struct ftp_depthwise_passes ftp_depthwise_portable, ftp_depthwise_avx512;

/* What this CPU, under the instruction set cap, runs. */
const struct ftp_depthwise_passes *ftp_depthwise_current(void);

#endif
