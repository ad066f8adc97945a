/* When a process that ends again and again is started again: soon at first, then less and less
 * often. Pure; one thread. */
#ifndef FTP_CTL_BACKOFF_H
#define FTP_CTL_BACKOFF_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/clock.h"

#define FTP_BACKOFF_LEAST_NS (200 * FTP_NS_PER_MS) /* doubled each time */
#define FTP_BACKOFF_MOST_NS  (30 * FTP_NS_PER_S) /* also: a life as long forgets what was before */
#define FTP_BACKOFF_SHORT_NS (5 * FTP_NS_PER_S)	 /* a life that came to nothing */

struct ftp_backoff {
	uint64_t at_ns; /* to be started then; FTP_NS_NEVER: it runs, or is not to run */
	uint64_t wait_ns, started_ns;
	uint64_t since_ns; /* of the first end since it was seen to do its work; 0: none */
	uint32_t n_short;  /* lives in succession, up to the last one, that were short */
};

void ftp_backoff_init(struct ftp_backoff *b);
void ftp_backoff_started(struct ftp_backoff *b, uint64_t now_ns);
void ftp_backoff_served(struct ftp_backoff *b); /* it does its work */
void ftp_backoff_ended(struct ftp_backoff *b, uint64_t now_ns);

/* After an end: is starting it again of no use? It has not served in the most_ns since an end, or
 * its last most_short lives were short. One that is killed now and then, and serves in between, is
 * not hopeless. */
bool ftp_backoff_is_hopeless(
	const struct ftp_backoff *b, uint64_t now_ns, uint64_t most_ns, uint32_t most_short);

#endif
