/* The memory of the coordinator's shell, shared by its files: coordinator_server.c (connections,
 * turns) and coordinator_server_actions.c (what the core asks for). One thread. */
#ifndef FTP_CTL_COORDINATOR_SERVER_STATE_H
#define FTP_CTL_COORDINATOR_SERVER_STATE_H

#include <sys/types.h>

#include "ctl/coordinator_files.h"
#include "ctl/coordinator_metrics.h"
#include "ctl/coordinator_server.h"
#include "ctl/jsonrpc.h"
#include "ctl/pause.h"

struct ftp_server_conn {
	struct ftp_server *server;
	struct ftp_jsonrpc *peer;
	uint32_t id;
	bool unix_socket, closing;
	uint32_t events;     /* that epoll watches */
	uint64_t join_by_ns; /* FTP_NS_NEVER once it may stay */
	struct ftp_server_conn *next;
};

struct ftp_server_asked { /* the request being stepped */
	struct ftp_jsonrpc *peer;
	uint64_t call; /* 0: nobody waits for an answer */
	int code;      /* that it was answered with */
};

/* While there is no room for the first of these, which is a journal, a cut or the summary, all that
 * must not come before it waits too. For the core no time passes meanwhile: it gets no ticks, and
 * afterwards a pause. */
struct ftp_server_held {
	struct ftp_actions actions; /* n 0: nothing is held */
	uint64_t since_ns;
	uint64_t first_ns; /* since when there is no room for the first */
	uint64_t tried_ns; /* last */
};

struct ftp_server {
	const struct ftp_rundir *dir;
	struct ftp_coordinator *core;
	struct ftp_coordinator_metrics *metrics;
	struct ftp_actions actions;
	struct ftp_server_held held;
	struct ftp_server_held retains; /* calls; first_ns and tried_ns: not used */
	struct ftp_server_conn *conns;
	struct ftp_server_asked asked;
	struct ftp_coordinator_files files;
	int epoll_fd, tcp_fd, unix_fd;
	uint32_t last_conn, n_tcp, n_unix;
	uint64_t now_ns; /* of this turn */
	struct ftp_pause pause;
	uint64_t refusals_quiet_until_ns;
	pid_t parent;
	bool ended;
	enum ftp_coordinator_outcome outcome;
	int raise; /* a signal, after this step; 0: none */
};

/* Steps the core and does what it asks for. Not re-entered: calls end in a peer's turn or free,
 * never in ftp_jsonrpc_call(). */
void ftp_server_step(struct ftp_server *s, const struct ftp_event *e);
void ftp_server_broken(struct ftp_server *s, const char *why);

#define FTP_SERVER_RETRY_NS (100 * FTP_NS_PER_MS)

/* Each turn: what is held is tried again, FTP_SERVER_RETRY_NS after the last time. */
void ftp_server_retry(struct ftp_server *s);
bool ftp_server_holds(const struct ftp_server *s);

#endif
