#include "ctl/planner_order.h"

#include <stdlib.h>

#include "ctl/planner_fit.h"
#include "ctl/planner_predict.h"
#include "tests/base/check.h"
#include "tests/ctl/planner_oracle.h"

static struct oracle_case drawn;

/* Small problems, searched as if they were large: between the best plan of all and the best of the
 * order given. */
static void order__is_no_worse_than_the_order_given(void **state)
{
	uint64_t n_best = 0, n_all = 0;

	(void)state;
	for (uint64_t round = 0; round < 400; round++) {
		struct ftp_planner_space space;
		struct ftp_planner_search s = {.step_ns = UINT64_MAX};
		struct oracle given, best;
		int rc;

		oracle_draw_problem(&drawn, check_seed(), 60000 + round, 2 + (uint32_t)(round % 4),
			1 + (uint32_t)(round / 4 % 8));
		drawn.problem.current = NULL;
		best = oracle_search(&drawn.problem, false);
		drawn.problem.in_order = true;
		given = oracle_search(&drawn.problem, true);
		drawn.problem.in_order = false;
		space = ftp_planner_space_of(&drawn.problem, drawn.problem.first, 0);
		space.sets = false;
		s.tables = ftp_planner_tables_new(&drawn.problem, true, &rc, NULL);
		assert_non_null(s.tables);
		ftp_planner_fit_limits(s.tables, 0);
		ftp_planner_order_search(&s, &space);
		if (given.found)
			assert_true(s.step_ns <= given.step_ns);
		if (s.step_ns != UINT64_MAX) {
			assert_true(best.found && s.step_ns >= best.step_ns);
			assert_true(oracle_fits(&drawn.problem, &s.best));
			assert_int_equal(s.step_ns, oracle_step(&drawn.problem, &s.best));
			n_best += s.step_ns == best.step_ns;
			n_all++;
		}
		free(s.tables);
	}
	printf("best of all in %llu of %llu\n", (unsigned long long)n_best,
		(unsigned long long)n_all);
	assert_true(10 * n_best > 8 * n_all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(order__is_no_worse_than_the_order_given),
	};

	return cmocka_run_group_tests_name("planner_order", tests, NULL, NULL);
}
