#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/doorbell.h"

#define N_WAKES	      20000
#define WAKE_LIMIT_MS 10000

static struct ftp_error error;

static bool is_readable(int fd, int timeout_ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, timeout_ms) == 1;
}

static void ring__only_reaches_a_sleeper(void **state)
{
	struct ftp_doorbell d[2];

	(void)state;
	assert_int_equal(ftp_doorbell_pair(d, &error), 0);
	ftp_doorbell_ring(&d[0]);
	assert_false(is_readable(d[1].socket, 0));
	ftp_doorbell_arm(&d[1]);
	ftp_doorbell_ring(&d[0]);
	ftp_doorbell_ring(&d[0]);
	assert_true(is_readable(d[1].socket, 0));
	ftp_doorbell_disarm(&d[1]);
	assert_false(is_readable(d[1].socket, 0));
	ftp_doorbell_ring(&d[0]);
	assert_false(is_readable(d[1].socket, 0));
	ftp_doorbell_close(&d[0]);
	ftp_doorbell_close(&d[1]);
}

static void check__tells_that_the_peer_is_gone(void **state)
{
	struct ftp_doorbell d[2];

	(void)state;
	assert_int_equal(ftp_doorbell_pair(d, &error), 0);
	assert_false(ftp_doorbell_check(&d[1]));
	ftp_doorbell_arm(&d[1]);
	ftp_doorbell_ring(&d[0]);
	ftp_doorbell_close(&d[0]);
	assert_true(is_readable(d[1].socket, 0));
	ftp_doorbell_disarm(&d[1]);
	assert_true(d[1].gone);
	assert_true(ftp_doorbell_check(&d[1]));
	ftp_doorbell_ring(&d[1]); /* nobody there: no signal, no error */
	ftp_doorbell_arm(&d[1]);
	ftp_doorbell_close(&d[1]);
}

static void take__refuses_memory_that_may_shrink(void **state)
{
	struct ftp_doorbell d;
	int pair[2], memory = memfd_create("test", MFD_ALLOW_SEALING);

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	assert_int_equal(ftruncate(memory, sizeof(struct ftp_doorbell_words)), 0);
	assert_int_equal(ftp_doorbell_take(&d, pair[0], memory, &error), -EPROTO);
	assert_int_equal(ftp_doorbell_take(&d, pair[0], -1, &error), -EPROTO);
	close(pair[0]);
	close(pair[1]);
}

/* The property that the doorbell is for: what is published before ring() is never slept over. */

struct shared {
	struct ftp_doorbell d[2];
	_Atomic uint32_t published, taken;
};

static void *publish(void *arg)
{
	struct shared *s = arg;

	for (uint32_t i = 1; i <= N_WAKES; i++) {
		atomic_store_explicit(&s->published, i, memory_order_release);
		ftp_doorbell_ring(&s->d[0]);
		/* Waits for the sleeper now and then, so that it does get to sleep. */
		while (i % 4 == 0 && atomic_load(&s->taken) < i)
			sched_yield();
	}
	return NULL;
}

static void ring__is_never_slept_over(void **state)
{
	static struct shared s;
	pthread_t publisher;
	uint32_t taken = 0;

	(void)state;
	assert_int_equal(ftp_doorbell_pair(s.d, &error), 0);
	assert_int_equal(pthread_create(&publisher, NULL, publish, &s), 0);
	while (taken < N_WAKES) {
		int fd = ftp_doorbell_arm(&s.d[1]);

		if (atomic_load_explicit(&s.published, memory_order_acquire) == taken)
			assert_true(is_readable(fd, WAKE_LIMIT_MS));
		ftp_doorbell_disarm(&s.d[1]);
		taken = atomic_load_explicit(&s.published, memory_order_acquire);
		atomic_store(&s.taken, taken);
	}
	pthread_join(publisher, NULL);
	ftp_doorbell_close(&s.d[0]);
	ftp_doorbell_close(&s.d[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ring__only_reaches_a_sleeper),
		cmocka_unit_test(ring__is_never_slept_over),
		cmocka_unit_test(check__tells_that_the_peer_is_gone),
		cmocka_unit_test(take__refuses_memory_that_may_shrink),
	};

	return cmocka_run_group_tests_name("doorbell", tests, NULL, NULL);
}
