#include "ctl/planner.h"

#include <errno.h>
#include <string.h>

#include "tests/base/check.h"
#include "tests/ctl/planner_oracle.h"

static struct oracle_case drawn;

static void assert_is(const struct ftp_planner_answer *a, const struct oracle *o)
{
	assert_int_equal(a->step_ns, o->step_ns);
	assert_int_equal(a->move_bytes, o->move_bytes);
	assert_true(oracle_same(&a->plan, &o->plan));
}

static void assert_answers(const struct ftp_planner_problem *p, uint64_t round)
{
	struct ftp_planner_answer a;
	struct ftp_error err = {{0}};
	struct oracle o = oracle_search(p, false);
	int rc = ftp_planner_best(p, &a, &err);

	if (rc != (o.found ? 0 : -ENOSPC) || (o.found && a.step_ns != o.step_ns))
		fail_msg("round %llu: rc %d (%s), found %d: step %llu for %llu",
			(unsigned long long)round, rc, err.text, o.found,
			(unsigned long long)a.step_ns, (unsigned long long)o.step_ns);
	if (rc)
		return;
	assert_is(&a, &o);
	assert_true(a.exact);
}

static void best__matches_exhaustive_search(void **state)
{
	(void)state;
	for (uint64_t round = 0; round < 1500; round++) {
		uint64_t seed = check_seed();

		oracle_draw_problem(&drawn, seed, round, 1 + (uint32_t)(round % 4),
			1 + (uint32_t)(round / 4 % 7));
		assert_answers(&drawn.problem, round);
	}
}

static void best__matches_exhaustive_search_of_five_nodes(void **state)
{
	(void)state;
	for (uint64_t round = 0; round < 60; round++) {
		oracle_draw_problem(&drawn, check_seed(), 10000 + round, 5, 8);
		assert_answers(&drawn.problem, round);
	}
}

static void best__keeps_the_order_when_asked(void **state)
{
	(void)state;
	for (uint64_t round = 0; round < 600; round++) {
		uint32_t n_nodes = 1 + (uint32_t)(round % 5);

		oracle_draw_problem(&drawn, check_seed(), 20000 + round, n_nodes,
			n_nodes + (uint32_t)(round / 5 % 4));
		drawn.problem.in_order = true;
		assert_answers(&drawn.problem, round);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(best__matches_exhaustive_search),
		cmocka_unit_test(best__matches_exhaustive_search_of_five_nodes),
		cmocka_unit_test(best__keeps_the_order_when_asked),
	};

	return cmocka_run_group_tests_name("planner", tests, NULL, NULL);
}
