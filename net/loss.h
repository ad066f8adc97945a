/* Loss detection of RFC 9002: round-trip estimate (section 5), packet and time thresholds (6.1) and
 * probe timeout (6.2). Knows packet numbers and times, not what packets carry. One owner. */
#ifndef FTP_NET_LOSS_H
#define FTP_NET_LOSS_H

#include <stdbool.h>
#include <stdint.h>

#include "net/sentmap.h"

#define FTP_LOSS_PACKET_THRESHOLD 3		/* RFC 9002 section 6.1.1 */
#define FTP_LOSS_GRANULARITY_NS	  1000000ull	/* section 6.1.2 */
#define FTP_LOSS_INITIAL_RTT_NS	  333000000ull	/* section 6.2.2 */
#define FTP_LOSS_MAX_BACKOFF_NS	  1000000000ull /* ours: a probe at least this often */

struct ftp_loss {
	uint64_t latest_rtt_ns, min_rtt_ns, smoothed_rtt_ns, rtt_variation_ns;
	bool has_rtt;
	bool has_acked;		/* in this term */
	uint64_t largest_acked; /* packet number, if has_acked */
	uint64_t first_rtt_ns;	/* when the first sample was taken, if has_rtt */
	uint64_t loss_time_ns; /* when the time threshold declares the next loss; or FTP_NS_NEVER */
	uint64_t last_sent_ns; /* of the last packet in flight */
	uint32_t n_in_flight;
	uint32_t n_probe_timeouts; /* since the last acknowledgement */
};

/* Called for each packet that is declared lost; it is resolved already. */
typedef void ftp_loss_fn(void *arg, uint64_t packet_number, const struct ftp_sent *sent);

void ftp_loss_init(struct ftp_loss *l);

/* A new term: nothing is in flight, the round-trip estimate stays. */
void ftp_loss_reset(struct ftp_loss *l);

/* Section 5.3: a new sample; ack_delay_ns is what the peer reports, max_ack_delay_ns its promise.
 */
void ftp_loss_sample(struct ftp_loss *l, uint64_t rtt_ns, uint64_t ack_delay_ns,
	uint64_t max_ack_delay_ns, uint64_t now_ns);

/* Section 6.1: declares losses among the packets below largest_acked and sets loss_time_ns. Returns
 * true when the losses amount to persistent congestion (section 7.6). */
bool ftp_loss_detect(struct ftp_loss *l, struct ftp_sentmap *m, uint64_t max_ack_delay_ns,
	uint64_t now_ns, ftp_loss_fn *lost, void *arg);

/* The timer: the earlier of loss_time_ns and the probe timeout; FTP_NS_NEVER without either. */
uint64_t ftp_loss_deadline(const struct ftp_loss *l, uint64_t max_ack_delay_ns);

/* Section 6.2.1, without backoff. */
uint64_t ftp_loss_probe_timeout_ns(const struct ftp_loss *l, uint64_t max_ack_delay_ns);

#endif
