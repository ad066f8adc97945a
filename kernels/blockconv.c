#include "kernels/blockconv.h"

#include <string.h>

#include "kernels/layout.h"
#include "kernels/vector.h"

#define TILE 4 /* vectors of 16 sums that stay in registers */

/* Spelt out, because the compilers' own vectorisation of the sums is ten times slower. */
typedef float lanes __attribute__((vector_size(FTP_BLOCK * sizeof(float))));

#define INLINE static inline __attribute__((always_inline))

/* One value of a tensor with h x w pixels. */
INLINE size_t blocked(int n, int blocks, int c, int pixels, int pixel)
{
	return (((size_t)n * (size_t)blocks + (size_t)(c / FTP_BLOCK)) * (size_t)pixels +
		       (size_t)pixel) *
		       FTP_BLOCK +
	       (size_t)(c % FTP_BLOCK);
}

INLINE int n_blocks(int c)
{
	return ftp_layout_pad(c) / FTP_BLOCK;
}

INLINE size_t src_at(const struct ftp_blockconv *p, int n, int c, int pixel)
{
	if (p->dense_src)
		return ((size_t)n * (size_t)p->c_in + (size_t)c) * (size_t)(p->h * p->w) +
		       (size_t)pixel;
	return blocked(n, n_blocks(p->c_in), c, p->h * p->w, pixel);
}

INLINE size_t dst_at(const struct ftp_blockconv *p, int n, int c, int pixel)
{
	return blocked(n, n_blocks(p->c_out), c, p->h_out * p->w_out, pixel);
}

INLINE size_t tap_at(const struct ftp_blockconv *p, int block, int channels, int c, int kh, int kw)
{
	return (((size_t)(block * channels + c) * (size_t)p->kernel + (size_t)kh) *
			       (size_t)p->kernel +
		       (size_t)kw) *
	       FTP_BLOCK;
}

INLINE void add_products(lanes sum[TILE], const float *x, const float *vector)
{
	lanes v;

	memcpy(&v, vector, sizeof(v));
	for (int t = 0; t < TILE; t++)
		sum[t] += x[t] * v;
}

/* Sixteen outputs at TILE pixels of row ho from wo on. */
INLINE void forward_tile(const struct ftp_blockconv *p, const float *src, const float *w, int n,
	int block, int ho, int wo, lanes sum[TILE])
{
	for (int c = 0; c < p->c_in; c++)
		for (int kh = 0; kh < p->kernel; kh++) {
			int h = ho * p->stride - p->pad + kh;

			if (h < 0 || h >= p->h)
				continue;
			for (int kw = 0; kw < p->kernel; kw++) {
				float x[TILE];

				for (int t = 0; t < TILE; t++) {
					int at = (wo + t) * p->stride - p->pad + kw;

					x[t] = at >= 0 && at < p->w
						       ? src[src_at(p, n, c, h * p->w + at)]
						       : 0;
				}
				add_products(sum, x, &w[tap_at(p, block, p->c_in, c, kh, kw)]);
			}
		}
}

FTP_VECTOR_WIDTHS
void ftp_blockconv_forward(const struct ftp_blockconv *p, const float *src, const float *by_outputs,
	const float *bias, float *dst)
{
	for (int n = 0; n < p->n; n++)
		for (int b = 0; b < n_blocks(p->c_out); b++)
			for (int ho = 0; ho < p->h_out; ho++)
				for (int wo = 0; wo < p->w_out; wo += TILE) {
					lanes sum[TILE] = {0};
					int m = p->w_out - wo < TILE ? p->w_out - wo : TILE;
					float *y = &dst[dst_at(
						p, n, b * FTP_BLOCK, ho * p->w_out + wo)];

					for (int t = 0; t < TILE && bias; t++)
						memcpy(&sum[t], &bias[b * FTP_BLOCK],
							sizeof(sum[t]));
					forward_tile(p, src, by_outputs, n, b, ho, wo, sum);
					for (int i = 0; i < m * FTP_BLOCK; i++) {
						float v = sum[i / FTP_BLOCK][i % FTP_BLOCK];

						y[i] = p->relu && v < 0 ? 0 : v;
					}
				}
}

/* Where along one axis the output lies that input i fed through tap k; -1 if nowhere. */
INLINE int fed(const struct ftp_blockconv *p, int i, int k, int size_out)
{
	int at = i + p->pad - k;

	if (at < 0 || at % p->stride || at / p->stride >= size_out)
		return -1;
	return at / p->stride;
}

INLINE void backward_tile(const struct ftp_blockconv *p, const float *dst_grad, const float *w,
	int n, int block, int h, int wi, lanes sum[TILE])
{
	for (int c = 0; c < p->c_out; c++)
		for (int kh = 0; kh < p->kernel; kh++) {
			int ho = fed(p, h, kh, p->h_out);

			if (ho < 0)
				continue;
			for (int kw = 0; kw < p->kernel; kw++) {
				float dy[TILE];

				for (int t = 0; t < TILE; t++) {
					int wo = fed(p, wi + t, kw, p->w_out);

					dy[t] = wo < 0 ? 0
						       : dst_grad[dst_at(
								 p, n, c, ho * p->w_out + wo)];
				}
				add_products(sum, dy, &w[tap_at(p, block, p->c_out, c, kh, kw)]);
			}
		}
}

FTP_VECTOR_WIDTHS
void ftp_blockconv_backward_data(const struct ftp_blockconv *p, const float *dst_grad,
	const float *by_inputs, float *src_grad)
{
	for (int n = 0; n < p->n; n++)
		for (int b = 0; b < n_blocks(p->c_in); b++)
			for (int h = 0; h < p->h; h++)
				for (int w = 0; w < p->w; w += TILE) {
					lanes sum[TILE] = {0};
					int m = p->w - w < TILE ? p->w - w : TILE;

					backward_tile(p, dst_grad, by_inputs, n, b, h, w, sum);
					memcpy(&src_grad[src_at(p, n, b * FTP_BLOCK, h * p->w + w)],
						sum, (size_t)m * sizeof(sum[0]));
				}
}

/* One sample's share of one tap: TILE inputs from c on with the sixteen outputs of dy's plane. */
INLINE void weights_tile(const struct ftp_blockconv *p, const float *src, const float *dy, int n,
	int c, int kh, int kw, lanes sum[TILE])
{
	for (int ho = 0; ho < p->h_out; ho++) {
		int h = ho * p->stride - p->pad + kh;

		if (h < 0 || h >= p->h)
			continue;
		for (int wo = 0; wo < p->w_out; wo++) {
			int w = wo * p->stride - p->pad + kw;
			float x[TILE];

			if (w < 0 || w >= p->w)
				continue;
			for (int t = 0; t < TILE; t++)
				x[t] = c + t < p->c_in ? src[src_at(p, n, c + t, h * p->w + w)] : 0;
			add_products(sum, x, &dy[(size_t)(ho * p->w_out + wo) * FTP_BLOCK]);
		}
	}
}

FTP_VECTOR_WIDTHS
void ftp_blockconv_backward_weights(const struct ftp_blockconv *p, const float *src,
	const float *dst_grad, float *weights_grad, float *bias_grad)
{
	int taps = p->kernel * p->kernel, pixels = p->h_out * p->w_out;

	for (int b = 0; b < n_blocks(p->c_out); b++)
		for (int n = 0; n < p->n; n++) {
			const float *dy = &dst_grad[dst_at(p, n, b * FTP_BLOCK, 0)];

			for (int i = 0; i < (p->c_in + TILE - 1) / TILE * taps; i++) {
				int c = i / taps * TILE, kh = i % taps / p->kernel,
				    kw = i % p->kernel;
				lanes sum[TILE] = {0};

				weights_tile(p, src, dy, n, c, kh, kw, sum);
				for (int t = 0; t < TILE && c + t < p->c_in; t++) {
					float *dw =
						&weights_grad[tap_at(p, b, p->c_in, c + t, kh, kw)];

					for (int l = 0; l < FTP_BLOCK; l++)
						dw[l] += sum[t][l];
				}
			}
			if (bias_grad) {
				float sum[FTP_BLOCK] = {0};

				for (int i = 0; i < pixels * FTP_BLOCK; i++)
					sum[i % FTP_BLOCK] += dy[i];
				for (int l = 0; l < FTP_BLOCK; l++)
					bias_grad[b * FTP_BLOCK + l] += sum[l];
			}
		}
}

size_t ftp_blockconv_weight_floats(const struct ftp_blockconv *p, bool by_inputs)
{
	int rows = ftp_layout_pad(by_inputs ? p->c_in : p->c_out);
	int columns = by_inputs ? p->c_out : p->c_in;

	return (size_t)rows * (size_t)columns * (size_t)(p->kernel * p->kernel);
}

#define FOR_EACH_WEIGHT(p, o, i, kh, kw)                                                           \
	for (int o = 0; o < (p)->c_out; o++)                                                       \
		for (int i = 0; i < (p)->c_in; i++)                                                \
			for (int kh = 0; kh < (p)->kernel; kh++)                                   \
				for (int kw = 0; kw < (p)->kernel; kw++)

INLINE size_t by_outputs_at(const struct ftp_blockconv *p, int o, int i, int kh, int kw)
{
	return tap_at(p, o / FTP_BLOCK, p->c_in, i, kh, kw) + (size_t)(o % FTP_BLOCK);
}

void ftp_blockconv_pack(const struct ftp_blockconv *p, const float *oihw, float *by_outputs)
{
	memset(by_outputs, 0, ftp_blockconv_weight_floats(p, false) * sizeof(*by_outputs));
	FOR_EACH_WEIGHT(p, o, i, kh, kw)
	by_outputs[by_outputs_at(p, o, i, kh, kw)] = *oihw++;
}

void ftp_blockconv_unpack(const struct ftp_blockconv *p, const float *by_outputs, float *oihw)
{
	FOR_EACH_WEIGHT(p, o, i, kh, kw)
	*oihw++ = by_outputs[by_outputs_at(p, o, i, kh, kw)];
}

void ftp_blockconv_transpose(
	const struct ftp_blockconv *p, const float *by_outputs, float *by_inputs)
{
	FOR_EACH_WEIGHT(p, o, i, kh, kw)
	by_inputs[tap_at(p, i / FTP_BLOCK, p->c_out, o, kh, kw) + (size_t)(i % FTP_BLOCK)] =
		by_outputs[by_outputs_at(p, o, i, kh, kw)];
}
