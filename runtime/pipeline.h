/* Pipeline: one stage's schedule bound to its executor and to the messages of its neighbours. What
 * it does depends only on calls and arrivals; it reads no clock, so the same code runs in a node
 * and, several in one process, in virtual time.
 *
 * Peers are stages: activations go to stage + 1, gradients to stage - 1, labels from stage 0 to the
 * last. One thread, the worker. Nothing is allocated after ftp_pipeline_new().
 */
#ifndef FTP_RUNTIME_PIPELINE_H
#define FTP_RUNTIME_PIPELINE_H

#include "kernels/optimizer.h"
#include "kernels/stage.h"
#include "runtime/feed.h"
#include "runtime/netloop.h"
#include "runtime/schedule.h"

struct ftp_pipeline_spec {
	struct ftp_stage *stage; /* lent */
	struct ftp_netloop *net; /* lent */
	struct ftp_feed *feed;	 /* lent; stage 0 only, else NULL */
	struct ftp_sequence sequence;
	struct ftp_lr_spec lr;
	uint64_t n_steps; /* of the whole run, for the learning rate */
	enum ftp_config_schedule schedule;
	uint64_t aggregate_every;    /* steps, 1f1b only; 0: never */
	uint32_t batch, micro_batch; /* samples */
	int n_stages, index;
	int first_unit, end_unit; /* also the names of the cuts */
};

enum ftp_pipeline_report_kind { FTP_REPORT_NONE, FTP_REPORT_STEP, FTP_REPORT_EVALUATED };

/* What the last stage learned. */
struct ftp_pipeline_report {
	enum ftp_pipeline_report_kind kind;
	uint64_t step;
	double loss; /* mean over the samples */
	uint64_t n_correct, n_samples;
};

struct ftp_pipeline; /* opaque */

/* The stage must have been built with ftp_schedule_n_slots() and ftp_schedule_n_versions(). */
struct ftp_pipeline *ftp_pipeline_new(const struct ftp_pipeline_spec *spec);
void ftp_pipeline_free(struct ftp_pipeline *p);

/* An event of the net loop. false: it is not the pipeline's. */
bool ftp_pipeline_event(struct ftp_pipeline *p, const struct ftp_netloop_event *e);

/* Gives free slots to the next items: posts their buffers, takes inputs from the feed. true: there
 * was something to do. */
bool ftp_pipeline_serve(struct ftp_pipeline *p, uint64_t now_ns);

enum ftp_pipeline_work {
	FTP_PIPELINE_IDLE,	/* no task can run */
	FTP_PIPELINE_RAN,	/* a primitive; its task has more */
	FTP_PIPELINE_TASK_DONE, /* the last primitive of its task: ftp_pipeline_finish() is next */
};

/* Runs at most one primitive. */
enum ftp_pipeline_work ftp_pipeline_run(struct ftp_pipeline *p);

/* Ends the task whose primitives have all run: sends what it produced. */
void ftp_pipeline_finish(struct ftp_pipeline *p, uint64_t now_ns);

/* A report stands until it is taken, and no new task starts meanwhile. */
struct ftp_pipeline_report ftp_pipeline_report(const struct ftp_pipeline *p);
void ftp_pipeline_take_report(struct ftp_pipeline *p);

/* What is under way: lent until the next call; kind NONE between tasks. */
const struct ftp_task *ftp_pipeline_task(const struct ftp_pipeline *p);

/* Training stops at a step boundary, as runtime/schedule.h says: ftp_schedule_hold() and the rest.
 * Held: also no report stands. A pipeline with first_step after the hold's can then go on from the
 * stages' states. */
uint64_t ftp_pipeline_hold(struct ftp_pipeline *p, uint64_t step);
bool ftp_pipeline_is_held(const struct ftp_pipeline *p);
void ftp_pipeline_resume(struct ftp_pipeline *p);

/* Every item is done and nothing is lent any more. */
bool ftp_pipeline_has_ended(const struct ftp_pipeline *p);
uint64_t ftp_pipeline_step(const struct ftp_pipeline *p); /* the last finished */

/* What the pipeline waits for, for people: "input of micro-batch 3 of step 12 from stage 0". */
void ftp_pipeline_describe(const struct ftp_pipeline *p, char *text, size_t bytes);

/* Messages that can be open on one connection at once. */
uint32_t ftp_pipeline_n_messages(int n_slots);

#endif
