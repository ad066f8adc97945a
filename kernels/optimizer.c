#include "kernels/optimizer.h"

/* Plain loops: the update is bound by memory traffic and compilers vectorise it. Without
 * contraction every instruction set gives the same bits. Inlined once per rule and place, so that
 * in place is one pointer, which needs no check for overlap. */
static inline __attribute__((always_inline)) void update(const struct ftp_optimizer_spec *o,
	bool nesterov, float lr, const float *in, float *out, float *moment, float *grad, size_t n)
{
	const float momentum = o->momentum, decay = o->weight_decay;

	for (size_t i = 0; i < n; i++) {
		float g = grad[i] + decay * in[i];
		float m = momentum * moment[i] + g;

		moment[i] = m;
		out[i] = in[i] - lr * (nesterov ? g + momentum * m : m);
		grad[i] = 0;
	}
}

static void update_in_place(const struct ftp_optimizer_spec *o, float lr, float *restrict param,
	float *restrict moment, float *restrict grad, size_t n)
{
	if (o->nesterov)
		update(o, true, lr, param, param, moment, grad, n);
	else
		update(o, false, lr, param, param, moment, grad, n);
}

static void update_apart(const struct ftp_optimizer_spec *o, float lr, const float *restrict in,
	float *restrict out, float *restrict moment, float *restrict grad, size_t n)
{
	if (o->nesterov)
		update(o, true, lr, in, out, moment, grad, n);
	else
		update(o, false, lr, in, out, moment, grad, n);
}

void ftp_optimizer_update(const struct ftp_optimizer_spec *o, float lr, const float *param_in,
	float *param_out, float *moment, float *grad, size_t n)
{
	const float *in = __builtin_assume_aligned(param_in, 64);
	float *out = __builtin_assume_aligned(param_out, 64);
	float *m = __builtin_assume_aligned(moment, 64);
	float *g = __builtin_assume_aligned(grad, 64);

	if (in == out)
		update_in_place(o, lr, out, m, g, n);
	else
		update_apart(o, lr, in, out, m, g, n);
}
