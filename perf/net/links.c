/* Links of ours: port, connection and the product's polling policy. */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/dpdk/eal.h"
#include "net/dpdk/memif.h"
#include "net/link.h"
#include "net/udp.h"
#include "perf/net/bench.h"
#include "runtime/base/clock.h"
#include "runtime/poller.h"

#define N_MESSAGES  64
#define N_CHECKED   48
#define DEPTH_BYTES (8u << 20) /* of messages in flight; two at least, N_TENSORS at most */
#define SLEEP_NS    (5 * FTP_NS_PER_MS)
#define SILENCE_NS  (20 * FTP_NS_PER_S) /* a phase that moves nothing has failed */
#define N_WAKES	    60
#define WAKE_GAP_NS (4 * FTP_NS_PER_MS)
#define IDLE_NS	    (500 * FTP_NS_PER_MS)

struct peer {
	const struct bench *bench;
	struct ftp_link link;
	struct ftp_poller poller;
	struct ftp_buffer buffers[N_TENSORS];
	uint64_t next; /* message number, the same at both ends, in both directions */
	uint64_t last_event_ns;
};

static struct ftp_message_id id_of(uint64_t number)
{
	return (struct ftp_message_id){.kind = FTP_MESSAGE_PROBE, .step = number};
}

static void sleep_on(struct peer *p, uint64_t now_ns)
{
	struct ftp_port *port = p->link.port;
	struct pollfd f = {.fd = port->ops->arm(port), .events = POLLIN};
	uint64_t deadline_ns = ftp_connection_deadline(p->link.connection), ns = SLEEP_NS;

	if (!ftp_link_turn(&p->link, now_ns) && deadline_ns > now_ns) {
		if (deadline_ns - now_ns < ns)
			ns = deadline_ns - now_ns;
		ftp_poller_sleep(&f, 1, ns);
	}
	port->ops->disarm(port);
}

/* One turn; the next event, of kind NONE when there is none. -1 in *ret: the link is lost. */
static struct ftp_connection_event step(struct peer *p, int *ret)
{
	struct ftp_connection_event e = ftp_link_next_event(&p->link);
	uint64_t now_ns;

	if (e.kind == FTP_CONNECTION_NONE) {
		now_ns = ftp_clock_now_ns();
		if (!ftp_poller_turn(&p->poller, ftp_link_turn(&p->link, now_ns) > 0))
			sleep_on(p, now_ns);
		e = ftp_link_next_event(&p->link);
		if (e.kind == FTP_CONNECTION_NONE && now_ns > p->last_event_ns + SILENCE_NS) {
			fprintf(stderr, "no progress\n");
			*ret = -1;
		}
	}
	if (e.kind == FTP_CONNECTION_LOST) {
		fprintf(stderr, "the link is lost, reason %d\n", e.reason);
		*ret = -1;
	}
	if (e.kind != FTP_CONNECTION_NONE)
		p->last_event_ns = ftp_clock_now_ns();
	return e;
}

/* As meet(), but the link turns meanwhile: the other end may still wait for an acknowledgement. */
static double meet_turning(struct peer *p, double mine, int *ret)
{
	double other;

	ftp_assert(write(p->bench->control, &mine, sizeof(mine)) == sizeof(mine));
	while (!*ret &&
		recv(p->bench->control, &other, sizeof(other), MSG_DONTWAIT) != sizeof(other))
		step(p, ret);
	return *ret ? -1 : other;
}

static uint8_t *tensor(const struct peer *p, uint64_t number, uint32_t bytes)
{
	return p->bench->arena + number % n_tensors(bytes) * bytes;
}

static void send_message(struct peer *p, uint64_t number, uint32_t bytes)
{
	struct ftp_buffer *b = &p->buffers[number % n_tensors(bytes)];
	struct ftp_message_id id = id_of(number);

	b->data = tensor(p, number, bytes);
	b->bytes = bytes;
	ftp_assert(ftp_connection_send(
			   p->link.connection, &id, FTP_CLASS_DATA, b, ftp_clock_now_ns()) == 0);
}

static void post_message(struct peer *p, uint64_t number, uint32_t bytes)
{
	struct ftp_message_id id = id_of(number);

	ftp_assert(
		ftp_connection_post(p->link.connection, &id, tensor(p, number, bytes), bytes) == 0);
}

/* Sends or receives n messages, some at a time. check: each has its own content, made before it is
 * sent, verified when it has come. *first_ns: when the first was complete. */
static int stream(struct peer *p, uint32_t bytes, uint32_t n, bool check, uint64_t *first_ns)
{
	const bool sender = p->bench->sender;
	const enum ftp_connection_event_kind done =
		sender ? FTP_CONNECTION_SENT : FTP_CONNECTION_RECEIVED;
	uint64_t begin = p->next, end = begin + n;
	uint32_t depth = DEPTH_BYTES / bytes, n_done = 0;
	int ret = 0;

	depth = depth < 2 ? 2 : depth > n_tensors(bytes) ? n_tensors(bytes) : depth;
	while (n_done < n && !ret) {
		struct ftp_connection_event e;

		while (p->next < end && p->next - begin < n_done + depth) {
			if (sender && check)
				fill_tensor(tensor(p, p->next, bytes), bytes, p->next);
			if (sender)
				send_message(p, p->next++, bytes);
			else
				post_message(p, p->next++, bytes);
		}
		e = step(p, &ret);
		if (e.kind != done)
			continue;
		if (n_done++ == 0)
			*first_ns = ftp_clock_now_ns();
		if (check && !sender && !is_tensor(e.data, bytes, e.id.step))
			ret = -1;
	}
	return ret;
}

static int check(struct peer *p)
{
	static const uint32_t sizes[] = {8, 64, 16384, 16392, 65536, 1u << 20, 3u << 20};
	uint64_t first_ns;
	int ret = 0;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]) && !ret; i++)
		ret = stream(p, sizes[i], N_CHECKED, true, &first_ns);
	return ret;
}

static int goodput(struct peer *p, int which, struct result *r)
{
	uint32_t bytes = goodput_sizes[which].bytes, n = goodput_sizes[which].n;
	uint64_t base = p->next, first_ns = 0;
	double cpu;
	int ret = 0;

	for (uint64_t i = base; p->bench->sender && i < base + n_tensors(bytes); i++)
		fill_tensor(tensor(p, i, bytes), bytes, i % n_tensors(bytes));
	if (!p->bench->sender)
		memset(p->bench->arena, 0, ARENA_BYTES);
	meet_turning(p, 0, &ret);
	cpu = cpu_seconds();
	if (!ret)
		ret = stream(p, bytes, n, false, &first_ns);
	r->goodput_gb_s[which] = (double)bytes * (n - 1) / (double)(ftp_clock_now_ns() - first_ns);
	cpu = cpu_seconds() - cpu;
	cpu += meet_turning(p, cpu, &ret);
	if (which == 1)
		r->core_seconds_per_gb = cpu / ((double)bytes * n * 1e-9);
	for (uint64_t i = 0; !p->bench->sender && i < n_tensors(bytes); i++)
		if (!is_tensor(tensor(p, i, bytes), bytes, i))
			return -1;
	return ret;
}

static int wait_for(struct peer *p, enum ftp_connection_event_kind kind)
{
	int ret = 0;

	while (!ret && step(p, &ret).kind != kind)
		;
	return ret;
}

/* One message there and one back, both named by the same number; the sender answers. Both wait
 * until their own is acknowledged too, outside of the measured time. */
static int round_trip(struct peer *p, uint32_t bytes, double *us)
{
	const bool answers = p->bench->sender;
	uint64_t number = p->next++, start_ns;
	bool sent = false, received = false;
	int ret = 0;

	post_message(p, number, bytes);
	start_ns = ftp_clock_now_ns();
	if (!answers)
		send_message(p, number, bytes);
	while (!ret && !(sent && received)) {
		struct ftp_connection_event e = step(p, &ret);

		sent |= e.kind == FTP_CONNECTION_SENT;
		if (e.kind != FTP_CONNECTION_RECEIVED)
			continue;
		received = true;
		*us = (double)(ftp_clock_now_ns() - start_ns) / 2e3;
		if (answers)
			send_message(p, number, bytes);
	}
	return ret;
}

static int latency(struct peer *p, int which, struct result *r)
{
	static double us[MAX_ROUND_TRIPS];
	uint32_t n = latency_sizes[which].n;
	int ret = 0;

	meet_turning(p, 0, &ret);
	for (uint32_t i = 0; i < n && !ret; i++)
		ret = round_trip(p, latency_sizes[which].bytes, &us[i]);
	percentiles(us, n, r->latency_us[which]);
	return ret;
}

/* Turns without messages. */
static int idle_for(struct peer *p, uint64_t ns)
{
	uint64_t end_ns = ftp_clock_now_ns() + ns;
	int ret = 0;

	while (!ret && ftp_clock_now_ns() < end_ns)
		step(p, &ret);
	return ret;
}

static int idle(struct peer *p, struct result *r)
{
	static double us[N_WAKES];
	double cpu, other, both[2];
	int ret = 0;

	meet_turning(p, 0, &ret);
	cpu = cpu_seconds();
	if (!ret)
		ret = idle_for(p, IDLE_NS);
	cpu = (cpu_seconds() - cpu) / (IDLE_NS * 1e-9);
	other = meet_turning(p, cpu, &ret);
	r->idle_cpu = cpu > other ? cpu : other;
	for (int i = 0; i < N_WAKES && !ret; i++) {
		if (!p->bench->sender)
			ret = idle_for(p, WAKE_GAP_NS);
		if (!ret)
			ret = round_trip(p, 64, &us[i]);
	}
	percentiles(us, N_WAKES, both);
	r->wake_us = both[0];
	return ret;
}

static int measure(struct peer *p, struct result *r)
{
	const struct ftp_connection_stats *s = ftp_connection_stats(p->link.connection);
	const struct ftp_port_caps *caps = &p->link.port->caps;
	int ret = wait_for(p, FTP_CONNECTION_ESTABLISHED);

	if (!ret)
		ret = go_realtime();
	if (!ret)
		ret = check(p);
	for (int i = 0; i < 3 && !ret; i++)
		ret = goodput(p, i, r);
	for (int i = 0; i < 2 && !ret; i++)
		ret = latency(p, i, r);
	if (!ret)
		ret = idle(p, r);
	r->port_copies = caps->tx_copies + caps->rx_copies;
	r->copied_rx = (double)s->copied_rx_bytes / (double)s->rx_bytes;
	r->copied_tx = meet_turning(p, (double)s->copied_tx_bytes / (double)s->tx_bytes, &ret);
	r->retransmitted =
		meet_turning(p, (double)s->retransmitted_packets / (double)s->tx_packets, &ret);
	return ret;
}

static int run(const struct bench *b, struct ftp_port *port, struct result *r)
{
	struct peer p = {.bench = b, .link = {.port = port}, .last_event_ns = ftp_clock_now_ns()};
	const struct ftp_connection_params params = {
		.run = 1,
		.term = 1,
		.local = b->sender ? 1 : 2,
		.remote = b->sender ? 2 : 1,
		.caps = port->caps,
		.n_messages = N_MESSAGES,
		.max_ack_delay_ns = FTP_NS_PER_MS,
		.idle_timeout_ns = 5 * FTP_NS_PER_S,
	};
	struct ftp_error err;
	int ret;

	for (int i = 0; i < N_TENSORS; i++)
		ftp_buffer_init(&p.buffers[i], b->arena, 0);
	if (ftp_connection_new(&p.link.connection, &params, ftp_clock_now_ns(), &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return -1;
	}
	ret = measure(&p, r);
	ftp_link_close(&p.link, ftp_clock_now_ns());
	return ret;
}

int memif_run(const struct bench *b, struct result *r)
{
	const struct ftp_eal_params eal = {.prefix = "bench-net", .memory_bytes = 32u << 20};
	struct ftp_port *port;
	struct ftp_error err;
	char name[64];
	int ret;

	snprintf(name, sizeof(name), "ftpipe-bench-%d", b->parent);
	if (ftp_eal_start(&eal, &err) < 0 ||
		ftp_memif_open(&port, &(struct ftp_memif_params){name, b->sender}, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return -1;
	}
	ret = run(b, port, r);
	ftp_eal_stop();
	return ret;
}

int udp_run(const struct bench *b, struct result *r)
{
	struct ftp_port *port;
	struct ftp_error err;
	uint16_t mine = 0, other;
	int s = ftp_udp_reserve("127.0.0.1", &mine, &err), ret;

	if (s < 0) {
		fprintf(stderr, "%s\n", err.text);
		return -1;
	}
	other = (uint16_t)meet(b, mine);
	if (ftp_udp_open(&port, "127.0.0.1", mine, "127.0.0.1", other, 0, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return -1;
	}
	ret = run(b, port, r);
	close(s);
	return ret;
}
