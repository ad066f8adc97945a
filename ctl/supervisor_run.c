#include "ctl/supervisor_run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "ctl/jsonrpc.h"
#include "ctl/protocol.h"
#include "ctl/supervisor.h"
#include "ctl/supervisor_state.h"
#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/base/shm.h"

#define ASK_NS FTP_NS_PER_S

static struct ftp_child *coordinator(struct ftp_supervisor *s)
{
	return s->params->coordinator ? &s->children[0] : NULL;
}

static bool coordinator_runs(struct ftp_supervisor *s)
{
	return coordinator(s) && ftp_child_runs(coordinator(s));
}

static void signal_all(struct ftp_supervisor *s, int signum)
{
	for (uint32_t i = 0; i < s->n_children; i++)
		ftp_child_signal(&s->children[i], signum);
}

static void enter(struct ftp_supervisor *s, enum ftp_supervisor_phase phase, uint64_t wait_ns)
{
	if (phase <= s->phase)
		return;
	s->phase = phase;
	s->deadline_ns = ftp_clock_now_ns() + wait_ns;
	if (phase == FTP_SUPERVISOR_TERMINATING)
		signal_all(s, SIGTERM);
	else if (phase == FTP_SUPERVISOR_KILLING)
		signal_all(s, SIGKILL);
}

/* *result: NULL where it does not matter. */
static int ask(struct ftp_supervisor *s, const char *method, json_t *params, json_t **result)
{
	struct ftp_error err;
	json_t *answer = NULL;
	int rc = ftp_jsonrpc_ask(
		s->socket, method, params, ftp_clock_now_ns() + ASK_NS, &answer, &err);

	if (result)
		*result = json_incref(answer);
	json_decref(answer);
	return rc;
}

static bool has_summary(struct ftp_supervisor *s)
{
	char path[FTP_PATHS_MAX];

	ftp_rundir_file(s->params->dir, FTP_RUNDIR_SUMMARY, path);
	return !access(path, F_OK);
}

static void on_node_end(struct ftp_supervisor *s, const struct ftp_child *c, const char *text)
{
	struct ftp_exited m = {
		.pid = c->pid, .code = (uint32_t)c->code, .signal = (uint32_t)c->signal};
	struct ftp_exited *missed = &s->missed[ftp_config_find_node(s->params->config, c->name)];

	snprintf(m.who, sizeof(m.who), "%.32s", c->name);
	ftp_rundir_last_words(s->params->dir, c->name, m.reason, sizeof(m.reason));
	if (s->params->coordinator) {
		/* The first of several: those after it had no part in the plan. */
		if ((!coordinator_runs(s) ||
			    ask(s, FTP_METHOD_EXITED, ftp_exited_encode(&m), NULL)) &&
			!missed->who[0])
			*missed = m;
		if (s->check_ns == FTP_NS_NEVER)
			s->check_ns = ftp_clock_now_ns() + FTP_SUPERVISOR_END_NS;
	} else if (!s->reason[0] && (c->signal || c->code)) {
		snprintf(s->reason, sizeof(s->reason), "%s%s%s", text, m.reason[0] ? ": " : "",
			m.reason);
	}
}

/* false: there is no coordinator that could say so. */
static bool ask_whether_over(struct ftp_supervisor *s, bool *is_over)
{
	static const char *const over[] = {"finishing", "ended"};
	json_t *status = NULL;
	const char *state;

	*is_over = false;
	if (!coordinator_runs(s) || ask(s, FTP_METHOD_STATUS, NULL, &status))
		return false;
	state = json_string_value(json_object_get(status, "state"));
	for (size_t i = 0; i < sizeof(over) / sizeof(*over); i++)
		*is_over |= !state || !strcmp(state, over[i]);
	json_decref(status);
	return true;
}

/* Some time after a node's end the run has ended, is ending, or goes on without it. */
static void check_run(struct ftp_supervisor *s)
{
	bool is_over;

	s->check_ns = FTP_NS_NEVER;
	if (!ask_whether_over(s, &is_over)) /* it is being started again, or will be */
		s->check_ns = ftp_clock_now_ns() + FTP_SUPERVISOR_END_NS;
	else if (is_over)
		enter(s, FTP_SUPERVISOR_ENDING, FTP_SUPERVISOR_END_NS);
}

/* One that was killed decided nothing; nor did one that could not begin. */
static bool restarts_coordinator(struct ftp_supervisor *s, const char *text)
{
	struct ftp_backoff *b = &s->coordinator.restart;
	uint64_t now_ns = ftp_clock_now_ns();

	if (s->phase != FTP_SUPERVISOR_RUNNING ||
		(s->coordinator.is_ready && !coordinator(s)->signal))
		return false;
	ftp_backoff_ended(b, now_ns);
	if (ftp_backoff_is_hopeless(b, now_ns, FTP_SUPERVISOR_MOST_NS, FTP_SUPERVISOR_MOST_SHORT)) {
		b->at_ns = FTP_NS_NEVER;
		return false;
	}
	ftp_log_warn("%s; it is started again in %.1f s", text,
		(double)b->wait_ns / (double)FTP_NS_PER_S);
	return true;
}

static void on_coordinator_end(struct ftp_supervisor *s, const char *text)
{
	char words[768];

	s->coordinator.ask_ns = FTP_NS_NEVER;
	if (has_summary(s)) {
		enter(s, FTP_SUPERVISOR_ENDING, FTP_SUPERVISOR_GRACE_NS);
		s->deadline_ns = ftp_clock_now_ns() + FTP_SUPERVISOR_GRACE_NS;
		return;
	}
	if (restarts_coordinator(s, text))
		return;
	ftp_rundir_last_words(s->params->dir, "coordinator", words, sizeof(words));
	if (!s->reason[0])
		snprintf(s->reason, sizeof(s->reason), "%s%s%s", text, words[0] ? ": " : "", words);
	enter(s, FTP_SUPERVISOR_TERMINATING, FTP_SUPERVISOR_GRACE_NS);
}

/* A killed node comes back. */
static void plan_restart(struct ftp_supervisor *s, const struct ftp_child *c)
{
	int node = ftp_config_find_node(s->params->config, c->name);

	if (node < 0 || !(c->signal || c->code) || s->phase != FTP_SUPERVISOR_RUNNING ||
		s->params->config->nodes[node].restart != FTP_RESTART_ON_FAILURE)
		return;
	ftp_backoff_ended(&s->restarts[node], ftp_clock_now_ns());
}

static void on_end(struct ftp_supervisor *s, struct ftp_child *c)
{
	bool first = s->phase == FTP_SUPERVISOR_RUNNING && s->check_ns == FTP_NS_NEVER;
	char text[160];

	ftp_child_reap(c);
	ftp_child_describe(c, text, sizeof(text));
	ftp_log(first && (c->signal || c->code) ? FTP_LOG_ERROR : FTP_LOG_INFO, "%s", text);
	if (c == coordinator(s))
		on_coordinator_end(s, text);
	else
		on_node_end(s, c, text);
	plan_restart(s, c);
}

/* A node that was drained, or has gone without ending the run, comes back. */
static void on_join(struct ftp_supervisor *s, int node)
{
	const struct ftp_config *c = s->params->config;
	const struct ftp_child *child;
	struct ftp_error err;

	if (node < 0 || node >= (int)c->n_nodes || s->phase != FTP_SUPERVISOR_RUNNING) {
		ftp_log_warn("a request to start node %d comes too late or names none", node);
		return;
	}
	child = ftp_supervisor_children_find(s, c->nodes[node].name);
	if (child && ftp_child_runs(child))
		ftp_log_warn("%s runs already: pid %d", child->name, child->pid);
	else if (ftp_supervisor_children_start_node(s, (uint32_t)node, &err))
		ftp_log_error("%s", err.text);
	else
		ftp_log_info("%s was started by the operator", c->nodes[node].name);
}

static void restart_nodes(struct ftp_supervisor *s)
{
	uint64_t now_ns = ftp_clock_now_ns();
	struct ftp_error err;
	bool is_over;

	for (uint32_t i = 0; i < s->params->config->n_nodes; i++) {
		if (s->restarts[i].at_ns > now_ns)
			continue;
		if (ask_whether_over(s, &is_over) && is_over) {
			s->restarts[i].at_ns = FTP_NS_NEVER;
			continue;
		}
		if (ftp_supervisor_children_start_node(s, i, &err)) {
			ftp_log_error("%s", err.text);
			ftp_backoff_ended(&s->restarts[i], now_ns);
			continue;
		}
		ftp_log_info("%s is started again", s->params->config->nodes[i].name);
		if (!s->params->coordinator)
			s->reason[0] = 0;
	}
}

static void restart_coordinator(struct ftp_supervisor *s)
{
	struct ftp_error err;

	if (s->coordinator.restart.at_ns > ftp_clock_now_ns())
		return;
	if (ftp_supervisor_children_start_coordinator(s, &err) != FTP_EXIT_OK) {
		ftp_log_error("%s", err.text);
		if (coordinator_runs(s)) /* it does not become ready: its end comes */
			ftp_child_signal(coordinator(s), SIGKILL);
		else
			on_coordinator_end(s, err.text);
		return;
	}
	ftp_log_info("the coordinator is started again: pid %d", coordinator(s)->pid);
	for (uint32_t i = 0; i < s->params->config->n_nodes; i++)
		if (s->missed[i].who[0] &&
			!ask(s, FTP_METHOD_EXITED, ftp_exited_encode(&s->missed[i]), NULL))
			s->missed[i].who[0] = 0;
}

/* A process that is there and does nothing is worse than none: nobody else would notice. */
static void watch_coordinator(struct ftp_supervisor *s)
{
	uint64_t now_ns = ftp_clock_now_ns();

	if (!coordinator_runs(s) || s->coordinator.ask_ns > now_ns)
		return;
	if (now_ns > s->coordinator.ask_ns + FTP_SUPERVISOR_ASK_EVERY_NS)
		s->coordinator.answered_ns = now_ns; /* we did not ask ourselves */
	if (!ask(s, FTP_METHOD_STATUS, NULL, NULL)) {
		s->coordinator.answered_ns = now_ns;
		ftp_backoff_served(&s->coordinator.restart);
	}
	now_ns = ftp_clock_now_ns();
	s->coordinator.ask_ns = now_ns + FTP_SUPERVISOR_ASK_EVERY_NS;
	if (now_ns < s->coordinator.answered_ns + FTP_SUPERVISOR_FROZEN_NS)
		return;
	ftp_log_error("the coordinator (pid %d) has not answered for %.0f s and is killed",
		coordinator(s)->pid,
		(double)(now_ns - s->coordinator.answered_ns) / (double)FTP_NS_PER_S);
	ftp_child_signal(coordinator(s), SIGKILL);
	s->coordinator.ask_ns = FTP_NS_NEVER;
}

/* While the run goes on: when there is something to do next. */
static uint64_t due_ns(const struct ftp_supervisor *s)
{
	uint64_t first_ns = s->check_ns;

	if (s->coordinator.restart.at_ns < first_ns)
		first_ns = s->coordinator.restart.at_ns;
	if (s->coordinator.ask_ns < first_ns)
		first_ns = s->coordinator.ask_ns;

	for (uint32_t i = 0; i < s->params->config->n_nodes; i++)
		if (s->restarts[i].at_ns < first_ns)
			first_ns = s->restarts[i].at_ns;
	return first_ns;
}

static void on_signal(struct ftp_supervisor *s)
{
	struct signalfd_siginfo info;

	if (read(s->signal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == (uint32_t)FTP_SUPERVISOR_JOIN) {
		on_join(s, info.ssi_int);
	} else if (info.ssi_signo == SIGQUIT || s->phase != FTP_SUPERVISOR_RUNNING) {
		if (!has_summary(s))
			snprintf(s->reason, sizeof(s->reason), "killed by the operator");
		enter(s, FTP_SUPERVISOR_KILLING, FTP_SUPERVISOR_GRACE_NS);
	} else if (coordinator_runs(s) && !ask(s, FTP_METHOD_END, NULL, NULL)) {
		enter(s, FTP_SUPERVISOR_ENDING, FTP_SUPERVISOR_END_NS);
	} else {
		snprintf(s->reason, sizeof(s->reason), "stopped by the operator");
		enter(s, FTP_SUPERVISOR_TERMINATING, FTP_SUPERVISOR_GRACE_NS);
	}
}

static void on_deadline(struct ftp_supervisor *s)
{
	static const char *const late[] = {
		[FTP_SUPERVISOR_ENDING] = "did not end in time and is being stopped",
		[FTP_SUPERVISOR_TERMINATING] = "did not end after SIGTERM and is being killed",
		[FTP_SUPERVISOR_KILLING] = "did not end after SIGKILL",
	};

	for (uint32_t i = 0; i < s->n_children; i++)
		if (ftp_child_runs(&s->children[i]))
			ftp_log_warn("%s (pid %d) %s", s->children[i].name, s->children[i].pid,
				late[s->phase]);
	if (s->phase == FTP_SUPERVISOR_KILLING)
		s->n_children = 0; /* the kernel holds them: nothing more can be done */
	enter(s, s->phase + 1, FTP_SUPERVISOR_GRACE_NS);
}

/* And those that are to be started again. */
static uint32_t count_running(const struct ftp_supervisor *s)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < s->n_children; i++)
		n += ftp_child_runs(&s->children[i]);
	for (uint32_t i = 0; s->phase == FTP_SUPERVISOR_RUNNING && i < s->params->config->n_nodes;
		i++)
		n += s->restarts[i].at_ns != FTP_NS_NEVER;
	return n +
	       (s->phase == FTP_SUPERVISOR_RUNNING && s->coordinator.restart.at_ns != FTP_NS_NEVER);
}

static void watch(struct ftp_supervisor *s)
{
	while (count_running(s)) {
		struct pollfd fds[1 + FTP_SUPERVISOR_MAX_CHILDREN] = {
			{.fd = s->signal_fd, .events = POLLIN}};
		uint64_t now_ns = ftp_clock_now_ns();
		uint64_t until_ns = s->phase == FTP_SUPERVISOR_RUNNING ? due_ns(s) : s->deadline_ns;
		int timeout_ms = -1;

		if (until_ns != FTP_NS_NEVER)
			timeout_ms = until_ns <= now_ns
					     ? 0
					     : (int)((until_ns - now_ns) / FTP_NS_PER_MS) + 1;
		for (uint32_t i = 0; i < s->n_children; i++)
			fds[1 + i] = (struct pollfd){.fd = s->children[i].pidfd, .events = POLLIN};
		poll(fds, 1 + s->n_children, timeout_ms);
		/* Nodes first: their deaths explain the coordinator's end, not the other way round.
		 */
		for (uint32_t i = s->n_children; i-- > 0;)
			if (fds[1 + i].revents)
				on_end(s, &s->children[i]);
		if (fds[0].revents)
			on_signal(s);
		if (s->phase == FTP_SUPERVISOR_RUNNING && s->check_ns <= ftp_clock_now_ns())
			check_run(s);
		if (s->phase == FTP_SUPERVISOR_RUNNING) {
			restart_nodes(s);
			restart_coordinator(s);
			watch_coordinator(s);
		}
		if (s->phase != FTP_SUPERVISOR_RUNNING && s->deadline_ns <= ftp_clock_now_ns())
			on_deadline(s);
	}
}

static int start_nodes(struct ftp_supervisor *s, struct ftp_error *err)
{
	int rc = 0;

	for (uint32_t i = 0; !rc && i < s->params->config->n_nodes; i++)
		if (s->params->local[i])
			rc = ftp_supervisor_children_start_node(s, i, err);
	return rc ? ftp_options_exit(rc) : FTP_EXIT_OK;
}

static void record(struct ftp_supervisor *s)
{
	struct ftp_error err;
	json_t *summary;
	bool stopped = !strcmp(s->reason, "stopped by the operator");

	unlink(s->socket);
	if (!s->reason[0] && has_summary(s))
		return;
	summary = json_pack("{s:i, s:s, s:s, s:s}", "schema", 1, "run", s->params->dir->id, "state",
		stopped	       ? "stopped"
		: s->reason[0] ? "failed"
			       : "completed",
		"reason", s->reason);
	if (!summary || ftp_rundir_write_summary(s->params->dir, summary, &err))
		ftp_log_error(
			"cannot record how the run ended: %s", summary ? err.text : s->reason);
	json_decref(summary);
	if (s->reason[0] && !stopped)
		ftp_log_error("the run failed: %s", s->reason);
}

/* What runs of this data directory keep in memory, and whose processes are dead. */
static void sweep(const struct ftp_supervisor *s)
{
	char runs[FTP_PATHS_MAX];

	ftp_paths_run(s->params->config->cluster.data_dir, "", runs, sizeof(runs));
	ftp_shm_sweep(FTP_SHM_HOME, runs);
}

static int catch_signals(void)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGQUIT);
	sigaddset(&set, FTP_SUPERVISOR_JOIN);
	sigprocmask(SIG_SETMASK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

void ftp_supervisor_run(const struct ftp_supervisor_params *params)
{
	struct ftp_supervisor *s = calloc(1, sizeof(*s));
	struct ftp_error err = {""};
	int code = FTP_EXIT_OK;

	ftp_assert(s);
	ftp_log_init("supervisor", FTP_LOG_INFO,
		params->config->log_format == FTP_CONFIG_LOG_JSON ? FTP_LOG_JSON : FTP_LOG_TEXT);
	s->params = params;
	s->check_ns = FTP_NS_NEVER;
	for (int i = 0; i < FTP_CONFIG_MAX_NODES; i++)
		ftp_backoff_init(&s->restarts[i]);
	ftp_backoff_init(&s->coordinator.restart);
	s->coordinator.ask_ns = FTP_NS_NEVER;
	s->signal_fd = catch_signals();
	ftp_rundir_file(params->dir, FTP_RUNDIR_SOCKET, s->socket);
	if (chdir("/"))
		ftp_log_warn("cannot leave the working directory: %s", strerror(errno));
	sweep(s);
	if (params->coordinator)
		code = ftp_supervisor_children_start_coordinator(s, &err);
	if (code == FTP_EXIT_OK)
		code = start_nodes(s, &err);
	if (code != FTP_EXIT_OK) {
		snprintf(s->reason, sizeof(s->reason), "%s", err.text);
		enter(s, FTP_SUPERVISOR_TERMINATING, FTP_SUPERVISOR_GRACE_NS);
	}
	if (code == FTP_EXIT_OK)
		dprintf(params->report_fd, "0 \n");
	watch(s);
	sweep(s);
	record(s);
	/* After a failed start all is over before its caller hears of it. */
	if (code != FTP_EXIT_OK)
		dprintf(params->report_fd, "%d %s\n", code, err.text);
	close(params->report_fd);
	close(s->signal_fd);
	free(s);
}
