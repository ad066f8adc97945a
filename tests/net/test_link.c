#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "net/impair.h"
#include "net/link.h"
#include "net/ring.h"
#include "runtime/base/clock.h"

#define BYTES (1u << 20)

static uint64_t now_ns;

static uint64_t clock_ns(void)
{
	return now_ns;
}

struct fixture {
	struct ftp_link links[2];
	uint8_t *source, *target;
	struct ftp_buffer buffer;
};

static const struct ftp_message_id id = {.kind = FTP_MESSAGE_PROBE, .step = 1};

static void set_up(struct fixture *f, const struct ftp_impair *impair)
{
	struct ftp_port *ends[2];

	*f = (struct fixture){.source = malloc(BYTES), .target = calloc(1, BYTES)};
	now_ns = 1;
	ftp_ring_pair(64, ends);
	if (impair)
		ends[0] = ftp_impair_wrap(ends[0], impair, 1, clock_ns);
	for (int e = 0; e < 2; e++) {
		struct ftp_connection_params params = {.run = 1,
			.term = 1,
			.local = 10 + (uint64_t)e,
			.remote = 11 - (uint64_t)e,
			.caps = ends[e]->caps,
			.n_messages = 4,
			.max_ack_delay_ns = FTP_NS_PER_MS,
			.idle_timeout_ns = FTP_NS_PER_S};

		f->links[e].port = ends[e];
		assert_int_equal(
			ftp_connection_new(&f->links[e].connection, &params, now_ns, NULL), 0);
	}
	for (uint32_t i = 0; i < BYTES; i++)
		f->source[i] = (uint8_t)(i * 2654435761u >> 13);
	ftp_buffer_init(&f->buffer, f->source, BYTES);
}

static void tear_down(struct fixture *f)
{
	for (int e = 0; e < 2; e++)
		if (f->links[e].port)
			ftp_link_close(&f->links[e], now_ns);
	free(f->source);
	free(f->target);
}

static enum ftp_connection_event_kind turn(struct fixture *f, int end)
{
	ftp_link_turn(&f->links[end], now_ns);
	return ftp_link_next_event(&f->links[end]).kind;
}

/* A megabyte over a real ring: established, received, given back, and a quiet link has nothing to
 * do. */
static void link_turn__message(void **state)
{
	struct fixture f;
	bool seen[2][FTP_CONNECTION_LOST + 1] = {{false}};
	int moved = 1;

	(void)state;
	set_up(&f, NULL);
	assert_int_equal(ftp_connection_post(f.links[1].connection, &id, f.target, BYTES), 0);
	assert_int_equal(
		ftp_connection_send(f.links[0].connection, &id, FTP_CLASS_DATA, &f.buffer, now_ns),
		0);
	for (int i = 0; i < 1000; i++, now_ns += 1000)
		for (int e = 0; e < 2; e++)
			seen[e][turn(&f, e)] = true;
	assert_true(seen[0][FTP_CONNECTION_ESTABLISHED] && seen[1][FTP_CONNECTION_ESTABLISHED]);
	assert_true(seen[0][FTP_CONNECTION_SENT] && seen[1][FTP_CONNECTION_RECEIVED]);
	assert_memory_equal(f.source, f.target, BYTES);
	assert_int_equal(ftp_connection_stats(f.links[0].connection)->retransmitted_packets, 0);
	for (int e = 0; e < 2; e++)
		moved = ftp_link_turn(&f.links[e], now_ns);
	assert_int_equal(moved, 0);
	tear_down(&f);
}

/* The same through an emulator that loses a fifth in both directions. */
static void link_turn__emulated_loss(void **state)
{
	struct fixture f;
	bool is_sent = false, is_received = false;

	(void)state;
	set_up(&f, &(struct ftp_impair){.loss = 0.2, .delay_ns = 20000});
	ftp_connection_post(f.links[1].connection, &id, f.target, BYTES);
	ftp_connection_send(f.links[0].connection, &id, FTP_CLASS_DATA, &f.buffer, now_ns);
	for (int i = 0; i < 1000000 && !(is_sent && is_received); i++, now_ns += 1000) {
		is_sent |= turn(&f, 0) == FTP_CONNECTION_SENT;
		is_received |= turn(&f, 1) == FTP_CONNECTION_RECEIVED;
	}
	assert_true(is_sent && is_received);
	assert_memory_equal(f.source, f.target, BYTES);
	assert_true(ftp_connection_stats(f.links[0].connection)->retransmitted_packets > 0);
	tear_down(&f);
}

static void link_close__peer_hears(void **state)
{
	struct fixture f;
	struct ftp_connection_event e = {0};

	(void)state;
	set_up(&f, NULL);
	for (int i = 0; i < 10; i++, now_ns += 1000) {
		turn(&f, 0);
		turn(&f, 1);
	}
	ftp_link_close(&f.links[0], now_ns);
	assert_null(f.links[0].port);
	for (int i = 0; i < 10 && e.kind != FTP_CONNECTION_LOST; i++, now_ns += 1000) {
		ftp_link_turn(&f.links[1], now_ns);
		e = ftp_link_next_event(&f.links[1]);
	}
	assert_int_equal(e.kind, FTP_CONNECTION_LOST);
	assert_true(e.reason == FTP_CONNECTION_PEER_CLOSED);
	assert_int_equal(ftp_link_next_event(&f.links[1]).kind, FTP_CONNECTION_NONE);
	tear_down(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(link_turn__message),
		cmocka_unit_test(link_turn__emulated_loss),
		cmocka_unit_test(link_close__peer_hears),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
