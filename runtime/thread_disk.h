/* A disk whose operations are plain calls in a thread of their own: where io_uring is not allowed.
 */
#ifndef FTP_RUNTIME_THREAD_DISK_H
#define FTP_RUNTIME_THREAD_DISK_H

#include "runtime/base/error.h"
#include "runtime/disk.h"

/* -errno with its text. */
int ftp_thread_disk_new(
	struct ftp_disk **out, const char *path, bool wants_direct, struct ftp_error *err);

#endif
