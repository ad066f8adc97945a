/* A recovery, as the core keeps it: nodes of the plan in force are lost. Part of
 * ctl/coordinator_state.h. */
#ifndef FTP_CTL_COORDINATOR_RECOVERY_H
#define FTP_CTL_COORDINATOR_RECOVERY_H

#include <jansson.h>
#include <stdbool.h>

#include "ctl/coordinator.h"
#include "ctl/coordinator_change.h"
#include "ctl/protocol.h"

enum ftp_recovery_part {      /* of the time from the first sign of a loss on */
	FTP_RECOVERY_UNHEARD, /* before it, since the node was last heard */
	FTP_RECOVERY_HALT,    /* until the last of the others has told what it holds */
	FTP_RECOVERY_PREPARE,
	FTP_RECOVERY_TRANSFER,
	FTP_RECOVERY_COMMIT,	 /* until the last member had begun */
	FTP_RECOVERY_FIRST_STEP, /* until its loss was known */
	FTP_RECOVERY_TOTAL,
	FTP_N_RECOVERY_PARTS,
};

enum ftp_wait_kind {	/* of a run that waits: for what */
	FTP_WAIT_NODES, /* any at all, or all of them */
	FTP_WAIT_DATA,
	FTP_WAIT_STATES, /* of units: the operator may give them up */
	FTP_WAIT_PLAN,	 /* one that does without those who are not there, or without a link */
};

struct ftp_coordinator_recovery {
	bool is_on;	  /* from the first sign of a loss until a step is done again */
	uint64_t victims; /* nodes */
	uint64_t trains;  /* that have not halted yet, as far as is known: they are to be heard */
	uint64_t shunned; /* nodes without a part in it for now: they are lost again and again */
	uint32_t n_ends[FTP_CONFIG_MAX_NODES]; /* of each node, while it halted or prepared in this
						  one */
	struct {
		enum ftp_evidence evidence;
		char text[200]; /* the best that is known */
	} fates[FTP_CONFIG_MAX_NODES];
	char sign[200];	     /* the first one */
	uint64_t sign_ns;    /* when it came */
	uint64_t unheard_ns; /* since the first victim had last been heard, or the silence that
				the first sign tells of */
	uint64_t from_step;  /* the last that any stage is known to have done */
	uint64_t began_ns[FTP_N_CHANGE_PHASES];
	bool is_committed, is_settled;
	bool was_unlinked; /* a node did not reach another */
	uint64_t commit_ns, settled_ns;
	uint64_t moved_bytes;
	uint64_t term; /* that trained what it goes on from; 0: the beginning */
	double parts_s[FTP_N_RECOVERY_PARTS];
	uint32_t n_failures;	      /* attempts that failed though nobody was lost */
	char failure[400];	      /* why there are no more attempts; "": there are */
	uint64_t failed_nodes;	      /* that were there then */
	uint64_t failed_ns;	      /* when an attempt last did, or a node was shunned */
	bool from_beginning;	      /* the operator gives up what is held */
	char waits_for[600];	      /* WAITING, or when it last was; one line */
	enum ftp_wait_kind wait_kind; /* likewise */
	uint32_t n_missing;	      /* units of the newest snapshot that nobody has; WAITING */
	uint64_t fatal_step;	      /* the last row when the first of n_fatal recoveries began */
	uint64_t fatal_stable; /* and the newest stable snapshot, or what was gone back to since */
	uint32_t n_fatal;      /* recoveries since a later row was known, or a later snapshot;
				  without those that were false alarms */
	uint32_t n_false_alarms;
	struct ftp_inventory *inventories[FTP_CONFIG_MAX_NODES]; /* NULL: not told */
	uint64_t holders[FTP_PROTOCOL_MAX_UNITS]; /* nodes that have the unit as of the step */
	uint32_t n_recoveries;
	uint32_t n_lost_nodes[FTP_EVIDENCE_CERTAIN + 1]; /* by the first evidence */
	uint64_t n_lost_steps, n_cut_rows;
	json_t *history;
};

/* coordinator_recovery.c: nodes of the plan in force are lost. */
/* The plan in force is over, and no other one is in force yet. */
bool ftp_coordinator_recovering(const struct ftp_coordinator *c);
/* The loss of a node that matters would lead to a recovery. */
bool ftp_coordinator_recoverable(const struct ftp_coordinator *c);
/* The node is lost, and matters: a recovery begins, or begins again. */
void ftp_coordinator_recover(struct ftp_coordinator *c, uint32_t node, enum ftp_evidence evidence,
	const char *text, uint64_t now_ns, struct ftp_actions *a);
/* Something is wrong, nobody knows with whom: who does not halt is left out. */
void ftp_coordinator_recover_all(
	struct ftp_coordinator *c, const char *text, uint64_t now_ns, struct ftp_actions *a);
/* An attempt of it failed, though nobody was lost. */
void ftp_coordinator_recover_again(
	struct ftp_coordinator *c, const char *why, uint64_t now_ns, struct ftp_actions *a);
/* A victim's fate is known better; false: the node is none. */
bool ftp_coordinator_recovery_fate(
	struct ftp_coordinator *c, uint32_t node, enum ftp_evidence evidence, const char *text);
int ftp_coordinator_on_lost(struct ftp_coordinator *c, uint32_t node, const json_t *body,
	uint64_t now_ns, struct ftp_actions *a, struct ftp_error *err);
/* A recovery that waits looks again at what there is; else nothing. */
void ftp_coordinator_recovery_look(
	struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a);
bool ftp_coordinator_waits(const struct ftp_coordinator *c);

/* The nodes that can halt, and are not shunned: of a process that is measuring, and does nothing
 * else meanwhile, the plan in force had no part. */
uint64_t ftp_coordinator_recovery_able(const struct ftp_coordinator *c);
/* They halt, under a new term, and tell what they hold. */
void ftp_coordinator_recovery_halt(
	struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a);
void ftp_coordinator_recover_asked(struct ftp_coordinator *c, const struct ftp_event *e,
	uint64_t now_ns, struct ftp_actions *a); /* run.recover */

/* coordinator_recovery_plan.c: where training goes on, and with whom. */
void ftp_coordinator_recovery_halted(
	struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a); /* all are */
void ftp_coordinator_recovery_holders(struct ftp_coordinator *c);	    /* of c->change.plan */
/* Its plan has just come into force: progress goes back. */
void ftp_coordinator_recovery_commit(
	struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a);
void ftp_coordinator_recovery_settled(struct ftp_coordinator *c, uint64_t now_ns);

/* coordinator_recovered.c. A row of the plan in force is known. */
void ftp_coordinator_recovery_row(
	struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a);

#endif
