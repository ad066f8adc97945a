/* A node comes (back) into a run that is going on: the supervisor of this server starts its
 * process, or, where none lives because the coordinator is on another server, a new one does. */
#include <signal.h>
#include <string.h>

#include "ctl/document.h"
#include "ctl/ftpctl.h"
#include "ctl/ftpctl_run.h"
#include "ctl/protocol.h"
#include "ctl/supervisor.h"
#include "runtime/base/clock.h"

#define ASK_NS	      (3 * FTP_NS_PER_S)
#define JOIN_NS	      (30 * FTP_NS_PER_S)
#define LEAVE_NS      (5 * FTP_NS_PER_S)
#define LOOK_EVERY_NS (50 * FTP_NS_PER_MS)

/* Its index in the run's own configuration; negative: an exit code was said. */
static int find_node(
	const struct ftp_ftpctl_run *r, const struct ftp_options *o, const char *name, int *index)
{
	char path[FTP_PATHS_MAX], text[256];
	struct ftp_config *c;
	struct ftp_error err;

	ftp_rundir_file(&r->dir, FTP_RUNDIR_CONFIG, path);
	if (ftp_config_load(&c, path, NULL, 0, &err))
		return ftp_ftpctl_fail(o, FTP_EXIT_CONFIG, err.text);
	*index = ftp_config_find_node(c, name);
	ftp_config_free(c);
	if (*index >= 0)
		return 0;
	snprintf(text, sizeof(text), "run %s has no node '%.64s' in its configuration", r->dir.id,
		name);
	return ftp_ftpctl_fail(o, FTP_EXIT_USAGE, text);
}

/* The node's process as the coordinator knows it; 0: it is not there. *last (NULL is allowed) is
 * the process that has left, 0 if there was none. */
static json_int_t live_pid(const struct ftp_ftpctl_run *r, const char *name, json_int_t *last)
{
	json_t *status = NULL;
	const json_t *node;
	const char *state;
	json_int_t pid = 0;
	bool live;

	if (ftp_ftpctl_ask(r, FTP_METHOD_STATUS, NULL, ASK_NS, &status, NULL))
		return 0;
	node = ftp_document_find(json_object_get(status, "nodes"), "name", name);
	state = ftp_document_text(node, "state");
	live = strcmp(state, "gone") && strcmp(state, "awaited") && strcmp(state, "drained");
	pid = ftp_document_integer(node, "pid");
	json_decref(status);
	if (last)
		*last = pid;
	return live ? pid : 0;
}

/* A node that has just been drained may not have ended yet, and its parent would refuse a second
 * one. */
static void await_last_end(json_int_t pid)
{
	uint64_t deadline_ns = ftp_clock_now_ns() + LEAVE_NS;

	while (pid > 0 && !kill((pid_t)pid, 0) && ftp_clock_now_ns() < deadline_ns)
		ftp_clock_sleep_ns(LOOK_EVERY_NS);
}

static int await_join(const struct ftp_ftpctl_run *r, const struct ftp_options *o, const char *name)
{
	uint64_t deadline_ns = ftp_clock_now_ns() + (o->timeout_ns ? o->timeout_ns : JOIN_NS);
	char before[512], words[512], text[640];
	json_int_t pid;

	ftp_rundir_last_words(&r->dir, name, before, sizeof(before));
	do {
		ftp_clock_sleep_ns(LOOK_EVERY_NS);
		pid = live_pid(r, name, NULL);
		ftp_rundir_last_words(&r->dir, name, words, sizeof(words));
	} while (!pid && !strcmp(words, before) && ftp_clock_now_ns() < deadline_ns);
	if (pid) {
		if (o->json)
			ftp_ftpctl_print_json(json_pack("{s:b, s:s, s:s, s:I}", "ok", 1, "run",
				r->dir.id, "node", name, "pid", pid));
		else
			printf("%s has joined, pid %lld\n", name, (long long)pid);
		return FTP_EXIT_OK;
	}
	if (strcmp(words, before)) {
		snprintf(text, sizeof(text), "%s did not join: %s", name, words);
		return ftp_ftpctl_fail(o, FTP_EXIT_FAILURE, text);
	}
	snprintf(text, sizeof(text), "%s has not joined in time; see %s/%s", name, r->dir.path,
		FTP_RUNDIR_LOG);
	return ftp_ftpctl_fail(o, FTP_EXIT_TIMED_OUT, text);
}

/* On a server without a supervisor: only the coordinator's own server can say that no run lives. */
static int join_from_here(const struct ftp_ftpctl_run *r, const struct ftp_options *o)
{
	struct ftp_options start = *o;
	struct ftp_config *c;
	bool central;
	int rc = ftp_ftpctl_load(&c, o);

	if (rc)
		return rc;
	central = ftp_supervisor_has_coordinator(c);
	ftp_config_free(c);
	if (central)
		return ftp_ftpctl_not_running(r, o);
	start.node = o->operands[0];
	return ftp_ftpctl_start(&start);
}

int ftp_ftpctl_join(const struct ftp_options *o)
{
	const char *name = o->operands[0];
	struct ftp_ftpctl_run r;
	union sigval value;
	json_int_t pid, last = 0;
	char text[96];
	int rc = ftp_ftpctl_find_run(&r, o);

	if (rc)
		return rc;
	if (!r.supervisor)
		return join_from_here(&r, o);
	rc = find_node(&r, o, name, &value.sival_int);
	if (rc)
		return rc;
	pid = live_pid(&r, name, &last);
	if (pid) {
		snprintf(text, sizeof(text), "%s takes part already, pid %lld", name,
			(long long)pid);
		return ftp_ftpctl_fail(o, FTP_EXIT_FAILURE, text);
	}
	await_last_end(last);
	if (r.supervisor < 0 || sigqueue(r.supervisor, FTP_SUPERVISOR_JOIN, value))
		return ftp_ftpctl_fail(o, FTP_EXIT_PERMISSION,
			"the run's supervisor cannot be asked: it is starting, or another user's");
	return await_join(&r, o, name);
}
