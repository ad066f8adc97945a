/* Spans: when each task of a few steps ran, once a plan, for a picture of the pipeline: the third
 * to the sixth step of the plan, evaluation apart, as many tasks as fit. Pure; one thread. Nothing
 * is allocated between begin() and take(). */
#ifndef FTP_RUNTIME_SPANS_H
#define FTP_RUNTIME_SPANS_H

#include "ctl/protocol.h"
#include "runtime/schedule.h"

struct ftp_spans {
	uint64_t first_step, end_step; /* recorded: [first_step, end_step) */
	struct ftp_trace *trace;       /* owned; NULL: taken, or no plan yet */
	bool complete;
};

/* A plan of this term begins with first_step. */
void ftp_spans_begin(struct ftp_spans *s, uint64_t term, uint64_t first_step);
void ftp_spans_deinit(struct ftp_spans *s);

void ftp_spans_add(
	struct ftp_spans *s, const struct ftp_task *task, uint64_t began_ns, uint64_t ended_ns);

/* Once, when the last of those steps has ended, or training has: given, free() it. NULL else, and
 * when no task was recorded. */
struct ftp_trace *ftp_spans_take(struct ftp_spans *s, bool training_has_ended);

#endif
