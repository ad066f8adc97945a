#include <errno.h>
#include <signal.h>
#include <string.h>

#include "ctl/follow.h"
#include "ctl/ftpctl.h"
#include "ctl/ftpctl_run.h"
#include "ctl/protocol.h"
#include "runtime/base/clock.h"

#define DEFAULT_TIMEOUT_NS (15 * FTP_NS_PER_S)
#define ASK_NS		   (2 * FTP_NS_PER_S)

/* Through the coordinator; a supervisor whose coordinator does not answer does it the hard way. */
static void begin_to_stop(const struct ftp_ftpctl_run *r)
{
	json_t *result = NULL;
	struct ftp_error err;

	if (ftp_ftpctl_ask(r, FTP_METHOD_END, NULL, ASK_NS, &result, &err) && r->supervisor > 0)
		kill(r->supervisor, SIGTERM);
	json_decref(result);
}

int ftp_ftpctl_stop(const struct ftp_options *o)
{
	struct ftp_ftpctl_run r;
	uint64_t wait_ns = o->timeout_ns ? o->timeout_ns : DEFAULT_TIMEOUT_NS;
	uint64_t deadline_ns = ftp_clock_now_ns() + wait_ns;
	int rc = ftp_ftpctl_find_live(&r, o);
	char text[128];

	if (rc)
		return rc;
	begin_to_stop(&r);
	if (ftp_follow_await_end(r.data_dir, deadline_ns)) {
		snprintf(text, sizeof(text),
			"run %s has not ended within %.1f s: its supervisor is pid %d", r.dir.id,
			(double)wait_ns / (double)FTP_NS_PER_S, r.supervisor);
		return ftp_ftpctl_fail(o, FTP_EXIT_TIMED_OUT, text);
	}
	fprintf(stderr, "run %s has ended\n", r.dir.id);
	if (o->json)
		ftp_ftpctl_print_json(
			json_pack("{s:b, s:s, s:s}", "ok", 1, "run", r.dir.id, "dir", r.dir.path));
	return FTP_EXIT_OK;
}
