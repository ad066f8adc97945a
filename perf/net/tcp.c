/* Kernel TCP over loopback: a simple blocking sender and receiver. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "perf/net/bench.h"
#include "runtime/base/clock.h"
#include "runtime/base/error.h"

static int connect_pair(const struct bench *b)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t bytes = sizeof(a);
	const int on = 1;
	int s = socket(AF_INET, SOCK_STREAM, 0), listener = s;

	ftp_assert(s >= 0);
	if (b->sender) {
		a.sin_port = htons((uint16_t)meet(b, 0));
		ftp_assert(connect(s, (struct sockaddr *)&a, sizeof(a)) == 0);
	} else {
		ftp_assert(bind(s, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(s, 1) == 0);
		getsockname(s, (struct sockaddr *)&a, &bytes);
		meet(b, ntohs(a.sin_port));
		s = accept(listener, NULL, NULL);
		ftp_assert(s >= 0);
		close(listener);
	}
	setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return s;
}

static void move_all(int s, uint8_t *data, uint32_t bytes, bool out)
{
	for (uint32_t done = 0; done < bytes;) {
		ssize_t n = out ? send(s, data + done, bytes - done, MSG_NOSIGNAL)
				: recv(s, data + done, bytes - done, MSG_WAITALL);

		ftp_assert(n > 0);
		done += (uint32_t)n;
	}
}

static int goodput(const struct bench *b, int s, int which, struct result *r)
{
	uint32_t bytes = goodput_sizes[which].bytes, n = goodput_sizes[which].n;
	uint32_t n_used = n_tensors(bytes);
	uint64_t start_ns = 0;
	double cpu;

	for (uint32_t i = 0; b->sender && i < n_used; i++)
		fill_tensor(b->arena + (size_t)i * bytes, bytes, i);
	meet(b, 0);
	cpu = cpu_seconds();
	for (uint32_t i = 0; i < n; i++) {
		move_all(s, b->arena + (size_t)(i % n_used) * bytes, bytes, b->sender);
		if (i == 0)
			start_ns = ftp_clock_now_ns();
	}
	r->goodput_gb_s[which] = (double)bytes * (n - 1) / (double)(ftp_clock_now_ns() - start_ns);
	cpu = cpu_seconds() - cpu;
	cpu += meet(b, cpu);
	if (which == 1)
		r->core_seconds_per_gb = cpu / ((double)bytes * n * 1e-9);
	for (uint32_t i = 0; !b->sender && i < n_used; i++)
		if (!is_tensor(b->arena + (size_t)i * bytes, bytes, i))
			return -1;
	return 0;
}

static void latency(const struct bench *b, int s, int which, struct result *r)
{
	static double us[MAX_ROUND_TRIPS];
	uint32_t bytes = latency_sizes[which].bytes, n = latency_sizes[which].n;

	meet(b, 0);
	for (uint32_t i = 0; i < n; i++) {
		uint64_t start_ns = ftp_clock_now_ns();

		move_all(s, b->arena, bytes, !b->sender);
		move_all(s, b->arena, bytes, b->sender);
		us[i] = (double)(ftp_clock_now_ns() - start_ns) / 2e3;
	}
	percentiles(us, n, r->latency_us[which]);
}

int tcp_run(const struct bench *b, struct result *r)
{
	int s = connect_pair(b), ret = go_realtime();

	for (int i = 0; i < 3 && !ret; i++)
		ret = goodput(b, s, i, r);
	for (int i = 0; i < 2 && !ret; i++)
		latency(b, s, i, r);
	close(s);
	return ret;
}
