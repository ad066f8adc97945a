/* A disk that does each operation when it is submitted: for tools, which have nothing else to do.
 */
#ifndef FTP_RUNTIME_PLAIN_DISK_H
#define FTP_RUNTIME_PLAIN_DISK_H

#include "runtime/base/error.h"
#include "runtime/disk.h"

/* -errno with its text. */
int ftp_plain_disk_new(
	struct ftp_disk **out, const char *path, bool is_read_only, struct ftp_error *err);

#endif
