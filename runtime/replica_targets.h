/* Who gets the replicas of a plan's stages, and how many places they take. Pure; any thread. */
#ifndef FTP_RUNTIME_REPLICA_TARGETS_H
#define FTP_RUNTIME_REPLICA_TARGETS_H

#include <stdbool.h>
#include <stdint.h>

#include "ctl/protocol.h"

#define FTP_REPLICA_MAX_TARGETS 2 /* the next stage, and the central node */

/* The members that the units of that stage go to; how many. */
int ftp_replica_targets(const struct ftp_plan *plan, int owner, bool is_global,
	int targets[FTP_REPLICA_MAX_TARGETS]);
/* The member is one of the unit's targets. */
bool ftp_replica_comes_to(const struct ftp_plan *plan, int member, uint32_t unit, bool is_global);

/* Places that the stage needs in its store for each unit of the model; n has FTP_PROTOCOL_MAX_UNITS
 * elements. Two, as the newest stable snapshot is kept while the next is taken; one more on the
 * central node where it keeps a global one as well, and one more where a disk may be slow with an
 * older one. */
void ftp_replica_places(
	const struct ftp_plan *plan, int member, bool is_global, bool is_disk, uint8_t *n);

#endif
