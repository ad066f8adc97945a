/* Softmax cross-entropy, the last layer of a model. */
#include "kernels/loss.h"
#include "kernels/ops.h"

static void run_forward(struct ftp_run *r, const struct ftp_step *t, float *const *p)
{
	struct ftp_loss loss = ftp_loss_forward(p[0], (const int32_t *)p[1], t->loss.n, t->loss.c);

	*r->loss = (struct ftp_stage_loss){loss.sum, loss.n_correct, loss.n_samples};
}

static void run_backward(struct ftp_run *r, const struct ftp_step *t, float *const *p)
{
	(void)r;
	ftp_loss_backward(p[0], (const int32_t *)p[1], t->loss.n, t->loss.c, t->loss.scale, p[2]);
}

static struct ftp_step step(const struct ftp_plan *p, const struct ftp_node *node)
{
	return (struct ftp_step){.refs = {p->values[node->in[0]].data, p->program->labels},
		.loss = {.n = p->spec->micro_batch,
			.c = node->layer->src.c,
			.scale = 1.0f / (float)p->spec->batch}};
}

int ftp_op_loss_forward(struct ftp_plan *p, struct ftp_node *node, struct ftp_error *err)
{
	struct ftp_step t = step(p, node);

	t.run = run_forward;
	ftp_plan_emit(p, FTP_PASSES(FTP_PASS_FORWARD) | FTP_PASSES(FTP_PASS_EVAL), &t);
	return ftp_plan_note(p, node, "fwd", "own", err);
}

int ftp_op_loss_backward(struct ftp_plan *p, struct ftp_node *node, struct ftp_error *err)
{
	struct ftp_step t = step(p, node);

	(void)err;
	t.run = run_backward;
	t.refs[2] = ftp_plan_target(p, node->in[0]);
	ftp_plan_emit(p, FTP_PASSES(FTP_PASS_BACKWARD), &t);
	ftp_plan_contribute(p, node->in[0], t.refs[2]);
	return 0;
}
