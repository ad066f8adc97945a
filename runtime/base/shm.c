#include "runtime/base/shm.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

#include "runtime/base/log.h"

#define MAX_PATH 4096
#define MAGIC	 "FTPMEMRY"

struct trailer { /* behind the content */
	char magic[8];
	uint64_t bytes; /* of the content */
	char link[MAX_PATH];
};

static int cannot(struct ftp_error *err, int errnum, const char *what, const char *path)
{
	return ftp_error_set(err, errnum, "cannot %s %s: %s", what, path, strerror(errnum));
}

/* Without a name nobody can have put something else in its place, and nothing is left of a process
 * that is killed before the file is whole. */
static int open_nameless(const char *home, struct ftp_error *err)
{
	struct statfs fs;
	int fd = open(home, O_TMPFILE | O_RDWR | O_CLOEXEC, 0644);

	if (fd < 0)
		return cannot(err, errno, "make a file in", home);
	if (!fstatfs(fd, &fs) && fs.f_type == TMPFS_MAGIC)
		return fd;
	close(fd);
	return ftp_error_set(err, ENODEV, "%s is no memory (tmpfs)", home);
}

/* 0 or an errno. */
static int fill(int fd, const char *link, size_t bytes)
{
	struct trailer t = {.bytes = bytes};
	int rc = posix_fallocate(fd, 0, (off_t)(bytes + sizeof(t))); /* a hole may be a SIGBUS */

	if (rc)
		return rc;
	memcpy(t.magic, MAGIC, sizeof(t.magic));
	if (snprintf(t.link, sizeof(t.link), "%s", link) >= (int)sizeof(t.link))
		return ENAMETOOLONG;
	errno = EIO;
	return pwrite(fd, &t, sizeof(t), (off_t)bytes) == sizeof(t) && !flock(fd, LOCK_EX | LOCK_NB)
		       ? 0
		       : errno;
}

/* Never that of another file. 0 or an errno. */
static int give_name(int fd, const char *home, const char *link)
{
	char self[64], name[MAX_PATH];
	uint64_t number;
	int rc;

	if (getrandom(&number, sizeof(number), 0) != sizeof(number))
		return EIO;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	if (snprintf(name, sizeof(name), "%s/" FTP_SHM_FILE "%016" PRIx64, home, number) >=
		(int)sizeof(name))
		return ENAMETOOLONG;
	if (linkat(AT_FDCWD, self, AT_FDCWD, name, AT_SYMLINK_FOLLOW))
		return errno;
	if (!symlink(name, link))
		return 0;
	rc = errno;
	unlink(name);
	return rc;
}

int ftp_shm_make(const char *home, const char *link, size_t bytes, struct ftp_error *err)
{
	int fd = open_nameless(home, err), rc;

	if (fd < 0)
		return fd;
	rc = fill(fd, link, bytes);
	if (!rc)
		rc = give_name(fd, home, link);
	if (!rc)
		return fd;
	close(fd);
	return ftp_error_set(err, rc, "cannot make a file in %s, and a link to it at %s: %s", home,
		link, strerror(rc));
}

/* Where link points to, if that is a memory file's name. */
static bool read_link(const char *home, const char *link, char name[MAX_PATH])
{
	ssize_t n = readlink(link, name, MAX_PATH - 1);
	size_t at = strlen(home) + 1 + strlen(FTP_SHM_FILE);

	if (n < 0)
		return false;
	name[n] = 0;
	errno = EINVAL;
	return (size_t)n > at && !strncmp(name, home, strlen(home)) && name[strlen(home)] == '/' &&
	       !strncmp(name + strlen(home) + 1, FTP_SHM_FILE, strlen(FTP_SHM_FILE)) &&
	       !strchr(name + at, '/');
}

void ftp_shm_remove(const char *home, const char *link)
{
	char name[MAX_PATH];
	struct stat s;

	if (read_link(home, link, name) && !lstat(name, &s) && S_ISREG(s.st_mode) &&
		s.st_uid == geteuid())
		unlink(name);
	unlink(link);
}

/* 0 or an errno. Whoever looks meanwhile sees the old one or the new one. */
static int put_in_place(int fd, size_t bytes, const char *path)
{
	char draft[MAX_PATH + 16];
	off_t at = 0;
	int to, rc = 0;

	snprintf(draft, sizeof(draft), "%s.new", path);
	to = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (to < 0)
		return errno;
	while (!rc && (size_t)at < bytes) {
		ssize_t n = sendfile(to, fd, &at, bytes - (size_t)at);

		if (n == 0 || (n < 0 && errno != EINTR))
			rc = n ? errno : EIO;
	}
	if (close(to) && !rc)
		rc = errno;
	if (!rc && rename(draft, path))
		rc = errno;
	if (rc)
		unlink(draft);
	return rc;
}

/* To the link, or, if its place was needed, to the one before: the recorder's .old. true: it is
 * done with. */
static bool settle(int fd, const struct trailer *t, const char *home, const char *name)
{
	static const char *const suffixes[] = {"", FTP_SHM_OLD};
	char path[MAX_PATH + 8], found[MAX_PATH];
	int rc;

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(*suffixes); i++) {
		snprintf(path, sizeof(path), "%s%s", t->link, suffixes[i]);
		if (!read_link(home, path, found)) {
			if (errno != ENOENT && errno != ENOTDIR && errno != EINVAL)
				return false; /* it may be there another time */
			continue;
		}
		if (strcmp(found, name))
			continue;
		rc = put_in_place(fd, t->bytes, path);
		if (rc)
			ftp_log_warn("%s cannot be moved to %s: %s; the next start tries again",
				name, path, strerror(rc));
		return !rc;
	}
	return true;
}

static bool read_trailer(int fd, off_t file_bytes, struct trailer *t)
{
	off_t at = file_bytes - (off_t)sizeof(*t);

	return at >= 0 && pread(fd, t, sizeof(*t), at) == sizeof(*t) &&
	       !memcmp(t->magic, MAGIC, sizeof(t->magic)) && t->bytes == (uint64_t)at &&
	       memchr(t->link, 0, sizeof(t->link));
}

static void sweep_file(
	int fd, const struct stat *s, const char *home, const char *below, const char *name)
{
	char path[MAX_PATH];
	struct trailer t;

	if (!S_ISREG(s->st_mode) || !read_trailer(fd, s->st_size, &t) ||
		strncmp(t.link, below, strlen(below)))
		return;
	snprintf(path, sizeof(path), "%s/%s", home, name);
	if (settle(fd, &t, home, path))
		unlink(path);
}

static void sweep_listener(int fd, int home_fd, const char *name)
{
	unlinkat(fd, FTP_SHM_SOCKET, 0);
	unlinkat(home_fd, name, AT_REMOVEDIR);
}

static void sweep_one(int home_fd, const char *home, const char *below, const char *name)
{
	bool is_listener = !strncmp(name, FTP_SHM_LISTENER, strlen(FTP_SHM_LISTENER));
	struct stat s;
	int fd;

	if (!is_listener && strncmp(name, FTP_SHM_FILE, strlen(FTP_SHM_FILE)) != 0)
		return;
	fd = openat(home_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return;
	if (!fstat(fd, &s) && s.st_uid == geteuid() && !flock(fd, LOCK_EX | LOCK_NB)) {
		if (!is_listener)
			sweep_file(fd, &s, home, below, name);
		else if (S_ISDIR(s.st_mode))
			sweep_listener(fd, home_fd, name);
	}
	close(fd);
}

void ftp_shm_sweep(const char *home, const char *below)
{
	DIR *d = opendir(home);
	const struct dirent *e;

	if (!d)
		return;
	while ((e = readdir(d)))
		sweep_one(dirfd(d), home, below, e->d_name);
	closedir(d);
}
