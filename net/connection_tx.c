#include <string.h>

#include "net/connection_state.h"
#include "runtime/base/clock.h"

#define HELLO_LONGEST_WAIT_NS (50 * FTP_NS_PER_MS)
#define RETRY_FIRST_NS	      (50 * FTP_NS_PER_US) /* after the port refused */
#define RETRY_LONGEST_NS      (5 * FTP_NS_PER_MS)
#define N_PROBES	      2 /* RFC 9002 section 6.2.4 */

static bool counts_in_flight(uint8_t type)
{
	return type == FTP_WIRE_DATA || type == FTP_WIRE_GRANT;
}

static struct ftp_outbox_chunk chunk_of(const struct ftp_sent *s)
{
	return (struct ftp_outbox_chunk){s->message, s->generation, s->chunk};
}

void ftp_connection_acked(struct ftp_connection *c, const struct ftp_sent *s, bool was_limited)
{
	struct ftp_outbox_chunk chunk = chunk_of(s);

	if (s->type == FTP_WIRE_HELLO)
		c->is_hello_acked = true;
	if (!counts_in_flight(s->type))
		return;
	c->loss.n_in_flight--;
	ftp_congestion_acked(&c->congestion, s->bytes, s->time_ns, was_limited);
	if (s->type == FTP_WIRE_DATA)
		ftp_outbox_acked(&c->outbox, &chunk);
}

void ftp_connection_lost(
	struct ftp_connection *c, uint64_t number, const struct ftp_sent *s, uint64_t now_ns)
{
	struct ftp_outbox_chunk chunk = chunk_of(s);

	if (!counts_in_flight(s->type))
		return;
	c->loss.n_in_flight--;
	ftp_congestion_lost(&c->congestion, s->bytes, s->time_ns, now_ns);
	if (s->type == FTP_WIRE_DATA)
		ftp_outbox_lost(&c->outbox, &chunk);
	else
		ftp_inbox_grant_lost(&c->inbox, number);
}

/* s leaves the flight, which says nothing about the network. */
static void forget(struct ftp_connection *c, const struct ftp_sent *s)
{
	if (!counts_in_flight(s->type))
		return;
	c->loss.n_in_flight--;
	c->congestion.in_flight_bytes -= s->bytes;
}

struct loss_context {
	struct ftp_connection *c;
	uint64_t now_ns;
};

static void on_lost(void *arg, uint64_t number, const struct ftp_sent *s)
{
	struct loss_context *x = arg;

	ftp_connection_lost(x->c, number, s, x->now_ns);
}

void ftp_connection_detect(struct ftp_connection *c, uint64_t now_ns)
{
	struct loss_context x = {c, now_ns};

	if (ftp_loss_detect(&c->loss, &c->sent, c->peer.max_ack_delay_ns, now_ns, on_lost, &x))
		ftp_congestion_collapse(&c->congestion);
}

/* Queues what s carried to be sent once more, though it may not be lost. false: nobody needs it. */
static bool send_again(struct ftp_connection *c, uint64_t number, const struct ftp_sent *s)
{
	struct ftp_outbox_chunk chunk = chunk_of(s);

	if (s->type == FTP_WIRE_DATA)
		return ftp_outbox_probe(&c->outbox, &chunk);
	return ftp_inbox_grant_lost(&c->inbox, number);
}

/* Section 6.2.4: what has waited longest serves as the probe. */
static void probe(struct ftp_connection *c, uint64_t now_ns)
{
	bool is_found = false;

	for (uint64_t number = c->sent.oldest; number < c->sent.next && !is_found; number++) {
		struct ftp_sent *s = ftp_sentmap_at(&c->sent, number);

		if (s->state != FTP_SENT_OUTSTANDING || !counts_in_flight(s->type))
			continue;
		is_found = send_again(c, number, s);
		if (!is_found) { /* another copy has arrived: this one is not waited for */
			s->state = FTP_SENT_RESOLVED;
			forget(c, s);
		}
	}
	ftp_sentmap_settle(&c->sent);
	if (!is_found) {
		c->loss.last_sent_ns = now_ns;
		return;
	}
	c->n_probes = N_PROBES;
	c->loss.n_probe_timeouts++;
	c->stats.probe_timeouts++;
}

static uint64_t idle_deadline_ns(const struct ftp_connection *c)
{
	if (c->params.waits_for_peer && !c->is_established)
		return FTP_NS_NEVER;
	return ftp_silence_deadline_ns(&c->silence);
}

static uint64_t min64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t keep_alive_ns(const struct ftp_connection *c)
{
	return c->spoke_ns + min64(FTP_SILENCE_BEAT_NS, c->params.idle_timeout_ns / 4);
}

static void run_timers(struct ftp_connection *c, uint64_t now_ns)
{
	ftp_silence_look(&c->silence, now_ns);
	if (now_ns >= idle_deadline_ns(c)) {
		c->silence_ns = ftp_silence_wait_ns(&c->silence);
		if (c->silence.is_watched)
			c->stats.silence_ratio = 1;
		ftp_connection_lose(c, FTP_CONNECTION_IDLE_TIMEOUT);
		return;
	}
	if (now_ns >= ftp_loss_deadline(&c->loss, c->peer.max_ack_delay_ns)) {
		if (c->loss.loss_time_ns != FTP_NS_NEVER)
			ftp_connection_detect(c, now_ns);
		else if (!c->staging.n)
			probe(c, now_ns);
	}
	if (c->staging.n)
		return; /* the port refuses: more of the same would only pile up */
	if (!c->is_hello_acked && now_ns >= c->hello_ns) {
		c->is_hello_due = true;
		c->hello_ns = now_ns + c->hello_backoff_ns;
		c->hello_backoff_ns *= 2;
		if (c->hello_backoff_ns > HELLO_LONGEST_WAIT_NS)
			c->hello_backoff_ns = HELLO_LONGEST_WAIT_NS;
	}
	c->is_hello_due |= now_ns >= keep_alive_ns(c);
}

/* Takes back what was staged and is acknowledged meanwhile: its memory may be the caller's again.
 */
static void drop_stale(struct ftp_connection *c)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < c->staging.n; i++) {
		struct ftp_staged *p = ftp_staging_at(&c->staging, i);
		struct ftp_sent *s = ftp_sentmap_at(&c->sent, p->packet_number);

		if (p->type == FTP_WIRE_DATA) {
			struct ftp_outbox_chunk chunk = chunk_of(s);

			if (!ftp_outbox_live(&c->outbox, &chunk)) {
				s->state = FTP_SENT_RESOLVED;
				forget(c, s);
				continue;
			}
		}
		if (n != i) {
			struct ftp_staged *q = ftp_staging_at(&c->staging, n);
			bool is_frame = p->tx.payload == p->frame;

			*q = *p;
			q->tx.head = q->head;
			if (is_frame)
				q->tx.payload = q->frame;
		}
		n++;
	}
	c->staging.n = n;
	ftp_sentmap_settle(&c->sent);
}

/* Makes a packet ready for the port. The payload is in p->tx. */
static void seal(struct ftp_connection *c, struct ftp_staged *p, struct ftp_wire_header *h)
{
	h->type = p->type;
	h->run = c->params.run;
	h->term = c->params.term;
	h->source = c->params.local;
	h->destination = c->params.remote;
	h->packet_number = p->packet_number;
	h->length = (uint16_t)p->tx.payload_bytes;
	p->tx.head = p->head;
	ftp_wire_encode(p->head, h);
	ftp_wire_seal(p->head, p->tx.payload, p->tx.payload_bytes);
	c->staging.n++;
}

static struct ftp_staged *next_staged(struct ftp_connection *c, uint8_t type)
{
	struct ftp_staged *p = ftp_staging_at(&c->staging, c->staging.n);

	p->type = type;
	return p;
}

static void seal_frame(struct ftp_connection *c, struct ftp_staged *p, uint32_t bytes)
{
	struct ftp_wire_header h = {0};

	p->tx = (struct ftp_port_tx){.payload = p->frame, .payload_bytes = bytes};
	seal(c, p, &h);
}

/* A free packet number. When the ring is full, its oldest packet is a straggler far behind the
 * flight and counts as lost. */
static bool has_number(struct ftp_connection *c, uint64_t now_ns)
{
	struct ftp_sent *s;

	if (!ftp_sentmap_is_full(&c->sent))
		return true;
	s = ftp_sentmap_at(&c->sent, c->sent.oldest);
	if (s->state == FTP_SENT_STAGED)
		return false;
	s->state = FTP_SENT_RESOLVED;
	ftp_connection_lost(c, c->sent.oldest, s, now_ns);
	ftp_sentmap_settle(&c->sent);
	return true;
}

static void take_number(struct ftp_connection *c, struct ftp_staged *p, uint32_t payload_bytes,
	const struct ftp_outbox_chunk *chunk)
{
	struct ftp_sent *s;

	p->packet_number = c->sent.next;
	s = ftp_sentmap_push(&c->sent);
	s->type = p->type;
	s->state = FTP_SENT_STAGED;
	s->bytes = (uint16_t)(FTP_WIRE_HEAD_BYTES + payload_bytes);
	if (chunk) {
		s->message = chunk->message;
		s->generation = chunk->generation;
		s->chunk = chunk->chunk;
	}
	if (!counts_in_flight(p->type))
		return;
	c->loss.n_in_flight++;
	c->congestion.in_flight_bytes += s->bytes;
	c->n_probes -= c->n_probes != 0;
}

static bool stage_close(struct ftp_connection *c, uint64_t now_ns)
{
	struct ftp_staged *p;

	(void)now_ns;
	if (!c->n_closes)
		return false;
	c->n_closes--;
	p = next_staged(c, FTP_WIRE_CLOSE);
	p->packet_number = c->next_apart++;
	seal_frame(c, p, 0);
	return true;
}

static bool stage_hello(struct ftp_connection *c, uint64_t now_ns)
{
	struct ftp_staged *p;
	uint32_t bytes;

	if (!c->is_hello_due || !has_number(c, now_ns))
		return false;
	c->is_hello_due = false;
	p = next_staged(c, FTP_WIRE_HELLO);
	bytes = ftp_frame_encode_hello(p->frame, &c->own);
	take_number(c, p, bytes, NULL);
	seal_frame(c, p, bytes);
	return true;
}

/* At once where RFC 9000 section 13.2.1 says so, at a message's end and after ack_every packets;
 * otherwise in the first turn that brings nothing new. */
static bool owes_ack(const struct ftp_connection *c)
{
	return c->is_ack_due || c->n_unacked >= c->ack_every;
}

static bool stage_ack(struct ftp_connection *c, uint64_t now_ns)
{
	struct ftp_frame_ack ack;
	struct ftp_staged *p;

	if (!owes_ack(c) && (!c->n_unacked || now_ns <= c->last_eliciting_ns))
		return false;
	ack.delay_ns = now_ns - c->largest_ns;
	ack.n = c->received.n;
	ack.ranges = c->received.ranges;
	c->is_ack_due = false;
	c->n_unacked = 0;
	p = next_staged(c, FTP_WIRE_ACK);
	p->packet_number = c->next_apart++;
	seal_frame(c, p, ftp_frame_encode_ack(p->frame, &ack));
	return true;
}

static bool stage_grants(struct ftp_connection *c, uint64_t now_ns)
{
	struct ftp_grant grants[FTP_FRAME_MAX_GRANTS];
	struct ftp_staged *p;
	uint32_t n, bytes;

	if (!ftp_inbox_has_grants(&c->inbox) || !has_number(c, now_ns))
		return false;
	n = ftp_inbox_grant(&c->inbox, c->sent.next, grants);
	if (!n)
		return false;
	p = next_staged(c, FTP_WIRE_GRANT);
	bytes = ftp_frame_encode_grants(p->frame, grants, n);
	take_number(c, p, bytes, NULL);
	seal_frame(c, p, bytes);
	return true;
}

/* The highest class that the windows let through now, -1: none. Bulk leaves a quarter of the port's
 * window to the others, and data a sixteenth to control. */
static int open_class(const struct ftp_connection *c)
{
	uint32_t n = c->loss.n_in_flight, window = c->window_packets;

	if (c->n_probes)
		return FTP_CLASS_BULK;
	if (n >= window || (c->params.caps.drops_silently && !ftp_congestion_allows(&c->congestion,
								     c->congestion.datagram_bytes)))
		return -1;
	if (n < window - window / 4)
		return FTP_CLASS_BULK;
	return n < window - (window + 15) / 16 ? FTP_CLASS_DATA : FTP_CLASS_CONTROL;
}

static bool stage_data(struct ftp_connection *c, uint64_t now_ns)
{
	struct ftp_outbox_chunk chunk;
	struct ftp_outbox_message *m;
	struct ftp_wire_header h;
	struct ftp_staged *p;
	int class = open_class(c);
	uint32_t left_bytes;
	bool is_again;

	if (class < 0 || !ftp_outbox_has_chunk(&c->outbox, class) || !has_number(c, now_ns) ||
		!ftp_outbox_next(&c->outbox, class, &chunk, &is_again))
		return false;
	m = &c->outbox.messages[chunk.message];
	p = next_staged(c, FTP_WIRE_DATA);
	h.id = m->id;
	h.total = m->buffer->bytes;
	h.offset = chunk.chunk * c->outbox.chunk_bytes;
	left_bytes = h.total - h.offset;
	p->tx.owner = m->buffer;
	p->tx.payload = m->buffer->data + h.offset;
	p->tx.payload_bytes =
		left_bytes < c->outbox.chunk_bytes ? left_bytes : c->outbox.chunk_bytes;
	take_number(c, p, p->tx.payload_bytes, &chunk);
	seal(c, p, &h);
	c->stats.retransmitted_packets += is_again;
	return true;
}

typedef bool stage_fn(struct ftp_connection *c, uint64_t now_ns);

/* Control never waits behind bulk. */
static stage_fn *const stages[] = {stage_hello, stage_ack, stage_grants, stage_data};

static bool stage(struct ftp_connection *c, uint64_t now_ns)
{
	if (ftp_connection_is_over(c))
		return stage_close(c, now_ns);
	for (size_t i = 0; i < sizeof(stages) / sizeof(stages[0]); i++)
		if (stages[i](c, now_ns))
			return true;
	return false;
}

int ftp_connection_transmit(
	struct ftp_connection *c, struct ftp_port_tx *packets, int max, uint64_t now_ns)
{
	uint32_t n = max < FTP_STAGING_MAX ? (uint32_t)max : FTP_STAGING_MAX;

	c->last_try_ns = now_ns;
	if (!ftp_connection_is_over(c))
		run_timers(c, now_ns);
	if (c->staging.n)
		drop_stale(c);
	while (c->staging.n < n && stage(c, now_ns))
		;
	if (n > c->staging.n)
		n = c->staging.n;
	for (uint32_t i = 0; i < n; i++)
		packets[i] = ftp_staging_at(&c->staging, i)->tx;
	return (int)n;
}

void ftp_connection_sent(struct ftp_connection *c, int n_accepted, uint64_t now_ns)
{
	for (int i = 0; i < n_accepted; i++) {
		struct ftp_staged *p = ftp_staging_at(&c->staging, 0);

		c->staging.head = (c->staging.head + 1) % FTP_STAGING_MAX;
		c->staging.n--;
		c->stats.tx_packets++;
		c->spoke_ns = now_ns;
		if (p->packet_number >= FTP_WIRE_APART)
			continue;
		ftp_sentmap_at(&c->sent, p->packet_number)->time_ns = now_ns;
		ftp_sentmap_at(&c->sent, p->packet_number)->state = FTP_SENT_OUTSTANDING;
		if (counts_in_flight(p->type))
			c->loss.last_sent_ns = now_ns;
		if (p->type == FTP_WIRE_DATA)
			c->stats.tx_bytes += p->tx.payload_bytes;
	}
}

/* A full ring empties soon; a port that is still connecting may take its time. */
static uint64_t retry_ns(const struct ftp_connection *c)
{
	uint64_t wait_ns = (c->last_try_ns - c->spoke_ns) / 8;

	if (wait_ns < RETRY_FIRST_NS)
		wait_ns = RETRY_FIRST_NS;
	return c->last_try_ns + min64(wait_ns, RETRY_LONGEST_NS);
}

uint64_t ftp_connection_deadline(const struct ftp_connection *c)
{
	uint64_t deadline_ns;
	int class = open_class(c);

	if (c->staging.n)
		return retry_ns(c);
	if (ftp_connection_is_over(c))
		return c->n_closes ? 0 : FTP_NS_NEVER;
	if (owes_ack(c) || c->is_hello_due || ftp_inbox_has_grants(&c->inbox) ||
		(class >= 0 && ftp_outbox_has_chunk(&c->outbox, class)))
		return 0;
	deadline_ns = min64(idle_deadline_ns(c), keep_alive_ns(c));
	deadline_ns = min64(deadline_ns, ftp_loss_deadline(&c->loss, c->peer.max_ack_delay_ns));
	if (!c->is_hello_acked)
		deadline_ns = min64(deadline_ns, c->hello_ns);
	if (c->n_unacked)
		deadline_ns = min64(deadline_ns, c->last_eliciting_ns + 1);
	return deadline_ns;
}
