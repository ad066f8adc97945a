/* What the coordinator's shell writes to the run's directory, or finds there: losses, events, the
 * journal, the summary. One thread.
 *
 * A disk that is full may have room again in a moment, as when a checkpoint that did not fit has
 * given back what it took. Until then losses and events wait in memory, events up to a bound, and
 * the caller holds back what must not be said before a journal is written. After any other failure
 * nothing more is written but events and the summary. */
#ifndef FTP_CTL_COORDINATOR_FILES_H
#define FTP_CTL_COORDINATOR_FILES_H

#include "ctl/coordinator.h"
#include "ctl/rundir.h"

#define FTP_FILES_EVENT_BYTES ((size_t)4 << 20) /* that wait at most; later events are dropped */

#define FTP_FILES_PATIENCE_NS (30 * FTP_NS_PER_S)

struct ftp_coordinator_files {
	const struct ftp_rundir *dir;
	struct ftp_lines loss, events;
	uint64_t patience_ns; /* of whoever waits for room; FTP_FILES_PATIENCE_NS if not changed */
	bool is_broken;
	struct ftp_error failed; /* not yet told by flush(); text "": nothing has */
	struct ftp_error full;	 /* the last failure for want of room */
	uint64_t full_ns;	 /* since when there is none; 0: there is */
	uint64_t told_ns;	 /* when that was said; it is not said all the time */
	bool is_told;
	bool is_refused;    /* what do() was last asked for found no room */
	uint64_t n_dropped; /* events */
};

/* A run that has losses was begun by a coordinator before this one: *is_resumed, and past is
 * filled; its journal is the caller's. Negative errno. */
int ftp_coordinator_files_open(struct ftp_coordinator_files *f, const struct ftp_rundir *dir,
	uint64_t run, struct ftp_coordinator_past *past, bool *is_resumed, struct ftp_error *err);
void ftp_coordinator_files_close(struct ftp_coordinator_files *f);

/* Gives an event the wall clock's "time", once. */
void ftp_coordinator_files_date(const struct ftp_action *a);
/* FTP_ACTION_ROW, CUT, EVENT, JOURNAL: that is on the disk then, and
 * the losses before it; SUMMARY: all lines before it are in their files then. 0, whether that went
 * well flush() tells; or 1: there is no room for it, and nothing after it may be done before
 * it is. */
int ftp_coordinator_files_do(
	struct ftp_coordinator_files *f, const struct ftp_action *a, uint64_t now_ns);
/* There was no room for what do() was asked for, for too long: that is a failure. */
void ftp_coordinator_files_give_up(struct ftp_coordinator_files *f, uint64_t waited_ns);
/* Writes what waits. Negative errno with what failed for good since the last call. */
int ftp_coordinator_files_flush(
	struct ftp_coordinator_files *f, uint64_t now_ns, struct ftp_error *err);
/* Are all losses in their file? Tries to write them. */
bool ftp_coordinator_files_has_rows(struct ftp_coordinator_files *f, uint64_t now_ns);
/* Bytes of lines that wait for room. */
size_t ftp_coordinator_files_waiting(const struct ftp_coordinator_files *f);

#endif
