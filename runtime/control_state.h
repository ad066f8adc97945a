/* The inside of the control thread, shared by its files: control.c (what it tells, its loop),
 * control_calls.c (what it is asked), control_link.c (the connection). */
#ifndef FTP_RUNTIME_CONTROL_STATE_H
#define FTP_RUNTIME_CONTROL_STATE_H

#include "ctl/jsonrpc.h"
#include "runtime/control.h"
#include "runtime/ledger.h"
#include "runtime/standing.h"

struct ftp_control {
	const struct ftp_control_params *params;
	struct ftp_jsonrpc *rpc; /* NULL: there is no connection */
	bool is_joined;		 /* over it: only then is anything told */
	struct ftp_standing standing;
	uint64_t retry_ns, give_up_ns;	/* until it has joined again; give_up 0: it has */
	struct ftp_evaluated evaluated; /* the last one; step 0: none */
	struct ftp_finished finished;	/* likewise */
	struct ftp_ledger ledger;	/* between notifications of progress */
	uint64_t progress_due_ns;
	bool is_new; /* the plan: its first loss is worth a notification of its own */
	bool stop;
	int failed; /* negative errno: not admitted, or the worker failed; err says why */
	struct ftp_error *err;
};

/* control.c */
void ftp_control_note(
	struct ftp_control *c, enum ftp_record_kind kind, const char *text, uint64_t a, uint64_t b);
/* What has not been told of steps and losses; nothing without a connection. */
void ftp_control_send_progress(struct ftp_control *c);
/* What a coordinator that was away may not know. */
void ftp_control_tell_again(struct ftp_control *c);

/* control_link.c */
/* The first connection: the coordinator may still be starting. Negative errno. */
int ftp_control_connect(struct ftp_control *c, struct ftp_error *err);
/* Serves the connection, or tries to have one again. Negative errno: it is given up. */
int ftp_control_link_turn(struct ftp_control *c, uint64_t now_ns, struct ftp_error *err);
uint64_t ftp_control_link_deadline(const struct ftp_control *c);

/* Of the coordinator; arg: the struct ftp_control. */
extern const struct ftp_jsonrpc_method ftp_control_methods[];

#endif
