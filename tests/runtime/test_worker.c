/* Live changes of the plan by real workers: whatever is committed or abandoned, training goes on as
 * if nothing had happened, bit for bit. */
#include "runtime/worker.h"

#include <string.h>

#include "runtime/base/clock.h"
#include "tests/base/check.h"
#include "tests/runtime/worker_rig.h"

static const struct rig_plan alone = {1, {{0, 5}}};
static const struct rig_plan thirds = {3, {{0, 1}, {1, 3}, {2, 5}}};
static const struct rig_plan turned = {3, {{0, 2}, {2, 4}, {1, 5}}};
static const struct rig_plan lopsided = {3, {{0, 3}, {1, 4}, {2, 5}}};
static const struct rig_plan mirrored = {3, {{0, 1}, {2, 3}, {1, 5}}};
static const struct rig_plan without_n2 = {2, {{0, 3}, {2, 5}}};
static const struct rig_plan without_n3 = {2, {{0, 1}, {1, 5}}};

static const struct rig_settings flush = {.schedule = "flush", .memory = "256MiB"};

static void assert_same_training(const struct rig *a, const struct rig *b)
{
	for (int i = 1; i <= RIG_STEPS; i++)
		if (a->loss[i] != b->loss[i])
			fail_msg("step %d: loss %.9g, expected %.9g", i, a->loss[i], b->loss[i]);
	assert_memory_equal(a->n_correct, b->n_correct, sizeof(a->n_correct));
	assert_int_equal(a->n_evaluations, b->n_evaluations);
	assert_string_equal(a->digest, b->digest);
}

/* One node from the begin to the end. */
static void train_alone(struct rig *r)
{
	rig_open(r, &flush);
	rig_change(r, &alone);
	rig_finish(r);
	rig_close(r);
}

/* Slowed down, so that the changes come before the end; the wait between is for a step or two. */
static void begin(struct rig *r, const struct rig_settings *settings, const struct rig_plan *plan)
{
	rig_open(r, settings);
	rig_slow(r, 0, 60);
	rig_change(r, plan);
	rig_wait_for_step(r, 2);
}

static void end(struct rig *r)
{
	rig_slow(r, 0, 1);
	rig_finish(r);
	rig_close(r);
}

static void live_through_changes(struct rig *r, const struct rig_settings *settings)
{
	static const struct rig_plan *const plans[] = {
		&turned, &without_n2, &alone, &thirds, &without_n3};

	begin(r, settings, &thirds);
	for (size_t i = 0; i < sizeof(plans) / sizeof(plans[0]); i++) {
		rig_change(r, plans[i]);
		rig_wait_for_step(r, r->last_row + 2);
	}
	end(r);
}

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

static void snapshots__every_unit_at_two_nodes(void **state)
{
	static struct rig expected, r;

	(void)state;
	train_alone(&expected);
	rig_open(&r, &(struct rig_settings){.schedule = "flush",
			     .memory = "256MiB",
			     .every = 10,
			     .global_every = 30,
			     .lead = 3});
	rig_change(&r, &thirds);
	rig_finish(&r);
	print_message("%u stable, %u of them global, %u spoiled\n", r.snapshots.n_stable,
		r.snapshots.n_global, r.snapshots.n_spoiled);
	assert_true(r.snapshots.n_stable > 3 && r.snapshots.n_global > 1);
	rig_close(&r);
	assert_same_training(&r, &expected);
}

/* As often as the links allow, which is seldom: the snapshots wait, and training does not. */
static void snapshots__keep_to_the_bandwidth(void **state)
{
	const double rate = 2e6;
	static struct rig expected, r;
	uint64_t begin_ns, bytes = 0;
	double s;

	(void)state;
	train_alone(&expected);
	begin_ns = ftp_clock_now_ns();
	rig_open(&r, &(struct rig_settings){.schedule = "flush",
			     .memory = "256MiB",
			     .every = 1,
			     .global_every = 2,
			     .lead = 3,
			     .bandwidth = "2MB/s"});
	rig_change(&r, &thirds);
	for (int u = 1; u < 3; u++) /* of the second stage: the most */
		bytes += r.model->units[u].state_bytes;
	rig_finish(&r);
	s = (double)(ftp_clock_now_ns() - begin_ns) / (double)FTP_NS_PER_S;
	print_message("%u stable within %.1f s, %.1f MB each for the second stage\n",
		r.snapshots.n_stable, s, (double)bytes / 1e6);
	rig_close(&r);
	assert_true(r.snapshots.n_stable >= 1);
	assert_true((double)r.snapshots.n_stable * (double)bytes <= rate * s + 2 * (double)bytes);
	assert_same_training(&r, &expected);
}

/* Named so late that stages are past the step: those skip it, and nobody waits for them. */
static void snapshots__late_ones_are_skipped(void **state)
{
	static struct rig expected, r;

	(void)state;
	CHECK_TOO_LONG_IF_SANITIZED();
	train_alone(&expected);
	rig_open(&r, &(struct rig_settings){.schedule = "flush",
			     .memory = "256MiB",
			     .every = 1,
			     .global_every = 2,
			     .lead = 2,
			     .is_late = true});
	rig_change(&r, &thirds);
	rig_finish(&r);
	print_message("%u stable, %u of them global, %u spoiled\n", r.snapshots.n_stable,
		r.snapshots.n_global, r.snapshots.n_spoiled);
	assert_true(r.snapshots.n_spoiled > 2 && r.snapshots.n_stable > 5);
	rig_close(&r);
	assert_same_training(&r, &expected);
}

static void snapshots__over_changes(void **state)
{
	static const struct rig_settings all[] = {
		{.schedule = "flush", .memory = "256MiB", .every = 2, .global_every = 4},
		{.schedule = "flush",
			.net_cores = true,
			.memory = "256MiB",
			.every = 2,
			.global_every = 4},
	};
	static struct rig expected, r;

	(void)state;
	train_alone(&expected);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		live_through_changes(&r, &all[i]);
		print_message("%u stable, %u of them global, %u spoiled\n", r.snapshots.n_stable,
			r.snapshots.n_global, r.snapshots.n_spoiled);
		assert_same_training(&r, &expected);
		assert_true(r.snapshots.n_stable > 5);
	}
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
		cmocka_unit_test(snapshots__every_unit_at_two_nodes),
		cmocka_unit_test(snapshots__keep_to_the_bandwidth),
		cmocka_unit_test(snapshots__late_ones_are_skipped),
		cmocka_unit_test(snapshots__over_changes),
		cmocka_unit_test(hold__a_lost_newcomer_ends_only_the_change),
		cmocka_unit_test(lost__a_stage_in_force_fails_the_others),
	};

	check_seed();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
