#include "ctl/ftpctl_run.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/ftpctl.h"
#include "ctl/jsonrpc.h"
#include "ctl/lock.h"
#include "runtime/base/clock.h"

static int find_data_dir(struct ftp_ftpctl_run *r, const struct ftp_options *o)
{
	struct ftp_config *c;
	struct ftp_error err;
	int rc;

	if (o->data_dir) {
		rc = ftp_paths_absolute(o->data_dir, r->data_dir, sizeof(r->data_dir), &err);
		return rc ? ftp_ftpctl_fail(o, FTP_EXIT_USAGE, err.text) : 0;
	}
	if (o->config || !access(FTP_OPTIONS_DEFAULT_CONFIG, F_OK)) {
		rc = ftp_ftpctl_load(&c, o);
		if (rc)
			return rc;
		snprintf(r->data_dir, sizeof(r->data_dir), "%s", c->cluster.data_dir);
		ftp_config_free(c);
		return 0;
	}
	rc = ftp_paths_default_data_dir(r->data_dir, sizeof(r->data_dir), &err);
	return rc ? ftp_ftpctl_fail(o, FTP_EXIT_CONFIG, err.text) : 0;
}

int ftp_ftpctl_find_run(struct ftp_ftpctl_run *r, const struct ftp_options *o)
{
	int rc = find_data_dir(r, o);

	if (rc)
		return rc;
	r->supervisor = ftp_lock_holder(r->data_dir);
	if (ftp_rundir_latest(&r->dir, r->data_dir, NULL))
		r->dir.id[0] = r->dir.path[0] = 0;
	return 0;
}

int ftp_ftpctl_find_dir(struct ftp_rundir *d, const struct ftp_options *o)
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

int ftp_ftpctl_find_output(struct ftp_rundir *d, char path[FTP_PATHS_MAX], const char *name,
	const struct ftp_options *o)
{
	struct ftp_error err;
	int rc = ftp_ftpctl_find_dir(d, o);

	if (rc)
		return rc;
	if (!o->output)
		ftp_rundir_file(d, name, path);
	else if (ftp_paths_absolute(o->output, path, FTP_PATHS_MAX, &err))
		return ftp_ftpctl_fail(o, FTP_EXIT_USAGE, err.text);
	return 0;
}

int ftp_ftpctl_find_live(struct ftp_ftpctl_run *r, const struct ftp_options *o)
{
	int rc = ftp_ftpctl_find_run(r, o);

	return rc || r->supervisor ? rc : ftp_ftpctl_not_running(r, o);
}

int ftp_ftpctl_ask(const struct ftp_ftpctl_run *r, const char *method, json_t *params,
	uint64_t wait_ns, json_t **result, struct ftp_error *err)
{
	char path[FTP_PATHS_MAX], prefix[FTP_PATHS_MAX + 64];
	size_t n;
	int rc;

	ftp_rundir_file(&r->dir, FTP_RUNDIR_SOCKET, path);
	rc = ftp_jsonrpc_ask(path, method, params, ftp_clock_now_ns() + wait_ns, result, err);
	/* A refusal is for people: where it came from is known. */
	n = (size_t)snprintf(prefix, sizeof(prefix), "%s: %s: ", path, method);
	if (rc == -EPROTO && !strncmp(err->text, prefix, n))
		memmove(err->text, err->text + n, strlen(err->text + n) + 1);
	return rc;
}

int ftp_ftpctl_not_running(const struct ftp_ftpctl_run *r, const struct ftp_options *o)
{
	char text[FTP_PATHS_MAX + 64];

	snprintf(text, sizeof(text), "no run is going on in %s", r->data_dir);
	return ftp_ftpctl_fail(o, FTP_EXIT_NOT_RUNNING, text);
}
