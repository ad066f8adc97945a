/* memif port (DPDK, copy mode): between processes of one box and one user. One port per pair and
 * incarnation, hot-added, removed, never reconnected: the first peer that comes is the only one.
 * The name is an abstract socket's, so that nothing is left behind.
 *
 * A packet is an Ethernet-sized frame (carrier, head, payload) of mbufs: the head's own, and one
 * that points into the tensor. The driver copies both into the peer's slot, once, before tx()
 * returns; so idle() is immediate here, but it asks the reference count all the same. DOWN is told
 * after the last packet of the peer has been received; the peer's death, kill -9 included, is
 * noticed by polls that find nothing and by whoever sleeps on arm()'s descriptor.
 *
 * Needs a started EAL. Every port of a process is opened, used and closed by one thread.
 */
#ifndef FTP_NET_DPDK_MEMIF_H
#define FTP_NET_DPDK_MEMIF_H

#include "net/port.h"
#include "runtime/base/error.h"

#define FTP_MEMIF_PORT_BYTES (2u << 20) /* of DPDK's heap, for one port */

struct ftp_memif_params {
	const char
		*socket; /* same at both ends; unique to the pair of incarnations; <= 100 bytes */
	bool server;	 /* the lower node id */
};

/* Returns at once; link() tells when the peer is there, and goes DOWN when the meeting failed
 * (logged). -ENOMEM, -EADDRINUSE, -EINVAL, -ENODEV (no EAL, or too many ports). */
int ftp_memif_open(
	struct ftp_port **out, const struct ftp_memif_params *params, struct ftp_error *err);

#endif
