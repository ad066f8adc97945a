#include "tests/base/check.h"

#include "runtime/base/median.h"

static void median__values(void **state)
{
	uint64_t odd[] = {9, 1, UINT64_MAX}, even[] = {4, 1, 3, 2}, one[] = {7};

	(void)state;
	assert_int_equal(ftp_median(odd, 3), 9);
	assert_int_equal(ftp_median(even, 4), 3);
	assert_int_equal(ftp_median(one, 1), 7);
	assert_int_equal(ftp_median(NULL, 0), 0);
}

/* One wild value among five moves neither. */
static void median_deviation__outlier(void **state)
{
	uint64_t values[] = {100, 104, 98, 5000, 101};
	uint64_t centre = ftp_median(values, 5);

	(void)state;
	assert_int_equal(centre, 101);
	assert_int_equal(ftp_median_deviation(values, 5, centre), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(median__values),
		cmocka_unit_test(median_deviation__outlier),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
