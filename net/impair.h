/* Impairments of a network as a function of (seed, packet): loss, duplication, reordering, delay,
 * bandwidth. Used by the simulated port (virtual time) and by the emulating port (real time). */
#ifndef FTP_NET_IMPAIR_H
#define FTP_NET_IMPAIR_H

#include <stdbool.h>
#include <stdint.h>

#include "net/port.h"

struct ftp_impair {
	double loss, duplication, reordering; /* probabilities of one packet */
	uint64_t delay_ns, jitter_ns;	      /* one way; jitter is uniform in [0, jitter_ns) */
	uint64_t bandwidth_bytes_per_s;	      /* 0: unlimited */
};

/* One direction of a link. */
struct ftp_impair_line {
	uint64_t key;	    /* of its random numbers */
	uint64_t n_packets; /* so far */
	uint64_t free_ns;   /* when the line has sent what it was given, if bandwidth is limited */
};

struct ftp_impair_fate {
	int n;		    /* copies that arrive: 0, 1 or 2 */
	uint64_t due_ns[2]; /* when */
};

/* The fate of the line's next packet, given at now_ns. A reordered packet is held back for a
 * quarter of the delay more, or 20 us if that is longer, so that later ones overtake it. */
struct ftp_impair_fate ftp_impair_next(const struct ftp_impair *impair,
	struct ftp_impair_line *line, uint32_t bytes, uint64_t now_ns);

/* A port that takes inner and impairs what is sent and what is received through it: the drill
 * behind nodes[].emulate. Only a packet that must wait is copied; the others pass in place, so that
 * lent memory stays lent to inner alone. At most 1,024 packets wait in each direction, then the
 * last ones are dropped, as a router would. A packet that waits leaves at the next rx() or tx()
 * after it is due; arm() offers no doorbell meanwhile, the caller naps. With every impairment zero
 * it only passes through. caps.drops_silently is set in any case, as the impairments may change. */
struct ftp_port *ftp_impair_wrap(struct ftp_port *inner, const struct ftp_impair *impair,
	uint64_t seed, uint64_t (*clock_ns)(void));

/* Changes what happens to packets from now on; those that wait keep their time. The port's thread.
 * false: the port is not a wrapped one, nothing happened. */
bool ftp_impair_set(struct ftp_port *wrapped, const struct ftp_impair *impair);

#endif
