/* What the files of a coordinator's life (tests/ctl/coordinator_life.h) share. */
#ifndef FTP_TESTS_LIFE_STATE_H
#define FTP_TESTS_LIFE_STATE_H

#include <stdbool.h>
#include <stdio.h>

#include "ctl/coordinator.h"
#include "ctl/protocol.h"

#define LIFE_UNITS     5
#define LIFE_MAX_NODES 8
#define LIFE_MAX_CALLS 64
#define LIFE_MAX_STEPS 128 /* of which snapshots are kept */

struct life_call { /* that the core made and nobody has answered */
	unsigned conn;
	const char *method;
	json_t *body;
	uint64_t term;
};

/* A machine has been up for ten days when a life begins: whatever counts from 0 shows. Times in
 * traces are since then. */
#define LIFE_BEGIN_NS (864000 * FTP_NS_PER_S)

struct life {
	struct ftp_config config;
	struct ftp_config_node nodes[LIFE_MAX_NODES];
	char names[LIFE_MAX_NODES][8], cuts[16], isa[16];
	struct ftp_coordinator_unit units[LIFE_UNITS];
	bool drill;
	bool all_data; /* else n1 alone has the data */
	struct ftp_coordinator *core;
	struct ftp_actions actions;
	uint64_t now_ns;
	bool refused;	   /* the latest request */
	uint64_t told_row; /* by the latest answer to a join */
	struct ftp_coordinator_settings settings;
	json_t *journal;  /* the latest */
	json_t *tampered; /* of which a restart makes a journal; NULL: of the latest */
	struct ftp_coordinator_past past;
	FILE *trace;

	struct life_call calls[LIFE_MAX_CALLS];
	uint32_t n_calls;
	unsigned conn[LIFE_MAX_NODES];	/* of the process that joined last as this node; 0: none */
	double slow[LIFE_MAX_NODES];	/* its steps take so many times what it profiled */
	struct ftp_plan prepared, plan; /* as the nodes know them */
	uint64_t step;			/* trained */
	/* By node: the term that trained the unit's state of a step that it holds; 0: it has none.
	 */
	uint64_t stored[LIFE_MAX_NODES][LIFE_MAX_STEPS][LIFE_UNITS];
	uint64_t pace_ms;	  /* of a step */
	uint64_t hold;		  /* no step after it; 0: none */
	struct ftp_retain retain; /* the newest */
};

void life_step(struct life *l, const struct ftp_event *e, bool call);
/* body is taken. */
void life_request(struct life *l, unsigned conn, const char *method, json_t *body, bool call);
void life_answer(struct life *l, unsigned conn, const char *method, json_t *body, uint64_t term);

void life_wait(struct life *l, uint64_t ms);

/* life_print.c; call: the action belongs to a call, whose reply is worth a line. */
void life_print(FILE *f, const struct ftp_action *a, bool call);

/* life_operator.c: lines of the script. */
void life_on_repartition(struct life *l, const char *args);
void life_on_drain(struct life *l, const char *args);
void life_on_emulate(struct life *l, const char *args);
void life_on_fail(struct life *l, const char *args);
void life_on_status(struct life *l, const char *args);
void life_on_plan(struct life *l, const char *args);
void life_on_toggle(struct life *l, const char *args);
void life_on_recover(struct life *l, const char *args);
void life_on_stop(struct life *l, const char *args);

/* life_snapshots.c: likewise. */
void life_on_snapshots(struct life *l, const char *args);
void life_on_checkpoints(struct life *l, const char *args);
void life_on_stored(struct life *l, const char *args);
void life_on_persisted(struct life *l, const char *args);
void life_on_forget(struct life *l, const char *args);

/* life_nodes.c: nodes that do what they are asked. */
/* None of them is taken for silent since the machine was started. */
void life_check_silence(const struct life *l);
void life_note_call(struct life *l, const struct ftp_action *a);
/* The term of the oldest call of that method to the connection, which is answered with this; 0. */
uint64_t life_take_call(struct life *l, unsigned conn, const char *method);
/* Would be durable: the calls after it may carry no newer term. */
void life_take_journal(struct life *l, struct ftp_action *a);
void life_check_call(const struct life *l, const struct ftp_action *a);
void life_on_restart(struct life *l, const char *args);
void life_on_tamper(struct life *l, const char *args);
void life_add_node(struct life *l); /* to the configuration */
void life_on_rejoin(struct life *l, const char *args);
void life_on_away(struct life *l, const char *args);
bool life_serve(struct life *l, uint32_t which); /* false: no call waits */
void life_train(struct life *l, uint64_t n_steps);
void life_finish(struct life *l); /* if all steps are done, all stages say so */
void life_free_calls(struct life *l);

#endif
