/* A thread that does a disk's operations as plain calls: all of them where there is no io_uring,
 * else those that io_uring has not. One other thread submits and reaps. */
#ifndef FTP_RUNTIME_FILE_THREAD_H
#define FTP_RUNTIME_FILE_THREAD_H

#include <pthread.h>

#include "runtime/base/error.h"
#include "runtime/base/spsc.h"
#include "runtime/base/waker.h"
#include "runtime/disk.h"
#include "runtime/disk_files.h"

struct ftp_file_thread {
	struct ftp_disk_files *files; /* lent; what an operation names is the thread's meanwhile */
	uint8_t *buffers;
	struct ftp_spsc ops, done;
	struct ftp_waker has_ops, has_done;
	_Atomic bool is_ending;
	pthread_t thread;
};

/* -errno with its text. */
int ftp_file_thread_start(struct ftp_file_thread *t, struct ftp_disk_files *files, uint8_t *buffers,
	struct ftp_error *err);
/* The operation that the thread is in is waited for; what has not begun is not begun. */
void ftp_file_thread_stop(struct ftp_file_thread *t);

/* At most FTP_DISK_N_BUFFERS are submitted and not reaped. */
void ftp_file_thread_submit(struct ftp_file_thread *t, const struct ftp_disk_op *op);
/* As a disk's reap. */
int ftp_file_thread_reap(
	struct ftp_file_thread *t, struct ftp_disk_completion *out, int max, uint64_t timeout_ns);

#endif
