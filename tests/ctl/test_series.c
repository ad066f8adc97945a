#include "ctl/series.h"

#include <math.h>

#include "tests/base/check.h"

static struct ftp_series s;

static void add__keeps_what_fits(void **state)
{
	(void)state;
	s = (struct ftp_series){.n = 0};
	for (int i = 0; i < FTP_SERIES_POINTS; i++)
		ftp_series_add(&s, i, 2 * i);
	ftp_series_finish(&s);
	assert_int_equal(s.stride, 1);
	assert_int_equal(s.n, FTP_SERIES_POINTS);
	assert_true(s.x[1] == 1 && s.y[1] == 2);
}

/* However many values there are: bounded, in order, and the mean is kept. */
static void add__averages_neighbours(void **state)
{
	const int n = 1000000;
	double last = -1, sum = 0, weight = 0;

	(void)state;
	s = (struct ftp_series){.n = 0};
	for (int i = 0; i < n; i++)
		ftp_series_add(&s, i, i % 10);
	ftp_series_finish(&s);
	assert_true(s.n > FTP_SERIES_POINTS / 2 && s.n <= FTP_SERIES_POINTS);
	for (uint32_t i = 0; i < s.n; i++) {
		assert_true(s.x[i] > last);
		last = s.x[i];
		if (i + 1 < s.n) {
			sum += s.y[i];
			weight++;
		}
	}
	assert_true(last < n);
	assert_true(fabs(sum / weight - 4.5) < 0.01);
}

static void add__counts_what_is_no_number(void **state)
{
	(void)state;
	s = (struct ftp_series){.n = 0};
	ftp_series_add(&s, 1, NAN);
	ftp_series_add(&s, 2, INFINITY);
	ftp_series_add(&s, NAN, 2);
	ftp_series_add(&s, 3, 4);
	ftp_series_finish(&s);
	assert_int_equal(s.n_lost, 3);
	assert_int_equal(s.n, 1);
	s = (struct ftp_series){.n = 0};
	ftp_series_finish(&s);
	assert_int_equal(s.n, 0);
}

static void median__of_few(void **state)
{
	double odd[] = {3, 1, 2}, even[] = {4, 1, 3, 2};

	(void)state;
	assert_true(ftp_series_median(odd, 3) == 2);
	assert_true(ftp_series_median(even, 4) == 2.5);
	assert_true(ftp_series_median(NULL, 0) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(add__keeps_what_fits),
		cmocka_unit_test(add__averages_neighbours),
		cmocka_unit_test(add__counts_what_is_no_number),
		cmocka_unit_test(median__of_few),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
