/* A file of lines that are appended, and may be cut. What finds no room on the disk waits in
 * memory, in order, until there is some. Without stdio, whose streams never forget a failure. One
 * thread. */
#ifndef FTP_CTL_LINES_H
#define FTP_CTL_LINES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "ctl/paths.h"
#include "runtime/base/error.h"

struct ftp_lines {
	char path[FTP_PATHS_MAX];
	int fd;
	char *waiting; /* not in the file yet; after a partial write it begins within a line */
	size_t n_waiting, room; /* bytes */
};

/* A new file. -EEXIST, ... */
int ftp_lines_create(struct ftp_lines *l, const char *path, struct ftp_error *err);
/* One that is there; only its first bytes stay. */
int ftp_lines_open(struct ftp_lines *l, const char *path, off_t end, struct ftp_error *err);
/* After one more attempt to write what waits. Nothing if it is not open: all 0. */
void ftp_lines_close(struct ftp_lines *l);

void ftp_lines_add(struct ftp_lines *l, const char *text, size_t bytes);

/* 0: all is in the file. 1: there is no room for what waits; err says so. Else negative errno. */
int ftp_lines_write(struct ftp_lines *l, struct ftp_error *err);
/* The same, and all is on the disk. What could not be synced may be lost though a later attempt
 * succeeds, so any failure of that is negative. */
int ftp_lines_sync(struct ftp_lines *l, struct ftp_error *err);
/* Only the first n_lines stay, which are whole. 1: there is no room to do it. */
int ftp_lines_cut(struct ftp_lines *l, uint64_t n_lines, struct ftp_error *err);

/* Is this negative errno one that goes by when somebody makes room? */
bool ftp_lines_is_no_room(int rc);

#endif
