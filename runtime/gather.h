/* Gathering a snapshot: every stage sends the states of its units to the central node, which so
 * holds the whole model. The worker's thread. */
#ifndef FTP_RUNTIME_GATHER_H
#define FTP_RUNTIME_GATHER_H

#include "runtime/assembly.h"

struct ftp_gather; /* opaque */

/* Of the plan's last step, over the assembly's links (lent until done). -ENOMEM. */
int ftp_gather_new(
	struct ftp_gather **out, struct ftp_assembly *a, uint64_t now_ns, struct ftp_error *err);
void ftp_gather_free(struct ftp_gather *g); /* after the links are closed, or when done */

/* false: not a gather's event. */
bool ftp_gather_event(struct ftp_gather *g, const struct ftp_netloop_event *e);
bool ftp_gather_is_done(const struct ftp_gather *g);

/* The central node, when done: states of all units in order, and XXH3-128 over them in that order.
 */
const void *const *ftp_gather_states(const struct ftp_gather *g);
void ftp_gather_digest(const struct ftp_gather *g, char hex[FTP_DIGEST_HEX]);

#endif
