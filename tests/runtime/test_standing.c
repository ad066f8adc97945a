#include <string.h>

#include "runtime/standing.h"
#include "tests/base/check.h"

static struct ftp_ledger ledger;

static struct ftp_join told(const struct ftp_standing *s)
{
	struct ftp_join m;

	memset(&m, 0, sizeof(m));
	ftp_standing_tell(s, &ledger, &m);
	return m;
}

/* Has a plan of term 3 in force, and losses from step 5 on. */
static struct ftp_standing in_training(void)
{
	struct ftp_standing s = {.run = 7};

	ftp_standing_prepare(&s, 3);
	assert_false(ftp_standing_answered(&s, FTP_CALL_PREPARE, 3, false));
	assert_true(ftp_standing_answered(&s, FTP_CALL_COMMIT, 3, false));
	memset(&ledger, 0, sizeof(ledger));
	ftp_ledger_add_row(&ledger, 5, 0.5);
	s.row_term = 3;
	return s;
}

static void tell__a_plan_in_force_and_its_losses(void **state)
{
	struct ftp_standing s = in_training();
	struct ftp_join m = told(&s);

	(void)state;
	assert_int_equal(m.run, 7);
	assert_int_equal(m.term, 3);
	assert_int_equal(m.next_term, 0);
	assert_int_equal(m.newest_term, 3);
	assert_int_equal(m.first_row, 5);
}

static void tell__no_losses_of_the_plan_before(void **state)
{
	struct ftp_standing s = in_training();

	(void)state;
	ftp_standing_prepare(&s, 4);
	assert_true(ftp_standing_answered(&s, FTP_CALL_COMMIT, 4, false));
	assert_int_equal(told(&s).term, 4);
	assert_int_equal(told(&s).first_row, 0);
}

static void tell__a_plan_on_its_way(void **state)
{
	struct ftp_standing s = in_training();

	(void)state;
	ftp_standing_prepare(&s, 4);
	assert_int_equal(told(&s).next_term, 4);
	assert_int_equal(told(&s).newest_term, 3);
	ftp_standing_answered(&s, FTP_CALL_PREPARE, 4, false);
	assert_int_equal(told(&s).newest_term, 4);
	ftp_standing_answered(&s, FTP_CALL_ABANDON, 3, false);
	assert_int_equal(told(&s).next_term, 0);
	ftp_standing_prepare(&s, 5);
	ftp_standing_answered(&s, FTP_CALL_PREPARE, 0, true);
	assert_int_equal(told(&s).next_term, 0);
	assert_int_equal(told(&s).newest_term, 4);
}

static void tell__no_plan_where_it_left_no_stage(void **state)
{
	struct ftp_standing s = in_training();

	(void)state;
	ftp_standing_prepare(&s, 4);
	assert_true(ftp_standing_answered(&s, FTP_CALL_COMMIT, 0, false));
	assert_int_equal(told(&s).term, 0);
	assert_int_equal(told(&s).next_term, 0);
	assert_int_equal(told(&s).first_row, 0);
}

/* It gave what it held to a recovery, without a stage before or after. */
static void tell__no_plan_on_its_way_once_it_is_in_force(void **state)
{
	struct ftp_standing s = in_training();

	(void)state;
	ftp_standing_answered(&s, FTP_CALL_HALT, 0, false);
	ftp_standing_prepare(&s, 4);
	ftp_standing_answered(&s, FTP_CALL_PREPARE, 4, false);
	ftp_standing_answered(&s, FTP_CALL_COMMIT, 0, false);
	assert_int_equal(told(&s).term, 0);
	assert_int_equal(told(&s).next_term, 0);
	assert_int_equal(told(&s).newest_term, 4);
}

static void answered__a_repeated_commit_is_no_new_plan(void **state)
{
	struct ftp_standing s = in_training();

	(void)state;
	assert_false(ftp_standing_answered(&s, FTP_CALL_COMMIT, 3, false));
	assert_false(ftp_standing_answered(&s, FTP_CALL_COMMIT, 0, true));
	assert_int_equal(told(&s).term, 3);
}

static void halt__no_plan_is_in_force_any_more(void **state)
{
	struct ftp_standing s = in_training();

	(void)state;
	ftp_standing_halt(&s, 6);
	ftp_standing_answered(&s, FTP_CALL_HALT, 0, false);
	assert_int_equal(told(&s).term, 0);
	assert_int_equal(told(&s).first_row, 0);
	assert_int_equal(told(&s).newest_term, 6);
}

static void lose_peer__what_it_trained_is_over(void **state)
{
	struct ftp_standing s = in_training();

	(void)state;
	ftp_standing_prepare(&s, 4);
	ftp_standing_lose_peer(&s);
	assert_int_equal(told(&s).term, 0);
	assert_int_equal(told(&s).next_term, 0);
	assert_true(ftp_standing_answered(&s, FTP_CALL_COMMIT, 3, false));
	assert_int_equal(told(&s).term, 3);
}

static void lose_coordinator__open_calls_are_nobodys(void **state)
{
	struct ftp_standing s = in_training();

	(void)state;
	assert_false(ftp_standing_is_busy(&s));
	assert_false(ftp_standing_lose_coordinator(&s));
	s.calls[FTP_CALL_PREPARE] = 11;
	s.profile_call = 12;
	assert_true(ftp_standing_lose_coordinator(&s));
	assert_true(s.calls[FTP_CALL_PREPARE] == FTP_STANDING_ORPHAN);
	assert_true(s.profile_call == FTP_STANDING_ORPHAN);
	assert_int_equal(s.probe_call, 0);
	s.calls[FTP_CALL_ABANDON] = FTP_STANDING_ORPHAN;
	assert_false(ftp_standing_lose_coordinator(&s));
}

/* A transfer that nobody waits for ends with the next halt. */
static void is_busy__with_all_but_a_transfer(void **state)
{
	struct ftp_standing s = in_training();

	(void)state;
	for (int i = 0; i < FTP_N_TRANSITION_CALLS; i++) {
		s.calls[i] = 1;
		assert_int_equal(ftp_standing_is_busy(&s), i != FTP_CALL_TRANSFER);
		s.calls[i] = 0;
	}
	s.inventory_call = 1;
	assert_true(ftp_standing_is_busy(&s));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tell__a_plan_in_force_and_its_losses),
		cmocka_unit_test(tell__no_losses_of_the_plan_before),
		cmocka_unit_test(tell__a_plan_on_its_way),
		cmocka_unit_test(tell__no_plan_where_it_left_no_stage),
		cmocka_unit_test(tell__no_plan_on_its_way_once_it_is_in_force),
		cmocka_unit_test(answered__a_repeated_commit_is_no_new_plan),
		cmocka_unit_test(halt__no_plan_is_in_force_any_more),
		cmocka_unit_test(lose_peer__what_it_trained_is_over),
		cmocka_unit_test(lose_coordinator__open_calls_are_nobodys),
		cmocka_unit_test(is_busy__with_all_but_a_transfer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
