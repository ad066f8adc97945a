#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "net/ranges.h"
#include "runtime/base/prng.h"
#include "tests/net/pair.h"

static void ranges_add__merges(void **state)
{
	struct ftp_ranges r;

	(void)state;
	ftp_ranges_reset(&r, 0);
	assert_true(ftp_ranges_add(&r, 5));
	assert_true(ftp_ranges_add(&r, 7));
	assert_int_equal(r.n, 2);
	assert_true(ftp_ranges_add(&r, 6)); /* joins both */
	assert_int_equal(r.n, 1);
	assert_true(ftp_ranges_add(&r, 4)); /* below */
	assert_true(ftp_ranges_add(&r, 8)); /* above */
	assert_int_equal(r.n, 1);
	assert_int_equal(r.ranges[0].first, 4);
	assert_int_equal(r.ranges[0].last, 8);
	for (uint64_t i = 4; i <= 8; i++)
		assert_false(ftp_ranges_add(&r, i));
	assert_true(ftp_ranges_add(&r, 0));
	assert_true(ftp_ranges_add(&r, 20));
	assert_int_equal(r.ranges[0].first, 20);
	assert_int_equal(r.ranges[2].last, 0);
}

static void ranges_add__gives_up_the_lowest(void **state)
{
	struct ftp_ranges r;

	(void)state;
	ftp_ranges_reset(&r, 0);
	for (uint64_t i = 0; i < FTP_RANGES_MAX; i++)
		assert_true(ftp_ranges_add(&r, 100 + 10 * i));
	assert_false(ftp_ranges_has_room(&r));
	assert_true(ftp_ranges_add(&r, 1000));
	assert_int_equal(r.n, FTP_RANGES_MAX);
	assert_int_equal(r.floor, 101);
	assert_false(ftp_ranges_add(&r, 100));
	assert_false(ftp_ranges_add(&r, 7));
	/* One that is below all the others but above the floor is itself given up, and stays known.
	 */
	assert_true(ftp_ranges_add(&r, 105));
	assert_false(ftp_ranges_add(&r, 105));
	assert_true(ftp_ranges_contains(&r, 105) && ftp_ranges_contains(&r, 110));
	assert_false(ftp_ranges_contains(&r, 106));
	assert_int_equal(r.n, FTP_RANGES_MAX);
}

/* Against a plain set: nothing is ever new twice, and what has room is remembered exactly. */
static void ranges_add__against_a_set(void **state)
{
	uint64_t key = ftp_prng_key(pair_seed(1), FTP_PRNG_TEST, 0), draw = 0;

	(void)state;
	for (int run = 0; run < 200; run++) {
		uint64_t span = 16 + ftp_prng_below(key, draw++, 300);
		bool seen[400] = {false};
		struct ftp_ranges r;

		ftp_ranges_reset(&r, 0);
		for (int i = 0; i < 500; i++) {
			uint64_t number = ftp_prng_below(key, draw++, span);
			bool is_new = ftp_ranges_add(&r, number);

			assert_true(!is_new || !seen[number]);
			assert_true(is_new || seen[number] || number < r.floor);
			seen[number] = true;
			for (uint64_t k = r.floor; k < span; k++)
				assert_int_equal(ftp_ranges_contains(&r, k), seen[k]);
			for (uint32_t k = 1; k < r.n; k++)
				assert_true(r.ranges[k].last + 1 < r.ranges[k - 1].first);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges_add__merges),
		cmocka_unit_test(ranges_add__gives_up_the_lowest),
		cmocka_unit_test(ranges_add__against_a_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
