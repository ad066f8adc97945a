/* Live changes of the plan by real workers: whatever is committed or abandoned, training goes on as
 * if nothing had happened, bit for bit. */
#include "runtime/worker.h"

#include <string.h>

#include "tests/base/check.h"
#include "tests/runtime/worker_runs.h"

static void change__bit_identical(void **state)
{
	static struct rig expected, r;

	(void)state;
	train_alone(&expected);
	live_through_changes(&r, &flush);
	assert_same_training(&r, &expected);
}

static void change__net_loops_in_threads(void **state)
{
	static struct rig expected, r;

	(void)state;
	CHECK_TOO_LONG_IF_SANITIZED();
	train_alone(&expected);
	live_through_changes(&r,
		&(struct rig_settings){.schedule = "flush", .net_cores = true, .memory = "256MiB"});
	assert_same_training(&r, &expected);
}

static void change__asynchronous_schedule_goes_on(void **state)
{
	static struct rig r;

	(void)state;
	CHECK_TOO_LONG_IF_SANITIZED();
	live_through_changes(&r, &(struct rig_settings){.schedule = "1f1b", .memory = "256MiB"});
	assert_int_equal(strlen(r.digest), FTP_DIGEST_HEX - 1);
}

static void abandon__at_every_part(void **state)
{
	static struct rig expected, r;

	(void)state;
	CHECK_TOO_LONG_IF_SANITIZED();
	train_alone(&expected);
	begin(&r, &flush, &thirds);
	for (int part = 0; part < 3; part++) {
		rig_prepare(&r, &turned);
		if (part > 0)
			rig_hold(&r);
		if (part > 1)
			rig_transfer(&r);
		rig_abandon(&r);
		rig_wait_for_step(&r, r.last_row + 2);
	}
	rig_change(&r, &turned);
	end(&r);
	assert_same_training(&r, &expected);
}

/* Also while it is being built. */
static void abandon__without_waiting(void **state)
{
	static struct rig expected, r;

	(void)state;
	train_alone(&expected);
	begin(&r, &flush, &thirds);
	for (int i = 0; i < 3; i++) {
		r.next = r.plan;
		r.term += r.term % 2 ? 1 : 2;
		r.next.term = r.term;
		r.next.holder[0] = 0;
		rig_call_prepare(&r, 0);
		r.next.n_stages = 1;
		rig_abandon(&r);
	}
	rig_change(&r, &turned);
	end(&r);
	assert_same_training(&r, &expected);
}

static bool n1_is_refused(const struct rig *r)
{
	return r->nodes[0].refusal[FTP_CALL_PREPARE][0] ||
	       r->nodes[0].refusal[FTP_CALL_TRANSFER][0];
}

static void prepare__that_does_not_fit_harms_nobody(void **state)
{
	static struct rig expected, r;

	(void)state;
	CHECK_TOO_LONG_IF_SANITIZED();
	train_alone(&expected);
	begin(&r, &(struct rig_settings){.schedule = "flush", .memory = "1700KiB"}, &thirds);
	rig_begin_prepare(&r, &alone);
	rig_wait(&r, n1_is_refused);
	assert_true(strstr(r.nodes[0].refusal[FTP_CALL_PREPARE], "memory") != NULL);
	rig_abandon(&r);
	rig_change(&r, &mirrored);
	end(&r);
	assert_same_training(&r, &expected);
}

/* Who cannot build its stage says so. Its peers, which hear it leave while they wait for another
 * one, do not say that they have lost it. */
static void prepare__who_leaves_says_why(void **state)
{
	static struct rig expected, r;

	(void)state;
	train_alone(&expected);
	begin(&r, &(struct rig_settings){.schedule = "flush", .memory = "1700KiB"}, &thirds);
	rig_make_next(&r, &lopsided);
	rig_call_prepare(&r, 1); /* not to n3 */
	rig_call_prepare(&r, 0);
	rig_wait(&r, n1_is_refused);
	assert_true(strstr(r.nodes[0].refusal[FTP_CALL_PREPARE], "memory") != NULL);
	rig_wait_for_step(&r, r.last_row + 2);
	if (!r.nodes[1].is_open[FTP_CALL_PREPARE])
		fail_msg("%s", r.nodes[1].refusal[FTP_CALL_PREPARE]);
	rig_abandon(&r);
	end(&r);
	assert_same_training(&r, &expected);
}

/* A node that joins is lost after it was prepared: the others go on with the plan they have. Who
 * learns of it closes its links, so that the first that another loses may be that one. */
static void hold__a_lost_newcomer_ends_only_the_change(void **state)
{
	static struct rig expected, r;

	(void)state;
	train_alone(&expected);
	begin(&r, &flush, &without_n3);
	rig_prepare(&r, &thirds);
	rig_hold(&r);
	ftp_worker_stop(r.nodes[2].worker);
	r.nodes[2].worker = NULL;
	rig_call_until_refused(&r, 0,
		&(struct ftp_command){.kind = FTP_COMMAND_COMMIT, .term = r.next.term}, "lost n");
	rig_abandon(&r);
	end(&r);
	assert_same_training(&r, &expected);
}

static bool others_failed(const struct rig *r)
{
	return r->nodes[0].is_failed && r->nodes[1].is_failed;
}

static void lost__a_stage_in_force_fails_the_others(void **state)
{
	static struct rig r;

	(void)state;
	begin(&r, &flush, &thirds);
	rig_prepare(&r, &turned);
	ftp_worker_stop(r.nodes[2].worker);
	r.nodes[2].worker = NULL;
	rig_wait(&r, others_failed);
	assert_true(strstr(r.nodes[0].failure, "lost n3") != NULL);
	rig_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(change__bit_identical),
		cmocka_unit_test(change__net_loops_in_threads),
		cmocka_unit_test(change__asynchronous_schedule_goes_on),
		cmocka_unit_test(abandon__at_every_part),
		cmocka_unit_test(abandon__without_waiting),
		cmocka_unit_test(prepare__that_does_not_fit_harms_nobody),
		cmocka_unit_test(prepare__who_leaves_says_why),
		cmocka_unit_test(hold__a_lost_newcomer_ends_only_the_change),
		cmocka_unit_test(lost__a_stage_in_force_fails_the_others),
	};

	check_seed();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
