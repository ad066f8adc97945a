#include "runtime/base/waker.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

int ftp_waker_init(struct ftp_waker *w, struct ftp_error *err)
{
	atomic_init(&w->asleep, 0);
	w->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->fd < 0)
		return ftp_error_set(err, errno, "eventfd: %s", strerror(errno));
	return 0;
}

void ftp_waker_deinit(struct ftp_waker *w)
{
	close(w->fd);
}

void ftp_waker_arm(struct ftp_waker *w)
{
	atomic_store(&w->asleep, 1);
}

void ftp_waker_disarm(struct ftp_waker *w)
{
	uint64_t n;

	atomic_store(&w->asleep, 0);
	if (read(w->fd, &n, sizeof(n)) < 0)
		return; /* nobody rang */
}

void ftp_waker_wake(struct ftp_waker *w)
{
	const uint64_t one = 1;

	atomic_thread_fence(memory_order_seq_cst);
	if (!atomic_load_explicit(&w->asleep, memory_order_relaxed))
		return;
	if (write(w->fd, &one, sizeof(one)) < 0)
		return; /* full: it is readable already */
}
