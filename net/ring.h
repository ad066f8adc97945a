/* In-process port pair over DPDK's rte_ring-free SPSC rings, for several stages in one process. */
#ifndef FTP_NET_RING_H
#define FTP_NET_RING_H

#include "net/port.h"

void ftp_ring_pair(uint32_t n_packets, struct ftp_port *ends[2]);

#endif
