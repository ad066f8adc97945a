/* Worker: the thread that trains a stage. It owns the stage, the pipeline and (folded) the net
 * loop; the control thread talks to it through two rings.
 *
 * Its life: idle -> connecting -> prepared -> training -> gathering -> finished, or failed from
 * anywhere; ends when it is told to stop. Every wait inside has a deadline or ends with a lost
 * link.
 */
#ifndef FTP_RUNTIME_WORKER_H
#define FTP_RUNTIME_WORKER_H

#include "ctl/protocol.h"
#include "kernels/model.h"
#include "runtime/base/region.h"
#include "runtime/dataset.h"
#include "runtime/measures.h"
#include "runtime/node_metrics.h"

struct ftp_worker_params { /* all lent until ftp_worker_stop() */
	const struct ftp_config *config;
	int node; /* index in the config */
	const struct ftp_model *model;
	const struct ftp_dataset *dataset; /* NULL where the node has no data */
	struct ftp_region *region;
	struct ftp_node_metrics *metrics;
	const char *run_dir; /* the central node writes model.safetensors there */
	int net_core;	     /* -1: the net loop is folded into the worker's */
	bool is_drill;	     /* links may be told to emulate later */
};

enum ftp_command_kind {
	FTP_COMMAND_PROFILE,
	FTP_COMMAND_PREPARE,
	FTP_COMMAND_COMMIT,
	FTP_COMMAND_EMULATE,
};

struct ftp_command {
	enum ftp_command_kind kind;
	char isa[16];		    /* PROFILE */
	struct ftp_plan *plan;	    /* PREPARE; taken, from malloc */
	struct ftp_emulate emulate; /* EMULATE: from now on */
};

enum ftp_outcome_kind {
	FTP_OUTCOME_PROFILED,
	FTP_OUTCOME_PREPARED,
	FTP_OUTCOME_STEP,      /* last stage: one row of loss.csv */
	FTP_OUTCOME_EVALUATED, /* last stage */
	FTP_OUTCOME_TRACED,
	FTP_OUTCOME_FINISHED,
	FTP_OUTCOME_FAILED,
};

struct ftp_outcome {
	enum ftp_outcome_kind kind;
	uint64_t step;
	double loss;
	uint64_t n_correct, n_samples;
	uint64_t memory_bytes;	     /* PREPARED: of the stage's tensors */
	double train_s;		     /* FINISHED */
	struct ftp_profile *profile; /* PROFILED; given, free() it */
	struct ftp_trace *trace;     /* TRACED; likewise */
	char *text;		     /* FAILED: the reason; FINISHED on the central node: the
					params digest; given, free() it */
};

struct ftp_worker; /* opaque */

int ftp_worker_start(
	struct ftp_worker **out, const struct ftp_worker_params *params, struct ftp_error *err);

/* Ends the thread after at most one primitive, closes every link, joins and frees. */
void ftp_worker_stop(struct ftp_worker *w);

/* Control thread. A command is refused with -EBUSY while 4 others wait. */
int ftp_worker_command(struct ftp_worker *w, const struct ftp_command *c);
bool ftp_worker_outcome(struct ftp_worker *w, struct ftp_outcome *o);
bool ftp_worker_measure(struct ftp_worker *w, struct ftp_measure *m);

/* Armed by the control thread before it polls; rings when an outcome comes. */
struct ftp_waker;
struct ftp_waker *ftp_worker_waker(struct ftp_worker *w);

#endif
