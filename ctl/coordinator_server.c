#include "ctl/coordinator_server.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ctl/coordinator_listen.h"
#include "ctl/coordinator_server_state.h"
#include "ctl/protocol.h"

#define MAX_CONNS_TCP  128
#define MAX_CONNS_UNIX 32

/* All methods end here: the core knows them. */
static int request(struct ftp_server_conn *c, const char *method, uint64_t call,
	const json_t *params, struct ftp_error *err)
{
	const struct ftp_event e = {
		.kind = FTP_EVENT_REQUEST, .conn = c->id, .method = method, .body = params};
	struct ftp_server *s = c->server;

	if (s->ended) {
		ftp_error_set(err, EPIPE, "the run has ended");
		return FTP_JSONRPC_STATE;
	}
	s->asked = (struct ftp_server_asked){.peer = c->peer, .call = call};
	ftp_server_step(s, &e);
	if (!strcmp(method, FTP_METHOD_JOIN) && !s->asked.code)
		c->join_by_ns = FTP_NS_NEVER;
	return 1; /* it has been answered */
}

#define METHOD(function, name)                                                                     \
	static int function(void *arg, struct ftp_jsonrpc *peer, uint64_t call,                    \
		const json_t *params, json_t **result, struct ftp_error *err)                      \
	{                                                                                          \
		(void)peer, (void)result;                                                          \
		return request(arg, name, call, params, err);                                      \
	}

METHOD(on_join, FTP_METHOD_JOIN)
METHOD(on_progress, FTP_METHOD_PROGRESS)
METHOD(on_held, FTP_METHOD_HELD)
METHOD(on_stored, FTP_METHOD_STORED)
METHOD(on_persisted, FTP_METHOD_PERSISTED)
METHOD(on_lost, FTP_METHOD_LOST)
METHOD(on_trace, FTP_METHOD_TRACE)
METHOD(on_evaluated, FTP_METHOD_EVALUATED)
METHOD(on_finished, FTP_METHOD_FINISHED)
METHOD(on_failed, FTP_METHOD_FAILED)
METHOD(on_status, FTP_METHOD_STATUS)
METHOD(on_end, FTP_METHOD_END)
METHOD(on_exited, FTP_METHOD_EXITED)
METHOD(on_plan, FTP_METHOD_PLAN)
METHOD(on_repartition, FTP_METHOD_REPARTITION)
METHOD(on_drain, FTP_METHOD_DRAIN)
METHOD(on_snapshots, FTP_METHOD_SNAPSHOTS)
METHOD(on_emulate, FTP_METHOD_SET_EMULATE)
METHOD(on_fail, FTP_METHOD_SET_FAIL)
METHOD(on_recover, FTP_METHOD_RECOVER)

static const struct ftp_jsonrpc_method node_methods[] = {
	{FTP_METHOD_JOIN, on_join},
	{FTP_METHOD_PROGRESS, on_progress},
	{FTP_METHOD_HELD, on_held},
	{FTP_METHOD_STORED, on_stored},
	{FTP_METHOD_PERSISTED, on_persisted},
	{FTP_METHOD_LOST, on_lost},
	{FTP_METHOD_TRACE, on_trace},
	{FTP_METHOD_EVALUATED, on_evaluated},
	{FTP_METHOD_FINISHED, on_finished},
	{FTP_METHOD_FAILED, on_failed},
	{NULL, NULL},
};

static const struct ftp_jsonrpc_method control_methods[] = {
	{FTP_METHOD_STATUS, on_status},
	{FTP_METHOD_END, on_end},
	{FTP_METHOD_EXITED, on_exited},
	{FTP_METHOD_PLAN, on_plan},
	{FTP_METHOD_REPARTITION, on_repartition},
	{FTP_METHOD_DRAIN, on_drain},
	{FTP_METHOD_SNAPSHOTS, on_snapshots},
	{FTP_METHOD_SET_EMULATE, on_emulate},
	{FTP_METHOD_SET_FAIL, on_fail},
	{FTP_METHOD_RECOVER, on_recover},
	{NULL, NULL},
};

static void watch(struct ftp_server *s, int op, int fd, uint32_t events, void *ptr)
{
	struct epoll_event e = {.events = events, .data.ptr = ptr};

	ftp_assert(!epoll_ctl(s->epoll_fd, op, fd, &e));
}

static void accept_one(struct ftp_server *s, int listen_fd)
{
	bool unix_socket = listen_fd == s->unix_fd;
	uint32_t *n = unix_socket ? &s->n_unix : &s->n_tcp;
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct ftp_server_conn *c;

	if (fd < 0)
		return;
	if (*n == (unix_socket ? MAX_CONNS_UNIX : MAX_CONNS_TCP) ||
		(unix_socket && !ftp_listen_is_ours(fd))) {
		close(fd);
		if (s->now_ns >= s->refusals_quiet_until_ns)
			ftp_log_warn("refused a connection: %s",
				unix_socket ? "not our user, or too many" : "too many");
		s->refusals_quiet_until_ns = s->now_ns + FTP_NS_PER_S;
		return;
	}
	c = calloc(1, sizeof(*c));
	ftp_assert(c);
	c->server = s;
	c->id = ++s->last_conn;
	c->unix_socket = unix_socket;
	c->join_by_ns = unix_socket ? FTP_NS_NEVER : s->now_ns + FTP_COORDINATOR_JOIN_NS;
	c->peer = ftp_jsonrpc_new(fd, unix_socket ? control_methods : node_methods, c);
	c->events = EPOLLIN;
	c->next = s->conns;
	s->conns = c;
	++*n;
	watch(s, EPOLL_CTL_ADD, fd, c->events, c);
}

static void drop_conn(struct ftp_server *s, struct ftp_server_conn **link, const char *why)
{
	struct ftp_server_conn *c = *link;
	const struct ftp_event e = {.kind = FTP_EVENT_LOST, .conn = c->id, .text = why};

	if (!s->ended)
		ftp_server_step(s, &e);
	*link = c->next;
	--*(c->unix_socket ? &s->n_unix : &s->n_tcp);
	ftp_jsonrpc_free(c->peer);
	free(c);
}

static void turn_conns(struct ftp_server *s)
{
	for (struct ftp_server_conn **link = &s->conns; *link;) {
		struct ftp_server_conn *c = *link;
		struct ftp_error err = {"closed by the coordinator"};

		if (ftp_jsonrpc_turn(c->peer, s->now_ns, &err) || c->closing ||
			c->join_by_ns <= s->now_ns)
			drop_conn(s, link, err.text);
		else
			link = &c->next;
	}
}

/* After all steps of a turn: each may have queued something for any peer. */
static void watch_conns(struct ftp_server *s)
{
	for (struct ftp_server_conn *c = s->conns; c; c = c->next) {
		bool queued = ftp_jsonrpc_poll_events(c->peer) & POLLOUT;
		uint32_t events = queued ? EPOLLIN | EPOLLOUT : EPOLLIN;

		if (events != c->events)
			watch(s, EPOLL_CTL_MOD, ftp_jsonrpc_fd(c->peer), events, c);
		c->events = events;
	}
}

static void earlier(uint64_t *first_ns, uint64_t ns)
{
	if (ns < *first_ns)
		*first_ns = ns;
}

static uint64_t next_deadline(struct ftp_server *s)
{
	uint64_t first_ns = ftp_server_holds(s) ? s->held.tried_ns + FTP_SERVER_RETRY_NS
						: ftp_coordinator_deadline(s->core);

	for (const struct ftp_server_conn *c = s->conns; c; c = c->next) {
		earlier(&first_ns, ftp_jsonrpc_deadline(c->peer));
		earlier(&first_ns, c->closing ? 0 : c->join_by_ns);
	}
	return first_ns;
}

/* Before what has come meanwhile: what nobody could hear is no silence of the nodes. */
static void note_pause(struct ftp_server *s)
{
	const struct ftp_event e = {
		.kind = FTP_EVENT_PAUSED, .pause_ns = ftp_pause_end(&s->pause, s->now_ns)};

	if (!e.pause_ns)
		return;
	for (struct ftp_server_conn *c = s->conns; c; c = c->next) {
		ftp_jsonrpc_postpone(c->peer, e.pause_ns);
		ftp_clock_postpone(&c->join_by_ns, e.pause_ns);
	}
	ftp_server_step(s, &e);
}

static void take_signal(struct ftp_server *s, int stop_fd)
{
	struct signalfd_siginfo info;
	char why[80];

	if (read(stop_fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (getppid() != s->parent) { /* no end of the run: it can be resumed */
		ftp_log_error("the supervisor (pid %d) has died; `ftpctl start` resumes the run",
			s->parent);
		s->ended = true;
		s->outcome = FTP_END_FAILED;
		return;
	}
	snprintf(why, sizeof(why), "the coordinator was ended by signal %u from pid %u",
		info.ssi_signo, info.ssi_pid);
	ftp_server_broken(s, why);
}

static void update_metrics(struct ftp_server *s)
{
	uint64_t wait_ns = ftp_server_holds(s) ? s->now_ns - s->held.first_ns : 0;

	ftp_coordinator_metrics_update(s->metrics, s->core, &s->files, wait_ns);
}

enum ftp_coordinator_outcome ftp_server_run(struct ftp_server *s, int stop_fd)
{
	static const struct ftp_event tick = {.kind = FTP_EVENT_TICK};
	struct epoll_event events[32];

	watch(s, EPOLL_CTL_ADD, stop_fd, EPOLLIN, &stop_fd);
	while (!s->ended) {
		int ms = ftp_pause_sleep(&s->pause, ftp_clock_now_ns(), next_deadline(s));
		int n = epoll_wait(s->epoll_fd, events, 32, ms);

		s->now_ns = ftp_clock_now_ns();
		note_pause(s);
		ftp_server_retry(s);
		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr == &stop_fd)
				take_signal(s, stop_fd);
			else if (events[i].data.ptr == &s->tcp_fd ||
				 events[i].data.ptr == &s->unix_fd)
				accept_one(s, *(int *)events[i].data.ptr);
		}
		turn_conns(s);
		if (!s->ended && !ftp_server_holds(s))
			ftp_server_step(s, &tick);
		watch_conns(s);
		update_metrics(s);
	}
	return s->outcome;
}

/* past: NULL for a new run. */
static void start_core(struct ftp_server *s, struct ftp_coordinator_settings settings,
	const struct ftp_coordinator_past *past)
{
	settings.past = past;
	s->now_ns = ftp_clock_now_ns();
	s->core = ftp_coordinator_new(&settings, s->now_ns);
	if (past)
		ftp_log_info("the run is resumed: %llu steps have their losses, %s journal",
			(unsigned long long)past->n_rows, past->journal ? "and a" : "but no");
}

int ftp_server_new(
	struct ftp_server **out, const struct ftp_server_params *params, struct ftp_error *err)
{
	const struct ftp_config *config = params->settings->config;
	struct ftp_coordinator_past *past = calloc(1, sizeof(*past));
	struct ftp_server *s = calloc(1, sizeof(*s));
	bool is_resumed = false;
	int rc;

	ftp_assert(s && past);
	s->dir = params->dir;
	s->parent = getppid();
	s->unix_fd = -1;
	s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	ftp_assert(s->epoll_fd >= 0);
	rc = s->tcp_fd = ftp_listen_tcp(config->cluster.coordinator_listen, err);
	if (rc >= 0)
		rc = ftp_coordinator_metrics_start(&s->metrics, config, err);
	if (rc >= 0)
		rc = ftp_coordinator_files_open(
			&s->files, params->dir, params->settings->run, past, &is_resumed, err);
	if (params->patience_ns)
		s->files.patience_ns = params->patience_ns;
	if (rc >= 0)
		rc = s->unix_fd = ftp_listen_unix(params->dir->path, FTP_RUNDIR_SOCKET, err);
	if (rc < 0) {
		ftp_server_free(s);
	} else {
		watch(s, EPOLL_CTL_ADD, s->tcp_fd, EPOLLIN, &s->tcp_fd);
		watch(s, EPOLL_CTL_ADD, s->unix_fd, EPOLLIN, &s->unix_fd);
		past->is_asked = params->resumes;
		start_core(s, *params->settings, is_resumed ? past : NULL);
		update_metrics(s);
		*out = s;
	}
	json_decref((json_t *)past->journal);
	free(past);
	return rc < 0 ? rc : 0;
}

void ftp_server_free(struct ftp_server *s)
{
	char path[FTP_PATHS_MAX];

	s->ended = true;
	while (s->conns)
		drop_conn(s, &s->conns, "");
	if (s->unix_fd >= 0) {
		ftp_rundir_file(s->dir, FTP_RUNDIR_SOCKET, path);
		unlink(path);
		close(s->unix_fd);
	}
	if (s->tcp_fd >= 0)
		close(s->tcp_fd);
	close(s->epoll_fd);
	ftp_coordinator_metrics_stop(s->metrics);
	ftp_coordinator_files_close(&s->files);
	ftp_coordinator_free(s->core);
	ftp_actions_free(&s->actions);
	ftp_actions_free(&s->held.actions);
	ftp_actions_free(&s->retains.actions);
	free(s);
}
