#include "tests/base/check.h"

#include <string.h>

#include "runtime/ledger.h"

static void ledger_add_step__consecutive(void **state)
{
	static struct ftp_ledger l;
	const struct ftp_progress *p = &l.progress;

	(void)state;
	assert_true(ftp_ledger_add_step(&l, 41, 5));
	assert_true(ftp_ledger_add_step(&l, 42, 6));
	assert_int_equal(p->n_steps, 2);
	assert_int_equal(p->step, 42);
	assert_int_equal(p->step_compute_ns[1], 6);
	/* Some were lost: what is told ends with the newest, without a gap. */
	assert_true(ftp_ledger_add_step(&l, 50, 7));
	assert_int_equal(p->n_steps, 1);
	assert_int_equal(p->step_compute_ns[0], 7);
	ftp_ledger_flush(&l);
	assert_int_equal(p->n_steps, 0);
	assert_int_equal(p->step, 50);
	for (uint64_t i = 0; i < FTP_PROGRESS_MAX_STEPS; i++)
		assert_true(ftp_ledger_add_step(&l, 51 + i, i));
	assert_false(ftp_ledger_add_step(&l, 51 + FTP_PROGRESS_MAX_STEPS, 0));
	assert_int_equal(p->step, 50 + FTP_PROGRESS_MAX_STEPS);
}

static struct ftp_ledger rows; /* large */

static void add_rows(uint64_t first, uint64_t last)
{
	for (uint64_t s = first; s <= last; s++)
		ftp_ledger_add_row(&rows, s, 1.0 / (double)s);
}

/* The next ones in progress are n from this one on, each with its own loss. */
static void expect_rows(uint64_t first, uint32_t n, bool all)
{
	const struct ftp_progress *p = &rows.progress;

	assert_int_equal(ftp_ledger_take_rows(&rows), all);
	assert_int_equal(p->n_rows, n);
	for (uint32_t i = 0; i < n; i++) {
		assert_int_equal(p->row_step[i], first + i);
		assert_true(p->row_loss[i] == 1.0 / (double)(first + i));
	}
	ftp_ledger_flush(&rows);
}

static void ledger_add_row__is_told_once(void **state)
{
	(void)state;
	memset(&rows, 0, sizeof(rows));
	expect_rows(0, 0, true);
	add_rows(1, FTP_PROGRESS_MAX_ROWS + 2);
	assert_int_equal(ftp_ledger_untold(&rows), FTP_PROGRESS_MAX_ROWS + 2);
	expect_rows(1, FTP_PROGRESS_MAX_ROWS, false);
	expect_rows(FTP_PROGRESS_MAX_ROWS + 1, 2, true);
	expect_rows(0, 0, true);
}

/* A recovery goes back: what follows is new. */
static void ledger_add_row__after_a_recovery(void **state)
{
	(void)state;
	memset(&rows, 0, sizeof(rows));
	add_rows(1, 30);
	expect_rows(1, 30, true);
	add_rows(21, 25);
	assert_int_equal(rows.first_row, 21);
	expect_rows(21, 5, true);
	/* Back to where it was: it follows. */
	add_rows(26, 26);
	expect_rows(26, 1, true);
}

/* Another coordinator knows less than was told to the one before, or all. */
static void ledger_tell_after__again(void **state)
{
	(void)state;
	memset(&rows, 0, sizeof(rows));
	ftp_ledger_tell_after(&rows, 7); /* of a stage that is not the last: nothing to tell */
	expect_rows(0, 0, true);
	add_rows(11, 40);
	expect_rows(11, 30, true);
	ftp_ledger_tell_after(&rows, 35);
	expect_rows(36, 5, true);
	ftp_ledger_tell_after(&rows, 3); /* older ones are not known here */
	expect_rows(11, 30, true);
	ftp_ledger_tell_after(&rows, 90);
	expect_rows(0, 0, true);
	add_rows(41, 41);
	expect_rows(41, 1, true);
}

/* The next plan begins after step 90: what was told of those after it is no part of it. */
static void ledger_forget__next_plan(void **state)
{
	(void)state;
	memset(&rows, 0, sizeof(rows));
	add_rows(1, 100);
	ftp_ledger_forget(&rows);
	ftp_ledger_tell_after(&rows, 90);
	expect_rows(0, 0, true);
	add_rows(91, 92);
	assert_int_equal(rows.first_row, 91);
	expect_rows(91, 2, true);
}

static void ledger_add_row__full(void **state)
{
	(void)state;
	memset(&rows, 0, sizeof(rows));
	add_rows(1, FTP_LEDGER_ROWS);
	assert_int_equal(rows.first_row, 1);
	add_rows(FTP_LEDGER_ROWS + 1, FTP_LEDGER_ROWS + 5);
	assert_int_equal(rows.first_row, 6);
	expect_rows(6, FTP_PROGRESS_MAX_ROWS, false);
}

/* The connection of the next plan begins at 0, the node's counters go on. */
static void ledger_set_link__next_connection(void **state)
{
	static struct ftp_ledger l;
	const struct ftp_progress *p = &l.progress;

	(void)state;
	ftp_ledger_set_link(&l, 5, 1000, 10, 20);
	ftp_ledger_set_link(&l, 2, 2000, 1, 2);
	ftp_ledger_set_link(&l, 5, 1500, 30, 20);
	assert_int_equal(p->n_links, 2);
	assert_int_equal(p->link_peer[0], 5);
	assert_int_equal(p->link_rtt_ns[0], 1500);
	assert_int_equal(p->link_tx_bytes[0], 30);
	ftp_ledger_set_link(&l, 5, 900, 4, 0);
	ftp_ledger_set_link(&l, 5, 900, 9, 7);
	assert_int_equal(p->link_tx_bytes[0], 39);
	assert_int_equal(p->link_rx_bytes[0], 27);
	assert_int_equal(p->link_tx_bytes[1], 1);
	ftp_ledger_flush(&l);
	assert_int_equal(p->n_links, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ledger_add_step__consecutive),
		cmocka_unit_test(ledger_add_row__is_told_once),
		cmocka_unit_test(ledger_add_row__after_a_recovery),
		cmocka_unit_test(ledger_forget__next_plan),
		cmocka_unit_test(ledger_add_row__full),
		cmocka_unit_test(ledger_tell_after__again),
		cmocka_unit_test(ledger_set_link__next_connection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
