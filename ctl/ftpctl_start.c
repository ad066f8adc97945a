#include <string.h>

#include "ctl/follow.h"
#include "ctl/ftpctl.h"
#include "ctl/supervisor.h"

static void print_started(const struct ftp_supervisor_started *s, enum ftp_exit code)
{
	ftp_ftpctl_print_json(json_pack("{s:b, s:s, s:s, s:i}", "ok", code == FTP_EXIT_OK, "run",
		s->dir.id, "dir", s->dir.path, "pid", (int)s->supervisor));
}

static int follow_start(const struct ftp_options *o, const struct ftp_config *c,
	const struct ftp_supervisor_started *s)
{
	const struct ftp_follow_params params = {.dir = &s->dir,
		.data_dir = c->cluster.data_dir,
		.coordinator = s->coordinator,
		.until_training = !o->follow,
		.quiet = o->json && !o->follow,
		.stops = o->follow};
	enum ftp_exit code = FTP_EXIT_OK;
	json_t *summary = NULL;

	if (s->coordinator || o->follow)
		code = ftp_follow(&params, &summary);
	else
		fprintf(stderr, "started; the coordinator is that of %s\n",
			c->cluster.coordinator_listen);
	if (o->json && summary)
		ftp_ftpctl_print_json(json_incref(summary));
	else if (o->json)
		print_started(s, code);
	json_decref(summary);
	return code;
}

int ftp_ftpctl_start(const struct ftp_options *o)
{
	struct ftp_supervisor_started started;
	enum ftp_supervisor_begin begin;
	struct ftp_config *c;
	struct ftp_error err;
	int rc = ftp_ftpctl_load(&c, o);

	if (rc)
		return rc;
	begin = o->is_new   ? FTP_SUPERVISOR_NEW
		: o->resume ? FTP_SUPERVISOR_RESUME
			    : FTP_SUPERVISOR_AUTO;
	rc = ftp_supervisor_start(&started, c, o->node, o->drill, begin, &err);
	if (rc) {
		ftp_ftpctl_fail(o, (enum ftp_exit)rc, err.text);
	} else {
		if (started.resumed)
			fprintf(stderr, "the last run is resumed: it had not ended (--new begins "
					"another)\n");
		fprintf(stderr, "run %s, supervisor pid %d, directory %s\n", started.dir.id,
			started.supervisor, started.dir.path);
		rc = follow_start(o, c, &started);
	}
	ftp_config_free(c);
	return rc;
}
