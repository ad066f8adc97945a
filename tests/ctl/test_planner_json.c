#include "ctl/planner_json.h"

#include "tests/base/check.h"

static const char *const names[] = {"n1", "n2", "n3"};

static void json__holds_everything(void **state)
{
	static const struct ftp_planner_answer answer = {
		.plan = {.n_stages = 2, .node = {0, 2}, .first_unit = {0, 3, 5}},
		.step_ns = 500000000,
		.stage_ns = {250000000, 500000000},
		.stage_bytes = {10, 20},
		.limit_bytes = {100, 200},
		.bottleneck = FTP_BOTTLENECK_LINK,
		.bottleneck_index = 1,
		.earlier_ns = {0, 750000000},
		.move_bytes = 42,
		.absorbs = 2,
		.exact = true,
	};
	json_t *j = ftp_planner_json(&answer, names, 3, 64);
	json_t *expected = json_loads(
		"{\"exact\": true, \"step_seconds\": 0.5, \"samples_per_second\": 128.0,"
		" \"move_bytes\": 42, \"bottleneck\": {\"kind\": \"link\", \"index\": 0},"
		" \"stages\": [{\"stage\": 0, \"node\": \"n1\", \"first_unit\": 0,"
		"  \"end_unit\": 3, \"compute_seconds\": 0.25, \"share\": 0.5,"
		"  \"memory_bytes\": 10, \"limit_bytes\": 100},"
		" {\"stage\": 1, \"node\": \"n3\", \"first_unit\": 3, \"end_unit\": 5,"
		"  \"compute_seconds\": 0.5, \"share\": 1.0, \"memory_bytes\": 20,"
		"  \"limit_bytes\": 200}],"
		" \"cuts\": [{\"unit\": 3, \"from\": \"n1\", \"to\": \"n3\","
		"  \"earlier_step_seconds\": 0.75, \"later_step_seconds\": null}],"
		" \"absorbs\": {\"n1\": false, \"n2\": true, \"n3\": false}}",
		0, NULL);

	(void)state;
	assert_non_null(j);
	assert_non_null(expected);
	assert_true(json_equal(j, expected));
	json_decref(j);
	json_decref(expected);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json__holds_everything),
	};

	return cmocka_run_group_tests_name("planner_json", tests, NULL, NULL);
}
