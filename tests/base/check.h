/* What every unit test begins with: cmocka, and the seed that a failing run is replayed with. */
#ifndef FTP_TESTS_CHECK_H
#define FTP_TESTS_CHECK_H

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* FTP_SEED, or 1; printed once, so that the log of a failure says how to replay it. */
static inline uint64_t check_seed(void)
{
	static int printed;
	const char *text = getenv("FTP_SEED");
	uint64_t seed = text ? strtoull(text, NULL, 0) : 1;

	if (!printed++)
		printf("FTP_SEED=%llu\n", (unsigned long long)seed);
	return seed;
}

#endif
