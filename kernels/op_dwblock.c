/* A depthwise 3x3 convolution with the batch norms and activations around it, in one pass over
 * memory (kernels/dwblock.h). */
#include "kernels/ops.h"

enum { N_BN_TENSORS = 4 };

/* Order of a step's refs; a batch norm's are in the order of struct ftp_dwblock_bn. */
enum {
	GAMMA,
	BETA,
	MEAN,
	INV_STD,
	RUNNING_MEAN,
	RUNNING_VAR,
	D_GAMMA,
	D_BETA,
	N_BN_REFS,
};
enum {
	BEFORE,
	AFTER = BEFORE + N_BN_REFS,
	SRC = AFTER + N_BN_REFS,
	WEIGHT,
	CONVOLVED,
	DST, /* or its gradient */
	SRC_GRAD,
	WEIGHT_GRAD,
	SCRATCH,
	N_REFS,
};
_Static_assert(N_REFS <= FTP_STEP_REFS, "a step has no room for its refs");

static struct ftp_dwblock_bn bn_of(float *const *p)
{
	return (struct ftp_dwblock_bn){.gamma = p[GAMMA],
		.beta = p[BETA],
		.mean = p[MEAN],
		.inv_std = p[INV_STD],
		.running_mean = p[RUNNING_MEAN],
		.running_var = p[RUNNING_VAR],
		.d_gamma = p[D_GAMMA],
		.d_beta = p[D_BETA]};
}

static void run_forward(struct ftp_run *r, const struct ftp_step *t, float *const *p)
{
	const struct ftp_dwblock_bn before = bn_of(p + BEFORE), after = bn_of(p + AFTER);

	(void)r;
	ftp_dwblock_forward(
		&t->dwblock, &before, &after, p[SRC], p[WEIGHT], p[CONVOLVED], p[DST], p[SCRATCH]);
}

static void run_eval(struct ftp_run *r, const struct ftp_step *t, float *const *p)
{
	const struct ftp_dwblock_bn before = bn_of(p + BEFORE), after = bn_of(p + AFTER);

	(void)r;
	ftp_dwblock_eval(&t->dwblock, &before, &after, p[SRC], p[WEIGHT], p[DST], p[SCRATCH]);
}

static void run_backward(struct ftp_run *r, const struct ftp_step *t, float *const *p)
{
	const struct ftp_dwblock_bn before = bn_of(p + BEFORE), after = bn_of(p + AFTER);

	(void)r;
	ftp_dwblock_backward(&t->dwblock, &before, &after, p[SRC], p[CONVOLVED], p[DST], p[WEIGHT],
		p[SRC_GRAD], p[WEIGHT_GRAD], p[SCRATCH]);
}

static struct ftp_dwblock config(const struct ftp_plan *p, const struct ftp_node *node)
{
	const struct ftp_layer *l = node->layer;

	return (struct ftp_dwblock){.n = p->spec->micro_batch,
		.c = l->src.c,
		.h = l->src.h,
		.w = l->src.w,
		.stride = l->stride,
		.has_before = node->bn_before != NULL,
		.act_before = node->act_before,
		.act_after = node->act,
		.eps = (float)FTP_BN_EPS,
		.momentum = (float)FTP_BN_MOMENTUM};
}

/* refs become those of the batch norm whose first tensor is index; saved: mean and inv_std. */
static void bn_refs(const struct ftp_plan *p, const struct ftp_node *node, int index,
	struct ftp_ref saved, struct ftp_ref *refs)
{
	const struct ftp_param *params = &p->program->params[node->first_param + index];

	refs[GAMMA] = params[0].at;
	refs[BETA] = params[1].at;
	refs[MEAN] = saved;
	refs[INV_STD] = saved;
	refs[INV_STD].at += (size_t)ftp_layout_pad(node->layer->src.c);
	refs[RUNNING_MEAN] = params[2].at;
	refs[RUNNING_VAR] = params[3].at;
	refs[D_GAMMA] = (struct ftp_ref){FTP_SPACE_GRADIENT, params[0].at.at};
	refs[D_BETA] = (struct ftp_ref){FTP_SPACE_GRADIENT, params[1].at.at};
}

static int conv_index(const struct ftp_node *node)
{
	return node->bn_before ? N_BN_TENSORS : 0;
}

static struct ftp_step step(struct ftp_plan *p, const struct ftp_node *node)
{
	struct ftp_step t = {.dwblock = config(p, node)};
	struct ftp_ref weight = p->program->params[node->first_param + conv_index(node)].at;

	if (node->bn_before)
		bn_refs(p, node, 0, node->saved[0], t.refs + BEFORE);
	bn_refs(p, node, conv_index(node) + 1, node->saved[1], t.refs + AFTER);
	t.refs[SRC] = p->values[node->in[0]].data;
	t.refs[WEIGHT] = weight;
	t.refs[CONVOLVED] = node->saved[2];
	t.refs[WEIGHT_GRAD] = (struct ftp_ref){FTP_SPACE_GRADIENT, weight.at};
	t.refs[SCRATCH] = ftp_plan_acquire(p, ftp_dwblock_scratch_floats(&t.dwblock));
	ftp_plan_release(p, t.refs[SCRATCH]);
	return t;
}

int ftp_op_dwblock_forward(struct ftp_plan *p, struct ftp_node *node, struct ftp_error *err)
{
	size_t c = (size_t)ftp_layout_pad(node->layer->src.c);
	struct ftp_step t;

	for (int i = 0; i < node->n_tensors; i++) {
		if (i == conv_index(node))
			ftp_op_depthwise_param(p, node, i);
		else
			ftp_plan_place(p, ftp_plan_param(p, node, i), c);
	}
	if (node->bn_before)
		node->saved[0] = ftp_plan_slot(p, 2 * c);
	node->saved[1] = ftp_plan_slot(p, 2 * c);
	node->saved[2] = ftp_plan_slot(p, ftp_plan_value_floats(p, node->out));
	t = step(p, node);
	t.refs[DST] = p->values[node->out].data;
	t.run = run_forward;
	ftp_plan_emit(p, FTP_PASSES(FTP_PASS_FORWARD), &t);
	t.run = run_eval;
	ftp_plan_emit(p, FTP_PASSES(FTP_PASS_EVAL), &t);
	return ftp_plan_note(p, node, "fwd", "own", err);
}

int ftp_op_dwblock_backward(struct ftp_plan *p, struct ftp_node *node, struct ftp_error *err)
{
	bool wants_grad = p->values[node->in[0]].wants_grad;
	struct ftp_ref src_grad = {0};
	struct ftp_step t;

	(void)err;
	/* The batch norm in front needs the convolution's source gradient for its own. */
	if (wants_grad)
		src_grad = ftp_plan_target(p, node->in[0]);
	else if (node->bn_before)
		src_grad = ftp_plan_acquire(p, ftp_plan_value_floats(p, node->in[0]));
	t = step(p, node);
	t.refs[DST] = ftp_plan_grad(p, node->out);
	t.refs[SRC_GRAD] = src_grad;
	t.run = run_backward;
	ftp_plan_emit(p, FTP_PASSES(FTP_PASS_BACKWARD), &t);
	if (wants_grad)
		ftp_plan_contribute(p, node->in[0], src_grad);
	else
		ftp_plan_release(p, src_grad);
	return 0;
}
