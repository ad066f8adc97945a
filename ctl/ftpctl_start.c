#include <string.h>

#include "ctl/follow.h"
#include "ctl/ftpctl.h"
#include "ctl/supervisor.h"

static int follow_start(const struct ftp_options *o, const struct ftp_config *c,
	const struct ftp_rundir *dir, pid_t supervisor)
{
	const struct ftp_follow_params params = {.dir = dir,
		.data_dir = c->cluster.data_dir,
		.until_training = !o->follow,
		.quiet = o->json && !o->follow,
		.stops = o->follow};
	json_t *summary;
	enum ftp_exit code = ftp_follow(&params, &summary);

	if (o->json && summary)
		ftp_ftpctl_print_json(json_incref(summary));
	else if (o->json)
		ftp_ftpctl_print_json(json_pack("{s:b, s:s, s:s, s:i}", "ok", code == FTP_EXIT_OK,
			"run", dir->id, "dir", dir->path, "pid", (int)supervisor));
	json_decref(summary);
	return code;
}

int ftp_ftpctl_start(const struct ftp_options *o)
{
	struct ftp_rundir dir;
	struct ftp_config *c;
	struct ftp_error err;
	pid_t supervisor;
	int rc = ftp_ftpctl_load(&c, o);

	if (rc)
		return rc;
	rc = ftp_supervisor_start(c, o->node, &dir, &supervisor, &err);
	if (rc) {
		ftp_ftpctl_fail(o, (enum ftp_exit)rc, err.text);
	} else {
		fprintf(stderr, "run %s, supervisor pid %d, directory %s\n", dir.id, supervisor,
			dir.path);
		rc = follow_start(o, c, &dir, supervisor);
	}
	ftp_config_free(c);
	return rc;
}
