/* The files of a directory by the numbers that a disk's operations use, and operations on them as
 * plain calls. One thread at a time. */
#ifndef FTP_RUNTIME_DISK_FILES_H
#define FTP_RUNTIME_DISK_FILES_H

#include "runtime/base/error.h"
#include "runtime/disk.h"

struct ftp_disk_files {
	int dir;
	int fd[FTP_DISK_MAX_FILES]; /* -1: not open */
	bool is_direct;		    /* wanted, and the file system has it */
	bool is_read_only;
};

/* Makes the directory where there is none, and locks it for this process, unless it is only read.
 * -errno with its text; -EBUSY: another one has it. */
int ftp_disk_files_init(struct ftp_disk_files *f, const char *path, bool wants_direct,
	bool is_read_only, struct ftp_error *err);
void ftp_disk_files_deinit(struct ftp_disk_files *f);

/* The whole operation; its result. buffers: of the disk. */
int64_t ftp_disk_files_do(struct ftp_disk_files *f, const struct ftp_disk_op *op, uint8_t *buffers);

/* Staging buffers, touched and aligned; NULL: no memory. free() them. */
uint8_t *ftp_disk_files_buffers(void);

#endif
