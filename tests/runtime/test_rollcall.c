/* Who has answered the links of a plan, in virtual time. */
#include <string.h>

#include "net/silence.h"
#include "net/simulated.h"
#include "runtime/rollcall.h"
#include "tests/base/check.h"

#define MS FTP_NS_PER_MS

static struct ftp_rollcall r;

/* Four stages on nodes 0 to 3, as node 1 sees them: the first and the third are its peers. */
static struct ftp_plan make_plan(uint32_t recovery)
{
	struct ftp_plan p = {.n_stages = 4, .n_units = 4, .recovery = recovery};

	for (uint32_t i = 0; i < 4; i++) {
		p.stages[i] = (struct ftp_plan_stage){
			.node = i, .incarnation = 10 + i, .first_unit = i, .end_unit = i + 1};
		snprintf(p.stages[i].name, sizeof(p.stages[i].name), "n%u", i + 1);
		p.holder[i] = i;
	}
	return p;
}

/* At 5 s; n3 was lost after a silence before, unless silence_ms is 0. */
static struct ftp_plan begin(uint32_t recovery, uint64_t silence_ms)
{
	struct ftp_plan p = make_plan(recovery);

	memset(&r, 0, sizeof(r));
	if (silence_ms)
		ftp_rollcall_lost(&r, &p.stages[2], silence_ms * MS);
	ftp_rollcall_begin(&r, &p, 1, 5000 * MS);
	return p;
}

static void heard(const struct ftp_plan *p, int peer)
{
	ftp_rollcall_heard(&r, p, peer, 5000 * MS);
}

static uint64_t deadline_ms(void)
{
	return ftp_rollcall_deadline_ns(&r) / MS;
}

static uint64_t unreached(uint64_t at_ms, char why[64])
{
	return ftp_rollcall_unreached(&r, at_ms * MS, why, 64);
}

static void rollcall__all_answer(void **state)
{
	struct ftp_plan p = begin(0, 0);
	char why[64];

	(void)state;
	assert_int_equal(r.unheard, 1 << 0 | 1 << 2);
	assert_int_equal(deadline_ms(), 15000);
	heard(&p, 2);
	assert_int_equal(deadline_ms(), 15000);
	heard(&p, 0);
	assert_true(ftp_rollcall_deadline_ns(&r) == FTP_NS_NEVER);
	assert_int_equal(unreached(60000, why), 0);
}

static void rollcall__one_does_not(void **state)
{
	struct ftp_plan p = begin(1, 0);
	char why[64], text[128];

	(void)state;
	heard(&p, 0);
	assert_int_equal(unreached(14999, why), 0);
	assert_int_equal(unreached(15000, why), 1 << 2);
	assert_string_equal(ftp_rollcall_describe(&p, 1 << 2, why, text, sizeof(text)),
		"n3 did not answer this stage within 10.0 s");
	assert_string_equal(ftp_rollcall_describe(&p, 1 << 2 | 1, why, text, sizeof(text)),
		"n1, n3 did not answer this stage within 10.0 s");
}

static void rollcall__one_has_left(void **state)
{
	struct ftp_plan p = begin(1, 0);
	char why[64];

	(void)state;
	heard(&p, 0);
	heard(&p, 2);
	ftp_rollcall_left(&r, 2, 8000 * MS);
	assert_int_equal(deadline_ms(), 18000);
	assert_int_equal(unreached(18000, why), 1 << 2);
}

/* In a recovery; it alone is named then, and the others are waited for as ever. */
static void rollcall__one_was_silent(void **state)
{
	struct ftp_plan p = begin(1, 800);
	char why[64];

	(void)state;
	heard(&p, 0);
	assert_int_equal(deadline_ms(), 6000);
	assert_int_equal(unreached(6000, why), 1 << 2);
	assert_string_equal(why, "did not answer this stage within 1.0 s");
	p = begin(1, 2500);
	assert_int_equal(deadline_ms(), 7500);
	heard(&p, 2);
	assert_int_equal(deadline_ms(), 15000);
	assert_int_equal(unreached(7500, why), 0);
	p = begin(1, 60000);
	assert_int_equal(deadline_ms(), 15000);
	begin(0, 800);
	assert_int_equal(deadline_ms(), 15000);
}

/* Who hears nobody at all may be the one that is cut off. */
static void rollcall__nobody_answers(void **state)
{
	char why[64];

	(void)state;
	begin(1, 800);
	assert_int_equal(unreached(6000, why), 1 << 0 | 1 << 2);
}

/* It was there, and will say why it has left. */
static void rollcall__one_that_was_silent_has_left(void **state)
{
	struct ftp_plan p = begin(1, 800);
	char why[64];

	(void)state;
	heard(&p, 0);
	ftp_rollcall_left(&r, 2, 5500 * MS);
	assert_int_equal(deadline_ms(), 15500);
	assert_int_equal(unreached(7000, why), 0);
}

/* Another process on that server was not silent. */
static void rollcall__another_process(void **state)
{
	struct ftp_plan p = begin(1, 800);

	(void)state;
	p.stages[2].incarnation++;
	ftp_rollcall_begin(&r, &p, 1, 5000 * MS);
	assert_int_equal(deadline_ms(), 15000);
	heard(&p, 2);
	assert_int_equal(r.busy_ns, 0);
}

/* It answers the first call: it had been busy. Later, the link had been down. */
static void rollcall__busy_or_down(void **state)
{
	struct ftp_plan p = begin(1, 800);

	(void)state;
	heard(&p, 2);
	assert_int_equal(r.busy_ns, FTP_SILENCE_TIMES * 800 * MS);
	ftp_rollcall_begin(&r, &p, 1, 5000 * MS);
	assert_int_equal(deadline_ms(), 15000); /* it was heard since */
	assert_true(r.busy_until_ns == 5000 * MS + FTP_SILENCE_MEMORY_NS);
	p = begin(1, 800);
	ftp_rollcall_begin(&r, &p, 1, 9000 * MS);
	assert_int_equal(deadline_ms(), 10000);
	heard(&p, 2);
	assert_int_equal(r.busy_ns, 0);
	p = begin(0, 800); /* one that joins had been stopped */
	heard(&p, 2);
	assert_int_equal(r.busy_ns, 0);
}

/* Of a plan that is in force nobody is in doubt, and each begins to be watched anew. */
static void rollcall__another_plan(void **state)
{
	struct ftp_plan p = begin(1, 800);
	struct ftp_netloop *net;

	(void)state;
	assert_int_equal(ftp_netloop_new(&net, -1, NULL, NULL), 0);
	r.n_steps = 7;
	p.n_stages = 1;
	p.n_leaving = 2;
	p.leaving[1] = p.stages[2];
	p.n_units = 0;
	ftp_rollcall_start(&r, &p, 0, net, 0);
	assert_int_equal(r.n_steps, 0);
	p = make_plan(1);
	ftp_rollcall_begin(&r, &p, 1, 5000 * MS);
	assert_int_equal(deadline_ms(), 15000);
	ftp_netloop_free(net, 0);
}

/* Another one leaves: that says nothing about who is in doubt. */
static void rollcall__one_leaves_while_another_is_silent(void **state)
{
	struct ftp_plan p = begin(1, 800);
	char why[64];

	(void)state;
	heard(&p, 0);
	ftp_rollcall_left(&r, 0, 5200 * MS);
	assert_int_equal(unreached(6200, why), 1 << 2);
}

/* Two nodes, of which the other falls silent at a step of the plan; when that is noticed. */
struct line {
	struct ftp_simulated *network;
	struct ftp_netloop *net[2];
	struct ftp_port *ports[2];
	struct ftp_plan plan;
	uint64_t lost_ns;
	struct ftp_connection_event lost;
};

static void line_begin(struct line *l)
{
	const struct ftp_impair impair = {.delay_ns = MS};

	memset(&r, 0, sizeof(r));
	memset(l, 0, sizeof(*l));
	l->network = ftp_simulated_new(1);
	ftp_simulated_pair(l->network, &impair, 64, l->ports);
	l->plan = make_plan(1);
	l->plan.n_stages = l->plan.n_units = 2;
	l->plan.last_step = 10;
	for (int i = 0; i < 2; i++) {
		struct ftp_link link = {.port = l->ports[i]};

		assert_int_equal(ftp_connection_new(&link.connection,
					 &(struct ftp_connection_params){.run = 1,
						 .term = 1,
						 .local = 10 + (uint64_t)i,
						 .remote = 11 - (uint64_t)i,
						 .caps = link.port->caps,
						 .n_messages = 4,
						 .idle_timeout_ns = FTP_ROLLCALL_NS},
					 0, NULL),
			0);
		assert_int_equal(ftp_netloop_new(&l->net[i], -1, NULL, NULL), 0);
		ftp_netloop_add(l->net[i], !i, &link);
	}
	ftp_rollcall_start(&r, &l->plan, 0, l->net[0], 0);
}

static void line_run(struct line *l, uint64_t until_ms)
{
	struct ftp_netloop_event e;

	for (uint64_t now_ns = ftp_simulated_now_ns(l->network); now_ns < until_ms * MS;
		now_ns += 10 * MS) {
		ftp_simulated_advance(l->network, now_ns);
		for (int i = 0; i < 2; i++) {
			ftp_netloop_turn(l->net[i], now_ns);
			while (ftp_netloop_next_event(l->net[i], &e))
				if (!i && e.event.kind == FTP_CONNECTION_LOST) {
					l->lost_ns = now_ns;
					l->lost = e.event;
				}
		}
	}
}

static void line_step(struct line *l, uint64_t step)
{
	ftp_rollcall_stepped(&r, &l->plan, 0, l->net[0], step, ftp_simulated_now_ns(l->network));
}

static uint64_t line_end(struct line *l, uint64_t silent_ms)
{
	ftp_simulated_cut(l->network, l->ports[1], true, true);
	line_run(l, silent_ms + 12000);
	for (int i = 0; i < 2; i++)
		ftp_netloop_free(l->net[i], (silent_ms + 12000) * MS);
	ftp_simulated_free(l->network);
	return l->lost_ns / MS - silent_ms;
}

static void watch__from_the_second_step_on(void **state)
{
	const struct {
		uint64_t first, last; /* steps done; 0: none */
		bool rests;
		uint64_t noticed_ms;
	} cases[] = {{0, 0, false, 10000}, {1, 1, false, 10000}, {1, 2, false, 800},
		{5, 7, false, 800}, {5, 8, false, 10000}, {1, 3, true, 10000}};
	struct line l;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t ms;

		line_begin(&l);
		line_run(&l, 2000);
		for (uint64_t step = cases[i].first; step && step <= cases[i].last; step++)
			line_step(&l, step);
		if (cases[i].rests)
			ftp_rollcall_rest(&r, l.net[0]);
		line_run(&l, 4000);
		ms = line_end(&l, 4000);
		assert_in_range(ms, cases[i].noticed_ms - 110, cases[i].noticed_ms + 20);
		assert_int_equal(l.lost.silence_ns, cases[i].noticed_ms * MS);
	}
}

/* After a hold, as at the beginning. */
static void watch__again(void **state)
{
	struct line l;

	(void)state;
	for (uint64_t n = 0; n <= 2; n++) {
		line_begin(&l);
		line_run(&l, 2000);
		for (uint64_t step = 1; step <= 3; step++)
			line_step(&l, step);
		ftp_rollcall_rest(&r, l.net[0]);
		for (uint64_t step = 4; step < 4 + n; step++)
			line_step(&l, step);
		line_run(&l, 4000);
		assert_true((line_end(&l, 4000) < 1000) == (n == 2));
	}
}

static void watch__a_peer_was_busy(void **state)
{
	struct line l;

	(void)state;
	line_begin(&l);
	r.busy_ns = 3200 * MS;
	r.busy_until_ns = 5000 * MS;
	line_run(&l, 4000);
	line_step(&l, 1);
	line_step(&l, 2);
	assert_in_range(line_end(&l, 4000), 3090, 3220);
	line_begin(&l);
	r.busy_ns = 3200 * MS;
	r.busy_until_ns = 3000 * MS;
	line_run(&l, 4000);
	line_step(&l, 1);
	line_step(&l, 2);
	assert_in_range(line_end(&l, 4000), 690, 820);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rollcall__all_answer),
		cmocka_unit_test(rollcall__one_does_not),
		cmocka_unit_test(rollcall__one_has_left),
		cmocka_unit_test(rollcall__one_was_silent),
		cmocka_unit_test(rollcall__nobody_answers),
		cmocka_unit_test(rollcall__one_that_was_silent_has_left),
		cmocka_unit_test(rollcall__another_process),
		cmocka_unit_test(rollcall__busy_or_down),
		cmocka_unit_test(rollcall__another_plan),
		cmocka_unit_test(rollcall__one_leaves_while_another_is_silent),
		cmocka_unit_test(watch__from_the_second_step_on),
		cmocka_unit_test(watch__again),
		cmocka_unit_test(watch__a_peer_was_busy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
