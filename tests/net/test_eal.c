/* DPDK starts once in a process: each case has a process of its own. */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/dpdk/eal.h"
#include "net/dpdk/memif.h"

static struct ftp_error error;

static int start(const char *prefix, const char *extra)
{
	return ftp_eal_start(
		&(struct ftp_eal_params){
			.prefix = prefix, .memory_bytes = 32u << 20, .extra = extra},
		&error);
}

/* Fails in the child are seen as its exit status. */
#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: %s; %s\n", __FILE__, __LINE__, #condition,         \
				error.text);                                                       \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

static void in_a_child(void (*run)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		run();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void start_leaves_no_trace(void)
{
	cpu_set_t before, after;
	struct stat st;
	const bool had_directory = stat("/var/run/dpdk", &st) == 0;

	setenv("RUNTIME_DIRECTORY", "/kept", 1);
	sched_getaffinity(0, sizeof(before), &before);
	CHECK(start("test-eal", NULL) == 0);
	sched_getaffinity(0, sizeof(after), &after);
	CHECK(CPU_EQUAL(&before, &after));
	CHECK(strcmp(getenv("RUNTIME_DIRECTORY"), "/kept") == 0);
	CHECK((stat("/var/run/dpdk", &st) == 0) == had_directory);
	CHECK(stat("/kept", &st) < 0);
}

static void start_refuses_twice(void)
{
	CHECK(start("test-eal", NULL) == 0);
	CHECK(start("test-eal", NULL) == -EALREADY);
	CHECK(strstr(error.text, "restart"));
	ftp_eal_stop();
	CHECK(start("test-eal", NULL) == -EALREADY);
}

static void start_explains_bad_parameters(void)
{
	CHECK(start("", NULL) == -EINVAL);
	CHECK(start("a/b", NULL) == -EINVAL && strstr(error.text, "a/b"));
	CHECK(start("test-eal", "--no-such-argument") < 0);
	CHECK(strstr(error.text, "dpdk did not start"));
}

static void start_counts_hugepages(void)
{
	const struct ftp_eal_params params = {
		.prefix = "test-eal", .memory_bytes = (size_t)1 << 45, .hugepages = true};

	CHECK(ftp_eal_start(&params, &error) == -ENOMEM);
	CHECK(strstr(error.text, "vm.nr_hugepages"));
}

static void memif_needs_it(void)
{
	struct ftp_port *p;
	struct ftp_memif_params params = {.socket = "ftpipe-test-eal", .server = true};

	CHECK(ftp_memif_open(&p, &params, &error) == -ENODEV);
}

static void memif_explains(void)
{
	char name[64];
	struct ftp_port *p[64];
	struct ftp_memif_params params = {.socket = name, .server = true};
	int n = 0, ret = 0;

	CHECK(start("test-eal", NULL) == 0);
	snprintf(name, sizeof(name), "ftpipe-test-eal-%d", getpid());
	CHECK(ftp_memif_open(&p[0], &params, &error) == 0);
	CHECK(ftp_memif_open(&p[1], &params, &error) == -EADDRINUSE && strstr(error.text, name));
	p[0]->ops->close(p[0]);
	/* Ports until DPDK has no more, then all again: nothing was lost on the way. */
	for (int round = 0; round < 2; round++) {
		for (n = 0; n < 64; n++) {
			snprintf(name, sizeof(name), "ftpipe-test-eal-%d-%d", getpid(), n);
			params.server = n % 2;
			ret = ftp_memif_open(&p[n], &params, &error);
			if (ret < 0)
				break;
		}
		CHECK(n >= 10);
		CHECK(n == 64 || ret == -ENOMEM || ret == -ENODEV);
		while (n--)
			p[n]->ops->close(p[n]);
	}
}

/* The caller's directory may be on a disk that hangs. */
static void memif_needs_no_disk(void)
{
	char dir[] = "/tmp/test_eal.XXXXXX", name[64], event[256];
	const struct ftp_eal_params eal = {
		.prefix = "test-eal", .memory_bytes = 32u << 20, .directory = dir};
	const struct ftp_memif_params params = {.socket = name, .server = true};
	struct ftp_port *p;
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

	CHECK(mkdtemp(dir) && inotify_add_watch(fd, dir, IN_ALL_EVENTS) >= 0);
	CHECK(ftp_eal_start(&eal, &error) == 0);
	snprintf(name, sizeof(name), "ftpipe-test-eal-%d", getpid());
	CHECK(ftp_memif_open(&p, &params, &error) == 0);
	CHECK(read(fd, event, sizeof(event)) == -1 && errno == EAGAIN);
	p->ops->close(p);
	CHECK(rmdir(dir) == 0);
}

#define CASE(name, run)                                                                            \
	static void name(void **state)                                                             \
	{                                                                                          \
		(void)state;                                                                       \
		in_a_child(run);                                                                   \
	}

CASE(start__leaves_no_trace, start_leaves_no_trace)
CASE(start__refuses_twice, start_refuses_twice)
CASE(start__explains_bad_parameters, start_explains_bad_parameters)
CASE(start__counts_hugepages, start_counts_hugepages)
CASE(open__needs_a_started_eal, memif_needs_it)
CASE(open__explains, memif_explains)
CASE(open__touches_no_disk, memif_needs_no_disk)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(start__leaves_no_trace),
		cmocka_unit_test(start__refuses_twice),
		cmocka_unit_test(start__explains_bad_parameters),
		cmocka_unit_test(start__counts_hugepages),
		cmocka_unit_test(open__needs_a_started_eal),
		cmocka_unit_test(open__explains),
		cmocka_unit_test(open__touches_no_disk),
	};

	return cmocka_run_group_tests_name("eal", tests, NULL, NULL);
}
