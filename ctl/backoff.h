/* When a process that ends again and again is started again: soon at first, then less and less
 * often. Pure; one thread. */
#ifndef FTP_CTL_BACKOFF_H
#define FTP_CTL_BACKOFF_H

#include <stdint.h>

#include "runtime/base/clock.h"

#define FTP_BACKOFF_LEAST_NS (200 * FTP_NS_PER_MS) /* doubled each time */
#define FTP_BACKOFF_MOST_NS  (30 * FTP_NS_PER_S) /* also: a life as long forgets what was before */

struct ftp_backoff {
	uint64_t at_ns; /* to be started then; FTP_NS_NEVER: it runs, or is not to run */
	uint64_t wait_ns, started_ns;
	uint64_t since_ns; /* of the first end since a life that was long enough; 0: none */
};

void ftp_backoff_init(struct ftp_backoff *b);
void ftp_backoff_started(struct ftp_backoff *b, uint64_t now_ns);
void ftp_backoff_ended(struct ftp_backoff *b, uint64_t now_ns);

#endif
