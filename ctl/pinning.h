/* Which cores each local node is pinned to. Pure; any thread. */
#ifndef FTP_CTL_PINNING_H
#define FTP_CTL_PINNING_H

#include <sched.h>
#include <stdbool.h>

#include "ctl/config.h"

#define FTP_PINNING_LIST_BYTES 256

/* available: the cores this process may use. Nodes with a list of their own get it. Those that say
 * "auto" get, in the config's order and from what no list and no net_core names, training.threads
 * cores each, one more each for their helper threads if that fits too, and none ("", unpinned) if
 * not even training.threads fits for all of them. list[i] belongs to node i and is void where
 * local[i] is false. */
void ftp_pinning_choose(const struct ftp_config *c, const bool *local, const cpu_set_t *available,
	char list[][FTP_PINNING_LIST_BYTES]);

#endif
