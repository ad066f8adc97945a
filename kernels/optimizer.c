#include "kernels/optimizer.h"

/* Plain loops: the update is bound by memory traffic and compilers vectorise it. Without
 * contraction every instruction set gives the same bits. */
static void update_sgd(const struct ftp_optimizer_spec *o, float lr, float *restrict param,
	float *restrict moment, float *restrict grad, size_t n)
{
	const float momentum = o->momentum, decay = o->weight_decay;

	for (size_t i = 0; i < n; i++) {
		float g = grad[i] + decay * param[i];
		float m = momentum * moment[i] + g;

		moment[i] = m;
		param[i] -= lr * m;
		grad[i] = 0;
	}
}

static void update_nesterov(const struct ftp_optimizer_spec *o, float lr, float *restrict param,
	float *restrict moment, float *restrict grad, size_t n)
{
	const float momentum = o->momentum, decay = o->weight_decay;

	for (size_t i = 0; i < n; i++) {
		float g = grad[i] + decay * param[i];
		float m = momentum * moment[i] + g;

		moment[i] = m;
		param[i] -= lr * (g + momentum * m);
		grad[i] = 0;
	}
}

void ftp_optimizer_update(const struct ftp_optimizer_spec *o, float lr, float *param, float *moment,
	float *grad, size_t n)
{
	float *p = __builtin_assume_aligned(param, 64);
	float *m = __builtin_assume_aligned(moment, 64);
	float *g = __builtin_assume_aligned(grad, 64);

	if (o->nesterov)
		update_nesterov(o, lr, p, m, g, n);
	else
		update_sgd(o, lr, p, m, g, n);
}
