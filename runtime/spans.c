#include "runtime/spans.h"

#include <stdlib.h>

#define N_SKIPPED 2 /* steps in which the pipeline fills and caches warm up */
#define N_STEPS	  4

void ftp_spans_begin(struct ftp_spans *s, uint64_t term, uint64_t first_step)
{
	ftp_spans_deinit(s);
	s->trace = calloc(1, sizeof(*s->trace));
	ftp_assert(s->trace);
	s->trace->term = term;
	s->first_step = first_step + N_SKIPPED;
	s->end_step = s->first_step + N_STEPS;
	s->complete = false;
}

void ftp_spans_deinit(struct ftp_spans *s)
{
	free(s->trace);
	s->trace = NULL;
}

void ftp_spans_add(
	struct ftp_spans *s, const struct ftp_task *task, uint64_t began_ns, uint64_t ended_ns)
{
	uint64_t step = task->item.step;
	struct ftp_trace *t = s->trace;

	if (!t || s->complete || task->item.eval || step < s->first_step || step >= s->end_step)
		return;
	t->task[t->n_spans] = (uint32_t)task->kind;
	t->micro[t->n_spans] = task->item.micro;
	t->step[t->n_spans] = step;
	t->begin_ns[t->n_spans] = began_ns;
	t->end_ns[t->n_spans] = ended_ns;
	t->n_spans++;
	s->complete = t->n_spans == FTP_TRACE_MAX_SPANS ||
		      (task->kind == FTP_TASK_UPDATE && step + 1 == s->end_step);
}

struct ftp_trace *ftp_spans_take(struct ftp_spans *s, bool training_has_ended)
{
	struct ftp_trace *t = s->trace;

	if (!t || !t->n_spans || !(s->complete || training_has_ended))
		return NULL;
	s->trace = NULL;
	return t;
}
