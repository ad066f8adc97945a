#include "ctl/paths.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int ftp_paths_default_data_dir(char *path, size_t bytes, struct ftp_error *err)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	int n;

	if (!geteuid())
		n = snprintf(path, bytes, "/var/lib/ftpipe");
	else if (state && state[0] == '/')
		n = snprintf(path, bytes, "%s/ftpipe", state);
	else if (home && home[0] == '/')
		n = snprintf(path, bytes, "%s/.local/state/ftpipe", home);
	else
		return ftp_error_set(err, ENOENT,
			"no home directory to keep runs in; set HOME or cluster.data_dir");
	if ((size_t)n >= bytes)
		return ftp_error_set(err, ENAMETOOLONG, "%.64s...: path too long", path);
	return 0;
}

int ftp_paths_absolute(const char *text, char *path, size_t bytes, struct ftp_error *err)
{
	char cwd[FTP_PATHS_MAX];
	int n;

	if (text[0] == '/')
		n = snprintf(path, bytes, "%s", text);
	else if (getcwd(cwd, sizeof(cwd)))
		n = snprintf(path, bytes, "%s/%s", cwd, text);
	else
		return ftp_error_set(err, errno, "working directory: %s", strerror(errno));
	if ((size_t)n >= bytes)
		return ftp_error_set(err, ENAMETOOLONG, "%.64s...: path too long", text);
	return 0;
}

void ftp_paths_runs(const char *data_dir, char *path, size_t bytes)
{
	snprintf(path, bytes, "%s/runs", data_dir);
}

void ftp_paths_run(const char *data_dir, const char *run, char *path, size_t bytes)
{
	snprintf(path, bytes, "%s/runs/%s", data_dir, run);
}

void ftp_paths_latest(const char *data_dir, char *path, size_t bytes)
{
	snprintf(path, bytes, "%s/runs/latest", data_dir);
}

void ftp_paths_lock(const char *data_dir, char *path, size_t bytes)
{
	snprintf(path, bytes, "%s/supervisor.lock", data_dir);
}

/* 0 or the errno; a directory that is there already will do. */
static int make_one(const char *path, mode_t mode)
{
	struct stat s;

	if (!mkdir(path, mode))
		return 0;
	if (errno != EEXIST)
		return errno;
	return stat(path, &s) ? errno : S_ISDIR(s.st_mode) ? 0 : ENOTDIR;
}

int ftp_paths_make(const char *path, struct ftp_error *err)
{
	char part[FTP_PATHS_MAX];
	size_t n = strlen(path);

	if (n >= sizeof(part))
		return ftp_error_set(err, ENAMETOOLONG, "%.64s...: path too long", path);
	memcpy(part, path, n + 1);
	for (char *slash = part + 1;; slash++) {
		char kept;
		int rc;

		slash += strcspn(slash, "/");
		kept = *slash;
		*slash = 0;
		rc = make_one(part, kept ? 0755 : 0700);
		if (rc)
			return ftp_error_set(
				err, rc, "cannot make directory %s: %s", part, strerror(rc));
		*slash = kept;
		if (!kept)
			return 0;
	}
}

int ftp_paths_programs(char *path, size_t bytes, struct ftp_error *err)
{
	ssize_t n = readlink("/proc/self/exe", path, bytes - 1);

	if (n < 0)
		return ftp_error_set(err, errno, "/proc/self/exe: %s", strerror(errno));
	path[n] = 0;
	*strrchr(path, '/') = 0;
	return 0;
}
