/* libFuzzer harness: the input is a program of packets, calls and passing time for one connection.
 * Packets are raw bytes or well addressed and sealed, so that the inside is reached. Posted memory
 * is allocated to size: a write beyond it is found by the address sanitizer. */
#include <stdlib.h>
#include <string.h>

#include "net/connection.h"
#include "net/frames.h"
#include "runtime/base/little_endian.h"
#include "runtime/base/clock.h"

#define N_MEMORIES 8

struct input {
	const uint8_t *data;
	size_t bytes;
};

struct fuzz {
	struct input in;
	struct ftp_connection *c;
	struct ftp_port port;
	uint64_t now_ns, term, n_ids;
	struct ftp_buffer buffers[N_MEMORIES];
	void *memories[N_MEMORIES];
	uint8_t packet[FTP_WIRE_HEAD_BYTES + FTP_WIRE_MAX_PAYLOAD_BYTES];
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static bool always_idle(struct ftp_port *p, const struct ftp_buffer *b)
{
	(void)p;
	(void)b;
	return true;
}

static const struct ftp_port_ops ops = {.idle = always_idle};

static uint8_t take8(struct input *in)
{
	if (!in->bytes)
		return 0;
	in->bytes--;
	return *in->data++;
}

static uint16_t take16(struct input *in)
{
	return (uint16_t)(take8(in) | take8(in) << 8);
}

static uint32_t take_bytes(struct input *in, uint8_t *out, uint32_t bytes)
{
	if (bytes > in->bytes)
		bytes = (uint32_t)in->bytes;
	memcpy(out, in->data, bytes);
	in->data += bytes;
	in->bytes -= bytes;
	return bytes;
}

static void raw_packet(struct fuzz *f)
{
	uint32_t bytes = take_bytes(&f->in, f->packet, take16(&f->in) % sizeof(f->packet));

	ftp_connection_receive(f->c, f->packet, bytes, f->now_ns);
}

/* Small ids and offsets that fit the grid, more often than not. */
static void sealed_packet(struct fuzz *f)
{
	struct ftp_wire_header h = {.run = 1, .term = f->term, .source = 3, .destination = 2};
	uint8_t flags = take8(&f->in);
	uint8_t *payload = f->packet + FTP_WIRE_HEAD_BYTES;

	h.type = 1 + flags % 5;
	h.packet_number = take16(&f->in);
	if (flags & 0x40)
		h.term += take8(&f->in);
	if (flags & 0x80)
		h.packet_number |= FTP_WIRE_APART;
	h.length = take16(&f->in) % 1100;
	memset(payload, 0, h.length);
	take_bytes(&f->in, payload, h.length);
	if (h.type == FTP_WIRE_DATA) {
		h.id.step = take8(&f->in) % 16;
		h.offset = take8(&f->in) % 4 * 1024;
		h.total = take16(&f->in) % 5000;
	}
	ftp_wire_encode(f->packet, &h);
	ftp_wire_seal(f->packet, payload, h.length);
	ftp_connection_receive(f->c, f->packet, FTP_WIRE_HEAD_BYTES + h.length, f->now_ns);
}

static void good_hello(struct fuzz *f)
{
	struct ftp_wire_header h = {.type = FTP_WIRE_HELLO,
		.run = 1,
		.term = f->term,
		.source = 3,
		.destination = 2,
		.packet_number = take8(&f->in)};
	uint8_t *payload = f->packet + FTP_WIRE_HEAD_BYTES;

	h.length = (uint16_t)ftp_frame_encode_hello(
		payload, &(struct ftp_frame_hello){1000, 1024, 1 + take8(&f->in) % 8});
	ftp_wire_encode(f->packet, &h);
	ftp_wire_seal(f->packet, payload, h.length);
	ftp_connection_receive(f->c, f->packet, FTP_WIRE_HEAD_BYTES + h.length, f->now_ns);
}

static void pass_time(struct fuzz *f)
{
	uint64_t deadline_ns = ftp_connection_deadline(f->c);
	uint16_t how = take16(&f->in);

	if (how & 1 && deadline_ns != FTP_NS_NEVER && deadline_ns > f->now_ns)
		f->now_ns = deadline_ns;
	else
		f->now_ns += (uint64_t)how << 8;
}

static void transmit(struct fuzz *f)
{
	struct ftp_port_tx packets[FTP_PORT_BURST];
	int n = ftp_connection_transmit(
		f->c, packets, 1 + take8(&f->in) % FTP_PORT_BURST, f->now_ns);

	for (int i = 0; i < n; i++)
		ftp_wire_seal((uint8_t *)memcpy(f->packet, packets[i].head, FTP_WIRE_HEAD_BYTES),
			packets[i].payload, packets[i].payload_bytes);
	ftp_connection_sent(f->c, n - n * (take8(&f->in) % 4 == 3), f->now_ns);
}

static void *fresh_memory(struct fuzz *f, uint32_t i, uint32_t bytes)
{
	free(f->memories[i]);
	f->memories[i] = calloc(1, bytes);
	return f->memories[i];
}

static int free_place(struct fuzz *f)
{
	for (int i = 0; i < N_MEMORIES; i++)
		if (!f->memories[i])
			return i;
	return -1;
}

static void open_message(struct fuzz *f, bool is_send)
{
	struct ftp_message_id id = {.step = f->n_ids++ % 16};
	uint32_t bytes = 1 + take16(&f->in) % 4096;
	int i = free_place(f), r;
	void *memory;

	if (i < 0)
		return;
	memory = fresh_memory(f, (uint32_t)i, bytes);
	ftp_buffer_init(&f->buffers[i], memory, bytes);
	r = is_send ? ftp_connection_send(f->c, &id, bytes % 3, &f->buffers[i], f->now_ns)
		    : ftp_connection_post(f->c, &id, memory, bytes);
	if (!r)
		return;
	free(memory);
	f->memories[i] = NULL;
}

static void post_message(struct fuzz *f)
{
	open_message(f, false);
}

static void send_message(struct fuzz *f)
{
	open_message(f, true);
}

/* What is given back is freed: a later touch is found. */
static void take_event(struct fuzz *f)
{
	struct ftp_connection_event e = ftp_connection_next_event(f->c, &f->port);

	if (e.kind != FTP_CONNECTION_RECEIVED && e.kind != FTP_CONNECTION_SENT)
		return;
	for (int i = 0; i < N_MEMORIES; i++) {
		if (f->memories[i] != e.data)
			continue;
		free(f->memories[i]);
		f->memories[i] = NULL;
		return;
	}
	abort();
}

static void new_term(struct fuzz *f)
{
	if (take8(&f->in) % 4)
		return;
	ftp_connection_set_term(f->c, ++f->term, f->now_ns);
	for (int i = 0; i < N_MEMORIES; i++) {
		free(f->memories[i]);
		f->memories[i] = NULL;
	}
}

typedef void step_fn(struct fuzz *f);

static step_fn *const steps[] = {raw_packet, sealed_packet, sealed_packet, sealed_packet,
	good_hello, pass_time, transmit, transmit, post_message, send_message, take_event,
	new_term};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct fuzz f = {.in = {data, bytes},
		.port = {.ops = &ops,
			.caps = {.name = "fuzz",
				.max_payload_bytes = 2048,
				.window_packets = 8,
				.tx_burst = 4,
				.drops_silently = bytes & 1}},
		.now_ns = 1,
		.term = 1};
	struct ftp_connection_params params = {.run = 1,
		.term = 1,
		.local = 2,
		.remote = 3,
		.caps = f.port.caps,
		.n_messages = 6,
		.max_ack_delay_ns = 1000,
		.max_message_bytes = 4096,
		.idle_timeout_ns = FTP_NS_PER_S};

	if (ftp_connection_new(&f.c, &params, f.now_ns, NULL))
		abort();
	while (f.in.bytes)
		steps[take8(&f.in) % (sizeof(steps) / sizeof(steps[0]))](&f);
	ftp_connection_free(f.c);
	for (int i = 0; i < N_MEMORIES; i++)
		free(f.memories[i]);
	return 0;
}
