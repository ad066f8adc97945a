/* A coordinator's process: the real core (ctl/coordinator.h) between simulated connections, after
 * ctl/coordinator_server.c. What the operator and the supervisor ask reaches it at once. When it is
 * killed another one is started, which finds its files (tests/sim/files.h). */
#ifndef FTP_TESTS_SIM_COORDINATOR_SHELL_H
#define FTP_TESTS_SIM_COORDINATOR_SHELL_H

#include "ctl/coordinator.h"
#include "ctl/pause.h"
#include "tests/sim/rpc.h"

#define SIM_MAX_CONNS 128
#define SIM_MAX_ASKS  256

struct sim_cluster;

struct sim_ask {	     /* of the operator, the supervisor or a node */
	struct sim_rpc *rpc; /* of the node, which waits for an answer; NULL: nobody does */
	uint64_t id;
	const char *method;
	json_t *body;
	bool is_done, is_refused;
	json_t *result; /* owned */
	char text[512]; /* why it is refused */
};

struct sim_coordinator {
	struct sim_cluster *cluster;
	struct sim_process *process;
	struct ftp_coordinator *core;
	struct ftp_actions actions;
	struct sim_rpc conns[SIM_MAX_CONNS]; /* a connection's number is its index + 1 */
	bool is_closed[SIM_MAX_CONNS];
	uint32_t n_conns;
	uint64_t n_calls;
	uint64_t tick_ns; /* of the timer that is set */
	struct ftp_pause pause;
	struct sim_ask asks[SIM_MAX_ASKS];
	uint32_t n_asks;
	struct sim_ask *asked; /* the one being stepped */
	enum ftp_coordinator_outcome outcome;
	char reason[1100];
};

/* Lives as long as the world. */
struct sim_coordinator *sim_coordinator_new(
	struct sim_cluster *c, const struct ftp_coordinator_settings *core);
/* A node's process connects. */
struct sim_conn *sim_coordinator_accept(struct sim_coordinator *s, struct sim_process *node);
/* body is taken. Returns the place in asks. */
uint32_t sim_coordinator_ask(
	struct sim_coordinator *s, const char *method, json_t *body, uint64_t after_ns);
/* The node is told to halt, for the term of the plan in force. */
void sim_coordinator_echo(struct sim_coordinator *s, uint32_t node);

#endif
