/* Silence is judged by the node's own heartbeats. */
#include "ctl/detector.h"

#include "runtime/base/prng.h"
#include "tests/base/check.h"

#define BEAT_NS (100 * FTP_NS_PER_MS)

/* n beats, each late by up to jitter_ns; the time of the last. */
static uint64_t beat(struct ftp_detector *d, uint64_t now_ns, unsigned n, uint64_t jitter_ns)
{
	uint64_t key = ftp_prng_key(check_seed(), FTP_PRNG_TEST, now_ns);

	for (unsigned i = 0; i < n; i++) {
		now_ns += BEAT_NS + (jitter_ns ? ftp_prng_below(key, i, jitter_ns) : 0);
		ftp_detector_heard(d, now_ns);
	}
	return now_ns;
}

static void wait_ns__is_fixed_while_little_is_known(void **state)
{
	struct ftp_detector d = {0};

	(void)state;
	ftp_detector_restart(&d, 1);
	for (unsigned i = 0; i < FTP_DETECTOR_KNOWN; i++) {
		assert_int_equal(ftp_detector_wait_ns(&d), FTP_DETECTOR_FIRST_NS);
		beat(&d, d.heard_ns, 1, 0);
	}
	assert_int_equal(ftp_detector_wait_ns(&d), FTP_DETECTOR_LEAST_NS);
}

static void wait_ns__follows_the_scatter(void **state)
{
	struct ftp_detector d = {0};
	uint64_t calm_ns, restless_ns;

	(void)state;
	ftp_detector_restart(&d, 1);
	beat(&d, d.heard_ns, 100, 20 * FTP_NS_PER_MS);
	calm_ns = ftp_detector_wait_ns(&d);
	beat(&d, d.heard_ns, 100, 400 * FTP_NS_PER_MS);
	restless_ns = ftp_detector_wait_ns(&d);
	assert_true(calm_ns < FTP_NS_PER_S);
	assert_true(restless_ns > 2 * calm_ns && restless_ns < FTP_DETECTOR_MOST_NS);
	beat(&d, d.heard_ns, FTP_DETECTOR_WINDOW, 20 * FTP_NS_PER_MS);
	assert_true(ftp_detector_wait_ns(&d) < FTP_NS_PER_S);
}

static void wait_ns__a_few_late_beats_change_nothing(void **state)
{
	struct ftp_detector d = {0};

	(void)state;
	ftp_detector_restart(&d, 1);
	beat(&d, d.heard_ns, 100, 0);
	for (unsigned i = 0; i < 20; i++) {
		ftp_detector_heard(&d, d.heard_ns + 5 * BEAT_NS);
		assert_int_equal(ftp_detector_wait_ns(&d), FTP_DETECTOR_LEAST_NS);
		beat(&d, d.heard_ns, 4, 0);
	}
}

static void wait_ns__is_bounded(void **state)
{
	struct ftp_detector d = {0};

	(void)state;
	ftp_detector_restart(&d, 1);
	for (unsigned i = 0; i < 100; i++)
		ftp_detector_heard(&d, d.heard_ns + (i % 2 ? 1 : 14 * FTP_NS_PER_S));
	assert_int_equal(ftp_detector_wait_ns(&d), FTP_DETECTOR_MOST_NS);
	for (unsigned i = 0; i < 100; i++)
		ftp_detector_heard(&d, d.heard_ns + (i % 2 ? 1 : 4 * FTP_NS_PER_S));
	assert_int_equal(ftp_detector_wait_ns(&d), FTP_DETECTOR_MOST_NS);
}

static void deadline_ns__counts_from_the_last_sign_of_life(void **state)
{
	struct ftp_detector d = {0};

	(void)state;
	ftp_detector_restart(&d, 1);
	beat(&d, d.heard_ns, 20, 0);
	assert_int_equal(ftp_detector_deadline_ns(&d), d.heard_ns + FTP_DETECTOR_LEAST_NS);
	ftp_detector_restart(&d, d.heard_ns + FTP_NS_PER_S);
	assert_int_equal(ftp_detector_deadline_ns(&d), d.heard_ns + FTP_DETECTOR_LEAST_NS);
	assert_int_equal(ftp_detector_wait_ns(&d), FTP_DETECTOR_LEAST_NS);
}

static void heard__keeps_the_narrowest_escape(void **state)
{
	struct ftp_detector d = {0};

	(void)state;
	ftp_detector_restart(&d, 1);
	beat(&d, d.heard_ns, 20, 0);
	ftp_detector_heard(&d, d.heard_ns + FTP_DETECTOR_LEAST_NS / 2);
	beat(&d, d.heard_ns, 20, 0);
	assert_float_equal(d.narrowest, 0.5, 1e-9);
	ftp_detector_restart(
		&d, d.heard_ns + 2 * FTP_DETECTOR_LEAST_NS); /* no silence of its own */
	beat(&d, d.heard_ns, 20, 0);
	assert_float_equal(d.narrowest, 0.5, 1e-9);
}

static void excuse__what_nobody_could_hear_is_no_silence(void **state)
{
	struct ftp_detector d = {0};
	uint64_t deadline_ns, now_ns;

	(void)state;
	ftp_detector_restart(&d, 1);
	beat(&d, d.heard_ns, 20, 0);
	deadline_ns = ftp_detector_deadline_ns(&d);
	now_ns = d.heard_ns + 8 * FTP_NS_PER_S;
	ftp_detector_excuse(&d, 7 * FTP_NS_PER_S, now_ns);
	assert_int_equal(ftp_detector_deadline_ns(&d), deadline_ns + 7 * FTP_NS_PER_S);
	ftp_detector_excuse(&d, 7 * FTP_NS_PER_S, now_ns); /* it was heard meanwhile */
	assert_int_equal(d.heard_ns, now_ns);
	beat(&d, d.heard_ns, 20, 0);
	assert_int_equal(ftp_detector_wait_ns(&d), FTP_DETECTOR_LEAST_NS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wait_ns__is_fixed_while_little_is_known),
		cmocka_unit_test(wait_ns__follows_the_scatter),
		cmocka_unit_test(wait_ns__a_few_late_beats_change_nothing),
		cmocka_unit_test(wait_ns__is_bounded),
		cmocka_unit_test(deadline_ns__counts_from_the_last_sign_of_life),
		cmocka_unit_test(heard__keeps_the_narrowest_escape),
		cmocka_unit_test(excuse__what_nobody_could_hear_is_no_silence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
