/* The daemon's life (ctl/supervisor.h). */
#ifndef FTP_CTL_SUPERVISOR_RUN_H
#define FTP_CTL_SUPERVISOR_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "ctl/config.h"
#include "ctl/rundir.h"

struct ftp_supervisor_params {
	const struct ftp_config *config;
	const struct ftp_rundir *dir;
	uint64_t run;
	char bin_dir[FTP_PATHS_MAX];
	bool coordinator; /* start one */
	bool drill;	  /* passed on to all children */
	bool resumes;	  /* the run has a past; it is to go on, however it ended */
	bool local[FTP_CONFIG_MAX_NODES];
	int log_fd;
	/* Gets one line when all is started or could not be: an exit code, a blank, the reason. */
	int report_fd;
};

/* Returns when no child is left. */
void ftp_supervisor_run(const struct ftp_supervisor_params *params);

#endif
