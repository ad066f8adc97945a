/* Packet port: a lossy, unordered, point-to-point packet link to one peer. The seam between the
 * connection and DPDK memif, kernel UDP, the in-process ring and the simulated network; one
 * conformance suite (tests/net/test_port.c) runs over all.
 *
 * One thread, the net loop, makes every call on a port. Nothing here blocks.
 */
#ifndef FTP_NET_PORT_H
#define FTP_NET_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include "net/buffer.h"
#include "net/wire.h"

#define FTP_PORT_BURST 32

/* What a port can do; the connection obeys. */
struct ftp_port_caps {
	const char *name;	    /* "memif", "udp", "ring", "simulated" */
	uint32_t max_payload_bytes; /* of one packet, <= FTP_WIRE_MAX_PAYLOAD_BYTES */
	uint32_t window_packets;    /* more in flight may overrun the peer's ring silently */
	uint32_t tx_burst;	    /* packets of one tx() call that suit the port best */
	bool drops_silently; /* tx() may accept what it then loses: congestion control applies */
	uint8_t tx_copies, rx_copies; /* copies of the payload that the port itself makes */
};

/* A packet to send. head is copied by tx(); payload is referenced (or copied by the port) and stays
 * lent until idle(owner). payload_bytes may be 0, then owner is NULL. */
struct ftp_port_tx {
	const uint8_t *head; /* FTP_WIRE_HEAD_BYTES */
	const uint8_t *payload;
	uint32_t payload_bytes;
	struct ftp_buffer *owner; /* covers payload; NULL: the port must copy before tx() returns */
};

/* A packet received: head and payload contiguous, lent until release(). */
struct ftp_port_rx {
	const uint8_t *packet;
	uint32_t bytes;
	void *token; /* the port's own */
};

struct ftp_port;

enum ftp_port_link { FTP_PORT_CONNECTING, FTP_PORT_UP, FTP_PORT_DOWN };

struct ftp_port_ops {
	/* Sends packets[0..n); returns how many were accepted, in order; 0 when the ring is full.
	 */
	int (*tx)(struct ftp_port *p, const struct ftp_port_tx *packets, int n);
	/* Receives up to max packets. */
	int (*rx)(struct ftp_port *p, struct ftp_port_rx *packets, int max);
	void (*release)(struct ftp_port *p, struct ftp_port_rx *packets, int n);
	/* No packet that the port holds points into b any more. */
	bool (*idle)(struct ftp_port *p, const struct ftp_buffer *b);
	/* CONNECTING may go on for ever: the connection has the deadline. DOWN is final. */
	enum ftp_port_link (*link)(struct ftp_port *p);
	/* Before sleeping: asks the peer to ring the doorbell at its next tx(). Returns a file
	 * descriptor that becomes readable then (-1: none, the caller naps). After arm() the caller
	 * must rx() once more before it sleeps. */
	int (*arm)(struct ftp_port *p);
	void (*disarm)(struct ftp_port *p); /* after waking; also empties the doorbell */
	void (*close)(struct ftp_port *p);  /* frees p; every buffer is idle afterwards */
};

/* Every port begins with this. */
struct ftp_port {
	const struct ftp_port_ops *ops;
	struct ftp_port_caps caps;
};

#endif
