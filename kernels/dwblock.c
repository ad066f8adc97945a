#include "kernels/dwblock.h"

#include <math.h>

#include "kernels/bnact_channels.h"
#include "kernels/depthwise.h"
#include "runtime/base/error.h"

#define LANES FTP_BNACT_LANES
#define TAPS  FTP_DEPTHWISE_TAPS

/* One batch norm at work on one block of 16 channels. */
struct norm {
	struct ftp_bnact config;
	struct ftp_dwblock_bn bn; /* vectors of this block */
	struct ftp_bnact_affine affine;
	struct ftp_bnact_block all, one; /* all samples, one sample */
	int lanes;
};

struct work {
	const struct ftp_bnact_passes *pass;
	const struct ftp_depthwise_passes *dw;
	struct ftp_depthwise shape;
	int n_blocks;
	size_t plane, plane_out; /* floats of a source and of a result plane */
};

static struct work work_of(const struct ftp_dwblock *p)
{
	struct work w = {
		.pass = ftp_bnact_channels_passes(),
		.dw = ftp_depthwise_current(),
		.shape = ftp_depthwise_shape(p->h, p->w, p->stride),
		.n_blocks = (p->c + LANES - 1) / LANES,
	};

	w.plane = (size_t)p->h * (size_t)p->w * LANES;
	w.plane_out = (size_t)w.shape.h_out * (size_t)w.shape.w_out * LANES;
	return w;
}

size_t ftp_dwblock_scratch_floats(const struct ftp_dwblock *p)
{
	struct work w = work_of(p);

	return w.plane + w.plane_out;
}

static float *shifted(float *vector, int channel)
{
	return vector ? vector + channel : NULL;
}

static struct norm norm_of(const struct ftp_dwblock *p, const struct work *w,
	const struct ftp_dwblock_bn *bn, int block, bool is_after)
{
	const int hw = is_after ? w->shape.h_out * w->shape.w_out : p->h * p->w;
	const int ch = block * LANES;
	struct norm m = {
		.config = {.n = p->n,
			.c = p->c,
			.hw = hw,
			.act = is_after ? p->act_after : p->act_before,
			.eps = p->eps,
			.momentum = p->momentum},
		.bn = {.gamma = bn->gamma + ch,
			.beta = bn->beta + ch,
			.mean = shifted(bn->mean, ch),
			.inv_std = shifted(bn->inv_std, ch),
			.running_mean = shifted(bn->running_mean, ch),
			.running_var = shifted(bn->running_var, ch),
			.d_gamma = shifted(bn->d_gamma, ch),
			.d_beta = shifted(bn->d_beta, ch)},
		.all = {.n = p->n,
			.hw = hw,
			.sample_floats = (size_t)w->n_blocks * (size_t)hw * LANES},
	};

	m.one = m.all;
	m.one.n = 1;
	m.lanes = ftp_bnact_channels_lanes(&m.config, block);
	return m;
}

static void norm_affine(struct norm *m)
{
	ftp_bnact_channels_affine(&m->affine, &m->config, m->lanes, m->bn.mean, m->bn.inv_std,
		m->bn.gamma, m->bn.beta);
}

static void norm_affine_eval(struct norm *m)
{
	float inv_std[LANES] = {0};

	for (int i = 0; i < m->lanes; i++)
		inv_std[i] =
			(float)(1 / sqrt((double)m->bn.running_var[i] + (double)m->config.eps));
	ftp_bnact_channels_affine(&m->affine, &m->config, m->lanes, m->bn.running_mean, inv_std,
		m->bn.gamma, m->bn.beta);
}

static void norm_finish(struct norm *m, const float *shift, const struct ftp_bnact_sums *sums)
{
	ftp_bnact_channels_statistics(&m->config, m->lanes, shift, sums, m->bn.mean, m->bn.inv_std,
		m->bn.running_mean, m->bn.running_var);
	norm_affine(m);
}

static struct ftp_bnact_grad grad_of(const struct norm *m, const float *z, const float *dy)
{
	return (struct ftp_bnact_grad){
		.z = z,
		.dy = dy,
		.mask = m->config.act == FTP_ACT_NONE ? FTP_BNACT_MASK_NONE : FTP_BNACT_MASK_Z,
		.affine = m->affine,
	};
}

static void norm_measure(const struct work *w, struct norm *m, const float *z)
{
	_Alignas(64) float shift[LANES];
	struct ftp_bnact_sums sums = {0};

	ftp_bnact_channels_shift(&m->all, z, shift);
	w->pass->statistics(&m->all, z, shift, &sums);
	norm_finish(m, shift, &sums);
}

void ftp_dwblock_forward(const struct ftp_dwblock *p, const struct ftp_dwblock_bn *before,
	const struct ftp_dwblock_bn *after, const float *z, const float *weights, float *u,
	float *y, float *scratch)
{
	const struct work w = work_of(p);

	for (int b = 0; b < w.n_blocks; b++) {
		const float *zb = z + (size_t)b * w.plane,
			    *taps = weights + (size_t)b * TAPS * LANES;
		float *ub = u + (size_t)b * w.plane_out;
		struct norm post = norm_of(p, &w, after, b, true), pre;
		struct ftp_bnact_sums sums = {0};
		_Alignas(64) float shift[LANES];

		if (p->has_before) {
			pre = norm_of(p, &w, before, b, false);
			norm_measure(&w, &pre, zb);
		}
		for (int s = 0; s < p->n; s++) {
			const float *x = zb + (size_t)s * (size_t)w.n_blocks * w.plane;
			float *us = ub + (size_t)s * post.all.sample_floats;

			if (p->has_before) {
				w.pass->apply(&pre.one, &pre.affine, x, NULL, scratch);
				x = scratch;
			}
			w.dw->forward(&w.shape, x, taps, us);
			if (s == 0)
				ftp_bnact_channels_shift(&post.all, us, shift);
			w.pass->statistics(&post.one, us, shift, &sums);
		}
		norm_finish(&post, shift, &sums);
		w.pass->apply(&post.all, &post.affine, ub, NULL, y + (size_t)b * w.plane_out);
	}
}

void ftp_dwblock_eval(const struct ftp_dwblock *p, const struct ftp_dwblock_bn *before,
	const struct ftp_dwblock_bn *after, const float *z, const float *weights, float *y,
	float *scratch)
{
	const struct work w = work_of(p);

	for (int b = 0; b < w.n_blocks; b++) {
		const float *taps = weights + (size_t)b * TAPS * LANES;
		struct norm post = norm_of(p, &w, after, b, true), pre;

		norm_affine_eval(&post);
		if (p->has_before) {
			pre = norm_of(p, &w, before, b, false);
			norm_affine_eval(&pre);
		}
		for (int s = 0; s < p->n; s++) {
			const size_t at = (size_t)s * (size_t)w.n_blocks + (size_t)b;
			const float *x = z + at * w.plane;
			float *ys = y + at * w.plane_out;

			if (p->has_before) {
				w.pass->apply(&pre.one, &pre.affine, x, NULL, scratch);
				x = scratch;
			}
			w.dw->forward(&w.shape, x, taps, ys);
			w.pass->apply(&post.one, &post.affine, ys, NULL, ys);
		}
	}
}

/* Both gradients of one sample's convolution; du and x are planes. */
static void backward_plane(const struct work *w, const float *x, const float *du, const float *taps,
	double sums[TAPS][LANES], float *dx)
{
	w->dw->backward_weights(&w->shape, x, du, sums);
	if (dx)
		w->dw->backward_data(&w->shape, du, taps, dx);
}

static void add_weights(float *d_weights, double sums[TAPS][LANES])
{
	for (int i = 0; i < TAPS * LANES; i++)
		d_weights[i] += (float)sums[i / LANES][i % LANES];
}

static void norm_backward(const struct work *w, struct norm *m, const float *z, const float *dy,
	struct ftp_bnact_grad_coefs *coefs)
{
	const struct ftp_bnact_grad g = grad_of(m, z, dy);
	struct ftp_bnact_sums sums = {0};

	w->pass->grad_sums(&m->all, &g, &sums);
	ftp_bnact_channels_gradients(
		&m->config, m->lanes, m->bn.inv_std, &sums, coefs, m->bn.d_gamma, m->bn.d_beta);
}

void ftp_dwblock_backward(const struct ftp_dwblock *p, const struct ftp_dwblock_bn *before,
	const struct ftp_dwblock_bn *after, const float *z, const float *u, const float *dy,
	const float *weights, float *dz, float *d_weights, float *scratch)
{
	const struct work w = work_of(p);
	float *x_plane = scratch, *du_plane = scratch + w.plane;

	ftp_assert(dz || !p->has_before);
	for (int b = 0; b < w.n_blocks; b++) {
		const size_t in = (size_t)b * w.plane, out = (size_t)b * w.plane_out;
		const size_t tap = (size_t)b * TAPS * LANES;
		struct norm post = norm_of(p, &w, after, b, true), pre;
		double tap_sums[TAPS][LANES] = {0};
		struct ftp_bnact_grad_coefs coefs;
		struct ftp_bnact_sums sums = {0};

		norm_affine(&post);
		norm_backward(&w, &post, u + out, dy + out, &coefs);
		if (p->has_before) {
			pre = norm_of(p, &w, before, b, false);
			norm_affine(&pre);
		}
		for (int s = 0; s < p->n; s++) {
			const size_t at = (size_t)s * (size_t)w.n_blocks;
			const float *zs = z + in + at * w.plane, *x = zs;
			float *dx = dz ? dz + in + at * w.plane : NULL;
			struct ftp_bnact_grad g = grad_of(
				&post, u + out + at * w.plane_out, dy + out + at * w.plane_out);

			w.pass->grad_apply(&post.one, &g, &coefs, du_plane, NULL);
			if (p->has_before) {
				w.pass->apply(&pre.one, &pre.affine, zs, NULL, x_plane);
				x = x_plane;
			}
			backward_plane(&w, x, du_plane, weights + tap, tap_sums, dx);
			if (p->has_before) {
				g = grad_of(&pre, zs, dx);
				w.pass->grad_sums(&pre.one, &g, &sums);
			}
		}
		add_weights(d_weights + tap, tap_sums);
		if (p->has_before) {
			const struct ftp_bnact_grad g = grad_of(&pre, z + in, dz + in);

			ftp_bnact_channels_gradients(&pre.config, pre.lanes, pre.bn.inv_std, &sums,
				&coefs, pre.bn.d_gamma, pre.bn.d_beta);
			w.pass->grad_apply(&pre.all, &g, &coefs, dz + in, NULL);
		}
	}
}
