/* The supervisor with real processes, sockets and kill -9: the real coordinator, and stand-ins for
 * the nodes (fake_node.c). argv: the programs' paths. Every wait has a deadline. */
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ctl/jsonrpc.h"
#include "ctl/protocol.h"
#include "ctl/supervisor.h"
#include "ctl/supervisor_run.h"
#include "runtime/base/clock.h"
#include "tests/base/check.h"
#include "tests/ctl/supervisor_site.h"

static void run__completes(void **state)
{
	char report[256];
	struct site s;

	(void)state;
	site_open(&s, "steps: 50", 0);
	site_start(&s);
	assert_int_equal(site_read_report(&s, report, sizeof(report)), 0);
	site_await_exit(&s);
	site_expect_summary(&s, "completed", NULL);
	site_expect_clean(&s);
	site_expect_losses(&s, 50);
	site_close(&s);
}

static void run__node_killed(void **state)
{
	char expected[80];
	struct site s;

	(void)state;
	site_open(&s, "steps: 1000000", 0);
	site_start(&s);
	site_await_training(&s);
	kill(s.pids[2], SIGKILL);
	site_await_exit(&s);
	site_await_children(&s);
	snprintf(expected, sizeof(expected), "n2 (pid %d) was killed by signal 9 (SIGKILL)",
		s.pids[2]);
	site_expect_summary(&s, "failed", expected);
	site_expect_clean(&s);
	site_close(&s);
}

/* It comes back, and knows all losses; the nodes have never stopped. */
static void run__coordinator_killed(void **state)
{
	struct site s;

	(void)state;
	site_open(&s, "steps: 3000", 0);
	site_start(&s);
	site_await_training(&s);
	for (int i = 0; i < 2; i++) {
		pid_t pid = site_coordinator_of(&s);

		kill(pid, SIGKILL);
		site_await_coordinator_after(&s, pid);
	}
	assert_int_equal(s.n_pids, 3);
	site_await_exit(&s);
	site_expect_summary(&s, "completed", NULL);
	site_expect_losses(&s, 3000);
	site_expect_clean(&s);
	site_close(&s);
}

/* A node that ends while nobody can be told is told of later. */
static void run__node_killed_without_a_coordinator(void **state)
{
	char expected[80];
	struct site s;

	(void)state;
	site_open(&s, "steps: 1000000", 0);
	site_start(&s);
	site_await_training(&s);
	kill(s.pids[0], SIGKILL);
	kill(s.pids[2], SIGKILL);
	site_await_exit(&s);
	site_await_children(&s);
	snprintf(expected, sizeof(expected), "n2 (pid %d) was killed by signal 9 (SIGKILL)",
		s.pids[2]);
	site_expect_summary(&s, "failed", expected);
	site_expect_clean(&s);
	site_close(&s);
}

/* It answers nothing; that it is there helps nobody. */
static void run__coordinator_frozen(void **state)
{
	struct site s;
	pid_t pid;

	(void)state;
	site_open(&s, "steps: 18000", 0);
	site_start(&s);
	site_await_training(&s);
	pid = site_coordinator_of(&s);
	kill(pid, SIGSTOP);
	site_await_coordinator_after(&s, pid);
	site_await_exit(&s);
	site_expect_summary(&s, "completed", NULL);
	site_expect_losses(&s, 18000);
	site_close(&s);
}

static void run__supervisor_killed(void **state)
{
	struct site s;

	(void)state;
	site_open(&s, "steps: 1000000", 0);
	site_start(&s);
	site_await_training(&s);
	kill(s.supervisor, SIGKILL);
	site_await_exit(&s);
	site_await_children(&s);
	assert_null(ftp_rundir_read_summary(&s.dir)); /* it can be resumed */
	site_expect_clean(&s);
	site_close(&s);
}

static void run__node_dies_before_it_joins(void **state)
{
	struct site s;

	(void)state;
	setenv("FAKE_NODE", "n1=die", 1);
	site_open(&s, "steps: 50", 0);
	site_start(&s);
	site_await_exit(&s);
	site_expect_summary(&s, "failed", "exited with code 7: the data are not there");
	site_expect_clean(&s);
	site_close(&s);
	unsetenv("FAKE_NODE");
}

/* Requests to start a node that runs, or none, before. */
static void run__stopped(void **state)
{
	static const int requests[] = {1, -1, 2};
	struct site s;

	(void)state;
	site_open(&s, "steps: 1000000", 0);
	site_start(&s);
	site_await_training(&s);
	for (size_t i = 0; i < sizeof(requests) / sizeof(*requests); i++)
		sigqueue(s.supervisor, FTP_SUPERVISOR_JOIN,
			(union sigval){.sival_int = requests[i]});
	json_decref(site_ask(&s, FTP_METHOD_STATUS));
	site_find_children(&s);
	assert_int_equal(s.n_pids, 3);
	kill(s.supervisor, SIGTERM);
	site_await_exit(&s);
	site_await_children(&s);
	site_expect_summary(&s, "stopped", "by the operator");
	site_expect_clean(&s);
	site_close(&s);
}

static void run__stubborn_node_is_killed(void **state)
{
	struct site s;

	(void)state;
	setenv("FAKE_NODE", "n2=stubborn", 1);
	site_open(&s, "steps: 1000000", 0);
	site_start(&s);
	site_await_training(&s);
	json_decref(site_ask(&s, FTP_METHOD_END));
	site_await_exit(&s);
	site_await_children(&s);
	site_expect_summary(&s, "stopped", "by the operator");
	site_expect_clean(&s);
	site_close(&s);
	unsetenv("FAKE_NODE");
}

static void run__killed_by_the_operator(void **state)
{
	struct site s;

	(void)state;
	setenv("FAKE_NODE", "n2=stubborn", 1);
	site_open(&s, "steps: 1000000", 0);
	site_start(&s);
	site_await_training(&s);
	kill(s.supervisor, SIGTERM);
	kill(s.supervisor, SIGQUIT);
	site_await_exit(&s);
	site_await_children(&s);
	site_expect_summary(&s, "failed", "killed by the operator");
	site_expect_clean(&s);
	site_close(&s);
	unsetenv("FAKE_NODE");
}

static void run__port_taken(void **state)
{
	char report[512];
	struct site s;
	int held;

	(void)state;
	site_open(&s, "steps: 50", site_free_port(&held));
	site_start(&s);
	assert_int_equal(site_read_report(&s, report, sizeof(report)), FTP_EXIT_UNAVAILABLE);
	assert_non_null(strstr(report, "Address already in use"));
	site_await_exit(&s);
	site_expect_summary(&s, "failed", "cannot listen on 127.0.0.1:");
	site_expect_clean(&s);
	close(held);
	site_close(&s);
}

static void run__program_missing(void **state)
{
	char report[512], path[128];
	struct site s;

	(void)state;
	site_open(&s, "steps: 50", 0);
	snprintf(path, sizeof(path), "%s/bin/ftpipe-node", s.root);
	unlink(path);
	site_start(&s);
	assert_int_equal(site_read_report(&s, report, sizeof(report)), FTP_EXIT_FAILURE);
	assert_non_null(strstr(report, "cannot start n1"));
	site_await_exit(&s);
	site_expect_summary(&s, "failed", "cannot start n1");
	site_expect_clean(&s);
	site_close(&s);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(run__completes),
		cmocka_unit_test(run__node_killed),
		cmocka_unit_test(run__coordinator_killed),
		cmocka_unit_test(run__node_killed_without_a_coordinator),
		cmocka_unit_test(run__coordinator_frozen),
		cmocka_unit_test(run__supervisor_killed),
		cmocka_unit_test(run__node_dies_before_it_joins),
		cmocka_unit_test(run__stopped),
		cmocka_unit_test(run__stubborn_node_is_killed),
		cmocka_unit_test(run__killed_by_the_operator),
		cmocka_unit_test(run__port_taken),
		cmocka_unit_test(run__program_missing),
	};

	if (argc != 3) {
		fprintf(stderr, "usage: test_supervisor COORDINATOR NODE\n");
		return 2;
	}
	site_set_programs(argv[1], argv[2]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
