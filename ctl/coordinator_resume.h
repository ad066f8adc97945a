/* What of the core outlives its process, and how a run with a past goes on. Part of
 * ctl/coordinator_state.h. */
#ifndef FTP_CTL_COORDINATOR_RESUME_H
#define FTP_CTL_COORDINATOR_RESUME_H

#include "ctl/coordinator.h"
#include "ctl/coordinator_change.h"

struct ftp_coordinator_resume {
	bool is_on;	 /* the run has a past */
	bool is_lost;	 /* but no journal that says which */
	bool is_settled; /* it goes on, in whatever way */
	uint64_t gone;	 /* nodes whose process is known to have ended */
	uint64_t begin_ns;
	bool is_overdue; /* RESUMING: nobody was there when it was time */
	/* The plan in force when the journal was written; the node of a stage that the
	 * configuration has no more is FTP_NO_NODE. */
	struct ftp_plan former;
};

/* coordinator_journal.c: what outlives the process. */
void ftp_coordinator_journal(
	const struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a);
/* Into a new core; the journal has been checked. */
void ftp_coordinator_journal_read(struct ftp_coordinator *c, const json_t *journal);

/* coordinator_resume.c: a run that has a past. */
void ftp_coordinator_resume_init(
	struct ftp_coordinator *c, const struct ftp_coordinator_past *past, uint64_t now_ns);
void ftp_coordinator_resume_joined(
	struct ftp_coordinator *c, uint32_t node, uint64_t now_ns, struct ftp_actions *a);
/* The nodes that had the unit when the journal was written: its stage, and the one after it, which
 * kept its replica; 0: there was no plan, or the model was another. */
uint64_t ftp_coordinator_resume_had(const struct ftp_coordinator *c, uint32_t unit);
/* RESUMING: the node is lost again, or was before. */
void ftp_coordinator_resume_without(struct ftp_coordinator *c, uint32_t node,
	enum ftp_evidence evidence, const char *text, uint64_t now_ns, struct ftp_actions *a);
void ftp_coordinator_resume_time(struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a);
/* WAITING: not all have joined in time. */
void ftp_coordinator_resume_await(
	struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a);
/* Nodes are awaited without whom it cannot go on, for as long as it takes; c->recovery.waits_for
 * says so. */
bool ftp_coordinator_resume_waits(const struct ftp_coordinator *c);
/* All nodes are there, and nobody knows the plan that was in force. */
void ftp_coordinator_resume_lost(struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a);
/* The stages have confirmed the plan in force, and told what they hold. */
void ftp_coordinator_resume_settled(
	struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a);
/* The journal is lost, and some states are of newer terms than the one that is tried: that is made
 * right for the next try. */
bool ftp_coordinator_resume_is_behind(struct ftp_coordinator *c);
/* The newest term that a node may tell of: what this run itself has used is no lie. */
uint64_t ftp_coordinator_resume_most(const struct ftp_coordinator *c);
/* Terms from here on are above that one, and above all that a lost journal may have known. */
void ftp_coordinator_resume_above(struct ftp_coordinator *c, uint64_t term);

/* coordinator_change.c */
/* The plan in force is confirmed by its stages, who have trained on without us. */
void ftp_coordinator_change_resume(
	struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a);

#endif
