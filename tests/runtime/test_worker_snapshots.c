/* Snapshots of real workers: they become stable, and training does not know of them. */
#include "runtime/base/clock.h"
#include "tests/base/check.h"
#include "tests/runtime/worker_runs.h"

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
	CHECK_TOO_LONG_IF_SANITIZED();
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(snapshots__every_unit_at_two_nodes),
		cmocka_unit_test(snapshots__keep_to_the_bandwidth),
		cmocka_unit_test(snapshots__late_ones_are_skipped),
		cmocka_unit_test(snapshots__over_changes),
	};

	check_seed();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
