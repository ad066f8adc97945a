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

static uint64_t step_with(const struct ftp_planner_problem *p, const struct ftp_planner_plan *plan,
	uint32_t s, int by)
{
	struct ftp_planner_plan other = *plan;

	other.first_unit[s] += (uint32_t)by;
	return other.first_unit[s] > other.first_unit[s - 1] &&
			       other.first_unit[s] < other.first_unit[s + 1] &&
			       oracle_fits(p, &other)
		       ? oracle_step(p, &other)
		       : 0;
}

static void assert_cuts(const struct ftp_planner_problem *p, const struct ftp_planner_answer *a)
{
	for (uint32_t s = 0; s < a->plan.n_stages; s++) {
		assert_int_equal(a->stage_bytes[s], oracle_bytes(p, &a->plan, s));
		if (!s)
			continue;
		assert_int_equal(a->earlier_ns[s], step_with(p, &a->plan, s, -1));
		assert_int_equal(a->later_ns[s], step_with(p, &a->plan, s, 1));
	}
}

static uint64_t dispensable(const struct ftp_planner_problem *p)
{
	struct ftp_planner_problem any = *p;

	any.first |= any.heirs;
	return oracle_search(&any, true).without;
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
	/* The plan in force may do without a node in what it holds. */
	if (!p->current)
		assert_int_equal(a.absorbs, dispensable(p));
	assert_cuts(p, &a);
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
		drawn.problem.first |= 1;
		assert_answers(&drawn.problem, round);
	}
}

static void best__is_no_slower_with_a_faster_node(void **state)
{
	(void)state;
	for (uint64_t round = 0; round < 400; round++) {
		struct ftp_planner_answer before, after;
		uint32_t v;

		oracle_draw_problem(&drawn, check_seed(), 30000 + round, 2 + (uint32_t)(round % 5),
			1 + (uint32_t)(round / 5 % 12));
		if (ftp_planner_best(&drawn.problem, &before, NULL))
			continue;
		v = (uint32_t)oracle_draw(&drawn, drawn.problem.n_nodes);
		for (uint32_t i = 0; i < drawn.problem.n_units; i++) {
			drawn.times[v][i].forward_ns -=
				oracle_draw(&drawn, 1 + drawn.times[v][i].forward_ns);
			drawn.times[v][i].backward_ns -=
				oracle_draw(&drawn, 1 + drawn.times[v][i].backward_ns);
			drawn.times[v][i].update_ns /= 2;
		}
		assert_int_equal(ftp_planner_best(&drawn.problem, &after, NULL), 0);
		assert_true(after.step_ns <= before.step_ns);
	}
}

/* Ten nodes and sixty units: too many to try all, but there are bounds on both sides. */
static void best__of_the_largest_exact_problem(void **state)
{
	(void)state;
	for (uint64_t round = 0; round < 4; round++) {
		struct ftp_planner_answer a, b;
		struct ftp_planner_plan other;

		oracle_draw_problem(
			&drawn, check_seed(), 40000 + round, FTP_PLANNER_EXACT_NODES, 60);
		drawn.problem.first = round % 2 ? 1 : (1 << FTP_PLANNER_EXACT_NODES) - 1;
		drawn.problem.heirs = 0;
		for (uint32_t v = 0; v < FTP_PLANNER_EXACT_NODES; v++)
			drawn.nodes[v].memory_bytes = 100000;
		assert_int_equal(ftp_planner_best(&drawn.problem, &a, NULL), 0);
		assert_true(a.exact);
		assert_int_equal(a.step_ns, oracle_step(&drawn.problem, &a.plan));
		for (uint64_t i = 0; i < 2000; i++) {
			oracle_draw_plan(&drawn, &other);
			if (ftp_planner_predict(&drawn.problem, &other, &b, NULL))
				continue;
			assert_true(b.step_ns >= a.step_ns);
		}
	}
}

static void best__of_many_nodes_is_a_plan(void **state)
{
	static const uint32_t sizes[][2] = {{11, 20}, {16, 60}, {64, 40}};

	(void)state;
	for (uint64_t round = 0; round < 6; round++) {
		struct ftp_planner_answer a;
		struct ftp_error err = {{0}};
		int rc;

		oracle_draw_problem(&drawn, check_seed(), 50000 + round, sizes[round % 3][0],
			sizes[round % 3][1]);
		rc = ftp_planner_best(&drawn.problem, &a, &err);
		if (rc) {
			assert_int_equal(rc, -ENOSPC);
			continue;
		}
		assert_false(a.exact);
		assert_true(oracle_fits(&drawn.problem, &a.plan));
		assert_int_equal(a.step_ns, oracle_step(&drawn.problem, &a.plan));
		assert_int_equal(a.move_bytes, oracle_moved(&drawn.problem, &a.plan));
	}
}

/* Two nodes, four units of 30 ns (forward 10), links of 5 ns each way. */
static void draw_plain(enum ftp_planner_schedule schedule)
{
	memset(&drawn, 0, sizeof(drawn));
	for (uint32_t v = 0; v < 2; v++) {
		for (uint32_t i = 0; i < 4; i++)
			drawn.times[v][i] = (struct ftp_planner_times){10, 20, 2};
		drawn.nodes[v] = (struct ftp_planner_node){
			.times = drawn.times[v], .memory_bytes = 1000, .name = v ? "n2" : "n1"};
	}
	for (uint32_t i = 0; i < 4; i++)
		drawn.units[i] = (struct ftp_planner_unit){
			.state_bytes = 7, .version_bytes = 100, .slot_bytes = 50};
	drawn.links[1].latency_ns = drawn.links[2].latency_ns = 5;
	drawn.problem = (struct ftp_planner_problem){.units = drawn.units,
		.n_units = 4,
		.nodes = drawn.nodes,
		.n_nodes = 2,
		.first = 1,
		.links = drawn.links,
		.schedule = schedule,
		.micro_batches = schedule == FTP_PLANNER_FLUSH ? 4 : 1};
}

static void best__by_hand(void **state)
{
	struct ftp_planner_plan current = {.n_stages = 1, .first_unit = {0, 4}};
	struct ftp_planner_answer a;

	(void)state;
	/* Two even stages of 64: the window, (60 + 4 + 10 + 60) / 2 = 67, is longer. */
	draw_plain(FTP_PLANNER_1F1B);
	drawn.problem.current = &current;
	assert_int_equal(ftp_planner_best(&drawn.problem, &a, NULL), 0);
	assert_int_equal(a.plan.n_stages, 2);
	assert_int_equal(a.plan.first_unit[1], 2);
	assert_int_equal(a.step_ns, 67);
	assert_int_equal(a.bottleneck, FTP_BOTTLENECK_PATH);
	assert_int_equal(a.bottleneck_index, 0);
	assert_int_equal(a.stage_ns[1], 64);
	assert_int_equal(a.move_bytes, 14);
	/* 2 versions and 3 slots, then 1 and 2. */
	assert_int_equal(a.stage_bytes[0], 2 * (2 * 100 + 3 * 50));
	assert_int_equal(a.stage_bytes[1], 2 * (1 * 100 + 2 * 50));
	/* 1 + 3 units: the stage of 96 counts. 3 + 1: stage 0 would need 1050 bytes. */
	assert_int_equal(a.earlier_ns[1], 96);
	assert_int_equal(a.later_ns[1], 0);
	assert_int_equal(a.absorbs, 2);

	/* 40 each way: the two slots of stage 1, (60 + 80 + 80) / 2, not the window, (64 + 80 + 60)
	 * / 2.
	 */
	draw_plain(FTP_PLANNER_1F1B);
	drawn.links[1].latency_ns = drawn.links[2].latency_ns = 40;
	assert_int_equal(ftp_planner_best(&drawn.problem, &a, NULL), 0);
	assert_int_equal(a.plan.first_unit[1], 2);
	assert_int_equal(a.step_ns, 110);
	assert_int_equal(a.bottleneck, FTP_BOTTLENECK_PATH);

	/* Stage 0: 4 * 60 of its own; of a way of 10 + 60 there and back, 20 is filled with a
	 * forward and 40 with a backward: 50 + 30 of waiting; then its updates. */
	draw_plain(FTP_PLANNER_FLUSH);
	assert_int_equal(ftp_planner_best(&drawn.problem, &a, NULL), 0);
	assert_int_equal(a.plan.first_unit[1], 2);
	assert_int_equal(a.step_ns, 240 + 50 + 30 + 4);
	assert_int_equal(a.bottleneck, FTP_BOTTLENECK_STAGE);
	assert_int_equal(a.stage_bytes[0], 2 * (100 + 3 * 50));
}

static void best__counts_what_is_held(void **state)
{
	struct ftp_planner_plan current = {.n_stages = 2, .node = {0, 1}, .first_unit = {0, 2, 4}};
	struct ftp_planner_answer a;

	(void)state;
	draw_plain(FTP_PLANNER_1F1B);
	/* Only the plan in force fits: what it needs is held already. */
	drawn.problem.current = &current;
	drawn.nodes[0].held_bytes = 700;
	drawn.nodes[1].held_bytes = 400;
	drawn.nodes[0].memory_bytes = 900;
	drawn.nodes[1].memory_bytes = 500;
	assert_int_equal(ftp_planner_best(&drawn.problem, &a, NULL), 0);
	assert_true(oracle_same(&a.plan, &current));
	assert_int_equal(a.limit_bytes[0], 900);
	assert_int_equal(a.absorbs, 0);
	drawn.problem.current = NULL;
	assert_int_equal(ftp_planner_best(&drawn.problem, &a, NULL), -ENOSPC);
}

static void best__says_what_does_not_fit(void **state)
{
	struct ftp_planner_answer a;
	struct ftp_error err;

	(void)state;
	draw_plain(FTP_PLANNER_FLUSH);
	drawn.nodes[0].memory_bytes = 300;
	drawn.nodes[1].memory_bytes = 390;
	drawn.nodes[1].held_bytes = 10;
	/* 1 + 3 units need 250 and 600; 2 + 2 need 500 and 400: 200 more than there are. */
	assert_int_equal(ftp_planner_best(&drawn.problem, &a, &err), -ENOSPC);
	assert_string_equal(err.text,
		"planner: no plan fits the memory; the nearest needs 500 bytes on n1, 200 more "
		"than it has (limit 300, of it held by the plan in force 0)");
}

static void refused(const char *reason)
{
	struct ftp_planner_answer a;
	struct ftp_error err = {{0}};

	assert_int_equal(ftp_planner_best(&drawn.problem, &a, &err), -EINVAL);
	if (!strstr(err.text, reason))
		fail_msg("%s: %s", reason, err.text);
	draw_plain(FTP_PLANNER_1F1B);
}

/* Nothing is less than nothing; and a part of a stage must fit too. */
static void best__bounds_what_is_shared(void **state)
{
	struct ftp_planner_answer a;
	struct ftp_error err;

	(void)state;
	draw_plain(FTP_PLANNER_1F1B);
	drawn.units[0].shared_bytes = 60;
	drawn.units[2].shared_bytes = UINT64_MAX;
	assert_int_equal(ftp_planner_best(&drawn.problem, &a, &err), 0);
	assert_int_equal(a.plan.first_unit[1], 2);
	assert_int_equal(a.stage_bytes[0], 2 * 2 * 100 + 3 * (2 * 50 - 60));
	assert_int_equal(a.stage_bytes[1], 2 * 100);
	drawn.problem.n_nodes = 1;
	drawn.units[0].scratch_bytes[0] = 1000;
	assert_int_equal(ftp_planner_best(&drawn.problem, &a, &err), -ENOSPC);
	assert_non_null(strstr(err.text, "needs 1200 bytes on n1, 200 more"));
	drawn.nodes[0].memory_bytes = 1200;
	assert_int_equal(ftp_planner_best(&drawn.problem, &a, &err), 0);
	assert_int_equal(a.stage_bytes[0], 4 * 100);
}

static void best__refuses(void **state)
{
	(void)state;
	draw_plain(FTP_PLANNER_1F1B);
	drawn.problem.n_units = 0;
	refused("units");
	drawn.problem.n_nodes = FTP_PLANNER_MAX_NODES + 1;
	refused("nodes");
	drawn.problem.micro_batches = 2;
	refused("one micro-batch per step");
	drawn.problem.n_units = 1;
	drawn.problem.in_order = true;
	refused("in order");
	drawn.problem.first = 4;
	refused("no node that may be stage 0");
	drawn.problem.first = 2;
	drawn.problem.in_order = true;
	refused("no node that may be stage 0");
	drawn.units[3].fixed_bytes = UINT64_MAX;
	refused("unit 3 has more than");
	drawn.times[1][0].backward_ns = UINT64_MAX;
	refused("more than a step can last");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(best__matches_exhaustive_search),
		cmocka_unit_test(best__matches_exhaustive_search_of_five_nodes),
		cmocka_unit_test(best__keeps_the_order_when_asked),
		cmocka_unit_test(best__is_no_slower_with_a_faster_node),
		cmocka_unit_test(best__of_the_largest_exact_problem),
		cmocka_unit_test(best__of_many_nodes_is_a_plan),
		cmocka_unit_test(best__by_hand),
		cmocka_unit_test(best__counts_what_is_held),
		cmocka_unit_test(best__says_what_does_not_fit),
		cmocka_unit_test(best__bounds_what_is_shared),
		cmocka_unit_test(best__refuses),
	};

	return cmocka_run_group_tests_name("planner", tests, NULL, NULL);
}
