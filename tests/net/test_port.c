/* Conformance suite of the packet ports: every case over every port, both ends in this process.
 * What needs two processes (a peer that is killed) is test_memif_kill. */
#include "tests/net/port_kinds.h"

#include <poll.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/prng.h"

#define WAKE_LIMIT_MS 5000

static void caps__are_stated(const struct kind *k)
{
	struct ends e = open_ends(k);

	for (int i = 0; i < 2; i++) {
		const struct ftp_port_caps *c = &e.port[i]->caps;

		assert_string_equal(c->name, k->caps_name);
		assert_in_range(c->max_payload_bytes, 512, FTP_WIRE_MAX_PAYLOAD_BYTES);
		assert_in_range(c->tx_burst, 1, FTP_PORT_BURST);
		assert_true(c->window_packets >= 8);
	}
	close_ends(&e);
}

static void tx__keeps_every_byte_of_every_size(const struct kind *k)
{
	static const uint32_t sizes[] = {0, 1, 63, 64, 65, 1400, 8192, 16383, 16384};
	struct ends e = open_ends(k);
	struct ftp_buffer b = make_tensor();
	uint32_t number = 0;

	prime(&e);
	for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++)
		for (int from = 0; from < 2; from++)
			for (uint32_t skew = 0; skew < 3; skew++) {
				const uint8_t *payload = b.data + skew * 7;
				struct ftp_port_rx r;

				if (sizes[s] > e.port[from]->caps.max_payload_bytes)
					continue;
				send_one(e.port[from], number, payload, sizes[s],
					skew == 2 ? NULL : &b);
				assert_int_equal(receive(e.port[!from], &r, 1), 1);
				assert_int_equal(check_packet(&r, payload, sizes[s]), number++);
				e.port[!from]->ops->release(e.port[!from], &r, 1);
				assert_true(e.port[from]->ops->idle(e.port[from], &b));
			}
	close_ends(&e);
	free(b.data);
}

/* Bursts of every length, both ways at once; what arrives is intact and in order. */
static void tx__bursts_keep_order(const struct kind *k)
{
	struct ends e = open_ends(k);
	struct ftp_buffer b = make_tensor();
	uint32_t sent[2] = {0, 0}, received[2] = {0, 0};
	uint64_t key = ftp_prng_key(check_seed(), FTP_PRNG_TEST, 2);

	prime(&e);
	for (uint32_t round = 0; round < 400; round++)
		for (int i = 0; i < 2; i++) {
			static uint8_t heads[FTP_PORT_BURST][FTP_WIRE_HEAD_BYTES];
			struct ftp_port_tx t[FTP_PORT_BURST];
			struct ftp_port_rx r[FTP_PORT_BURST];
			int n = (int)ftp_prng_below(key, round * 2 + (uint32_t)i, FTP_PORT_BURST) +
				1;

			for (int j = 0; j < n; j++) {
				uint32_t number = sent[i] + (uint32_t)j;

				make_head(heads[j], number);
				t[j] = (struct ftp_port_tx){
					heads[j], b.data + number % 64, 8192, &b};
			}
			sent[i] += (uint32_t)e.port[i]->ops->tx(e.port[i], t, n);
			n = rx(e.port[!i], r, FTP_PORT_BURST);
			for (int j = 0; j < n; j++) {
				uint32_t number = received[!i]++;

				assert_int_equal(
					check_packet(&r[j], b.data + number % 64, 8192), number);
			}
			e.port[!i]->ops->release(e.port[!i], r, n);
		}
	assert_true(sent[0] > 400 && sent[1] > 400);
	close_ends(&e);
	free(b.data);
}

static void tx__refuses_when_full(const struct kind *k)
{
	struct ends e = open_ends(k);
	struct ftp_buffer b = make_tensor();
	uint32_t n_sent = 0, n_received = 0;
	struct ftp_port_rx r[FTP_PORT_BURST];
	uint8_t head[FTP_WIRE_HEAD_BYTES];
	struct ftp_port_tx t = {head, b.data, e.port[0]->caps.max_payload_bytes, &b};
	int n;

	if (e.port[0]->caps.drops_silently) {
		close_ends(&e);
		free(b.data);
		skip(); /* it may accept what it loses */
	}
	prime(&e);
	for (make_head(head, 0); e.port[0]->ops->tx(e.port[0], &t, 1) == 1; make_head(head, n_sent))
		assert_true(++n_sent <= e.port[0]->caps.window_packets);
	assert_int_equal(n_sent, e.port[0]->caps.window_packets);
	assert_true(e.port[0]->ops->idle(e.port[0], &b) || !e.port[0]->caps.tx_copies);
	/* Nothing that was accepted is lost, and then there is room again. */
	while (n_received < n_sent) {
		n = receive(e.port[1], r, FTP_PORT_BURST);
		assert_true(n > 0);
		for (int i = 0; i < n; i++)
			assert_int_equal(
				check_packet(&r[i], b.data, t.payload_bytes), n_received++);
		e.port[1]->ops->release(e.port[1], r, n);
	}
	assert_int_equal(rx(e.port[1], r, 1), 0);
	assert_int_equal(e.port[0]->ops->tx(e.port[0], &t, 1), 1);
	close_ends(&e);
	free(b.data);
}

/* What is lent stays as it is while other packets come and go, whatever the order of release. */
static void rx__lends_until_release(const struct kind *k)
{
	struct ends e = open_ends(k);
	struct ftp_buffer b = make_tensor();
	struct ftp_port_rx held[16], other;

	prime(&e);
	for (uint32_t i = 0; i < 16; i++) {
		send_one(e.port[0], i, b.data + i, 1400, &b);
		assert_int_equal(receive(e.port[1], &held[i], 1), 1);
	}
	for (uint32_t i = 16; i < 500; i++) {
		send_one(e.port[0], i, b.data, 1400, &b);
		assert_int_equal(receive(e.port[1], &other, 1), 1);
		e.port[1]->ops->release(e.port[1], &other, 1);
	}
	for (uint32_t i = 0; i < 16; i++) {
		uint32_t at = i % 2 ? i : 14 - i;

		assert_int_equal(check_packet(&held[at], b.data + at, 1400), at);
		e.port[1]->ops->release(e.port[1], &held[at], 1);
	}
	close_ends(&e);
	free(b.data);
}

static bool is_readable(int fd, int timeout_ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, timeout_ms) == 1;
}

static void arm__wakes_a_sleeper(const struct kind *k)
{
	struct ends e = open_ends(k);
	struct ftp_buffer b = make_tensor();
	struct ftp_port_rx r;

	prime(&e);
	for (uint32_t i = 0; i < 20; i++) {
		struct ftp_port *sleeper = e.port[i % 2], *waker = e.port[!(i % 2)];
		int fd = sleeper->ops->arm(sleeper);

		if (fd < 0) {
			close_ends(&e);
			free(b.data);
			skip(); /* no doorbell: its callers nap */
		}
		assert_int_equal(rx(sleeper, &r, 1), 0);
		assert_false(is_readable(fd, 0));
		send_one(waker, i, b.data, 64, &b);
		assert_true(is_readable(fd, WAKE_LIMIT_MS));
		sleeper->ops->disarm(sleeper);
		assert_int_equal(receive(sleeper, &r, 1), 1);
		check_packet(&r, b.data, 64);
		sleeper->ops->release(sleeper, &r, 1);
		/* Awake, nobody rings. */
		send_one(waker, i, b.data, 64, &b);
		assert_int_equal(receive(sleeper, &r, 1), 1);
		sleeper->ops->release(sleeper, &r, 1);
		assert_false(is_readable(fd, 0));
	}
	close_ends(&e);
	free(b.data);
}

static void link__goes_down_after_the_last_packet(const struct kind *k)
{
	struct ends e = open_ends(k);
	struct ftp_buffer b = make_tensor();
	struct ftp_port_rx r;
	struct ftp_port *p = e.port[1];
	int fd, turn;

	prime(&e);
	fd = p->ops->arm(p);
	send_one(e.port[0], 0, b.data, 1400, &b);
	send_one(e.port[0], 1, b.data, 1400, &b);
	close_end(&e, 0);
	assert_true(fd < 0 || is_readable(fd, WAKE_LIMIT_MS));
	p->ops->disarm(p);
	for (uint32_t i = 0; i < 2; i++) {
		assert_int_equal(receive(p, &r, 1), 1);
		assert_int_equal(check_packet(&r, b.data, 1400), i);
		p->ops->release(p, &r, 1);
	}
	for (turn = 0; turn < 1000; turn++) {
		uint8_t head[FTP_WIRE_HEAD_BYTES] = {0};
		struct ftp_port_tx t = {head, b.data, 64, &b};

		p->ops->tx(p, &t, 1); /* nobody listens: never fatal */
		assert_int_equal(rx(p, &r, 1), 0);
		if (p->ops->link(p) == FTP_PORT_DOWN)
			break;
	}
	assert_int_equal(turn < 1000, k->knows_peer);
	assert_true(p->ops->idle(p, &b));
	close_ends(&e);
	free(b.data);
}

/* The tensor may be freed when close() returns; the peer still gets what was sent. */
static void close__leaves_every_buffer_idle(const struct kind *k)
{
	struct ends e = open_ends(k);
	struct ftp_buffer b = make_tensor(), copy = make_tensor();
	struct ftp_port_rx r;
	int n = 0;

	prime(&e);
	for (uint32_t i = 0; i < 8; i++)
		send_one(e.port[0], i, b.data + i, 8192, &b);
	e.port[0]->ops->close(e.port[0]);
	e.port[0] = NULL;
	memset(b.data, 0xee, TENSOR_BYTES);
	free(b.data);
	for (; receive(e.port[1], &r, 1) == 1; n++) {
		assert_int_equal(check_packet(&r, copy.data + n, 8192), n);
		e.port[1]->ops->release(e.port[1], &r, 1);
	}
	assert_int_equal(n, 8);
	close_ends(&e);
	free(copy.data);
}

/* The ends never see each other's packets when several pairs are open. */
static void open__pairs_are_apart(const struct kind *k)
{
	struct ends e[3];
	struct ftp_buffer b = make_tensor();
	struct ftp_port_rx r;

	for (int i = 0; i < 3; i++) {
		e[i] = open_ends(k);
		prime(&e[i]);
	}
	for (uint32_t i = 0; i < 30; i++)
		send_one(e[i % 3].port[0], i, b.data, 100, &b);
	for (uint32_t i = 0; i < 30; i++) {
		assert_int_equal(receive(e[i % 3].port[1], &r, 1), 1);
		assert_int_equal(check_packet(&r, b.data, 100), i);
		e[i % 3].port[1]->ops->release(e[i % 3].port[1], &r, 1);
	}
	for (int i = 0; i < 3; i++)
		close_ends(&e[(i + 1) % 3]);
	free(b.data);
}

static const struct {
	const char *name;
	void (*run)(const struct kind *k);
} cases[] = {
	{"caps__are_stated", caps__are_stated},
	{"tx__keeps_every_byte_of_every_size", tx__keeps_every_byte_of_every_size},
	{"tx__bursts_keep_order", tx__bursts_keep_order},
	{"tx__refuses_when_full", tx__refuses_when_full},
	{"rx__lends_until_release", rx__lends_until_release},
	{"arm__wakes_a_sleeper", arm__wakes_a_sleeper},
	{"link__goes_down_after_the_last_packet", link__goes_down_after_the_last_packet},
	{"close__leaves_every_buffer_idle", close__leaves_every_buffer_idle},
	{"open__pairs_are_apart", open__pairs_are_apart},
};

#define MAX_KINDS 8
#define N_CASES	  (sizeof(cases) / sizeof(cases[0]))

static void run_case(void **state)
{
	size_t i = (size_t)(uintptr_t)*state;

	cases[i % N_CASES].run(&kinds[i / N_CASES]);
}

static int start(void **state)
{
	(void)state;
	kinds_start(check_seed());
	return 0;
}

static int stop(void **state)
{
	(void)state;
	kinds_stop();
	return 0;
}

int main(void)
{
	static struct CMUnitTest tests[MAX_KINDS * N_CASES];
	static char names[MAX_KINDS * N_CASES][96];
	size_t n = n_kinds * N_CASES;

	assert_true(n_kinds <= MAX_KINDS);
	for (size_t i = 0; i < n; i++) {
		snprintf(names[i], sizeof(names[i]), "%s %s", kinds[i / N_CASES].name,
			cases[i % N_CASES].name);
		tests[i] =
			(struct CMUnitTest){names[i], run_case, NULL, NULL, (void *)(uintptr_t)i};
	}
	return _cmocka_run_group_tests("port", tests, n, start, stop);
}
