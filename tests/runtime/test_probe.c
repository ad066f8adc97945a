/* Several nodes in one process, over the simulated network in virtual time. */
#include "tests/base/check.h"

#include <string.h>

#include "net/ring.h"
#include "net/simulated.h"
#include "runtime/base/clock.h"
#include "runtime/probe.h"

#define MAX_NODES 10
#define MS	  FTP_NS_PER_MS

struct cluster {
	int n;
	struct ftp_simulated *network;
	struct ftp_netloop *nets[MAX_NODES];
	struct ftp_probe_script *scripts[MAX_NODES];
	struct ftp_port *ends[2]; /* of the pair opened last */
	uint64_t began_ns;
	bool is_lost[MAX_NODES];
};

static void connect_pair(struct cluster *c, int a, int b, const struct ftp_impair *impair)
{
	struct ftp_error err;

	ftp_simulated_pair(c->network, impair, 512, c->ends);
	for (int side = 0; side < 2; side++) {
		int self = side ? b : a, peer = side ? a : b;
		const struct ftp_connection_params params = {.run = 1,
			.term = 1,
			.local = 100 + (uint64_t)self,
			.remote = 100 + (uint64_t)peer,
			.caps = c->ends[side]->caps,
			.n_messages = FTP_PROBE_N_MESSAGES,
			.max_message_bytes = FTP_PROBE_MAX_BYTES,
			.max_ack_delay_ns = MS,
			.idle_timeout_ns = 10 * FTP_NS_PER_S};
		struct ftp_link link = {.port = c->ends[side]};

		assert_int_equal(ftp_connection_new(&link.connection, &params,
					 ftp_simulated_now_ns(c->network), &err),
			0);
		ftp_netloop_add(c->nets[self], peer, &link);
	}
}

/* All links alike. */
static void set_up(struct cluster *c, int n, const struct ftp_impair *impair)
{
	struct ftp_error err;

	memset(c, 0, sizeof(*c));
	c->n = n;
	c->network = ftp_simulated_new(check_seed());
	for (int i = 0; i < n; i++) {
		assert_int_equal(ftp_netloop_new(&c->nets[i], -1, NULL, &err), 0);
		c->scripts[i] = ftp_probe_new(c->nets[i], n, i);
	}
	for (int a = 0; a < n; a++)
		for (int b = a + 1; b < n; b++)
			connect_pair(c, a, b, impair);
	c->began_ns = ftp_simulated_now_ns(c->network);
}

static void leave(struct cluster *c, int i)
{
	ftp_netloop_free(c->nets[i], ftp_simulated_now_ns(c->network));
	c->nets[i] = NULL;
}

static void tear_down(struct cluster *c)
{
	for (int i = 0; i < c->n; i++) {
		leave(c, i);
		ftp_probe_free(c->scripts[i]);
	}
	ftp_simulated_free(c->network);
}

static bool turn(struct cluster *c, int i, uint64_t now_ns)
{
	bool moved = ftp_netloop_turn(c->nets[i], now_ns) > 0;
	struct ftp_netloop_event e;

	while (ftp_netloop_next_event(c->nets[i], &e)) {
		moved = true;
		if (!ftp_probe_event(c->scripts[i], &e, now_ns))
			c->is_lost[i] = true;
	}
	ftp_probe_serve(c->scripts[i], now_ns);
	return moved;
}

static void advance(struct cluster *c, uint64_t now_ns)
{
	uint64_t next_ns = ftp_simulated_next_ns(c->network);

	for (int i = 0; i < c->n; i++) {
		uint64_t d = c->nets[i] ? ftp_netloop_deadline(c->nets[i]) : FTP_NS_NEVER;

		next_ns = d < next_ns ? d : next_ns;
	}
	ftp_simulated_advance(c->network, next_ns > now_ns ? next_ns : now_ns + 1);
}

/* Until all are done or lost, or deadline_ns of virtual time; who is done leaves at once, as a node
 * does. */
static void run(struct cluster *c, uint64_t deadline_ns)
{
	int n_left = 0;

	while (n_left < c->n) {
		uint64_t now_ns = ftp_simulated_now_ns(c->network);
		bool moved = false;

		if (now_ns - c->began_ns > deadline_ns)
			return;
		n_left = 0;
		for (int i = 0; i < c->n; i++) {
			if (c->nets[i])
				moved |= turn(c, i, now_ns);
			if (c->nets[i] && (ftp_probe_is_done(c->scripts[i]) || c->is_lost[i]))
				leave(c, i);
			n_left += !c->nets[i];
		}
		if (!moved)
			advance(c, now_ns);
	}
}

static void assert_all_measured(
	const struct cluster *c, const struct ftp_impair *impair, double tolerance)
{
	double rate = (double)impair->bandwidth_bytes_per_s;

	for (int i = 0; i < c->n; i++) {
		assert_true(ftp_probe_is_done(c->scripts[i]));
		for (int k = 0; k < c->n; k++) {
			struct ftp_probe_result r = ftp_probe_result(c->scripts[i], k);

			if (k == i)
				continue;
			assert_true(r.rtt_ns >= 2 * impair->delay_ns);
			assert_true(r.rtt_ns <= 2 * impair->delay_ns + MS);
			assert_true((double)r.bytes_per_s > rate * (1 - tolerance));
			assert_true((double)r.bytes_per_s < rate * (1 + tolerance));
		}
	}
}

static void probe_partner_of__every_pair_once(void **state)
{
	(void)state;
	for (int n = 1; n <= 33; n++) {
		int met[33][33] = {0};

		for (int round = 0; round < n - 1 + n % 2; round++)
			for (int i = 0; i < n; i++) {
				int k = ftp_probe_partner_of(n, i, round);

				assert_in_range(k + 1, 0, n);
				assert_int_not_equal(k, i);
				if (k < 0)
					continue;
				assert_int_equal(ftp_probe_partner_of(n, k, round), i);
				met[i][k]++;
			}
		for (int i = 0; i < n; i++)
			for (int k = 0; k < n; k++)
				assert_int_equal(met[i][k], i != k);
	}
}

static void probe_result__links(void **state)
{
	static const struct ftp_impair links[] = {
		{.bandwidth_bytes_per_s = 1000000000, .delay_ns = 50000},
		{.bandwidth_bytes_per_s = 100000000, .delay_ns = 1000000},
		{.bandwidth_bytes_per_s = 10000000, .delay_ns = 200000},
		{.bandwidth_bytes_per_s = 1000000, .delay_ns = 2000000},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		struct cluster c;

		set_up(&c, 2, &links[i]);
		run(&c, FTP_NS_PER_S);
		assert_all_measured(&c, &links[i], 0.25);
		tear_down(&c);
	}
}

static void probe_result__many_nodes(void **state)
{
	const struct ftp_impair impair = {.bandwidth_bytes_per_s = 50000000, .delay_ns = 500000};

	(void)state;
	for (int n = 3; n <= MAX_NODES; n++) {
		struct cluster c;

		set_up(&c, n, &impair);
		run(&c, 300 * MS * (uint64_t)n);
		assert_all_measured(&c, &impair, 0.25);
		tear_down(&c);
	}
}

static void probe_result__lossy(void **state)
{
	const struct ftp_impair impair = {
		.loss = 0.02, .bandwidth_bytes_per_s = 20000000, .delay_ns = 300000};
	struct cluster c;

	(void)state;
	set_up(&c, 3, &impair);
	run(&c, 20 * FTP_NS_PER_S);
	for (int i = 0; i < 3; i++) {
		assert_true(ftp_probe_is_done(c.scripts[i]));
		for (int k = 0; k < 3; k++)
			if (k != i)
				assert_in_range(ftp_probe_result(c.scripts[i], k).bytes_per_s,
					100000, 25000000);
	}
	tear_down(&c);
}

static void probe_is_done__alone(void **state)
{
	struct cluster c;

	(void)state;
	set_up(&c, 1, &(struct ftp_impair){0});
	run(&c, MS);
	assert_true(ftp_probe_is_done(c.scripts[0]));
	tear_down(&c);
}

/* The last pair's link goes: its two nodes hear it, and know whom they wait for. */
static void probe_event__lost(void **state)
{
	const struct ftp_impair impair = {.bandwidth_bytes_per_s = 50000000, .delay_ns = 500000};
	struct cluster c;

	(void)state;
	set_up(&c, 3, &impair);
	ftp_simulated_cut(c.network, c.ends[0], true, true); /* 1 and 2 */
	run(&c, 15 * FTP_NS_PER_S);
	assert_true(c.is_lost[1] && c.is_lost[2]);
	assert_false(ftp_probe_is_done(c.scripts[1]));
	tear_down(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(probe_partner_of__every_pair_once),
		cmocka_unit_test(probe_result__links),
		cmocka_unit_test(probe_result__many_nodes),
		cmocka_unit_test(probe_result__lossy),
		cmocka_unit_test(probe_is_done__alone),
		cmocka_unit_test(probe_event__lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
