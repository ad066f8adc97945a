/* Dense convolutions where oneDNN has no fast kernel for our layout (kernels/blockconv.h). */
#include "kernels/blockconv.h"
#include "kernels/ops.h"

enum { WEIGHT, BIAS };

static struct ftp_blockconv config(const struct ftp_plan *p, const struct ftp_node *node)
{
	const struct ftp_layer *l = node->layer;

	return (struct ftp_blockconv){.n = p->spec->micro_batch,
		.c_in = l->src.c,
		.c_out = l->dst.c,
		.h = l->src.h,
		.w = l->src.w,
		.h_out = l->dst.h,
		.w_out = l->dst.w,
		.kernel = l->kernel,
		.stride = l->stride,
		.pad = l->pad,
		.dense_src = p->values[node->in[0]].dense,
		.relu = node->act == FTP_ACT_RELU};
}

static void pack(
	const struct ftp_param *p, const float *dense, float *kept, float *temp, void *scratchpad)
{
	(void)temp;
	(void)scratchpad;
	ftp_blockconv_pack(&p->blockconv, dense, kept);
}

static void unpack(
	const struct ftp_param *p, const float *kept, float *dense, float *temp, void *scratchpad)
{
	(void)temp;
	(void)scratchpad;
	ftp_blockconv_unpack(&p->blockconv, kept, dense);
}

static void make_copy(const struct ftp_param *p, float *kept, float *copy, void *scratchpad)
{
	(void)scratchpad;
	ftp_blockconv_transpose(&p->blockconv, kept, copy);
}

static void run_forward(struct ftp_run *r, const struct ftp_step *t, float *const *p)
{
	(void)r;
	ftp_blockconv_forward(&t->blockconv, p[0], p[1], p[3], p[2]);
}

static void run_backward_data(struct ftp_run *r, const struct ftp_step *t, float *const *p)
{
	(void)r;
	ftp_blockconv_backward_data(&t->blockconv, p[0], p[1], p[2]);
}

static void run_backward_weights(struct ftp_run *r, const struct ftp_step *t, float *const *p)
{
	(void)r;
	ftp_blockconv_backward_weights(&t->blockconv, p[0], p[1], p[2], p[3]);
}

int ftp_op_blockconv_forward(struct ftp_plan *p, struct ftp_node *node, struct ftp_error *err)
{
	struct ftp_step t = {.run = run_forward, .blockconv = config(p, node)};
	struct ftp_param *weight = ftp_plan_param(p, node, WEIGHT);

	weight->pack = pack;
	weight->unpack = unpack;
	weight->blockconv = t.blockconv;
	ftp_plan_place(p, weight, ftp_blockconv_weight_floats(&t.blockconv, false));
	t.refs[0] = p->values[node->in[0]].data;
	t.refs[1] = weight->at;
	t.refs[2] = p->values[node->out].data;
	if (node->layer->bias) {
		struct ftp_param *bias = ftp_plan_param(p, node, BIAS);

		ftp_plan_place(p, bias, (size_t)ftp_layout_pad(node->layer->dst.c));
		t.refs[3] = bias->at;
	}
	ftp_plan_emit(p, FTP_PASSES(FTP_PASS_FORWARD) | FTP_PASSES(FTP_PASS_EVAL), &t);
	return ftp_plan_note(p, node, "fwd", "own", err);
}

static struct ftp_ref gradient_of(struct ftp_ref param)
{
	return (struct ftp_ref){FTP_SPACE_GRADIENT, param.at};
}

int ftp_op_blockconv_backward(struct ftp_plan *p, struct ftp_node *node, struct ftp_error *err)
{
	struct ftp_param *params = &p->program->params[node->first_param];
	struct ftp_ref dz = ftp_op_elementwise_masked_grad(p, node);
	struct ftp_step t = {.run = run_backward_weights,
		.blockconv = config(p, node),
		.refs = {p->values[node->in[0]].data, dz, gradient_of(params[WEIGHT].at)}};

	(void)err;
	if (node->layer->bias)
		t.refs[3] = gradient_of(params[BIAS].at);
	ftp_plan_emit(p, FTP_PASSES(FTP_PASS_BACKWARD), &t);
	if (p->values[node->in[0]].wants_grad) {
		ftp_plan_copy(p, &params[WEIGHT], make_copy,
			ftp_blockconv_weight_floats(&t.blockconv, true));
		t.run = run_backward_data;
		t.refs[0] = dz;
		t.refs[1] = params[WEIGHT].copy;
		t.refs[2] = ftp_plan_target(p, node->in[0]);
		ftp_plan_emit(p, FTP_PASSES(FTP_PASS_BACKWARD), &t);
		ftp_plan_contribute(p, node->in[0], t.refs[2]);
	}
	ftp_plan_release(p, dz);
	return 0;
}
