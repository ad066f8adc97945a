/* Relay of memif's control messages between DPDK's driver and the peer.
 *
 * DPDK's memif driver handles its control socket on an interrupt thread, and when the peer dies
 * that thread unmaps the rings while our thread polls them: rte_eth_rx_burst() then reads unmapped
 * memory (memif_disconnect() against eth_memif_rx(), DPDK 22.11 and later). So the driver never
 * talks to the peer: it talks to us over a socket inside this process, we pass the messages on, and
 * the end of the peer stops at us. The driver's side ends only when our own thread stops the
 * device.
 *
 * The connection to the peer is the doorbell's. Protocol: memif's messages of 128 bytes, unchanged
 * (libmemif, memif.h), after a greeting of ours. One thread; nothing blocks, but for one exchange
 * with the driver's interrupt thread (microseconds, bounded).
 */
#ifndef FTP_NET_DPDK_RELAY_H
#define FTP_NET_DPDK_RELAY_H

#include <stdint.h>

#include "net/doorbell.h"
#include "net/seqpacket.h"

struct ftp_relay {
	char name[FTP_SEQPACKET_MAX_NAME + 1]; /* where the two ends meet */
	bool server;
	int listener;		      /* server, until the peer came; else -1 */
	int pending;		      /* client: connected, not greeted yet; else -1 */
	int driver;		      /* connected to our own driver; -1 */
	uint64_t next_try_ns;	      /* client: when to look for the server again */
	bool connected_passed;	      /* memif's last handshake message went through */
	struct ftp_doorbell doorbell; /* once met */
};

/* -EADDRINUSE, -EINVAL. */
int ftp_relay_open(struct ftp_relay *r, const char *name, bool server, struct ftp_error *err);

/* 0: met the peer; the server told it its device_id, the client learnt it. 1: not yet. Negative:
 * this meeting failed for good. */
int ftp_relay_meet(struct ftp_relay *r, uint32_t *device_id, struct ftp_error *err);

/* Takes the socket to our own driver and begins to pass messages on. */
void ftp_relay_attach(struct ftp_relay *r, int driver);

/* Passes on what is there. Negative: one of the sides has left. */
int ftp_relay_step(struct ftp_relay *r);

void ftp_relay_close(struct ftp_relay *r);

#endif
