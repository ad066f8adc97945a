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

#ifdef __SANITIZE_ADDRESS__
#define CHECK_IS_SANITIZED 1
#else
#define CHECK_IS_SANITIZED 0
#endif

/* Skips a case whose code others run under the sanitizer too, and in less time. */
#define CHECK_TOO_LONG_IF_SANITIZED()                                                              \
	do {                                                                                       \
		if (CHECK_IS_SANITIZED)                                                            \
			skip();                                                                    \
	} while (0)

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
