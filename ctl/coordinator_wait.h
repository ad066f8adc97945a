/* What those who have halted hold, and for whom a recovery waits. Part of ctl/coordinator_state.h.
 */
#ifndef FTP_CTL_COORDINATOR_WAIT_H
#define FTP_CTL_COORDINATOR_WAIT_H

#include <stdbool.h>

#include "ctl/coordinator.h"
#include "ctl/coordinator_catalogue.h"

/* coordinator_holdings.c: what those who have halted hold. */
int ftp_coordinator_on_halted(struct ftp_coordinator *c, uint32_t node, const struct ftp_event *e,
	uint64_t now_ns, struct ftp_actions *a, struct ftp_error *err);
/* The newest snapshot that was ever stable, or one not much older; 0: there was none. */
uint64_t ftp_coordinator_holdings_known(const struct ftp_coordinator *c);
/* The newest one has just become stable. */
void ftp_coordinator_holdings_stable(
	struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a);
/* The newest step that anybody who has halted holds anything of; 0: none. */
uint64_t ftp_coordinator_holdings_newest(const struct ftp_coordinator *c);
/* The newest step that these nodes alone hold whole; 0: none. */
uint64_t ftp_coordinator_holdings_whole(const struct ftp_coordinator *c, uint64_t nodes);
/* Where to go on from: a snapshot that is held whole, which *s becomes, or the beginning. What
 * nodes hold that are left out counts only where nothing else is whole. */
uint64_t ftp_coordinator_holdings_step(
	const struct ftp_coordinator *c, struct ftp_catalogue_snapshot *s);
/* The newest snapshot that the inventories make whole is the one to keep; they are freed. */
void ftp_coordinator_holdings_take_stock(struct ftp_coordinator *c);
void ftp_coordinator_holdings_free(struct ftp_coordinator *c); /* what they have told */

/* coordinator_wait.c: for whom a recovery waits. */
/* The newest snapshot that was ever stable; 0: there was none, and nothing is lost by beginning
 * anew. Without the journal what is held was once stable. */
uint64_t ftp_coordinator_wait_known(const struct ftp_coordinator *c);
/* Whether it must, with all halted; step: that it would go on from. If so says why, in
 * c->recovery. */
bool ftp_coordinator_wait_needed(struct ftp_coordinator *c, uint64_t step);
/* "for n1: ...": the run waits for want of a plan without those who are not there. */
void ftp_coordinator_wait_for_absent(struct ftp_coordinator *c, const char *why);
/* A run with a past that nobody, or not everybody, has come back to. true: the words are new. */
bool ftp_coordinator_wait_for_anybody(struct ftp_coordinator *c);
bool ftp_coordinator_wait_for_all(struct ftp_coordinator *c);
/* Links and attempts that have failed count no more: they are tried again. */
void ftp_coordinator_wait_forgive(struct ftp_coordinator *c, struct ftp_actions *a);
/* The nodes that could come and are not there, or are not tried for now. */
uint64_t ftp_coordinator_wait_absent(const struct ftp_coordinator *c);

#endif
