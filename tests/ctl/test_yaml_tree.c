#include "ctl/yaml_tree.h"

#include <errno.h>
#include <string.h>

#include "tests/base/check.h"

static struct ftp_yaml *parse(const char *text)
{
	struct ftp_yaml *y;
	struct ftp_error err;

	if (ftp_yaml_parse(&y, text, strlen(text), "f", true, &err))
		fail_msg("%s", err.text);
	return y;
}

static void check_print(const struct ftp_yaml *y, const char *expected)
{
	size_t bytes;
	char *text = ftp_yaml_print(y, &bytes);

	assert_int_equal(bytes, strlen(text));
	assert_string_equal(text, expected);
	free(text);
}

static void parse__keeps_places(void **state)
{
	struct ftp_yaml *y = parse("a:\n  b: [1, 'x']\n"), *b;
	char place[64];

	(void)state;
	b = ftp_yaml_child(ftp_yaml_child(y, "a"), "b");
	assert_int_equal(b->kind, FTP_YAML_SEQUENCE);
	ftp_yaml_place(b->first->next, "a.b[1]", place, sizeof(place));
	assert_string_equal(place, "f:2:10: a.b[1]");
	assert_true(b->first->next->quoted);
	assert_false(b->first->quoted);
	assert_null(ftp_yaml_child(b, "x"));
	assert_null(ftp_yaml_child(NULL, "x"));
	ftp_yaml_free(y);
}

static void parse__empty_is_an_empty_mapping(void **state)
{
	struct ftp_yaml *y = parse("# nothing\n");

	(void)state;
	assert_int_equal(y->kind, FTP_YAML_MAPPING);
	assert_null(y->first);
	ftp_yaml_free(y);
}

static void put__replaces_or_appends(void **state)
{
	struct ftp_yaml *y = parse("{a: 1, b: 2, c: 3}");

	(void)state;
	ftp_yaml_put(y, ftp_yaml_scalar("b", "20"));
	ftp_yaml_put(y, ftp_yaml_scalar("d", "4"));
	ftp_yaml_remove(y, "a");
	ftp_yaml_remove(y, "z");
	check_print(y, "b: 20\nc: 3\nd: 4\n");
	ftp_yaml_free(y);
}

static void merge__fills_what_lacks(void **state)
{
	struct ftp_yaml *y = parse("a: {x: 1, n: }\nb: ~\nl: [1]\ns: 's'\n"),
			*d = parse(
				"{a: {x: 9, y: 2, n: 3}, b: {z: 4}, l: {q: 1}, s: {r: 1}, e: ''}");
	const struct ftp_yaml *filled;
	char place[64];

	(void)state;
	ftp_yaml_merge(y, d);
	check_print(y, "a:\n  x: 1\n  n: 3\n  y: 2\nb:\n  z: 4\nl:\n- 1\ns: 's'\ne: ''\n");
	filled = ftp_yaml_child(ftp_yaml_child(y, "b"), "z");
	ftp_yaml_place(filled, "b.z", place, sizeof(place));
	assert_string_equal(place, "f: b.z");
	ftp_yaml_free(y);
	ftp_yaml_free(d);
}

static void copy__is_deep(void **state)
{
	struct ftp_yaml *y = parse("{a: {b: [1, {c: 2}]}, d: 3}"), *copy = ftp_yaml_copy(y);

	(void)state;
	ftp_yaml_free(y);
	check_print(copy, "a:\n  b:\n  - 1\n  - c: 2\nd: 3\n");
	ftp_yaml_free(copy);
}

static int note(void *arg, const char *path, struct ftp_yaml *y)
{
	char *all = arg;
	size_t n = strlen(all);

	snprintf(all + n, 256 - n, "%s=%s ", path, y->text ? y->text : "?");
	return !strcmp(path, "stop");
}

static void each__visits_by_pattern(void **state)
{
	struct ftp_yaml *y =
		parse("{n: [{name: a, v: 1}, {v: 2}, 7, {name: [], v: 3}], m: {v: 4}}");
	char seen[256] = "";

	(void)state;
	assert_int_equal(ftp_yaml_each(y, "n.*.v", note, seen), 0);
	assert_string_equal(seen, "n.a.v=1 n[1].v=2 n[3].v=3 ");
	seen[0] = 0;
	assert_int_equal(ftp_yaml_each(y, "m.v", note, seen), 0);
	assert_int_equal(ftp_yaml_each(y, "m.w", note, seen), 0);
	assert_string_equal(seen, "m.v=4 ");
	ftp_yaml_free(y);
}

static void each__long_paths_are_cut(void **state)
{
	char text[2048], seen[256] = "";
	struct ftp_yaml *y;

	(void)state;
	snprintf(text, sizeof(text), "a: [{name: %0900d, v: {w: 1}}]\n", 0);
	y = parse(text);
	assert_int_equal(ftp_yaml_each(y, "a.*.v.w", note, seen), 0);
	assert_int_equal(strncmp(seen, "a.000", 5), 0);
	ftp_yaml_free(y);
}

static void print__quotes_survive(void **state)
{
	struct ftp_yaml *y = parse("{a: 'null', b: \"1\\n2\", c: '', d: 'x: y'}"), *again;
	size_t bytes;
	char *text = ftp_yaml_print(y, &bytes);

	(void)state;
	again = parse(text);
	assert_false(ftp_yaml_is_null(ftp_yaml_child(again, "a")));
	assert_string_equal(ftp_yaml_child(again, "b")->text, "1\n2");
	assert_false(ftp_yaml_is_null(ftp_yaml_child(again, "c")));
	assert_string_equal(ftp_yaml_child(again, "d")->text, "x: y");
	free(text);
	ftp_yaml_free(again);
	ftp_yaml_free(y);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parse__keeps_places),
		cmocka_unit_test(parse__empty_is_an_empty_mapping),
		cmocka_unit_test(put__replaces_or_appends),
		cmocka_unit_test(merge__fills_what_lacks),
		cmocka_unit_test(copy__is_deep),
		cmocka_unit_test(each__visits_by_pattern),
		cmocka_unit_test(each__long_paths_are_cut),
		cmocka_unit_test(print__quotes_survive),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
