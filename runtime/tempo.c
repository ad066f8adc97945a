#include "runtime/tempo.h"

#include <string.h>

#include "runtime/base/clock.h"

void ftp_tempo_init(struct ftp_tempo *t)
{
	ftp_throttle_init(&t->throttle, 1);
}

void ftp_tempo_deinit(struct ftp_tempo *t)
{
	ftp_spans_deinit(&t->spans);
}

void ftp_tempo_restart(struct ftp_tempo *t, uint64_t term, uint64_t first_step)
{
	t->under_way = t->has_run = false;
	t->resume_ns = 0;
	memset(t->steps, 0, sizeof(t->steps));
	ftp_spans_begin(&t->spans, term, first_step);
}

static void add(struct ftp_tempo *t, const struct ftp_item *item, uint64_t ns)
{
	uint64_t i = item->step % FTP_TEMPO_STEPS;

	if (item->eval)
		return;
	if (t->steps[i].step != item->step)
		t->steps[i].ns = 0;
	t->steps[i].step = item->step;
	t->steps[i].ns += ns;
}

static void finish(struct ftp_tempo *t, struct ftp_pipeline *p)
{
	uint64_t now_ns = ftp_clock_now_ns();
	const struct ftp_task task = *ftp_pipeline_task(p);

	ftp_pipeline_finish(p, now_ns);
	add(t, &task.item, now_ns - t->began_ns);
	ftp_spans_add(&t->spans, &task, t->began_ns, now_ns);
	t->under_way = t->has_run = false;
}

enum ftp_tempo_turn ftp_tempo_turn(struct ftp_tempo *t, struct ftp_pipeline *p, uint64_t now_ns)
{
	bool slow = ftp_throttle_is_on(&t->throttle);
	uint64_t cpu_ns = slow ? ftp_clock_thread_cpu_ns() : 0;
	enum ftp_pipeline_work work;

	if (now_ns < t->resume_ns)
		return FTP_TEMPO_THROTTLED;
	t->resume_ns = 0;
	if (t->has_run) {
		finish(t, p);
		return FTP_TEMPO_COMPUTED;
	}
	work = ftp_pipeline_run(p);
	if (work == FTP_PIPELINE_IDLE)
		return FTP_TEMPO_IDLE;
	if (!t->under_way) {
		t->under_way = true;
		t->began_ns = now_ns;
		ftp_throttle_begin(&t->throttle, now_ns);
	}
	t->has_run = work == FTP_PIPELINE_TASK_DONE;
	if (slow)
		t->resume_ns = ftp_throttle_resume_ns(&t->throttle,
			ftp_clock_thread_cpu_ns() - cpu_ns, t->has_run, ftp_clock_now_ns());
	if (t->has_run && !t->resume_ns)
		finish(t, p);
	return FTP_TEMPO_COMPUTED;
}

void ftp_tempo_slow(struct ftp_tempo *t, double slowdown, uint64_t now_ns)
{
	ftp_throttle_set(&t->throttle, slowdown, now_ns);
	t->resume_ns = 0;
}

uint64_t ftp_tempo_take_step(struct ftp_tempo *t, uint64_t step)
{
	uint64_t i = step % FTP_TEMPO_STEPS, ns = t->steps[i].ns;

	if (t->steps[i].step != step)
		return 0;
	t->steps[i].ns = 0;
	return ns;
}
