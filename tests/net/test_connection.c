#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/prng.h"
#include "tests/net/pair.h"

static struct pair *new_pair(uint64_t seed, const struct pair_options *o)
{
	struct pair *p = malloc(sizeof(*p));

	assert_non_null(p);
	pair_init(p, seed, o);
	return p;
}

static void free_pair(struct pair *p)
{
	pair_deinit(p);
	free(p);
}

static void connection_send__one_message(void **state)
{
	struct pair *p = new_pair(1, &(struct pair_options){0});
	int i = pair_add(p, 0, FTP_CLASS_DATA, 100000, 1);

	(void)state;
	pair_post(p, i);
	pair_send(p, i);
	assert_true(pair_run(p, FTP_NS_PER_S));
	assert_true(p->established[0] && p->established[1]);
	free_pair(p);
}

/* Messages of both directions, all classes and many sizes, sent and posted at times and in orders
 * of their own. Returns the virtual time that it took. */
static uint64_t run_flows(uint64_t seed, const struct pair_options *o, int n, uint32_t max_bytes)
{
	struct pair *p = new_pair(seed, o);
	uint64_t key = ftp_prng_key(seed, FTP_PRNG_TEST, 1u << 20), draw = 0, until_ns, took_ns;

	for (int i = 0; i < n; i++) {
		uint32_t bytes = 1 + (uint32_t)ftp_prng_below(key, draw++, max_bytes);

		if (ftp_prng_below(key, draw++, 3) == 0)
			bytes = 1 + bytes % 100;
		pair_add(p, (int)ftp_prng_below(key, draw + 1, 2),
			(enum ftp_message_class)ftp_prng_below(key, draw, FTP_N_CLASSES), bytes, 1);
		draw += 2;
	}
	for (int i = 0; i < 2 * n; i++) {
		/* n is no multiple of the prime: every message is sent once. */
		int which = (int)((uint64_t)(i / 2) * 7919 % (uint64_t)n);

		if (i % 2)
			pair_post(p, i / 2);
		else
			pair_send(p, which);
		if (ftp_prng_below(key, draw++, 4))
			continue;
		until_ns = pair_now(p) + ftp_prng_below(key, draw++, 200 * FTP_NS_PER_US);
		while (pair_now(p) < until_ns)
			pair_step(p, until_ns);
	}
	if (!pair_run(p, pair_now(p) + 600 * FTP_NS_PER_S))
		fail_msg("seed %llu: %d of %d messages done", (unsigned long long)seed, p->n_done,
			n);
	for (int e = 0; e < 2; e++) {
		const struct ftp_connection_stats *s = pair_stats(p, e);

		assert_false(p->lost[e]);
		assert_int_equal(s->copied_tx_bytes, 0);
		assert_int_equal(s->copied_rx_bytes, s->rx_bytes);
		for (int r = 0; r < FTP_WIRE_N_REJECTS; r++)
			assert_int_equal(s->rejected[r], 0);
	}
	took_ns = p->done_ns;
	free_pair(p);
	return took_ns;
}

struct condition {
	const char *name;
	struct pair_options options;
};

static const struct condition conditions[] = {
	{"clean", {.is_reliable = true}},
	{"loss 1%", {.impair = {.loss = 0.01, .delay_ns = 50000}}},
	{"loss 5%", {.impair = {.loss = 0.05, .delay_ns = 50000}}},
	{"loss 20%", {.impair = {.loss = 0.2, .delay_ns = 50000}}},
	{"reordering", {.impair = {.reordering = 0.2, .delay_ns = 100000, .jitter_ns = 20000}}},
	{"duplication", {.impair = {.duplication = 0.3, .jitter_ns = 30000}}},
	{"all, small frames", {.impair = {.loss = 0.05,
				       .duplication = 0.05,
				       .reordering = 0.05,
				       .delay_ns = 200000,
				       .jitter_ns = 100000,
				       .bandwidth_bytes_per_s = 125000000},
				      .max_payload_bytes = 1408}},
	{"ring overrun", {.impair = {.delay_ns = 300000}, .ring_packets = 8}},
};

static void connection_transmit__flows(void **state)
{
	uint64_t seed = pair_seed(1);

	(void)state;
	for (size_t i = 0; i < sizeof(conditions) / sizeof(conditions[0]); i++) {
		uint64_t took_ns = run_flows(seed, &conditions[i].options, 100, 300000);

		printf("%-20s %8.3f ms\n", conditions[i].name, (double)took_ns / 1e6);
	}
}

/* Many short runs, each under a condition of its own. */
static void connection_transmit__thousand_seeds(void **state)
{
	uint64_t first = pair_seed(1000);
	const size_t n_conditions = sizeof(conditions) / sizeof(conditions[0]);

	(void)state;
	for (uint64_t seed = first; seed < first + 1000; seed++)
		run_flows(seed, &conditions[seed % n_conditions].options, 12, 40000);
}

/* 8 MiB each way through 1 Gbit/s and 100 us: what loss costs. NewReno's window is about
 * sqrt(1.5 / loss) packets, so the floor at 1 % is set far below the line's rate. */
static void connection_transmit__goodput(void **state)
{
	static const struct {
		double loss;
		bool is_reliable;
		double least; /* share of the line's rate */
	} cases[] = {{0, true, 0.9}, {0, false, 0.8}, {0.01, false, 0.3}, {0.05, false, 0.1},
		{0.2, false, 0.01}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct pair *p = new_pair(
			1, &(struct pair_options){.impair = {.loss = cases[i].loss,
							  .delay_ns = 100000,
							  .bandwidth_bytes_per_s = 125000000},
				   .max_payload_bytes = 8192,
				   .window_packets = 128,
				   .is_reliable = cases[i].is_reliable});
		double share;

		for (int k = 0; k < 16; k++) {
			pair_add(p, k % 2, FTP_CLASS_DATA, 1 << 20, 1);
			pair_post(p, k);
			pair_send(p, k);
		}
		assert_true(pair_run(p, 100 * FTP_NS_PER_S));
		share = 8.0 * (1 << 20) / ((double)p->done_ns / 1e9) / 125e6;
		printf("loss %4.1f%% %s: %5.1f%% of the line, %llu packets again, %llu probes\n",
			100 * cases[i].loss, cases[i].is_reliable ? "reliable" : "lossy   ",
			100 * share, (unsigned long long)pair_stats(p, 0)->retransmitted_packets,
			(unsigned long long)pair_stats(p, 0)->probe_timeouts);
		assert_true(share > cases[i].least);
		/* The round trip grows from 0.2 to 9 ms within one: a probe may come too early. */
		if (cases[i].loss == 0)
			assert_true(pair_stats(p, 0)->retransmitted_packets <= 2);
		free_pair(p);
	}
}

static void connection_send__waits_for_credit(void **state)
{
	struct pair *p = new_pair(1, &(struct pair_options){0});
	int a = pair_add(p, 0, FTP_CLASS_DATA, 50000, 1);
	int b = pair_add(p, 0, FTP_CLASS_DATA, 50000, 1);

	(void)state;
	pair_send(p, a);
	pair_send(p, b);
	pair_run_until(p, 100 * FTP_NS_PER_MS);
	assert_int_equal(pair_stats(p, 0)->tx_bytes, 0);
	/* Posted in the other order than sent: neither waits for the other. */
	pair_post(p, b);
	pair_run_until(p, 101 * FTP_NS_PER_MS);
	assert_true(p->messages[b].is_received && p->messages[b].is_sent);
	assert_int_equal(pair_stats(p, 0)->tx_bytes, 50000);
	pair_post(p, a);
	pair_run_until(p, 102 * FTP_NS_PER_MS);
	assert_true(p->messages[a].is_received && p->messages[a].is_sent);
	assert_int_equal(pair_stats(p, 0)->retransmitted_packets, 0);
	assert_int_equal(pair_stats(p, 1)->unposted_packets, 0);
	free_pair(p);
}

/* The receiver tells no more grants than the sender can remember. */
static void connection_send__few_places(void **state)
{
	struct pair *p = new_pair(1, &(struct pair_options){.impair = {.loss = 0.1}});

	(void)state;
	ftp_connection_free(p->links[0].connection);
	p->params[0].n_messages = 3;
	assert_int_equal(ftp_connection_new(&p->links[0].connection, &p->params[0], 0, NULL), 0);
	for (int i = 0; i < 40; i++)
		pair_post(p, pair_add(p, 0, FTP_CLASS_DATA, 20000, 1));
	for (int i = 0; i < 40; i++) {
		/* Backwards within each three, since the grants come in the order of posting. */
		pair_send(p, i / 3 * 3 == 39 ? 39 : i / 3 * 3 + 2 - i % 3);
		if (i % 3 < 2 && i < 39)
			continue;
		while (p->n_done <= i)
			pair_step(p, 10 * FTP_NS_PER_S);
	}
	assert_int_equal(p->n_done, 40);
	free_pair(p);
}

static void connection_send__outcomes(void **state)
{
	struct pair *p = new_pair(1, &(struct pair_options){.n_messages = 2});
	struct ftp_connection *c = p->links[0].connection;
	struct ftp_message_id id = {.kind = FTP_MESSAGE_PROBE};
	struct ftp_buffer none, large;

	(void)state;
	ftp_buffer_init(&none, NULL, 0);
	ftp_buffer_init(&large, NULL, (64u << 20) + 1);
	assert_int_equal(ftp_connection_send(c, &id, FTP_CLASS_DATA, &none, 0), -EMSGSIZE);
	assert_int_equal(ftp_connection_send(c, &id, FTP_CLASS_DATA, &large, 0), -EMSGSIZE);
	assert_int_equal(ftp_connection_post(c, &id, NULL, 0), -EMSGSIZE);
	pair_post(p, pair_add(p, 1, FTP_CLASS_DATA, 10, 1));
	assert_int_equal(ftp_connection_post(c, &p->messages[0].id, NULL, 10), -EEXIST);
	pair_send(p, pair_add(p, 0, FTP_CLASS_DATA, 10, 1));
	/* Both places are taken. */
	large.bytes = 1;
	assert_int_equal(ftp_connection_send(c, &id, FTP_CLASS_DATA, &large, 0), 1);
	assert_int_equal(ftp_connection_post(c, &id, &large, 1), 1);
	free_pair(p);
}

static void connection_send__sizes_differ(void **state)
{
	for (int order = 0; order < 2; order++) {
		struct pair *p = new_pair(1, &(struct pair_options){.impair = {.delay_ns = 1000}});
		int i = pair_add(p, 0, FTP_CLASS_DATA, 1000, 1);
		struct pair_message *m = &p->messages[i];
		int r = 0;

		if (order)
			pair_send(p, i);
		assert_int_equal(
			ftp_connection_post(p->links[1].connection, &m->id, m->target, 999), 0);
		pair_run_until(p, FTP_NS_PER_MS);
		if (!order)
			r = ftp_connection_send(p->links[0].connection, &m->id, FTP_CLASS_DATA,
				&m->buffer, pair_now(p));
		pair_run_until(p, 2 * FTP_NS_PER_MS);
		assert_int_equal(r, order ? 0 : -EPROTO);
		assert_int_equal(p->lost[0], order ? FTP_CONNECTION_PROTOCOL : 0);
		/* The peer is told. */
		assert_int_equal(p->lost[1], order ? FTP_CONNECTION_PEER_CLOSED : 0);
		free_pair(p);
	}
	(void)state;
}

static void connection_transmit__control_before_bulk(void **state)
{
	struct pair *p =
		new_pair(1, &(struct pair_options){.impair = {.bandwidth_bytes_per_s = 1000000000},
				    .is_reliable = true});
	int bulk, data, control;

	(void)state;
	pair_run_until(p, FTP_NS_PER_MS);
	bulk = pair_add(p, 0, FTP_CLASS_BULK, 8 << 20, 1);
	data = pair_add(p, 0, FTP_CLASS_DATA, 1 << 20, 1);
	control = pair_add(p, 0, FTP_CLASS_CONTROL, 100, 1);
	for (int i = 0; i < 3; i++)
		pair_post(p, i);
	pair_send(p, bulk);
	pair_run_until(p, 3 * FTP_NS_PER_MS);
	pair_send(p, data);
	pair_run_until(p, pair_now(p) + 100 * FTP_NS_PER_US);
	pair_send(p, control);
	assert_true(pair_run(p, FTP_NS_PER_S));
	assert_int_equal(p->messages[control].received_order, 0);
	assert_int_equal(p->messages[data].received_order, 1);
	/* A megabyte takes 1.05 ms; three quarters of the window (64 packets of 16 KiB) were ahead.
	 */
	assert_true(p->messages[data].received_ns < 3 * FTP_NS_PER_MS + 2200 * FTP_NS_PER_US);
	/* Control waits for nothing but what is on the line already. */
	assert_true(p->messages[control].received_ns < 3 * FTP_NS_PER_MS + 1300 * FTP_NS_PER_US);
	free_pair(p);
}

static void connection_transmit__probes_back_off(void **state)
{
	struct pair *p = new_pair(1, &(struct pair_options){.impair = {.delay_ns = 100000},
					     .max_ack_delay_ns = 10 * FTP_NS_PER_MS,
					     .idle_timeout_ns = 100 * FTP_NS_PER_S});
	int i = pair_add(p, 0, FTP_CLASS_DATA, 10, 1);
	uint64_t start_ns, n;

	(void)state;
	pair_post(p, i);
	pair_run_until(p, 10 * FTP_NS_PER_MS);
	start_ns = pair_now(p);
	ftp_simulated_cut(p->network, p->ports[0], true, true);
	pair_send(p, i);
	/* PTO = srtt 0.2 ms + granularity 1 ms + max_ack_delay 10 ms, about 11.2 ms (RFC 9002
	 * section 6.2.1; the variation of a steady path is below the granularity). It doubles each
	 * time up to a second: probes after 1, 3, 7, 15, 31, 63, 127 timeouts, then once a second.
	 */
	for (int k = 1; k <= 6; k++) {
		pair_run_until(p, start_ns + ((1u << k) - 1) * 11000 * FTP_NS_PER_US);
		assert_int_equal(pair_stats(p, 0)->probe_timeouts, k - 1);
		pair_run_until(p, start_ns + ((1u << k) - 1) * 11800 * FTP_NS_PER_US);
		assert_int_equal(pair_stats(p, 0)->probe_timeouts, k);
	}
	n = pair_stats(p, 0)->probe_timeouts;
	pair_run_until(p, pair_now(p) + 10 * FTP_NS_PER_S);
	assert_in_range(pair_stats(p, 0)->probe_timeouts - n, 9, 11);
	/* Healed: the next probe, within a second, brings the message home. */
	ftp_simulated_cut(p->network, p->ports[0], false, false);
	assert_true(pair_run(p, pair_now(p) + 1100 * FTP_NS_PER_MS));
	free_pair(p);
}

/* A peer that computes for 30 ms between its turns, and says so, makes nobody send anything again.
 */
static void connection_transmit__busy_peer(void **state)
{
	struct pair *p = new_pair(1, &(struct pair_options){.impair = {.delay_ns = 5000},
					     .max_ack_delay_ns = 31 * FTP_NS_PER_MS});

	(void)state;
	p->busy_ns[1] = 30 * FTP_NS_PER_MS;
	for (int i = 0; i < 60; i++) {
		pair_add(p, i % 2, FTP_CLASS_DATA, i % 3 ? 40000 : 10, 1);
		pair_post(p, i);
		pair_send(p, i);
		pair_run_until(p, pair_now(p) + 13 * FTP_NS_PER_MS);
	}
	assert_true(pair_run(p, 100 * FTP_NS_PER_S));
	for (int e = 0; e < 2; e++) {
		assert_int_equal(pair_stats(p, e)->probe_timeouts, 0);
		assert_int_equal(pair_stats(p, e)->retransmitted_packets, 0);
	}
	free_pair(p);
}

static void connection_transmit__port_refuses(void **state)
{
	struct pair *p = new_pair(1, &(struct pair_options){.impair = {.delay_ns = 10000}});

	(void)state;
	for (int i = 0; i < 20; i++) {
		pair_add(p, i % 2, FTP_CLASS_DATA, 100000, 1);
		pair_post(p, i);
		pair_send(p, i);
	}
	for (int k = 0; k < 40; k++) {
		ftp_simulated_refuse(p->network, p->ports[0], k % 2);
		ftp_simulated_refuse(p->network, p->ports[1], k % 3 == 0);
		pair_run_until(p, pair_now(p) + (k % 5) * 37 * FTP_NS_PER_US);
	}
	ftp_simulated_refuse(p->network, p->ports[0], false);
	ftp_simulated_refuse(p->network, p->ports[1], false);
	assert_true(pair_run(p, FTP_NS_PER_S));
	assert_int_equal(pair_stats(p, 0)->rejected[FTP_WIRE_TAG_BAD], 0);
	free_pair(p);
}

static void connection_deadline__keep_alive(void **state)
{
	struct pair *p = new_pair(1, &(struct pair_options){.idle_timeout_ns = FTP_NS_PER_S});

	(void)state;
	pair_run_until(p, 60 * FTP_NS_PER_S);
	assert_false(p->lost[0] || p->lost[1]);
	/* Four a second each, and their acknowledgements: quiet is cheap. */
	assert_true(pair_stats(p, 0)->tx_packets < 600);
	free_pair(p);
}

static void connection_deadline__idle_timeout(void **state)
{
	struct pair *p = new_pair(1, &(struct pair_options){.idle_timeout_ns = FTP_NS_PER_S});

	(void)state;
	pair_run_until(p, FTP_NS_PER_MS);
	/* One direction is enough for the end that hears nothing; the other hears until then. */
	ftp_simulated_cut(p->network, p->ports[0], true, false);
	pair_run_until(p, 1100 * FTP_NS_PER_MS);
	assert_int_equal(p->lost[1], FTP_CONNECTION_IDLE_TIMEOUT);
	assert_false(p->lost[0]);
	assert_in_range(p->lost_ns[1], 990 * FTP_NS_PER_MS, 1010 * FTP_NS_PER_MS);
	pair_run_until(p, 2200 * FTP_NS_PER_MS);
	assert_int_equal(p->lost[0], FTP_CONNECTION_IDLE_TIMEOUT);
	assert_int_equal(ftp_connection_deadline(p->links[0].connection), FTP_NS_NEVER);
	free_pair(p);
}

/* A peer that never comes is lost after the same time. */
static void connection_new__nobody_there(void **state)
{
	struct pair *p = new_pair(1, &(struct pair_options){.idle_timeout_ns = FTP_NS_PER_S});

	(void)state;
	ftp_simulated_cut(p->network, p->ports[0], true, true);
	pair_run_until(p, 2 * FTP_NS_PER_S);
	assert_int_equal(p->lost[0], FTP_CONNECTION_IDLE_TIMEOUT);
	assert_int_equal(p->lost_ns[0], FTP_NS_PER_S);
	assert_false(p->established[0]);
	free_pair(p);
}

static void connection_new__bounds(void **state)
{
	struct pair *p = new_pair(1, &(struct pair_options){0});
	struct ftp_connection_params params = p->params[0];
	struct ftp_connection *c;
	struct ftp_error err;

	(void)state;
	params.max_payload_bytes = 100;
	assert_int_equal(ftp_connection_new(&c, &params, 0, &err), -EINVAL);
	assert_non_null(strstr(err.text, "max_payload_bytes is 100"));
	params = p->params[0];
	params.n_messages = 0;
	assert_int_equal(ftp_connection_new(&c, &params, 0, &err), -EINVAL);
	params = p->params[0];
	params.idle_timeout_ns = 0;
	assert_int_equal(ftp_connection_new(&c, &params, 0, &err), -EINVAL);
	free_pair(p);
}

static void connection_close__tells_the_peer(void **state)
{
	struct pair *p =
		new_pair(1, &(struct pair_options){.impair = {.loss = 0.3, .delay_ns = 1000}});

	(void)state;
	pair_run_until(p, 100 * FTP_NS_PER_MS);
	ftp_connection_close(p->links[0].connection, pair_now(p));
	pair_run_until(p, 101 * FTP_NS_PER_MS);
	assert_int_equal(p->lost[1], FTP_CONNECTION_PEER_CLOSED);
	assert_false(p->lost[0]);
	free_pair(p);
}

static void connection_port_down__is_final(void **state)
{
	struct pair *p = new_pair(1, &(struct pair_options){0});

	(void)state;
	pair_run_until(p, FTP_NS_PER_MS);
	p->links[1].port->ops->close(p->links[1].port);
	ftp_connection_free(p->links[1].connection);
	p->links[1] = (struct ftp_link){0};
	pair_run_until(p, 2 * FTP_NS_PER_MS);
	assert_int_equal(p->lost[0], FTP_CONNECTION_PORT_DOWN);
	free_pair(p);
}

/* A peer that died and came back has another incarnation: it is a stranger to the old connection,
 * and a new one serves it. */
static void connection_receive__peer_restarted(void **state)
{
	struct pair *p = new_pair(1, &(struct pair_options){.idle_timeout_ns = FTP_NS_PER_S});
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
	free_pair(p);
}

/* New terms in the middle of messages, at each end at its own time, on a network that delivers late
 * and twice. The same ids and the same memory serve the new term with other bytes, and nothing of
 * the old one lands in them: pair.c compares every byte. */
static void connection_set_term__amid_messages(void **state)
{
	uint64_t seed = pair_seed(1);

	(void)state;
	for (uint64_t run = 0; run < 50; run++) {
		struct pair *p =
			new_pair(seed + run, &(struct pair_options){.impair = {.loss = 0.02,
									    .duplication = 0.2,
									    .reordering = 0.2,
									    .delay_ns = 50000,
									    .jitter_ns = 300000}});
		uint64_t key = ftp_prng_key(seed + run, FTP_PRNG_TEST, 1), draw = 0;

		for (int i = 0; i < 4; i++) {
			pair_add(p, i % 2, (enum ftp_message_class)(i % 3), 400000, 1);
			pair_post(p, i);
			pair_send(p, i);
		}
		for (uint64_t term = 2; term < 5; term++) {
			int first = (int)ftp_prng_below(key, draw++, 2);

			pair_run_until(p, pair_now(p) + ftp_prng_below(key, draw++, 5000000));
			for (int k = 0; k < 2; k++) {
				int end = k ? !first : first;

				ftp_connection_set_term(
					p->links[end].connection, term, pair_now(p));
				/* The one that is ahead goes on already. */
				for (int i = 0; i < 4; i++) {
					struct pair_message *m = &p->messages[i];

					while (m->from == end && m->buffer.port_words[0])
						pair_step(p, pair_now(p) + FTP_NS_PER_MS);
				}
				if (k)
					break;
				pair_run_until(
					p, pair_now(p) + ftp_prng_below(key, draw++, 2000000));
			}
			for (int i = 0; i < 4; i++) {
				pair_renew(p, i);
				pair_post(p, i);
				pair_send(p, i);
			}
		}
		assert_true(pair_run(p, pair_now(p) + 60 * FTP_NS_PER_S));
		assert_true(pair_stats(p, 0)->stale_packets + pair_stats(p, 1)->stale_packets > 0);
		assert_int_equal(pair_stats(p, 0)->rejected[FTP_WIRE_TAG_BAD], 0);
		free_pair(p);
	}
}

/* While the peer is still in the old term nothing but HELLO is sent, and the first word of the new
 * term starts the traffic at once. */
static void connection_set_term__peer_follows_late(void **state)
{
	struct pair *p = new_pair(1, &(struct pair_options){.impair = {.delay_ns = 10000}});
	int i = pair_add(p, 0, FTP_CLASS_DATA, 100000, 1);

	(void)state;
	pair_run_until(p, 10 * FTP_NS_PER_MS);
	ftp_connection_set_term(p->links[0].connection, 9, pair_now(p));
	pair_send(p, i);
	pair_run_until(p, 5 * FTP_NS_PER_S);
	assert_int_equal(pair_stats(p, 0)->tx_bytes, 0);
	assert_false(p->lost[0] || p->lost[1]);
	ftp_connection_set_term(p->links[1].connection, 9, pair_now(p));
	pair_post(p, i);
	assert_true(pair_run(p, 5 * FTP_NS_PER_S + FTP_NS_PER_MS));
	free_pair(p);
}

/* Packets as a hostile or broken peer would make them: genuine ones with some bytes changed, half
 * of them sealed again so that they pass the tag. Whatever happens, nothing crashes, no memory but
 * what was posted changes, and the connection goes on or is lost. */
static void connection_receive__mutations(void **state)
{
	uint64_t seed = pair_seed(1), n_lost = 0;

	(void)state;
	for (uint64_t run = 0; run < 300; run++) {
		struct pair *p = new_pair(seed + run, &(struct pair_options){0});
		uint64_t key = ftp_prng_key(seed + run, FTP_PRNG_TEST, 2), draw = 0, now_ns;
		struct ftp_connection *c = p->links[1].connection;
		uint8_t packet[FTP_WIRE_HEAD_BYTES + FTP_WIRE_MAX_PAYLOAD_BYTES];
		struct {
			uint8_t before[64], posted[40000], after[64];
		} *memory = calloc(1, sizeof(*memory));
		struct ftp_port_tx tx[32];

		pair_run_until(p, FTP_NS_PER_MS);
		for (int i = 0; i < 4; i++) {
			pair_add(p, i % 2, FTP_CLASS_DATA, 40000, 1);
			if (i % 2)
				pair_post(p, i);
			else
				assert_int_equal(ftp_connection_post(c, &p->messages[i].id,
							 memory->posted, 40000),
					0);
			pair_send(p, i);
		}
		for (int round = 0; round < 60; round++) {
			int n = ftp_connection_transmit(
				p->links[0].connection, tx, 32, pair_now(p));

			for (int i = 0; i < n; i++) {
				uint32_t bytes = FTP_WIRE_HEAD_BYTES + tx[i].payload_bytes;
				uint64_t n_changes = ftp_prng_below(key, draw++, 4);

				memcpy(packet, tx[i].head, FTP_WIRE_HEAD_BYTES);
				if (tx[i].payload_bytes)
					memcpy(packet + FTP_WIRE_HEAD_BYTES, tx[i].payload,
						tx[i].payload_bytes);
				while (n_changes--) {
					uint64_t span = ftp_prng_below(key, draw++, 2)
								? FTP_WIRE_HEADER_BYTES
							: bytes < 160 ? bytes
								      : 160;
					uint64_t at = ftp_prng_below(key, draw++, span);

					packet[at] ^=
						(uint8_t)(1u << ftp_prng_below(key, draw++, 8));
				}
				if (ftp_prng_below(key, draw++, 2))
					ftp_wire_seal(packet, packet + FTP_WIRE_HEAD_BYTES,
						bytes - FTP_WIRE_HEAD_BYTES);
				ftp_connection_receive(c, packet, bytes, pair_now(p));
			}
			ftp_connection_sent(p->links[0].connection, n, pair_now(p));
			/* Its answers go the honest way, a few at a time. */
			now_ns = pair_now(p);
			n = ftp_connection_transmit(c, tx, 8, now_ns);
			n = p->ports[1]->ops->tx(p->ports[1], tx, n);
			ftp_connection_sent(c, n, now_ns);
			ftp_simulated_advance(p->network, now_ns + 10000);
			for (struct ftp_port_rx rx; p->ports[0]->ops->rx(p->ports[0], &rx, 1);) {
				ftp_connection_receive(
					p->links[0].connection, rx.packet, rx.bytes, pair_now(p));
				p->ports[0]->ops->release(p->ports[0], &rx, 1);
			}
		}
		while (1) {
			struct ftp_connection_event e = ftp_connection_next_event(c, p->ports[1]);

			if (!e.kind)
				break;
			n_lost += e.kind == FTP_CONNECTION_LOST;
		}
		for (int k = 0; k < 64; k++)
			assert_true(!memory->before[k] && !memory->after[k]);
		free_pair(p);
		free(memory);
	}
	printf("%llu of 300 lost\n", (unsigned long long)n_lost);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connection_new__nobody_there),
		cmocka_unit_test(connection_new__bounds),
		cmocka_unit_test(connection_send__one_message),
		cmocka_unit_test(connection_send__waits_for_credit),
		cmocka_unit_test(connection_send__few_places),
		cmocka_unit_test(connection_send__outcomes),
		cmocka_unit_test(connection_send__sizes_differ),
		cmocka_unit_test(connection_receive__peer_restarted),
		cmocka_unit_test(connection_receive__mutations),
		cmocka_unit_test(connection_transmit__flows),
		cmocka_unit_test(connection_transmit__thousand_seeds),
		cmocka_unit_test(connection_transmit__goodput),
		cmocka_unit_test(connection_transmit__control_before_bulk),
		cmocka_unit_test(connection_transmit__probes_back_off),
		cmocka_unit_test(connection_transmit__busy_peer),
		cmocka_unit_test(connection_transmit__port_refuses),
		cmocka_unit_test(connection_deadline__keep_alive),
		cmocka_unit_test(connection_deadline__idle_timeout),
		cmocka_unit_test(connection_set_term__amid_messages),
		cmocka_unit_test(connection_set_term__peer_follows_late),
		cmocka_unit_test(connection_close__tells_the_peer),
		cmocka_unit_test(connection_port_down__is_final),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
