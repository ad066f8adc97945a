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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connection_send__one_message),
		cmocka_unit_test(connection_transmit__flows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
