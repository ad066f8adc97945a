#include "net/connection.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "net/connection_state.h"
#include "runtime/base/clock.h"

#define DEFAULT_MESSAGE_BYTES (64u << 20)
#define MIN_GRANTS	      1024 /* so that a peer may post far more than we send at once */
#define N_CLOSES	      3
#define HELLO_FIRST_WAIT_NS   (2 * FTP_NS_PER_MS)

static_assert(FTP_N_CLASSES == FTP_OUTBOX_N_CLASSES, "classes");

struct bound {
	const char *name;
	uint64_t value, low, high;
};

static int check(const struct ftp_connection_params *p, struct ftp_error *err)
{
	const struct bound bounds[] = {
		{"caps.max_payload_bytes", p->caps.max_payload_bytes, FTP_FRAME_MIN_PAYLOAD_BYTES,
			FTP_WIRE_MAX_PAYLOAD_BYTES},
		{"max_payload_bytes",
			p->max_payload_bytes ? p->max_payload_bytes : p->caps.max_payload_bytes,
			FTP_FRAME_MIN_PAYLOAD_BYTES, p->caps.max_payload_bytes},
		{"caps.window_packets", p->caps.window_packets, 4, 1 << 16},
		{"n_messages", p->n_messages, 1, 1 << 20},
		{"max_ack_delay_ns", p->max_ack_delay_ns, 0, FTP_FRAME_MAX_ACK_DELAY_NS},
		{"max_message_bytes", p->max_message_bytes, 0, FTP_WIRE_MAX_MESSAGE_BYTES},
		{"idle_timeout_ns", p->idle_timeout_ns, 1, FTP_NS_NEVER / 2},
	};

	for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++)
		if (bounds[i].value < bounds[i].low || bounds[i].value > bounds[i].high)
			return ftp_error_set(err, EINVAL,
				"connection: %s is %llu, must be from %llu to %llu", bounds[i].name,
				(unsigned long long)bounds[i].value,
				(unsigned long long)bounds[i].low,
				(unsigned long long)bounds[i].high);
	return 0;
}

static void begin_term(struct ftp_connection *c, uint64_t now_ns)
{
	c->has_peer = false;
	c->is_hello_acked = false;
	c->is_hello_due = false;
	c->hello_ns = now_ns;
	c->hello_backoff_ns = HELLO_FIRST_WAIT_NS;
	c->n_unacked = 0;
	c->is_ack_due = false;
	c->n_probes = 0;
	ftp_ranges_reset(&c->received, 0);
}

int ftp_connection_new(struct ftp_connection **out, const struct ftp_connection_params *params,
	uint64_t now_ns, struct ftp_error *err)
{
	struct ftp_connection *c;
	uint32_t n_packets = 64, max_chunks;
	int r = check(params, err);

	if (r)
		return r;
	c = calloc(1, sizeof(*c));
	ftp_assert(c);
	c->params = *params;
	if (!c->params.max_message_bytes)
		c->params.max_message_bytes = DEFAULT_MESSAGE_BYTES;
	c->own = (struct ftp_frame_hello){
		.max_ack_delay_ns = params->max_ack_delay_ns,
		.max_payload_bytes = params->max_payload_bytes ? params->max_payload_bytes
							       : params->caps.max_payload_bytes,
		.n_grants = params->n_messages > MIN_GRANTS ? params->n_messages : MIN_GRANTS,
	};
	c->window_packets = params->caps.window_packets;
	/* RFC 9000 section 13.2.2 asks for every second packet where congestion control lives on
	 * acknowledgements; elsewhere they only have to keep the window open. */
	c->ack_every = params->caps.drops_silently ? 2 : c->window_packets / 8;
	if (c->ack_every > 8)
		c->ack_every = 8;
	/* Room for what is in flight and as much that is resolved behind a straggler. */
	while (n_packets < 4 * c->window_packets)
		n_packets *= 2;
	max_chunks = (c->params.max_message_bytes - 1) / FTP_FRAME_MIN_PAYLOAD_BYTES + 1;
	ftp_sentmap_init(&c->sent, n_packets);
	ftp_loss_init(&c->loss);
	ftp_congestion_init(&c->congestion, FTP_WIRE_HEAD_BYTES + c->own.max_payload_bytes);
	c->staging.packets = calloc(FTP_STAGING_MAX, sizeof(*c->staging.packets));
	ftp_assert(c->staging.packets);
	ftp_inbox_init(&c->inbox, params->n_messages, max_chunks);
	ftp_outbox_init(&c->outbox, params->n_messages, c->own.n_grants, max_chunks, n_packets);
	c->next_apart = FTP_WIRE_APART;
	ftp_silence_init(&c->silence, params->idle_timeout_ns, now_ns);
	c->spoke_ns = now_ns;
	begin_term(c, now_ns);
	*out = c;
	return 0;
}

void ftp_connection_free(struct ftp_connection *c)
{
	if (!c)
		return;
	ftp_sentmap_deinit(&c->sent);
	ftp_inbox_deinit(&c->inbox);
	ftp_outbox_deinit(&c->outbox);
	free(c->staging.packets);
	free(c);
}

static uint32_t n_open(const struct ftp_connection *c)
{
	return 2 * c->params.n_messages - c->inbox.free.n - c->outbox.free.n;
}

static int check_message(const struct ftp_connection *c, uint32_t bytes)
{
	if (!bytes || bytes > c->params.max_message_bytes)
		return -EMSGSIZE;
	return n_open(c) >= c->params.n_messages;
}

int ftp_connection_send(struct ftp_connection *c, const struct ftp_message_id *id,
	enum ftp_message_class class, struct ftp_buffer *b, uint64_t now_ns)
{
	int r = check_message(c, b->bytes);

	(void)now_ns;
	return r ? r : ftp_outbox_send(&c->outbox, id, class, b);
}

int ftp_connection_post(
	struct ftp_connection *c, const struct ftp_message_id *id, void *data, uint32_t bytes)
{
	int r = check_message(c, bytes);

	return r ? r : ftp_inbox_post(&c->inbox, id, data, bytes);
}

void ftp_connection_lose(struct ftp_connection *c, enum ftp_connection_reason reason)
{
	if (c->reason)
		return;
	c->reason = reason;
	c->staging.n = 0;
	/* A peer that broke the protocol is told; one that is away or has gone cannot be. */
	if (reason == FTP_CONNECTION_PROTOCOL)
		c->n_closes = N_CLOSES;
}

void ftp_connection_watch(struct ftp_connection *c, uint64_t least_ns, uint64_t now_ns)
{
	if (c->params.caps.drops_silently)
		ftp_silence_watch(&c->silence, least_ns, now_ns);
}

void ftp_connection_relax(struct ftp_connection *c)
{
	ftp_silence_relax(&c->silence);
}

void ftp_connection_port_down(struct ftp_connection *c)
{
	ftp_connection_lose(c, FTP_CONNECTION_PORT_DOWN);
}

void ftp_connection_close(struct ftp_connection *c, uint64_t now_ns)
{
	(void)now_ns;
	if (ftp_connection_is_over(c))
		return;
	c->is_closing = true;
	c->staging.n = 0;
	c->n_closes = N_CLOSES;
}

void ftp_connection_set_term(struct ftp_connection *c, uint64_t term, uint64_t now_ns)
{
	ftp_assert(term > c->params.term);
	c->params.term = term;
	c->staging.n = 0;
	c->congestion.in_flight_bytes = 0;
	ftp_sentmap_reset(&c->sent);
	ftp_loss_reset(&c->loss);
	ftp_inbox_reset(&c->inbox);
	ftp_outbox_reset(&c->outbox);
	begin_term(c, now_ns);
}

struct ftp_connection_event ftp_connection_next_event(
	struct ftp_connection *c, struct ftp_port *port)
{
	struct ftp_connection_event e = {.kind = FTP_CONNECTION_NONE};

	if (c->is_established && !c->is_established_told) {
		c->is_established_told = true;
		e.kind = FTP_CONNECTION_ESTABLISHED;
	} else if (ftp_inbox_take(&c->inbox, &e.id, &e.data, &e.bytes)) {
		e.kind = FTP_CONNECTION_RECEIVED;
	} else if (ftp_outbox_take(&c->outbox, port, &e.id, &e.data, &e.bytes)) {
		e.kind = FTP_CONNECTION_SENT;
	} else if (c->reason && !c->is_lost_told) {
		c->is_lost_told = true;
		e.kind = FTP_CONNECTION_LOST;
		e.reason = c->reason;
		e.silence_ns = c->silence_ns;
	}
	return e;
}

const char *ftp_connection_describe_loss(
	const struct ftp_connection_event *e, char *text, size_t bytes)
{
	static const char *const texts[] = {
		[FTP_CONNECTION_PEER_CLOSED] = "it closed the connection",
		[FTP_CONNECTION_PORT_DOWN] = "its end of the port went away",
		[FTP_CONNECTION_PROTOCOL] = "it sent something that contradicts the plan",
	};

	if (e->reason == FTP_CONNECTION_IDLE_TIMEOUT)
		snprintf(text, bytes, "it has been silent for %.1f s",
			(double)e->silence_ns / (double)FTP_NS_PER_S);
	else
		snprintf(text, bytes, "%s", texts[e->reason]);
	return text;
}

bool ftp_connection_has_left(const struct ftp_connection_event *e)
{
	return e->reason == FTP_CONNECTION_PEER_CLOSED || e->reason == FTP_CONNECTION_PORT_DOWN;
}

const struct ftp_connection_stats *ftp_connection_stats(const struct ftp_connection *c)
{
	return &c->stats;
}

bool ftp_connection_is_established(const struct ftp_connection *c)
{
	return c->is_established && !ftp_connection_is_over(c);
}
