/* Any layer by the naive reference: same values and memory as the fast ops, nothing absorbed,
 * tensors kept dense. */
#include <stdlib.h>
#include <string.h>

#include "kernels/ops.h"

/* Order of a reference step's refs. */
enum {
	SRC,
	DST = SRC + 2,
	DST_GRAD,
	SRC_GRAD,
	TENSOR = SRC_GRAD + 2,
	GRADIENT = TENSOR + 4,
	LABELS = GRADIENT + 4,
	N_REFS,
};
_Static_assert(N_REFS <= FTP_STEP_REFS, "a step has no room for its refs");

static struct ftp_reference_args bind(struct ftp_run *r, const struct ftp_step *t, float *const *p)
{
	struct ftp_reference_args a = *t->reference;

	for (int i = 0; i < 2; i++) {
		a.src[i].data = p[SRC + i];
		a.src_grad[i].data = p[SRC_GRAD + i];
	}
	a.dst.data = p[DST];
	a.dst_grad.data = p[DST_GRAD];
	for (int i = 0; i < 4; i++) {
		a.tensors[i] = p[TENSOR + i];
		a.gradients[i] = p[GRADIENT + i];
	}
	a.labels = (const int32_t *)p[LABELS];
	a.loss = &r->loss->sum;
	a.n_correct = &r->loss->n_correct;
	a.n_samples = &r->loss->n_samples;
	return a;
}

static void run_forward(struct ftp_run *r, const struct ftp_step *t, float *const *p)
{
	struct ftp_reference_args a = bind(r, t, p);

	a.training = true;
	ftp_reference_table[a.layer->kind].forward(&a);
}

static void run_eval(struct ftp_run *r, const struct ftp_step *t, float *const *p)
{
	struct ftp_reference_args a = bind(r, t, p);

	ftp_reference_table[a.layer->kind].forward(&a);
}

static void run_backward(struct ftp_run *r, const struct ftp_step *t, float *const *p)
{
	struct ftp_reference_args a = bind(r, t, p);
	const struct ftp_reference *ref = &ftp_reference_table[a.layer->kind];
	bool wanted = false;

	a.training = true;
	for (int i = 0; i < 2; i++) {
		if (!a.src_grad[i].data)
			continue;
		wanted = true;
		memset(a.src_grad[i].data, 0,
			ftp_layout_floats(
				a.src_grad[i].shape, a.src_grad[i].n, a.src_grad[i].block == 1) *
				sizeof(float));
	}
	if (ref->backward_weights)
		ref->backward_weights(&a);
	if (wanted)
		ref->backward_data(&a);
}

static struct ftp_view view(const struct ftp_plan *p, int value)
{
	const struct ftp_value *v = &p->values[value];

	return (struct ftp_view){NULL, v->shape, p->spec->micro_batch, v->dense ? 1 : FTP_BLOCK};
}

static void init_args(
	const struct ftp_plan *p, const struct ftp_node *node, struct ftp_reference_args *a)
{
	a->layer = node->layer;
	a->loss_scale = 1.0 / p->spec->batch;
	for (int i = 0; i < 2; i++)
		if (node->in[i] >= 0)
			a->src[i] = a->src_grad[i] = view(p, node->in[i]);
	if (node->out >= 0)
		a->dst = a->dst_grad = view(p, node->out);
}

static struct ftp_step step(struct ftp_plan *p, const struct ftp_node *node)
{
	struct ftp_step t = {.reference = &p->program->references[node - p->nodes]};

	for (int i = 0; i < 2; i++)
		if (node->in[i] >= 0)
			t.refs[SRC + i] = p->values[node->in[i]].data;
	if (node->out >= 0)
		t.refs[DST] = p->values[node->out].data;
	for (int i = 0; i < node->layer->n_tensors; i++) {
		struct ftp_ref at = p->program->params[node->first_param + i].at;

		t.refs[TENSOR + i] = at;
		if (at.space == FTP_SPACE_PARAM)
			t.refs[GRADIENT + i] = (struct ftp_ref){FTP_SPACE_GRADIENT, at.at};
	}
	t.refs[LABELS] = p->program->labels;
	return t;
}

int ftp_op_reference_forward(struct ftp_plan *p, struct ftp_node *node, struct ftp_error *err)
{
	struct ftp_step t;

	for (int i = 0; i < node->layer->n_tensors; i++) {
		struct ftp_param *param = ftp_plan_param(p, node, i);

		ftp_plan_place(p, param, param->tensor->n_elements);
	}
	t = step(p, node);
	init_args(p, node, t.reference);
	t.run = run_forward;
	ftp_plan_emit(p, FTP_PASSES(FTP_PASS_FORWARD), &t);
	t.run = run_eval;
	ftp_plan_emit(p, FTP_PASSES(FTP_PASS_EVAL), &t);
	return ftp_plan_note(p, node, "fwd", "reference", err);
}

int ftp_op_reference_backward(struct ftp_plan *p, struct ftp_node *node, struct ftp_error *err)
{
	struct ftp_step t = step(p, node);

	(void)err;
	t.run = run_backward;
	if (node->out >= 0)
		t.refs[DST_GRAD] = ftp_plan_grad(p, node->out);
	for (int i = 0; i < 2; i++)
		if (node->in[i] >= 0 && p->values[node->in[i]].wants_grad)
			t.refs[SRC_GRAD + i] = ftp_plan_target(p, node->in[i]);
	ftp_plan_emit(p, FTP_PASSES(FTP_PASS_BACKWARD), &t);
	for (int i = 0; i < 2; i++)
		if (t.refs[SRC_GRAD + i].space != FTP_SPACE_NONE)
			ftp_plan_contribute(p, node->in[i], t.refs[SRC_GRAD + i]);
	return 0;
}
