#include "tests/base/check.h"

#include "runtime/ledger.h"

static void ledger_add_step__consecutive(void **state)
{
	struct ftp_ledger l = {0};
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

static void ledger_add_row__room(void **state)
{
	struct ftp_ledger l = {0};

	(void)state;
	for (uint64_t i = 0; i < FTP_PROGRESS_MAX_ROWS; i++)
		assert_true(ftp_ledger_add_row(&l, i + 1, 0.5));
	assert_false(ftp_ledger_add_row(&l, FTP_PROGRESS_MAX_ROWS + 1, 0.5));
	ftp_ledger_flush(&l);
	assert_true(ftp_ledger_add_row(&l, FTP_PROGRESS_MAX_ROWS + 1, 0.25));
	assert_int_equal(l.progress.n_rows, 1);
	assert_true(l.progress.row_loss[0] == 0.25);
}

/* The connection of the next plan begins at 0, the node's counters go on. */
static void ledger_set_link__next_connection(void **state)
{
	struct ftp_ledger l = {0};
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
		cmocka_unit_test(ledger_add_row__room),
		cmocka_unit_test(ledger_set_link__next_connection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
