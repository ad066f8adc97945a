#include "ctl/planner.h"

#include <errno.h>
#include <string.h>

#include "runtime/base/prng.h"
#include "tests/base/check.h"

static struct ftp_planner_times units[FTP_PLANNER_MAX_UNITS];

static struct ftp_planner_equal_problem problem_of(
	const uint64_t *ns, uint32_t n_units, uint32_t n_stages)
{
	memset(units, 0, sizeof(units));
	for (uint32_t i = 0; i < n_units; i++)
		units[i].forward_ns = ns[i];
	return (struct ftp_planner_equal_problem){
		.units = units, .n_units = n_units, .n_stages = n_stages, .micro_batches = 1};
}

static void equal__table(void **state)
{
	static const struct {
		uint64_t ns[8];
		uint32_t n_units, n_stages, first[8];
		uint64_t slowest_ns;
	} rows[] = {
		{{5}, 1, 1, {0}, 5},
		{{1, 1, 1, 1}, 4, 1, {0}, 4},
		{{1, 1, 1, 1}, 4, 2, {0, 2}, 2},
		{{1, 1, 1, 1}, 4, 4, {0, 1, 2, 3}, 1},
		{{9, 1, 1, 1, 1, 1}, 6, 2, {0, 1}, 9},
		{{1, 1, 1, 1, 1, 9}, 6, 2, {0, 5}, 9},
		/* 9 | 4 is as fast as 9 | 2 | 2, but no stage may stay idle */
		{{9, 1, 1, 1, 1}, 5, 3, {0, 1, 3}, 9},
		{{0, 0, 0, 0}, 4, 2, {0, 1}, 0},
		{{2, 3, 4, 5, 6}, 5, 3, {0, 2, 4}, 9},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ftp_planner_equal_problem p =
			problem_of(rows[i].ns, rows[i].n_units, rows[i].n_stages);
		struct ftp_planner_equal_answer a;

		assert_int_equal(ftp_planner_equal(&p, &a, NULL), 0);
		assert_int_equal(a.n_stages, rows[i].n_stages);
		assert_memory_equal(
			a.first_unit, rows[i].first, rows[i].n_stages * sizeof(a.first_unit[0]));
		assert_int_equal(a.first_unit[a.n_stages], rows[i].n_units);
		assert_int_equal(a.slowest_ns, rows[i].slowest_ns);
	}
}

static void equal__counts_micro_batches(void **state)
{
	struct ftp_planner_times u[2] = {{10, 20, 5}, {1, 1, 100}};
	struct ftp_planner_equal_problem p = {
		.units = u, .n_units = 2, .n_stages = 2, .micro_batches = 4};
	struct ftp_planner_equal_answer a;

	(void)state;
	assert_int_equal(ftp_planner_equal(&p, &a, NULL), 0);
	assert_int_equal(a.stage_ns[0], 4 * 30 + 5);
	assert_int_equal(a.stage_ns[1], 4 * 2 + 100);
}

/* The oracle: every split of [first, n) into n_stages, slowest and sum of squares. */
static void search(const uint64_t *ns, uint32_t n, uint32_t first, uint32_t n_stages,
	uint64_t slowest, uint64_t squares, uint64_t best[2])
{
	uint64_t here = 0;

	if (!n_stages) {
		if (first == n &&
			(slowest < best[0] || (slowest == best[0] && squares < best[1]))) {
			best[0] = slowest;
			best[1] = squares;
		}
		return;
	}
	for (uint32_t end = first + 1; end <= n; end++) {
		here += ns[end - 1];
		search(ns, n, end, n_stages - 1, here > slowest ? here : slowest,
			squares + here * here, best);
	}
}

static void equal__matches_exhaustive_search(void **state)
{
	uint64_t key = ftp_prng_key(check_seed(), FTP_PRNG_TEST, 2), draw = 0;

	(void)state;
	for (int round = 0; round < 400; round++) {
		uint32_t n = 1 + (uint32_t)ftp_prng_below(key, draw++, 11);
		uint32_t n_stages = 1 + (uint32_t)ftp_prng_below(key, draw++, n);
		uint64_t ns[16], best[2] = {UINT64_MAX, UINT64_MAX}, squares = 0, slowest = 0;
		struct ftp_planner_equal_problem p;
		struct ftp_planner_equal_answer a;

		for (uint32_t i = 0; i < n; i++)
			ns[i] = ftp_prng_below(key, draw++, round % 2 ? 4 : 1000);
		p = problem_of(ns, n, n_stages);
		assert_int_equal(ftp_planner_equal(&p, &a, NULL), 0);
		search(ns, n, 0, n_stages, 0, 0, best);
		for (uint32_t s = 0; s < n_stages; s++) {
			assert_true(a.first_unit[s] < a.first_unit[s + 1]);
			squares += a.stage_ns[s] * a.stage_ns[s];
			slowest = a.stage_ns[s] > slowest ? a.stage_ns[s] : slowest;
		}
		assert_int_equal(a.slowest_ns, best[0]);
		assert_int_equal(slowest, best[0]);
		assert_int_equal(squares, best[1]);
	}
}

static void equal__largest_problem(void **state)
{
	uint64_t ns[FTP_PLANNER_MAX_UNITS];
	struct ftp_planner_equal_problem p;
	struct ftp_planner_equal_answer a;

	(void)state;
	for (uint32_t i = 0; i < FTP_PLANNER_MAX_UNITS; i++)
		ns[i] = UINT64_C(1) << 54;
	p = problem_of(ns, FTP_PLANNER_MAX_UNITS, FTP_PLANNER_MAX_NODES);
	assert_int_equal(ftp_planner_equal(&p, &a, NULL), 0);
	assert_int_equal(a.slowest_ns, UINT64_C(1) << 56);
	for (uint32_t s = 0; s <= FTP_PLANNER_MAX_NODES; s++)
		assert_int_equal(a.first_unit[s], s * 4);
}

static void equal__refuses(void **state)
{
	uint64_t ns[4] = {1, 1, 1, UINT64_MAX};
	struct ftp_planner_equal_problem p = problem_of(ns, 3, 4);
	struct ftp_planner_equal_answer a;
	struct ftp_error err;

	(void)state;
	assert_int_equal(ftp_planner_equal(&p, &a, &err), -EINVAL);
	assert_string_equal(err.text, "planner: expected 1 to 3 stages for 3 units, got 4");
	p.n_stages = 0;
	assert_int_equal(ftp_planner_equal(&p, &a, &err), -EINVAL);
	p = problem_of(ns, 0, 1);
	assert_int_equal(ftp_planner_equal(&p, &a, &err), -EINVAL);
	p = problem_of(ns, 4, 2);
	assert_int_equal(ftp_planner_equal(&p, &a, &err), -EINVAL);
	assert_non_null(strstr(err.text, "more than a step can last"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal__table),
		cmocka_unit_test(equal__counts_micro_batches),
		cmocka_unit_test(equal__matches_exhaustive_search),
		cmocka_unit_test(equal__largest_problem),
		cmocka_unit_test(equal__refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
