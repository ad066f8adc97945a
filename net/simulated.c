#include "net/simulated.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/error.h"
#include "runtime/base/prng.h"

struct packet {
	uint64_t due_ns, order;
	struct end *to; /* NULL: its end was closed */
	struct end *from;
	struct ftp_buffer *owner; /* payload is read from it on arrival; NULL: it is in bytes */
	const uint8_t *payload;
	uint32_t n_bytes; /* 0: no packet, but the end of whoever sent */
	uint8_t bytes[];  /* head and payload, contiguous */
};

struct end {
	struct ftp_port port;
	struct ftp_simulated *network;
	struct end *peer; /* NULL: closed */
	struct ftp_impair impair;
	struct ftp_impair_line line;
	bool is_tx_cut, is_rx_cut, is_refused;
	bool is_gone;	      /* it has hung up, or been closed */
	bool is_down;	      /* it knows that of its peer */
	struct packet **ring; /* received */
	uint32_t n_ring, ring_head, ring_used;
};

struct ftp_simulated {
	uint64_t seed, now_ns, order, linger_ns;
	uint64_t n_ends, n_keys;
	struct packet **heap; /* by (due_ns, order) */
	uint32_t n, n_room;
};

static bool is_before(const struct packet *a, const struct packet *b)
{
	return a->due_ns < b->due_ns || (a->due_ns == b->due_ns && a->order < b->order);
}

static void swap(struct packet **a, struct packet **b)
{
	struct packet *t = *a;

	*a = *b;
	*b = t;
}

static void heap_push(struct ftp_simulated *s, struct packet *p)
{
	uint32_t i = s->n, parent;

	if (s->n == s->n_room) {
		s->n_room = s->n_room ? 2 * s->n_room : 64;
		s->heap = realloc(s->heap, s->n_room * sizeof(s->heap[0]));
		ftp_assert(s->heap);
	}
	p->order = s->order++;
	s->heap[s->n++] = p;
	for (; i && is_before(s->heap[i], s->heap[parent = (i - 1) / 2]); i = parent)
		swap(&s->heap[i], &s->heap[parent]);
}

static struct packet *heap_pop(struct ftp_simulated *s)
{
	struct packet *first = s->heap[0];
	uint32_t i = 0, child;

	s->heap[0] = s->heap[--s->n];
	while ((child = 2 * i + 1) < s->n) {
		if (child + 1 < s->n && is_before(s->heap[child + 1], s->heap[child]))
			child++;
		if (!is_before(s->heap[child], s->heap[i]))
			break;
		swap(&s->heap[i], &s->heap[child]);
		i = child;
	}
	return first;
}

/* The network no longer points into the sender's memory. */
static void let_go(struct packet *p)
{
	if (!p->owner)
		return;
	ftp_assert(p->owner->port_words[0]);
	p->owner->port_words[0]--;
	p->owner = NULL;
}

/* Whom it concerns, in ends. */
static void arrive(struct packet *p, struct ftp_port *ends[2])
{
	struct ftp_buffer *owner = p->owner;
	struct end *e = p->to;
	bool is_end = !p->n_bytes;

	ends[0] = NULL;
	if (e && is_end)
		e->is_down = true;
	if (!e || is_end || e->is_gone || e->is_rx_cut || e->ring_used == e->n_ring) {
		let_go(p);
	} else {
		if (owner)
			memcpy(p->bytes + FTP_WIRE_HEAD_BYTES, p->payload,
				p->n_bytes - FTP_WIRE_HEAD_BYTES);
		let_go(p);
		e->ring[(e->ring_head + e->ring_used++) % e->n_ring] = p;
		ends[0] = &e->port;
	}
	if (e && is_end)
		ends[0] = &e->port;
	ends[1] = owner && p->from && !owner->port_words[0] ? &p->from->port : NULL;
	if (!ends[0] || is_end)
		free(p);
}

static void send_copy(struct end *e, const struct ftp_port_tx *t, uint64_t due_ns)
{
	struct packet *p = malloc(sizeof(*p) + FTP_WIRE_HEAD_BYTES + t->payload_bytes);

	ftp_assert(p);
	*p = (struct packet){
		.due_ns = due_ns,
		.to = e->peer,
		.from = e,
		.owner = t->owner,
		.payload = t->payload,
		.n_bytes = FTP_WIRE_HEAD_BYTES + t->payload_bytes,
	};
	memcpy(p->bytes, t->head, FTP_WIRE_HEAD_BYTES);
	if (t->owner)
		t->owner->port_words[0]++;
	else if (t->payload_bytes)
		memcpy(p->bytes + FTP_WIRE_HEAD_BYTES, t->payload, t->payload_bytes);
	heap_push(e->network, p);
}

static int end_tx(struct ftp_port *port, const struct ftp_port_tx *packets, int n)
{
	struct end *e = (struct end *)port;

	if (e->is_refused || e->is_down)
		return 0;
	for (int i = 0; i < n; i++) {
		struct ftp_impair_fate fate = ftp_impair_next(&e->impair, &e->line,
			FTP_WIRE_HEAD_BYTES + packets[i].payload_bytes, e->network->now_ns);

		for (int k = 0; k < fate.n && e->peer && !e->is_tx_cut && !e->is_gone; k++)
			send_copy(e, &packets[i], fate.due_ns[k]);
	}
	return n;
}

static int end_rx(struct ftp_port *port, struct ftp_port_rx *packets, int max)
{
	struct end *e = (struct end *)port;
	int n = 0;

	for (; n < max && e->ring_used; n++) {
		struct packet *p = e->ring[e->ring_head];

		e->ring_head = (e->ring_head + 1) % e->n_ring;
		e->ring_used--;
		packets[n] = (struct ftp_port_rx){p->bytes, p->n_bytes, p};
	}
	return n;
}

static void end_release(struct ftp_port *port, struct ftp_port_rx *packets, int n)
{
	(void)port;
	for (int i = 0; i < n; i++)
		free(packets[i].token);
}

static bool end_idle(struct ftp_port *port, const struct ftp_buffer *b)
{
	(void)port;
	return !b->port_words[0];
}

static enum ftp_port_link end_link(struct ftp_port *port)
{
	return ((struct end *)port)->is_down ? FTP_PORT_DOWN : FTP_PORT_UP;
}

static int end_arm(struct ftp_port *port)
{
	(void)port;
	return -1;
}

static void end_disarm(struct ftp_port *port)
{
	(void)port;
}

static void tell_end(struct end *e)
{
	struct ftp_simulated *s = e->network;
	struct packet *p;

	if (e->is_gone)
		return;
	e->is_gone = true;
	if (!e->peer || !s->linger_ns) {
		if (e->peer)
			e->peer->is_down = true;
		return;
	}
	if (s->linger_ns == FTP_NS_NEVER)
		return;
	p = calloc(1, sizeof(*p));
	ftp_assert(p);
	p->due_ns = s->now_ns + s->linger_ns;
	p->to = e->peer;
	heap_push(s, p);
}

static void end_close(struct ftp_port *port)
{
	struct end *e = (struct end *)port;
	struct ftp_simulated *s = e->network;

	tell_end(e);
	for (uint32_t i = 0; i < s->n; i++) {
		struct packet *p = s->heap[i];

		if (p->to == e)
			p->to = NULL;
		if (p->from != e)
			continue;
		p->from = NULL;
		if (!p->owner)
			continue;
		memcpy(p->bytes + FTP_WIRE_HEAD_BYTES, p->payload,
			p->n_bytes - FTP_WIRE_HEAD_BYTES);
		let_go(p);
	}
	while (e->ring_used) {
		free(e->ring[e->ring_head]);
		e->ring_head = (e->ring_head + 1) % e->n_ring;
		e->ring_used--;
	}
	if (e->peer)
		e->peer->peer = NULL;
	s->n_ends--;
	free(e->ring);
	free(e);
}

static const struct ftp_port_ops end_ops = {
	.tx = end_tx,
	.rx = end_rx,
	.release = end_release,
	.idle = end_idle,
	.link = end_link,
	.arm = end_arm,
	.disarm = end_disarm,
	.close = end_close,
};

struct ftp_simulated *ftp_simulated_new(uint64_t seed)
{
	struct ftp_simulated *s = calloc(1, sizeof(*s));

	ftp_assert(s);
	s->seed = seed;
	return s;
}

void ftp_simulated_free(struct ftp_simulated *s)
{
	ftp_assert(!s->n_ends);
	while (s->n)
		free(heap_pop(s));
	free(s->heap);
	free(s);
}

static struct end *end_new(
	struct ftp_simulated *s, const struct ftp_impair *impair, uint32_t window_packets)
{
	struct end *e = calloc(1, sizeof(*e));

	ftp_assert(e);
	*e = (struct end){
		.port = {.ops = &end_ops,
			.caps = {.name = "simulated",
				.max_payload_bytes = FTP_WIRE_MAX_PAYLOAD_BYTES,
				.window_packets = window_packets,
				.tx_burst = FTP_PORT_BURST,
				.drops_silently = true,
				.rx_copies = 1}},
		.network = s,
		.impair = *impair,
		.line = {.key = ftp_prng_key(s->seed, FTP_PRNG_FAULT, s->n_keys++)},
		.n_ring = window_packets,
	};
	e->ring = calloc(window_packets, sizeof(*e->ring));
	ftp_assert(e->ring);
	s->n_ends++;
	return e;
}

void ftp_simulated_pair(struct ftp_simulated *s, const struct ftp_impair *impair,
	uint32_t window_packets, struct ftp_port *ends[2])
{
	struct end *a = end_new(s, impair, window_packets);
	struct end *b = end_new(s, impair, window_packets);

	a->peer = b;
	b->peer = a;
	ends[0] = &a->port;
	ends[1] = &b->port;
}

void ftp_simulated_cut(struct ftp_simulated *s, struct ftp_port *end, bool tx, bool rx)
{
	struct end *e = (struct end *)end;

	ftp_assert(e->network == s);
	e->is_tx_cut = tx;
	e->is_rx_cut = rx;
}

void ftp_simulated_refuse(struct ftp_simulated *s, struct ftp_port *end, bool refused)
{
	struct end *e = (struct end *)end;

	ftp_assert(e->network == s);
	e->is_refused = refused;
}

void ftp_simulated_linger(struct ftp_simulated *s, uint64_t ns)
{
	s->linger_ns = ns;
}

void ftp_simulated_hang_up(struct ftp_simulated *s, struct ftp_port *end)
{
	struct end *e = (struct end *)end;

	ftp_assert(e->network == s);
	tell_end(e);
}

uint64_t ftp_simulated_now_ns(const struct ftp_simulated *s)
{
	return s->now_ns;
}

uint64_t ftp_simulated_next_ns(const struct ftp_simulated *s)
{
	return s->n ? s->heap[0]->due_ns : FTP_NS_NEVER;
}

bool ftp_simulated_arrive(struct ftp_simulated *s, uint64_t until_ns, struct ftp_port *ends[2])
{
	struct packet *p;

	ftp_assert(until_ns >= s->now_ns);
	if (!s->n || s->heap[0]->due_ns > until_ns) {
		s->now_ns = until_ns;
		return false;
	}
	p = heap_pop(s);
	s->now_ns = p->due_ns > s->now_ns ? p->due_ns : s->now_ns;
	arrive(p, ends);
	return true;
}

void ftp_simulated_advance(struct ftp_simulated *s, uint64_t now_ns)
{
	struct ftp_port *ends[2];

	while (ftp_simulated_arrive(s, now_ns, ends))
		;
}
