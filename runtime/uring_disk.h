/* A disk over io_uring: past the page cache, from buffers that the kernel knows, submitted in
 * batches and reaped between steps. No polling thread of the kernel: it takes a core from the
 * training (measured: a step is 53 ms longer while 200 MB are written, beside 0 to 8).
 *
 * Files are opened, created and removed by it too, in a thread of the kernel's: their calls wait
 * for the disk. What it cannot do, attaching and listing at least, a thread of ours does
 * (runtime/file_thread.h): a disk that hung may be opened while there is training.
 *
 * Operations are not linked: a failure of one would cancel those behind it, and the protocol above
 * waits anyway. The only file that knows liburing is uring_disk.c. */
#ifndef FTP_RUNTIME_URING_DISK_H
#define FTP_RUNTIME_URING_DISK_H

#include "runtime/base/error.h"
#include "runtime/disk.h"

/* What could not be had is said in one line of the log, with what to do about it. -errno with its
 * text: -EPERM, -ENOSYS, -ENOMEM; another disk may do. */
int ftp_uring_disk_new(
	struct ftp_disk **out, const char *path, bool wants_direct, struct ftp_error *err);

#endif
