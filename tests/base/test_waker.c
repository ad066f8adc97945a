#include "runtime/base/waker.h"

#include <poll.h>
#include <pthread.h>

#include "tests/base/check.h"

static int is_readable(const struct ftp_waker *w, int timeout_ms)
{
	struct pollfd fd = {.fd = w->fd, .events = POLLIN};

	return poll(&fd, 1, timeout_ms) == 1;
}

static void wake__costs_nothing_unless_armed(void **state)
{
	struct ftp_waker w;
	struct ftp_error err;

	(void)state;
	assert_int_equal(ftp_waker_init(&w, &err), 0);
	ftp_waker_wake(&w);
	assert_false(is_readable(&w, 0));
	for (int i = 0; i < 3; i++) {
		ftp_waker_arm(&w);
		assert_false(is_readable(&w, 0));
		ftp_waker_wake(&w);
		ftp_waker_wake(&w);
		assert_true(is_readable(&w, 0));
		ftp_waker_disarm(&w);
		assert_false(is_readable(&w, 0));
	}
	ftp_waker_deinit(&w);
}

struct handoff {
	struct ftp_waker waker;
	_Atomic int given, taken;
};

enum { N_HANDOFFS = 20000 };

static void *give(void *arg)
{
	struct handoff *h = arg;

	for (int i = 1; i <= N_HANDOFFS; i++) {
		atomic_store(&h->given, i);
		ftp_waker_wake(&h->waker);
	}
	return NULL;
}

/* No wake is lost between the last look and the sleep. */
static void wake__is_never_lost(void **state)
{
	static struct handoff h;
	struct ftp_error err;
	pthread_t thread;

	(void)state;
	assert_int_equal(ftp_waker_init(&h.waker, &err), 0);
	assert_int_equal(pthread_create(&thread, NULL, give, &h), 0);
	for (int seen = 0; seen < N_HANDOFFS; seen = h.taken) {
		ftp_waker_arm(&h.waker);
		if (atomic_load(&h.given) == seen)
			assert_true(is_readable(&h.waker, 10000));
		ftp_waker_disarm(&h.waker);
		h.taken = atomic_load(&h.given);
	}
	pthread_join(thread, NULL);
	ftp_waker_deinit(&h.waker);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wake__costs_nothing_unless_armed),
		cmocka_unit_test(wake__is_never_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
