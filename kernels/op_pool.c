/* Average and maximum pooling. */
#include "kernels/ops.h"

static void run_forward(struct ftp_run *r, const struct ftp_step *t, float *const *p)
{
	(void)r;
	ftp_pool_forward(&t->pool, p[0], p[1]);
}

static void run_backward(struct ftp_run *r, const struct ftp_step *t, float *const *p)
{
	(void)r;
	ftp_pool_backward(&t->pool, p[0], p[1], p[2]);
}

static struct ftp_pool config(const struct ftp_plan *p, const struct ftp_layer *l)
{
	return (struct ftp_pool){.max = l->kind == FTP_LAYER_MAX_POOL,
		.n_blocks = p->spec->micro_batch * ftp_layout_pad(l->src.c) / FTP_BLOCK,
		.h = l->src.h,
		.w = l->src.w,
		.h_out = l->dst.h,
		.w_out = l->dst.w,
		.kernel_h = l->kernel ? l->kernel : l->src.h,
		.kernel_w = l->kernel ? l->kernel : l->src.w,
		.stride = l->kernel ? l->stride : 1,
		.pad = l->pad};
}

int ftp_op_pool_forward(struct ftp_plan *p, struct ftp_node *node, struct ftp_error *err)
{
	struct ftp_step t = {.run = run_forward,
		.pool = config(p, node->layer),
		.refs = {p->values[node->in[0]].data, p->values[node->out].data}};

	ftp_plan_emit(p, FTP_PASSES(FTP_PASS_FORWARD) | FTP_PASSES(FTP_PASS_EVAL), &t);
	return ftp_plan_note(p, node, "fwd", "own", err);
}

int ftp_op_pool_backward(struct ftp_plan *p, struct ftp_node *node, struct ftp_error *err)
{
	struct ftp_step t = {.run = run_backward, .pool = config(p, node->layer)};
	struct ftp_ref dx;

	(void)err;
	if (!p->values[node->in[0]].wants_grad)
		return 0;
	dx = ftp_plan_target(p, node->in[0]);
	t.refs[0] = p->values[node->in[0]].data;
	t.refs[1] = ftp_plan_grad(p, node->out);
	t.refs[2] = dx;
	ftp_plan_emit(p, FTP_PASSES(FTP_PASS_BACKWARD), &t);
	ftp_plan_contribute(p, node->in[0], dx);
	return 0;
}
