/* A depthwise 3x3 convolution by itself, on our own kernels: oneDNN falls to its reference code for
 * the weight gradient of planes as small as 2x2. */
#include <string.h>

#include "kernels/depthwise.h"
#include "kernels/ops.h"

#define TAPS (FTP_DEPTHWISE_TAPS * FTP_BLOCK)

static void pack(
	const struct ftp_param *p, const float *dense, float *kept, float *temp, void *scratchpad)
{
	(void)temp;
	(void)scratchpad;
	memset(kept, 0, p->floats * sizeof(*kept));
	for (size_t i = 0; i < p->tensor->n_elements; i++) {
		size_t c = i / FTP_DEPTHWISE_TAPS, tap = i % FTP_DEPTHWISE_TAPS;

		kept[(c / FTP_BLOCK * FTP_DEPTHWISE_TAPS + tap) * FTP_BLOCK + c % FTP_BLOCK] =
			dense[i];
	}
}

static void unpack(
	const struct ftp_param *p, const float *kept, float *dense, float *temp, void *scratchpad)
{
	(void)temp;
	(void)scratchpad;
	for (size_t i = 0; i < p->tensor->n_elements; i++) {
		size_t c = i / FTP_DEPTHWISE_TAPS, tap = i % FTP_DEPTHWISE_TAPS;

		dense[i] = kept[(c / FTP_BLOCK * FTP_DEPTHWISE_TAPS + tap) * FTP_BLOCK +
				c % FTP_BLOCK];
	}
}

void ftp_op_depthwise_param(struct ftp_plan *p, const struct ftp_node *node, int index)
{
	struct ftp_param *param = ftp_plan_param(p, node, index);

	param->pack = pack;
	param->unpack = unpack;
	ftp_plan_place(p, param, (size_t)ftp_layout_pad(node->layer->src.c) * FTP_DEPTHWISE_TAPS);
}

struct planes {
	struct ftp_depthwise shape;
	size_t in, out; /* floats of a plane */
};

static struct planes planes_of(const struct ftp_step *t)
{
	struct planes w = {
		.shape = ftp_depthwise_shape(t->dwblock.h, t->dwblock.w, t->dwblock.stride)};

	w.in = (size_t)w.shape.h * (size_t)w.shape.w * FTP_BLOCK;
	w.out = (size_t)w.shape.h_out * (size_t)w.shape.w_out * FTP_BLOCK;
	return w;
}

static void run_forward(struct ftp_run *r, const struct ftp_step *t, float *const *p)
{
	const struct planes w = planes_of(t);
	int n_blocks = t->dwblock.c / FTP_BLOCK;

	(void)r;
	for (int i = 0; i < t->dwblock.n * n_blocks; i++)
		ftp_depthwise_current()->forward(&w.shape, p[0] + (size_t)i * w.in,
			p[1] + (i % n_blocks) * TAPS, p[2] + (size_t)i * w.out);
}

static void run_backward_data(struct ftp_run *r, const struct ftp_step *t, float *const *p)
{
	const struct planes w = planes_of(t);
	int n_blocks = t->dwblock.c / FTP_BLOCK;

	(void)r;
	for (int i = 0; i < t->dwblock.n * n_blocks; i++)
		ftp_depthwise_current()->backward_data(&w.shape, p[0] + (size_t)i * w.out,
			p[1] + (i % n_blocks) * TAPS, p[2] + (size_t)i * w.in);
}

static void run_backward_weights(struct ftp_run *r, const struct ftp_step *t, float *const *p)
{
	const struct planes w = planes_of(t);
	int n_blocks = t->dwblock.c / FTP_BLOCK;

	(void)r;
	for (int b = 0; b < n_blocks; b++) {
		double sums[FTP_DEPTHWISE_TAPS][FTP_DEPTHWISE_LANES] = {0};

		for (int s = 0; s < t->dwblock.n; s++) {
			size_t i = (size_t)s * (size_t)n_blocks + (size_t)b;

			ftp_depthwise_current()->backward_weights(
				&w.shape, p[0] + i * w.in, p[1] + i * w.out, sums);
		}
		for (int i = 0; i < TAPS; i++)
			p[2][b * TAPS + i] += (float)sums[i / FTP_BLOCK][i % FTP_BLOCK];
	}
}

static struct ftp_step step(const struct ftp_plan *p, const struct ftp_node *node)
{
	const struct ftp_layer *l = node->layer;

	return (struct ftp_step){.dwblock = {.n = p->spec->micro_batch,
					 .c = ftp_layout_pad(l->src.c),
					 .h = l->src.h,
					 .w = l->src.w,
					 .stride = l->stride}};
}

int ftp_op_depthwise_forward(struct ftp_plan *p, struct ftp_node *node, struct ftp_error *err)
{
	struct ftp_step t = step(p, node);

	ftp_op_depthwise_param(p, node, 0);
	t.run = run_forward;
	t.refs[0] = p->values[node->in[0]].data;
	t.refs[1] = p->program->params[node->first_param].at;
	t.refs[2] = p->values[node->out].data;
	ftp_plan_emit(p, FTP_PASSES(FTP_PASS_FORWARD) | FTP_PASSES(FTP_PASS_EVAL), &t);
	return ftp_plan_note(p, node, "fwd", "own", err);
}

int ftp_op_depthwise_backward(struct ftp_plan *p, struct ftp_node *node, struct ftp_error *err)
{
	struct ftp_ref weight = p->program->params[node->first_param].at;
	struct ftp_ref dy = ftp_plan_grad(p, node->out);
	struct ftp_step t = step(p, node);

	(void)err;
	t.run = run_backward_weights;
	t.refs[0] = p->values[node->in[0]].data;
	t.refs[1] = dy;
	t.refs[2] = (struct ftp_ref){FTP_SPACE_GRADIENT, weight.at};
	ftp_plan_emit(p, FTP_PASSES(FTP_PASS_BACKWARD), &t);
	if (!p->values[node->in[0]].wants_grad)
		return 0;
	t.run = run_backward_data;
	t.refs[0] = dy;
	t.refs[1] = weight;
	t.refs[2] = ftp_plan_target(p, node->in[0]);
	ftp_plan_emit(p, FTP_PASSES(FTP_PASS_BACKWARD), &t);
	ftp_plan_contribute(p, node->in[0], t.refs[2]);
	return 0;
}
