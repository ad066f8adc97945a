#include "ctl/cuts.h"

#include <errno.h>
#include <string.h>

#include "tests/base/check.h"

static void measured__words(void **state)
{
	(void)state;
	assert_true(ftp_cuts_measured("auto"));
	assert_true(ftp_cuts_measured("equal"));
	assert_false(ftp_cuts_measured("3,9"));
	assert_false(ftp_cuts_measured(""));
}

static void parse__table(void **state)
{
	static const struct {
		const char *text;
		int rc;
		uint32_t n, cuts[4];
	} rows[] = {
		{"", 0, 0, {0}},
		{"3", 0, 1, {3}},
		{"3,9", 0, 2, {3, 9}},
		{"1,2,3,4", 0, 4, {1, 2, 3, 4}},
		{"1,2,3,4,5", -EINVAL, 0, {0}},
		{"0", -EINVAL, 0, {0}},
		{"3,3", -EINVAL, 0, {0}},
		{"9,3", -EINVAL, 0, {0}},
		{"3,", -EINVAL, 0, {0}},
		{",3", -EINVAL, 0, {0}},
		{"3;9", -EINVAL, 0, {0}},
		{"3, 9", -EINVAL, 0, {0}},
		{"-3", -EINVAL, 0, {0}},
		{"0x3", -EINVAL, 0, {0}},
		{"99999999999999999999", -EINVAL, 0, {0}},
		{"even", -EINVAL, 0, {0}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint32_t cuts[4] = {0}, n;

		assert_int_equal(ftp_cuts_parse(rows[i].text, cuts, 4, &n, NULL), rows[i].rc);
		assert_int_equal(n, rows[i].n);
		if (!rows[i].rc)
			assert_memory_equal(cuts, rows[i].cuts, n * sizeof(cuts[0]));
	}
}

static void check__table(void **state)
{
	static const uint32_t cuts[] = {3, 9};
	struct ftp_error err;

	(void)state;
	assert_int_equal(ftp_cuts_check(cuts, 2, 10, 3, &err), 0);
	assert_int_equal(ftp_cuts_check(cuts, 0, 1, 1, &err), 0);
	assert_int_equal(ftp_cuts_check(cuts, 2, 10, 4, &err), -EINVAL);
	assert_string_equal(
		err.text, "expected 3 cuts for 4 nodes, got 2; change the cuts or the nodes");
	assert_int_equal(ftp_cuts_check(cuts, 2, 9, 3, &err), -EINVAL);
	assert_string_equal(err.text, "expected cuts from 1 to 8, as the model has 9 units, got 9");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(measured__words),
		cmocka_unit_test(parse__table),
		cmocka_unit_test(check__table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
