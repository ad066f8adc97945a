#include "runtime/base/error.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/base/check.h"

static void set__formats_and_negates(void **state)
{
	struct ftp_error err;

	(void)state;
	assert_int_equal(ftp_error_set(&err, ENOENT, "%s:%d", "file", 3), -ENOENT);
	assert_string_equal(err.text, "file:3");
	assert_int_equal(ftp_error_set(NULL, EINVAL, "nobody listens"), -EINVAL);
}

static void set__cuts_long_texts(void **state)
{
	struct ftp_error err;
	char text[2 * sizeof(err.text)];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	ftp_error_set(&err, EINVAL, "%s", text);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	ftp_error_prefix(&err, -EINVAL, "%s", text);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
}

static void prefix__puts_the_place_before_the_reason(void **state)
{
	struct ftp_error err;

	(void)state;
	ftp_error_set(&err, EIO, "it broke");
	assert_int_equal(ftp_error_prefix(&err, -EIO, "node %s", "n1"), -EIO);
	assert_string_equal(err.text, "node n1: it broke");
	assert_int_equal(ftp_error_prefix(NULL, -EIO, "node"), -EIO);
}

static void assert__aborts_and_names_the_place(void **state)
{
	struct rlimit no_core = {0, 0};
	char text[256] = {0};
	int pipes[2], status;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(pipes), 0);
	pid = fork();
	if (pid == 0) {
		setrlimit(RLIMIT_CORE, &no_core);
		dup2(pipes[1], STDERR_FILENO);
		signal(SIGABRT, SIG_DFL);
		ftp_assert(1 + 1 == 3);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	assert_true(read(pipes[0], text, sizeof(text) - 1) > 0);
	assert_non_null(strstr(text, "test_error.c:"));
	assert_non_null(strstr(text, "1 + 1 == 3"));
	close(pipes[0]);
	close(pipes[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(set__formats_and_negates),
		cmocka_unit_test(set__cuts_long_texts),
		cmocka_unit_test(prefix__puts_the_place_before_the_reason),
		cmocka_unit_test(assert__aborts_and_names_the_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
