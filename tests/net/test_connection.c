#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "runtime/base/prng.h"
#include "tests/net/pair.h"

static void connection_send__one_message(void **state)
{
	struct pair *p = pair_new(1, &(struct pair_options){0});
	int i = pair_add(p, 0, FTP_CLASS_DATA, 100000, 1);

	(void)state;
	pair_post(p, i);
	pair_send(p, i);
	assert_true(pair_run(p, FTP_NS_PER_S));
	assert_true(p->established[0] && p->established[1]);
	pair_free(p);
}

static void connection_send__waits_for_credit(void **state)
{
	struct pair *p = pair_new(1, &(struct pair_options){0});
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
	pair_free(p);
}

/* A sender with three places and a receiver that has posted everything, in the reverse order. */
static void connection_send__few_places(void **state)
{
	struct pair *p = pair_new(1, &(struct pair_options){.impair = {.loss = 0.1}});

	(void)state;
	ftp_connection_free(p->links[0].connection);
	p->params[0].n_messages = 3;
	assert_int_equal(ftp_connection_new(&p->links[0].connection, &p->params[0], 0, NULL), 0);
	for (int i = 0; i < 200; i++)
		pair_add(p, 0, FTP_CLASS_DATA, 20000, 1);
	for (int i = 199; i >= 0; i--)
		pair_post(p, i);
	for (int i = 0; i < 200; i++) {
		while (p->n_done + 3 <= i)
			pair_step(p, 10 * FTP_NS_PER_S);
		pair_send(p, i);
	}
	assert_true(pair_run(p, 10 * FTP_NS_PER_S));
	pair_free(p);
}

static void connection_send__outcomes(void **state)
{
	struct pair *p = pair_new(1, &(struct pair_options){.n_messages = 2});
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
	pair_free(p);
}

static void connection_send__sizes_differ(void **state)
{
	for (int order = 0; order < 2; order++) {
		struct pair *p = pair_new(1, &(struct pair_options){.impair = {.delay_ns = 1000}});
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
		pair_free(p);
	}
	(void)state;
}

static void connection_deadline__keep_alive(void **state)
{
	struct pair *p = pair_new(1, &(struct pair_options){.idle_timeout_ns = FTP_NS_PER_S});

	(void)state;
	pair_run_until(p, 60 * FTP_NS_PER_S);
	assert_false(p->lost[0] || p->lost[1]);
	/* Ten a second each, and their acknowledgements: quiet is cheap. */
	assert_true(pair_stats(p, 0)->tx_packets < 1300);
	pair_free(p);
}

static void connection_deadline__idle_timeout(void **state)
{
	struct pair *p = pair_new(1, &(struct pair_options){.idle_timeout_ns = FTP_NS_PER_S});

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
	pair_free(p);
}

/* Watched by end 1 for three seconds before end 0 is cut off; with tasks of so long. */
static struct pair *watched(bool is_reliable, uint64_t busy_ns)
{
	struct pair *p = pair_new(1, &(struct pair_options){.is_reliable = is_reliable});

	p->busy_ns[0] = busy_ns;
	pair_run_until(p, FTP_NS_PER_S);
	ftp_connection_watch(p->links[1].connection, 0, pair_now(p));
	pair_run_until(p, 4 * FTP_NS_PER_S);
	assert_int_equal(p->lost[1], 0);
	ftp_simulated_cut(p->network, p->ports[0], true, false);
	return p;
}

static void connection_watch__a_silent_peer(void **state)
{
	struct pair *p = watched(false, 0);

	(void)state;
	pair_run_until(p, 6 * FTP_NS_PER_S);
	assert_int_equal(p->lost[1], FTP_CONNECTION_IDLE_TIMEOUT);
	assert_in_range(p->lost_ns[1], 4690 * FTP_NS_PER_MS, 4810 * FTP_NS_PER_MS);
	assert_true(pair_stats(p, 1)->silence_ratio == 1);
	assert_int_equal(p->lost[0], 0);
	pair_free(p);
}

static void connection_watch__a_busy_peer(void **state)
{
	struct pair *p = watched(false, 300 * FTP_NS_PER_MS);

	(void)state;
	pair_run_until(p, 6 * FTP_NS_PER_S);
	assert_in_range(p->lost_ns[1], 4890 * FTP_NS_PER_MS, 5210 * FTP_NS_PER_MS);
	pair_free(p);
}

static void connection_watch__not_any_longer(void **state)
{
	struct pair *p = watched(false, 0);

	(void)state;
	ftp_connection_relax(p->links[1].connection);
	pair_run_until(p, 15 * FTP_NS_PER_S);
	assert_in_range(p->lost_ns[1], 13890 * FTP_NS_PER_MS, 14010 * FTP_NS_PER_MS);
	pair_free(p);
}

/* Whose port loses nothing silently is busy when it is silent. */
static void connection_watch__a_reliable_port(void **state)
{
	struct pair *p = watched(true, 0);

	(void)state;
	pair_run_until(p, 12 * FTP_NS_PER_S);
	assert_int_equal(p->lost[1], 0);
	pair_free(p);
}

static void connection_describe_loss__texts(void **state)
{
	struct ftp_connection_event e = {.kind = FTP_CONNECTION_LOST,
		.reason = FTP_CONNECTION_IDLE_TIMEOUT,
		.silence_ns = 800 * FTP_NS_PER_MS};
	char text[64];

	(void)state;
	assert_string_equal(ftp_connection_describe_loss(&e, text, sizeof(text)),
		"it has been silent for 0.8 s");
	assert_false(ftp_connection_has_left(&e));
	for (e.reason = FTP_CONNECTION_PEER_CLOSED; e.reason <= FTP_CONNECTION_PROTOCOL; e.reason++)
		assert_memory_equal(ftp_connection_describe_loss(&e, text, sizeof(text)), "it", 2);
	e.reason = FTP_CONNECTION_PEER_CLOSED;
	assert_true(ftp_connection_has_left(&e));
}

/* A peer that comes late is no silent one; one that was heard and falls silent is. */
static void connection_deadline__waits_for_peer(void **state)
{
	for (int waits = 0; waits < 2; waits++) {
		struct pair *p = pair_new(1, &(struct pair_options){.idle_timeout_ns = FTP_NS_PER_S,
						     .waits_for_peer = waits});

		ftp_simulated_cut(p->network, p->ports[0], true, true);
		pair_run_until(p, 30 * FTP_NS_PER_S);
		assert_int_equal(p->lost[0], waits ? 0 : FTP_CONNECTION_IDLE_TIMEOUT);
		ftp_simulated_cut(p->network, p->ports[0], false, false);
		pair_run_until(p, 31 * FTP_NS_PER_S);
		assert_int_equal(p->established[0], waits);
		ftp_simulated_cut(p->network, p->ports[0], true, true);
		pair_run_until(p, 33 * FTP_NS_PER_S);
		assert_int_equal(p->lost[0], FTP_CONNECTION_IDLE_TIMEOUT);
		pair_free(p);
	}
	(void)state;
}

/* A peer that never comes is lost after the same time. */
static void connection_new__nobody_there(void **state)
{
	struct pair *p = pair_new(1, &(struct pair_options){.idle_timeout_ns = FTP_NS_PER_S});

	(void)state;
	ftp_simulated_cut(p->network, p->ports[0], true, true);
	pair_run_until(p, 2 * FTP_NS_PER_S);
	assert_int_equal(p->lost[0], FTP_CONNECTION_IDLE_TIMEOUT);
	assert_int_equal(p->lost_ns[0], FTP_NS_PER_S);
	assert_false(p->established[0]);
	pair_free(p);
}

static void connection_new__bounds(void **state)
{
	struct pair *p = pair_new(1, &(struct pair_options){0});
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
	pair_free(p);
}

static void connection_close__tells_the_peer(void **state)
{
	struct pair *p =
		pair_new(1, &(struct pair_options){.impair = {.loss = 0.3, .delay_ns = 1000}});

	(void)state;
	pair_run_until(p, 100 * FTP_NS_PER_MS);
	ftp_connection_close(p->links[0].connection, pair_now(p));
	pair_run_until(p, 101 * FTP_NS_PER_MS);
	assert_int_equal(p->lost[1], FTP_CONNECTION_PEER_CLOSED);
	assert_false(p->lost[0]);
	pair_free(p);
}

static void connection_port_down__is_final(void **state)
{
	struct pair *p = pair_new(1, &(struct pair_options){0});

	(void)state;
	pair_run_until(p, FTP_NS_PER_MS);
	p->links[1].port->ops->close(p->links[1].port);
	ftp_connection_free(p->links[1].connection);
	p->links[1] = (struct ftp_link){0};
	pair_run_until(p, 2 * FTP_NS_PER_MS);
	assert_int_equal(p->lost[0], FTP_CONNECTION_PORT_DOWN);
	pair_free(p);
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
			pair_new(seed + run, &(struct pair_options){.impair = {.loss = 0.02,
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
		pair_free(p);
	}
}

/* While the peer is still in the old term nothing but HELLO is sent, and the first word of the new
 * term starts the traffic at once. */
static void connection_set_term__peer_follows_late(void **state)
{
	struct pair *p = pair_new(1, &(struct pair_options){.impair = {.delay_ns = 10000}});
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
	pair_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connection_send__one_message),
		cmocka_unit_test(connection_send__waits_for_credit),
		cmocka_unit_test(connection_send__few_places),
		cmocka_unit_test(connection_send__outcomes),
		cmocka_unit_test(connection_send__sizes_differ),
		cmocka_unit_test(connection_deadline__keep_alive),
		cmocka_unit_test(connection_deadline__idle_timeout),
		cmocka_unit_test(connection_watch__a_silent_peer),
		cmocka_unit_test(connection_watch__a_busy_peer),
		cmocka_unit_test(connection_watch__not_any_longer),
		cmocka_unit_test(connection_watch__a_reliable_port),
		cmocka_unit_test(connection_describe_loss__texts),
		cmocka_unit_test(connection_deadline__waits_for_peer),
		cmocka_unit_test(connection_new__nobody_there),
		cmocka_unit_test(connection_new__bounds),
		cmocka_unit_test(connection_close__tells_the_peer),
		cmocka_unit_test(connection_port_down__is_final),
		cmocka_unit_test(connection_set_term__amid_messages),
		cmocka_unit_test(connection_set_term__peer_follows_late),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
