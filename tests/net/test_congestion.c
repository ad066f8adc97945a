#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "net/congestion.h"

/* RFC 9002 section 7.2: min(10 * datagram, max(14720, 2 * datagram)). */
static void congestion_init__window(void **state)
{
	static const struct {
		uint32_t datagram_bytes;
		uint64_t window_bytes;
	} cases[] = {{1200, 12000}, {1472, 14720}, {2000, 14720}, {7360, 14720}, {16470, 32940}};
	struct ftp_congestion c;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ftp_congestion_init(&c, cases[i].datagram_bytes);
		assert_int_equal(c.window_bytes, cases[i].window_bytes);
	}
}

/* Section 7.3.1: slow start grows by what is acknowledged, and only when the window was in the way.
 */
static void congestion_acked__slow_start(void **state)
{
	struct ftp_congestion c;

	(void)state;
	ftp_congestion_init(&c, 1200);
	c.in_flight_bytes = 12000;
	assert_false(ftp_congestion_allows(&c, 1));
	ftp_congestion_acked(&c, 1200, 5, true);
	assert_int_equal(c.window_bytes, 13200);
	assert_int_equal(c.in_flight_bytes, 10800);
	assert_true(ftp_congestion_allows(&c, 2400));
	assert_false(ftp_congestion_allows(&c, 2401));
	ftp_congestion_acked(&c, 1200, 5, false);
	assert_int_equal(c.window_bytes, 13200);
}

/* Sections 7.3.2 and 7.3.3: half at a loss, once a round trip; then one datagram a window. */
static void congestion_lost__recovery(void **state)
{
	struct ftp_congestion c;

	(void)state;
	ftp_congestion_init(&c, 1200);
	c.window_bytes = 24000;
	c.in_flight_bytes = 24000;
	ftp_congestion_lost(&c, 1200, 10, 100);
	assert_int_equal(c.window_bytes, 12000);
	assert_int_equal(c.threshold_bytes, 12000);
	ftp_congestion_lost(&c, 1200, 20, 110); /* of the same flight */
	assert_int_equal(c.window_bytes, 12000);
	ftp_congestion_acked(&c, 1200, 90, true); /* sent before recovery began: no growth */
	assert_int_equal(c.window_bytes, 12000);
	ftp_congestion_acked(&c, 1200, 101, true);
	assert_int_equal(c.window_bytes, 12000 + 1200 * 1200 / 12000);
	ftp_congestion_lost(&c, 1200, 101, 200);
	assert_int_equal(c.window_bytes, 6060);
	ftp_congestion_lost(&c, 1200, 201, 300);
	ftp_congestion_lost(&c, 1200, 301, 400);
	ftp_congestion_lost(&c, 1200, 401, 500);
	assert_int_equal(c.window_bytes, 2400); /* the minimum, section 7.2 */
}

/* Section 7.6.2. */
static void congestion_collapse__minimum(void **state)
{
	struct ftp_congestion c;

	(void)state;
	ftp_congestion_init(&c, 1200);
	c.window_bytes = 100000;
	ftp_congestion_collapse(&c);
	assert_int_equal(c.window_bytes, 2400);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(congestion_init__window),
		cmocka_unit_test(congestion_acked__slow_start),
		cmocka_unit_test(congestion_lost__recovery),
		cmocka_unit_test(congestion_collapse__minimum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
