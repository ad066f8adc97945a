/* The files of a directory by the numbers that a disk's operations use, and operations on them as
 * plain calls. One thread at a time. */
#ifndef FTP_RUNTIME_DISK_FILES_H
#define FTP_RUNTIME_DISK_FILES_H

#include "runtime/base/error.h"
#include "runtime/disk.h"

struct ftp_disk_files {
	char *path;
	int dir;		      /* -1: not attached */
	int fd[FTP_DISK_MAX_FILES];   /* -1: not open */
	bool wants_direct, is_direct; /* wanted, and the file system has it */
	bool is_read_only;
};

/* Touches no file. */
void ftp_disk_files_init(
	struct ftp_disk_files *f, const char *path, bool wants_direct, bool is_read_only);
void ftp_disk_files_deinit(struct ftp_disk_files *f);

/* The parts of CREATE and REMOVE that never wait for the disk, around one call that may:
 * openat(dir, name, flags) for the first, whose descriptor is then adopted: its size or -errno;
 * unlinkat(dir, name) for the second, after the descriptor is closed: as the file still has a name
 * then, closing it frees nothing. */
int ftp_disk_files_open_flags(const struct ftp_disk_files *f, enum ftp_disk_op_kind kind);
int64_t ftp_disk_files_adopt(struct ftp_disk_files *f, uint32_t file, int fd);
void ftp_disk_files_close(struct ftp_disk_files *f, uint32_t file);

/* What SYNC has to say once the file's bytes are durable: 0, or -ESTALE as it has no name any more.
 * This does not wait for the disk either. */
int64_t ftp_disk_files_synced(const struct ftp_disk_files *f, uint32_t file);
int64_t ftp_disk_files_synced_dir(const struct ftp_disk_files *f);

#define FTP_DISK_FILES_MODE 0600 /* of a file that is made */

/* The whole operation; its result. buffers: of the disk. */
int64_t ftp_disk_files_do(struct ftp_disk_files *f, const struct ftp_disk_op *op, uint8_t *buffers);

/* Staging buffers, touched and aligned; NULL: no memory. free() them. */
uint8_t *ftp_disk_files_buffers(void);

#endif
