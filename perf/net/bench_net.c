/* bench_net CONTESTANT: one measurement of one contestant as one line of JSON. */
#include "perf/net/bench.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/error.h"
#include "runtime/base/prng.h"

const struct size goodput_sizes[3] = {{64u << 10, 12288}, {1u << 20, 768}, {16u << 20, 48}};
const struct size latency_sizes[2] = {{64, MAX_ROUND_TRIPS}, {256u << 10, 1000}};

uint32_t n_tensors(uint32_t bytes)
{
	return ARENA_BYTES / bytes < N_TENSORS ? ARENA_BYTES / bytes : N_TENSORS;
}

void fill_tensor(uint8_t *tensor, uint32_t bytes, uint64_t draw)
{
	uint64_t key = ftp_prng_key(1, FTP_PRNG_TEST, draw);

	for (uint32_t i = 0; i < bytes; i += 8) {
		uint64_t v = ftp_prng_u64(key, i);

		memcpy(tensor + i, &v, 8);
	}
}

bool is_tensor(const uint8_t *tensor, uint32_t bytes, uint64_t draw)
{
	uint64_t key = ftp_prng_key(1, FTP_PRNG_TEST, draw), v;

	for (uint32_t i = 0; i < bytes; i += 8) {
		memcpy(&v, tensor + i, 8);
		if (v != ftp_prng_u64(key, i))
			return false;
	}
	return true;
}

double cpu_seconds(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-6;
}

int go_realtime(void)
{
	const struct sched_param priority = {.sched_priority = 1};

	if (!getenv("FTP_BENCH_REALTIME") || sched_setscheduler(0, SCHED_FIFO, &priority) == 0)
		return 0;
	perror("real-time priority");
	return -1;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

void percentiles(double *us, uint32_t n, double out[2])
{
	qsort(us, n, sizeof(*us), compare);
	out[0] = us[n / 2];
	out[1] = us[n * 99ul / 100];
}

double meet(const struct bench *b, double mine)
{
	double other;

	ftp_assert(write(b->control, &mine, sizeof(mine)) == sizeof(mine));
	if (read(b->control, &other, sizeof(other)) != sizeof(other)) {
		fprintf(stderr, "the other process has left\n");
		exit(1);
	}
	return other;
}

static int memcpy_run(const struct bench *b, struct result *r)
{
	const uint32_t bytes = 1u << 20, n = 2000;
	uint8_t *to;
	uint64_t start_ns;

	if (b->sender)
		return 0;
	to = malloc(ARENA_BYTES);
	ftp_assert(to);
	memset(to, 1, ARENA_BYTES);
	for (uint32_t i = 0; i < N_TENSORS; i++)
		fill_tensor(b->arena + i * bytes, bytes, i);
	if (go_realtime() < 0)
		return -1;
	start_ns = ftp_clock_now_ns();
	for (uint32_t i = 0; i < n; i++)
		memcpy(to + i % N_TENSORS * bytes, b->arena + i % N_TENSORS * bytes, bytes);
	r->goodput_gb_s[1] = (double)bytes * n / (double)(ftp_clock_now_ns() - start_ns);
	for (uint32_t i = 0; i < N_TENSORS; i++)
		if (!is_tensor(to + i * bytes, bytes, i))
			return -1;
	free(to);
	return 0;
}

static const struct {
	const char *name;
	int (*run)(const struct bench *b, struct result *r);
} contestants[] = {
	{"memcpy", memcpy_run},
	{"tcp", tcp_run},
	{"memif", memif_run},
	{"udp", udp_run},
	{"memif_raw", raw_run},
};

static void pin(int index)
{
	cpu_set_t have, want;

	sched_getaffinity(0, sizeof(have), &have);
	CPU_ZERO(&want);
	for (int cpu = 0, n = index % CPU_COUNT(&have); cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &have) && n-- == 0)
			CPU_SET(cpu, &want);
	sched_setaffinity(0, sizeof(want), &want);
}

static void print(const char *name, const struct result *r)
{
	printf("{\"name\": \"%s\", \"goodput_gb_s\": {\"64KB\": %.4f, \"1MB\": %.4f, \"16MB\": "
	       "%.4f}, "
	       "\"latency_us\": {\"64B\": {\"p50\": %.3f, \"p99\": %.3f}, "
	       "\"256KB\": {\"p50\": %.3f, \"p99\": %.3f}}, \"core_seconds_per_gb\": %.4f, "
	       "\"copies_tx\": %.4f, \"copies_rx\": %.4f, \"port_copies\": %.0f, "
	       "\"idle_cpu\": %.5f, \"wake_us\": %.2f, \"retransmitted\": %.6f}\n",
		name, r->goodput_gb_s[0], r->goodput_gb_s[1], r->goodput_gb_s[2],
		r->latency_us[0][0], r->latency_us[0][1], r->latency_us[1][0], r->latency_us[1][1],
		r->core_seconds_per_gb, r->copied_tx, r->copied_rx, r->port_copies, r->idle_cpu,
		r->wake_us, r->retransmitted);
}

static int run(size_t which)
{
	struct result r = {
		.copied_tx = -1, .copied_rx = -1, .port_copies = -1, .idle_cpu = -1, .wake_us = -1};
	struct bench b = {.parent = getpid()};
	int pair[2], ret, status;
	pid_t child;

	ftp_assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	child = fork();
	ftp_assert(child >= 0);
	b.sender = child == 0;
	b.control = pair[b.sender];
	close(pair[!b.sender]);
	if (b.sender)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	pin(b.sender);
	b.arena = aligned_alloc(4096, ARENA_BYTES);
	ftp_assert(b.arena);
	memset(b.arena, 1, ARENA_BYTES);
	ret = contestants[which].run(&b, &r);
	if (ret < 0)
		fprintf(stderr, "%s: %s failed\n", contestants[which].name,
			b.sender ? "the sender" : "the receiver");
	if (b.sender)
		_exit(ret ? 1 : 0);
	close(b.control);
	waitpid(child, &status, 0);
	if (ret || status)
		return 1;
	print(contestants[which].name, &r);
	return 0;
}

int main(int argc, char **argv)
{
	for (size_t i = 0; argc == 2 && i < sizeof(contestants) / sizeof(contestants[0]); i++)
		if (strcmp(argv[1], contestants[i].name) == 0)
			return run(i);
	fprintf(stderr, "usage: bench_net memcpy|tcp|memif|udp|memif_raw\n");
	return 2;
}
