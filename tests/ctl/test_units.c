#include "ctl/units.h"

#include <errno.h>

#include "runtime/base/prng.h"
#include "tests/base/check.h"

static void parse__table(void **state)
{
	static const struct {
		enum ftp_units_kind kind;
		const char *text;
		int rc;
		uint64_t value;
	} rows[] = {
		{FTP_UNITS_SIZE, "8GiB", 0, UINT64_C(8) << 30},
		{FTP_UNITS_SIZE, "1.5 KiB", 0, 1536},
		{FTP_UNITS_SIZE, "2MB", 0, 2000000},
		{FTP_UNITS_SIZE, "0", 0, 0},
		{FTP_UNITS_SIZE, "8", -EINVAL, 0},
		{FTP_UNITS_SIZE, "8gib", -EINVAL, 0},
		{FTP_UNITS_SIZE, "-8GiB", -EINVAL, 0},
		{FTP_UNITS_SIZE, "0x8GiB", -EINVAL, 0},
		{FTP_UNITS_SIZE, "1.2.3GiB", -EINVAL, 0},
		{FTP_UNITS_SIZE, ".5GiB", -EINVAL, 0},
		{FTP_UNITS_SIZE, "", -EINVAL, 0},
		{FTP_UNITS_SIZE, "GiB", -EINVAL, 0},
		{FTP_UNITS_SIZE, "99999999999TiB", -ERANGE, 0},
		{FTP_UNITS_SIZE, "8ms", -EINVAL, 0},
		{FTP_UNITS_DURATION, "2ms", 0, 2000000},
		{FTP_UNITS_DURATION, "1h", 0, UINT64_C(3600000000000)},
		{FTP_UNITS_DURATION, "0.5us", 0, 500},
		{FTP_UNITS_RATE, "1GB/s", 0, 1000000000},
		{FTP_UNITS_RATE, "1Gbit", 0, 125000000},
		{FTP_UNITS_RATE, "1GiB", -EINVAL, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t value = 0;

		assert_int_equal(ftp_units_parse(rows[i].kind, rows[i].text, &value), rows[i].rc);
		assert_int_equal(value, rows[i].value);
	}
}

static void print__shortest(void **state)
{
	char text[32];

	(void)state;
	ftp_units_print(FTP_UNITS_SIZE, UINT64_C(8) << 30, text, sizeof(text));
	assert_string_equal(text, "8GiB");
	ftp_units_print(FTP_UNITS_DURATION, 1500000, text, sizeof(text));
	assert_string_equal(text, "1500us");
	ftp_units_print(FTP_UNITS_RATE, 0, text, sizeof(text));
	assert_string_equal(text, "0");
}

static void print__reads_back(void **state)
{
	uint64_t key = ftp_prng_key(check_seed(), FTP_PRNG_TEST, 1), value;
	char text[32];

	(void)state;
	for (uint64_t i = 0; i < 3000; i++) {
		uint64_t drawn = ftp_prng_below(key, i, FTP_UNITS_MAX) >> i % 60;

		ftp_units_print((enum ftp_units_kind)(i % 3), drawn, text, sizeof(text));
		assert_int_equal(ftp_units_parse((enum ftp_units_kind)(i % 3), text, &value), 0);
		assert_int_equal(value, drawn);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parse__table),
		cmocka_unit_test(print__shortest),
		cmocka_unit_test(print__reads_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
