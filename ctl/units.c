#include "ctl/units.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The largest first; a value is printed in the first unit that divides it. The base unit, with
 * factor 1, ends what print() may use. */
static const struct kind {
	const char *expected;
	struct unit {
		const char *name;
		long double factor;
	} units[10];
} kinds[] = {
	[FTP_UNITS_SIZE] = {"a size with its unit, e.g. 8GiB",
		{{"TiB", 0x1p40}, {"GiB", 0x1p30}, {"MiB", 0x1p20}, {"KiB", 0x1p10}, {"B", 1},
			{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}}},
	[FTP_UNITS_DURATION] = {"a duration with its unit, e.g. 2ms",
		{{"s", 1e9}, {"ms", 1e6}, {"us", 1e3}, {"ns", 1}, {"min", 60e9}, {"h", 3600e9}}},
	[FTP_UNITS_RATE] = {"a rate with its unit, e.g. 1GB/s or 1Gbit",
		{{"GB/s", 1e9}, {"MB/s", 1e6}, {"kB/s", 1e3}, {"B/s", 1}, {"Gbit", 1e9 / 8},
			{"Mbit", 1e6 / 8}, {"kbit", 1e3 / 8}, {"bit", 1.L / 8}}},
};

int ftp_units_parse(enum ftp_units_kind kind, const char *text, uint64_t *value)
{
	size_t n = strspn(text, "0123456789.");
	long double number; /* 64 bits of mantissa: every whole number is exact */
	char *end;

	if (!strcmp(text, "0")) {
		*value = 0;
		return 0;
	}
	if (!n || !isdigit((unsigned char)text[0]))
		return -EINVAL;
	number = strtold(text, &end);
	if (end != text + n)
		return -EINVAL;
	while (*end == ' ')
		end++;
	for (const struct unit *u = kinds[kind].units; u->name; u++) {
		if (strcmp(end, u->name))
			continue;
		number = roundl(number * u->factor);
		if (!(number <= (long double)FTP_UNITS_MAX))
			return -ERANGE;
		*value = (uint64_t)number;
		return 0;
	}
	return -EINVAL;
}

void ftp_units_print(enum ftp_units_kind kind, uint64_t value, char *text, size_t bytes)
{
	const struct unit *u = kinds[kind].units;

	if (!value) {
		snprintf(text, bytes, "0");
		return;
	}
	while (value % (uint64_t)u->factor)
		u++;
	snprintf(text, bytes, "%" PRIu64 "%s", value / (uint64_t)u->factor, u->name);
}

const char *ftp_units_expected(enum ftp_units_kind kind)
{
	return kinds[kind].expected;
}
