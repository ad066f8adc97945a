#include "runtime/sequence.h"

static bool evaluates_after(const struct ftp_sequence *s, uint64_t step)
{
	if (!s->n_eval)
		return false;
	return step == s->last_step || (s->eval_every && step % s->eval_every == 0);
}

/* Evaluations before the first micro-batch of step. */
static uint64_t n_evals_before(const struct ftp_sequence *s, uint64_t step)
{
	if (!s->n_eval || !s->eval_every)
		return 0;
	return (step - 1) / s->eval_every - (s->first_step - 1) / s->eval_every;
}

struct ftp_item ftp_sequence_first(const struct ftp_sequence *s)
{
	return (struct ftp_item){.index = 0, .step = s->first_step};
}

struct ftp_item ftp_sequence_next(const struct ftp_sequence *s, struct ftp_item item)
{
	item.index++;
	item.micro++;
	if (item.micro < (item.eval ? s->n_eval : s->n_micro))
		return item;
	item.micro = 0;
	item.eval = !item.eval && evaluates_after(s, item.step);
	if (item.eval)
		return item;
	item.end = item.step == s->last_step;
	item.step++;
	return item;
}

uint64_t ftp_sequence_index(const struct ftp_sequence *s, bool eval, uint64_t step, uint32_t micro)
{
	uint64_t index;

	if (step < s->first_step || step > s->last_step)
		return UINT64_MAX;
	if (eval ? micro >= s->n_eval || !evaluates_after(s, step) : micro >= s->n_micro)
		return UINT64_MAX;
	index = (step - s->first_step) * s->n_micro + n_evals_before(s, step) * s->n_eval;
	return index + (eval ? s->n_micro : 0) + micro;
}

uint64_t ftp_sequence_drained_before(const struct ftp_sequence *s, uint64_t step)
{
	uint64_t drained = 0;

	if (s->n_eval && s->eval_every)
		drained = (step - 1) / s->eval_every * s->eval_every;
	return drained < s->first_step ? s->first_step - 1 : drained;
}

uint64_t ftp_sequence_drains_at(const struct ftp_sequence *s, uint64_t step)
{
	uint64_t drains = s->last_step;

	if (s->n_eval && s->eval_every)
		drains = ((step - 1) / s->eval_every + 1) * s->eval_every;
	return drains < s->last_step ? drains : s->last_step;
}
