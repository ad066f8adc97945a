#include "runtime/base/own_files.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <unistd.h>

#include "tests/base/check.h"

#define PATIENCE_MS 10000

struct owner {
	int kept, shared, ready[2], end[2]; /* pipes: it has its table; it may end */
	int secret, rc;
	bool has_kept, has_shared;
};

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

/* Ends without closing anything. */
static void *own(void *arg)
{
	struct owner *o = arg;
	const int keep[] = {o->kept, o->ready[1], o->end[0]};
	struct ftp_error err;
	char c = 0;

	o->rc = ftp_own_files(keep, 3, &err);
	o->has_kept = is_open(o->kept);
	o->has_shared = is_open(o->shared);
	o->secret = fcntl(o->kept, F_DUPFD, 200); /* a number that nobody else has */
	if (write(o->ready[1], &c, 1) != 1 || read(o->end[0], &c, 1) != 1)
		o->rc = -1;
	return NULL;
}

static bool is_readable(int fd, int ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, ms) == 1;
}

/* The descriptors lie in an order that is not that of keep[]. */
static void own__a_table_of_its_own(void **state)
{
	struct owner o;
	pthread_t thread;
	int fd[2];
	char c = 0;

	(void)state;
	assert_return_code(pipe(o.end), errno);
	assert_return_code(pipe(fd), errno);
	assert_return_code(pipe(o.ready), errno);
	o.shared = fd[0];
	o.kept = fd[1];
	assert_int_equal(pthread_create(&thread, NULL, own, &o), 0);
	assert_true(is_readable(o.ready[0], PATIENCE_MS));
	assert_int_equal(o.rc, 0);
	assert_true(o.has_kept);
	assert_false(o.has_shared);
	assert_true(is_open(o.shared));
	close(o.kept); /* the thread's is open: no end of the pipe */
	assert_false(is_open(o.secret));
	assert_false(is_readable(fd[0], 0));
	assert_int_equal(write(o.end[1], &c, 1), 1);
	pthread_join(thread, NULL);
	assert_true(is_readable(fd[0], PATIENCE_MS));
	assert_int_equal(read(fd[0], &c, 1), 0);
	for (int i = 0; i < 2; i++) {
		close(o.ready[i]);
		close(o.end[i]);
	}
	close(fd[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(own__a_table_of_its_own)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
