#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "runtime/base/prng.h"
#include "tests/net/pair.h"

/* Messages of both directions, all classes and many sizes, sent and posted at times and in orders
 * of their own. Returns the virtual time that it took. */
static uint64_t run_flows(uint64_t seed, const struct pair_options *o, int n, uint32_t max_bytes)
{
	struct pair *p = pair_new(seed, o);
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
	pair_free(p);
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
		struct pair *p = pair_new(
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
		pair_free(p);
	}
}

static void connection_transmit__control_before_bulk(void **state)
{
	struct pair *p =
		pair_new(1, &(struct pair_options){.impair = {.bandwidth_bytes_per_s = 1000000000},
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
	pair_free(p);
}

static void connection_transmit__probes_back_off(void **state)
{
	struct pair *p = pair_new(1, &(struct pair_options){.impair = {.delay_ns = 100000},
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
	pair_free(p);
}

/* A peer that computes for 30 ms between its turns, and says so, makes nobody send anything again.
 */
static void connection_transmit__busy_peer(void **state)
{
	struct pair *p = pair_new(1, &(struct pair_options){.impair = {.delay_ns = 5000},
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
	pair_free(p);
}

static void connection_transmit__port_refuses(void **state)
{
	struct pair *p = pair_new(1, &(struct pair_options){.impair = {.delay_ns = 10000}});

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
	pair_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connection_transmit__flows),
		cmocka_unit_test(connection_transmit__thousand_seeds),
		cmocka_unit_test(connection_transmit__goodput),
		cmocka_unit_test(connection_transmit__control_before_bulk),
		cmocka_unit_test(connection_transmit__probes_back_off),
		cmocka_unit_test(connection_transmit__busy_peer),
		cmocka_unit_test(connection_transmit__port_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
