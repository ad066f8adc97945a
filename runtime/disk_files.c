#include "runtime/disk_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROBE ".probe"

/* Only an open says whether a file system has direct access. */
static bool has_direct(int dir)
{
	int fd = openat(dir, PROBE, O_CREAT | O_RDWR | O_DIRECT | O_NOFOLLOW | O_CLOEXEC, 0600);
	bool refused = fd < 0 && errno == EINVAL;

	if (fd >= 0)
		close(fd);
	unlinkat(dir, PROBE, 0);
	return !refused;
}

void ftp_disk_files_init(
	struct ftp_disk_files *f, const char *path, bool wants_direct, bool is_read_only)
{
	*f = (struct ftp_disk_files){.path = strdup(path),
		.dir = -1,
		.wants_direct = wants_direct,
		.is_read_only = is_read_only};
	ftp_assert(f->path);
	for (int i = 0; i < FTP_DISK_MAX_FILES; i++)
		f->fd[i] = -1;
}

void ftp_disk_files_close(struct ftp_disk_files *f, uint32_t file)
{
	if (f->fd[file] >= 0)
		close(f->fd[file]);
	f->fd[file] = -1;
}

static void detach(struct ftp_disk_files *f)
{
	for (uint32_t i = 0; i < FTP_DISK_MAX_FILES; i++)
		ftp_disk_files_close(f, i);
	if (f->dir >= 0)
		close(f->dir);
	f->dir = -1;
}

void ftp_disk_files_deinit(struct ftp_disk_files *f)
{
	detach(f);
	free(f->path);
}

/* And the one that it is in. */
static int make_directory(struct ftp_disk_files *f)
{
	char *last = strrchr(f->path, '/');

	if (!mkdir(f->path, 0700) || errno == EEXIST)
		return 0;
	if (errno == ENOENT && last && last != f->path) {
		*last = 0;
		mkdir(f->path, 0700); /* what is wrong with it, the other one says */
		*last = '/';
		if (!mkdir(f->path, 0700))
			return 0;
	}
	return -errno;
}

static int64_t do_attach(struct ftp_disk_files *f, const struct ftp_disk_op *op, uint8_t *buffers)
{
	int rc = f->is_read_only ? 0 : make_directory(f);

	(void)op;
	(void)buffers;
	detach(f);
	if (rc)
		return rc;
	f->dir = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (f->dir < 0)
		return -errno;
	if (!f->is_read_only && flock(f->dir, LOCK_EX | LOCK_NB)) {
		rc = errno == EWOULDBLOCK ? -EBUSY : -errno;
		detach(f);
		return rc;
	}
	f->is_direct = f->wants_direct && has_direct(f->dir);
	return f->is_direct;
}

int ftp_disk_files_open_flags(const struct ftp_disk_files *f, enum ftp_disk_op_kind kind)
{
	return O_CLOEXEC | O_NOFOLLOW | (f->is_read_only ? O_RDONLY : O_RDWR) |
	       (kind == FTP_DISK_CREATE ? O_CREAT : 0) | (f->is_direct ? O_DIRECT : 0);
}

int64_t ftp_disk_files_adopt(struct ftp_disk_files *f, uint32_t file, int fd)
{
	struct stat st;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		close(fd);
		return -EIO;
	}
	ftp_disk_files_close(f, file);
	f->fd[file] = fd;
	return st.st_size;
}

static int64_t do_open(struct ftp_disk_files *f, const struct ftp_disk_op *op, uint8_t *buffers)
{
	int fd = openat(
		f->dir, op->name, ftp_disk_files_open_flags(f, op->kind), FTP_DISK_FILES_MODE);

	(void)buffers;
	return fd < 0 ? -errno : ftp_disk_files_adopt(f, op->file, fd);
}

static void add_entry(const struct ftp_disk_op *op, uint32_t n, const struct dirent *e, int dir)
{
	struct stat st;

	if (n >= op->max_entries)
		return;
	memcpy(op->entries[n].name, e->d_name, strlen(e->d_name) + 1);
	op->entries[n].bytes =
		fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) ? 0 : (uint64_t)st.st_size;
}

static int64_t do_list(struct ftp_disk_files *f, const struct ftp_disk_op *op, uint8_t *buffers)
{
	int fd = openat(f->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;
	uint32_t n = 0;

	(void)buffers;
	if (!d)
		return -errno;
	while ((e = readdir(d)))
		if (e->d_name[0] != '.' && strlen(e->d_name) < FTP_DISK_NAME)
			add_entry(op, n++, e, fd);
	closedir(d);
	return n;
}

static int64_t do_read(struct ftp_disk_files *f, const struct ftp_disk_op *op, uint8_t *buffers)
{
	uint8_t *at = buffers + (uint64_t)op->buffer * FTP_DISK_BUFFER_BYTES + op->buffer_offset;
	ssize_t n = pread(f->fd[op->file], at, op->bytes, (off_t)op->offset);

	return n < 0 ? -errno : n;
}

static int64_t do_write(struct ftp_disk_files *f, const struct ftp_disk_op *op, uint8_t *buffers)
{
	uint8_t *at = buffers + (uint64_t)op->buffer * FTP_DISK_BUFFER_BYTES + op->buffer_offset;
	ssize_t n = pwrite(f->fd[op->file], at, op->bytes, (off_t)op->offset);

	return n < 0 ? -errno : n;
}

static int64_t synced(int fd)
{
	const int flags =
		AT_EMPTY_PATH | AT_STATX_DONT_SYNC; /* as it is known here: no server asked */
	struct statx st;

	if (statx(fd, "", flags, STATX_NLINK, &st) || !(st.stx_mask & STATX_NLINK))
		return 0;
	return st.stx_nlink ? 0 : -ESTALE;
}

int64_t ftp_disk_files_synced(const struct ftp_disk_files *f, uint32_t file)
{
	return synced(f->fd[file]);
}

int64_t ftp_disk_files_synced_dir(const struct ftp_disk_files *f)
{
	return synced(f->dir);
}

static int64_t do_sync(struct ftp_disk_files *f, const struct ftp_disk_op *op, uint8_t *buffers)
{
	(void)buffers;
	return fdatasync(f->fd[op->file]) ? -errno : synced(f->fd[op->file]);
}

static int64_t do_sync_dir(struct ftp_disk_files *f, const struct ftp_disk_op *op, uint8_t *buffers)
{
	(void)op;
	(void)buffers;
	return fsync(f->dir) ? -errno : synced(f->dir);
}

static int64_t do_remove(struct ftp_disk_files *f, const struct ftp_disk_op *op, uint8_t *buffers)
{
	(void)buffers;
	ftp_disk_files_close(f, op->file);
	return unlinkat(f->dir, op->name, 0) ? -errno : 0;
}

int64_t ftp_disk_files_do(struct ftp_disk_files *f, const struct ftp_disk_op *op, uint8_t *buffers)
{
	static int64_t (*const does[FTP_DISK_N_KINDS])(struct ftp_disk_files *,
		const struct ftp_disk_op *, uint8_t *) = {[FTP_DISK_ATTACH] = do_attach,
		[FTP_DISK_LIST] = do_list,
		[FTP_DISK_OPEN] = do_open,
		[FTP_DISK_CREATE] = do_open,
		[FTP_DISK_READ] = do_read,
		[FTP_DISK_WRITE] = do_write,
		[FTP_DISK_SYNC] = do_sync,
		[FTP_DISK_SYNC_DIR] = do_sync_dir,
		[FTP_DISK_REMOVE] = do_remove};

	ftp_assert(op->kind < FTP_DISK_N_KINDS && op->file < FTP_DISK_MAX_FILES);
	return does[op->kind](f, op, buffers);
}

uint8_t *ftp_disk_files_buffers(void)
{
	size_t bytes = (size_t)FTP_DISK_N_BUFFERS * FTP_DISK_BUFFER_BYTES;
	uint8_t *buffers = aligned_alloc(FTP_DISK_BLOCK, bytes);

	if (buffers)
		memset(buffers, 0, bytes);
	return buffers;
}
