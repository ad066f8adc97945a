#include <errno.h>

#include "net/connection_state.h"

/* A packet that is to be acknowledged. false: it was here before; the peer seems to have missed our
 * acknowledgement. */
static bool is_new(struct ftp_connection *c, const struct ftp_wire_header *h)
{
	if (h->packet_number >= FTP_WIRE_APART) {
		ftp_connection_lose(c, FTP_CONNECTION_PROTOCOL);
		return false;
	}
	if (!ftp_ranges_contains(&c->received, h->packet_number))
		return true;
	c->stats.duplicate_packets++;
	c->is_ack_due = c->received.n;
	return false;
}

/* RFC 9000 section 13.2.1: out of order means at once. */
static void accept(struct ftp_connection *c, const struct ftp_wire_header *h, uint64_t now_ns)
{
	bool is_in_order = c->received.n && h->packet_number == c->received.ranges[0].last + 1;

	if (!c->received.n || h->packet_number > c->received.ranges[0].last)
		c->largest_ns = now_ns;
	c->is_ack_due |= !is_in_order;
	c->last_eliciting_ns = now_ns;
	c->n_unacked++;
	ftp_ranges_add(&c->received, h->packet_number);
}

static void on_hello(struct ftp_connection *c, const struct ftp_wire_header *h,
	const uint8_t *payload, uint64_t now_ns)
{
	struct ftp_frame_hello hello;
	uint32_t chunk_bytes = c->own.max_payload_bytes;

	if (!is_new(c, h))
		return;
	if (!ftp_frame_parse_hello(&hello, payload, h->length) ||
		(c->has_peer && (hello.max_payload_bytes != c->peer.max_payload_bytes ||
					hello.n_grants != c->peer.n_grants))) {
		ftp_connection_lose(c, FTP_CONNECTION_PROTOCOL);
		return;
	}
	if (!c->has_peer) {
		c->has_peer = true;
		if (chunk_bytes > hello.max_payload_bytes)
			chunk_bytes = hello.max_payload_bytes;
		ftp_inbox_open(&c->inbox, chunk_bytes, hello.n_grants);
		ftp_outbox_open(&c->outbox, chunk_bytes);
		/* The peer has just begun the term: it may have dropped our HELLO. */
		c->is_hello_due |= !c->is_hello_acked;
	}
	c->peer = hello;
	accept(c, h, now_ns);
	c->is_ack_due = true;
}

static void on_data(struct ftp_connection *c, const struct ftp_wire_header *h,
	const uint8_t *payload, uint64_t now_ns)
{
	int r;

	(void)payload; /* in its place already */
	if (!c->has_peer || !is_new(c, h))
		return;
	r = ftp_inbox_place(&c->inbox, h);
	if (r < 0) {
		ftp_connection_lose(c, FTP_CONNECTION_PROTOCOL);
		return;
	}
	if (r == FTP_INBOX_PLACED || r == FTP_INBOX_COMPLETED) {
		c->stats.rx_bytes += h->length;
		c->stats.copied_rx_bytes += h->length;
	}
	c->stats.duplicate_packets += r == FTP_INBOX_DUPLICATE;
	/* A sender has a grant for what it sends, so this is a message that is complete by now:
	 * acknowledging it again is what stops the sender. */
	c->stats.unposted_packets += r == FTP_INBOX_UNPOSTED;
	accept(c, h, now_ns);
	c->is_ack_due |= r == FTP_INBOX_COMPLETED;
}

static void on_grant(struct ftp_connection *c, const struct ftp_wire_header *h,
	const uint8_t *payload, uint64_t now_ns)
{
	struct ftp_grant grants[FTP_FRAME_MAX_GRANTS];
	uint32_t n;

	if (!c->has_peer || !is_new(c, h))
		return;
	if (!ftp_frame_parse_grants(grants, &n, payload, h->length)) {
		ftp_connection_lose(c, FTP_CONNECTION_PROTOCOL);
		return;
	}
	for (uint32_t i = 0; i < n; i++) {
		int r = ftp_outbox_grant(&c->outbox, &grants[i]);

		if (r < 0)
			ftp_connection_lose(c, FTP_CONNECTION_PROTOCOL);
		if (r)
			return; /* unacknowledged: it comes again */
	}
	accept(c, h, now_ns);
}

static void on_ack(struct ftp_connection *c, const struct ftp_wire_header *h,
	const uint8_t *payload, uint64_t now_ns)
{
	struct ftp_range ranges[FTP_RANGES_MAX];
	struct ftp_frame_ack ack;
	const struct ftp_sent *largest;
	bool was_limited = !ftp_congestion_allows(&c->congestion, 2 * c->congestion.datagram_bytes);
	bool is_progress = false;

	if (!ftp_frame_parse_ack(&ack, ranges, payload, h->length) ||
		ranges[0].last >= c->sent.next) {
		ftp_connection_lose(c, FTP_CONNECTION_PROTOCOL);
		return;
	}
	/* Section 5.1: a sample only from the largest, and only when it is new. */
	largest = ftp_sentmap_at(&c->sent, ranges[0].last);
	if (ranges[0].last >= c->sent.oldest && largest->state == FTP_SENT_OUTSTANDING) {
		ftp_loss_sample(&c->loss, now_ns - largest->time_ns, ack.delay_ns,
			c->has_peer ? c->peer.max_ack_delay_ns : 0, now_ns);
		c->stats.smoothed_rtt_ns = c->loss.smoothed_rtt_ns;
	}
	for (uint32_t i = 0; i < ack.n && ranges[i].last >= c->sent.oldest; i++) {
		uint64_t number = ranges[i].first;

		if (number < c->sent.oldest)
			number = c->sent.oldest;
		for (; number <= ranges[i].last; number++) {
			struct ftp_sent *s = ftp_sentmap_at(&c->sent, number);

			if (s->state != FTP_SENT_OUTSTANDING)
				continue;
			s->state = FTP_SENT_RESOLVED;
			ftp_connection_acked(c, s, was_limited);
			is_progress = true;
		}
	}
	if (!is_progress)
		return;
	if (!c->loss.has_acked || ranges[0].last > c->loss.largest_acked)
		c->loss.largest_acked = ranges[0].last;
	c->loss.has_acked = true;
	c->loss.n_probe_timeouts = 0;
	c->n_probes = 0;
	ftp_sentmap_settle(&c->sent);
	ftp_connection_detect(c, now_ns);
}

typedef void handler_fn(struct ftp_connection *c, const struct ftp_wire_header *h,
	const uint8_t *payload, uint64_t now_ns);

/* CLOSE is handled before the term is looked at. */
static handler_fn *const handlers[FTP_WIRE_N_TYPES] = {
	[FTP_WIRE_HELLO] = on_hello,
	[FTP_WIRE_DATA] = on_data,
	[FTP_WIRE_ACK] = on_ack,
	[FTP_WIRE_GRANT] = on_grant,
};

static bool is_ours(const struct ftp_connection *c, const struct ftp_wire_header *h)
{
	return h->run == c->params.run && h->source == c->params.remote &&
	       h->destination == c->params.local;
}

/* The tag says whether all the rest of the packet can be believed. A payload that is waited for is
 * copied to its place in the same pass; should the tag be wrong, the place still counts as empty.
 */
static bool is_genuine(
	struct ftp_connection *c, const struct ftp_wire_header *h, const uint8_t *packet)
{
	uint8_t *room = NULL;

	if (h->type == FTP_WIRE_DATA && h->term == c->params.term && is_ours(c, h) && !c->reason)
		room = ftp_inbox_room(&c->inbox, h);
	return room ? ftp_wire_copy(h, packet, room) : ftp_wire_verify(h, packet);
}

void ftp_connection_receive(
	struct ftp_connection *c, const uint8_t *packet, uint32_t bytes, uint64_t now_ns)
{
	struct ftp_wire_header h;
	enum ftp_wire_reject reject = ftp_wire_parse(&h, packet, bytes);

	if (!reject && !is_genuine(c, &h, packet))
		reject = FTP_WIRE_TAG_BAD;
	if (reject) {
		c->stats.rejected[reject]++;
		return;
	}
	if (ftp_connection_is_over(c))
		return;
	if (!is_ours(c, &h)) {
		c->stats.stale_packets++;
		return;
	}
	/* Of whatever term: a peer that is slow to change it is alive. */
	ftp_silence_look(&c->silence, now_ns);
	ftp_silence_heard(&c->silence, now_ns);
	c->stats.silence_ratio = c->silence.narrowest;
	if (h.type == FTP_WIRE_CLOSE && h.term >= c->params.term) {
		ftp_connection_lose(c, FTP_CONNECTION_PEER_CLOSED);
		return;
	}
	if (h.term != c->params.term) {
		c->stats.stale_packets++;
		return;
	}
	c->stats.rx_packets++;
	c->is_established = true;
	handlers[h.type](c, &h, packet + FTP_WIRE_HEAD_BYTES, now_ns);
}
