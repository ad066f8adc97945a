/* Disk: the seam between the checkpoint store and one directory of files. Operations are submitted
 * and their completions reaped, so that the protocol above never waits and sees nothing but
 * operations and results.
 *
 * Implementations: io_uring (runtime/uring_disk.h), plain calls in the caller's thread
 * (runtime/plain_disk.h) or in a thread of their own (runtime/thread_disk.h), and a simulated disk
 * of the tests that loses power. One thread at a time calls.
 *
 * Data travels through the disk's own staging buffers: that is what lets the disk register them
 * with the kernel once and write past the page cache, whatever the alignment of what is stored. The
 * copy costs some 0.1 ms per MB. Reads and writes begin and end on FTP_DISK_BLOCK.
 */
#ifndef FTP_RUNTIME_DISK_H
#define FTP_RUNTIME_DISK_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/error.h"

#define FTP_DISK_BLOCK	   4096
#define FTP_DISK_MAX_FILES 72
#define FTP_DISK_NAME	   32
#define FTP_DISK_N_BUFFERS 16
#define FTP_DISK_BUFFER_BYTES                                                                      \
	(256u << 10) /* all of them fit in the usual limit of locked memory                        \
		      */

struct ftp_disk_entry {
	char name[FTP_DISK_NAME];
	uint64_t bytes;
};

enum ftp_disk_op_kind {
	FTP_DISK_ATTACH, /* the first of all, alone: the directory is made where there is none, in
			    one that may be missing too, opened, and locked unless it is only read;
			    result: whether access is direct; -EBUSY: another process has it. May
			    be tried again when it has failed, or when the directory was removed:
			    what was open is closed */
	FTP_DISK_LIST,	 /* result: entries there are; those of longer names are left out */
	FTP_DISK_OPEN,	 /* name as file, which is no other one any more; result: its size */
	FTP_DISK_CREATE, /* the same, made empty where there is none */
	FTP_DISK_READ,	 /* result: bytes, fewer at the end of the file or for no reason */
	FTP_DISK_WRITE,	 /* the same */
	FTP_DISK_SYNC,	 /* what was written to file is durable, its size included; -ESTALE: it was
			    removed by others, and no process will find it again */
	FTP_DISK_SYNC_DIR, /* creations and removals are durable; -ESTALE as well */
	FTP_DISK_REMOVE,   /* name, open as file; file is free, whatever the result */
	FTP_DISK_N_KINDS,
};

struct ftp_disk_op {
	enum ftp_disk_op_kind kind;
	uint32_t tag;  /* of the caller; comes back with the result */
	uint32_t file; /* the caller's number for it, below FTP_DISK_MAX_FILES */
	char name[FTP_DISK_NAME];
	uint32_t buffer, buffer_offset, bytes; /* READ, WRITE: a part of that staging buffer */
	uint64_t offset;		       /* in the file */
	struct ftp_disk_entry *entries;	       /* LIST: lent until the completion */
	uint32_t max_entries;
};

struct ftp_disk_completion {
	uint32_t tag;
	int64_t result; /* or negative errno */
};

struct ftp_disk;

struct ftp_disk_ops {
	/* At most FTP_DISK_N_BUFFERS are submitted and not reaped. */
	void (*submit)(struct ftp_disk *d, const struct ftp_disk_op *op);
	/* Hands over what was submitted; returns how many have completed, in any order. Sleeps no
	 * longer than timeout_ns for the first of them. */
	int (*reap)(
		struct ftp_disk *d, struct ftp_disk_completion *out, int max, uint64_t timeout_ns);
	/* Waits for what is under way. */
	void (*free)(struct ftp_disk *d);
};

/* What it turned out to be, for one line of the log and a metric. */
struct ftp_disk_mode {
	const char *engine; /* "io_uring", "thread", "plain", "simulated" */
	bool is_direct;	    /* past the page cache; known when it is attached */
	bool has_registered_buffers;
	bool has_file_ops; /* opens and removes files itself; else a thread does it for it */
};

struct ftp_disk {
	const struct ftp_disk_ops *ops;
	uint8_t *buffers; /* FTP_DISK_N_BUFFERS of FTP_DISK_BUFFER_BYTES, aligned to FTP_DISK_BLOCK
			   */
	struct ftp_disk_mode mode;
};

/* The best that this system allows: io_uring, else a thread; past the page cache, if that is wanted
 * and possible. What it had to do without is a line in the log, and in its mode. The directory is
 * not touched before FTP_DISK_ATTACH. -errno with its text. */
int ftp_disk_open(
	struct ftp_disk **out, const char *path, bool wants_direct, struct ftp_error *err);

static inline uint8_t *ftp_disk_buffer(const struct ftp_disk *d, uint32_t buffer)
{
	return d->buffers + (uint64_t)buffer * FTP_DISK_BUFFER_BYTES;
}

#endif
