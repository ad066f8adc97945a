/* JSON-RPC 2.0 over a byte stream, one document per line, both ends may call. Non-blocking; the
 * owner polls fd and calls turn(). Used between ftpctl, coordinator, supervisor and nodes.
 *
 * Bounds: a line is at most FTP_JSONRPC_MAX_LINE bytes and 32 levels deep, at most 64 calls are
 * open at once, and what is queued to be written at most 4 MiB; beyond them the peer is closed with
 * a reason. Every call has a deadline. Batches are answered with FTP_JSONRPC_INVALID. A peer that
 * half-closes is closed.
 *
 * One thread per peer. Handlers and done() may call, notify and answer on any peer; they must not
 * free the peer that is in ftp_jsonrpc_turn().
 */
#ifndef FTP_CTL_JSONRPC_H
#define FTP_CTL_JSONRPC_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/error.h"

#define FTP_JSONRPC_MAX_LINE (1 << 20)

enum ftp_jsonrpc_code {
	FTP_JSONRPC_PARSE = -32700,
	FTP_JSONRPC_INVALID = -32600,
	FTP_JSONRPC_NO_METHOD = -32601,
	FTP_JSONRPC_PARAMS = -32602,
	FTP_JSONRPC_INTERNAL = -32603,
	FTP_JSONRPC_STATE = -1,	   /* not now: the text says why */
	FTP_JSONRPC_DEADLINE = -2, /* local: no answer in time */
	FTP_JSONRPC_CLOSED = -3,   /* local: the peer went away */
};

struct ftp_jsonrpc; /* a peer: opaque */

/* Answers a call. Returns 0 with *result (given; NULL means null), or an ftp_jsonrpc_code with err
 * set, or 1: answered later with ftp_jsonrpc_answer(call). Notifications have call 0 and their
 * result is dropped. params is lent. */
struct ftp_jsonrpc_method {
	const char *name;
	int (*handle)(void *arg, struct ftp_jsonrpc *peer, uint64_t call, const json_t *params,
		json_t **result, struct ftp_error *err);
};

/* Takes fd (a stream socket; made non-blocking). methods are lent for the peer's life; the last has
 * name NULL. */
struct ftp_jsonrpc *ftp_jsonrpc_new(int fd, const struct ftp_jsonrpc_method *methods, void *arg);
/* Open calls end with FTP_JSONRPC_CLOSED first; what is queued is written as far as the socket
 * takes it at once. NULL is allowed. */
void ftp_jsonrpc_free(struct ftp_jsonrpc *p);

int ftp_jsonrpc_fd(const struct ftp_jsonrpc *p);
short ftp_jsonrpc_poll_events(const struct ftp_jsonrpc *p); /* POLLIN, POLLOUT as needed */

/* Reads, dispatches, writes, expires deadlines. 0, or -EPIPE when the peer is gone or broke a bound
 * (err says which): free it then. */
int ftp_jsonrpc_turn(struct ftp_jsonrpc *p, uint64_t now_ns, struct ftp_error *err);
uint64_t ftp_jsonrpc_deadline(const struct ftp_jsonrpc *p); /* of the next turn; may be NEVER */

/* done(arg, code, result, text): code 0 and result lent, or a code and its readable text. It is
 * called exactly once, from turn() or free(). params is taken; NULL means {}. */
typedef void ftp_jsonrpc_done(void *arg, int code, const json_t *result, const char *text);
void ftp_jsonrpc_call(struct ftp_jsonrpc *p, const char *method, json_t *params,
	uint64_t deadline_ns, ftp_jsonrpc_done *done, void *arg);
void ftp_jsonrpc_notify(struct ftp_jsonrpc *p, const char *method, json_t *params);
/* The deadlines of all open calls are later by so much: nobody could read the answers. */
void ftp_jsonrpc_postpone(struct ftp_jsonrpc *p, uint64_t by_ns);

/* Of a handler that returned 1. code 0: result (taken). Else the text explains. A call that is not
 * open any more is ignored. */
void ftp_jsonrpc_answer(
	struct ftp_jsonrpc *p, uint64_t call, int code, json_t *result, const char *text);

/* Blocking use (jsonrpc_client.c): connect to a Unix socket path (it holds a '/') or "host:port",
 * call, wait, close. a path may be longer than 107 bytes. -ECONNREFUSED, -ENOENT: nobody listens;
 * -ETIMEDOUT; -EPROTO with the peer's text; -EPIPE: it went away. connect() gives a connected,
 * non-blocking fd. params is taken, *result given. */
int ftp_jsonrpc_connect(const char *address, uint64_t deadline_ns, struct ftp_error *err);
int ftp_jsonrpc_ask(const char *address, const char *method, json_t *params, uint64_t deadline_ns,
	json_t **result, struct ftp_error *err);

#endif
