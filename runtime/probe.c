#include "runtime/probe.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/median.h"

#define PING_BYTES     64
#define N_PINGS	       18
#define N_WARMUP       2
#define MIN_PINGS      5
#define PINGS_NS       (100 * FTP_NS_PER_MS)
#define SMALLEST_BYTES 4096u
#define N_RUNGS	       6 /* each four times the one before: up to FTP_PROBE_MAX_BYTES */
#define N_TIMES	       3 /* a size */
#define LONG_NS	       (25 * FTP_NS_PER_MS) /* long enough for a size to be the last */
#define ON_WIRE_NS     (100 * FTP_NS_PER_MS)

static_assert(SMALLEST_BYTES << 2 * (N_RUNGS - 1) == FTP_PROBE_MAX_BYTES, "the largest size");

enum what { PING, PONG, DATA, RECEIPT, END, N_WHATS };

enum phase { BEFORE, PINGING, SENDING, RECEIVING, AFTER };

struct pair {
	enum phase phase;
	bool lost;
	int n_open; /* sends not acknowledged */
	uint64_t began_ns, sent_ns;
	int n_pings; /* answered, or seen */
	uint64_t rtt_ns[N_PINGS];
	int rung, n_times; /* sent at this size */
	uint64_t on_wire_ns, rate[N_TIMES];
	struct ftp_probe_result result;
	struct ftp_buffer small[N_WHATS][N_RUNGS * N_TIMES];
	struct ftp_buffer data[N_RUNGS][N_TIMES];
};

static_assert(N_PINGS <= N_RUNGS * N_TIMES, "buffers of pings");

struct ftp_probe_script {
	struct ftp_netloop *net; /* lent */
	int n_nodes, self, round;
	struct pair *pairs; /* by peer */
	uint8_t *memory;    /* sent, whatever is in it */
	uint8_t *sink;
};

static int n_seats(int n_nodes)
{
	return n_nodes + n_nodes % 2;
}

int ftp_probe_partner_of(int n_nodes, int node, int round)
{
	int last = n_seats(n_nodes) - 1, partner;

	if (node == last)
		return round * (last + 1) / 2 % last;
	partner = (round - node % last + last) % last;
	if (partner == node)
		partner = last;
	return partner < n_nodes ? partner : -1;
}

int ftp_probe_partner(const struct ftp_probe_script *s)
{
	return ftp_probe_partner_of(s->n_nodes, s->self, s->round);
}

static struct ftp_message_id id_of(enum what what, int rung, int i)
{
	return (struct ftp_message_id){.kind = FTP_MESSAGE_PROBE,
		.tensor = (uint8_t)what,
		.cut = (uint16_t)rung,
		.micro_batch = (uint32_t)i};
}

static uint32_t bytes_of(int rung)
{
	return SMALLEST_BYTES << 2 * rung;
}

static void send(
	struct ftp_probe_script *s, int peer, enum what what, int rung, int i, uint64_t now_ns)
{
	struct pair *p = &s->pairs[peer];
	const struct ftp_message_id id = id_of(what, rung, i);
	struct ftp_buffer *b =
		what == DATA ? &p->data[rung][i] : &p->small[what][rung * N_TIMES + i];

	ftp_buffer_init(b, s->memory, what == DATA ? bytes_of(rung) : PING_BYTES);
	p->n_open++;
	ftp_netloop_send(s->net, peer, &id, FTP_CLASS_DATA, b, now_ns);
}

static void post(struct ftp_probe_script *s, int peer, enum what what, int rung, int i)
{
	const struct ftp_message_id id = id_of(what, rung, i);

	ftp_netloop_post(s->net, peer, &id, s->sink, what == DATA ? bytes_of(rung) : PING_BYTES);
}

static void begin(struct ftp_probe_script *s, int peer, uint64_t now_ns)
{
	bool pings = s->self < peer;
	struct pair *p = &s->pairs[peer];

	p->phase = PINGING;
	p->began_ns = p->sent_ns = now_ns;
	for (int i = 0; i < N_PINGS; i++)
		post(s, peer, pings ? PONG : PING, 0, i);
	for (int rung = 0; rung < N_RUNGS; rung++)
		for (int i = 0; i < N_TIMES; i++) {
			post(s, peer, DATA, rung, i);
			post(s, peer, RECEIPT, rung, i);
		}
	post(s, peer, END, 0, 0);
	if (pings)
		send(s, peer, PING, 0, 0, now_ns);
}

static void send_data(struct ftp_probe_script *s, int peer, uint64_t now_ns)
{
	struct pair *p = &s->pairs[peer];

	p->sent_ns = now_ns;
	send(s, peer, DATA, p->rung, p->n_times, now_ns);
}

static void begin_sending(struct ftp_probe_script *s, int peer, uint64_t now_ns)
{
	struct pair *p = &s->pairs[peer];

	p->result.rtt_ns = ftp_median(p->rtt_ns + N_WARMUP, (size_t)(p->n_pings - N_WARMUP));
	p->phase = SENDING;
	send_data(s, peer, now_ns);
}

/* What does not fit the phase comes from a peer that does not keep to the script: it gets no
 * answer, and the deadline of the whole ends the wait. */

/* Times one round trip, from our packet before to this arrival. */
static void time_ping(struct pair *p, uint64_t now_ns)
{
	p->rtt_ns[p->n_pings++] = now_ns - p->sent_ns;
	p->sent_ns = now_ns;
}

static void on_ping(struct ftp_probe_script *s, int peer, uint64_t now_ns)
{
	struct pair *p = &s->pairs[peer];
	int i = p->n_pings;

	if (p->phase != PINGING)
		return;
	time_ping(p, now_ns);
	send(s, peer, PONG, 0, i, now_ns);
}

static void on_pong(struct ftp_probe_script *s, int peer, uint64_t now_ns)
{
	struct pair *p = &s->pairs[peer];

	if (p->phase != PINGING)
		return;
	time_ping(p, now_ns);
	if (p->n_pings == N_PINGS || (p->n_pings >= MIN_PINGS && now_ns - p->began_ns > PINGS_NS))
		begin_sending(s, peer, now_ns);
	else
		send(s, peer, PING, 0, p->n_pings, now_ns);
}

static void on_data(
	struct ftp_probe_script *s, int peer, const struct ftp_message_id *id, uint64_t now_ns)
{
	send(s, peer, RECEIPT, id->cut, (int)id->micro_batch, now_ns);
}

static void end_sending(struct ftp_probe_script *s, int peer, uint64_t now_ns)
{
	struct pair *p = &s->pairs[peer];

	p->result.bytes_per_s = ftp_median(p->rate, (size_t)p->n_times);
	p->phase = s->self < peer ? RECEIVING : AFTER;
	send(s, peer, END, 0, 0, now_ns);
}

/* The next size while that is expected to be short, else this one again, else the end. */
static void on_receipt(
	struct ftp_probe_script *s, int peer, const struct ftp_message_id *id, uint64_t now_ns)
{
	struct pair *p = &s->pairs[peer];
	uint64_t ns = now_ns - p->sent_ns, bytes = bytes_of(p->rung);

	if (p->phase != SENDING || id->cut != p->rung || id->micro_batch != (uint32_t)p->n_times)
		return;
	ns = ns > p->result.rtt_ns + ns / 8 ? ns - p->result.rtt_ns : ns / 8 + 1;
	p->on_wire_ns += ns;
	p->rate[p->n_times++] = bytes * FTP_NS_PER_S / ns;
	if (p->rung + 1 < N_RUNGS && ns < LONG_NS / 4) {
		p->rung++;
		p->n_times = 0;
	} else if (p->n_times == N_TIMES || p->on_wire_ns + ns > ON_WIRE_NS) {
		end_sending(s, peer, now_ns);
		return;
	}
	send_data(s, peer, now_ns);
}

static void on_end(struct ftp_probe_script *s, int peer, uint64_t now_ns)
{
	struct pair *p = &s->pairs[peer];

	if (p->phase == RECEIVING)
		p->phase = AFTER;
	else if (p->phase == PINGING && s->self > peer && p->n_pings > N_WARMUP)
		begin_sending(s, peer, now_ns);
}

static void on_received(
	struct ftp_probe_script *s, int peer, const struct ftp_message_id *id, uint64_t now_ns)
{
	switch ((enum what)id->tensor) {
	case PING:
		on_ping(s, peer, now_ns);
		break;
	case PONG:
		on_pong(s, peer, now_ns);
		break;
	case DATA:
		on_data(s, peer, id, now_ns);
		break;
	case RECEIPT:
		on_receipt(s, peer, id, now_ns);
		break;
	case END:
		on_end(s, peer, now_ns);
		break;
	case N_WHATS:
		break;
	}
}

struct ftp_probe_script *ftp_probe_new(struct ftp_netloop *net, int n_nodes, int self)
{
	struct ftp_probe_script *s = calloc(1, sizeof(*s));

	ftp_assert(s);
	s->net = net;
	s->n_nodes = n_nodes;
	s->self = self;
	s->pairs = calloc((size_t)n_nodes, sizeof(*s->pairs));
	s->memory = calloc(1, FTP_PROBE_MAX_BYTES);
	s->sink = malloc(FTP_PROBE_MAX_BYTES);
	ftp_assert(s->pairs && s->memory && s->sink);
	return s;
}

void ftp_probe_free(struct ftp_probe_script *s)
{
	if (!s)
		return;
	free(s->pairs);
	free(s->memory);
	free(s->sink);
	free(s);
}

static int n_rounds(const struct ftp_probe_script *s)
{
	return n_seats(s->n_nodes) - 1;
}

void ftp_probe_serve(struct ftp_probe_script *s, uint64_t now_ns)
{
	for (; s->round < n_rounds(s); s->round++) {
		int peer = ftp_probe_partner(s);

		if (peer < 0)
			continue;
		if (s->pairs[peer].phase == BEFORE)
			begin(s, peer, now_ns);
		if (s->pairs[peer].phase != AFTER)
			return;
	}
}

/* A peer that has measured all may leave before its last acknowledgements are here. */
static bool lose(struct pair *p)
{
	p->lost = true;
	return p->phase == AFTER;
}

bool ftp_probe_event(struct ftp_probe_script *s, const struct ftp_netloop_event *e, uint64_t now_ns)
{
	switch (e->event.kind) {
	case FTP_CONNECTION_LOST:
		return lose(&s->pairs[e->peer]);
	case FTP_CONNECTION_SENT:
		s->pairs[e->peer].n_open--;
		break;
	case FTP_CONNECTION_RECEIVED:
		on_received(s, e->peer, &e->event.id, now_ns);
		break;
	case FTP_CONNECTION_NONE:
	case FTP_CONNECTION_ESTABLISHED:
		break;
	}
	return true;
}

bool ftp_probe_is_done(const struct ftp_probe_script *s)
{
	if (s->round < n_rounds(s))
		return false;
	for (int i = 0; i < s->n_nodes; i++)
		if (s->pairs[i].n_open && !s->pairs[i].lost)
			return false;
	return true;
}

struct ftp_probe_result ftp_probe_result(const struct ftp_probe_script *s, int peer)
{
	return s->pairs[peer].result;
}
