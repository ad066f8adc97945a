#include <errno.h>
#include <string.h>

#include "ctl/ftpctl.h"
#include "ctl/ftpctl_run.h"
#include "ctl/report.h"

#define DEFAULT_NAME "report.html"

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
	int rc = ftp_ftpctl_find_output(&d, path, DEFAULT_NAME, o);

	if (rc)
		return rc;
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
