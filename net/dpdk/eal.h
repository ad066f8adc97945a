/* DPDK's environment: started once per process, before any memif port; --no-huge unless the config
 * asks for hugepages. Leaves the calling thread's affinity as it was and leaves no file
 * anywhere, unless it is killed in a certain moment: then one in /dev/shm, which ftp_shm_sweep()
 * (runtime/base/shm.h) removes. DPDK's warnings and errors go to our log.
 *
 * Start and stop on one thread. Source: DPDK 22.11 Linux Getting Started Guide, EAL parameters.
 */
#ifndef FTP_NET_DPDK_EAL_H
#define FTP_NET_DPDK_EAL_H

#include <stdbool.h>
#include <stddef.h>

#include "runtime/base/error.h"

struct ftp_eal_params {
	const char *prefix;  /* names this process to DPDK; [A-Za-z0-9._-], at most 64 bytes */
	size_t memory_bytes; /* DPDK's heap: 16 MiB and FTP_MEMIF_PORT_BYTES for each port open */
	bool hugepages;
	const char *extra; /* net.eal of the config: further EAL arguments, or NULL */
	/* Where a socket may stand for a moment, and stay if we are killed in it, if /dev/shm is no
	 * place for it: the run's own directory; lent until ftp_eal_stop(). NULL, or no place for
	 * sockets either: /tmp. */
	const char *directory;
};

/* -EALREADY: DPDK cannot start twice in one process, also not after ftp_eal_stop(). -ENOMEM,
 * -EACCES, -EINVAL and what DPDK gives, with its own last words and what to do in err. */
int ftp_eal_start(const struct ftp_eal_params *params, struct ftp_error *err);

bool ftp_eal_is_started(void);

/* After every port is closed. What DPDK holds, it holds until the process ends. */
void ftp_eal_stop(void);

#endif
