/* Nodes that are there, and do not reach each other. Part of ctl/coordinator_state.h. */
#ifndef FTP_CTL_COORDINATOR_REACH_H
#define FTP_CTL_COORDINATOR_REACH_H

#include <stdbool.h>

#include "ctl/coordinator.h"
#include "ctl/coordinator_catalogue.h"

/* A new story begins: what was told counts no more. */
void ftp_coordinator_reach_forget(struct ftp_coordinator *c);
/* And nobody is left out: all are tried again. */
void ftp_coordinator_reach_forgive(struct ftp_coordinator *c);
void ftp_coordinator_reach_gone(struct ftp_coordinator *c, uint32_t node);
/* Of the plan that is being prepared. */
void ftp_coordinator_reach_told(struct ftp_coordinator *c, uint32_t node, uint32_t peer,
	const char *text, struct ftp_actions *a);
/* Names the pairs, and what is wrong; false: there are none. */
bool ftp_coordinator_reach_describe(const struct ftp_coordinator *c, char *text, size_t bytes);
/* Leaves nodes out, but none of `kept`, and one with the data stays, so that no pair is left; where
 * that cannot be, as few as possible are. */
void ftp_coordinator_reach_choose(
	struct ftp_coordinator *c, uint64_t kept, uint64_t now_ns, struct ftp_actions *a);
uint64_t ftp_coordinator_reach_left_out(const struct ftp_coordinator *c); /* nodes */
/* Each of its units has a holder that all reach who may be stages. */
bool ftp_coordinator_reach_gives(
	const struct ftp_coordinator *c, const struct ftp_catalogue_snapshot *s);
/* Those of the nodes that this one reaches, as far as is known; none: all of them. */
uint64_t ftp_coordinator_reach_of(const struct ftp_coordinator *c, uint32_t node, uint64_t nodes);
/* Who has been left out for long is tried again. */
void ftp_coordinator_reach_again(struct ftp_coordinator *c, uint64_t now_ns);

#endif
