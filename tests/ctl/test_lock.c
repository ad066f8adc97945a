#include "ctl/lock.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/base/check.h"

static char dir[64];

static int set_up(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/test_lock.XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	return system(command);
}

static void take__second_is_refused_with_the_pid(void **state)
{
	struct ftp_error err;
	pid_t holder = 0;
	int a, b;

	(void)state;
	assert_int_equal(ftp_lock_holder(dir), 0);
	assert_int_equal(ftp_lock_take(dir, &a, &holder, &err), 0);
	assert_int_equal(ftp_lock_holder(dir), -1); /* no pid yet */
	ftp_lock_sign(a);
	assert_int_equal(ftp_lock_holder(dir), getpid());
	assert_int_equal(ftp_lock_take(dir, &b, &holder, &err), 1);
	assert_int_equal(holder, getpid());
	/* Having asked did not take it from the holder. */
	assert_int_equal(ftp_lock_holder(dir), getpid());
	close(a);
	assert_int_equal(ftp_lock_holder(dir), 0);
}

static void take__after_the_holder_was_killed(void **state)
{
	struct ftp_error err;
	pid_t holder, child;
	int fd, ready[2];
	char byte;

	(void)state;
	assert_int_equal(pipe(ready), 0);
	child = fork();
	if (!child) {
		if (!ftp_lock_take(dir, &fd, &holder, &err)) {
			ftp_lock_sign(fd);
			if (write(ready[1], "x", 1) == 1)
				pause();
		}
		_exit(1);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(ftp_lock_holder(dir), child);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	assert_int_equal(ftp_lock_holder(dir), 0);
	assert_int_equal(ftp_lock_take(dir, &fd, &holder, &err), 0);
	assert_int_equal(ftp_lock_holder(dir), -1); /* the dead one's pid is gone */
	close(fd);
	close(ready[0]);
	close(ready[1]);
}

/* As a daemon is born: the lock passes to the child. */
static void take__survives_fork(void **state)
{
	struct ftp_error err;
	pid_t holder, child;
	int fd, go[2];
	char byte;

	(void)state;
	assert_int_equal(pipe(go), 0);
	assert_int_equal(ftp_lock_take(dir, &fd, &holder, &err), 0);
	child = fork();
	if (!child) {
		close(go[1]);
		_exit(read(go[0], &byte, 1) < 0);
	}
	close(fd);
	assert_int_not_equal(ftp_lock_holder(dir), 0);
	close(go[0]);
	close(go[1]);
	waitpid(child, NULL, 0);
	assert_int_equal(ftp_lock_holder(dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(take__second_is_refused_with_the_pid),
		cmocka_unit_test(take__after_the_holder_was_killed),
		cmocka_unit_test(take__survives_fork),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
