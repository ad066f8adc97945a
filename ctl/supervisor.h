/* The supervisor: one daemon per run directory that starts the coordinator and this machine's
 * nodes, ties their lives to its own, tells the coordinator who has ended and how, and records the
 * outcome. The coordinator decides whether a run goes on without a node; the supervisor sees to it
 * that a run that does not go on ends. A coordinator that is killed, or that answers nothing for
 * FTP_SUPERVISOR_FROZEN_NS and is killed for it, is started again; nodes train on meanwhile. The
 * run ends when that has not helped for FTP_SUPERVISOR_MOST_NS, or FTP_SUPERVISOR_MOST_SHORT times.
 * One thread.
 *
 * The children get PR_SET_PDEATHSIG: a killed supervisor takes the nodes with it (SIGKILL) and asks
 * the coordinator to end (SIGTERM): what it leaves can be resumed. Signals: SIGTERM stops the run
 * as `ftpctl stop` does; SIGQUIT, or a second SIGTERM, kills it. FTP_SUPERVISOR_JOIN with a node's
 * index in the configuration as its value starts that node's process, unless it runs or the run is
 * ending.
 */
#ifndef FTP_CTL_SUPERVISOR_H
#define FTP_CTL_SUPERVISOR_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

#include "ctl/config.h"
#include "ctl/options.h"
#include "ctl/rundir.h"

#define FTP_SUPERVISOR_JOIN SIGRTMIN /* sigqueue(3): no request is lost, none lies about */

#define FTP_SUPERVISOR_READY_NS (10 * FTP_NS_PER_S) /* for the coordinator to listen */
#define FTP_SUPERVISOR_END_NS                                                                      \
	(8 * FTP_NS_PER_S) /* from a node's end to the run's, if it ends it                        \
			    */
#define FTP_SUPERVISOR_ASK_EVERY_NS (2 * FTP_NS_PER_S)	/* does the coordinator answer? */
#define FTP_SUPERVISOR_FROZEN_NS    (10 * FTP_NS_PER_S) /* it does not */
#define FTP_SUPERVISOR_MOST_NS                                                                     \
	(60 * FTP_NS_PER_S) /* without one that answers: nodes wait so long */
#define FTP_SUPERVISOR_MOST_SHORT                                                                  \
	8 /* short lives of it in succession, which take about as long                             \
	   */
#define FTP_SUPERVISOR_GRACE_NS (2 * FTP_NS_PER_S) /* after SIGTERM, before SIGKILL */

struct ftp_supervisor_started {
	struct ftp_rundir dir;
	pid_t supervisor;
	bool coordinator; /* it is among the children; else it runs on another machine */
	bool resumed;	  /* the last run goes on */
};

enum ftp_supervisor_begin {
	FTP_SUPERVISOR_AUTO, /* the last run if it was killed and computes the same; else a new one
			      */
	FTP_SUPERVISOR_NEW,
	FTP_SUPERVISOR_RESUME, /* the last run, even if it failed or was stopped; or an error */
};

/* Takes the lock of config's data directory, makes the run's directory, or takes the last one, and
 * starts the daemon, which lives on. node: start only that one (NULL: all whose host is this
 * machine's). drill: the run allows the verbs of rehearsals. FTP_EXIT_OK: all processes are
 * started, *out is set. Else an exit code with the reason in err, and nothing runs. */
enum ftp_exit ftp_supervisor_start(struct ftp_supervisor_started *out,
	const struct ftp_config *config, const char *node, bool drill,
	enum ftp_supervisor_begin begin, struct ftp_error *err);

/* Does the coordinator of this configuration run on this machine? */
bool ftp_supervisor_has_coordinator(const struct ftp_config *config);

#endif
