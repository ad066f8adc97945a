/* Reading events.jsonl of a run directory: one JSON object a line, each with "t" (seconds since the
 * coordinator's start) and "kind", written by the coordinator, and "time" (wall clock, for people).
 * The file may be growing, cut off or absent: what is no such line, or longer than
 * FTP_EVENTS_MAX_LINE, is passed over. One thread. */
#ifndef FTP_CTL_EVENTS_H
#define FTP_CTL_EVENTS_H

#include <jansson.h>
#include <stdint.h>

#include "ctl/rundir.h"

#define FTP_EVENTS_MAX_LINE (1 << 20)

typedef void ftp_events_each(void *arg, const char *kind, const json_t *event);

/* Where the file ends now; 0: there is none. */
uint64_t ftp_events_end(const struct ftp_rundir *d);

/* Every whole line from offset on (within a line: from the next one on). event is lent. Returns the
 * offset after the last whole line, to go on from later. */
uint64_t ftp_events_read(
	const struct ftp_rundir *d, uint64_t offset, ftp_events_each *each, void *arg);

/* What happened, in one line for people; "" for what only programs want (progress, trace). */
void ftp_events_describe(const json_t *event, char *text, size_t bytes);

#endif
