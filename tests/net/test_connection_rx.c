#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/prng.h"
#include "tests/net/pair.h"

/* A peer that died and came back has another incarnation: it is a stranger to the old connection,
 * and a new one serves it. */
static void connection_receive__peer_restarted(void **state)
{
	struct pair *p = pair_new(1, &(struct pair_options){.idle_timeout_ns = FTP_NS_PER_S});
	int i = pair_add(p, 0, FTP_CLASS_DATA, 100000, 1);

	(void)state;
	pair_run_until(p, FTP_NS_PER_MS);
	ftp_connection_free(p->links[1].connection);
	p->params[1].local = 555;
	assert_int_equal(
		ftp_connection_new(&p->links[1].connection, &p->params[1], pair_now(p), NULL), 0);
	p->established[1] = false;
	pair_run_until(p, 2 * FTP_NS_PER_S);
	assert_int_equal(p->lost[0], FTP_CONNECTION_IDLE_TIMEOUT);
	assert_true(pair_stats(p, 0)->stale_packets > 0 && !p->established[1]);
	ftp_connection_free(p->links[0].connection);
	ftp_connection_free(p->links[1].connection);
	p->params[0].remote = 555;
	for (int e = 0; e < 2; e++) {
		p->lost[e] = 0;
		p->established[e] = false;
		assert_int_equal(ftp_connection_new(
					 &p->links[e].connection, &p->params[e], pair_now(p), NULL),
			0);
	}
	pair_post(p, i);
	pair_send(p, i);
	assert_true(pair_run(p, 3 * FTP_NS_PER_S));
	pair_free(p);
}

/* Posted memory between two canaries. */
struct guarded {
	uint8_t before[64], posted[40000], after[64];
};

struct mutation {
	struct pair *p;
	uint64_t key, draw;
	uint8_t packet[FTP_WIRE_HEAD_BYTES + FTP_WIRE_MAX_PAYLOAD_BYTES];
};

static uint64_t below(struct mutation *m, uint64_t n)
{
	return ftp_prng_below(m->key, m->draw++, n);
}

/* A genuine packet with up to three bits changed, sealed again in half of the cases. */
static uint32_t mutate(struct mutation *m, const struct ftp_port_tx *t)
{
	uint32_t bytes = FTP_WIRE_HEAD_BYTES + t->payload_bytes;

	memcpy(m->packet, t->head, FTP_WIRE_HEAD_BYTES);
	if (t->payload_bytes)
		memcpy(m->packet + FTP_WIRE_HEAD_BYTES, t->payload, t->payload_bytes);
	for (uint64_t n = below(m, 4); n; n--) {
		uint64_t span = below(m, 2) ? FTP_WIRE_HEADER_BYTES : bytes < 160 ? bytes : 160;
		uint64_t at = below(m, span);

		m->packet[at] ^= (uint8_t)(1u << below(m, 8));
	}
	if (below(m, 2))
		ftp_wire_seal(
			m->packet, m->packet + FTP_WIRE_HEAD_BYTES, bytes - FTP_WIRE_HEAD_BYTES);
	return bytes;
}

/* What end 0 sends reaches end 1 changed; what end 1 answers goes the honest way. */
static void exchange(struct mutation *m)
{
	struct pair *p = m->p;
	struct ftp_connection *from = p->links[0].connection, *to = p->links[1].connection;
	struct ftp_port_tx tx[32];
	struct ftp_port_rx rx;
	int n = ftp_connection_transmit(from, tx, 32, pair_now(p));

	for (int i = 0; i < n; i++) {
		uint32_t bytes = mutate(m, &tx[i]);

		ftp_connection_receive(to, m->packet, bytes, pair_now(p));
	}
	ftp_connection_sent(from, n, pair_now(p));
	n = ftp_connection_transmit(to, tx, 8, pair_now(p));
	ftp_connection_sent(to, p->ports[1]->ops->tx(p->ports[1], tx, n), pair_now(p));
	ftp_simulated_advance(p->network, pair_now(p) + 10 * FTP_NS_PER_US);
	while (p->ports[0]->ops->rx(p->ports[0], &rx, 1)) {
		ftp_connection_receive(from, rx.packet, rx.bytes, pair_now(p));
		p->ports[0]->ops->release(p->ports[0], &rx, 1);
	}
}

static bool is_lost(struct mutation *m)
{
	struct ftp_connection_event e;
	bool is = false;

	while ((e = ftp_connection_next_event(m->p->links[1].connection, m->p->ports[1])).kind)
		is |= e.kind == FTP_CONNECTION_LOST;
	return is;
}

/* Packets as a hostile or broken peer would make them. Whatever happens, nothing crashes, no memory
 * but what was posted changes, and the connection goes on or is lost. */
static void connection_receive__mutations(void **state)
{
	uint64_t seed = pair_seed(1);
	int n_lost = 0;

	(void)state;
	for (uint64_t run = 0; run < 300; run++) {
		struct pair *p = pair_new(seed + run, &(struct pair_options){0});
		struct mutation m = {.p = p, .key = ftp_prng_key(seed + run, FTP_PRNG_TEST, 2)};
		struct guarded *memory = calloc(2, sizeof(*memory));

		pair_run_until(p, FTP_NS_PER_MS);
		for (int i = 0; i < 4; i++) {
			pair_add(p, i % 2, FTP_CLASS_DATA, 40000, 1);
			if (i % 2)
				pair_post(p, i);
			else
				assert_int_equal(
					ftp_connection_post(p->links[1].connection,
						&p->messages[i].id, memory[i / 2].posted, 40000),
					0);
			pair_send(p, i);
		}
		for (int round = 0; round < 60; round++)
			exchange(&m);
		n_lost += is_lost(&m);
		for (int i = 0; i < 2; i++)
			for (int k = 0; k < 64; k++)
				assert_true(!memory[i].before[k] && !memory[i].after[k]);
		pair_free(p);
		free(memory);
	}
	printf("%d of 300 lost\n", n_lost);
}

/* A damaged packet is refused and counted, and the next copy of it serves. */
static void connection_receive__damage_is_repaired(void **state)
{
	struct pair *p = pair_new(1, &(struct pair_options){.is_reliable = true});
	struct mutation m = {.p = p};
	int i = pair_add(p, 0, FTP_CLASS_DATA, 50000, 1), n;
	struct ftp_port_tx tx[8];

	(void)state;
	pair_post(p, i);
	pair_run_until(p, FTP_NS_PER_MS);
	pair_send(p, i);
	n = ftp_connection_transmit(p->links[0].connection, tx, 8, pair_now(p));
	assert_int_equal(n, 4);
	for (int k = 0; k < n; k++) {
		uint32_t bytes = FTP_WIRE_HEAD_BYTES + tx[k].payload_bytes;

		memcpy(m.packet, tx[k].head, FTP_WIRE_HEAD_BYTES);
		memcpy(m.packet + FTP_WIRE_HEAD_BYTES, tx[k].payload, tx[k].payload_bytes);
		if (k == 1)
			m.packet[bytes - 1] ^= 0x80;
		if (k == 2)
			m.packet[60] ^= 0x80; /* the offset */
		ftp_connection_receive(p->links[1].connection, m.packet, bytes, pair_now(p));
	}
	ftp_connection_sent(p->links[0].connection, n, pair_now(p));
	assert_int_equal(pair_stats(p, 1)->rejected[FTP_WIRE_TAG_BAD], 2);
	assert_true(pair_run(p, FTP_NS_PER_S));
	pair_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connection_receive__peer_restarted),
		cmocka_unit_test(connection_receive__damage_is_repaired),
		cmocka_unit_test(connection_receive__mutations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
