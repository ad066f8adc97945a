/* Impairments of a network as a pure function of (seed, packet): loss, duplication, reordering, delay,
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

/* A port that takes inner and impairs what is sent and what is received through it: the drill behind
 * nodes[].emulate. With every impairment zero it only passes through. */
struct ftp_port *ftp_impair_wrap(struct ftp_port *inner, const struct ftp_impair *impair,
	uint64_t seed, uint64_t (*clock_ns)(void));

#endif
