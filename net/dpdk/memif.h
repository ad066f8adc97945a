/* memif port (DPDK, copy mode): between processes of one box. One port per pair and incarnation,
 * hot-added, removed, never reconnected. The socket is abstract, so that nothing is left behind. */
#ifndef FTP_NET_DPDK_MEMIF_H
#define FTP_NET_DPDK_MEMIF_H

#include "net/port.h"
#include "runtime/base/error.h"

struct ftp_memif_params {
	const char *socket; /* same at both ends; unique to the pair of incarnations */
	bool server;	    /* the lower node id */
};

/* Returns at once; link() tells when the peer is there. -ENOMEM, -EEXIST. */
int ftp_memif_open(struct ftp_port **out, const struct ftp_memif_params *params,
	struct ftp_error *err);

#endif
