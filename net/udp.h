/* Kernel UDP port: one connected socket per peer, all of a node on one local port number, many
 * datagrams per system call (sendmmsg, recvmmsg). The kernel copies once on each side.
 *
 * A datagram is head and payload, so that this port and a DPDK port that speaks UDP interoperate.
 * UP from the start: UDP cannot know its peer. ICMP errors (nobody listens yet, no route for now)
 * are loss, not failure.
 */
#ifndef FTP_NET_UDP_H
#define FTP_NET_UDP_H

#include "net/port.h"
#include "runtime/base/error.h"

/* Reserves a local address for the node's life: host is numeric, port 0 picks one. Returns a socket
 * that is never read; *port is what peers must be told. -EADDRINUSE, -EADDRNOTAVAIL, -EINVAL. */
int ftp_udp_reserve(const char *host, uint16_t *port, struct ftp_error *err);

/* host and port: as reserved. max_payload_bytes: what the path's MTU allows; 0 asks the route
 * (loopback: 16384). -EADDRNOTAVAIL, -EINVAL, -ENOMEM, -ENETUNREACH, -EMFILE. */
int ftp_udp_open(struct ftp_port **out, const char *host, uint16_t port, const char *peer_host,
	uint16_t peer_port, uint32_t max_payload_bytes, struct ftp_error *err);

#endif
