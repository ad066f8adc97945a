#include "net/impair.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/error.h"
#include "runtime/base/prng.h"

#define N_WAITING    1024 /* packets a direction */
#define PACKET_BYTES (FTP_WIRE_HEAD_BYTES + FTP_WIRE_MAX_PAYLOAD_BYTES)
#define OVERTAKE_NS  (20 * FTP_NS_PER_US)
#define N_DRAWS	     5 /* random numbers a packet */

struct ftp_impair_fate ftp_impair_next(const struct ftp_impair *impair,
	struct ftp_impair_line *line, uint32_t bytes, uint64_t now_ns)
{
	uint64_t draw = N_DRAWS * line->n_packets++, held_ns;
	struct ftp_impair_fate fate = {.n = 1};

	if (line->free_ns < now_ns)
		line->free_ns = now_ns;
	if (impair->bandwidth_bytes_per_s)
		line->free_ns += bytes * FTP_NS_PER_S / impair->bandwidth_bytes_per_s;
	if (ftp_prng_unit(line->key, draw) < impair->loss)
		fate.n = 0;
	else if (ftp_prng_unit(line->key, draw + 1) < impair->duplication)
		fate.n = 2;
	held_ns = line->free_ns + impair->delay_ns;
	if (ftp_prng_unit(line->key, draw + 2) < impair->reordering)
		held_ns += impair->delay_ns / 4 > OVERTAKE_NS ? impair->delay_ns / 4 : OVERTAKE_NS;
	for (int i = 0; i < fate.n; i++) {
		fate.due_ns[i] = held_ns;
		if (impair->jitter_ns)
			fate.due_ns[i] +=
				ftp_prng_below(line->key, draw + 3 + i, impair->jitter_ns);
	}
	return fate;
}

struct waiting {
	uint64_t due_ns, order;
	uint32_t bytes, place;
};

/* Packets that wait, as a heap by (due_ns, order) over fixed places. */
struct direction {
	struct ftp_impair_line line;
	struct waiting heap[N_WAITING];
	uint32_t n;
	uint64_t order;
	uint8_t *memory;
	uint32_t free[N_WAITING], n_free;
};

struct emulator {
	struct ftp_port port;
	struct ftp_port *inner;
	struct ftp_impair impair;
	uint64_t (*clock_ns)(void);
	struct direction tx, rx;
};

static bool is_before(const struct waiting *a, const struct waiting *b)
{
	return a->due_ns < b->due_ns || (a->due_ns == b->due_ns && a->order < b->order);
}

static void swap(struct waiting *a, struct waiting *b)
{
	struct waiting t = *a;

	*a = *b;
	*b = t;
}

static uint8_t *place(struct direction *d, uint32_t i)
{
	return d->memory + (size_t)i * PACKET_BYTES;
}

/* Copies a packet to wait until due_ns; a full queue drops it. */
static void hold(struct direction *d, const uint8_t *head, const uint8_t *payload,
	uint32_t payload_bytes, uint64_t due_ns)
{
	uint32_t i = d->n, parent;
	struct waiting *w = &d->heap[i];

	if (!d->n_free || payload_bytes > FTP_WIRE_MAX_PAYLOAD_BYTES)
		return;
	d->n++;
	*w = (struct waiting){
		due_ns, d->order++, FTP_WIRE_HEAD_BYTES + payload_bytes, d->free[--d->n_free]};
	memcpy(place(d, w->place), head, FTP_WIRE_HEAD_BYTES);
	if (payload_bytes)
		memcpy(place(d, w->place) + FTP_WIRE_HEAD_BYTES, payload, payload_bytes);
	for (; i && is_before(&d->heap[i], &d->heap[parent = (i - 1) / 2]); i = parent)
		swap(&d->heap[i], &d->heap[parent]);
}

static void remove_first(struct direction *d)
{
	uint32_t i = 0, child;

	d->heap[0] = d->heap[--d->n];
	while ((child = 2 * i + 1) < d->n) {
		if (child + 1 < d->n && is_before(&d->heap[child + 1], &d->heap[child]))
			child++;
		if (!is_before(&d->heap[child], &d->heap[i]))
			break;
		swap(&d->heap[i], &d->heap[child]);
		i = child;
	}
}

static bool has_due(const struct direction *d, uint64_t now_ns)
{
	return d->n && d->heap[0].due_ns <= now_ns;
}

/* Hands what is due to inner. */
static void flush(struct emulator *e, uint64_t now_ns)
{
	struct direction *d = &e->tx;

	while (has_due(d, now_ns)) {
		uint8_t *packet = place(d, d->heap[0].place);
		struct ftp_port_tx tx = {
			.head = packet,
			.payload = packet + FTP_WIRE_HEAD_BYTES,
			.payload_bytes = d->heap[0].bytes - FTP_WIRE_HEAD_BYTES,
		};

		if (!e->inner->ops->tx(e->inner, &tx, 1))
			return;
		d->free[d->n_free++] = d->heap[0].place;
		remove_first(d);
	}
}

static int emulator_tx(struct ftp_port *p, const struct ftp_port_tx *packets, int n)
{
	struct emulator *e = (struct emulator *)p;
	uint64_t now_ns = e->clock_ns();

	flush(e, now_ns);
	for (int i = 0; i < n; i++) {
		const struct ftp_port_tx *t = &packets[i];
		struct ftp_impair_line before = e->tx.line;
		struct ftp_impair_fate fate = ftp_impair_next(
			&e->impair, &e->tx.line, FTP_WIRE_HEAD_BYTES + t->payload_bytes, now_ns);
		int first = 0;

		if (fate.n && fate.due_ns[0] <= now_ns) {
			if (!e->inner->ops->tx(e->inner, t, 1)) {
				e->tx.line = before;
				return i;
			}
			first = 1;
		}
		for (int k = first; k < fate.n; k++)
			hold(&e->tx, t->head, t->payload, t->payload_bytes, fate.due_ns[k]);
	}
	return n;
}

static void release_inner(struct emulator *e, struct ftp_port_rx *packet)
{
	e->inner->ops->release(e->inner, packet, 1);
}

/* The memory of a held packet stays in use until release(); its token is the place. */
static int take_due(struct emulator *e, struct ftp_port_rx *packets, int max, uint64_t now_ns)
{
	struct direction *d = &e->rx;
	int n = 0;

	for (; n < max && has_due(d, now_ns); n++) {
		packets[n].packet = place(d, d->heap[0].place);
		packets[n].bytes = d->heap[0].bytes;
		packets[n].token = &d->free[d->heap[0].place];
		remove_first(d);
	}
	return n;
}

static int emulator_rx(struct ftp_port *p, struct ftp_port_rx *packets, int max)
{
	struct emulator *e = (struct emulator *)p;
	uint64_t now_ns = e->clock_ns();
	struct ftp_port_rx got[FTP_PORT_BURST];
	int n, n_got;

	flush(e, now_ns);
	n = take_due(e, packets, max, now_ns);
	n_got = max - n < FTP_PORT_BURST ? max - n : FTP_PORT_BURST;
	n_got = n_got ? e->inner->ops->rx(e->inner, got, n_got) : 0;
	for (int i = 0; i < n_got; i++) {
		struct ftp_impair_fate fate =
			ftp_impair_next(&e->impair, &e->rx.line, got[i].bytes, now_ns);
		bool passes = fate.n && fate.due_ns[0] <= now_ns;

		for (int k = passes; k < fate.n && got[i].bytes >= FTP_WIRE_HEAD_BYTES; k++)
			hold(&e->rx, got[i].packet, got[i].packet + FTP_WIRE_HEAD_BYTES,
				got[i].bytes - FTP_WIRE_HEAD_BYTES, fate.due_ns[k]);
		if (passes)
			packets[n++] = got[i];
		else
			release_inner(e, &got[i]);
	}
	return n;
}

static void emulator_release(struct ftp_port *p, struct ftp_port_rx *packets, int n)
{
	struct emulator *e = (struct emulator *)p;
	struct direction *d = &e->rx;

	for (int i = 0; i < n; i++) {
		uintptr_t at = (uintptr_t)packets[i].token, base = (uintptr_t)d->free;

		if (at >= base && at < base + sizeof(d->free))
			d->free[d->n_free++] = (uint32_t)((at - base) / sizeof(d->free[0]));
		else
			release_inner(e, &packets[i]);
	}
}

static bool emulator_idle(struct ftp_port *p, const struct ftp_buffer *b)
{
	struct emulator *e = (struct emulator *)p;

	return e->inner->ops->idle(e->inner, b);
}

static enum ftp_port_link emulator_link(struct ftp_port *p)
{
	struct emulator *e = (struct emulator *)p;

	return e->inner->ops->link(e->inner);
}

static int emulator_arm(struct ftp_port *p)
{
	struct emulator *e = (struct emulator *)p;
	int fd = e->inner->ops->arm(e->inner);

	return e->tx.n || e->rx.n ? -1 : fd;
}

static void emulator_disarm(struct ftp_port *p)
{
	struct emulator *e = (struct emulator *)p;

	e->inner->ops->disarm(e->inner);
}

static void emulator_close(struct ftp_port *p)
{
	struct emulator *e = (struct emulator *)p;

	e->inner->ops->close(e->inner);
	free(e->tx.memory);
	free(e->rx.memory);
	free(e);
}

static const struct ftp_port_ops emulator_ops = {
	.tx = emulator_tx,
	.rx = emulator_rx,
	.release = emulator_release,
	.idle = emulator_idle,
	.link = emulator_link,
	.arm = emulator_arm,
	.disarm = emulator_disarm,
	.close = emulator_close,
};

static void direction_init(struct direction *d, uint64_t seed, uint64_t sub)
{
	d->line.key = ftp_prng_key(seed, FTP_PRNG_FAULT, sub);
	d->memory = malloc((size_t)N_WAITING * PACKET_BYTES);
	ftp_assert(d->memory);
	for (uint32_t i = 0; i < N_WAITING; i++)
		d->free[d->n_free++] = i;
}

struct ftp_port *ftp_impair_wrap(struct ftp_port *inner, const struct ftp_impair *impair,
	uint64_t seed, uint64_t (*clock_ns)(void))
{
	struct emulator *e = calloc(1, sizeof(*e));

	ftp_assert(e);
	e->port = (struct ftp_port){.ops = &emulator_ops, .caps = inner->caps};
	e->inner = inner;
	e->impair = *impair;
	e->clock_ns = clock_ns;
	e->port.caps.drops_silently = true;
	direction_init(&e->tx, seed, 0);
	direction_init(&e->rx, seed, 1);
	return &e->port;
}

bool ftp_impair_set(struct ftp_port *wrapped, const struct ftp_impair *impair)
{
	struct emulator *e = (struct emulator *)wrapped;

	if (wrapped->ops != &emulator_ops)
		return false;
	e->impair = *impair;
	/* What an old limit has queued is not to delay the packets after it. */
	e->tx.line.free_ns = 0;
	e->rx.line.free_ns = 0;
	return true;
}
