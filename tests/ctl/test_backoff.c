#include "ctl/backoff.h"

#include "tests/base/check.h"

static void backoff_ended__doubles(void **state)
{
	struct ftp_backoff b;
	uint64_t now_ns = 5, wait_ns = FTP_BACKOFF_LEAST_NS;

	(void)state;
	ftp_backoff_init(&b);
	assert_true(b.at_ns == FTP_NS_NEVER);
	for (int i = 0; i < 20; i++) {
		ftp_backoff_started(&b, now_ns);
		assert_true(b.at_ns == FTP_NS_NEVER);
		ftp_backoff_ended(&b, now_ns);
		assert_true(b.at_ns == now_ns + wait_ns);
		assert_int_equal(b.since_ns, 5);
		assert_int_equal(b.n_short, i + 1);
		now_ns = b.at_ns;
		if (wait_ns < FTP_BACKOFF_MOST_NS / 2)
			wait_ns *= 2;
	}
	assert_true(b.wait_ns <= FTP_BACKOFF_MOST_NS && b.wait_ns > FTP_BACKOFF_MOST_NS / 4);
}

static void backoff_ended__forgets_after_a_long_life(void **state)
{
	struct ftp_backoff b;
	uint64_t now_ns = 1000;

	(void)state;
	ftp_backoff_init(&b);
	for (int i = 0; i < 4; i++) {
		ftp_backoff_started(&b, now_ns);
		ftp_backoff_ended(&b, now_ns);
	}
	assert_true(b.wait_ns == 8 * FTP_BACKOFF_LEAST_NS);
	ftp_backoff_started(&b, now_ns);
	ftp_backoff_ended(&b, now_ns + FTP_BACKOFF_MOST_NS); /* not long enough */
	assert_true(b.wait_ns == 16 * FTP_BACKOFF_LEAST_NS && !b.n_short);
	ftp_backoff_started(&b, now_ns);
	now_ns += FTP_BACKOFF_MOST_NS + 1;
	ftp_backoff_ended(&b, now_ns);
	assert_true(b.wait_ns == FTP_BACKOFF_LEAST_NS);
	assert_true(b.at_ns == now_ns + FTP_BACKOFF_LEAST_NS);
}

#define MOST_NS	   (60 * FTP_NS_PER_S)
#define MOST_SHORT 8

/* Ends at once after it was due to be started, and so many times until that is of no use. */
static uint64_t hopeless_after_ns(uint64_t life_ns, bool serves)
{
	struct ftp_backoff b;
	uint64_t now_ns = 0;

	ftp_backoff_init(&b);
	for (int i = 0; i < 1000; i++) {
		ftp_backoff_started(&b, now_ns);
		if (serves)
			ftp_backoff_served(&b);
		now_ns += life_ns;
		ftp_backoff_ended(&b, now_ns);
		if (ftp_backoff_is_hopeless(&b, now_ns, MOST_NS, MOST_SHORT))
			return now_ns;
		now_ns = b.at_ns;
	}
	return FTP_NS_NEVER;
}

/* Killed at 0, 20, 40 and 61 s, and serving again 2 s after each. */
static void backoff_is_hopeless__killed_now_and_then(void **state)
{
	static const uint64_t kills_s[] = {0, 20, 40, 61, 80, 100, 120, 140};
	struct ftp_backoff b;

	(void)state;
	ftp_backoff_init(&b);
	ftp_backoff_started(&b, 0);
	for (size_t i = 0; i < sizeof(kills_s) / sizeof(*kills_s); i++) {
		uint64_t now_ns = (100 + kills_s[i]) * FTP_NS_PER_S;

		ftp_backoff_ended(&b, now_ns);
		assert_false(ftp_backoff_is_hopeless(&b, now_ns, MOST_NS, MOST_SHORT));
		ftp_backoff_started(&b, now_ns + FTP_NS_PER_S);
		ftp_backoff_served(&b);
	}
}

static void backoff_is_hopeless__crash_loop(void **state)
{
	uint64_t after_ns;

	(void)state;
	after_ns = hopeless_after_ns(0, true);
	assert_true(after_ns > 20 * FTP_NS_PER_S && after_ns < MOST_NS);
	after_ns = hopeless_after_ns(FTP_BACKOFF_SHORT_NS - 1, true);
	assert_true(after_ns > MOST_NS && after_ns < 2 * MOST_NS);
	assert_true(hopeless_after_ns(FTP_BACKOFF_SHORT_NS, true) == FTP_NS_NEVER);
}

static void backoff_is_hopeless__never_serves(void **state)
{
	uint64_t after_ns = hopeless_after_ns(FTP_BACKOFF_SHORT_NS, false);

	(void)state;
	assert_true(after_ns > MOST_NS && after_ns < 2 * MOST_NS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(backoff_ended__doubles),
		cmocka_unit_test(backoff_ended__forgets_after_a_long_life),
		cmocka_unit_test(backoff_is_hopeless__killed_now_and_then),
		cmocka_unit_test(backoff_is_hopeless__crash_loop),
		cmocka_unit_test(backoff_is_hopeless__never_serves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
