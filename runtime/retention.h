/* Retention: which unit states a checkpoint keeps. Pure; any thread.
 *
 * Of each unit the newest `keep` steps, and the pinned step whatever comes after it: the one that
 * the coordinator knows to be complete over all nodes. By unit and not by step, because replicas
 * come in other steps than a node's own states.
 *
 * A state of an abandoned history is never kept: one that an older term trained, at a step that a
 * newer term has trained as well or has passed (design: replication, recovery, persistence).
 */
#ifndef FTP_RUNTIME_RETENTION_H
#define FTP_RUNTIME_RETENTION_H

#include <stdbool.h>
#include <stdint.h>

struct ftp_retention_state {
	uint64_t term, step;
	uint32_t unit;
	uint32_t index; /* of the caller */
	bool is_kept;	/* result */
};

/* Sorts the states: by unit, newest step first. pinned 0: none. */
void ftp_retention_choose(
	struct ftp_retention_state *states, uint32_t n, uint32_t keep, uint64_t pinned);

#endif
