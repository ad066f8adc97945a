#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/seqpacket.h"

static struct ftp_error error;
static char name[64];

static void listen__refuses_a_name_that_is_taken(void **state)
{
	char text[FTP_SEQPACKET_MAX_NAME + 2];
	int s = ftp_seqpacket_listen(name, &error);

	(void)state;
	assert_true(s >= 0);
	assert_int_equal(ftp_seqpacket_listen(name, &error), -EADDRINUSE);
	assert_non_null(strstr(error.text, name));
	close(s);
	assert_int_equal(ftp_seqpacket_connect(name), -ECONNREFUSED);
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	assert_int_equal(ftp_seqpacket_listen(text, &error), -EINVAL);
	assert_int_equal(ftp_seqpacket_listen("", &error), -EINVAL);
}

static void send__keeps_messages_and_descriptors(void **state)
{
	int listener = ftp_seqpacket_listen(name, &error), a, b, pipe_ends[2], fd;
	char text[16];

	(void)state;
	assert_int_equal(ftp_seqpacket_accept(listener), -EAGAIN);
	a = ftp_seqpacket_connect(name);
	b = ftp_seqpacket_accept(listener);
	assert_true(a >= 0 && b >= 0);
	assert_int_equal(ftp_seqpacket_receive(b, text, sizeof(text), &fd), -EAGAIN);
	assert_int_equal(pipe(pipe_ends), 0);
	assert_int_equal(ftp_seqpacket_send(a, "first", 5, -1), 0);
	assert_int_equal(ftp_seqpacket_send(a, "second", 6, pipe_ends[1]), 0);
	assert_int_equal(ftp_seqpacket_receive(b, text, sizeof(text), &fd), 5);
	assert_memory_equal(text, "first", 5);
	assert_int_equal(fd, -1);
	assert_int_equal(ftp_seqpacket_receive(b, text, sizeof(text), &fd), 6);
	assert_memory_equal(text, "second", 6);
	assert_int_equal(write(fd, "x", 1), 1);
	assert_int_equal(read(pipe_ends[0], text, 1), 1);
	close(a);
	assert_int_equal(ftp_seqpacket_receive(b, text, sizeof(text), &fd), 0);
	assert_true(ftp_seqpacket_send(b, "x", 1, -1) < 0); /* and no SIGPIPE */
	close(pipe_ends[0]);
	close(pipe_ends[1]);
	close(b);
	close(listener);
}

/* Another user's connection is not seen; ours behind it is. */
static void accept__closes_strangers(void **state)
{
	int listener, a, b, status;
	pid_t stranger;

	(void)state;
	if (geteuid() != 0)
		skip(); /* nobody else to be */
	listener = ftp_seqpacket_listen(name, &error);
	assert_true(listener >= 0);
	stranger = fork();
	if (stranger == 0)
		_exit(setuid(65534) == 0 && ftp_seqpacket_connect(name) == -EPERM ? 0 : 1);
	assert_int_equal(waitpid(stranger, &status, 0), stranger);
	assert_int_equal(status, 0); /* it refuses us likewise */
	assert_int_equal(ftp_seqpacket_accept(listener), -EAGAIN);
	a = ftp_seqpacket_connect(name);
	b = ftp_seqpacket_accept(listener);
	assert_true(a >= 0 && b >= 0);
	close(a);
	close(b);
	close(listener);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(listen__refuses_a_name_that_is_taken),
		cmocka_unit_test(send__keeps_messages_and_descriptors),
		cmocka_unit_test(accept__closes_strangers),
	};

	snprintf(name, sizeof(name), "ftpipe-test-seqpacket-%d", getpid());
	return cmocka_run_group_tests_name("seqpacket", tests, NULL, NULL);
}
