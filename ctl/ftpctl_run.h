/* The run that a verb of ftpctl is about: that of -c FILE's data directory, of --data-dir, of
 * ./ftpipe.yaml, or of the default data directory. Main thread only. */
#ifndef FTP_CTL_FTPCTL_RUN_H
#define FTP_CTL_FTPCTL_RUN_H

#include <jansson.h>
#include <sys/types.h>

#include "ctl/options.h"
#include "ctl/rundir.h"

struct ftp_ftpctl_run {
	char data_dir[FTP_PATHS_MAX];
	struct ftp_rundir dir; /* the newest; id "" if there was none */
	pid_t supervisor;      /* 0: not running; -1: being born */
};

/* 0, or an exit code when it has been said why not. */
int ftp_ftpctl_find_run(struct ftp_ftpctl_run *r, const struct ftp_options *o);

/* The same, and it is going on; else says so: exit code 3. */
int ftp_ftpctl_find_live(struct ftp_ftpctl_run *r, const struct ftp_options *o);

/* The directory of the run that the first operand names: "latest", which it is without one, an id,
 * or a directory. 0, or an exit code when it has been said why not. */
int ftp_ftpctl_find_dir(struct ftp_rundir *d, const struct ftp_options *o);

/* The same, and where what the verb makes of it goes: to -o FILE, else to `name` in the directory.
 */
int ftp_ftpctl_find_output(struct ftp_rundir *d, char path[FTP_PATHS_MAX], const char *name,
	const struct ftp_options *o);

/* Calls the run's coordinator. params is taken, *result is the caller's. Negative errno with the
 * reason; -EPROTO: the coordinator refuses. */
int ftp_ftpctl_ask(const struct ftp_ftpctl_run *r, const char *method, json_t *params,
	uint64_t wait_ns, json_t **result, struct ftp_error *err);

/* "no run is going on in DIR", exit code 3. */
int ftp_ftpctl_not_running(const struct ftp_ftpctl_run *r, const struct ftp_options *o);

#endif
