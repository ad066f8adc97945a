/* Congestion control: NewReno as RFC 9002 section 7 and appendix B state it, in bytes. One owner.
 */
#ifndef FTP_NET_CONGESTION_H
#define FTP_NET_CONGESTION_H

#include <stdbool.h>
#include <stdint.h>

struct ftp_congestion {
	uint32_t datagram_bytes; /* of the largest packet */
	uint64_t window_bytes, threshold_bytes, in_flight_bytes;
	uint64_t recovery_start_ns;
	bool has_recovered; /* recovery_start_ns is set */
};

void ftp_congestion_init(struct ftp_congestion *c, uint32_t datagram_bytes);

static inline bool ftp_congestion_allows(const struct ftp_congestion *c, uint32_t bytes)
{
	return c->in_flight_bytes + bytes <= c->window_bytes;
}

/* bytes left the flight acknowledged; was_limited: the window was what held the sender back
 * (section 7.8). */
void ftp_congestion_acked(
	struct ftp_congestion *c, uint32_t bytes, uint64_t sent_ns, bool was_limited);

/* bytes left the flight lost (section 7.3.2). */
void ftp_congestion_lost(
	struct ftp_congestion *c, uint32_t bytes, uint64_t sent_ns, uint64_t now_ns);

/* Section 7.6.2. */
void ftp_congestion_collapse(struct ftp_congestion *c);

#endif
