#include "ctl/plan_view.h"

#include <string.h>

#include "tests/base/check.h"

static const char plan[] =
	"{\"exact\": true, \"step_seconds\": 0.05, \"samples_per_second\": 1280, \"move_bytes\": "
	"4100000, \"bottleneck\": {\"kind\": \"stage\", \"index\": 1}, \"stages\": [{\"stage\": 0, "
	"\"node\": \"n1\", \"first_unit\": 0, \"end_unit\": 3, \"compute_seconds\": 0.0421, "
	"\"share\": 0.842, \"memory_bytes\": 50100000, \"limit_bytes\": 8000000000}, {\"stage\": "
	"1, "
	"\"node\": \"n3\", \"first_unit\": 3, \"end_unit\": 5, \"compute_seconds\": 0.05, "
	"\"share\": 1, \"memory_bytes\": 1000000, \"limit_bytes\": 8000000000}], \"cuts\": "
	"[{\"unit\": 3, \"from\": \"n1\", \"to\": \"n3\", \"earlier_step_seconds\": 0.0521, "
	"\"later_step_seconds\": null}], \"absorbs\": {\"n1\": false, \"n2\": true, \"n3\": true}}";

/* What is printed; the document is taken. free() the text. */
static char *print(void (*view)(FILE *f, const json_t *j), json_t *document)
{
	char *text = NULL;
	size_t bytes;
	FILE *f = open_memstream(&text, &bytes);

	assert_non_null(document);
	view(f, document);
	fclose(f);
	json_decref(document);
	return text;
}

static void best__explains_itself(void **state)
{
	char *text = print(ftp_plan_view_best, json_loads(plan, 0, NULL));

	(void)state;
	assert_string_equal(text,
		"stage node         units       compute ms   share   memory MB    limit MB\n"
		"    0 n1           0-2               42.1    84 %        50.1      8000.0\n"
		"    1 n3           3-4               50.0   100 %         1.0      8000.0\n"
		"step 50.0 ms, 1280 samples/s; n3's compute fills it\n"
		"cut before unit 3, n1 to n3: one unit earlier: 52.1 ms (+4.2 %), one unit later: "
		"impossible\n"
		"could go on without any one of: n2, n3\n"
		"no plan of these nodes is better; 4.1 MB to move\n");
	free(text);
}

static void best__every_bottleneck(void **state)
{
	static const struct {
		const char *bottleneck, *says;
	} rows[] = {
		{"{\"kind\": \"link\", \"index\": 0}", "; the link from n1 to n3 fills it"},
		{"{\"kind\": \"path\", \"index\": 0}",
			"; the way through the stages from n1 on bounds it"},
		{"{\"kind\": \"stage\", \"index\": 99}", "; ?'s compute fills it"},
		{"{\"kind\": \"stage\", \"index\": -1}", "; ?'s compute fills it"},
		{"7", "samples/s\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		json_t *j = json_loads(plan, 0, NULL);
		char *text;

		json_object_set_new(
			j, "bottleneck", json_loads(rows[i].bottleneck, JSON_DECODE_ANY, NULL));
		text = print(ftp_plan_view_best, j);
		if (!strstr(text, rows[i].says))
			fail_msg("expected '%s' in %s", rows[i].says, text);
		free(text);
	}
}

static void live__in_force_and_best(void **state)
{
	json_t *now = json_loads(plan, 0, NULL), *best = json_loads(plan, 0, NULL);
	char *text;

	(void)state;
	json_object_set_new(now, "measured_step_seconds", json_real(0.0623));
	text = print(ftp_plan_view_live,
		json_pack("{s:O, s:O, s:f, s:b, s:s}", "in_force", now, "best", best, "gain", 0.0,
			"would_repartition", 0, "why", "the plan in force is the best"));
	assert_non_null(strstr(text, "in force\nstage"));
	assert_non_null(strstr(text, "measured: 62.3 ms a step"));
	assert_null(strstr(text, "\nbest\n"));
	assert_non_null(strstr(text, "gain 0.0 %; would repartition: no: the "
				     "plan in force is the best\n"));
	free(text);
	json_object_set_new(
		json_array_get(json_object_get(best, "stages"), 0), "end_unit", json_integer(4));
	text = print(ftp_plan_view_live,
		json_pack("{s:o, s:o, s:f, s:b, s:s}", "in_force", now, "best", best, "gain", 0.25,
			"would_repartition", 1, "why", "it pays"));
	assert_non_null(strstr(text, "\nbest\nstage"));
	assert_non_null(strstr(text, "gain 25.0 %; would repartition: yes: it pays\n"));
	free(text);
}

static void live__of_little(void **state)
{
	char *text = print(ftp_plan_view_live,
		json_pack("{s:n, s:n, s:s}", "in_force", "best", "why", "nothing was measured"));

	(void)state;
	assert_non_null(strstr(text, "nothing was measured"));
	free(text);
	free(print(ftp_plan_view_best, json_array()));
	free(print(ftp_plan_view_live, json_array()));
}

static char *print_profile(const json_t *j, const char *node)
{
	char *text = NULL;
	size_t bytes;
	FILE *f = open_memstream(&text, &bytes);

	ftp_plan_view_profile(f, j, node, NULL);
	fclose(f);
	return text;
}

static void profile__one_or_many(void **state)
{
	json_t *j = json_loads(
		"{\"source\": \"from here\", \"nodes\": [{\"node\": \"n1\", \"forward_ns\": "
		"[1000000, 3000000], \"backward_ns\": [2000000, 6000000], \"update_ns\": [5000, "
		"6000], \"mad_ns\": [1000, 1], \"version_bytes\": [1000000, 1], \"fixed_bytes\": "
		"[500000, 1], \"slot_bytes\": [10000, 1]}, {\"node\": \"n2\", \"forward_ns\": "
		"[2000000], \"backward_ns\": [4000000]}], \"links\": [{\"node\": \"n1\", \"peer\": "
		"[\"n2\"], \"rtt_ns\": [52000], \"bytes_per_s\": [900000000]}]}",
		0, NULL);
	char *text;

	(void)state;
	text = print_profile(j, "n1");
	assert_non_null(strstr(text, "   0                        1.000       2.000     0.005     "
				     "0.001  25.0 %      1.51\n"));
	assert_non_null(strstr(text, "one micro-batch, forward and backward: 12.00 ms\n"));
	assert_null(strstr(text, "link"));
	free(text);
	text = print_profile(j, NULL);
	assert_non_null(strstr(text, "   0                   25.0 %     3.000     6.000\n"));
	assert_non_null(strstr(text, "link n1 to n2: round trip 52 us, 900 MB/s\n"));
	free(text);
	free(print_profile(j, "n9"));
	json_decref(j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(best__explains_itself),
		cmocka_unit_test(best__every_bottleneck),
		cmocka_unit_test(live__in_force_and_best),
		cmocka_unit_test(live__of_little),
		cmocka_unit_test(profile__one_or_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
