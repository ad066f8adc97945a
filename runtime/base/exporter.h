/* HTTP endpoint for /metrics (libmicrohttpd, one internal thread, bounded connections). */
#ifndef FTP_BASE_EXPORTER_H
#define FTP_BASE_EXPORTER_H

#include "runtime/base/metrics.h"

struct ftp_exporter; /* opaque */

/* Serves m on listen ("127.0.0.1:9470" or "[::1]:9470"). m is lent until ftp_exporter_stop().
 * -EADDRINUSE, -EACCES, -EINVAL with the address and what to change in err. */
int ftp_exporter_start(struct ftp_exporter **out, const char *listen, struct ftp_metrics *m,
	struct ftp_error *err);
void ftp_exporter_stop(struct ftp_exporter *e);

#endif
