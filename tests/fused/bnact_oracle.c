#include "tests/fused/bnact_oracle.h"

#include <math.h>
#include <stdlib.h>

#include "runtime/base/error.h"

static double *doubles(size_t n)
{
	double *p = calloc(n, sizeof(*p));

	ftp_assert(p);
	return p;
}

void bnact_oracle_new(struct bnact_oracle *o, const struct ftp_bnact *p, bool residual)
{
	size_t c = (size_t)p->c, all = (size_t)p->n * c * (size_t)p->hw;

	*o = (struct bnact_oracle){
		.p = *p,
		.z = doubles(all),
		.residual = residual ? doubles(all) : NULL,
		.dy = doubles(all),
		.gamma = doubles(c),
		.beta = doubles(c),
		.y = doubles(all),
		.mean = doubles(c),
		.var = doubles(c),
		.inv_std = doubles(c),
		.dz = doubles(all),
		.d_residual = doubles(all),
		.d_gamma = doubles(c),
		.d_beta = doubles(c),
	};
}

void bnact_oracle_free(struct bnact_oracle *o)
{
	double *all[] = {o->z, o->residual, o->dy, o->gamma, o->beta, o->y, o->mean, o->var,
		o->inv_std, o->dz, o->d_residual, o->d_gamma, o->d_beta};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		free(all[i]);
}

static size_t index_of(const struct bnact_oracle *o, int n, int c, int px)
{
	return ((size_t)n * (size_t)o->p.c + (size_t)c) * (size_t)o->p.hw + (size_t)px;
}

static double act(enum ftp_act kind, double v)
{
	if (kind != FTP_ACT_NONE && v < 0)
		return 0;
	if (kind == FTP_ACT_RELU6 && v > 6)
		return 6;
	return v;
}

static double act_grad(enum ftp_act kind, double v)
{
	return kind == FTP_ACT_NONE || (v > 0 && (kind != FTP_ACT_RELU6 || v < 6));
}

static double before_act(const struct bnact_oracle *o, int c, size_t i)
{
	double v = o->gamma[c] * (o->z[i] - o->mean[c]) * o->inv_std[c] + o->beta[c];

	return o->residual ? v + o->residual[i] : v;
}

static void statistics(struct bnact_oracle *o, int c)
{
	double count = (double)o->p.n * o->p.hw, sum = 0, squares = 0;

	for (int n = 0; n < o->p.n; n++)
		for (int px = 0; px < o->p.hw; px++)
			sum += o->z[index_of(o, n, c, px)];
	o->mean[c] = sum / count;
	for (int n = 0; n < o->p.n; n++)
		for (int px = 0; px < o->p.hw; px++)
			squares += pow(o->z[index_of(o, n, c, px)] - o->mean[c], 2);
	o->var[c] = squares / count;
	o->inv_std[c] = 1 / sqrt(o->var[c] + (double)o->p.eps);
}

void bnact_oracle_forward(struct bnact_oracle *o)
{
	for (int c = 0; c < o->p.c; c++) {
		statistics(o, c);
		for (int n = 0; n < o->p.n; n++) {
			for (int px = 0; px < o->p.hw; px++) {
				size_t i = index_of(o, n, c, px);

				o->y[i] = act(o->p.act, before_act(o, c, i));
			}
		}
	}
}

void bnact_oracle_backward(struct bnact_oracle *o)
{
	double count = (double)o->p.n * o->p.hw;

	for (int c = 0; c < o->p.c; c++) {
		double db = 0, dg = 0;

		for (int n = 0; n < o->p.n; n++) {
			for (int px = 0; px < o->p.hw; px++) {
				size_t i = index_of(o, n, c, px);
				double d = o->dy[i] * act_grad(o->p.act, before_act(o, c, i));

				o->d_residual[i] = d;
				db += d;
				dg += d * (o->z[i] - o->mean[c]) * o->inv_std[c];
			}
		}
		o->d_gamma[c] = dg;
		o->d_beta[c] = db;
		for (int n = 0; n < o->p.n; n++) {
			for (int px = 0; px < o->p.hw; px++) {
				size_t i = index_of(o, n, c, px);
				double xhat = (o->z[i] - o->mean[c]) * o->inv_std[c];

				o->dz[i] = o->gamma[c] * o->inv_std[c] *
					   (o->d_residual[i] - db / count - xhat * dg / count);
			}
		}
	}
}
