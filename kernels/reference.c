#include "kernels/reference.h"

#include <math.h>

typedef FTP_REAL real;

static real *at(const struct ftp_view *v, int n, int c, int h, int w)
{
	size_t blocks = (size_t)((v->shape.c + v->block - 1) / v->block);
	size_t block = (size_t)n * blocks + (size_t)(c / v->block);
	size_t pixel = (block * (size_t)v->shape.h + (size_t)h) * (size_t)v->shape.w + (size_t)w;

	return &v->data[pixel * (size_t)v->block + (size_t)(c % v->block)];
}

static bool inside(const struct ftp_view *v, int h, int w)
{
	return h >= 0 && h < v->shape.h && w >= 0 && w < v->shape.w;
}

/* Every element of a view, in n, c, h, w order. */
#define FOR_EACH(v, i_n, i_c, i_h, i_w)                                                            \
	for (int i_n = 0; i_n < (v)->n; i_n++)                                                     \
		for (int i_c = 0; i_c < (v)->shape.c; i_c++)                                       \
			for (int i_h = 0; i_h < (v)->shape.h; i_h++)                               \
				for (int i_w = 0; i_w < (v)->shape.w; i_w++)

/* Convolution: dst[co][ho][wo] = bias[co] + sum over ci, kh, kw of
 * src[ci][ho * stride - pad + kh][wo * stride - pad + kw] * weight[co][ci][kh][kw], ci within co's
 * group. */

static size_t conv_weight(const struct ftp_layer *l, int co, int ci, int kh, int kw)
{
	int k = l->kernel, c_in = l->src.c / l->groups;

	return (size_t)(((co * c_in + ci) * k + kh) * k + kw);
}

static int conv_first_input(const struct ftp_layer *l, int co)
{
	return co / (l->dst.c / l->groups) * (l->src.c / l->groups);
}

static void conv_forward(const struct ftp_reference_args *a)
{
	const struct ftp_layer *l = a->layer;
	int c_in = l->src.c / l->groups, k = l->kernel;

	FOR_EACH(&a->dst, n, co, ho, wo)
	{
		double sum = l->bias ? (double)a->tensors[1][co] : 0;

		for (int ci = 0; ci < c_in; ci++)
			for (int kh = 0; kh < k; kh++)
				for (int kw = 0; kw < k; kw++) {
					int h = ho * l->stride - l->pad + kh;
					int w = wo * l->stride - l->pad + kw;
					int c = conv_first_input(l, co) + ci;

					if (inside(&a->src[0], h, w))
						sum += (double)*at(&a->src[0], n, c, h, w) *
						       (double)a->tensors[0][conv_weight(
							       l, co, ci, kh, kw)];
				}
		*at(&a->dst, n, co, ho, wo) = (real)sum;
	}
}

static void conv_backward_data(const struct ftp_reference_args *a)
{
	const struct ftp_layer *l = a->layer;
	int c_in = l->src.c / l->groups, c_out = l->dst.c / l->groups, k = l->kernel;

	FOR_EACH(&a->src_grad[0], n, c, h, w)
	{
		double sum = 0;

		for (int i = 0; i < c_out; i++)
			for (int kh = 0; kh < k; kh++)
				for (int kw = 0; kw < k; kw++) {
					int co = c / c_in * c_out + i;
					int ho = (h + l->pad - kh) / l->stride;
					int wo = (w + l->pad - kw) / l->stride;

					if (ho * l->stride == h + l->pad - kh &&
						wo * l->stride == w + l->pad - kw &&
						inside(&a->dst_grad, ho, wo))
						sum += (double)*at(&a->dst_grad, n, co, ho, wo) *
						       (double)a->tensors[0][conv_weight(
							       l, co, c % c_in, kh, kw)];
				}
		*at(&a->src_grad[0], n, c, h, w) = (real)sum;
	}
}

static void conv_backward_weights(const struct ftp_reference_args *a)
{
	const struct ftp_layer *l = a->layer;
	const struct ftp_view *dy = &a->dst_grad, *x = &a->src[0];
	const struct ftp_view taps = {
		NULL, {l->src.c / l->groups, l->kernel, l->kernel}, l->dst.c, 1};

	FOR_EACH(&taps, co, ci, kh, kw)
	{
		double sum = 0;

		for (int n = 0; n < dy->n; n++)
			for (int ho = 0; ho < dy->shape.h; ho++)
				for (int wo = 0; wo < dy->shape.w; wo++) {
					int h = ho * l->stride - l->pad + kh;
					int w = wo * l->stride - l->pad + kw;
					int c = conv_first_input(l, co) + ci;

					if (inside(x, h, w))
						sum += (double)*at(dy, n, co, ho, wo) *
						       (double)*at(x, n, c, h, w);
				}
		a->gradients[0][conv_weight(l, co, ci, kh, kw)] += (real)sum;
	}
	if (!l->bias)
		return;
	for (int co = 0; co < l->dst.c; co++) {
		double sum = 0;

		for (int n = 0; n < dy->n; n++)
			for (int ho = 0; ho < dy->shape.h; ho++)
				for (int wo = 0; wo < dy->shape.w; wo++)
					sum += (double)*at(dy, n, co, ho, wo);
		a->gradients[1][co] += (real)sum;
	}
}

/* Batch normalisation (Ioffe and Szegedy 2015, algorithm 1). Tensors: gamma, beta, running mean,
 * running variance (unbiased). */

struct bn_stats {
	double mean, var, inv_std;
};

static struct bn_stats bn_stats(const struct ftp_reference_args *a, int c)
{
	const struct ftp_view *x = &a->src[0];
	struct bn_stats s = {0};
	double count = (double)x->n * x->shape.h * x->shape.w;

	if (!a->training) {
		s.mean = (double)a->tensors[2][c];
		s.var = (double)a->tensors[3][c];
		s.inv_std = 1 / sqrt(s.var + FTP_BN_EPS);
		return s;
	}
	for (int n = 0; n < x->n; n++)
		for (int h = 0; h < x->shape.h; h++)
			for (int w = 0; w < x->shape.w; w++)
				s.mean += (double)*at(x, n, c, h, w) / count;
	for (int n = 0; n < x->n; n++)
		for (int h = 0; h < x->shape.h; h++)
			for (int w = 0; w < x->shape.w; w++) {
				double d = (double)*at(x, n, c, h, w) - s.mean;

				s.var += d * d / count;
			}
	s.inv_std = 1 / sqrt(s.var + FTP_BN_EPS);
	return s;
}

static void bn_forward(const struct ftp_reference_args *a)
{
	const struct ftp_view *x = &a->src[0];
	double count = (double)x->n * x->shape.h * x->shape.w, m = FTP_BN_MOMENTUM;

	for (int c = 0; c < x->shape.c; c++) {
		struct bn_stats s = bn_stats(a, c);
		double gamma = (double)a->tensors[0][c], beta = (double)a->tensors[1][c];

		for (int n = 0; n < x->n; n++)
			for (int h = 0; h < x->shape.h; h++)
				for (int w = 0; w < x->shape.w; w++)
					*at(&a->dst, n, c, h, w) =
						(real)(beta + gamma * s.inv_std *
								      ((double)*at(x, n, c, h, w) -
									      s.mean));
		if (!a->training)
			continue;
		a->tensors[2][c] = (real)((1 - m) * (double)a->tensors[2][c] + m * s.mean);
		a->tensors[3][c] = (real)((1 - m) * (double)a->tensors[3][c] +
					  m * s.var * count / (count > 1 ? count - 1 : 1));
	}
}

/* Sums of dy and of dy * x_hat over a channel: dbeta and dgamma. */
static void bn_sums(const struct ftp_reference_args *a, int c, const struct bn_stats *s,
	double *dbeta, double *dgamma)
{
	const struct ftp_view *x = &a->src[0];

	*dbeta = *dgamma = 0;
	for (int n = 0; n < x->n; n++)
		for (int h = 0; h < x->shape.h; h++)
			for (int w = 0; w < x->shape.w; w++) {
				double dy = (double)*at(&a->dst_grad, n, c, h, w);

				*dbeta += dy;
				*dgamma += dy * ((double)*at(x, n, c, h, w) - s->mean) * s->inv_std;
			}
}

static void bn_backward_data(const struct ftp_reference_args *a)
{
	const struct ftp_view *x = &a->src[0];
	double count = (double)x->n * x->shape.h * x->shape.w;

	for (int c = 0; c < x->shape.c; c++) {
		struct bn_stats s = bn_stats(a, c);
		double dbeta, dgamma, gamma = (double)a->tensors[0][c];

		bn_sums(a, c, &s, &dbeta, &dgamma);
		for (int n = 0; n < x->n; n++)
			for (int h = 0; h < x->shape.h; h++)
				for (int w = 0; w < x->shape.w; w++) {
					double hat =
						((double)*at(x, n, c, h, w) - s.mean) * s.inv_std;
					double dy = (double)*at(&a->dst_grad, n, c, h, w);

					*at(&a->src_grad[0], n, c, h, w) =
						(real)(gamma * s.inv_std *
							(dy - dbeta / count -
								hat * dgamma / count));
				}
	}
}

static void bn_backward_weights(const struct ftp_reference_args *a)
{
	for (int c = 0; c < a->layer->src.c; c++) {
		struct bn_stats s = bn_stats(a, c);
		double dbeta, dgamma;

		bn_sums(a, c, &s, &dbeta, &dgamma);
		a->gradients[0][c] += (real)dgamma;
		a->gradients[1][c] += (real)dbeta;
	}
}

/* ReLU and ReLU6: the gradient at a kink is 0, as in PyTorch. */

static double upper(const struct ftp_reference_args *a)
{
	return a->layer->kind == FTP_LAYER_RELU6 ? 6 : (double)INFINITY;
}

static void relu_forward(const struct ftp_reference_args *a)
{
	FOR_EACH(&a->dst, n, c, h, w)
	*at(&a->dst, n, c, h, w) =
		(real)fmin(fmax((double)*at(&a->src[0], n, c, h, w), 0), upper(a));
}

static void relu_backward(const struct ftp_reference_args *a)
{
	FOR_EACH(&a->dst_grad, n, c, h, w)
	{
		double x = (double)*at(&a->src[0], n, c, h, w);

		*at(&a->src_grad[0], n, c, h, w) =
			x > 0 && x < upper(a) ? *at(&a->dst_grad, n, c, h, w) : 0;
	}
}

static void add_forward(const struct ftp_reference_args *a)
{
	FOR_EACH(&a->dst, n, c, h, w)
	*at(&a->dst, n, c, h, w) =
		(real)((double)*at(&a->src[0], n, c, h, w) + (double)*at(&a->src[1], n, c, h, w));
}

static void add_backward(const struct ftp_reference_args *a)
{
	for (int i = 0; i < 2; i++)
		if (a->src_grad[i].data)
			FOR_EACH(&a->dst_grad, n, c, h, w)
	*at(&a->src_grad[i], n, c, h, w) = *at(&a->dst_grad, n, c, h, w);
}

/* Pooling. Padding never counts: not as a maximum, not in an average's divisor. Of equal maxima the
 * first in h, w order takes the gradient, as in PyTorch. */

struct window {
	int h0, h1, w0, w1;
};

static struct window window(const struct ftp_layer *l, int ho, int wo)
{
	struct window p = {0, l->src.h, 0, l->src.w};
	int h = ho * l->stride - l->pad, w = wo * l->stride - l->pad;

	if (!l->kernel)
		return p;
	p.h0 = h > 0 ? h : 0;
	p.w0 = w > 0 ? w : 0;
	p.h1 = h + l->kernel < l->src.h ? h + l->kernel : l->src.h;
	p.w1 = w + l->kernel < l->src.w ? w + l->kernel : l->src.w;
	return p;
}

static void avg_pool_forward(const struct ftp_reference_args *a)
{
	FOR_EACH(&a->dst, n, c, ho, wo)
	{
		struct window p = window(a->layer, ho, wo);
		double sum = 0, count = (double)(p.h1 - p.h0) * (p.w1 - p.w0);

		for (int h = p.h0; h < p.h1; h++)
			for (int w = p.w0; w < p.w1; w++)
				sum += (double)*at(&a->src[0], n, c, h, w);
		*at(&a->dst, n, c, ho, wo) = (real)(sum / count);
	}
}

static void avg_pool_backward(const struct ftp_reference_args *a)
{
	FOR_EACH(&a->src_grad[0], n, c, h, w)
	*at(&a->src_grad[0], n, c, h, w) = 0;
	FOR_EACH(&a->dst_grad, n, c, ho, wo)
	{
		struct window p = window(a->layer, ho, wo);
		double count = (double)(p.h1 - p.h0) * (p.w1 - p.w0);

		for (int h = p.h0; h < p.h1; h++)
			for (int w = p.w0; w < p.w1; w++)
				*at(&a->src_grad[0], n, c, h, w) +=
					(real)((double)*at(&a->dst_grad, n, c, ho, wo) / count);
	}
}

static real *max_of(
	const struct ftp_reference_args *a, int n, int c, int ho, int wo, int *h_max, int *w_max)
{
	struct window p = window(a->layer, ho, wo);
	real *best = at(&a->src[0], n, c, p.h0, p.w0);

	*h_max = p.h0;
	*w_max = p.w0;
	for (int h = p.h0; h < p.h1; h++)
		for (int w = p.w0; w < p.w1; w++) {
			real *x = at(&a->src[0], n, c, h, w);

			if (*x > *best) {
				best = x;
				*h_max = h;
				*w_max = w;
			}
		}
	return best;
}

static void max_pool_forward(const struct ftp_reference_args *a)
{
	int h, w;

	FOR_EACH(&a->dst, n, c, ho, wo)
	*at(&a->dst, n, c, ho, wo) = *max_of(a, n, c, ho, wo, &h, &w);
}

static void max_pool_backward(const struct ftp_reference_args *a)
{
	FOR_EACH(&a->src_grad[0], n, c, h, w)
	*at(&a->src_grad[0], n, c, h, w) = 0;
	FOR_EACH(&a->dst_grad, n, c, ho, wo)
	{
		int h, w;

		max_of(a, n, c, ho, wo, &h, &w);
		*at(&a->src_grad[0], n, c, h, w) += *at(&a->dst_grad, n, c, ho, wo);
	}
}

/* Fully connected: dst[o] = bias[o] + sum over i of weight[o][i] * src[i], i in c, h, w order. */

static int fc_inputs(const struct ftp_layer *l)
{
	return l->src.c * l->src.h * l->src.w;
}

static real *fc_at(const struct ftp_view *v, int n, int i)
{
	int w = v->shape.w, h = v->shape.h;

	return at(v, n, i / (w * h), i / w % h, i % w);
}

static void fc_forward(const struct ftp_reference_args *a)
{
	int n_in = fc_inputs(a->layer);

	for (int n = 0; n < a->dst.n; n++)
		for (int o = 0; o < a->layer->dst.c; o++) {
			double sum = (double)a->tensors[1][o];

			for (int i = 0; i < n_in; i++)
				sum += (double)a->tensors[0][o * n_in + i] *
				       (double)*fc_at(&a->src[0], n, i);
			*at(&a->dst, n, o, 0, 0) = (real)sum;
		}
}

static void fc_backward_data(const struct ftp_reference_args *a)
{
	int n_in = fc_inputs(a->layer);

	for (int n = 0; n < a->dst.n; n++)
		for (int i = 0; i < n_in; i++) {
			double sum = 0;

			for (int o = 0; o < a->layer->dst.c; o++)
				sum += (double)*at(&a->dst_grad, n, o, 0, 0) *
				       (double)a->tensors[0][o * n_in + i];
			*fc_at(&a->src_grad[0], n, i) = (real)sum;
		}
}

static void fc_backward_weights(const struct ftp_reference_args *a)
{
	int n_in = fc_inputs(a->layer);

	for (int o = 0; o < a->layer->dst.c; o++) {
		double bias = 0;

		for (int i = 0; i < n_in; i++) {
			double sum = 0;

			for (int n = 0; n < a->dst_grad.n; n++)
				sum += (double)*at(&a->dst_grad, n, o, 0, 0) *
				       (double)*fc_at(&a->src[0], n, i);
			a->gradients[0][o * n_in + i] += (real)sum;
		}
		for (int n = 0; n < a->dst_grad.n; n++)
			bias += (double)*at(&a->dst_grad, n, o, 0, 0);
		a->gradients[1][o] += (real)bias;
	}
}

/* Softmax cross-entropy: sum over samples of log(sum(exp(x))) - x[label]. */

static double log_sum_exp(const struct ftp_reference_args *a, int n)
{
	const struct ftp_view *x = &a->src[0];
	double max = (double)*at(x, n, 0, 0, 0), sum = 0;

	for (int c = 1; c < x->shape.c; c++)
		max = fmax(max, (double)*at(x, n, c, 0, 0));
	for (int c = 0; c < x->shape.c; c++)
		sum += exp((double)*at(x, n, c, 0, 0) - max);
	return max + log(sum);
}

static void loss_forward(const struct ftp_reference_args *a)
{
	const struct ftp_view *x = &a->src[0];

	*a->loss = 0;
	*a->n_correct = *a->n_samples = 0;
	for (int n = 0; n < x->n; n++) {
		int best = 0;

		if (a->labels[n] < 0)
			continue;
		for (int c = 1; c < x->shape.c; c++)
			if (*at(x, n, c, 0, 0) > *at(x, n, best, 0, 0))
				best = c;
		*a->loss += log_sum_exp(a, n) - (double)*at(x, n, a->labels[n], 0, 0);
		*a->n_correct += best == a->labels[n];
		(*a->n_samples)++;
	}
}

static void loss_backward(const struct ftp_reference_args *a)
{
	FOR_EACH(&a->src_grad[0], n, c, h, w)
	{
		double p = exp((double)*at(&a->src[0], n, c, h, w) - log_sum_exp(a, n));

		*at(&a->src_grad[0], n, c, h, w) =
			(real)(a->labels[n] < 0 ? 0 : (p - (c == a->labels[n])) * a->loss_scale);
	}
}

const struct ftp_reference ftp_reference_table[FTP_N_LAYER_KINDS] = {
	[FTP_LAYER_CONV] = {conv_forward, conv_backward_data, conv_backward_weights},
	[FTP_LAYER_BN] = {bn_forward, bn_backward_data, bn_backward_weights},
	[FTP_LAYER_RELU] = {relu_forward, relu_backward, NULL},
	[FTP_LAYER_RELU6] = {relu_forward, relu_backward, NULL},
	[FTP_LAYER_ADD] = {add_forward, add_backward, NULL},
	[FTP_LAYER_AVG_POOL] = {avg_pool_forward, avg_pool_backward, NULL},
	[FTP_LAYER_MAX_POOL] = {max_pool_forward, max_pool_backward, NULL},
	[FTP_LAYER_FC] = {fc_forward, fc_backward_data, fc_backward_weights},
	[FTP_LAYER_LOSS] = {loss_forward, loss_backward, NULL},
};
