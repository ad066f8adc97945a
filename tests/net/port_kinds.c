#include "tests/net/port_kinds.h"

#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "net/dpdk/eal.h"
#include "net/dpdk/memif.h"
#include "net/impair.h"
#include "net/ring.h"
#include "net/simulated.h"
#include "net/udp.h"
#include "runtime/base/clock.h"
#include "runtime/base/prng.h"

static uint64_t seed;
static struct ftp_error error;

static void fill_random(uint8_t *data, size_t bytes, uint64_t sub)
{
	uint64_t key = ftp_prng_key(seed, FTP_PRNG_TEST, sub);

	for (size_t i = 0; i < bytes; i += 8) {
		uint64_t v = ftp_prng_u64(key, i / 8);

		memcpy(data + i, &v, bytes - i < 8 ? bytes - i : 8);
	}
}

/* Ports. */

static void open_ring(struct ends *e)
{
	ftp_ring_pair(N_SLOTS, e->port);
}

static void open_udp(struct ends *e)
{
	uint16_t port[2] = {0, 0};

	for (int i = 0; i < 2; i++) {
		e->reserved[i] = ftp_udp_reserve("127.0.0.1", &port[i], &error);
		assert_true(e->reserved[i] >= 0);
	}
	for (int i = 0; i < 2; i++)
		assert_int_equal(ftp_udp_open(&e->port[i], "127.0.0.1", port[i], "127.0.0.1",
					 port[!i], 0, &error),
			0);
}

static void open_memif(struct ends *e)
{
	static int n_opened;
	char name[64];

	snprintf(name, sizeof(name), "ftpipe-test-port-%d-%d", getpid(), n_opened++);
	for (int i = 0; i < 2; i++)
		assert_int_equal(
			ftp_memif_open(&e->port[i],
				&(struct ftp_memif_params){name, i == n_opened % 2}, &error),
			0);
}

/* One network for all cases; nothing is impaired, so packets arrive in order, by virtual time. */
static struct ftp_simulated *network;
static const struct ftp_impair unimpaired = {.delay_ns = 1000};

static void open_simulated(struct ends *e)
{
	if (!network)
		network = ftp_simulated_new(seed);
	ftp_simulated_pair(network, &unimpaired, N_SLOTS, e->port);
}

/* Without impairments the emulating port passes through. */
static void open_impaired(struct ends *e)
{
	static const struct ftp_impair none;

	ftp_ring_pair(N_SLOTS, e->port);
	for (int i = 0; i < 2; i++)
		e->port[i] = ftp_impair_wrap(e->port[i], &none, seed, ftp_clock_now_ns);
}

/* What was sent arrives: the simulated network's time goes on. */
int rx(struct ftp_port *p, struct ftp_port_rx *r, int max)
{
	while (network && ftp_simulated_next_ns(network) != FTP_NS_NEVER)
		ftp_simulated_advance(network, ftp_simulated_next_ns(network));
	return p->ops->rx(p, r, max);
}

const struct kind kinds[] = {
	{"ring", "ring", open_ring, true},
	{"udp", "udp", open_udp, false},
	{"memif", "memif", open_memif, true},
	{"simulated", "simulated", open_simulated, true},
	{"impaired ring", "ring", open_impaired, true},
};

const size_t n_kinds = sizeof(kinds) / sizeof(kinds[0]);

void kinds_start(uint64_t drawn)
{
	char prefix[32];

	seed = drawn;
	snprintf(prefix, sizeof(prefix), "test-port-%d", getpid());
	if (ftp_eal_start(
		    &(struct ftp_eal_params){.prefix = prefix, .memory_bytes = 64u << 20}, &error))
		fail_msg("%s", error.text);
}

void kinds_stop(void)
{
	ftp_eal_stop();
	if (network)
		ftp_simulated_free(network);
}

void close_end(struct ends *e, int i)
{
	if (e->port[i])
		e->port[i]->ops->close(e->port[i]);
	e->port[i] = NULL;
	if (e->reserved[i] >= 0)
		close(e->reserved[i]);
	e->reserved[i] = -1;
}

struct ends open_ends(const struct kind *k)
{
	struct ends e = {.reserved = {-1, -1}};

	k->open(&e);
	for (int turn = 0;; turn++) {
		enum ftp_port_link a = e.port[0]->ops->link(e.port[0]);
		enum ftp_port_link b = e.port[1]->ops->link(e.port[1]);

		if (a == FTP_PORT_UP && b == FTP_PORT_UP)
			break;
		assert_true(a != FTP_PORT_DOWN && b != FTP_PORT_DOWN && turn < PATIENCE);
		sched_yield();
	}
	return e;
}

void close_ends(struct ends *e)
{
	close_end(e, 0);
	close_end(e, 1);
}

/* Packets: the head is drawn from the packet's number, which it begins with. */

void make_head(uint8_t head[FTP_WIRE_HEAD_BYTES], uint32_t number)
{
	fill_random(head, FTP_WIRE_HEAD_BYTES, number);
	memcpy(head, &number, sizeof(number));
}

uint32_t check_packet(const struct ftp_port_rx *r, const uint8_t *payload, uint32_t bytes)
{
	uint8_t head[FTP_WIRE_HEAD_BYTES];
	uint32_t number;

	assert_int_equal(r->bytes, FTP_WIRE_HEAD_BYTES + bytes);
	memcpy(&number, r->packet, sizeof(number));
	make_head(head, number);
	assert_memory_equal(r->packet, head, sizeof(head));
	if (bytes)
		assert_memory_equal(r->packet + FTP_WIRE_HEAD_BYTES, payload, bytes);
	return number;
}

void send_one(struct ftp_port *p, uint32_t number, const uint8_t *payload, uint32_t bytes,
	struct ftp_buffer *owner)
{
	uint8_t head[FTP_WIRE_HEAD_BYTES];
	struct ftp_port_tx t = {head, payload, bytes, bytes ? owner : NULL};
	int turn;

	make_head(head, number);
	for (turn = 0; p->ops->tx(p, &t, 1) != 1 && turn < PATIENCE; turn++)
		sched_yield();
	assert_true(turn < PATIENCE);
}

int receive(struct ftp_port *p, struct ftp_port_rx *r, int max)
{
	int n = 0;

	for (int turn = 0; !n && turn < PATIENCE; turn++)
		n = rx(p, r, max);
	return n;
}

/* A client's ring has no free slots before its owner polls for the first time. */
void prime(struct ends *e)
{
	struct ftp_port_rx r;

	for (int i = 0; i < 2; i++)
		assert_int_equal(e->port[i]->ops->rx(e->port[i], &r, 1), 0);
}

struct ftp_buffer make_tensor(void)
{
	struct ftp_buffer b;
	uint8_t *data = aligned_alloc(64, TENSOR_BYTES);

	assert_non_null(data);
	fill_random(data, TENSOR_BYTES, 1u << 31);
	ftp_buffer_init(&b, data, TENSOR_BYTES);
	return b;
}
