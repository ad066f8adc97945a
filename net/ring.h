/* In-process port pair, for several stages in one process: two rings of packet slots. tx() copies
 * into a slot, rx() lends the slot itself. The two ends may be used, and closed, by two threads. */
#ifndef FTP_NET_RING_H
#define FTP_NET_RING_H

#include "net/port.h"

/* n_packets: slots of one direction, a power of two; aborts when there is no memory or descriptor.
 */
void ftp_ring_pair(uint32_t n_packets, struct ftp_port *ends[2]);

#endif
