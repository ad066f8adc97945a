#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "ctl/ftpctl.h"
#include "ctl/ftpctl_run.h"
#include "ctl/report.h"

#define DEFAULT_NAME "report.html"

/* "latest", an id, or a directory. */
static int find_dir(struct ftp_rundir *d, const struct ftp_options *o)
{
	const char *run = o->n_operands ? o->operands[0] : "latest";
	char text[FTP_PATHS_MAX + 64];
	struct ftp_ftpctl_run r;
	struct ftp_error err;
	struct stat st;
	int rc;

	if (strchr(run, '/') || !strcmp(run, ".")) {
		rc = ftp_paths_absolute(run, d->path, sizeof(d->path), &err);
		if (rc)
			return ftp_ftpctl_fail(o, FTP_EXIT_USAGE, err.text);
		while (d->path[0] && d->path[strlen(d->path) - 1] == '/')
			d->path[strlen(d->path) - 1] = 0;
	} else {
		rc = ftp_ftpctl_find_run(&r, o);
		if (rc)
			return rc;
		*d = r.dir;
		if (strcmp(run, "latest"))
			ftp_paths_run(r.data_dir, run, d->path, sizeof(d->path));
	}
	snprintf(
		d->id, sizeof(d->id), "%s", strrchr(d->path, '/') ? strrchr(d->path, '/') + 1 : "");
	if (d->path[0] && !stat(d->path, &st) && S_ISDIR(st.st_mode))
		return 0;
	snprintf(text, sizeof(text), "there is no run '%.64s'%s%s", run,
		d->path[0] ? ": no directory " : "", d->path);
	return ftp_ftpctl_fail(o, FTP_EXIT_FAILURE, text);
}

static int write_page(const struct ftp_rundir *d, const char *path, struct ftp_error *err)
{
	struct ftp_report_data *data;
	FILE *f = fopen(path, "we");
	int failed;

	if (!f)
		return ftp_error_set(err, errno, "cannot write %s: %s", path, strerror(errno));
	data = ftp_report_data_read(d);
	ftp_report_write(f, data);
	ftp_report_data_free(data);
	failed = ferror(f);
	if (fclose(f) || failed)
		return ftp_error_set(err, errno ? errno : EIO, "cannot write %s: %s", path,
			strerror(errno ? errno : EIO));
	return 0;
}

int ftp_ftpctl_report(const struct ftp_options *o)
{
	char path[FTP_PATHS_MAX];
	struct ftp_rundir d = {.path = ""};
	struct ftp_error err;
	int rc = find_dir(&d, o);

	if (rc)
		return rc;
	if (o->output)
		rc = ftp_paths_absolute(o->output, path, sizeof(path), &err);
	else
		ftp_rundir_file(&d, DEFAULT_NAME, path);
	if (!rc)
		rc = write_page(&d, path, &err);
	if (rc)
		return ftp_ftpctl_fail(o, (enum ftp_exit)ftp_options_exit(rc), err.text);
	if (o->json)
		ftp_ftpctl_print_json(
			json_pack("{s:b, s:s, s:s}", "ok", 1, "run", d.id, "file", path));
	else
		printf("%s\n", path);
	return FTP_EXIT_OK;
}
