/* ReLU, ReLU6 and the addition where no other layer absorbs them. */
#include <math.h>

#include "kernels/elementwise.h"
#include "kernels/ops.h"

#define BOTH_FORWARD (FTP_PASSES(FTP_PASS_FORWARD) | FTP_PASSES(FTP_PASS_EVAL))

static void run_clip(struct ftp_run *r, const struct ftp_step *t, float *const *p)
{
	(void)r;
	ftp_elementwise_clip(p[0], p[1], t->elementwise.upper, t->elementwise.n);
}

static void run_clip_backward(struct ftp_run *r, const struct ftp_step *t, float *const *p)
{
	(void)r;
	ftp_elementwise_clip_backward(p[0], p[1], p[2], t->elementwise.upper, t->elementwise.n);
}

static float upper_of(const struct ftp_layer *l)
{
	return l->kind == FTP_LAYER_RELU6 ? 6 : INFINITY;
}

int ftp_op_elementwise_clip_forward(
	struct ftp_plan *p, struct ftp_node *node, struct ftp_error *err)
{
	struct ftp_step t = {.run = run_clip,
		.refs = {p->values[node->out].data, p->values[node->in[0]].data},
		.elementwise = {
			.n = ftp_plan_value_floats(p, node->out), .upper = upper_of(node->layer)}};

	ftp_plan_emit(p, BOTH_FORWARD, &t);
	return ftp_plan_note(p, node, "fwd", "own", err);
}

int ftp_op_elementwise_clip_backward(
	struct ftp_plan *p, struct ftp_node *node, struct ftp_error *err)
{
	struct ftp_ref dx;
	struct ftp_step t = {.run = run_clip_backward,
		.elementwise = {
			.n = ftp_plan_value_floats(p, node->out), .upper = upper_of(node->layer)}};

	(void)err;
	if (!p->values[node->in[0]].wants_grad)
		return 0;
	dx = ftp_plan_target(p, node->in[0]);
	t.refs[0] = dx;
	t.refs[1] = p->values[node->out].data;
	t.refs[2] = ftp_plan_grad(p, node->out);
	ftp_plan_emit(p, FTP_PASSES(FTP_PASS_BACKWARD), &t);
	ftp_plan_contribute(p, node->in[0], dx);
	return 0;
}

int ftp_op_elementwise_add_forward(struct ftp_plan *p, struct ftp_node *node, struct ftp_error *err)
{
	ftp_plan_emit_add(p, BOTH_FORWARD, p->values[node->out].data, p->values[node->in[0]].data,
		p->values[node->in[1]].data, ftp_plan_value_floats(p, node->out));
	return ftp_plan_note(p, node, "fwd", "own", err);
}

/* Both operands get the very gradient: no pass at all. */
int ftp_op_elementwise_add_backward(
	struct ftp_plan *p, struct ftp_node *node, struct ftp_error *err)
{
	struct ftp_ref dy = ftp_plan_grad(p, node->out);

	(void)err;
	for (int i = 0; i < 2; i++) {
		if (!p->values[node->in[i]].wants_grad)
			continue;
		ftp_plan_retain(p, dy);
		ftp_plan_contribute(p, node->in[i], dy);
	}
	return 0;
}

struct ftp_ref ftp_op_elementwise_masked_grad(struct ftp_plan *p, const struct ftp_node *node)
{
	struct ftp_ref dy = ftp_plan_grad(p, node->out);
	struct ftp_step t = {.run = run_clip_backward,
		.elementwise = {.n = ftp_plan_value_floats(p, node->out), .upper = INFINITY}};
	struct ftp_ref dz = dy;

	if (node->act == FTP_ACT_NONE || ftp_plan_is_sole(p, dy))
		ftp_plan_retain(p, dy);
	else
		dz = ftp_plan_acquire(p, ftp_plan_value_floats(p, node->out));
	if (node->act == FTP_ACT_NONE)
		return dz;
	t.refs[0] = dz;
	t.refs[1] = p->values[node->out].data;
	t.refs[2] = dy;
	ftp_plan_emit(p, FTP_PASSES(FTP_PASS_BACKWARD), &t);
	return dz;
}
