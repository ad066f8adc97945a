#include "ctl/follow.h"
#include "ctl/ftpctl.h"
#include "ctl/ftpctl_run.h"

int ftp_ftpctl_follow(const struct ftp_options *o)
{
	struct ftp_ftpctl_run r;
	struct ftp_follow_params params = {
		.dir = &r.dir, .data_dir = r.data_dir, .coordinator = true};
	json_t *summary;
	int rc = ftp_ftpctl_find_live(&r, o);

	if (rc)
		return rc;
	rc = ftp_follow(&params, &summary);
	if (o->json)
		ftp_ftpctl_print_json(summary ? json_incref(summary)
					      : json_pack("{s:b, s:s}", "ok", 1, "run", r.dir.id));
	json_decref(summary);
	return rc;
}
