/* Adaptive polling: some 64 pauses, then yields, then sleep. Spinning on a shared core turns a
 * microsecond message into a scheduler slice; a node that waits must give its core away. One per
 * loop, that loop's thread. */
#ifndef FTP_RUNTIME_POLLER_H
#define FTP_RUNTIME_POLLER_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

struct ftp_poller {
	uint32_t n_idle; /* turns without work since the last that had some */
};

/* Tells whether the turn found work. true: turn again now. false: it is time to sleep; the caller
 * arms its doorbells, looks once more and calls ftp_poller_sleep(). */
bool ftp_poller_turn(struct ftp_poller *p, bool worked);

/* ppoll() on fds for at most ns. */
void ftp_poller_sleep(struct pollfd *fds, int n_fds, uint64_t ns);

#endif
