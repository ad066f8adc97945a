/* Pauses of an event loop: the time in which it could not hear anybody although it should have. It
 * was stopped, its machine was suspended, or one of its own turns waited for a disk. Pure; the
 * loop's thread.
 *
 * Sleeps are short, since of one in which the process was stopped nobody knows when that began.
 */
#ifndef FTP_CTL_PAUSE_H
#define FTP_CTL_PAUSE_H

#include <stdint.h>

#include "runtime/base/clock.h"

#define FTP_PAUSE_LEAST_NS (200 * FTP_NS_PER_MS) /* less is a busy machine's way */
#define FTP_PAUSE_SLEEP_NS (100 * FTP_NS_PER_MS) /* the longest sleep */

struct ftp_pause {	   /* 0: before the first turn */
	uint64_t turn_ns;  /* the last turn began, */
	uint64_t sleep_ns; /* and ended: the loop slept */
	uint64_t due_ns;   /* until then, at most */
	uint64_t owed_ns;  /* to be listened before a pause counts whole again */
};

/* A turn is over, or the first one is to come. Returns how long to sleep, in milliseconds, so that
 * deadline_ns has come by then. */
int ftp_pause_sleep(struct ftp_pause *p, uint64_t now_ns, uint64_t deadline_ns);

/* Awake again: a turn begins. Returns by how much all deadlines must be later, at most the time
 * since the last turn began; 0: there was no pause. A deadline that came during the pause has not
 * come then: what was said meanwhile is heard first. A pause counts half unless it was listened as
 * long since the one before, or no deadline would ever come. */
uint64_t ftp_pause_end(struct ftp_pause *p, uint64_t now_ns);

#endif
