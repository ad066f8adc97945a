/* Control: a node's thread for everything that is not training. It speaks the control protocol with
 * the coordinator, hands plans to the worker and its outcomes back, and ends the node when it is
 * told to. A coordinator that is gone is waited for, while the worker trains on. */
#ifndef FTP_RUNTIME_CONTROL_H
#define FTP_RUNTIME_CONTROL_H

#include "ctl/protocol.h"
#include "runtime/node_metrics.h"
#include "runtime/worker.h"

struct ftp_control_params {	 /* lent for the call */
	const char *coordinator; /* "host:port" */
	const struct ftp_join *join;
	struct ftp_worker *worker;
	struct ftp_node_metrics *metrics;
	bool is_drill;		       /* node.emulate, node.fail are served */
	struct ftp_recorder *recorder; /* NULL: none */
};

#define FTP_CONTROL_PATIENCE_NS (60 * FTP_NS_PER_S) /* for a coordinator that is gone */

/* Runs the node's life, in a thread whose connection is in no other thread's table of files
 * (runtime/base/own_files.h); returns 0 when it was told to stop, or a negative errno with the
 * reason. stop_fd (a signalfd) becoming readable ends it too. */
int ftp_control_run(const struct ftp_control_params *params, int stop_fd, struct ftp_error *err);

#endif
