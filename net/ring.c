#include "net/ring.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "net/doorbell.h"
#include "runtime/base/log.h"
#include "runtime/base/spsc.h"

/* Slots are as far apart that payload, behind the head, starts on a cache line. */
#define SLOT_PAD    (128 - FTP_WIRE_HEAD_BYTES)
#define SLOT_BYTES  (SLOT_PAD + FTP_WIRE_HEAD_BYTES + FTP_WIRE_MAX_PAYLOAD_BYTES)
#define CHECK_EVERY 64 /* polls that found nothing, for a look whether the peer lives */

struct filled {
	uint32_t slot;
	uint32_t bytes;
};

/* One direction. A slot's index is in `free` (the sender's to fill), in `filled`, or lent. */
struct direction {
	struct ftp_spsc filled; /* of struct filled; sender to receiver */
	struct ftp_spsc free;	/* of uint32_t; receiver to sender */
	uint8_t *slots;
};

struct pair {
	struct direction direction[2]; /* direction[i]: from end i */
	_Atomic int n_open;
};

struct end {
	struct ftp_port port;
	struct pair *pair;
	struct direction *out, *in;
	enum ftp_port_link link;
	uint32_t n_empty; /* polls that found nothing */
	struct ftp_doorbell doorbell;
};

static struct end *end_of(struct ftp_port *p)
{
	return (struct end *)p;
}

static int ring_tx(struct ftp_port *p, const struct ftp_port_tx *packets, int n)
{
	struct end *e = end_of(p);
	int sent;

	for (sent = 0; sent < n; sent++) {
		const struct ftp_port_tx *t = &packets[sent];
		struct filled f = {.bytes = FTP_WIRE_HEAD_BYTES + t->payload_bytes};
		uint8_t *packet;

		if (!ftp_spsc_pop(&e->out->free, &f.slot))
			break;
		packet = e->out->slots + (size_t)f.slot * SLOT_BYTES + SLOT_PAD;
		memcpy(packet, t->head, FTP_WIRE_HEAD_BYTES);
		if (t->payload_bytes)
			memcpy(packet + FTP_WIRE_HEAD_BYTES, t->payload, t->payload_bytes);
		ftp_assert(ftp_spsc_push(&e->out->filled, &f));
	}
	if (sent)
		ftp_doorbell_ring(&e->doorbell);
	return sent;
}

static int receive(struct end *e, struct ftp_port_rx *packets, int max)
{
	struct filled f;
	int n;

	for (n = 0; n < max && ftp_spsc_pop(&e->in->filled, &f); n++) {
		uint8_t *packet = e->in->slots + (size_t)f.slot * SLOT_BYTES + SLOT_PAD;

		packets[n] = (struct ftp_port_rx){packet, f.bytes, packet};
	}
	return n;
}

static int ring_rx(struct ftp_port *p, struct ftp_port_rx *packets, int max)
{
	struct end *e = end_of(p);
	int n = receive(e, packets, max);

	if (n || (!e->doorbell.gone && ++e->n_empty % CHECK_EVERY))
		return n;
	if (!ftp_doorbell_check(&e->doorbell))
		return 0;
	/* Gone; what it sent before is still in the ring. */
	n = receive(e, packets, max);
	if (!n)
		e->link = FTP_PORT_DOWN;
	return n;
}

static void ring_release(struct ftp_port *p, struct ftp_port_rx *packets, int n)
{
	struct end *e = end_of(p);

	for (int i = 0; i < n; i++) {
		uint8_t *packet = packets[i].token;
		uint32_t slot = (uint32_t)((size_t)(packet - e->in->slots) / SLOT_BYTES);

		ftp_assert(ftp_spsc_push(&e->in->free, &slot));
	}
}

static bool ring_idle(struct ftp_port *p, const struct ftp_buffer *b)
{
	(void)p;
	(void)b;
	return true; /* tx() copied it */
}

static enum ftp_port_link ring_link(struct ftp_port *p)
{
	return end_of(p)->link;
}

static int ring_arm(struct ftp_port *p)
{
	return ftp_doorbell_arm(&end_of(p)->doorbell);
}

static void ring_disarm(struct ftp_port *p)
{
	ftp_doorbell_disarm(&end_of(p)->doorbell);
}

static void ring_close(struct ftp_port *p)
{
	struct end *e = end_of(p);

	ftp_doorbell_close(&e->doorbell);
	if (atomic_fetch_sub(&e->pair->n_open, 1) == 1) {
		for (int i = 0; i < 2; i++) {
			ftp_spsc_deinit(&e->pair->direction[i].filled);
			ftp_spsc_deinit(&e->pair->direction[i].free);
			free(e->pair->direction[i].slots);
		}
		free(e->pair);
	}
	free(e);
}

static const struct ftp_port_ops ring_ops = {
	.tx = ring_tx,
	.rx = ring_rx,
	.release = ring_release,
	.idle = ring_idle,
	.link = ring_link,
	.arm = ring_arm,
	.disarm = ring_disarm,
	.close = ring_close,
};

static void init_direction(struct direction *d, uint32_t n_packets)
{
	ftp_spsc_init(&d->filled, n_packets, sizeof(struct filled));
	ftp_spsc_init(&d->free, n_packets, sizeof(uint32_t));
	d->slots = aligned_alloc(64, (size_t)n_packets * SLOT_BYTES);
	ftp_assert(d->slots);
	for (uint32_t i = 0; i < n_packets; i++)
		ftp_assert(ftp_spsc_push(&d->free, &i));
}

void ftp_ring_pair(uint32_t n_packets, struct ftp_port *ends[2])
{
	struct pair *pair = aligned_alloc(_Alignof(struct pair), sizeof(*pair));
	struct ftp_doorbell doorbells[2];
	struct ftp_error err;

	ftp_assert(pair);
	if (ftp_doorbell_pair(doorbells, &err) < 0) {
		ftp_log_error("ring: %s", err.text);
		ftp_assert(!"a doorbell for the ring");
	}
	atomic_init(&pair->n_open, 2);
	for (int i = 0; i < 2; i++)
		init_direction(&pair->direction[i], n_packets);
	for (int i = 0; i < 2; i++) {
		struct end *e = calloc(1, sizeof(*e));

		ftp_assert(e);
		e->port.ops = &ring_ops;
		e->port.caps = (struct ftp_port_caps){
			.name = "ring",
			.max_payload_bytes = FTP_WIRE_MAX_PAYLOAD_BYTES,
			.window_packets = n_packets,
			.tx_burst = 4,
			.drops_silently = false,
			.tx_copies = 1,
			.rx_copies = 0,
		};
		e->pair = pair;
		e->out = &pair->direction[i];
		e->in = &pair->direction[!i];
		e->link = FTP_PORT_UP;
		e->doorbell = doorbells[i];
		ends[i] = &e->port;
	}
}
