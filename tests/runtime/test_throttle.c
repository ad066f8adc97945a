#include "tests/base/check.h"

#include "runtime/base/clock.h"
#include "runtime/base/prng.h"
#include "runtime/throttle.h"

#define MS FTP_NS_PER_MS
#define US FTP_NS_PER_US

static void throttle_resume_ns__end_of_task(void **state)
{
	struct ftp_throttle t;

	(void)state;
	ftp_throttle_init(&t, 4);
	assert_true(ftp_throttle_is_on(&t));
	ftp_throttle_begin(&t, 100 * MS);
	assert_int_equal(ftp_throttle_resume_ns(&t, 10 * MS, true, 110 * MS), 140 * MS);
}

/* CPU time counts, not the time that others took the core away: a task that was preempted for long
 * enough has nothing to wait for. */
static void throttle_resume_ns__preempted(void **state)
{
	struct ftp_throttle t;

	(void)state;
	ftp_throttle_init(&t, 4);
	ftp_throttle_begin(&t, 0);
	assert_int_equal(ftp_throttle_resume_ns(&t, 10 * MS, true, 25 * MS), 40 * MS);
	assert_int_equal(ftp_throttle_resume_ns(&t, 0, true, 40 * MS), 0);
	ftp_throttle_begin(&t, 0);
	assert_int_equal(ftp_throttle_resume_ns(&t, 10 * MS, true, 41 * MS), 0);
}

static void throttle_resume_ns__short_debts_add_up(void **state)
{
	struct ftp_throttle t;

	(void)state;
	ftp_throttle_init(&t, 2);
	ftp_throttle_begin(&t, 0);
	assert_int_equal(ftp_throttle_resume_ns(&t, 150 * US, false, 150 * US), 0);
	assert_int_equal(ftp_throttle_resume_ns(&t, 100 * US, false, 250 * US), 500 * US);
	/* At the end of the task a short one counts too. */
	ftp_throttle_begin(&t, 0);
	assert_int_equal(ftp_throttle_resume_ns(&t, 50 * US, true, 50 * US), 100 * US);
}

static void throttle_set__under_way(void **state)
{
	struct ftp_throttle t;

	(void)state;
	ftp_throttle_init(&t, 1);
	assert_false(ftp_throttle_is_on(&t));
	ftp_throttle_begin(&t, 0);
	ftp_throttle_set(&t, 5, 30 * MS);
	assert_int_equal(ftp_throttle_resume_ns(&t, 10 * MS, true, 40 * MS), 80 * MS);
	ftp_throttle_set(&t, 1, 50 * MS);
	assert_int_equal(ftp_throttle_resume_ns(&t, 10 * MS, true, 60 * MS), 0);
}

/* Any run of primitives, preemptions and late wake-ups: a task ends at slowdown times its CPU time
 * after it began, later only by the last sleep's lateness or where preemption alone took longer. */
static void throttle_resume_ns__any_task(void **state)
{
	uint64_t key = ftp_prng_key(check_seed(), FTP_PRNG_FAULT, 0), draw = 0;

	(void)state;
	for (int life = 0; life < 2000; life++) {
		double slowdown = 1.0 + 20 * ftp_prng_unit(key, draw++);
		int n = 1 + (int)ftp_prng_below(key, draw++, 40);
		uint64_t now_ns = ftp_prng_below(key, draw++, FTP_NS_PER_S), began_ns = now_ns;
		uint64_t cpu_ns = 0, stolen_ns = 0, late_ns = 0;
		struct ftp_throttle t;

		ftp_throttle_init(&t, slowdown);
		ftp_throttle_begin(&t, now_ns);
		for (int i = 0; i < n; i++) {
			uint64_t used_ns = ftp_prng_below(key, draw++, 2 * MS);
			uint64_t lost_ns = ftp_prng_below(key, draw++, 4) ? 0 : 3 * MS;
			uint64_t resume_ns;

			cpu_ns += used_ns;
			stolen_ns += lost_ns;
			now_ns += used_ns + lost_ns;
			resume_ns = ftp_throttle_resume_ns(&t, used_ns, i + 1 == n, now_ns);
			late_ns = 0;
			if (resume_ns) {
				assert_true(resume_ns > now_ns);
				late_ns = ftp_prng_below(key, draw++, 100 * US);
				now_ns = resume_ns + late_ns;
			}
		}
		assert_true((double)(now_ns - began_ns) >= slowdown * (double)cpu_ns - 1);
		assert_true((double)(now_ns - began_ns) <=
			    slowdown * (double)cpu_ns + (double)(stolen_ns + 100 * US) + 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(throttle_resume_ns__end_of_task),
		cmocka_unit_test(throttle_resume_ns__preempted),
		cmocka_unit_test(throttle_resume_ns__short_debts_add_up),
		cmocka_unit_test(throttle_set__under_way),
		cmocka_unit_test(throttle_resume_ns__any_task),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
