/* Export from directories that are whole, damaged, of another run, of an abandoned history, or that
 * say different things: what counts is used, and who is not believed is named. */
#include "runtime/export.h"

#include <errno.h>
#include <ftw.h>

#include "runtime/export_holders.h"
#include "tests/runtime/export_site.h"

static json_t *document;
static struct ftp_error why;

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	return remove(path);
}

static int end(void **state)
{
	(void)state;
	json_decref(document);
	document = NULL;
	return nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static int export(void)
{
	char path[128];
	const struct ftp_export_spec spec = {
		.model = model, .run_dir = root, .path = path, .dataset = "no/such/data"};

	snprintf(path, sizeof(path), "%s/out.safetensors", root);
	json_decref(document);
	document = NULL;
	why.text[0] = 0;
	return ftp_export_newest(&document, &spec, &why);
}

static void assert_exported(uint64_t step, uint64_t term, size_t n_problems)
{
	const json_t *problems;

	if (export())
		fail_msg("%s", why.text);
	problems = json_object_get(document, "problems");
	for (size_t i = 0; i < json_array_size(problems); i++)
		printf("%s\n", json_string_value(json_array_get(problems, i)));
	assert_int_equal(json_integer_value(json_object_get(document, "step")), step);
	assert_int_equal(json_integer_value(json_object_get(document, "term")), term);
	assert_string_equal(
		json_string_value(json_object_get(document, "run")), "0000000000000abc");
	assert_int_equal(json_array_size(problems), n_problems);
}

static void assert_problem(size_t i, const char *part)
{
	const char *text =
		json_string_value(json_array_get(json_object_get(document, "problems"), i));

	if (!text || !strstr(text, part))
		fail_msg("%s, not %s", text, part);
}

static void newest__whole(void **state)
{
	(void)state;
	write_journal("1", "0", 1, 40);
	put_all(1, 20);
	put_all(1, 40);
	put((struct put){"n2", .term = 1, .step = 60, .first = 0, .end = 4});
	assert_exported(40, 1, 0);
}

static void newest__nothing(void **state)
{
	(void)state;
	write_journal("1", "0", 0, 0);
	assert_int_equal(export(), -ENODATA);
	assert_string_equal(why.text, "the run's checkpoints are empty");
}

static void newest__units_are_missing(void **state)
{
	(void)state;
	write_journal("1", "0", 0, 0);
	put((struct put){"n2", .term = 1, .step = 60, .first = 1, .end = 4});
	assert_int_equal(export(), -ENODATA);
	assert_non_null(strstr(why.text, "of the newest, after step 60, units 0, 4 are missing"));
}

static void holders__damaged(void **state)
{
	(void)state;
	write_journal("1", "0", 1, 40);
	put_all(1, 40);
	damage("n2", 2, 40);
	assert_exported(40, 1, 1);
	assert_problem(0, "n2: unit 2 after step 40: damaged");
	damage("n3", 2, 40);
	assert_int_equal(export(), -ENODATA);
	assert_non_null(strstr(why.text, "units 2 are missing; n2: unit 2"));
}

/* What is read into the unit's memory is as long as the unit's state is. */
static void holders__forged_length(void **state)
{
	(void)state;
	write_journal("1", "0", 1, 40);
	put_all(1, 40);
	forge("n1", 0, 40, 64 << 20);
	forge("n2", 0, 40, 64 << 20);
	assert_exported(40, 1, 0);
}

/* A node at work puts and cleans up while its directory is being read: that is no damage. */
static void holders__moved(void **state)
{
	struct ftp_export_history history;
	struct ftp_export_holders *x;
	json_t *problems = json_array();
	char segment[128], away[160];
	uint64_t bytes = model->units[2].state_bytes;
	void *into = malloc(bytes);

	(void)state;
	write_journal("1", "0", 1, 40);
	put_all(1, 40);
	snprintf(segment, sizeof(segment), "%s/checkpoint/n2/segment-00000000", root);
	snprintf(away, sizeof(away), "%s/away", root);
	assert_int_equal(rename(segment, away), 0);
	ftp_export_history_read(&history, root, problems);
	assert_int_equal(ftp_export_holders_open(&x, root, &history, problems, &why), 0);
	assert_int_equal(rename(away, segment), 0);
	for (uint64_t step = 60; step <= 80; step += 20)
		put((struct put){"n2", .term = 1, .step = step, .first = 0, .end = 4});
	assert_true(ftp_export_holders_read(x, 2, 40, 1, bytes, into));
	assert_true(ftp_export_holders_have_moved(x));
	assert_int_equal(json_array_size(problems), 0);
	ftp_export_holders_close(x);
	ftp_export_history_deinit(&history);
	json_decref(problems);
	free(into);
}

/* Its record is sound, and not what the run trained. */
static void holders__lies(void **state)
{
	(void)state;
	write_journal("1", "0", 1, 40);
	put((struct put){"n1", .term = 1, .step = 40, .first = 0, .end = 2, .value = 7});
	put((struct put){"n2", .term = 1, .step = 40, .first = 0, .end = 5});
	assert_exported(40, 1, 2);
	assert_problem(0, "n1: unit 0 after step 40: it is not the state that the journal");
	assert_problem(1, "n1: unit 1");
}

/* Nobody knows what it must be: two against one, then one against one. */
static void holders__most_of_them(void **state)
{
	(void)state;
	write_journal("1", "0", 0, 0);
	put((struct put){"n1", .term = 1, .step = 40, .first = 0, .end = 2, .value = 7});
	put((struct put){"n2", .term = 1, .step = 40, .first = 0, .end = 5});
	put((struct put){"n3", .term = 1, .step = 40, .first = 0, .end = 5});
	assert_exported(40, 1, 2);
	put((struct put){"n1", .term = 1, .step = 60, .first = 0, .end = 1, .value = 7});
	put((struct put){"n2", .term = 1, .step = 60, .first = 0, .end = 5});
	assert_exported(40, 1, 3);
	assert_problem(0, "n1 and n2 hold different states of unit 0 after step 60");
}

static void holders__another_run(void **state)
{
	(void)state;
	write_journal("1", "0", 0, 0);
	put((struct put){"n0", .run = 7, .term = 1, .step = 60, .first = 0, .end = 5});
	put_all(1, 40);
	assert_exported(40, 1, 1);
	assert_problem(
		0, "n0: its directory is that of run 0000000000000007, not 0000000000000abc");
}

/* The run went back to step 20: what was trained after it does not count, whole as it is. */
static void history__abandoned(void **state)
{
	(void)state;
	put_all(1, 20);
	put_all(1, 40);
	write_journal("1, 2", "0, 20", 1, 20);
	assert_exported(20, 1, 0);
	write_journal("1, 2", "0, 40", 1, 20);
	assert_exported(40, 1, 0);
}

/* Many nodes and records, and nothing whole: all of it is gone through, in no time. */
static void holders__many_records(void **state)
{
	char name[8];

	(void)state;
	write_journal("1", "0", 0, 0);
	for (int node = 1; node <= 16; node++) {
		snprintf(name, sizeof(name), "n%d", node);
		put_records(name, 500);
	}
	assert_int_equal(export(), -ENODATA);
	if (!strstr(why.text, "of the newest, after step 500, units 0, 1, 2, 3, 4 are missing"))
		fail_msg("%s", why.text);
}

/* Without a journal the states of a newer term tell. */
static void history__abandoned_by_what_is_there(void **state)
{
	(void)state;
	put_all(1, 20);
	put((struct put){"n4", .term = 1, .step = 40, .first = 0, .end = 5});
	assert_exported(40, 1, 1);
	assert_problem(0, "journal.json");
	put((struct put){"n3", .term = 2, .step = 30, .first = 2, .end = 5});
	assert_exported(20, 1, 1);
}

static void history__of_another_run(void **state)
{
	(void)state;
	put_all(1, 40);
	write_journal("1, 2", "0, 20", 1, 20);
	write_text("run", "0000000000000007\n");
	assert_int_equal(export(), -ENODATA);
	assert_non_null(strstr(why.text, "journal.json: it is another run's"));
}

int main(void)
{
	const struct ftp_model_spec spec = {.name = "lenet5", .width = 1, .activations = true};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(newest__whole, begin, end),
		cmocka_unit_test_setup_teardown(newest__nothing, begin, end),
		cmocka_unit_test_setup_teardown(newest__units_are_missing, begin, end),
		cmocka_unit_test_setup_teardown(holders__damaged, begin, end),
		cmocka_unit_test_setup_teardown(holders__forged_length, begin, end),
		cmocka_unit_test_setup_teardown(holders__moved, begin, end),
		cmocka_unit_test_setup_teardown(holders__lies, begin, end),
		cmocka_unit_test_setup_teardown(holders__most_of_them, begin, end),
		cmocka_unit_test_setup_teardown(holders__another_run, begin, end),
		cmocka_unit_test_setup_teardown(holders__many_records, begin, end),
		cmocka_unit_test_setup_teardown(history__abandoned, begin, end),
		cmocka_unit_test_setup_teardown(history__abandoned_by_what_is_there, begin, end),
		cmocka_unit_test_setup_teardown(history__of_another_run, begin, end),
	};
	int rc;

	if (!mkdtemp(root) || ftp_model_new(&model, &spec, NULL))
		return 1;
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	ftp_model_free(model);
	return rc;
}
