#include "ctl/rundir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/clock.h"

#define LOG_TAIL_BYTES (64 << 10)

void ftp_rundir_file(const struct ftp_rundir *d, const char *name, char path[FTP_PATHS_MAX])
{
	ftp_assert(snprintf(path, FTP_PATHS_MAX, "%s/%s", d->path, name) < FTP_PATHS_MAX);
}

/* "2026-01-31T12:00:00.123Z" and the run's last digits: "20260131-120000-1a2b". */
static void name_run(struct ftp_rundir *d, uint64_t run)
{
	char wall[40];

	ftp_clock_wall_text(wall, sizeof(wall));
	snprintf(d->id, sizeof(d->id), "%.4s%.2s%.2s-%.2s%.2s%.2s-%04x", wall, wall + 5, wall + 8,
		wall + 11, wall + 14, wall + 17, (unsigned)(run & 0xffff));
}

static int cannot(struct ftp_error *err, const char *what, const char *path)
{
	int errnum = errno;

	return ftp_error_set(err, errnum, "cannot %s %s: %s", what, path, strerror(errnum));
}

/* A new name is durable once its directory is. */
static int sync_directory(const struct ftp_rundir *d, struct ftp_error *err)
{
	int fd = open(d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;

	if (fd < 0 || fsync(fd))
		rc = cannot(err, "sync", d->path);
	if (fd >= 0)
		close(fd);
	return rc;
}

int ftp_rundir_write_whole(const struct ftp_rundir *d, const char *name, const char *text, size_t n,
	struct ftp_error *err)
{
	char path[FTP_PATHS_MAX], draft[FTP_PATHS_MAX];
	int fd, rc = 0;

	ftp_rundir_file(d, name, path);
	ftp_assert(snprintf(draft, sizeof(draft), "%s.new", path) < (int)sizeof(draft));
	fd = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0)
		return cannot(err, "write", draft);
	for (size_t at = 0; at < n;) {
		ssize_t done = write(fd, text + at, n - at);

		if (done < 0 && errno != EINTR) {
			rc = cannot(err, "write", draft);
			break;
		}
		at += done > 0 ? (size_t)done : 0;
	}
	if (!rc && fsync(fd))
		rc = cannot(err, "write", draft);
	close(fd);
	if (!rc && rename(draft, path))
		rc = cannot(err, "write", path);
	if (rc)
		unlink(draft);
	return rc ? rc : sync_directory(d, err);
}

static int write_text(
	const struct ftp_rundir *d, const char *name, const char *text, struct ftp_error *err)
{
	return ftp_rundir_write_whole(d, name, text, strlen(text), err);
}

int ftp_rundir_write_config(
	const struct ftp_rundir *d, const struct ftp_config *c, struct ftp_error *err)
{
	char *yaml = ftp_config_dump(c);
	int rc = write_text(d, FTP_RUNDIR_CONFIG, yaml, err);

	free(yaml);
	return rc;
}

static int write_run(const struct ftp_rundir *d, uint64_t run, struct ftp_error *err)
{
	char text[20];

	snprintf(text, sizeof(text), "%016llx\n", (unsigned long long)run);
	return write_text(d, FTP_RUNDIR_RUN, text, err);
}

int ftp_rundir_read_run(const struct ftp_rundir *d, uint64_t *run, struct ftp_error *err)
{
	char path[FTP_PATHS_MAX], text[20] = "", *rest;
	FILE *f;

	ftp_rundir_file(d, FTP_RUNDIR_RUN, path);
	f = fopen(path, "re");
	if (!f)
		return cannot(err, "read", path);
	if (!fgets(text, sizeof(text), f))
		text[0] = 0;
	fclose(f);
	*run = strtoull(text, &rest, 16);
	if (rest != text + 16 || *rest != '\n')
		return ftp_error_set(err, EINVAL, "%s: expected 16 hex digits", path);
	return 0;
}

/* A reader of `latest` sees the old run or the new one, never none. */
static int switch_latest(const struct ftp_rundir *d, const char *data_dir, struct ftp_error *err)
{
	char latest[FTP_PATHS_MAX], draft[FTP_PATHS_MAX];

	ftp_paths_latest(data_dir, latest, sizeof(latest));
	ftp_assert(snprintf(draft, sizeof(draft), "%s.new", latest) < (int)sizeof(draft));
	unlink(draft);
	if (symlink(d->id, draft) || rename(draft, latest))
		return cannot(err, "make the link", latest);
	return 0;
}

int ftp_rundir_create(
	struct ftp_rundir *d, const struct ftp_config *c, uint64_t run, struct ftp_error *err)
{
	int rc;

	name_run(d, run);
	ftp_paths_run(c->cluster.data_dir, d->id, d->path, sizeof(d->path));
	if (strlen(d->path) + 64 > sizeof(d->path))
		return ftp_error_set(err, ENAMETOOLONG,
			"cluster.data_dir: %.64s...: too long a path", c->cluster.data_dir);
	rc = ftp_paths_make(d->path, err);
	if (rc)
		return ftp_error_prefix(err, rc, "cluster.data_dir");
	rc = write_run(d, run, err);
	if (!rc)
		rc = ftp_rundir_write_config(d, c, err);
	return rc ? rc : switch_latest(d, c->cluster.data_dir, err);
}

int ftp_rundir_latest(struct ftp_rundir *d, const char *data_dir, struct ftp_error *err)
{
	char latest[FTP_PATHS_MAX];
	ssize_t n;

	ftp_paths_latest(data_dir, latest, sizeof(latest));
	n = readlink(latest, d->id, sizeof(d->id) - 1);
	if (n < 0)
		return cannot(err, "read", latest);
	d->id[n] = 0;
	if (strchr(d->id, '/') || d->id[0] == '.')
		return ftp_error_set(err, ENOENT, "%s does not point to a run", latest);
	ftp_paths_run(data_dir, d->id, d->path, sizeof(d->path));
	return 0;
}

int ftp_rundir_open_log(const struct ftp_rundir *d, struct ftp_error *err)
{
	char path[FTP_PATHS_MAX];
	int fd;

	ftp_rundir_file(d, FTP_RUNDIR_LOG, path);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	return fd < 0 ? cannot(err, "write", path) : fd;
}

int ftp_rundir_write_journal(
	const struct ftp_rundir *d, const json_t *journal, struct ftp_error *err)
{
	char *text = json_dumps(journal, JSON_COMPACT);
	int rc;

	ftp_assert(text);
	rc = write_text(d, FTP_RUNDIR_JOURNAL, text, err);
	free(text);
	return rc;
}

int ftp_rundir_read_journal(json_t **journal, const struct ftp_rundir *d, struct ftp_error *err)
{
	char path[FTP_PATHS_MAX];
	json_error_t where;

	ftp_rundir_file(d, FTP_RUNDIR_JOURNAL, path);
	*journal = NULL;
	if (access(path, R_OK))
		return cannot(err, "read", path);
	*journal = json_load_file(path, JSON_REJECT_DUPLICATES, &where);
	return *journal ? 0 : ftp_error_set(err, EINVAL, "%s:%d: %s", path, where.line, where.text);
}

int ftp_rundir_write_summary(
	const struct ftp_rundir *d, const json_t *summary, struct ftp_error *err)
{
	char *body = json_dumps(summary, JSON_INDENT(2)), *text;
	int rc;

	ftp_assert(body && asprintf(&text, "%s\n", body) >= 0);
	rc = write_text(d, FTP_RUNDIR_SUMMARY, text, err);
	free(text);
	free(body);
	return rc;
}

json_t *ftp_rundir_read_summary(const struct ftp_rundir *d)
{
	char path[FTP_PATHS_MAX];

	ftp_rundir_file(d, FTP_RUNDIR_SUMMARY, path);
	return json_load_file(path, JSON_REJECT_DUPLICATES, NULL);
}

/* The text of a log line if `who` logged it as an error, else NULL. */
static const char *error_of_text(char *line, const char *who)
{
	char *at = strchr(line, ' ');
	size_t n = strlen(who);

	if (strncmp(line, "<3>", 3) || !at || strncmp(at + 1, who, n) ||
		strncmp(at + 1 + n, ": ", 2))
		return NULL;
	return at + 1 + n + 2;
}

static void take_line(char *line, const char *who, char *text, size_t bytes)
{
	const char *found = error_of_text(line, who), *level, *by;
	json_t *j = line[0] == '{' ? json_loads(line, 0, NULL) : NULL;

	level = json_string_value(json_object_get(j, "level"));
	by = json_string_value(json_object_get(j, "who"));
	if (level && by && !strcmp(level, "error") && !strcmp(by, who))
		found = json_string_value(json_object_get(j, "text"));
	if (found)
		snprintf(text, bytes, "%s", found);
	json_decref(j);
}

void ftp_rundir_last_words(const struct ftp_rundir *d, const char *who, char *text, size_t bytes)
{
	char path[FTP_PATHS_MAX], *tail = malloc(LOG_TAIL_BYTES + 1), *save, *line;
	struct stat st;
	ssize_t n = 0;
	int fd;

	ftp_assert(tail);
	text[0] = 0;
	ftp_rundir_file(d, FTP_RUNDIR_LOG, path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && !fstat(fd, &st))
		n = pread(fd, tail, LOG_TAIL_BYTES,
			st.st_size > LOG_TAIL_BYTES ? st.st_size - LOG_TAIL_BYTES : 0);
	if (fd >= 0)
		close(fd);
	tail[n > 0 ? n : 0] = 0;
	for (line = strtok_r(tail, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		take_line(line, who, text, bytes);
	free(tail);
}
