/* Worker: the thread that trains a stage. It owns the plan in force and the next one, their stages,
 * pipelines and (folded) net loops; the control thread talks to it through two rings.
 *
 * Its life over plans is runtime/transition.h's; it ends when it is told to stop. Every wait inside
 * has a deadline or ends with a lost link.
 */
#ifndef FTP_RUNTIME_WORKER_H
#define FTP_RUNTIME_WORKER_H

#include "ctl/protocol.h"
#include "kernels/model.h"
#include "runtime/base/recorder.h"
#include "runtime/base/region.h"
#include "runtime/dataset.h"
#include "runtime/measures.h"
#include "runtime/node_metrics.h"
#include "runtime/replicas.h"
#include "runtime/transition.h"

struct ftp_worker_params { /* all lent until ftp_worker_stop() */
	const struct ftp_config *config;
	int node; /* index in the config */
	const struct ftp_model *model;
	const struct ftp_dataset *dataset; /* NULL where the node has no data */
	struct ftp_region *region;
	struct ftp_node_metrics *metrics;
	const char *run_dir;	       /* model.safetensors and the checkpoint go there */
	int net_core;		       /* -1: the net loop is folded into the worker's */
	bool is_drill;		       /* links may be told to emulate later */
	struct ftp_recorder *recorder; /* NULL: none */
	uint32_t n_outcomes;	       /* that wait for the control thread, at most; 0: 4096 */
	struct ftp_disk *disk; /* for checkpoints; taken; NULL: the run directory's is opened */
};

enum ftp_command_kind {
	FTP_COMMAND_PROFILE, /* these two: while it has no plan; a failure is only theirs */
	FTP_COMMAND_PROBE,
	FTP_COMMAND_EMULATE,
	FTP_COMMAND_CLAIM, /* first of all, if there are checkpoints */
	FTP_COMMAND_RETAIN,
	FTP_COMMAND_INVENTORY,
	FTP_COMMAND_PREPARE, /* these six: answered with FTP_OUTCOME_ANSWERED, each once */
	FTP_COMMAND_HOLD,
	FTP_COMMAND_TRANSFER,
	FTP_COMMAND_COMMIT,
	FTP_COMMAND_ABANDON,
	FTP_COMMAND_HALT,
};

struct ftp_command {
	enum ftp_command_kind kind;
	char isa[16];		       /* PROFILE */
	struct ftp_emulate emulate;    /* EMULATE: from now on */
	uint64_t run;		       /* CLAIM: which it is */
	struct ftp_retain retain;      /* RETAIN */
	struct ftp_plan *plan;	       /* PREPARE; taken, from malloc */
	struct ftp_transfer *transfer; /* TRANSFER; taken, from malloc */
	struct ftp_probe *probe;       /* PROBE; taken, from malloc */
	uint64_t term;		       /* HOLD, COMMIT, ABANDON, HALT */
	uint64_t step;		       /* HOLD */
	char reason[256];	       /* HALT */
};

enum ftp_outcome_kind {
	FTP_OUTCOME_PROFILED,
	FTP_OUTCOME_PROBED,
	FTP_OUTCOME_ANSWERED, /* to the open call of its kind */
	FTP_OUTCOME_HELD,
	FTP_OUTCOME_LOST, /* it lost a peer, and halted; or does not hear one of the next plan */
	FTP_OUTCOME_INVENTORY,
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
	enum ftp_transition_call call; /* ANSWERED; the next five, if it was granted, i.e. text is
					  NULL */
	uint64_t term;		       /* HOLD, COMMIT, ABANDON: in force, 0: none; else next's */
	uint64_t memory_bytes;	       /* PREPARE: of the stage's tensors */
	uint64_t received_bytes, receive_ns, import_ns; /* TRANSFER: as ftp_transferred */
	struct ftp_inventory *inventory;		/* HALT, INVENTORY; given, free() it */
	uint32_t peer;					/* LOST: node of the config; and term */
	uint64_t silence_ns;				/* LOST: as ftp_lost */
	struct ftp_held *held;				/* HELD; given, free() it */
	double train_s;					/* FINISHED */
	struct ftp_profile *profile; /* PROFILED; given, free() it; valid without text */
	struct ftp_links *links;     /* PROBED; likewise */
	struct ftp_trace *trace;     /* TRACED; given, free() it */
	char *text; /* FAILED, LOST, ANSWERED, PROFILED, PROBED: the reason; FINISHED on the central
		       node: the params digest; given, free() it */
};

struct ftp_worker; /* opaque */

int ftp_worker_start(
	struct ftp_worker **out, const struct ftp_worker_params *params, struct ftp_error *err);

/* Ends the thread after at most one primitive, closes every link, joins and frees. */
void ftp_worker_stop(struct ftp_worker *w);

/* Control thread. A command is refused with -EBUSY while 8 others wait; nothing is taken then. */
int ftp_worker_command(struct ftp_worker *w, const struct ftp_command *c);
/* The descriptor that it writes to, for a thread with a table of files of its own. */
int ftp_worker_command_fd(const struct ftp_worker *w);
bool ftp_worker_outcome(struct ftp_worker *w, struct ftp_outcome *o);
bool ftp_worker_measure(struct ftp_worker *w, struct ftp_measure *m);
/* What the node holds of snapshots now; wakes as an outcome does. */
bool ftp_worker_news(struct ftp_worker *w, struct ftp_replica_news *n);
/* What became of a snapshot that was to go to this node's disk; likewise. */
bool ftp_worker_persisted(struct ftp_worker *w, struct ftp_persisted *m);
void ftp_worker_outcome_clear(struct ftp_outcome *o); /* frees what was given with it */

/* Armed by the control thread before it polls; rings when an outcome comes. */
struct ftp_waker;
struct ftp_waker *ftp_worker_waker(struct ftp_worker *w);

#endif
