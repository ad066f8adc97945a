/* The inside of the control thread, shared by its files: control.c (what it tells, its loop),
 * control_calls.c (what it is asked). */
#ifndef FTP_RUNTIME_CONTROL_STATE_H
#define FTP_RUNTIME_CONTROL_STATE_H

#include "ctl/jsonrpc.h"
#include "runtime/control.h"
#include "runtime/ledger.h"

struct ftp_control {
	const struct ftp_control_params *params;
	struct ftp_jsonrpc *rpc;
	uint64_t profile_call, probe_call; /* open calls to answer; 0: none */
	uint64_t calls[FTP_N_TRANSITION_CALLS];
	uint64_t term;		  /* of the plan in force; 0: none */
	struct ftp_ledger ledger; /* between notifications of progress */
	uint64_t progress_due_ns;
	bool is_new; /* the plan: its first loss is worth a notification of its own */
	bool stop;
	int failed; /* negative errno: not admitted, or the worker failed; err says why */
	struct ftp_error *err;
};

/* control.c */
void ftp_control_note(
	struct ftp_control *c, enum ftp_record_kind kind, const char *text, uint64_t a, uint64_t b);

/* Of the coordinator; arg: the struct ftp_control. */
extern const struct ftp_jsonrpc_method ftp_control_methods[];

#endif
