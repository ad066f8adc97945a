/* A site with disks whose power fails, and whose coordinator dies: at every moment of a short run,
 * and the named lives, whose traces are reviewed (options: tests/sim/harness.h). --every N: every
 * Nth moment, 4 unless told. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/harness.h"

#define N_SCHEDULES 2

/* Three nodes. Each state is on two disks: its stage's and the next one's. The plan changes once.
 */
static struct sim_spec scenario(bool is_1f1b)
{
	return (struct sim_spec){.seed = 1,
		.n_nodes = 3,
		.n_units = 6,
		.cuts = "2,4",
		.schedule = is_1f1b ? FTP_SCHEDULE_1F1B : FTP_SCHEDULE_FLUSH,
		.n_micro = is_1f1b ? 1 : 2,
		.n_steps = 24,
		.unit_ns = 5 * FTP_NS_PER_MS,
		.build_ns = 30 * FTP_NS_PER_MS,
		.snapshot_every = 2,
		.snapshot_global = 4,
		.checkpoint_every = 2,
		.checkpoint_keep = 1,
		.restart_ns = 300 * FTP_NS_PER_MS,
		.coordinator_restart_ns = 100 * FTP_NS_PER_MS,
		.n_orders = 1,
		.orders =
			{{.kind = SIM_REPARTITION, .step = 4, .cuts = "3,5", .nodes = "n1,n2,n3"}},
		.always_counts = true};
}

static const struct {
	const char *name;
	struct sim_fault fault;
} sweeps[] = {
	{"power cut", {.kind = SIM_POWER, .outage_ns = 10000000, .spread_ns = 300000000}},
	{"power cut, n2's disk is lost",
		{.kind = SIM_POWER, .outage_ns = 10000000, .spread_ns = 300000000, .wiped = 2}},
	{"power cut, n3 does not come back",
		{.kind = SIM_POWER, .outage_ns = 10000000, .spread_ns = 300000000, .absent = 4}},
	{"coordinator killed", {.kind = SIM_KILL, .victim = SIM_COORDINATOR}},
	{"coordinator killed, and the next one too", {.kind = SIM_KILL, .victim = SIM_COORDINATOR}},
};
#define N_SWEEPS (sizeof(sweeps) / sizeof(*sweeps))
#define TWICE	 (N_SWEEPS - 1)
#define LATER	 40 /* moments */

static void sweep__every_moment(void **state)
{
	unsigned n_bad = 0;

	(void)state;
	for (unsigned schedule = 0; schedule < N_SCHEDULES; schedule++) {
		struct sim_spec spec = scenario(schedule);
		struct sim_moment *moments;
		uint32_t n;

		if (schedule) { /* n3 gives its units and leaves the plan */
			strcpy(spec.orders[0].cuts, "3");
			strcpy(spec.orders[0].nodes, "n1,n2");
		}
		spec.faults[0] = (struct sim_fault){.kind = SIM_KILL, .victim = 2 - schedule};
		spec.faults[0].moment =
			harness_find_moment(&spec, "coordinator -> n3: node.retain", 8);
		spec.n_faults = 1;
		n = harness_moments(&spec, &moments);
		for (uint32_t i = 0; i < n * N_SWEEPS; i++) {
			uint32_t at = i / N_SWEEPS, kind = i % N_SWEEPS;
			long id = (long)i * N_SCHEDULES + schedule;

			if (harness_options.sweep < 0
					? (at + schedule + kind) % harness_options.every
					: harness_options.sweep != id)
				continue;
			spec.faults[1] = sweeps[kind].fault;
			spec.faults[1].moment = at;
			spec.faults[2] = sweeps[kind].fault;
			spec.faults[2].moment = at + LATER;
			spec.n_faults = kind == TWICE ? 3 : 2;
			snprintf(harness_label, sizeof(harness_label),
				"--sweep %ld # %s at moment %u, %.80s\n", id, sweeps[kind].name, at,
				moments[at].what);
			n_bad += !harness_run(&spec);
		}
		free(moments);
	}
	harness_report("sweep", n_bad);
}

#define NAMED "coordinator -> n2: node.retain", 8
#define POWER .kind = SIM_POWER, .outage_ns = 10000000, .spread_ns = 300000000

static const struct harness_life lives[] = {
	{.name = "power_cut__goes_on_from_the_disks", .strikes = {{NAMED, {POWER}}}},
	{.name = "power_cut__one_disk_lost", .strikes = {{NAMED, {POWER, .wiped = 2}}}},
	{.name = "power_cut__one_stays_off", .strikes = {{NAMED, {POWER, .absent = 2}}}},
	{.name = "power_cut__one_is_no_node_any_more", .strikes = {{NAMED, {POWER, .n_nodes = 2}}}},
	{.name = "power_cut__waits_for_who_has_the_units",
		.strikes = {{NAMED, {POWER, .absent = 3}}},
		.waited_for = "units 0-2 (n1, n2 had them)"},
	{.name = "coordinator_dies__training_goes_on",
		.strikes = {{NAMED, {.kind = SIM_KILL, .victim = SIM_COORDINATOR}}}},
};

static void trace__as_reviewed(void **state)
{
	const struct sim_spec spec = scenario(false);

	(void)state;
	harness_check_lives(&spec, lives, sizeof(lives) / sizeof(*lives));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(trace__as_reviewed),
		cmocka_unit_test(sweep__every_moment),
	};

	harness_read_options(argc, argv);
	if (harness_options.sweep >= 0)
		cmocka_set_test_filter("sweep__*");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
