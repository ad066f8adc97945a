#include "runtime/poller.h"

#include <immintrin.h>
#include <sched.h>
#include <time.h>

#include "runtime/base/clock.h"

#define N_PAUSES 64
#define N_YIELDS 32

bool ftp_poller_turn(struct ftp_poller *p, bool worked)
{
	if (worked) {
		p->n_idle = 0;
		return true;
	}
	if (p->n_idle < N_PAUSES) {
		p->n_idle++;
		_mm_pause();
		return true;
	}
	if (p->n_idle < N_PAUSES + N_YIELDS) {
		p->n_idle++;
		sched_yield();
		return true;
	}
	return false;
}

void ftp_poller_sleep(struct pollfd *fds, int n_fds, uint64_t ns)
{
	const struct timespec ts = {(time_t)(ns / FTP_NS_PER_S), (long)(ns % FTP_NS_PER_S)};

	ppoll(fds, (nfds_t)n_fds, &ts, NULL);
}
