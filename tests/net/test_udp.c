#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/udp.h"

static struct ftp_error error;

static int reserve(const char *host, uint16_t *port)
{
	int s;

	*port = 0;
	s = ftp_udp_reserve(host, port, &error);
	assert_true(s >= 0);
	assert_int_not_equal(*port, 0);
	return s;
}

static struct ftp_port *open_port(uint16_t port, uint16_t peer)
{
	struct ftp_port *p;

	assert_int_equal(ftp_udp_open(&p, "127.0.0.1", port, "127.0.0.1", peer, 0, &error), 0);
	return p;
}

static void send_head(struct ftp_port *p, uint8_t value)
{
	uint8_t head[FTP_WIRE_HEAD_BYTES];
	struct ftp_port_tx t = {.head = head};

	memset(head, value, sizeof(head));
	assert_int_equal(p->ops->tx(p, &t, 1), 1);
}

static void reserve__refuses_a_port_that_is_taken(void **state)
{
	uint16_t port;
	int s = reserve("127.0.0.1", &port);
	struct ftp_port *p;

	(void)state;
	assert_int_equal(ftp_udp_reserve("127.0.0.1", &port, &error), -EADDRINUSE);
	assert_non_null(strstr(error.text, "127.0.0.1"));
	/* Likewise when our own sockets share it. */
	p = open_port(port, 9);
	assert_int_equal(ftp_udp_reserve("127.0.0.1", &port, &error), -EADDRINUSE);
	p->ops->close(p);
	close(s);
}

static void reserve__names_a_bad_address(void **state)
{
	uint16_t port = 0;

	(void)state;
	assert_int_equal(ftp_udp_reserve("192.0.2.1", &port, &error), -EADDRNOTAVAIL);
	assert_non_null(strstr(error.text, "192.0.2.1"));
	assert_int_equal(ftp_udp_reserve("example", &port, &error), -EINVAL);
	assert_non_null(strstr(error.text, "example"));
}

static void open__asks_the_route(void **state)
{
	uint16_t port;
	int s = reserve("127.0.0.1", &port);
	struct ftp_port *p = open_port(port, 9);

	(void)state;
	assert_int_equal(p->caps.max_payload_bytes, FTP_WIRE_MAX_PAYLOAD_BYTES);
	p->ops->close(p);
	assert_int_equal(ftp_udp_open(&p, "127.0.0.1", port, "127.0.0.1", 9, 1344, &error), 0);
	assert_int_equal(p->caps.max_payload_bytes, 1344);
	p->ops->close(p);
	close(s);
}

/* All of a node's sockets share one port number: each gets its own peer's datagrams only. */
static void open__peers_on_one_port_are_apart(void **state)
{
	uint16_t port[3];
	int s[3];
	struct ftp_port *mine[2], *theirs[2];
	struct ftp_port_rx r;

	(void)state;
	for (int i = 0; i < 3; i++)
		s[i] = reserve("127.0.0.1", &port[i]);
	for (int i = 0; i < 2; i++) {
		mine[i] = open_port(port[2], port[i]);
		theirs[i] = open_port(port[i], port[2]);
	}
	for (uint8_t round = 0; round < 8; round++)
		for (int i = 0; i < 2; i++) {
			send_head(theirs[i], (uint8_t)(round * 2 + i));
			assert_int_equal(mine[!i]->ops->rx(mine[!i], &r, 1), 0);
			assert_int_equal(mine[i]->ops->rx(mine[i], &r, 1), 1);
			assert_int_equal(r.packet[0], round * 2 + i);
			mine[i]->ops->release(mine[i], &r, 1);
		}
	for (int i = 0; i < 2; i++) {
		mine[i]->ops->close(mine[i]);
		theirs[i]->ops->close(theirs[i]);
	}
	for (int i = 0; i < 3; i++)
		close(s[i]);
}

static void open__speaks_ipv6(void **state)
{
	uint16_t a = 0, b = 0;
	int s = ftp_udp_reserve("::1", &a, &error), t;
	struct ftp_port *p, *q;
	struct ftp_port_rx r;

	(void)state;
	if (s == -EADDRNOTAVAIL || s == -EAFNOSUPPORT)
		skip(); /* no IPv6 on this machine */
	assert_true(s >= 0);
	t = reserve("::1", &b);
	assert_int_equal(ftp_udp_open(&p, "::1", a, "::1", b, 0, &error), 0);
	assert_int_equal(ftp_udp_open(&q, "::1", b, "::1", a, 0, &error), 0);
	assert_int_equal(p->caps.max_payload_bytes, FTP_WIRE_MAX_PAYLOAD_BYTES);
	send_head(p, 7);
	assert_int_equal(q->ops->rx(q, &r, 1), 1);
	assert_int_equal(r.packet[0], 7);
	p->ops->close(p);
	q->ops->close(q);
	close(s);
	close(t);
}

/* Nobody listens: every datagram brings an ICMP error back, which must not stop anything. */
static void tx__outlives_a_peer_that_is_not_up(void **state)
{
	uint16_t port[2];
	int s[2];
	struct ftp_port *early, *late;
	struct ftp_port_rx r;

	(void)state;
	for (int i = 0; i < 2; i++)
		s[i] = reserve("127.0.0.1", &port[i]);
	close(s[1]);
	early = open_port(port[0], port[1]);
	for (uint8_t i = 0; i < 50; i++) {
		send_head(early, i);
		assert_int_equal(early->ops->rx(early, &r, 1), 0);
		assert_int_equal(early->ops->link(early), FTP_PORT_UP);
	}
	late = open_port(port[1], port[0]);
	send_head(early, 99);
	assert_int_equal(late->ops->rx(late, &r, 1), 1);
	assert_int_equal(r.packet[0], 99);
	early->ops->close(early);
	late->ops->close(late);
	close(s[0]);
}

/* A burst that the receiver has not taken yet is kept, up to the window that caps promise. */
static void caps__window_fits_the_socket_buffer(void **state)
{
	static uint8_t payload[FTP_WIRE_MAX_PAYLOAD_BYTES], head[FTP_WIRE_HEAD_BYTES];
	uint16_t port[2];
	int s[2];
	struct ftp_port *p[2];
	struct ftp_port_rx r;
	struct ftp_port_tx t = {head, payload, sizeof(payload), NULL};
	uint32_t n = 0;

	(void)state;
	for (int i = 0; i < 2; i++)
		s[i] = reserve("127.0.0.1", &port[i]);
	for (int i = 0; i < 2; i++)
		p[i] = open_port(port[i], port[!i]);
	for (uint32_t i = 0; i < p[0]->caps.window_packets; i++)
		assert_int_equal(p[0]->ops->tx(p[0], &t, 1), 1);
	for (; p[1]->ops->rx(p[1], &r, 1) == 1; n++)
		p[1]->ops->release(p[1], &r, 1);
	assert_int_equal(n, p[0]->caps.window_packets);
	for (int i = 0; i < 2; i++) {
		p[i]->ops->close(p[i]);
		close(s[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reserve__refuses_a_port_that_is_taken),
		cmocka_unit_test(reserve__names_a_bad_address),
		cmocka_unit_test(open__asks_the_route),
		cmocka_unit_test(open__peers_on_one_port_are_apart),
		cmocka_unit_test(open__speaks_ipv6),
		cmocka_unit_test(tx__outlives_a_peer_that_is_not_up),
		cmocka_unit_test(caps__window_fits_the_socket_buffer),
	};

	return cmocka_run_group_tests_name("udp", tests, NULL, NULL);
}
