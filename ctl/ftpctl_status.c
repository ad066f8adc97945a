#include <string.h>

#include "ctl/document.h"
#include "ctl/ftpctl.h"
#include "ctl/ftpctl_run.h"
#include "ctl/progress_view.h"
#include "ctl/protocol.h"
#include "runtime/base/clock.h"

#define ASK_NS (3 * FTP_NS_PER_S)

static void print_stages(const json_t *status)
{
	const json_t *s;
	size_t i;

	if (!json_array_size(json_object_get(status, "stages")))
		return;
	printf("%-6s %-12s %-9s %9s %8s %10s %10s %10s\n", "stage", "node", "units", "step", "busy",
		"compute s", "wait s", "memory MB");
	json_array_foreach (json_object_get(status, "stages"), i, s) {
		char units[24];

		snprintf(units, sizeof(units), "%d-%d", (int)ftp_document_integer(s, "first_unit"),
			(int)ftp_document_integer(s, "end_unit") - 1);
		printf("%-6d %-12s %-9s %9lld %6.0f %% %10.1f %10.1f %10.1f\n", (int)i,
			ftp_document_text(s, "node"), units,
			(long long)ftp_document_integer(s, "step"),
			100 * ftp_document_number_or_0(s, "busy_ratio"),
			ftp_document_number_or_0(s, "compute_seconds"),
			ftp_document_number_or_0(s, "wait_seconds"),
			(double)ftp_document_integer(s, "memory_bytes") / 1e6);
	}
}

static void print_nodes(const json_t *status)
{
	const json_t *n;
	size_t i;

	printf("%-12s %-16s %-8s %8s  %s\n", "node", "host", "state", "pid", "cpu");
	json_array_foreach (json_object_get(status, "nodes"), i, n)
		printf("%-12s %-16s %-8s %8lld  %s %s\n", ftp_document_text(n, "name"),
			ftp_document_text(n, "host"), ftp_document_text(n, "state"),
			(long long)ftp_document_integer(n, "pid"), ftp_document_text(n, "isa"),
			ftp_document_text(n, "cpu"));
}

static void print_snapshot(const json_t *status)
{
	const json_t *s = json_object_get(status, "snapshot");

	if (!json_is_object(s))
		return;
	printf("snapshot: stable at step %lld, %lld steps or %.1f s ago, one every %lld steps; "
	       "with the central node at %lld\n",
		(long long)ftp_document_integer(s, "stable_step"),
		(long long)ftp_document_integer(s, "age_steps"),
		ftp_document_number_or_0(s, "age_seconds"),
		(long long)ftp_document_integer(s, "period_steps"),
		(long long)ftp_document_integer(s, "global_step"));
	s = json_object_get(s, "disk");
	if (json_is_object(s))
		printf("checkpoint: on disk at step %lld, %lld steps ago; %lld failed\n",
			(long long)ftp_document_integer(s, "step"),
			(long long)ftp_document_integer(s, "age_steps"),
			(long long)ftp_document_integer(s, "failed"));
}

static void print_status(const struct ftp_ftpctl_run *r, const json_t *status)
{
	struct ftp_progress_view view = {.out = stdout, .percent = -1};

	printf("run %s, supervisor pid %d, directory %s\n", r->dir.id, r->supervisor, r->dir.path);
	ftp_progress_view_update(&view, status, 0);
	print_snapshot(status);
	print_nodes(status);
	print_stages(status);
}

static int not_running(const struct ftp_ftpctl_run *r, const struct ftp_options *o)
{
	json_t *last = r->dir.id[0] ? ftp_rundir_read_summary(&r->dir) : NULL;

	if (o->json)
		ftp_ftpctl_print_json(json_pack(
			"{s:b, s:s, s:O?}", "running", 0, "data_dir", r->data_dir, "last", last));
	fprintf(stderr, "no run is going on in %s", r->data_dir);
	if (r->dir.id[0])
		fprintf(stderr, "; the last was %s: %s%s%s", r->dir.id,
			last ? ftp_document_text(last, "state") : "killed",
			ftp_document_text(last, "reason")[0] ? ": " : "",
			ftp_document_text(last, "reason"));
	fprintf(stderr, "\n");
	json_decref(last);
	return FTP_EXIT_NOT_RUNNING;
}

/* A supervisor lives, but its coordinator does not answer: it is starting, ending, or in trouble.
 */
static int degraded(const struct ftp_ftpctl_run *r, const struct ftp_options *o, const char *why)
{
	if (o->json)
		ftp_ftpctl_print_json(json_pack("{s:b, s:s, s:i, s:s}", "running", 1, "run",
			r->dir.id, "supervisor_pid", (int)r->supervisor, "error", why));
	fprintf(stderr, "run %s, supervisor pid %d: the coordinator does not answer: %s\n",
		r->dir.id, r->supervisor, why);
	return FTP_EXIT_DEGRADED;
}

int ftp_ftpctl_status(const struct ftp_options *o)
{
	struct ftp_ftpctl_run r;
	json_t *status = NULL;
	struct ftp_error err;
	int rc = ftp_ftpctl_find_run(&r, o);

	if (rc)
		return rc;
	if (!r.supervisor)
		return not_running(&r, o);
	if (ftp_ftpctl_ask(&r, FTP_METHOD_STATUS, NULL, ASK_NS, &status, &err))
		return degraded(&r, o, err.text);
	if (o->json) {
		json_object_set_new(status, "running", json_true());
		json_object_set_new(status, "supervisor_pid", json_integer(r.supervisor));
		json_object_set_new(status, "dir", json_string(r.dir.path));
		ftp_ftpctl_print_json(json_incref(status));
	} else {
		print_status(&r, status);
	}
	json_decref(status);
	return FTP_EXIT_OK;
}
