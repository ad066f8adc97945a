/* The survivor of kill -9: one process lives through the death of many peers under full traffic, in
 * both roles, sees each go DOWN, removes the port and adds the next. argv[1]: kills (60).
 *
 * A victim is this program again, started a few ahead because DPDK takes 0.12 s to start. */
#include <dirent.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/dpdk/eal.h"
#include "net/dpdk/memif.h"
#include "runtime/base/clock.h"
#include "runtime/base/prng.h"

#define N_AHEAD	      3	 /* victims that are starting */
#define N_WARM_UP     10 /* kills after which nothing may grow any more */
#define MIN_PACKETS   20 /* received before the kill, at least */
#define DRAWN_PACKETS 3000
#define UP_LIMIT_NS   (30 * FTP_NS_PER_S)
#define DOWN_LIMIT_NS (5 * FTP_NS_PER_S)
#define TENSOR_BYTES  (1u << 20)
#define PAYLOAD_BYTES 16000u
#define N_PLACES      ((TENSOR_BYTES - PAYLOAD_BYTES) / 64)
#define BURST	      8

extern char **environ;

static uint64_t seed = 1;
static unsigned n_kills = 60;
static struct ftp_error error;
static uint8_t tensor[TENSOR_BYTES];
static struct ftp_buffer buffer;

/* Traffic: packet i carries the tensor's bytes from a place that i draws. */

static void fill_tensor(void)
{
	uint64_t key = ftp_prng_key(1, FTP_PRNG_TEST, 0); /* the same in every process */

	for (size_t i = 0; i < TENSOR_BYTES; i += 8) {
		uint64_t v = ftp_prng_u64(key, i);

		memcpy(tensor + i, &v, 8);
	}
	ftp_buffer_init(&buffer, tensor, TENSOR_BYTES);
}

static const uint8_t *place(uint64_t i)
{
	return tensor + i * 2654435761u % N_PLACES * 64;
}

struct traffic {
	uint64_t n_sent, n_received;
	bool corrupt;
};

/* One turn: sends and receives a burst; returns the packets moved. */
static int turn(struct ftp_port *p, struct traffic *t)
{
	static uint8_t heads[BURST][FTP_WIRE_HEAD_BYTES];
	struct ftp_port_tx tx[BURST];
	struct ftp_port_rx rx[FTP_PORT_BURST];
	int n_tx, n_rx;

	for (uint64_t i = 0; i < BURST; i++) {
		uint64_t number = t->n_sent + i;

		memcpy(heads[i], &number, sizeof(number));
		tx[i] = (struct ftp_port_tx){heads[i], place(number), PAYLOAD_BYTES, &buffer};
	}
	n_tx = p->ops->tx(p, tx, BURST);
	t->n_sent += (uint64_t)n_tx;
	n_rx = p->ops->rx(p, rx, FTP_PORT_BURST);
	for (int i = 0; i < n_rx; i++) {
		uint64_t number;

		memcpy(&number, rx[i].packet, sizeof(number));
		if (rx[i].bytes != FTP_WIRE_HEAD_BYTES + PAYLOAD_BYTES ||
			number != t->n_received++ ||
			memcmp(rx[i].packet + FTP_WIRE_HEAD_BYTES, place(number), PAYLOAD_BYTES) !=
				0)
			t->corrupt = true;
	}
	p->ops->release(p, rx, n_rx);
	return n_tx + n_rx;
}

/* Waits for the peer without burning the CPU that it needs to start. */
static enum ftp_port_link connect_port(struct ftp_port *p)
{
	uint64_t end_ns = ftp_clock_now_ns() + UP_LIMIT_NS;
	enum ftp_port_link link;

	while ((link = p->ops->link(p)) == FTP_PORT_CONNECTING && ftp_clock_now_ns() < end_ns) {
		struct pollfd f = {.fd = p->ops->arm(p), .events = POLLIN};

		poll(&f, 1, 1);
		p->ops->disarm(p);
	}
	return link;
}

static int start_eal(const char *who)
{
	char prefix[64];

	snprintf(prefix, sizeof(prefix), "test-kill-%s-%d", who, getpid());
	if (ftp_eal_start(&(struct ftp_eal_params){.prefix = prefix, .memory_bytes = 32u << 20},
		    &error) == 0)
		return 0;
	fprintf(stderr, "%s\n", error.text);
	return -1;
}

/* The victim: argv = victim, socket, role. Ends by signal only, or with what went wrong. */
static int run_victim(const char *socket, bool server)
{
	struct traffic t = {0};
	struct ftp_port *p;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	fill_tensor();
	if (start_eal("victim") < 0 ||
		ftp_memif_open(&p, &(struct ftp_memif_params){socket, server}, &error) < 0)
		return 2;
	if (connect_port(p) != FTP_PORT_UP)
		return 3;
	while (p->ops->link(p) == FTP_PORT_UP && !t.corrupt)
		if (!turn(p, &t))
			sched_yield();
	return t.corrupt ? 4 : 5;
}

/* Victims. */

struct victim {
	pid_t pid;
	char socket[64];
	bool is_server;
};

static struct victim spawn(unsigned number, bool is_server)
{
	struct victim v = {.is_server = is_server};
	char *argv[] = {(char[]){"test_memif_kill"}, (char[]){"victim"}, v.socket,
		is_server ? (char[]){"server"} : (char[]){"client"}, NULL};

	snprintf(v.socket, sizeof(v.socket), "ftpipe-test-kill-%d-%u", getpid(), number);
	assert_int_equal(posix_spawn(&v.pid, "/proc/self/exe", NULL, NULL, argv, environ), 0);
	return v;
}

static void reap(const struct victim *v)
{
	int status;

	assert_int_equal(waitpid(v->pid, &status, 0), v->pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* Both at once: neither may see the other go and end by itself. */
static void kill_pair(const struct victim pair[2])
{
	int status;

	for (int i = 0; i < 2; i++) {
		assert_int_equal(kill(pair[i].pid, SIGSTOP), 0);
		assert_int_equal(waitpid(pair[i].pid, &status, WUNTRACED), pair[i].pid);
		assert_true(WIFSTOPPED(status));
	}
	for (int i = 0; i < 2; i++)
		assert_int_equal(kill(pair[i].pid, SIGKILL), 0);
	for (int i = 0; i < 2; i++)
		reap(&pair[i]);
}

static int count_entries(const char *directory, const char *prefix)
{
	DIR *d = opendir(directory);
	int n = 0;

	if (!d)
		return -1;
	for (const struct dirent *e; (e = readdir(d));)
		n += strncmp(e->d_name, prefix, strlen(prefix)) == 0;
	closedir(d);
	return n;
}

/* Tests. */

struct totals {
	uint64_t n_packets, n_after_kill;
	uint64_t max_down_ns, sum_down_ns;
};

static void survive_one(const struct victim *v, uint64_t draw, struct totals *totals)
{
	struct ftp_port *p;
	struct traffic t = {0};
	uint64_t killed_ns, n_at_kill, down_ns;
	uint64_t n_before = MIN_PACKETS + draw % DRAWN_PACKETS;

	assert_int_equal(
		ftp_memif_open(&p, &(struct ftp_memif_params){v->socket, !v->is_server}, &error),
		0);
	assert_int_equal(connect_port(p), FTP_PORT_UP);
	while (t.n_received < n_before) {
		if (!turn(p, &t))
			sched_yield();
		assert_int_equal(p->ops->link(p), FTP_PORT_UP);
	}
	n_at_kill = t.n_received;
	killed_ns = ftp_clock_now_ns();
	assert_int_equal(kill(v->pid, SIGKILL), 0);
	do {
		if (!turn(p, &t))
			sched_yield();
		down_ns = ftp_clock_now_ns() - killed_ns;
		assert_true(down_ns < DOWN_LIMIT_NS);
	} while (p->ops->link(p) != FTP_PORT_DOWN);
	assert_false(t.corrupt);
	assert_true(p->ops->idle(p, &buffer));
	p->ops->close(p);
	reap(v);
	totals->n_packets += t.n_received + t.n_sent;
	totals->n_after_kill += t.n_received - n_at_kill;
	totals->sum_down_ns += down_ns;
	if (down_ns > totals->max_down_ns)
		totals->max_down_ns = down_ns;
}

/* DPDK's interrupt thread closes a dead peer's descriptors a moment after the port is closed: what
 * counts is that they come down to what they were after the first kills. */
static void wait_for_descriptors(int limit)
{
	uint64_t end_ns = ftp_clock_now_ns() + DOWN_LIMIT_NS;
	int n;

	while ((n = count_entries("/proc/self/fd", "")) > limit && ftp_clock_now_ns() < end_ns)
		ftp_clock_sleep_ns(FTP_NS_PER_MS);
	assert_in_range(n, 1, limit);
}

static void kill__the_survivor_lives_in_both_roles(void **state)
{
	struct victim victims[N_AHEAD];
	struct totals totals = {0};
	uint64_t key = ftp_prng_key(seed, FTP_PRNG_TEST, 1), start_ns = ftp_clock_now_ns();
	int n_fds = 0;
	unsigned n_started = 0;

	(void)state;
	for (unsigned i = 0; i < n_kills; i++) {
		for (; n_started < i + N_AHEAD && n_started < n_kills; n_started++)
			victims[n_started % N_AHEAD] = spawn(n_started, n_started % 2);
		survive_one(&victims[i % N_AHEAD], ftp_prng_u64(key, i), &totals);
		if (i == N_WARM_UP)
			n_fds = count_entries("/proc/self/fd", "");
		if (i > N_WARM_UP)
			wait_for_descriptors(n_fds);
	}
	printf("%u kills, %u as server and %u as client: %llu packets, %llu of them after the "
	       "kill; "
	       "DOWN after %.2f ms (mean), %.2f ms (worst); %.1f s\n",
		n_kills, (n_kills + 1) / 2, n_kills / 2, (unsigned long long)totals.n_packets,
		(unsigned long long)totals.n_after_kill,
		(double)totals.sum_down_ns / n_kills * 1e-6, (double)totals.max_down_ns * 1e-6,
		(double)(ftp_clock_now_ns() - start_ns) * 1e-9);
}

/* What would be left if everything died at once: the victims serve each other. */
static void kill__of_everything_leaves_nothing(void **state)
{
	static const struct {
		const char *directory, *prefix;
	} places[] = {
		{"/dev/shm", "ftpipe-"},
		{"/tmp", "ftpipe-"},
		{"/tmp", "dpdk"},
		{"/var/run/dpdk", ""},
		{"/dev/hugepages", ""},
	};
	enum { N_PLACES_LOOKED_AT = sizeof(places) / sizeof(places[0]) };
	int before[N_PLACES_LOOKED_AT];
	struct victim pair[2];
	char line[512], name[32];
	FILE *unix_sockets;
	int n_named = 0;

	(void)state;
	for (int i = 0; i < N_PLACES_LOOKED_AT; i++)
		before[i] = count_entries(places[i].directory, places[i].prefix);
	for (unsigned round = 0; round < 6; round++) {
		pair[0] = spawn(n_kills + round, true);
		pair[1] = spawn(n_kills + round, false);
		/* In the middle of the start of DPDK, of the meeting, of the traffic. */
		ftp_clock_sleep_ns(round * 80 * FTP_NS_PER_MS);
		kill_pair(pair);
	}
	for (int i = 0; i < N_PLACES_LOOKED_AT; i++)
		assert_int_equal(count_entries(places[i].directory, places[i].prefix), before[i]);
	snprintf(name, sizeof(name), "ftpipe-driver-%d", pair[1].pid);
	unix_sockets = fopen("/proc/net/unix", "r");
	assert_non_null(unix_sockets);
	while (fgets(line, sizeof(line), unix_sockets))
		n_named += strstr(line, pair[0].socket) || strstr(line, name);
	fclose(unix_sockets);
	assert_int_equal(n_named, 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kill__the_survivor_lives_in_both_roles),
		cmocka_unit_test(kill__of_everything_leaves_nothing),
	};
	const char *text = getenv("FTP_SEED");

	if (argc == 4 && strcmp(argv[1], "victim") == 0)
		return run_victim(argv[2], strcmp(argv[3], "server") == 0);
	if (argc > 1)
		n_kills = (unsigned)strtoul(argv[1], NULL, 10);
	if (text)
		seed = strtoull(text, NULL, 0);
	printf("FTP_SEED=%llu\n", (unsigned long long)seed);
	fill_tensor();
	if (start_eal("survivor") < 0)
		return 1;
	return cmocka_run_group_tests_name("memif_kill", tests, NULL, NULL);
}
