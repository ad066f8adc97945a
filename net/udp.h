/* Kernel UDP port: one connected socket per peer, all of a node on one local port number
 * (SO_REUSEPORT), sendmmsg/recvmmsg. */
#ifndef FTP_NET_UDP_H
#define FTP_NET_UDP_H

#include "net/port.h"
#include "runtime/base/error.h"

/* Reserves a local address for the node's life: host is numeric, port 0 picks one. Returns a socket
 * that is never read; *port is what peers must be told. -EADDRINUSE, -EADDRNOTAVAIL. */
int ftp_udp_reserve(const char *host, uint16_t *port, struct ftp_error *err);

/* max_payload_bytes: what the path's MTU allows; 0 asks the route (loopback: 16384). */
int ftp_udp_open(struct ftp_port **out, const char *host, uint16_t port, const char *peer_host,
	uint16_t peer_port, uint32_t max_payload_bytes, struct ftp_error *err);

#endif
