#include "kernels/pool.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "kernels/layout.h"
#include "kernels/vector.h"

struct window {
	int h0, h1, w0, w1;
};

static inline struct window window_of(const struct ftp_pool *p, int ho, int wo)
{
	int h = ho * p->stride - p->pad, w = wo * p->stride - p->pad;

	return (struct window){
		.h0 = h > 0 ? h : 0,
		.h1 = h + p->kernel_h < p->h ? h + p->kernel_h : p->h,
		.w0 = w > 0 ? w : 0,
		.w1 = w + p->kernel_w < p->w ? w + p->kernel_w : p->w,
	};
}

static inline size_t lane0(int h, int w, int width)
{
	return ((size_t)h * (size_t)width + (size_t)w) * FTP_BLOCK;
}

FTP_VECTOR_WIDTHS
static void max_forward(const struct ftp_pool *p, const float *src, float *dst)
{
	for (int ho = 0; ho < p->h_out; ho++)
		for (int wo = 0; wo < p->w_out; wo++) {
			struct window v = window_of(p, ho, wo);
			float best[FTP_BLOCK];

			memcpy(best, &src[lane0(v.h0, v.w0, p->w)], sizeof(best));
			for (int h = v.h0; h < v.h1; h++)
				for (int w = v.w0; w < v.w1; w++) {
					const float *x = &src[lane0(h, w, p->w)];

					for (int i = 0; i < FTP_BLOCK; i++)
						best[i] = x[i] > best[i] ? x[i] : best[i];
				}
			memcpy(&dst[lane0(ho, wo, p->w_out)], best, sizeof(best));
		}
}

FTP_VECTOR_WIDTHS
static void max_backward(
	const struct ftp_pool *p, const float *src, const float *dst_grad, float *src_grad)
{
	for (int ho = 0; ho < p->h_out; ho++)
		for (int wo = 0; wo < p->w_out; wo++) {
			struct window v = window_of(p, ho, wo);
			const float *dy = &dst_grad[lane0(ho, wo, p->w_out)];
			float best[FTP_BLOCK];
			int32_t where[FTP_BLOCK];

			memcpy(best, &src[lane0(v.h0, v.w0, p->w)], sizeof(best));
			for (int i = 0; i < FTP_BLOCK; i++)
				where[i] = v.h0 * p->w + v.w0;
			for (int h = v.h0; h < v.h1; h++)
				for (int w = v.w0; w < v.w1; w++) {
					const float *x = &src[lane0(h, w, p->w)];
					int32_t here = h * p->w + w;

					for (int i = 0; i < FTP_BLOCK; i++) {
						where[i] = x[i] > best[i] ? here : where[i];
						best[i] = x[i] > best[i] ? x[i] : best[i];
					}
				}
			for (int h = v.h0; h < v.h1; h++)
				for (int w = v.w0; w < v.w1; w++) {
					float *dx = &src_grad[lane0(h, w, p->w)];
					int32_t here = h * p->w + w;

					for (int i = 0; i < FTP_BLOCK; i++)
						dx[i] += where[i] == here ? dy[i] : 0;
				}
		}
}

FTP_VECTOR_WIDTHS
static void avg_forward(const struct ftp_pool *p, const float *src, float *dst)
{
	for (int ho = 0; ho < p->h_out; ho++)
		for (int wo = 0; wo < p->w_out; wo++) {
			struct window v = window_of(p, ho, wo);
			float *y = &dst[lane0(ho, wo, p->w_out)];
			float count = (float)((v.h1 - v.h0) * (v.w1 - v.w0));
			float sum[FTP_BLOCK] = {0};

			for (int h = v.h0; h < v.h1; h++)
				for (int w = v.w0; w < v.w1; w++) {
					const float *x = &src[lane0(h, w, p->w)];

					for (int i = 0; i < FTP_BLOCK; i++)
						sum[i] += x[i];
				}
			for (int i = 0; i < FTP_BLOCK; i++)
				y[i] = sum[i] / count;
		}
}

FTP_VECTOR_WIDTHS
static void avg_backward(const struct ftp_pool *p, const float *dst_grad, float *src_grad)
{
	for (int ho = 0; ho < p->h_out; ho++)
		for (int wo = 0; wo < p->w_out; wo++) {
			struct window v = window_of(p, ho, wo);
			const float *dy = &dst_grad[lane0(ho, wo, p->w_out)];
			float count = (float)((v.h1 - v.h0) * (v.w1 - v.w0));
			float share[FTP_BLOCK];

			for (int i = 0; i < FTP_BLOCK; i++)
				share[i] = dy[i] / count;
			for (int h = v.h0; h < v.h1; h++)
				for (int w = v.w0; w < v.w1; w++) {
					float *dx = &src_grad[lane0(h, w, p->w)];

					for (int i = 0; i < FTP_BLOCK; i++)
						dx[i] += share[i];
				}
		}
}

void ftp_pool_forward(const struct ftp_pool *p, const float *src, float *dst)
{
	size_t src_floats = lane0(p->h, 0, p->w), dst_floats = lane0(p->h_out, 0, p->w_out);

	for (int b = 0; b < p->n_blocks; b++)
		(p->max ? max_forward : avg_forward)(
			p, src + (size_t)b * src_floats, dst + (size_t)b * dst_floats);
}

void ftp_pool_backward(
	const struct ftp_pool *p, const float *src, const float *dst_grad, float *src_grad)
{
	size_t src_floats = lane0(p->h, 0, p->w), dst_floats = lane0(p->h_out, 0, p->w_out);

	for (int b = 0; b < p->n_blocks; b++) {
		float *dx = src_grad + (size_t)b * src_floats;
		const float *dy = dst_grad + (size_t)b * dst_floats;

		memset(dx, 0, src_floats * sizeof(*dx));
		if (p->max)
			max_backward(p, src + (size_t)b * src_floats, dy, dx);
		else
			avg_backward(p, dy, dx);
	}
}
