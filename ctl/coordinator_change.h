/* A change of the plan, as the coordinator's core keeps it: phases, causes, parts of its time. One
 * thread. */
#ifndef FTP_CTL_COORDINATOR_CHANGE_H
#define FTP_CTL_COORDINATOR_CHANGE_H

#include <stdbool.h>

#include "ctl/planner.h"
#include "ctl/protocol.h"

/* How good a piece of evidence is for the cause of a failure; the best known one is reported. */
enum ftp_evidence {
	FTP_EVIDENCE_NONE,
	FTP_EVIDENCE_LOST,    /* a connection closed */
	FTP_EVIDENCE_EXITED,  /* a process ended by itself, silently */
	FTP_EVIDENCE_TOLD,    /* a node said why it fails */
	FTP_EVIDENCE_CERTAIN, /* killed by a signal, or a deadline of ours: no better will come */
};

/* How far a plan has come that is not in force yet, or not everywhere. */
enum ftp_change_phase {
	FTP_CHANGE_NONE,
	FTP_CHANGE_HALTING, /* of a recovery only; it does not hold */
	FTP_CHANGE_WAITING, /* of a recovery: all have halted, and are not enough to go on */
	FTP_CHANGE_PREPARING,
	FTP_CHANGE_HOLDING, /* not for the first plan */
	FTP_CHANGE_TRANSFERRING,
	FTP_CHANGE_COMMITTING, /* the plan is in force */
	FTP_CHANGE_ABANDONING, /* forgotten; its members have still to say so */
	FTP_N_CHANGE_PHASES,
};

enum ftp_change_cause {
	FTP_CAUSE_START,
	FTP_CAUSE_ASKED,
	FTP_CAUSE_DRAIN,
	FTP_CAUSE_JOIN,
	FTP_CAUSE_SLOWNESS,
	FTP_CAUSE_FAILURE, /* a recovery */
	FTP_CAUSE_RESUME,  /* no change: the plan in force is confirmed */
	FTP_N_CHANGE_CAUSES,
};

/* Steps after an abandoned change before its cause may begin another by itself. */
#define FTP_CHANGE_RETRY_STEPS 20

struct ftp_coordinator_change {
	enum ftp_change_phase phase;
	enum ftp_change_cause cause;
	char reason[256]; /* of the change, for people */
	char why[512];	  /* ABANDONING, or doomed */
	struct ftp_plan plan;
	uint64_t members; /* nodes */
	uint64_t awaited; /* of them, who has still to answer in this phase */
	uint64_t unheld;  /* HOLDING, 1f1b: stages that have not said that they will hold */
	bool is_unlinked; /* a member has told that it does not reach another */
	bool doomed;	  /* to be abandoned, because of why, once unheld is empty */
	enum ftp_evidence doom;
	uint64_t deadline_ns;
	uint64_t step;				     /* s, 0: not named yet */
	uint64_t memory_bytes[FTP_CONFIG_MAX_NODES]; /* by node, of its new stage */
	uint64_t move_bytes;			     /* of unit states whose node changes */
	uint64_t fetch_ns;	 /* to read what a recovery needs from the slowest disk */
	uint64_t received_bytes; /* that nodes said they received */
	bool digested[FTP_PROTOCOL_MAX_UNITS];
	struct ftp_digest digest[FTP_PROTOCOL_MAX_UNITS];
	uint64_t began_ns[FTP_N_CHANGE_PHASES]; /* each phase; 0: not reached */
	double slowness[FTP_CONFIG_MAX_NODES];	/* by node, that the plan was made with */
	bool predicted;
	struct ftp_planner_answer answer; /* its nodes are the config's */
};

/* Where its time went. */
enum ftp_change_part {
	FTP_PART_PREPARE,  /* beside training, until the hold was asked for */
	FTP_PART_HOLD,	   /* until the last stage stood still */
	FTP_PART_TRANSFER, /* until the last unit state was in place */
	FTP_PART_COMMIT,   /* until the last member had begun */
	FTP_PART_PAUSE,	   /* the last two */
	FTP_N_CHANGE_PARTS,
};

#endif
