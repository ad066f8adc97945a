/* The fault sweep: a change of the plan in a whole simulated cluster, with a fault at every message
 * and milestone of it, for every kind of victim (options: tests/sim/harness.h). --every N: faults
 * other than kills are tried at every Nth moment, 4 unless told, and kills four times as often; the
 * two schedules take different moments. 1 is all.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/harness.h"

#define N_SCHEDULES 2
#define N_VICTIMS   7
#define N_KINDS	    4 /* of faults that hit a victim */

/* Six nodes; four train. The change takes n4 out and n5 in, moves a unit from n2 to the central
 * node, and none of n3's; n6 stays idle. */
static struct sim_spec scenario(unsigned schedule)
{
	return (struct sim_spec){.seed = 1,
		.n_nodes = 6,
		.n_units = 12,
		.cuts = "2,4,6,8,10",
		.schedule = schedule ? FTP_SCHEDULE_1F1B : FTP_SCHEDULE_FLUSH,
		.n_micro = schedule ? 1 : 2,
		.n_steps = schedule ? 34 : 18,
		.unit_ns = 5 * FTP_NS_PER_MS,
		.build_ns = 100 * FTP_NS_PER_MS,
		.coordinator_restart_ns = 100 * FTP_NS_PER_MS,
		.n_orders = 2,
		.orders = {{.kind = SIM_REPARTITION,
				   .step = 1,
				   .cuts = "3,6,9",
				   .nodes = "n1,n2,n3,n4"},
			{.kind = SIM_REPARTITION,
				.step = schedule ? 13 : 6,
				.cuts = "4,6,9",
				.nodes = "n1,n2,n3,n5",
				.opens_window = true}}};
}

static const struct {
	uint32_t victim;
	const char *name;
} victims[N_VICTIMS] = {
	{0, "n1 (central, gets a unit)"},
	{1, "n2 (gives a unit)"},
	{2, "n3 (keeps its units)"},
	{3, "n4 (leaves)"},
	{4, "n5 (gets its first units)"},
	{5, "n6 (idle)"},
	{SIM_COORDINATOR, "the coordinator"},
};

/* The moments of the change when nothing fails. */
static uint32_t dry_run(unsigned schedule, struct sim_moment **moments)
{
	const struct sim_spec spec = scenario(schedule);

	return harness_moments(&spec, moments);
}

static bool sweep_case(unsigned schedule, uint32_t i, const struct sim_moment *moments)
{
	uint32_t kind = i % N_KINDS, victim = i / N_KINDS % N_VICTIMS;
	uint32_t at = i / N_KINDS / N_VICTIMS;
	struct sim_spec spec = scenario(schedule);

	spec.n_faults = 1;
	spec.faults[0] =
		(struct sim_fault){.kind = kind, .moment = at, .victim = victims[victim].victim};
	snprintf(harness_label, sizeof(harness_label), "--sweep %u # %s %s at moment %u, %.80s\n",
		i * N_SCHEDULES + schedule, sim_fault_name(kind), victims[victim].name, at,
		moments[at].what);
	return harness_run(&spec);
}

static bool is_sampled(unsigned schedule, uint32_t i)
{
	uint32_t kind = i % N_KINDS, at = i / N_KINDS / N_VICTIMS + 2 * schedule + kind;

	return at % (kind == SIM_KILL ? (harness_options.every + 3) / 4 : harness_options.every) ==
	       0;
}

static void sweep__every_moment_every_victim(void **state)
{
	unsigned n_bad = 0;

	(void)state;
	for (unsigned schedule = 0; schedule < N_SCHEDULES; schedule++) {
		struct sim_moment *moments;
		uint32_t n = dry_run(schedule, &moments) * N_VICTIMS * N_KINDS;

		for (uint32_t i = 0; i < n; i++)
			if (harness_options.sweep < 0 ? is_sampled(schedule, i)
						      : harness_options.sweep ==
								(long)(i * N_SCHEDULES + schedule))
				n_bad += !sweep_case(schedule, i, moments);
		free(moments);
	}
	harness_report("sweep", n_bad);
}

static void drop__every_message(void **state)
{
	unsigned n_bad = 0;

	(void)state;
	for (unsigned schedule = 0; schedule < N_SCHEDULES; schedule++) {
		struct sim_moment *moments;
		uint32_t n = dry_run(schedule, &moments);

		for (uint32_t i = 0; i < n; i++) {
			struct sim_spec spec = scenario(schedule);
			uint32_t at = i * N_SCHEDULES + schedule;

			spec.n_faults = 1;
			spec.faults[0] = (struct sim_fault){.kind = SIM_DROP, .moment = i};
			snprintf(harness_label, sizeof(harness_label),
				"--drop %u # moment %u, %.80s\n", at, i, moments[i].what);
			if (moments[i].is_message &&
				(harness_options.drop < 0 || harness_options.drop == at))
				n_bad += !harness_run(&spec);
		}
		free(moments);
	}
	harness_report("drop", n_bad);
}

/* Some have built in no time and others in most of a minute: who builds is not one that is not
 * reached. */
static void prepare__slow_builders(void **state)
{
	static struct sim_cluster c;

	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct sim_spec spec = scenario(0);

		spec.seed = seed;
		spec.n_orders = 0;
		spec.build_ns = 25 * FTP_NS_PER_S;
		if (!sim_cluster_run(&c, &spec, false))
			fail_msg("seed %llu: %s", (unsigned long long)seed, c.oracle.failure);
		assert_int_equal(c.coordinator->outcome, FTP_END_COMPLETED);
		sim_cluster_free(&c);
	}
}

static const struct harness_life lives[] = {
	{.name = "committed"},
	{.name = "abandoned__target_dies",
		.strikes = {{"n4 -> n5: unit 10 of step", 1, {.kind = SIM_KILL, .victim = 4}}}},
	{.name = "resumed__coordinator_dies_between_commits",
		.strikes = {{"sending node.commit term 3", 3,
			{.kind = SIM_KILL, .victim = SIM_COORDINATOR}}}},
};

static void trace__as_reviewed(void **state)
{
	const struct sim_spec spec = scenario(0);

	(void)state;
	harness_check_lives(&spec, lives, sizeof(lives) / sizeof(*lives));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(trace__as_reviewed),
		cmocka_unit_test(prepare__slow_builders),
		cmocka_unit_test(sweep__every_moment_every_victim),
		cmocka_unit_test(drop__every_message),
	};

	harness_read_options(argc, argv);
	if (harness_options.sweep >= 0)
		cmocka_set_test_filter("sweep__*");
	else if (harness_options.drop >= 0)
		cmocka_set_test_filter("drop__*");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
