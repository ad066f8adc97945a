/* The memif port alone: no acknowledgement, no checksum, nothing sent twice; what a connection over
 * it could reach at best. */
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "net/dpdk/eal.h"
#include "net/dpdk/memif.h"
#include "perf/net/bench.h"
#include "runtime/base/clock.h"
#include "runtime/poller.h"

#define BYTES  (1u << 20)
#define PACKET FTP_WIRE_MAX_PAYLOAD_BYTES
#define BURST  4

static int send_all(const struct bench *b, struct ftp_port *port, uint32_t n_packets)
{
	static uint8_t heads[BURST][FTP_WIRE_HEAD_BYTES];
	struct ftp_buffer owner;
	struct ftp_poller poller = {0};
	struct ftp_port_tx tx[BURST];

	ftp_buffer_init(&owner, b->arena, ARENA_BYTES);
	for (uint32_t sent = 0; sent < n_packets;) {
		int n = 0, accepted;

		for (; n < BURST && sent + (uint32_t)n < n_packets; n++) {
			uint32_t number = sent + (uint32_t)n;

			memcpy(heads[n], &number, sizeof(number));
			tx[n] = (struct ftp_port_tx){heads[n],
				b->arena + (size_t)number * PACKET % (N_TENSORS * BYTES), PACKET,
				&owner};
		}
		accepted = port->ops->tx(port, tx, n);
		sent += (uint32_t)accepted;
		if (!ftp_poller_turn(&poller, accepted > 0))
			sched_yield();
		if (port->ops->link(port) != FTP_PORT_UP)
			return -1;
	}
	return 0;
}

static int receive_all(
	const struct bench *b, struct ftp_port *port, uint32_t n_packets, struct result *r)
{
	struct ftp_poller poller = {0};
	uint64_t start_ns = 0;

	for (uint32_t received = 0; received < n_packets;) {
		struct ftp_port_rx rx[FTP_PORT_BURST];
		int n = port->ops->rx(port, rx, FTP_PORT_BURST);

		for (int i = 0; i < n; i++, received++) {
			uint32_t number;

			memcpy(&number, rx[i].packet, sizeof(number));
			if (number != received)
				return -1;
			memcpy(b->arena + (size_t)number * PACKET % (N_TENSORS * BYTES),
				rx[i].packet + FTP_WIRE_HEAD_BYTES, PACKET);
		}
		port->ops->release(port, rx, n);
		if (!ftp_poller_turn(&poller, n > 0))
			sched_yield();
		if (n && !start_ns)
			start_ns = ftp_clock_now_ns();
		if (!n && port->ops->link(port) != FTP_PORT_UP)
			return -1;
	}
	r->goodput_gb_s[1] = (double)PACKET * n_packets / (double)(ftp_clock_now_ns() - start_ns);
	return 0;
}

int raw_run(const struct bench *b, struct result *r)
{
	const struct ftp_eal_params eal = {.prefix = "bench-raw", .memory_bytes = 32u << 20};
	const uint32_t n_packets = goodput_sizes[1].n * (BYTES / PACKET);
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
	for (uint32_t i = 0; b->sender && i < N_TENSORS; i++)
		fill_tensor(b->arena + (size_t)i * BYTES, BYTES, i);
	while (port->ops->link(port) == FTP_PORT_CONNECTING)
		ftp_clock_sleep_ns(FTP_NS_PER_MS / 10);
	meet(b, 0);
	ret = go_realtime();
	if (!ret)
		ret = b->sender ? send_all(b, port, n_packets) : receive_all(b, port, n_packets, r);
	meet(b, 0);
	for (uint32_t i = 0; !b->sender && i < N_TENSORS; i++)
		if (!is_tensor(b->arena + (size_t)i * BYTES, BYTES, i))
			ret = -1;
	port->ops->close(port);
	ftp_eal_stop();
	return ret;
}
