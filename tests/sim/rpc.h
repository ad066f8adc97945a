/* JSON-RPC over a simulated connection: the documents of ctl/jsonrpc.h, in some runs written and
 * parsed as in production, which takes longer than all the rest. Deadlines are the owner's. */
#ifndef FTP_TESTS_SIM_RPC_H
#define FTP_TESTS_SIM_RPC_H

#include <jansson.h>

#include "tests/sim/world.h"

#define SIM_RPC_MAX_CALLS 64

enum sim_rpc_kind { SIM_RPC_CALL, SIM_RPC_NOTIFICATION, SIM_RPC_ANSWER };

struct sim_rpc_message {
	enum sim_rpc_kind kind;
	uint64_t id;
	const char *method; /* ANSWER: of the call */
	json_t *body;	    /* params or result; lives as long as document */
	int code;	    /* ANSWER: 0, or why there is no result */
	char text[800];
	uint64_t term; /* ANSWER: given with the call */
	json_t *document;
};

struct sim_rpc {
	struct sim_world *world;
	struct sim_process *process;
	struct sim_conn *conn;
	struct {
		uint64_t id; /* 0: free */
		const char *method;
		uint64_t term;
	} calls[SIM_RPC_MAX_CALLS];
};

/* params and result are taken, method is static. */
void sim_rpc_call(
	struct sim_rpc *r, uint64_t id, const char *method, json_t *params, uint64_t term);
void sim_rpc_notify(struct sim_rpc *r, const char *method, json_t *params);
void sim_rpc_answer(struct sim_rpc *r, uint64_t id, const char *method, int code, json_t *result,
	const char *text);

/* false: an answer that nobody waits for any more. Else free with json_decref(m->document). */
bool sim_rpc_take(struct sim_rpc *r, const void *document, struct sim_rpc_message *m);

/* The call's deadline has come; false: it was answered before. */
bool sim_rpc_expire(struct sim_rpc *r, uint64_t id, struct sim_rpc_message *m);

#endif
