/* The inside of a connection, shared by its three files: connection.c (life, messages, events),
 * connection_rx.c (packets in) and connection_tx.c (packets out, timers). */
#ifndef FTP_NET_CONNECTION_STATE_H
#define FTP_NET_CONNECTION_STATE_H

#include "net/congestion.h"
#include "net/connection.h"
#include "net/inbox.h"
#include "net/loss.h"
#include "net/outbox.h"
#include "net/ranges.h"
#include "net/sentmap.h"
#include "net/silence.h"
#include "net/staging.h"

struct ftp_connection {
	struct ftp_connection_params params;
	struct ftp_frame_hello own, peer; /* limits */
	uint32_t window_packets;
	uint32_t ack_every; /* packets */

	struct ftp_sentmap sent;
	struct ftp_loss loss;
	struct ftp_congestion congestion;
	struct ftp_staging staging;
	struct ftp_inbox inbox;
	struct ftp_outbox outbox;
	struct ftp_ranges received; /* packet numbers, in this term */

	/* Acknowledgements that we owe. */
	uint64_t next_apart;	    /* number of the next ACK or CLOSE */
	uint64_t largest_ns;	    /* when the highest number was received */
	uint64_t last_eliciting_ns; /* when the last packet that wants an ACK was */
	uint32_t n_unacked;
	bool is_ack_due; /* at the next transmit, however few they are */

	/* The handshake that begins every term. */
	bool has_peer;	     /* its HELLO of this term was heard: `peer` is valid */
	bool is_hello_acked; /* ours was */
	bool is_hello_due;
	uint64_t hello_ns, hello_backoff_ns; /* next try, and the wait after it */

	struct ftp_silence silence; /* the peer's: packets of any term end it */
	uint64_t spoke_ns;	    /* the last packet that the port accepted */
	uint64_t last_try_ns;	    /* of transmit */
	uint32_t n_probes;	    /* packets that may exceed the window (RFC 9002 section 7.5) */
	uint32_t n_closes;	    /* CLOSE packets left to send */
	bool is_closing;	    /* by us */
	bool is_established, is_established_told;
	bool is_lost_told;
	enum ftp_connection_reason reason; /* 0: alive */
	uint64_t silence_ns;		   /* that it was lost by */
	struct ftp_connection_stats stats;
};

static inline bool ftp_connection_is_over(const struct ftp_connection *c)
{
	return c->reason || c->is_closing;
}

/* Final; the first reason stays. */
void ftp_connection_lose(struct ftp_connection *c, enum ftp_connection_reason reason);

/* What s carried has left the flight; s is resolved. */
void ftp_connection_acked(struct ftp_connection *c, const struct ftp_sent *s, bool was_limited);
void ftp_connection_lost(
	struct ftp_connection *c, uint64_t number, const struct ftp_sent *s, uint64_t now_ns);

/* Loss detection (RFC 9002 section 6.1), after an ACK or by the timer. */
void ftp_connection_detect(struct ftp_connection *c, uint64_t now_ns);

#endif
