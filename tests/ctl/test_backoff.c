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
	assert_true(b.wait_ns == 16 * FTP_BACKOFF_LEAST_NS && b.since_ns == now_ns);
	ftp_backoff_started(&b, now_ns);
	now_ns += FTP_BACKOFF_MOST_NS + 1;
	ftp_backoff_ended(&b, now_ns);
	assert_true(b.wait_ns == FTP_BACKOFF_LEAST_NS && b.since_ns == now_ns);
	assert_true(b.at_ns == now_ns + FTP_BACKOFF_LEAST_NS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(backoff_ended__doubles),
		cmocka_unit_test(backoff_ended__forgets_after_a_long_life),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
