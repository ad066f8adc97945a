/* What the coordinator exports. */
#ifndef FTP_CTL_COORDINATOR_METRICS_H
#define FTP_CTL_COORDINATOR_METRICS_H

#include "ctl/coordinator_files.h"
#include "runtime/base/error.h"

struct ftp_coordinator_metrics; /* opaque */

/* Serves on config->metrics_listen unless it is off. */
int ftp_coordinator_metrics_start(struct ftp_coordinator_metrics **out,
	const struct ftp_config *config, struct ftp_error *err);
void ftp_coordinator_metrics_stop(struct ftp_coordinator_metrics *m);

/* Copies the core's figures, and those of its files; journal_wait_ns: for which the journal has
 * waited for room. The core's thread. */
void ftp_coordinator_metrics_update(struct ftp_coordinator_metrics *m,
	const struct ftp_coordinator *c, const struct ftp_coordinator_files *f,
	uint64_t journal_wait_ns);

#endif
