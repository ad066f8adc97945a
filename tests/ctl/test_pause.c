#include "ctl/pause.h"

#include "tests/base/check.h"

#define MS FTP_NS_PER_MS

/* A turn from 1 s on. */
static struct ftp_pause begun(void)
{
	return (struct ftp_pause){.turn_ns = 1000 * MS};
}

static void sleep__until_the_deadline_but_not_for_long(void **state)
{
	struct ftp_pause p = begun();

	(void)state;
	assert_int_equal(ftp_pause_sleep(&p, 1001 * MS, 1031 * MS), 30);
	assert_int_equal(ftp_pause_sleep(&p, 1001 * MS, 1031 * MS + 1), 31);
	assert_int_equal(ftp_pause_sleep(&p, 1001 * MS, 1001 * MS), 0);
	assert_int_equal(ftp_pause_sleep(&p, 1001 * MS, 0), 0);
	assert_int_equal(ftp_pause_sleep(&p, 1001 * MS, 5000 * MS), 100);
	assert_int_equal(ftp_pause_sleep(&p, 1001 * MS, FTP_NS_NEVER), 100);
}

static void end__a_sleep_is_no_pause(void **state)
{
	static const uint64_t ends_ms[] = {1002, 1101, 1300};

	(void)state;
	for (size_t i = 0; i < sizeof(ends_ms) / sizeof(*ends_ms); i++) {
		struct ftp_pause p = begun();

		ftp_pause_sleep(&p, 1001 * MS, FTP_NS_NEVER);
		assert_int_equal(ftp_pause_end(&p, ends_ms[i] * MS), 0);
	}
}

static void end__nothing_before_the_first_turn(void **state)
{
	struct ftp_pause p = {0};

	(void)state;
	ftp_pause_sleep(&p, 5000 * MS, FTP_NS_NEVER);
	assert_int_equal(ftp_pause_end(&p, 5100 * MS), 0);
}

static void end__stopped_while_it_slept(void **state)
{
	struct ftp_pause p = begun();

	(void)state;
	ftp_pause_sleep(&p, 1001 * MS, FTP_NS_NEVER);
	assert_in_range(ftp_pause_end(&p, 4101 * MS), 3000 * MS, 3010 * MS);
}

/* It waited for a disk, and then there was something to hear at once. */
static void end__a_turn_took_long(void **state)
{
	struct ftp_pause p = begun();

	(void)state;
	ftp_pause_sleep(&p, 3000 * MS, FTP_NS_NEVER);
	assert_int_equal(ftp_pause_end(&p, 3000 * MS), 2000 * MS); /* never past now */
}

static void end__both_add_up(void **state)
{
	struct ftp_pause p = begun();

	(void)state;
	ftp_pause_sleep(&p, 1150 * MS, FTP_NS_NEVER);
	assert_in_range(ftp_pause_end(&p, 1350 * MS), 250 * MS, 260 * MS);
	ftp_pause_sleep(&p, 1500 * MS, FTP_NS_NEVER);
	assert_int_equal(ftp_pause_end(&p, 1600 * MS), 0);
}

/* Whenever the pause began, what was said during it comes before the deadline; and nothing is moved
 * past now. */
static void end__the_deadline_has_not_come(void **state)
{
	uint64_t deadline_ns = 1020 * MS, now_ns = 2345 * MS;

	(void)state;
	for (uint64_t end_ns = 1000 * MS; end_ns < 1025 * MS; end_ns += MS / 7) {
		struct ftp_pause p = begun();
		uint64_t pause_ns;

		ftp_pause_sleep(&p, end_ns, deadline_ns);
		pause_ns = ftp_pause_end(&p, now_ns);
		assert_true(deadline_ns + pause_ns > now_ns);
		assert_true(1000 * MS + pause_ns <= now_ns);
	}
}

/* But it comes, though each turn is a pause, or every other one. */
static void end__deadlines_come_all_the_same(void **state)
{
	static const uint64_t turns_ms[][2] = {{300, 300}, {300, 1}, {300, 20}};

	(void)state;
	for (size_t i = 0; i < sizeof(turns_ms) / sizeof(*turns_ms); i++) {
		uint64_t now_ns = 1000 * MS, deadline_ns = 4000 * MS;
		struct ftp_pause p = begun();

		for (int turn = 0; now_ns < deadline_ns; turn++) {
			uint64_t end_ns = now_ns + turns_ms[i][turn % 2] * MS;

			assert_true(turn < 100);
			ftp_pause_sleep(&p, end_ns, end_ns);
			now_ns = end_ns;
			deadline_ns += ftp_pause_end(&p, now_ns);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sleep__until_the_deadline_but_not_for_long),
		cmocka_unit_test(end__a_sleep_is_no_pause),
		cmocka_unit_test(end__nothing_before_the_first_turn),
		cmocka_unit_test(end__stopped_while_it_slept),
		cmocka_unit_test(end__a_turn_took_long),
		cmocka_unit_test(end__both_add_up),
		cmocka_unit_test(end__the_deadline_has_not_come),
		cmocka_unit_test(end__deadlines_come_all_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
