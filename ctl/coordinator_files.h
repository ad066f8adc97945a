/* What the coordinator's shell writes to the run's directory, or finds there: losses, events, the
 * journal. After a failure nothing more is written. One thread. */
#ifndef FTP_CTL_COORDINATOR_FILES_H
#define FTP_CTL_COORDINATOR_FILES_H

#include "ctl/coordinator.h"
#include "ctl/rundir.h"

struct ftp_coordinator_files {
	const struct ftp_rundir *dir;
	FILE *loss, *events;
	bool has_lines, is_broken;
	struct ftp_error failed; /* not yet told by flush(); text "": nothing has */
};

/* A run that has losses was begun by a coordinator before this one: *is_resumed, and past is
 * filled; its journal is the caller's. Negative errno. */
int ftp_coordinator_files_open(struct ftp_coordinator_files *f, const struct ftp_rundir *dir,
	uint64_t run, struct ftp_coordinator_past *past, bool *is_resumed, struct ftp_error *err);
void ftp_coordinator_files_close(struct ftp_coordinator_files *f);

void ftp_coordinator_files_row(struct ftp_coordinator_files *f, uint64_t step, double loss);
void ftp_coordinator_files_cut(struct ftp_coordinator_files *f, uint64_t step);
/* Gives it the wall clock's "time". */
void ftp_coordinator_files_event(struct ftp_coordinator_files *f, json_t *body);
/* On the disk, and the losses before it. */
void ftp_coordinator_files_journal(struct ftp_coordinator_files *f, const json_t *body);
/* Lines are in their files, or negative errno with what failed since the last call. */
int ftp_coordinator_files_flush(struct ftp_coordinator_files *f, struct ftp_error *err);

#endif
