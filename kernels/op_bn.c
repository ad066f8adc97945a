/* Batch norm with the residual and the activation that it absorbs. */
#include "kernels/ops.h"

enum { GAMMA, BETA, MEAN, VAR };

static struct ftp_bnact config(const struct ftp_plan *p, const struct ftp_node *node)
{
	struct ftp_shape s = node->layer->src;

	return (struct ftp_bnact){.n = p->spec->micro_batch,
		.c = s.c,
		.hw = s.h * s.w,
		.act = node->act,
		.eps = (float)FTP_BN_EPS,
		.momentum = (float)FTP_BN_MOMENTUM};
}

static void run_forward(struct ftp_run *r, const struct ftp_step *t, float *const *p)
{
	(void)r;
	ftp_bnact_forward(&t->bnact, p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7], p[8]);
}

static void run_eval(struct ftp_run *r, const struct ftp_step *t, float *const *p)
{
	(void)r;
	ftp_bnact_eval(&t->bnact, p[0], p[1], p[2], p[3], p[4], p[7], p[8]);
}

static void run_backward(struct ftp_run *r, const struct ftp_step *t, float *const *p)
{
	(void)r;
	ftp_bnact_backward(
		&t->bnact, p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7], p[8], p[9], p[10]);
}

int ftp_op_bn_forward(struct ftp_plan *p, struct ftp_node *node, struct ftp_error *err)
{
	size_t c = (size_t)ftp_layout_pad(node->layer->src.c);
	struct ftp_step t = {.run = run_forward, .bnact = config(p, node)};
	struct ftp_ref at[4];

	for (int i = 0; i < 4; i++) {
		struct ftp_param *param = ftp_plan_param(p, node, i);

		ftp_plan_place(p, param, c);
		at[i] = param->at;
	}
	node->saved[0] = ftp_plan_slot(p, c);
	node->saved[1] = ftp_plan_slot(p, c);
	t.refs[0] = p->values[node->in[0]].data;
	t.refs[1] = at[GAMMA];
	t.refs[2] = at[BETA];
	if (node->in[1] >= 0)
		t.refs[3] = p->values[node->in[1]].data;
	t.refs[4] = p->values[node->out].data;
	t.refs[5] = node->saved[0];
	t.refs[6] = node->saved[1];
	t.refs[7] = at[MEAN];
	t.refs[8] = at[VAR];
	ftp_plan_emit(p, FTP_PASSES(FTP_PASS_FORWARD), &t);
	t.run = run_eval;
	ftp_plan_emit(p, FTP_PASSES(FTP_PASS_EVAL), &t);
	return ftp_plan_note(p, node, "fwd", "own", err);
}

int ftp_op_bn_backward(struct ftp_plan *p, struct ftp_node *node, struct ftp_error *err)
{
	struct ftp_ref gamma = p->program->params[node->first_param + GAMMA].at;
	struct ftp_ref beta = p->program->params[node->first_param + BETA].at;
	struct ftp_ref dy = ftp_plan_grad(p, node->out), dz, residual = {0};
	struct ftp_step t = {.run = run_backward, .bnact = config(p, node)};
	bool has_residual = node->in[1] >= 0 && p->values[node->in[1]].wants_grad;
	bool masked = node->act != FTP_ACT_NONE;

	(void)err;
	/* Without an activation the residual's gradient is dy itself. */
	if (has_residual && !masked) {
		ftp_plan_retain(p, dy);
		ftp_plan_contribute(p, node->in[1], dy);
	} else if (has_residual) {
		residual = ftp_plan_target(p, node->in[1]);
	}
	if (ftp_plan_is_sole(p, dy) && p->values[node->in[0]].n_uses == 1 &&
		p->values[node->in[0]].boundary.space == FTP_SPACE_NONE) {
		ftp_plan_retain(p, dy);
		dz = dy;
	} else {
		dz = ftp_plan_target(p, node->in[0]);
	}
	t.refs[0] = p->values[node->in[0]].data;
	if (masked && node->in[1] >= 0)
		t.refs[1] = p->values[node->out].data;
	t.refs[2] = dy;
	t.refs[3] = gamma;
	t.refs[4] = beta;
	t.refs[5] = node->saved[0];
	t.refs[6] = node->saved[1];
	t.refs[7] = dz;
	t.refs[8] = residual;
	t.refs[9] = (struct ftp_ref){FTP_SPACE_GRADIENT, gamma.at};
	t.refs[10] = (struct ftp_ref){FTP_SPACE_GRADIENT, beta.at};
	ftp_plan_emit(p, FTP_PASSES(FTP_PASS_BACKWARD), &t);
	if (has_residual && masked)
		ftp_plan_contribute(p, node->in[1], residual);
	ftp_plan_contribute(p, node->in[0], dz);
	return 0;
}
