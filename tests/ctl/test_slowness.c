/* A hiccup moves nothing, a lasting change is seen within a few steps. */
#include "ctl/slowness.h"

#include <math.h>

#include "runtime/base/prng.h"
#include "tests/base/check.h"

/* n steps of `ratio`; how many of them jumped. */
static unsigned steps(struct ftp_slowness *s, double ratio, unsigned n)
{
	unsigned jumps = 0;

	while (n--)
		jumps += ftp_slowness_note(s, ratio);
	return jumps;
}

static void note__lasting_change_within_five_steps(void **state)
{
	static const double changes[] = {0.1, 0.5, 0.8, 1.2, 2, 5, 100};

	(void)state;
	for (size_t i = 0; i < sizeof(changes) / sizeof(*changes); i++) {
		struct ftp_slowness s;

		ftp_slowness_init(&s, 1);
		steps(&s, 1, 20);
		assert_int_equal(steps(&s, changes[i], FTP_SLOWNESS_AGREE), 1);
		assert_true(s.value == changes[i]);
		assert_int_equal(steps(&s, 1, FTP_SLOWNESS_AGREE), 1);
		assert_true(s.value == 1);
	}
}

static void note__hiccups_change_nothing(void **state)
{
	struct ftp_slowness s;
	uint64_t key = ftp_prng_key(check_seed(), FTP_PRNG_TEST, 0);

	(void)state;
	ftp_slowness_init(&s, 1);
	for (unsigned i = 0, at = 0; i < 20; i++) {
		/* One or two slow steps, then at least as many ordinary ones as make a majority. */
		double slow = 1.3 + (double)ftp_prng_below(key, at++, 1000) / 10;
		unsigned n = 1 + (unsigned)ftp_prng_below(key, at++, 2);

		assert_int_equal(steps(&s, 1, 3), 0);
		assert_int_equal(steps(&s, slow, n), 0);
		assert_int_equal(steps(&s, 1, n), 0);
		assert_true(fabs(s.value - 1) < 1e-9);
	}
}

static void note__noise_is_followed_not_jumped(void **state)
{
	struct ftp_slowness s;
	uint64_t key = ftp_prng_key(check_seed(), FTP_PRNG_TEST, 1);
	unsigned jumps = 0;

	(void)state;
	ftp_slowness_init(&s, 1);
	for (unsigned i = 0; i < 1000; i++) /* 3 * (0.95 ... 1.05) */
		jumps += ftp_slowness_note(
			&s, 3 * (0.95 + (double)ftp_prng_below(key, i, 1000) / 10000));
	assert_int_equal(jumps, 1);
	assert_true(fabs(s.value - 3) < 0.1);
}

/* As on a machine with other work: what is lasting there is more than what it is on a quiet one. */
static void note__much_noise_hides_little_changes_only(void **state)
{
	struct ftp_slowness s;
	uint64_t key = ftp_prng_key(check_seed(), FTP_PRNG_TEST, 2);
	unsigned jumps = 0;

	(void)state;
	ftp_slowness_init(&s, 1);
	for (unsigned i = 0; i < 200; i++) /* 0.8 ... 1.2 */
		ftp_slowness_note(&s, 0.8 + (double)ftp_prng_below(key, i, 1000) / 2500);
	for (unsigned i = 0; i < 1000; i++)
		jumps += ftp_slowness_note(
			&s, 0.8 + (double)ftp_prng_below(key, 1000 + i, 1000) / 2500);
	assert_true(jumps <= 5);
	assert_true(fabs(s.value - 1) < 0.2);
	assert_int_equal(steps(&s, 2, FTP_SLOWNESS_AGREE), 1);
}

static void note__disagreement_keeps_the_value(void **state)
{
	static const double wild[] = {1, 2, 4, 8, 16, 32, 64, 3, 9, 1};
	struct ftp_slowness s;

	(void)state;
	ftp_slowness_init(&s, 2.5);
	for (size_t i = 0; i < sizeof(wild) / sizeof(*wild); i++)
		assert_false(ftp_slowness_note(&s, wild[i]));
	assert_true(s.value == 2.5);
}

static void note__nonsense_is_dropped(void **state)
{
	struct ftp_slowness s;

	(void)state;
	ftp_slowness_init(&s, 1);
	steps(&s, 0, 5);
	steps(&s, -1, 5);
	steps(&s, (double)NAN, 5);
	steps(&s, (double)INFINITY, 5);
	assert_true(s.value == 1 && s.n == 0);
}

static void restart__keeps_the_value_until_steps_agree(void **state)
{
	struct ftp_slowness s;

	(void)state;
	ftp_slowness_init(&s, 1);
	steps(&s, 5, 5);
	ftp_slowness_restart(&s);
	assert_true(s.value == 5);
	assert_int_equal(steps(&s, 1, FTP_SLOWNESS_AGREE - 1), 0);
	assert_true(s.value == 5);
	assert_int_equal(steps(&s, 1, 1), 1);
	assert_true(s.value == 1);
}

static void differs__either_direction(void **state)
{
	(void)state;
	assert_false(ftp_slowness_differs(1, 1, 0));
	assert_false(ftp_slowness_differs(1, 1.1, 0.15));
	assert_true(ftp_slowness_differs(1, 1.2, 0.15));
	assert_true(ftp_slowness_differs(1.2, 1, 0.15));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(note__lasting_change_within_five_steps),
		cmocka_unit_test(note__hiccups_change_nothing),
		cmocka_unit_test(note__noise_is_followed_not_jumped),
		cmocka_unit_test(note__much_noise_hides_little_changes_only),
		cmocka_unit_test(note__disagreement_keeps_the_value),
		cmocka_unit_test(note__nonsense_is_dropped),
		cmocka_unit_test(restart__keeps_the_value_until_steps_agree),
		cmocka_unit_test(differs__either_direction),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
