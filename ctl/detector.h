/* Failure detector of one node: how long may it be silent before it counts as lost? As long as its
 * own heartbeats suggest: some times their median interval, and more the more they scatter. A node
 * that computes slowly beats as ever; one that is stopped, or whose link is silent, does not. When
 * it is wrong, that costs a change of plan. Pure; one thread each.
 *
 * Source: Chen, Toueg, Aguilera: On the quality of service of failure detectors (IEEE ToC 2002), an
 * estimated arrival and a margin; here by median and deviation, which a few late beats do not move.
 */
#ifndef FTP_CTL_DETECTOR_H
#define FTP_CTL_DETECTOR_H

#include <stdint.h>

#include "runtime/base/clock.h"

#define FTP_DETECTOR_WINDOW   32		 /* intervals */
#define FTP_DETECTOR_KNOWN    4			 /* fewer say nothing */
#define FTP_DETECTOR_FIRST_NS (3 * FTP_NS_PER_S) /* then */
#define FTP_DETECTOR_LEAST_NS (600 * FTP_NS_PER_MS)
#define FTP_DETECTOR_MOST_NS  (15 * FTP_NS_PER_S)

struct ftp_detector {
	uint64_t heard_ns;
	uint64_t interval_ns[FTP_DETECTOR_WINDOW];
	uint32_t n;	  /* intervals since the start */
	double narrowest; /* the largest silence / the longest allowed then; 1: taken for lost */
};

/* Its silence counts from now on; what is known of its heartbeats stays. */
void ftp_detector_restart(struct ftp_detector *d, uint64_t now_ns);

/* Nobody could hear it for so long, up to now at most. */
void ftp_detector_excuse(struct ftp_detector *d, uint64_t ns, uint64_t now_ns);

void ftp_detector_heard(struct ftp_detector *d, uint64_t now_ns); /* a heartbeat */

/* The longest silence that is nothing to worry about. */
uint64_t ftp_detector_wait_ns(const struct ftp_detector *d);

/* When it counts as lost, unless it is heard before. */
static inline uint64_t ftp_detector_deadline_ns(const struct ftp_detector *d)
{
	return d->heard_ns + ftp_detector_wait_ns(d);
}

#endif
