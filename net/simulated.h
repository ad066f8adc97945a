/* Simulated network in virtual time: any number of port pairs, one seed. A test advances `now` from
 * event to event; nothing sleeps, and the same seed and calls give the same packets.
 *
 * A port reads the sender's memory only when the packet arrives, and is idle() about a buffer only
 * then: a sender that gives memory back too early is found out.
 */
#ifndef FTP_NET_SIMULATED_H
#define FTP_NET_SIMULATED_H

#include "net/impair.h"
#include "net/port.h"

struct ftp_simulated; /* the network: opaque */

struct ftp_simulated *ftp_simulated_new(uint64_t seed);
void ftp_simulated_free(struct ftp_simulated *s); /* after every port is closed */

/* Two ends of one link; window_packets is the receiving ring: what does not fit is dropped. impair
 * is copied. caps may be changed until a connection has read them. */
void ftp_simulated_pair(struct ftp_simulated *s, const struct ftp_impair *impair,
	uint32_t window_packets, struct ftp_port *ends[2]);

/* A cut link loses what end sends (tx) and what it is sent (rx), packets under way included. */
void ftp_simulated_cut(struct ftp_simulated *s, struct ftp_port *end, bool tx, bool rx);

/* While refused, tx() on end accepts nothing. */
void ftp_simulated_refuse(struct ftp_simulated *s, struct ftp_port *end, bool refused);

/* As when end's process dies: nothing leaves or comes any more, but for what is on its way. The
 * port of its peer goes down, as it does when an end is closed. */
void ftp_simulated_hang_up(struct ftp_simulated *s, struct ftp_port *end);

/* That happens so much later, whatever is on its way; 0, as it is at first: at once;
 * FTP_NS_NEVER: never, as with UDP. */
void ftp_simulated_linger(struct ftp_simulated *s, uint64_t ns);

uint64_t ftp_simulated_now_ns(const struct ftp_simulated *s);
/* The time of the next packet's arrival; FTP_NS_NEVER when the network is empty. */
uint64_t ftp_simulated_next_ns(const struct ftp_simulated *s);
/* Moves time to now_ns, which does not lie in the past: every packet due until then arrives. */
void ftp_simulated_advance(struct ftp_simulated *s, uint64_t now_ns);
/* Likewise, but up to the next packet's arrival: false if there is none until then. For whom there
 * is something to look at: ends[0], a packet or that it is down; ends[1], who sent it, memory that
 * is idle now. NULL: nobody. */
bool ftp_simulated_arrive(struct ftp_simulated *s, uint64_t until_ns, struct ftp_port *ends[2]);

#endif
