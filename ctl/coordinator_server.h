/* The coordinator's shell: sockets, timers, files and signals around the core. One thread.
 *
 * Nodes speak over TCP, ftpctl and the supervisor over the Unix socket in the run directory; each
 * side is offered its own methods only. A TCP connection that has not joined within
 * FTP_COORDINATOR_JOIN_NS is closed; on the Unix socket only our own user (and root) is served.
 */
#ifndef FTP_CTL_COORDINATOR_SERVER_H
#define FTP_CTL_COORDINATOR_SERVER_H

#include "ctl/coordinator.h"
#include "ctl/rundir.h"

struct ftp_server; /* opaque */

struct ftp_server_params {
	const struct ftp_coordinator_settings *settings; /* lent for the server's life */
	const struct ftp_rundir *dir;			 /* lent for the server's life */
	bool resumes;	      /* the operator wants the run to go on, however it ended */
	uint64_t patience_ns; /* with a full disk; 0: FTP_FILES_PATIENCE_NS */
};

/* Listens, opens loss.csv, starts the metrics. -EADDRINUSE, -EACCES, ... with the address and what
 * to do. */
int ftp_server_new(
	struct ftp_server **out, const struct ftp_server_params *params, struct ftp_error *err);
void ftp_server_free(struct ftp_server *s); /* takes the socket's file away */

/* Until the run has ended. stop_fd (a signalfd) ends it. */
enum ftp_coordinator_outcome ftp_server_run(struct ftp_server *s, int stop_fd);

#endif
