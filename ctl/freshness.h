/* Freshness: after how many steps the next snapshot is to be taken, so that they are as fresh as
 * limits on bandwidth and time allow. Pure; any thread. */
#ifndef FTP_CTL_FRESHNESS_H
#define FTP_CTL_FRESHNESS_H

#include <stdint.h>

struct ftp_freshness_load {
	double step_s;		  /* of one step; 0: not known yet */
	uint64_t bytes;		  /* of one snapshot, on the link that carries most of it */
	uint64_t max_bytes_per_s; /* of that link, on average; 0: no limit */
	double cost_s;		  /* of one snapshot, for the stage that it costs most */
	double max_share;	  /* of that stage's time, on average; 0: no limit */
};

#define FTP_FRESHNESS_FIRST 10	       /* steps, while nothing is known */
#define FTP_FRESHNESS_MOST  1000000000 /* steps */

/* The least number of steps from one snapshot to the next that keeps both limits, at least 1. */
uint64_t ftp_freshness_least(const struct ftp_freshness_load *load);

/* The same, kept as it is (now; 0: there is none yet) while that keeps the limits and is not a
 * quarter more than need be; a new one has an eighth in reserve, so that measures which waver do
 * not change it every time. */
uint64_t ftp_freshness_period(uint64_t now, const struct ftp_freshness_load *load);

#endif
