/* Reliable connection between two incarnations over a lossy port: a pure state machine. Packets and
 * `now` go in; packets, events and a deadline come out. No clock, no sockets, no threads.
 *
 * Messages, not streams: a message is named by its id and placed by (id, offset) into memory that
 * the receiver posted for that id; payload is sent from the sender's own memory. Nothing is
 * delivered twice, and nothing lands in memory that was not posted under the current term.
 *
 * Loss detection, probe timeout and congestion control follow RFC 9002 (packet threshold 3, time
 * threshold 9/8, NewReno); ack ranges follow RFC 9000 section 13.2. Lost ranges are sent again
 * selectively, under new packet numbers. Congestion control applies only on ports that drop
 * silently; elsewhere the port's window is the limit. Receiver credit is given message by message:
 * posting a buffer grants its bytes to that id, so a sender that is ahead of its receiver waits
 * instead of losing packets, and messages may be sent and posted in different orders.
 *
 * Terms: every packet carries one. Packets of an older term are dropped; packets of a newer term
 * are dropped unacknowledged until ftp_connection_set_term() catches up. Within a term an id names
 * one message in each direction, once; two incarnations connect to each other at most once.
 *
 * One thread. Nothing is allocated after ftp_connection_new().
 */
#ifndef FTP_NET_CONNECTION_H
#define FTP_NET_CONNECTION_H

#include <stdbool.h>
#include <stdint.h>

#include "net/buffer.h"
#include "net/port.h"
#include "net/wire.h"
#include "runtime/base/error.h"

struct ftp_connection_params {
	uint64_t run, term;
	uint64_t local, remote;	    /* incarnations */
	struct ftp_port_caps caps;  /* of the port below */
	uint32_t max_payload_bytes; /* 0: the port's; else a lower bound from the path's MTU */
	uint32_t n_messages;	    /* sends plus posted receives open at once, at most */
	uint64_t max_ack_delay_ns;  /* told to the peer: the longest that we may take to answer; at
				       most 10 s */
	uint32_t max_message_bytes; /* 0: 64 MiB; costs one bit a KiB for each of n_messages */
	uint64_t idle_timeout_ns;   /* silence after which the peer is lost, unless it is watched */
	bool waits_for_peer; /* silence counts from the first packet heard: until then the caller's
				own deadline rules */
};

enum ftp_message_class { /* a lower class never waits for a higher one */
	FTP_CLASS_CONTROL,
	FTP_CLASS_DATA, /* activations, gradients, labels */
	FTP_CLASS_BULK, /* replicas, unit states for export */
	FTP_N_CLASSES,
};

enum ftp_connection_event_kind {
	FTP_CONNECTION_NONE = 0,
	FTP_CONNECTION_ESTABLISHED, /* the peer was heard for the first time */
	FTP_CONNECTION_RECEIVED, /* a posted message is complete; its buffer is the caller's again
				  */
	FTP_CONNECTION_SENT,	 /* a sent message is acknowledged and idle; likewise */
	FTP_CONNECTION_LOST,	 /* final; reason says why */
};

enum ftp_connection_reason {
	FTP_CONNECTION_IDLE_TIMEOUT = 1,
	FTP_CONNECTION_PEER_CLOSED,
	FTP_CONNECTION_PORT_DOWN,
	FTP_CONNECTION_PROTOCOL, /* a sealed packet that contradicts itself or what was posted */
};

struct ftp_connection_event {
	enum ftp_connection_event_kind kind;
	enum ftp_connection_reason reason;
	struct ftp_message_id id;
	void *data; /* the message's memory */
	uint32_t bytes;
	uint64_t silence_ns; /* LOST by IDLE_TIMEOUT: as much was allowed */
};

struct ftp_connection_stats {
	uint64_t tx_packets, tx_bytes; /* bytes: payload */
	uint64_t rx_packets, rx_bytes;
	uint64_t retransmitted_packets, probe_timeouts;
	uint64_t rejected[FTP_WIRE_N_REJECTS];	      /* by enum ftp_wire_reject */
	uint64_t stale_packets;			      /* of another term or a strange incarnation */
	uint64_t duplicate_packets, unposted_packets; /* unposted: never, or complete already */
	uint64_t copied_tx_bytes, copied_rx_bytes;    /* by our code; the port's copies are apart */
	uint64_t smoothed_rtt_ns;
	double silence_ratio; /* of a watched peer: the longest silence / what was allowed then;
				 1: it is lost */
};

struct ftp_connection; /* opaque */

/* -EINVAL: a parameter is out of its bounds; err says which. */
int ftp_connection_new(struct ftp_connection **out, const struct ftp_connection_params *params,
	uint64_t now_ns, struct ftp_error *err);
void ftp_connection_free(struct ftp_connection *c);

/* Takes b until SENT, LOST or set_term(): its memory must not change meanwhile. 1: n_messages are
 * open already; -EMSGSIZE: no bytes or more than max_message_bytes; -EEXIST: the id is being sent
 * already; -EPROTO: the receiver posted another size for it. Nothing was taken then. */
int ftp_connection_send(struct ftp_connection *c, const struct ftp_message_id *id,
	enum ftp_message_class class, struct ftp_buffer *b, uint64_t now_ns);

/* Takes data until RECEIVED, LOST or set_term(). The message must be exactly bytes long. 1,
 * -EMSGSIZE, -EEXIST: as above. */
int ftp_connection_post(
	struct ftp_connection *c, const struct ftp_message_id *id, void *data, uint32_t bytes);

/* From now on the peer is one that speaks often: its silence is judged by its ways (net/silence.h),
 * though least_ns is allowed; or not any longer. Nothing changes on a port that loses no packet
 * silently: there a silent peer is a busy one. */
void ftp_connection_watch(struct ftp_connection *c, uint64_t least_ns, uint64_t now_ns);
void ftp_connection_relax(struct ftp_connection *c);

/* One packet from the port; lent. */
void ftp_connection_receive(
	struct ftp_connection *c, const uint8_t *packet, uint32_t bytes, uint64_t now_ns);

/* What to send now: fills up to max packets, lent until the next call on c. The caller reports with
 * ftp_connection_sent() how many the port accepted; the rest is offered again. */
int ftp_connection_transmit(
	struct ftp_connection *c, struct ftp_port_tx *packets, int max, uint64_t now_ns);
void ftp_connection_sent(struct ftp_connection *c, int n_accepted, uint64_t now_ns);

/* When ftp_connection_transmit() must be called at the latest: a time in the past when there is
 * something to send, FTP_NS_NEVER when the connection is over. */
uint64_t ftp_connection_deadline(const struct ftp_connection *c);

/* Takes the next event; kind NONE when there is none. idle() of the port gates SENT. */
struct ftp_connection_event ftp_connection_next_event(
	struct ftp_connection *c, struct ftp_port *port);

/* Raises the term: every open message of the old one is forgotten and its memory is the caller's
 * again, except that a buffer which a port still holds must be waited for with port->ops->idle().
 */
void ftp_connection_set_term(struct ftp_connection *c, uint64_t term, uint64_t now_ns);

/* The port below went down, or we leave: CLOSE is sent a few times, then nothing. */
void ftp_connection_port_down(struct ftp_connection *c);
void ftp_connection_close(struct ftp_connection *c, uint64_t now_ns);

/* Why the peer is lost, of a LOST event: "it has been silent for 0.8 s"; text, filled. */
const char *ftp_connection_describe_loss(
	const struct ftp_connection_event *e, char *text, size_t bytes);
/* The peer went away by itself. */
bool ftp_connection_has_left(const struct ftp_connection_event *e);

const struct ftp_connection_stats *ftp_connection_stats(const struct ftp_connection *c);
bool ftp_connection_is_established(const struct ftp_connection *c);

#endif
