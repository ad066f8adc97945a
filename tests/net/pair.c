#include "tests/net/pair.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/prng.h"

#define RUN 7

uint64_t pair_seed(uint64_t fallback)
{
	const char *text = getenv("FTP_SEED");
	uint64_t seed = text ? strtoull(text, NULL, 0) : fallback;

	printf("FTP_SEED=%llu\n", (unsigned long long)seed);
	return seed;
}

static uint8_t *message_memory(uint32_t bytes)
{
	uint8_t *memory = malloc(bytes);

	ftp_assert(memory);
	return memory;
}

/* The bytes of message i: a function of the seed, the message and the place. */
static void fill(const struct pair *p, int i, uint8_t *out, uint32_t bytes)
{
	uint64_t x = ftp_prng_key(p->seed, FTP_PRNG_TEST, (uint64_t)i | p->messages[i].epoch << 32);

	for (uint32_t at = 0; at < bytes; at += 8) {
		uint64_t v = x += 0x9e3779b97f4a7c15ull;

		v ^= v >> 29;
		memcpy(out + at, &v, bytes - at < 8 ? bytes - at : 8);
	}
}

struct pair *pair_new(uint64_t seed, const struct pair_options *o)
{
	uint32_t window_packets = o->window_packets ? o->window_packets : 64;
	struct pair *p = malloc(sizeof(*p));

	ftp_assert(p);
	*p = (struct pair){.seed = seed, .turn_ns = FTP_NS_PER_US};
	p->network = ftp_simulated_new(seed);
	ftp_simulated_pair(p->network, &o->impair,
		o->ring_packets ? o->ring_packets : 2 * window_packets, p->ports);
	for (int e = 0; e < 2; e++) {
		struct ftp_error err;

		p->ports[e]->caps.window_packets = window_packets;
		p->ports[e]->caps.drops_silently = !o->is_reliable;
		p->params[e] = (struct ftp_connection_params){
			.run = RUN,
			.term = 1,
			.local = 100 + (uint64_t)e,
			.remote = 101 - (uint64_t)e,
			.caps = p->ports[e]->caps,
			.max_payload_bytes = o->max_payload_bytes,
			.n_messages = o->n_messages ? o->n_messages : PAIR_MAX_MESSAGES,
			.max_ack_delay_ns =
				o->max_ack_delay_ns ? o->max_ack_delay_ns : FTP_NS_PER_MS,
			.idle_timeout_ns =
				o->idle_timeout_ns ? o->idle_timeout_ns : 10 * FTP_NS_PER_S,
			.waits_for_peer = o->waits_for_peer,
		};
		p->links[e].port = p->ports[e];
		ftp_assert(!ftp_connection_new(
			&p->links[e].connection, &p->params[e], pair_now(p), &err));
	}
	return p;
}

void pair_free(struct pair *p)
{
	for (int e = 0; e < 2; e++)
		if (p->links[e].port)
			ftp_link_close(&p->links[e], pair_now(p));
	ftp_simulated_free(p->network);
	for (int i = 0; i < p->n_messages; i++) {
		free(p->messages[i].source);
		free(p->messages[i].target);
	}
	free(p);
}

uint64_t pair_now(const struct pair *p)
{
	return ftp_simulated_now_ns(p->network);
}

int pair_add(struct pair *p, int from, enum ftp_message_class class, uint32_t bytes, uint64_t step)
{
	int i = p->n_messages++;
	struct pair_message *m = &p->messages[i];

	ftp_assert(i < PAIR_MAX_MESSAGES);
	*m = (struct pair_message){
		.id = {.kind = FTP_MESSAGE_PROBE, .step = step, .micro_batch = (uint32_t)i},
		.from = from,
		.class = class,
		.bytes = bytes,
		.source = message_memory(bytes),
		.target = message_memory(bytes),
	};
	fill(p, i, m->source, bytes);
	memset(m->target, 0xee, bytes);
	ftp_buffer_init(&m->buffer, m->source, bytes);
	return i;
}

void pair_renew(struct pair *p, int i)
{
	struct pair_message *m = &p->messages[i];

	p->n_done -= m->is_sent && m->is_received;
	m->is_sent = m->is_received = false;
	m->epoch++;
	fill(p, i, m->source, m->bytes);
	memset(m->target, 0xee, m->bytes);
}

void pair_send(struct pair *p, int i)
{
	struct pair_message *m = &p->messages[i];

	ftp_assert(!ftp_connection_send(
		p->links[m->from].connection, &m->id, m->class, &m->buffer, pair_now(p)));
}

void pair_post(struct pair *p, int i)
{
	struct pair_message *m = &p->messages[i];

	ftp_assert(
		!ftp_connection_post(p->links[!m->from].connection, &m->id, m->target, m->bytes));
}

static struct pair_message *find(struct pair *p, int from, const struct ftp_connection_event *e)
{
	struct pair_message *m = &p->messages[e->id.micro_batch];

	ftp_assert((int)e->id.micro_batch < p->n_messages);
	ftp_assert(ftp_message_id_equal(&m->id, &e->id) && m->from == from && m->bytes == e->bytes);
	return m;
}

static void on_received(struct pair *p, int end, const struct ftp_connection_event *e)
{
	struct pair_message *m = find(p, !end, e);
	uint8_t *expected = message_memory(m->bytes);

	ftp_assert(!m->is_received && e->data == m->target);
	fill(p, (int)(m - p->messages), expected, m->bytes);
	ftp_assert(!memcmp(expected, m->target, m->bytes));
	free(expected);
	m->is_received = true;
	m->received_ns = pair_now(p);
	m->received_order = p->n_received++;
	p->n_done += m->is_sent;
	p->done_ns = pair_now(p);
}

static void on_sent(struct pair *p, int end, const struct ftp_connection_event *e)
{
	struct pair_message *m = find(p, end, e);

	ftp_assert(!m->is_sent && e->data == m->source && !m->buffer.port_words[0]);
	memset(m->source, 0xdd, m->bytes);
	m->is_sent = true;
	p->n_done += m->is_received;
	p->done_ns = pair_now(p);
}

static void take_events(struct pair *p, int end)
{
	struct ftp_connection_event e;

	while ((e = ftp_link_next_event(&p->links[end])).kind) {
		ftp_assert(!p->lost[end]);
		if (e.kind == FTP_CONNECTION_ESTABLISHED) {
			ftp_assert(!p->established[end]);
			p->established[end] = true;
		} else if (e.kind == FTP_CONNECTION_RECEIVED) {
			on_received(p, end, &e);
		} else if (e.kind == FTP_CONNECTION_SENT) {
			on_sent(p, end, &e);
		} else {
			ftp_assert(e.kind == FTP_CONNECTION_LOST && e.reason);
			p->lost[end] = e.reason;
			p->lost_ns[end] = pair_now(p);
		}
	}
}

void pair_turn(struct pair *p)
{
	for (int e = 0; e < 2; e++) {
		if (!p->links[e].port || pair_now(p) < p->next_turn_ns[e])
			continue;
		ftp_link_turn(&p->links[e], pair_now(p));
		take_events(p, e);
		p->next_turn_ns[e] = pair_now(p) + p->busy_ns[e];
	}
}

void pair_step(struct pair *p, uint64_t until_ns)
{
	uint64_t next_ns = ftp_simulated_next_ns(p->network), deadline_ns;

	ftp_assert(pair_now(p) < until_ns);
	for (int e = 0; e < 2; e++) {
		if (!p->links[e].port)
			continue;
		deadline_ns = p->busy_ns[e] ? p->next_turn_ns[e]
					    : ftp_connection_deadline(p->links[e].connection);
		if (deadline_ns < next_ns)
			next_ns = deadline_ns;
	}
	if (next_ns < pair_now(p) + p->turn_ns) /* a turn takes its time */
		next_ns = pair_now(p) + p->turn_ns;
	if (next_ns > until_ns)
		next_ns = until_ns;
	ftp_simulated_advance(p->network, next_ns);
	pair_turn(p);
}

bool pair_run(struct pair *p, uint64_t until_ns)
{
	while (p->n_done < p->n_messages && pair_now(p) < until_ns)
		pair_step(p, until_ns);
	return p->n_done == p->n_messages;
}

void pair_run_until(struct pair *p, uint64_t until_ns)
{
	while (pair_now(p) < until_ns)
		pair_step(p, until_ns);
}

const struct ftp_connection_stats *pair_stats(const struct pair *p, int end)
{
	return ftp_connection_stats(p->links[end].connection);
}
