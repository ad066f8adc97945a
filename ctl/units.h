/* Sizes, durations and rates as people write them: "8GiB", "2ms", "1Gbit". Pure; any thread. */
#ifndef FTP_CTL_UNITS_H
#define FTP_CTL_UNITS_H

#include <stddef.h>
#include <stdint.h>

enum ftp_units_kind {
	FTP_UNITS_SIZE,	    /* bytes: B, kB, MB, GB, TB, KiB, MiB, GiB, TiB */
	FTP_UNITS_DURATION, /* nanoseconds: ns, us, ms, s, min, h */
	FTP_UNITS_RATE,	    /* bytes per second: B/s, kB/s, MB/s, GB/s, bit, kbit, Mbit, Gbit */
};

#define FTP_UNITS_MAX UINT64_C(1000000000000000000) /* 1e18 of any kind; more is a mistake */

/* A decimal number and a unit of the kind, or a bare 0; rounded to a whole number. -EINVAL for all
 * else, -ERANGE beyond FTP_UNITS_MAX. */
int ftp_units_parse(enum ftp_units_kind kind, const char *text, uint64_t *value);

/* The shortest exact form, which ftp_units_parse() reads back to the same value. */
void ftp_units_print(enum ftp_units_kind kind, uint64_t value, char *text, size_t bytes);

/* "a size with its unit, e.g. 8GiB" */
const char *ftp_units_expected(enum ftp_units_kind kind);

#endif
