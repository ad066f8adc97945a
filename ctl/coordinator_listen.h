/* The coordinator's listening sockets. */
#ifndef FTP_CTL_COORDINATOR_LISTEN_H
#define FTP_CTL_COORDINATOR_LISTEN_H

#include <stdbool.h>

#include "runtime/base/error.h"

/* Non-blocking, close-on-exec. Negative errno with the address and what to do. */
int ftp_listen_tcp(const char *address, struct ftp_error *err);

/* dir/name, mode 0600; the length of dir does not matter. An existing file is replaced: the caller
 * holds the run's lock. */
int ftp_listen_unix(const char *dir, const char *name, struct ftp_error *err);

/* Is the process at the other end ours or root's? */
bool ftp_listen_is_ours(int fd);

#endif
