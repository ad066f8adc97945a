#include "ctl/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK_BYTES 65536

bool ftp_lines_is_no_room(int rc)
{
	return rc == -ENOSPC || rc == -EDQUOT;
}

static int cannot(struct ftp_error *err, const char *what, const char *path)
{
	int errnum = errno;

	return ftp_error_set(err, errnum, "cannot %s %s: %s", what, path, strerror(errnum));
}

static int open_as(struct ftp_lines *l, const char *path, int flags, struct ftp_error *err)
{
	memset(l, 0, sizeof(*l));
	l->fd = open(path, O_RDWR | O_APPEND | O_CLOEXEC | flags, 0666);
	if (l->fd < 0)
		return cannot(err, "write", path);
	snprintf(l->path, sizeof(l->path), "%s", path);
	return 0;
}

int ftp_lines_create(struct ftp_lines *l, const char *path, struct ftp_error *err)
{
	return open_as(l, path, O_CREAT | O_EXCL, err);
}

int ftp_lines_open(struct ftp_lines *l, const char *path, off_t end, struct ftp_error *err)
{
	int rc = open_as(l, path, 0, err);

	if (rc || !ftruncate(l->fd, end))
		return rc;
	rc = cannot(err, "cut", path);
	ftp_lines_close(l);
	return rc;
}

void ftp_lines_close(struct ftp_lines *l)
{
	if (!l->path[0])
		return;
	ftp_lines_write(l, NULL);
	close(l->fd);
	free(l->waiting);
	memset(l, 0, sizeof(*l));
}

void ftp_lines_add(struct ftp_lines *l, const char *text, size_t bytes)
{
	while (l->n_waiting + bytes > l->room) {
		l->room = l->room ? 2 * l->room : 4096;
		l->waiting = realloc(l->waiting, l->room);
		ftp_assert(l->waiting);
	}
	memcpy(l->waiting + l->n_waiting, text, bytes);
	l->n_waiting += bytes;
}

static void drop_first(struct ftp_lines *l, size_t bytes)
{
	l->n_waiting -= bytes;
	memmove(l->waiting, l->waiting + bytes, l->n_waiting);
}

int ftp_lines_write(struct ftp_lines *l, struct ftp_error *err)
{
	size_t at = 0;
	int rc = 0;

	while (at < l->n_waiting && !rc) {
		ssize_t n = write(l->fd, l->waiting + at, l->n_waiting - at);

		if (n > 0)
			at += (size_t)n;
		else if (n < 0 && errno != EINTR)
			rc = cannot(err, "write", l->path);
	}
	if (at)
		drop_first(l, at);
	return ftp_lines_is_no_room(rc) ? 1 : rc;
}

int ftp_lines_sync(struct ftp_lines *l, struct ftp_error *err)
{
	int rc = ftp_lines_write(l, err);

	return !rc && fdatasync(l->fd) ? cannot(err, "sync", l->path) : rc;
}

/* How many bytes so many lines are; less the lines that were found, if there are not enough. */
static size_t bytes_of(const char *text, size_t bytes, uint64_t *n_lines)
{
	size_t at = 0;

	while (*n_lines && at < bytes) {
		const char *end = memchr(text + at, '\n', bytes - at);

		if (!end)
			return bytes;
		at = (size_t)(end - text) + 1;
		--*n_lines;
	}
	return at;
}

/* Where so many lines of the file end, or the file; *n_lines is what is missing. */
static int find_end(const struct ftp_lines *l, uint64_t *n_lines, off_t *end, struct ftp_error *err)
{
	char block[BLOCK_BYTES];
	ssize_t n = 1;

	*end = 0;
	while (*n_lines && n) {
		n = pread(l->fd, block, sizeof(block), *end);
		if (n < 0)
			return cannot(err, "read", l->path);
		*end += (off_t)bytes_of(block, (size_t)n, n_lines);
	}
	return 0;
}

int ftp_lines_cut(struct ftp_lines *l, uint64_t n_lines, struct ftp_error *err)
{
	uint64_t n_missing = n_lines;
	size_t kept = 0;
	off_t end;
	int rc = find_end(l, &n_missing, &end, err);

	if (rc)
		return rc;
	if (n_missing) /* the others wait, and nothing in the file is to go */
		kept = bytes_of(l->waiting, l->n_waiting, &n_missing);
	if (n_missing)
		return ftp_error_set(err, EIO, "cannot cut %s: it has no %llu lines", l->path,
			(unsigned long long)n_lines);
	if (ftruncate(l->fd, end))
		rc = cannot(err, "cut", l->path);
	else
		l->n_waiting = kept;
	return ftp_lines_is_no_room(rc) ? 1 : rc;
}
