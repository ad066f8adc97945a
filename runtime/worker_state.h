/* The inside of the worker, shared by its files: worker.c (thread, loop, commands), worker_plan.c
 * (plans come and go), worker_links.c (what their links bring), worker_train.c (training under the
 * plan in force, and its end), worker_snapshots.c (what is kept of it). */
#ifndef FTP_RUNTIME_WORKER_STATE_H
#define FTP_RUNTIME_WORKER_STATE_H

#include <pthread.h>

#include "runtime/assembly.h"
#include "runtime/base/spsc.h"
#include "runtime/base/waker.h"
#include "runtime/builder.h"
#include "runtime/checkpointer.h"
#include "runtime/gather.h"
#include "runtime/model_writer.h"
#include "runtime/poller.h"
#include "runtime/rollcall.h"
#include "runtime/tempo.h"
#include "runtime/transition.h"
#include "runtime/worker.h"

struct ftp_worker_change { /* what the change under way took so far */
	uint64_t prepare_ns, hold_ns, held_ns, receive_ns, transfer_ns, last_byte_ns; /* when */
	uint64_t send_ns, copy_ns, import_ns;					      /* how long */
	uint64_t received_bytes;
};

struct ftp_worker {
	struct ftp_worker_params params;
	pthread_t thread;
	_Atomic bool stop;
	struct ftp_spsc commands, outcomes;
	struct ftp_waker waker;		/* ends the worker's sleep */
	struct ftp_waker control_waker; /* ends the control thread's */

	struct ftp_transition transition;
	struct ftp_builder *builder;
	struct ftp_assembly *now, *next; /* of the transition's plans; next: NULL when BROKEN */
	struct ftp_assembly *retired;	 /* was now; to be taken down when there is time for it */
	uint64_t retired_ns;
	struct ftp_rollcall rollcall; /* of next */
	uint64_t word_ns; /* since when the coordinator is to say something of plans: it did, was
			     answered, or the node halted by itself */
	struct ftp_worker_change change;

	struct ftp_snapshots *snapshots;
	struct ftp_replicas_stats replica_stats;
	struct ftp_checkpointer *checkpointer; /* NULL: no checkpoints */
	uint64_t n_disk_changes;	       /* that the metrics know of */
	struct ftp_spsc news, persisted;
	bool has_news;	     /* that the control thread was not woken for */
	uint64_t overdue_ns; /* when what there is to do for snapshots has waited long enough; 0 */
	uint64_t export_ns;  /* sum */
	uint64_t snapshot_cost_ns; /* of this thread, that was not told yet */

	struct ftp_gather *gather; /* after the last step */
	struct ftp_model_writer *writer;
	struct ftp_model_file *file; /* it is being written: all that was gathered is in it */
	bool finished, failed;
	uint64_t train_start_ns, train_end_ns;

	struct ftp_tempo tempo;
	uint64_t timed_step;	  /* measured up to here */
	struct ftp_impair impair; /* that new links start with */
	struct ftp_poller poller;
	struct ftp_measures measures;
};

/* What is reported while the control thread stands still: what its last commands bring about, that
 * every member of the next plan is silent, that a peer is lost, the end. */
#define FTP_WORKER_REPORT_ROOM (FTP_CONFIG_MAX_NODES + 64)

/* worker.c */
/* Worker thread. */
void ftp_worker_note(struct ftp_worker *w, enum ftp_record_kind kind, uint64_t now_ns,
	const char *text, uint64_t a, uint64_t b);
/* There is room: rows are held back while there are only FTP_WORKER_REPORT_ROOM places, and of the
 * rest there are no more than commands, members and one trace a plan. */
void ftp_worker_report(struct ftp_worker *w, const struct ftp_outcome *o);
void ftp_worker_fail(struct ftp_worker *w, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* worker_plan.c */
void ftp_worker_plan_command(struct ftp_worker *w, struct ftp_command *c, uint64_t now_ns);
/* Building and connecting go on; the plan in force may have come to stand still. */
bool ftp_worker_plan_turn(struct ftp_worker *w, uint64_t now_ns);
/* What can wait until there is nothing else to do; true: there was something. */
bool ftp_worker_plan_tidy(struct ftp_worker *w, bool is_idle, uint64_t now_ns);
void ftp_worker_plan_ended(struct ftp_worker *w); /* the last step is done */
void ftp_worker_plan_tear_down(struct ftp_worker *w);

void ftp_worker_plan_happen(struct ftp_worker *w, const struct ftp_transition_event *e);
void ftp_worker_plan_fails(struct ftp_worker *w, const char *why); /* the next one */
/* The next plan's member is silent: the coordinator is to know which, before the plan fails. */
void ftp_worker_plan_unreached(struct ftp_worker *w, int member, const char *text);

/* worker_links.c: serves both plans' links; true: something moved. */
bool ftp_worker_links_serve(struct ftp_worker *w, uint64_t now_ns);

/* worker_recovery.c */
struct ftp_inventory *ftp_worker_recovery_inventory(const struct ftp_worker *w); /* given */
/* Units as of the plan's recovery_step are in the store or on the disk. */
void ftp_worker_recovery_has(
	const struct ftp_worker *w, const struct ftp_plan *plan, bool has[FTP_PROTOCOL_MAX_UNITS]);
/* What this node is to give to next comes from the disk into the store, if it is not there: in
 * turns of ftp_worker_snapshots_turn(), beside building and connecting. */
void ftp_worker_recovery_fetch(struct ftp_worker *w);
enum ftp_checkpointer_fetching ftp_worker_recovery_fetched(
	const struct ftp_worker *w, struct ftp_error *err);
void ftp_worker_recovery_fetch_end(struct ftp_worker *w); /* next is over */
/* What next sends, from the store; false: it failed. */
bool ftp_worker_recovery_fill(struct ftp_worker *w, uint64_t step);
/* FTP_DO_RESTORE. */
void ftp_worker_recovery_restore(struct ftp_worker *w, const struct ftp_transition_action *action);

/* worker_snapshots.c */
/* The node's checkpoint directory, if it is to have one. -ENOTSUP, as configured. */
int ftp_worker_snapshots_open(struct ftp_worker *w, struct ftp_error *err);
void ftp_worker_snapshots_close(struct ftp_worker *w); /* after every link is closed */
void ftp_worker_snapshots_retain(struct ftp_worker *w, const struct ftp_retain *m);
/* The plan in force has finished this step, and nothing of the next one has run since. */
void ftp_worker_snapshots_stepped(struct ftp_worker *w, uint64_t step);
/* Operations of the disk are under way. */
bool ftp_worker_snapshots_wait(const struct ftp_worker *w);
bool ftp_worker_snapshots_turn(struct ftp_worker *w, bool is_idle, uint64_t now_ns);

/* worker_train.c */
bool ftp_worker_train_turn(struct ftp_worker *w, uint64_t now_ns);
/* A plan is in force from now on: metrics, time. */
void ftp_worker_train_begin(struct ftp_worker *w, uint64_t now_ns);
/* The plan in force is over where it is: with it what follows its last step. */
void ftp_worker_train_halt(struct ftp_worker *w);
/* Steps are being trained, or could be. */
bool ftp_worker_train_is_on(const struct ftp_worker *w);

#endif
