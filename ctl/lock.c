#include "ctl/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/paths.h"

static const struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

static pid_t read_pid(int fd)
{
	char text[32];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	long pid;

	text[n > 0 ? n : 0] = 0;
	pid = strtol(text, NULL, 10);
	return pid > 0 ? (pid_t)pid : 0;
}

int ftp_lock_take(const char *data_dir, int *fd, pid_t *holder, struct ftp_error *err)
{
	char path[FTP_PATHS_MAX];
	struct flock lock = whole;
	int rc = ftp_paths_make(data_dir, err);

	if (rc)
		return ftp_error_prefix(err, rc, "cluster.data_dir");
	ftp_paths_lock(data_dir, path, sizeof(path));
	*fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (*fd < 0)
		return ftp_error_set(
			err, errno, "cluster.data_dir: cannot open %s: %s", path, strerror(errno));
	if (!fcntl(*fd, F_OFD_SETLK, &lock)) {
		if (ftruncate(*fd, 0))
			return ftp_error_set(
				err, errno, "cannot write %s: %s", path, strerror(errno));
		return 0;
	}
	rc = errno;
	*holder = read_pid(*fd);
	close(*fd);
	*fd = -1;
	if (rc == EAGAIN || rc == EACCES)
		return 1;
	return ftp_error_set(err, rc, "cannot lock %s: %s", path, strerror(rc));
}

void ftp_lock_sign(int fd)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "%d\n", getpid());

	ftp_assert(pwrite(fd, text, (size_t)n, 0) == n);
}

pid_t ftp_lock_holder(const char *data_dir)
{
	char path[FTP_PATHS_MAX];
	struct flock lock = whole;
	pid_t pid = 0;
	int fd;

	ftp_paths_lock(data_dir, path, sizeof(path));
	/* A read lock is asked about: that needs no more than the right to read the file. */
	lock.l_type = F_RDLCK;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	if (!fcntl(fd, F_OFD_GETLK, &lock) && lock.l_type != F_UNLCK) {
		pid = read_pid(fd);
		pid = pid ? pid : -1;
	}
	close(fd);
	return pid;
}
