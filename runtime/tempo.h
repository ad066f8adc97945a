/* Tempo: runs a pipeline's tasks in real time, one primitive a turn, under the node's throttle, and
 * keeps how long they took: per step, and one by one for a few steps of each plan.
 *
 * A task's time goes from the begin of its first primitive to its end, with what the throttle adds
 * and with the network served between primitives; never with waiting for its input. The CPU time
 * that the throttle multiplies is the worker thread's own: with training.threads above 1 the other
 * threads' time is not slowed down by itself, only as far as they work in step.
 *
 * The worker's thread. Nothing is allocated while a plan is trained.
 */
#ifndef FTP_RUNTIME_TEMPO_H
#define FTP_RUNTIME_TEMPO_H

#include "runtime/pipeline.h"
#include "runtime/spans.h"
#include "runtime/throttle.h"

#define FTP_TEMPO_STEPS 128 /* that can be under way at once on a stage, and more */

enum ftp_tempo_turn {
	FTP_TEMPO_IDLE,	     /* no task can run */
	FTP_TEMPO_COMPUTED,  /* a primitive ran, or a task ended */
	FTP_TEMPO_THROTTLED, /* the task under way waits for ftp_tempo_resume_ns() */
};

struct ftp_tempo {
	struct ftp_throttle throttle;
	struct ftp_spans spans;
	bool under_way, has_run; /* a task; all its primitives */
	uint64_t began_ns, resume_ns;
	struct {
		uint64_t step, ns;
	} steps[FTP_TEMPO_STEPS];
};

/* t is zero. Nobody is slow before ftp_tempo_slow(). */
void ftp_tempo_init(struct ftp_tempo *t);
void ftp_tempo_deinit(struct ftp_tempo *t);

/* The tasks of a new plan come; those of the old one are forgotten, the slowdown is not. */
void ftp_tempo_restart(struct ftp_tempo *t, uint64_t term, uint64_t first_step);

enum ftp_tempo_turn ftp_tempo_turn(struct ftp_tempo *t, struct ftp_pipeline *p, uint64_t now_ns);

/* At once, also for the task under way. */
void ftp_tempo_slow(struct ftp_tempo *t, double slowdown, uint64_t now_ns);

/* When a throttled task goes on; 0: no task is throttled. */
static inline uint64_t ftp_tempo_resume_ns(const struct ftp_tempo *t)
{
	return t->resume_ns;
}

/* Time of the step's tasks on this stage, evaluation apart; given once, after its update. */
uint64_t ftp_tempo_take_step(struct ftp_tempo *t, uint64_t step);

#endif
