/* What the conformance suite cannot show from one thread: the two ends on two threads. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "net/ring.h"

#define N_PACKETS 20000u
#define PATIENCE  20000000u

static uint8_t payload[4096];

/* Packet i begins with i and carries i % 4096 bytes. */
static void *send_all(void *arg)
{
	struct ftp_port *p = arg;
	uint8_t head[FTP_WIRE_HEAD_BYTES] = {0};
	struct ftp_port_tx t = {.head = head, .payload = payload};

	for (uint32_t i = 0; i < N_PACKETS;) {
		memcpy(head, &i, sizeof(i));
		t.payload_bytes = i % sizeof(payload);
		if (p->ops->tx(p, &t, 1) == 1)
			i++;
		else
			sched_yield();
	}
	p->ops->close(p); /* with packets in flight */
	return NULL;
}

static void tx__and_rx_on_two_threads(void **state)
{
	struct ftp_port *ends[2];
	struct ftp_port_rx r[FTP_PORT_BURST];
	pthread_t sender;
	uint32_t received = 0, turns = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(payload); i++)
		payload[i] = (uint8_t)(i * 31);
	ftp_ring_pair(16, ends);
	assert_int_equal(pthread_create(&sender, NULL, send_all, ends[0]), 0);
	for (; ends[1]->ops->link(ends[1]) == FTP_PORT_UP && turns < PATIENCE; turns++) {
		int n = ends[1]->ops->rx(ends[1], r, FTP_PORT_BURST);

		for (int i = 0; i < n; i++, received++) {
			assert_int_equal(
				r[i].bytes, FTP_WIRE_HEAD_BYTES + received % sizeof(payload));
			assert_memory_equal(r[i].packet, &received, sizeof(received));
			assert_memory_equal(r[i].packet + FTP_WIRE_HEAD_BYTES, payload,
				received % sizeof(payload));
		}
		ends[1]->ops->release(ends[1], r, n);
		if (!n)
			sched_yield();
	}
	pthread_join(sender, NULL);
	assert_int_equal(received, N_PACKETS);
	assert_int_equal(ends[1]->ops->link(ends[1]), FTP_PORT_DOWN);
	ends[1]->ops->close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(tx__and_rx_on_two_threads)};

	return cmocka_run_group_tests_name("ring", tests, NULL, NULL);
}
