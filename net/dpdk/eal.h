/* DPDK's environment: started once per process, before any memif port; --no-huge with a unique prefix
 * unless the config asks for hugepages. Leaves the calling thread's affinity as it was, and no file
 * behind, kill -9 included. */
#ifndef FTP_NET_DPDK_EAL_H
#define FTP_NET_DPDK_EAL_H

#include <stdbool.h>
#include <stddef.h>

#include "runtime/base/error.h"

struct ftp_eal_params {
	const char *prefix; /* unique on this machine, e.g. run id and node name */
	size_t memory_bytes;
	bool hugepages;
	const char *extra; /* net.eal of the config: further EAL arguments, or NULL */
};

/* -ENOMEM, -EACCES, ... with what was needed, what is there and what to do in err. */
int ftp_eal_start(const struct ftp_eal_params *params, struct ftp_error *err);
void ftp_eal_stop(void);

#endif
