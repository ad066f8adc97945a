#include "ctl/cores.h"

#include <errno.h>
#include <string.h>

#include "tests/base/check.h"

static void parse__table(void **state)
{
	static const struct {
		const char *text, *printed; /* NULL: refused */
	} rows[] = {
		{"0", "0"},
		{"0-3,6", "0-3,6"},
		{"0,1,2,3", "0-3"},
		{"5-5", "5"},
		{"1023", "1023"},
		{"1024", NULL},
		{"0-1024", NULL},
		{"", NULL},
		{",", NULL},
		{"0,", NULL},
		{"3-1", NULL},
		{"1,1", NULL},
		{"2-4,3", NULL},
		{"1-", NULL},
		{"-1", NULL},
		{"1 ", NULL},
		{"a", NULL},
		{"99999999999999999999", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ftp_error err = {.text = ""};
		char text[64];
		cpu_set_t set;
		int rc = ftp_cores_parse(rows[i].text, &set, &err);

		assert_int_equal(rc, rows[i].printed ? 0 : -EINVAL);
		if (rc) {
			assert_non_null(strstr(err.text, "expected ascending core numbers"));
			continue;
		}
		ftp_cores_print(&set, text, sizeof(text));
		assert_string_equal(text, rows[i].printed);
	}
}

static void print__empty_and_cut(void **state)
{
	cpu_set_t set;
	char text[8];

	(void)state;
	CPU_ZERO(&set);
	ftp_cores_print(&set, text, sizeof(text));
	assert_string_equal(text, "");
	for (int core = 0; core < CPU_SETSIZE; core += 2)
		CPU_SET(core, &set);
	ftp_cores_print(&set, text, sizeof(text));
	assert_string_equal(text, "0,2,4,6");
}

static void available__at_least_one(void **state)
{
	cpu_set_t set;

	(void)state;
	ftp_cores_available(&set);
	assert_true(CPU_COUNT(&set) >= 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parse__table),
		cmocka_unit_test(print__empty_and_cut),
		cmocka_unit_test(available__at_least_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
