#include "ctl/freshness.h"

#include "runtime/base/prng.h"
#include "tests/base/check.h"

static void least__of_both_limits(void **state)
{
	static const struct {
		struct ftp_freshness_load load;
		uint64_t steps;
	} rows[] = {
		{{.step_s = 0, .bytes = 1, .max_bytes_per_s = 1}, FTP_FRESHNESS_FIRST},
		{{.step_s = 0.1}, 1}, /* no limit */
		{{.step_s = 0.1, .bytes = 1000000, .cost_s = 1}, 1},
		{{.step_s = 0.1, .bytes = 1000000, .max_bytes_per_s = 10000000}, 1},
		{{.step_s = 0.1, .bytes = 1000001, .max_bytes_per_s = 10000000}, 2},
		{{.step_s = 0.1, .bytes = 50000000, .max_bytes_per_s = 10000000}, 50},
		{{.step_s = 0.1, .cost_s = 0.01, .max_share = 0.02}, 5},
		{{.step_s = 0.1,
			 .bytes = 50000000,
			 .max_bytes_per_s = 10000000,
			 .cost_s = 0.01,
			 .max_share = 0.02},
			50},
		{{.step_s = 0.1,
			 .bytes = 2000000,
			 .max_bytes_per_s = 10000000,
			 .cost_s = 0.01,
			 .max_share = 0.02},
			5},
		{{.step_s = 1e-9, .bytes = UINT64_MAX, .max_bytes_per_s = 1}, FTP_FRESHNESS_MOST},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(ftp_freshness_least(&rows[i].load), rows[i].steps);
}

static struct ftp_freshness_load of_least(uint64_t steps)
{
	return (struct ftp_freshness_load){
		.step_s = 0.5, .bytes = steps * 500, .max_bytes_per_s = 1000};
}

static void period__stays_while_it_may(void **state)
{
	static const uint64_t rows[][3] = {/* now, least, then */
		{0, 1, 1}, {0, 100, 112}, {112, 100, 112}, {112, 112, 112}, {112, 113, 127},
		{112, 89, 112}, {112, 88, 99}, {112, 1, 1}, {2, 1, 2}, {3, 1, 1}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct ftp_freshness_load load = of_least(rows[i][1]);

		assert_int_equal(ftp_freshness_least(&load), rows[i][1]);
		assert_int_equal(ftp_freshness_period(rows[i][0], &load), rows[i][2]);
	}
	assert_int_equal(ftp_freshness_period(7, &(struct ftp_freshness_load){.step_s = 0}), 7);
}

/* However its load changes: the limit holds, it is fresh, and what wavers by a tenth changes it
 * once or twice. */
static void period__any_load(void **state)
{
	const uint64_t key = ftp_prng_key(check_seed(), FTP_PRNG_TEST, 0);
	uint64_t now = 0, drawn = 0;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		uint64_t about = 1 + ftp_prng_below(key, drawn++, 300);
		int n_changes = 0;

		for (int k = 0; k < 50; k++) {
			struct ftp_freshness_load load = of_least(about);
			uint64_t before = now, least;

			load.step_s *= 0.95 + 0.1 * ftp_prng_unit(key, drawn++);
			least = ftp_freshness_least(&load);
			now = ftp_freshness_period(now, &load);
			n_changes += now != before;
			assert_true(now >= least);
			assert_true(now <= least + (least + 3) / 4);
		}
		assert_in_range(n_changes, 0, 3);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(least__of_both_limits),
		cmocka_unit_test(period__stays_while_it_may),
		cmocka_unit_test(period__any_load),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
