/* Fully connected layers as matrix products. The weights are kept [outputs padded][inputs], inputs
 * in the order in which the source lies in memory, so that a blocked source needs no reorder. The
 * weight gradient is added up by the product itself (matmul honours sum; inner_product's backward
 * accepts it and ignores it). */
#include <string.h>

#include "kernels/elementwise.h"
#include "kernels/ops.h"

enum { WEIGHT, BIAS };

/* Where column i of the dense row lies in the kept row. */
static size_t kept_column(const struct ftp_shape *s, int i)
{
	int hw = s->h * s->w, c = i / hw;

	return ((size_t)(c / FTP_BLOCK * hw) + (size_t)(i % hw)) * FTP_BLOCK +
	       (size_t)(c % FTP_BLOCK);
}

static void pack(
	const struct ftp_param *p, const float *dense, float *kept, float *temp, void *scratchpad)
{
	(void)temp;
	(void)scratchpad;
	memset(kept, 0, p->floats * sizeof(*kept));
	for (int o = 0; o < p->rows; o++)
		for (int i = 0; i < p->columns; i++)
			kept[(size_t)o * (size_t)p->row_floats +
				(p->src.c ? kept_column(&p->src, i) : (size_t)i)] =
				dense[(size_t)o * (size_t)p->columns + (size_t)i];
}

static void unpack(
	const struct ftp_param *p, const float *kept, float *dense, float *temp, void *scratchpad)
{
	(void)temp;
	(void)scratchpad;
	for (int o = 0; o < p->rows; o++)
		for (int i = 0; i < p->columns; i++)
			dense[(size_t)o * (size_t)p->columns + (size_t)i] =
				kept[(size_t)o * (size_t)p->row_floats +
					(p->src.c ? kept_column(&p->src, i) : (size_t)i)];
}

static int row_floats(const struct ftp_value *v)
{
	return (int)ftp_layout_floats(v->shape, 1, v->dense);
}

static struct ftp_ref gradient_of(struct ftp_ref param)
{
	return (struct ftp_ref){FTP_SPACE_GRADIENT, param.at};
}

int ftp_op_fc_forward(struct ftp_plan *p, struct ftp_node *node, struct ftp_error *err)
{
	const struct ftp_value *src = &p->values[node->in[0]], *dst = &p->values[node->out];
	struct ftp_param *weight = ftp_plan_param(p, node, WEIGHT);
	struct ftp_param *bias = ftp_plan_param(p, node, BIAS);
	int k = row_floats(src), o = row_floats(dst), code;
	const struct ftp_onednn_matmul m = {.m = p->spec->micro_batch,
		.n = o,
		.k = k,
		.a_strides = {k, 1},
		.b_strides = {1, k},
		.c_strides = {o, 1},
		.bias = true,
		.relu = node->act == FTP_ACT_RELU};
	struct ftp_onednn_op *op;

	weight->pack = pack;
	weight->unpack = unpack;
	weight->rows = node->layer->dst.c;
	weight->columns = (int)weight->tensor->n_elements / weight->rows;
	weight->row_floats = k;
	if (!src->dense)
		weight->src = src->shape;
	ftp_plan_place(p, weight, (size_t)ftp_layout_pad(o) * (size_t)k);
	ftp_plan_place(p, bias, (size_t)o);
	code = ftp_onednn_matmul(p->program->onednn, &m, &op, err);
	if (code)
		return ftp_error_prefix(err, code, "%s", node->name);
	ftp_plan_emit_op(p, FTP_PASSES(FTP_PASS_FORWARD) | FTP_PASSES(FTP_PASS_EVAL), op,
		(struct ftp_ref[]){src->data, weight->at, dst->data, bias->at}, 4);
	return ftp_plan_note(p, node, "fwd", ftp_onednn_name(op), err);
}

static void run_bias(struct ftp_run *r, const struct ftp_step *t, float *const *p)
{
	(void)r;
	ftp_elementwise_sum_rows(
		p[0], p[1], t->elementwise.rows, t->elementwise.n, t->elementwise.n);
}

static int backward_weights(
	struct ftp_plan *p, struct ftp_node *node, struct ftp_ref dz, struct ftp_error *err)
{
	const struct ftp_value *src = &p->values[node->in[0]];
	const struct ftp_param *params = &p->program->params[node->first_param];
	int k = row_floats(src), o = row_floats(&p->values[node->out]), code;
	const struct ftp_onednn_matmul m = {.m = o,
		.n = k,
		.k = p->spec->micro_batch,
		.a_strides = {1, o},
		.b_strides = {k, 1},
		.c_strides = {k, 1},
		.accumulate = true};
	const struct ftp_step bias = {.run = run_bias,
		.refs = {gradient_of(params[BIAS].at), dz},
		.elementwise = {.rows = (size_t)p->spec->micro_batch, .n = (size_t)o}};
	struct ftp_onednn_op *op;

	code = ftp_onednn_matmul(p->program->onednn, &m, &op, err);
	if (code)
		return ftp_error_prefix(err, code, "%s", node->name);
	ftp_plan_emit_op(p, FTP_PASSES(FTP_PASS_BACKWARD), op,
		(struct ftp_ref[]){dz, src->data, gradient_of(params[WEIGHT].at)}, 3);
	ftp_plan_emit(p, FTP_PASSES(FTP_PASS_BACKWARD), &bias);
	return ftp_plan_note(p, node, "bwd_weights", ftp_onednn_name(op), err);
}

static int backward_data(
	struct ftp_plan *p, struct ftp_node *node, struct ftp_ref dz, struct ftp_error *err)
{
	const struct ftp_param *params = &p->program->params[node->first_param];
	int k = row_floats(&p->values[node->in[0]]), o = row_floats(&p->values[node->out]), code;
	const struct ftp_onednn_matmul m = {.m = p->spec->micro_batch,
		.n = k,
		.k = o,
		.a_strides = {o, 1},
		.b_strides = {k, 1},
		.c_strides = {k, 1}};
	struct ftp_ref dx = ftp_plan_target(p, node->in[0]);
	struct ftp_onednn_op *op;

	code = ftp_onednn_matmul(p->program->onednn, &m, &op, err);
	if (code)
		return ftp_error_prefix(err, code, "%s", node->name);
	ftp_plan_emit_op(p, FTP_PASSES(FTP_PASS_BACKWARD), op,
		(struct ftp_ref[]){dz, params[WEIGHT].at, dx}, 3);
	ftp_plan_contribute(p, node->in[0], dx);
	return ftp_plan_note(p, node, "bwd_data", ftp_onednn_name(op), err);
}

int ftp_op_fc_backward(struct ftp_plan *p, struct ftp_node *node, struct ftp_error *err)
{
	struct ftp_ref dz = ftp_op_elementwise_masked_grad(p, node);
	int code = backward_weights(p, node, dz, err);

	if (!code && p->values[node->in[0]].wants_grad)
		code = backward_data(p, node, dz, err);
	ftp_plan_release(p, dz);
	return code;
}
