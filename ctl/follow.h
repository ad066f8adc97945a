/* Following a run over its control socket until it trains or ends. Main thread of ftpctl only. */
#ifndef FTP_CTL_FOLLOW_H
#define FTP_CTL_FOLLOW_H

#include <stdbool.h>
#include <sys/types.h>

#include "ctl/options.h"
#include "ctl/rundir.h"

struct ftp_follow_params {
	const struct ftp_rundir *dir; /* lent */
	const char *data_dir;	      /* lent */
	bool coordinator;	      /* it runs here; else there is only the end to wait for */
	bool until_training;	      /* return FTP_EXIT_OK as soon as it trains */
	bool quiet;		      /* show nothing but errors */
	bool stops; /* Ctrl-C stops the run, a second one kills it; else it detaches */
};

/* FTP_EXIT_OK: it trains, has completed, or was detached from. FTP_EXIT_FAILURE: it failed or was
 * stopped; why was said on stderr. *summary: summary.json if it has ended, else NULL; the caller
 * owns it. */
enum ftp_exit ftp_follow(const struct ftp_follow_params *params, json_t **summary);

#define FTP_FOLLOW_END_NS (20 * FTP_NS_PER_S) /* from the coordinator's end to the supervisor's */

/* Waits until no supervisor holds data_dir's lock. 0 or -ETIMEDOUT. */
int ftp_follow_await_end(const char *data_dir, uint64_t deadline_ns);

#endif
