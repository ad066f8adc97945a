/* The coordinator's core: what happens goes in, what to do comes out. No sockets, no clock, no
 * files, no threads; `now` is the caller's. One thread.
 *
 * A run's life (design: control plane, recovery): wait for every node of the config, measure the
 * units on all nodes (only if the cuts follow from their times and there is more than one node) and
 * the links between them (cuts: auto), prepare the plan on its nodes, commit it, train, finish. The
 * plan has a term; terms only grow, and what carries an older one is dropped.
 *
 * While it trains the plan may change: asked by the operator, because a node's speed has changed
 * for good (cuts: auto), or because a node is drained or joins. Every plan, the first included,
 * takes the way that ctl/protocol.h shows; before its commit whatever goes wrong abandons it, and
 * the plan in force goes on. A node in no stage of the plan in force is idle: it may come and go.
 * A node of the plan in force that is lost leads to a recovery where snapshots are taken: the
 * others halt and tell what they hold, and train on under another plan, from the newest step that
 * is held whole, with the first node that has the data as the central one. Where that is not
 * possible with those who are left, the run waits for the others, and says for whom; the operator
 * may end that. Without snapshots any loss ends the run. Every other wait has a deadline, and every
 * end has a reason.
 *
 * What must outlive the process is in a journal, which the shell makes durable before it does
 * anything that the core asks for after it. A core that is made with a journal resumes: where all
 * stages of the plan in force come back as they were, training has gone on meanwhile, and goes on;
 * else it is a recovery.
 */
#ifndef FTP_CTL_COORDINATOR_H
#define FTP_CTL_COORDINATOR_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "ctl/config.h"
#include "runtime/base/clock.h"
#include "runtime/base/digest.h"
#include "runtime/base/log.h"

/* How long is waited for whom. */
#define FTP_COORDINATOR_JOIN_NS	   (15 * FTP_NS_PER_S)	/* all nodes, from the start on */
#define FTP_COORDINATOR_RETURN_NS  (5 * FTP_NS_PER_S)	/* the others, once one has */
#define FTP_COORDINATOR_PROFILE_NS (120 * FTP_NS_PER_S) /* all nodes' unit times */
#define FTP_COORDINATOR_PROBE_NS   (25 * FTP_NS_PER_S)	/* a node gives up after 20 s */
#define FTP_COORDINATOR_HALT_NS	   (3 * FTP_NS_PER_S)	/* who stays silent is left out */
#define FTP_COORDINATOR_LOOK_NS                                                                    \
	(30 * FTP_NS_PER_S) /* a waiting recovery looks again what there is: nodes hear from it */
#define FTP_COORDINATOR_RETRY_NS   (60 * FTP_NS_PER_S) /* and tries again what has failed */
#define FTP_COORDINATOR_PREPARE_NS (60 * FTP_NS_PER_S) /* built, peers heard; and bytes read */
#define FTP_COORDINATOR_HOLD_NS	   (10 * FTP_NS_PER_S) /* and FTP_COORDINATOR_HOLD_STEPS steps */
#define FTP_COORDINATOR_HOLD_STEPS 20
#define FTP_COORDINATOR_TRANSFER_NS                                                                \
	(10 * FTP_NS_PER_S) /* and the bytes at FTP_COORDINATOR_BYTES_PER_S */
#define FTP_COORDINATOR_BYTES_PER_S 10000000
#define FTP_COORDINATOR_COMMIT_NS   (10 * FTP_NS_PER_S) /* or to abandon */
#define FTP_COORDINATOR_SETTLE_NS                                                                  \
	(10 * FTP_NS_PER_S) /* a snapshot, once a stage is past its step; and steps and bytes */
#define FTP_COORDINATOR_PERSIST_NS (60 * FTP_NS_PER_S)	/* a snapshot to be put on disks */
#define FTP_COORDINATOR_SILENT_NS  (15 * FTP_NS_PER_S)	/* no progress from one node in training */
#define FTP_COORDINATOR_STALL_NS   (120 * FTP_NS_PER_S) /* no stage has computed anything */
#define FTP_COORDINATOR_STOP_NS	   (3 * FTP_NS_PER_S)	/* nodes to answer node.stop */
/* Recoveries without a step past the one that they began at, and attempts of one of them that
 * failed with nobody lost, before the run gives up; ends of a node while it prepares in one of
 * them, before it is left alone for FTP_COORDINATOR_RETRY_NS. */
#define FTP_COORDINATOR_RECOVERY_TRIES 3
/* After a first sign of failure, for better evidence: when a process is killed its peers'
 * complaints may come before its parent's word. */
#define FTP_COORDINATOR_VERDICT_NS (500 * FTP_NS_PER_MS)

enum ftp_coordinator_state {
	FTP_RUN_RESUMING, /* a plan was in force: who of it comes back? */
	FTP_RUN_WAITING,
	FTP_RUN_PROFILING,
	FTP_RUN_PROBING,
	FTP_RUN_PREPARING, /* the first plan */
	FTP_RUN_TRAINING,
	FTP_RUN_FINISHING, /* the outcome is known; nodes are being stopped */
	FTP_RUN_ENDED,
	FTP_N_RUN_STATES,
};

enum ftp_coordinator_outcome {
	FTP_END_NONE,
	FTP_END_COMPLETED,
	FTP_END_STOPPED, /* by the operator */
	FTP_END_FAILED,
};

struct ftp_coordinator; /* opaque */

#define FTP_LATE_ROWS 1024 /* whose losses are known again when rows after them are cut */

struct ftp_coordinator_past {	      /* of a run that is resumed */
	const json_t *journal;	      /* NULL: lost, or there was none yet; lent for the call */
	uint64_t n_rows;	      /* of loss.csv: steps 1 ... */
	double losses[FTP_LATE_ROWS]; /* of the last of them, by step modulo their number */
	double t_s;		      /* of the last event */
	bool is_asked;		      /* by the operator: an end but for completion is forgotten */
};

struct ftp_coordinator_unit { /* of the model */
	uint64_t input_bytes; /* the cut before it, of one micro-batch */
	uint64_t state_bytes; /* what travels when it moves */
	uint64_t flops;	      /* forward, of one sample: stands in for its time where nothing was
				 measured */
};

struct ftp_coordinator_settings {
	const struct ftp_config *config; /* lent for the core's life */
	struct ftp_digest config_digest;
	uint64_t run;
	const char *id;	  /* the run directory's name; lent for the core's life */
	uint32_t n_units; /* of the model, at most FTP_PROTOCOL_MAX_UNITS */
	const struct ftp_coordinator_unit *units; /* n_units; lent for the core's life */
	bool drill;				  /* run.emulate is allowed */
	const struct ftp_coordinator_past *past;  /* NULL: a new run; lent for new() */
};

enum ftp_event_kind {
	FTP_EVENT_REQUEST, /* a call or notification came: method, body = its params */
	FTP_EVENT_ANSWER,  /* one of our calls ended: method, and body or code and text */
	FTP_EVENT_LOST,	   /* a connection is gone; text says how */
	FTP_EVENT_BROKEN,  /* the shell cannot go on: text says why */
	FTP_EVENT_PAUSED,  /* for pause_ns nobody listened: this process, or its machine, stood
			      still, or waited for a disk; before anything that has come
			      meanwhile */
	FTP_EVENT_TICK,	   /* the deadline has come, and all that has come with it was stepped:
			      nobody is silent whose words wait to be read */
};

struct ftp_event {
	enum ftp_event_kind kind;
	uint32_t conn; /* the shell's number of the connection, unique in the core's life */
	const char *method;
	const json_t *body;
	int code;      /* enum ftp_jsonrpc_code; 0: body holds the answer */
	uint64_t term; /* ANSWER: that the call carried */
	uint64_t pause_ns;
	const char *text;
};

enum ftp_action_kind {
	FTP_ACTION_CALL,    /* method, body, deadline_ns; its end comes back as FTP_EVENT_ANSWER */
	FTP_ACTION_REPLY,   /* to the request being stepped: body, or code and text */
	FTP_ACTION_CLOSE,   /* conn, once what is queued is written */
	FTP_ACTION_ROW,	    /* the next row of loss.csv: step, loss */
	FTP_ACTION_CUT,	    /* loss.csv ends with the row of step: those after it go */
	FTP_ACTION_JOURNAL, /* body: durable before anything after it, loss.csv with it */
	FTP_ACTION_EVENT,   /* the next line of events.jsonl: body */
	FTP_ACTION_LOG,	    /* level, text */
	FTP_ACTION_RAISE,   /* code: the signal that ends this process, once all else is done */
	FTP_ACTION_SUMMARY, /* body: summary.json */
	FTP_ACTION_END,	    /* the run is over: outcome, text = its reason, "" if completed */
};

struct ftp_action {
	enum ftp_action_kind kind;
	uint32_t conn;
	const char *method; /* static */
	json_t *body;	    /* owned by the list; the shell may take it and leave NULL */
	int code;
	uint64_t term; /* CALL: to be given back with its ANSWER */
	uint64_t deadline_ns;
	uint64_t step;
	double loss;
	enum ftp_log_level level;
	enum ftp_coordinator_outcome outcome;
	char *text; /* owned by the list */
};

struct ftp_actions {
	struct ftp_action *items;
	uint32_t n, room;
};

struct ftp_coordinator *ftp_coordinator_new(
	const struct ftp_coordinator_settings *settings, uint64_t now_ns);

/* Is this a journal of the run, of a version that is understood? -EINVAL with what is wrong: it is
 * as good as lost. */
int ftp_coordinator_journal_check(const json_t *journal, uint64_t run, struct ftp_error *err);

void ftp_coordinator_free(struct ftp_coordinator *c);

/* Appends what is to be done, in order. Never fails: bad input becomes a REPLY, a LOG, or the end
 * of the run. A REQUEST that is a call gets exactly one REPLY; whether it was one, the shell knows.
 */
void ftp_coordinator_step(struct ftp_coordinator *c, const struct ftp_event *event, uint64_t now_ns,
	struct ftp_actions *actions);

/* When a TICK is due. */
uint64_t ftp_coordinator_deadline(const struct ftp_coordinator *c);

/* Frees what the actions own and empties the list; the array itself stays for the next step. */
void ftp_actions_clear(struct ftp_actions *a);
void ftp_actions_free(struct ftp_actions *a);

const char *ftp_coordinator_state_name(enum ftp_coordinator_state s);
const char *ftp_coordinator_outcome_name(enum ftp_coordinator_outcome o);

#endif
