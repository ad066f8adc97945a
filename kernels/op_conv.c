/* Convolutions by oneDNN. Channel counts are handed over padded to 16: the padding's weights are
 * zero, so its outputs and gradients are too, and 6 or 24 channels run on the same kernels as 16
 * and
 * 32. Weights stay in the layout that the forward wants; the weight gradient comes in the same one,
 * so that the optimizer is element-wise. */
#include <string.h>

#include "kernels/ops.h"

enum { WEIGHT, BIAS };

static struct ftp_onednn_conv config(const struct ftp_plan *p, const struct ftp_node *node)
{
	const struct ftp_layer *l = node->layer;
	bool dense = p->values[node->in[0]].dense;

	ftp_assert(!dense || l->groups == 1);
	return (struct ftp_onednn_conv){.n = p->spec->micro_batch,
		.c_in = dense ? l->src.c : ftp_layout_pad(l->src.c),
		.h = l->src.h,
		.w = l->src.w,
		.c_out = ftp_layout_pad(l->dst.c),
		.h_out = l->dst.h,
		.w_out = l->dst.w,
		.kernel = l->kernel,
		.stride = l->stride,
		.pad = l->pad,
		.groups = l->groups > 1 ? ftp_layout_pad(l->groups) : 1,
		.bias = l->bias,
		.relu = node->act == FTP_ACT_RELU,
		.dense_src = dense};
}

/* rows x columns of the tensor at the start of rows of row_floats: OIHW with padded O and I. */
static void pack(
	const struct ftp_param *p, const float *dense, float *kept, float *temp, void *scratchpad)
{
	memset(temp, 0, p->temp_floats * sizeof(*temp));
	for (int o = 0; o < p->rows; o++)
		memcpy(&temp[(size_t)o * (size_t)p->row_floats],
			&dense[(size_t)o * (size_t)p->columns], (size_t)p->columns * sizeof(*temp));
	ftp_onednn_run(p->to_kept, (float *[]){temp, kept}, scratchpad);
}

static void unpack(
	const struct ftp_param *p, const float *kept, float *dense, float *temp, void *scratchpad)
{
	ftp_onednn_run(p->to_dense, (float *[]){(float *)kept, temp}, scratchpad);
	for (int o = 0; o < p->rows; o++)
		memcpy(&dense[(size_t)o * (size_t)p->columns],
			&temp[(size_t)o * (size_t)p->row_floats],
			(size_t)p->columns * sizeof(*temp));
}

static int add_weights(struct ftp_plan *p, struct ftp_node *node, struct ftp_error *err)
{
	struct ftp_onednn *d = p->program->onednn;
	const struct ftp_onednn_conv *c = &node->conv;
	struct ftp_param *weight = ftp_plan_param(p, node, WEIGHT);
	struct ftp_onednn_layout *dense = ftp_onednn_dense(d, c);
	int code;

	weight->pack = pack;
	weight->unpack = unpack;
	weight->rows = node->layer->dst.c;
	weight->columns = (int)weight->tensor->n_elements / weight->rows;
	weight->row_floats = c->c_in / c->groups * c->kernel * c->kernel;
	weight->temp_floats = ftp_onednn_layout_bytes(dense) / sizeof(float);
	ftp_plan_place(p, weight, ftp_onednn_layout_bytes(node->weights) / sizeof(float));
	code = ftp_onednn_reorder(d, dense, node->weights, &weight->to_kept, err);
	if (!code)
		code = ftp_onednn_reorder(d, node->weights, dense, &weight->to_dense, err);
	if (code)
		return code;
	ftp_plan_emit_op(p, 0, weight->to_kept, NULL, 0);
	ftp_plan_emit_op(p, 0, weight->to_dense, NULL, 0);
	if (c->bias)
		ftp_plan_place(p, ftp_plan_param(p, node, BIAS), (size_t)c->c_out);
	return 0;
}

int ftp_op_conv_forward(struct ftp_plan *p, struct ftp_node *node, struct ftp_error *err)
{
	const struct ftp_param *params = &p->program->params[node->first_param];
	struct ftp_onednn_layout *weights;
	struct ftp_onednn_op *op;
	int code;

	node->conv = config(p, node);
	code = ftp_onednn_conv_forward(p->program->onednn, &node->conv, &weights, &op, err);
	node->weights = weights;
	if (!code)
		code = add_weights(p, node, err);
	if (code)
		return ftp_error_prefix(err, code, "%s", node->name);
	ftp_plan_emit_op(p, FTP_PASSES(FTP_PASS_FORWARD) | FTP_PASSES(FTP_PASS_EVAL), op,
		(struct ftp_ref[]){p->values[node->in[0]].data, params[WEIGHT].at,
			p->values[node->out].data,
			node->conv.bias ? params[BIAS].at : (struct ftp_ref){0}},
		4);
	return ftp_plan_note(p, node, "fwd", ftp_onednn_name(op), err);
}

static void emit_accumulate(struct ftp_plan *p, const struct ftp_param *param, struct ftp_ref from)
{
	const struct ftp_ref sum = {FTP_SPACE_GRADIENT, param->at.at};

	ftp_plan_emit_add(p, FTP_PASSES(FTP_PASS_BACKWARD), sum, sum, from, param->floats);
}

/* Into scratch, then added: oneDNN accepts a sum post-op here and ignores it. */
static int backward_weights(
	struct ftp_plan *p, struct ftp_node *node, struct ftp_ref dz, struct ftp_error *err)
{
	const struct ftp_param *params = &p->program->params[node->first_param];
	struct ftp_ref dw = ftp_plan_acquire(p, params[WEIGHT].floats), db = {0};
	struct ftp_onednn_op *op;
	int code;

	if (node->conv.bias)
		db = ftp_plan_acquire(p, params[BIAS].floats);
	code = ftp_onednn_conv_backward_weights(
		p->program->onednn, &node->conv, node->weights, &op, err);
	if (code)
		return ftp_error_prefix(err, code, "%s", node->name);
	ftp_plan_emit_op(p, FTP_PASSES(FTP_PASS_BACKWARD), op,
		(struct ftp_ref[]){p->values[node->in[0]].data, dz, dw, db}, 4);
	emit_accumulate(p, &params[WEIGHT], dw);
	ftp_plan_release(p, dw);
	if (node->conv.bias) {
		emit_accumulate(p, &params[BIAS], db);
		ftp_plan_release(p, db);
	}
	return ftp_plan_note(p, node, "bwd_weights", ftp_onednn_name(op), err);
}

static void make_copy(const struct ftp_param *p, float *kept, float *copy, void *scratchpad)
{
	ftp_onednn_run(p->to_copy, (float *[]){kept, copy}, scratchpad);
}

static int backward_data(
	struct ftp_plan *p, struct ftp_node *node, struct ftp_ref dz, struct ftp_error *err)
{
	struct ftp_param *weight = &p->program->params[node->first_param + WEIGHT];
	struct ftp_onednn *d = p->program->onednn;
	struct ftp_ref dx = ftp_plan_target(p, node->in[0]), from = weight->at;
	struct ftp_onednn_layout *wanted;
	struct ftp_onednn_op *op;
	int code = ftp_onednn_conv_backward_data(d, &node->conv, &wanted, &op, err);

	if (!code && !ftp_onednn_layout_equal(wanted, node->weights)) {
		code = ftp_onednn_reorder(d, node->weights, wanted, &weight->to_copy, err);
		ftp_plan_copy(
			p, weight, make_copy, ftp_onednn_layout_bytes(wanted) / sizeof(float));
		from = weight->copy;
		if (!code)
			ftp_plan_emit_op(p, 0, weight->to_copy, NULL, 0);
	}
	if (code)
		return ftp_error_prefix(err, code, "%s", node->name);
	ftp_plan_emit_op(p, FTP_PASSES(FTP_PASS_BACKWARD), op, (struct ftp_ref[]){dz, from, dx}, 3);
	ftp_plan_contribute(p, node->in[0], dx);
	return ftp_plan_note(p, node, "bwd_data", ftp_onednn_name(op), err);
}

int ftp_op_conv_backward(struct ftp_plan *p, struct ftp_node *node, struct ftp_error *err)
{
	struct ftp_ref dz = ftp_op_elementwise_masked_grad(p, node);
	int code = backward_weights(p, node, dz, err);

	if (!code && p->values[node->in[0]].wants_grad)
		code = backward_data(p, node, dz, err);
	ftp_plan_release(p, dz);
	return code;
}
