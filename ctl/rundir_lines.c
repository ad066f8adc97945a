/* The files of a run's directory that grow line by line: loss.csv and events.jsonl. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/rundir.h"
#include "runtime/base/log.h"

#define HEADER	     "step,loss\n"
#define MAX_DAMAGED  100 /* files that are kept */
#define NAME_BYTES   40
#define QUOTED_CHARS 40

static int cannot(struct ftp_error *err, const char *what, const char *path)
{
	int errnum = errno;

	return ftp_error_set(err, errnum, "cannot %s %s: %s", what, path, strerror(errnum));
}

static int begin_loss(struct ftp_lines *l, struct ftp_error *err)
{
	int rc;

	ftp_lines_add(l, HEADER, strlen(HEADER));
	rc = ftp_lines_write(l, err);
	if (rc)
		ftp_lines_close(l);
	return rc > 0 ? -ENOSPC : rc;
}

int ftp_rundir_open_loss(struct ftp_lines *l, const struct ftp_rundir *d, struct ftp_error *err)
{
	char path[FTP_PATHS_MAX];
	int rc;

	ftp_rundir_file(d, FTP_RUNDIR_LOSS, path);
	rc = ftp_lines_create(l, path, err);
	return rc ? rc : begin_loss(l, err);
}

void ftp_rundir_add_loss(struct ftp_lines *l, uint64_t step, double loss)
{
	char line[64];
	int n = snprintf(line, sizeof(line), "%llu,%.9g\n", (unsigned long long)step, loss);

	ftp_lines_add(l, line, (size_t)n);
}

int ftp_rundir_cut_loss(struct ftp_lines *l, uint64_t step, struct ftp_error *err)
{
	return ftp_lines_cut(l, step + 1, err); /* and the header */
}

/* The row of that step, and nothing else, up to the end of its line. */
static bool take_row(const char *line, uint64_t step, double *loss)
{
	char *rest;

	if (strtoull(line, &rest, 10) != step || *rest != ',' || rest == line)
		return false;
	line = rest + 1;
	*loss = strtod(line, &rest);
	return rest != line && *rest == '\n';
}

struct rows { /* of a loss.csv that was found */
	double *losses;
	uint64_t n_losses;
	uint64_t n;		  /* good ones */
	long end;		  /* of them, in bytes; 0: there is no header */
	bool is_damaged;	  /* what follows is more than a line that was torn */
	char after[QUOTED_CHARS]; /* how the line after them begins */
};

static void read_rows(struct rows *r, FILE *f)
{
	char line[128] = "";
	double loss;
	int c;

	r->n = 0;
	r->end = 0;
	if (fgets(line, sizeof(line), f) && !strcmp(line, HEADER)) {
		r->end = ftell(f);
		line[0] = 0;
		while (fgets(line, sizeof(line), f) && take_row(line, r->n + 1, &loss)) {
			r->losses[++r->n % r->n_losses] = loss;
			r->end = ftell(f);
		}
	}
	snprintf(r->after, sizeof(r->after), "%.*s", (int)strcspn(line, "\n"), line);
	fseek(f, r->end, SEEK_SET);
	while ((c = getc(f)) != EOF && c != '\n')
		;
	r->is_damaged = c == '\n';
}

/* A name of its own for the file as it is. It shares its blocks: nothing is copied, and nothing can
 * be lost on the way. */
static int keep_damaged(const struct ftp_rundir *d, char name[NAME_BYTES], struct ftp_error *err)
{
	char path[FTP_PATHS_MAX], kept[FTP_PATHS_MAX];

	ftp_rundir_file(d, FTP_RUNDIR_LOSS, path);
	for (int i = 1; i <= MAX_DAMAGED; i++) {
		snprintf(name, NAME_BYTES, i > 1 ? "%s.damaged.%d" : "%s.damaged", FTP_RUNDIR_LOSS,
			i);
		ftp_rundir_file(d, name, kept);
		if (!link(path, kept))
			return 0;
		if (errno != EEXIST)
			break;
	}
	return cannot(err, "keep the damaged file as", kept);
}

/* By another file of that name. */
static int keep_rows(
	const struct ftp_rundir *d, FILE *f, const struct rows *r, struct ftp_error *err)
{
	char *text = malloc((size_t)r->end + 1);
	int rc;

	ftp_assert(text);
	rewind(f);
	errno = EIO;
	if (fread(text, 1, (size_t)r->end, f) == (size_t)r->end)
		rc = ftp_rundir_write_whole(d, FTP_RUNDIR_LOSS, text, (size_t)r->end, err);
	else
		rc = cannot(err, "read", FTP_RUNDIR_LOSS);
	free(text);
	return rc;
}

static void tell_damage(const struct ftp_rundir *d, const struct rows *r, const char *name)
{
	char expected[64] = "step,loss";

	if (r->end)
		snprintf(expected, sizeof(expected), "%llu,LOSS", (unsigned long long)r->n + 1);
	ftp_log_error(
		"%s/%s, line %llu: expected %s, found '%s': it and all after it are not used, "
		"so that training can only go on from a snapshot of step %llu or before; the "
		"file is kept as %s: if you can mend that line, stop the run, put it back as "
		"%s and start with --resume",
		d->path, FTP_RUNDIR_LOSS, (unsigned long long)r->n + (r->end ? 2 : 1), expected,
		r->after, (unsigned long long)r->n, name, FTP_RUNDIR_LOSS);
}

/* What is more than a torn line may be mended by hand, as long as it is not thrown away. */
static int set_aside(
	const struct ftp_rundir *d, FILE *f, const struct rows *r, struct ftp_error *err)
{
	char name[NAME_BYTES], kept[FTP_PATHS_MAX];
	int rc = keep_damaged(d, name, err);

	if (rc)
		return rc;
	rc = keep_rows(d, f, r, err);
	if (!rc) {
		tell_damage(d, r, name);
		return 0;
	}
	ftp_rundir_file(d, name, kept);
	unlink(kept); /* the next attempt makes it again */
	return rc;
}

int ftp_rundir_resume_loss(struct ftp_lines *l, const struct ftp_rundir *d, double *losses,
	uint64_t n_losses, uint64_t *n_rows, struct ftp_error *err)
{
	struct rows r = {.losses = losses, .n_losses = n_losses};
	char path[FTP_PATHS_MAX];
	FILE *f;
	int rc = 0;

	ftp_rundir_file(d, FTP_RUNDIR_LOSS, path);
	f = fopen(path, "re");
	if (!f)
		return cannot(err, "read", path);
	read_rows(&r, f);
	if (ferror(f) || r.end < 0)
		rc = cannot(err, "read", path);
	else if (r.is_damaged)
		rc = set_aside(d, f, &r, err);
	fclose(f);
	*n_rows = r.n;
	if (!rc)
		rc = ftp_lines_open(l, path, r.end, err);
	return rc || r.end ? rc : begin_loss(l, err);
}

int ftp_rundir_resume_events(
	struct ftp_lines *l, const struct ftp_rundir *d, double *t_s, struct ftp_error *err)
{
	char path[FTP_PATHS_MAX], *line = NULL;
	size_t room = 0;
	ssize_t n;
	long end = 0;
	FILE *f;
	int rc = 0;

	ftp_rundir_file(d, FTP_RUNDIR_EVENTS, path);
	*t_s = 0;
	f = fopen(path, "re");
	if (!f)
		return errno == ENOENT ? ftp_lines_create(l, path, err) : cannot(err, "read", path);
	while ((n = getline(&line, &room, f)) > 0 && line[n - 1] == '\n') {
		double t = 0;

		/* "t" is the first key. */
		if (sscanf(line, "{\"t\":%lf", &t) == 1 && t > *t_s)
			*t_s = t;
		end = ftell(f);
	}
	free(line);
	if (ferror(f) || end < 0)
		rc = cannot(err, "read", path);
	fclose(f);
	return rc ? rc : ftp_lines_open(l, path, end, err);
}

void ftp_rundir_add_event(struct ftp_lines *l, const json_t *body)
{
	char *text = json_dumps(body, JSON_COMPACT);

	ftp_assert(text);
	ftp_lines_add(l, text, strlen(text));
	ftp_lines_add(l, "\n", 1);
	free(text);
}
