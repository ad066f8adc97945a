/* Where things lie: the data directory and what is in it. Any thread. */
#ifndef FTP_CTL_PATHS_H
#define FTP_CTL_PATHS_H

#include <stddef.h>

#include "runtime/base/error.h"

#define FTP_PATHS_MAX 1280 /* bytes that any path here needs at most, with its final 0 */

/* root: /var/lib/ftpipe; others: $XDG_STATE_HOME/ftpipe or ~/.local/state/ftpipe. -ENOENT without a
 * home. */
int ftp_paths_default_data_dir(char *path, size_t bytes, struct ftp_error *err);

/* A relative path is relative to the working directory. -ENAMETOOLONG. */
int ftp_paths_absolute(const char *text, char *path, size_t bytes, struct ftp_error *err);

/* Below data_dir: "runs", "runs/ID", "runs/latest", "supervisor.lock". */
void ftp_paths_runs(const char *data_dir, char *path, size_t bytes);
void ftp_paths_run(const char *data_dir, const char *run, char *path, size_t bytes);
void ftp_paths_latest(const char *data_dir, char *path, size_t bytes);
void ftp_paths_lock(const char *data_dir, char *path, size_t bytes);

/* Where this program lies, and its siblings with it. */
int ftp_paths_programs(char *path, size_t bytes, struct ftp_error *err);

/* Makes path and its parents (0755, path itself 0700 if it is new). -EACCES, -ENOTDIR, ... with the
 * directory that failed. */
int ftp_paths_make(const char *path, struct ftp_error *err);

#endif
