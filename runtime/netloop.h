/* Net loop: every link of a node, turned by one thread. Folded into the worker's loop (the worker
 * calls turn()), or on a core of its own (a thread turns, the worker talks to it through rings).
 * The worker's calls are the same in both cases.
 *
 * Peers are numbered by their place among the plan's members. Worker's thread unless stated
 * otherwise.
 */
#ifndef FTP_RUNTIME_NETLOOP_H
#define FTP_RUNTIME_NETLOOP_H

#include <poll.h>

#include "net/impair.h"
#include "net/link.h"
#include "runtime/base/waker.h"

#define FTP_NETLOOP_MAX_PEERS 64

struct ftp_netloop; /* opaque */

struct ftp_netloop_event {
	int peer;
	struct ftp_connection_event event;
};

/* core < 0: folded. Else a thread pinned to core; waker ends the worker's sleep when an event
 * comes (lent). */
int ftp_netloop_new(
	struct ftp_netloop **out, int core, struct ftp_waker *waker, struct ftp_error *err);

/* Closes every link; all memory that was lent is the caller's again. */
void ftp_netloop_free(struct ftp_netloop *n, uint64_t now_ns);

/* Takes the link's port and connection. */
void ftp_netloop_add(struct ftp_netloop *n, int peer, const struct ftp_link *link);

/* As ftp_connection_send() and _post(), but the limits are the caller's: more messages open than
 * the connection was made for is a broken invariant. */
void ftp_netloop_send(struct ftp_netloop *n, int peer, const struct ftp_message_id *id,
	enum ftp_message_class class, struct ftp_buffer *b, uint64_t now_ns);
void ftp_netloop_post(struct ftp_netloop *n, int peer, const struct ftp_message_id *id, void *data,
	uint32_t bytes);

/* Turns the links (folded) or nothing (threaded); returns the packets moved. */
int ftp_netloop_turn(struct ftp_netloop *n, uint64_t now_ns);
bool ftp_netloop_next_event(struct ftp_netloop *n, struct ftp_netloop_event *e);

/* The earliest deadline of a folded loop's connections; FTP_NS_NEVER when nothing is due. */
uint64_t ftp_netloop_deadline(const struct ftp_netloop *n);

/* Sleeps until a packet of one of the loops (n_nets of them; NULL ones are skipped), one of fds, a
 * deadline of a connection, or until_ns (0: no such time), a few milliseconds at most; folded: arms
 * the doorbells of all ports, and returns at once if a packet came meanwhile. */
void ftp_netloop_sleep(struct ftp_netloop *const *nets, int n_nets, struct pollfd *fds, int n_fds,
	uint64_t now_ns, uint64_t until_ns);

/* Changes the emulated impairments of every link that was added with an emulating port, from now
 * on. */
void ftp_netloop_impair(struct ftp_netloop *n, const struct ftp_impair *impair);

/* As ftp_connection_watch() and _relax(), the latter for every peer. */
void ftp_netloop_watch(struct ftp_netloop *n, int peer, uint64_t least_ns, uint64_t now_ns);
void ftp_netloop_relax(struct ftp_netloop *n);

/* Sums over the peer's connection, for the metrics; a copy, at most a turn old. NULL: no such peer.
 */
const struct ftp_connection_stats *ftp_netloop_stats(const struct ftp_netloop *n, int peer);
const struct ftp_port_caps *ftp_netloop_caps(const struct ftp_netloop *n, int peer);

#endif
