/* Simulated network in virtual time: any number of port pairs, one seed. A test advances `now` from
 * event to event; nothing sleeps. */
#ifndef FTP_NET_SIMULATED_H
#define FTP_NET_SIMULATED_H

#include "net/impair.h"
#include "net/port.h"

struct ftp_simulated; /* the network: opaque */

struct ftp_simulated *ftp_simulated_new(uint64_t seed);
void ftp_simulated_free(struct ftp_simulated *s); /* after every port is closed */

/* Two ends of one link; window_packets is the receiving ring: what does not fit is dropped. */
void ftp_simulated_pair(struct ftp_simulated *s, const struct ftp_impair *impair,
	uint32_t window_packets, struct ftp_port *ends[2]);

/* A cut link loses everything, in the directions given. */
void ftp_simulated_cut(struct ftp_simulated *s, struct ftp_port *end, bool tx, bool rx);

uint64_t ftp_simulated_now_ns(const struct ftp_simulated *s);
/* The time of the next packet's arrival; FTP_NS_NEVER when the network is empty. */
uint64_t ftp_simulated_next_ns(const struct ftp_simulated *s);
void ftp_simulated_advance(struct ftp_simulated *s, uint64_t now_ns);

#endif
