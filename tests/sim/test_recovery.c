/* The sweep of recoveries: a node of the plan in force is killed, and at every message and
 * milestone from then until a step is done again another process fails: of every role, killed,
 * frozen, hanging, or a connection breaks (options: tests/sim/harness.h). With and without killed
 * nodes being started again. --every N as in test_repartition.c. And the named lives, whose traces
 * are reviewed. */
#include <stdlib.h>
#include <string.h>

#include "tests/sim/harness.h"

#define N_FIRST	  3  /* victims */
#define N_VICTIMS 6  /* of the second fault */
#define N_KINDS	  5  /* of it: all but power cuts */
#define N_WAYS	  4  /* schedules, with and without restarts */
#define N_NAMED	  16 /* calls that name a snapshot, to five nodes each, before the first kill */
#define AFTER	  20 /* moments that are swept after the recovery */

static const uint32_t first_victims[N_FIRST] = {1, 2, 3};

/* Five nodes, of which four train and n5 is idle. */
static struct sim_spec scenario(unsigned way)
{
	bool is_1f1b = way & 1;

	return (struct sim_spec){.seed = 1,
		.n_nodes = 5,
		.n_units = 10,
		.cuts = "2,4,6,8",
		.schedule = is_1f1b ? FTP_SCHEDULE_1F1B : FTP_SCHEDULE_FLUSH,
		.n_micro = is_1f1b ? 1 : 2,
		.n_steps = is_1f1b ? 60 : 30,
		.unit_ns = 5 * FTP_NS_PER_MS,
		.build_ns = 50 * FTP_NS_PER_MS,
		.snapshot_every = 3,
		.snapshot_global = 6,
		.coordinator_restart_ns = 100 * FTP_NS_PER_MS,
		.restart_ns = way & 2 ? 300 * FTP_NS_PER_MS : 0,
		.n_orders = 1,
		.orders = {{.kind = SIM_REPARTITION,
			.step = 1,
			.cuts = "3,6,8",
			.nodes = "n1,n2,n3,n4"}},
		.always_counts = true};
}

struct window {
	uint32_t first, end; /* moments */
	struct sim_moment *moments;
};

/* What happens when the first one alone is killed, some way into the run: from that moment on. */
static struct window dry_run(unsigned way, uint32_t victim)
{
	static struct sim_cluster c;
	struct sim_spec spec = scenario(way);
	struct window w = {.first = 0};
	unsigned n_named = 0;
	bool ok;

	ok = sim_cluster_run(&c, &spec, true);
	assert_true(ok && c.n_committed == 1);
	while (n_named < N_NAMED)
		n_named += strstr(c.moments[++w.first].what, "sending node.retain") != NULL &&
			   strstr(c.moments[w.first].what, "term 2") != NULL;
	sim_cluster_free(&c);
	spec.n_faults = 1;
	spec.faults[0] = (struct sim_fault){.kind = SIM_KILL, .moment = w.first, .victim = victim};
	spec.trace = harness_options.trace ? stdout : NULL;
	spec.logs = harness_options.trace;
	ok = sim_cluster_run(&c, &spec, true);
	if (!ok)
		print_message("dry run: %s\n", c.oracle.failure);
	assert_true(ok);
	assert_int_equal(c.n_recovered, 1);
	assert_int_equal(c.coordinator->outcome, FTP_END_COMPLETED);
	w.end = c.recovered_at + AFTER;
	w.moments = c.moments;
	c.moments = NULL;
	sim_cluster_free(&c);
	return w;
}

/* Case i: kind, victim, moment, in this order. */
static bool sweep_case(unsigned way, uint32_t victim, const struct window *w, uint32_t i)
{
	static const uint32_t victims[N_VICTIMS] = {0, 1, 2, 3, 4, SIM_COORDINATOR};
	enum sim_fault_kind kind = i % N_KINDS;
	uint32_t second = victims[i / N_KINDS % N_VICTIMS];
	uint32_t at = w->first + 1 + i / N_KINDS / N_VICTIMS;
	struct sim_spec spec = scenario(way);

	if (kind == SIM_DROP && (second || !w->moments[at].is_message))
		return true;
	spec.n_faults = 2;
	spec.faults[0] = (struct sim_fault){.kind = SIM_KILL, .moment = w->first, .victim = victim};
	spec.faults[1] = (struct sim_fault){.kind = kind, .moment = at, .victim = second};
	return harness_run(&spec);
}

static bool is_sampled(unsigned way, uint32_t i)
{
	uint32_t kind = i % N_KINDS, every = harness_options.every;

	return (i / N_KINDS / N_VICTIMS + way + kind) %
		       (kind == SIM_KILL ? (every + 3) / 4 : every) ==
	       0;
}

static void sweep__a_second_fault_at_every_moment(void **state)
{
	unsigned n_bad = 0;

	(void)state;
	for (unsigned k = 0; k < N_WAYS * N_FIRST; k++) {
		unsigned way = k % N_WAYS;
		uint32_t victim = first_victims[k / N_WAYS];
		struct window w = dry_run(way, victim);
		uint32_t n = (w.end - w.first - 1) * N_KINDS * N_VICTIMS;

		for (uint32_t i = 0; i < n; i++) {
			long id = (long)i * N_WAYS * N_FIRST + k;

			if (harness_options.sweep < 0 ? !is_sampled(way, i)
						      : harness_options.sweep != id)
				continue;
			snprintf(harness_label, sizeof(harness_label),
				"--sweep %ld # %s, after n%u was killed, moment %u, %.80s\n", id,
				sim_fault_name(i % N_KINDS), victim + 1,
				w.first + 1 + i / N_KINDS / N_VICTIMS,
				w.moments[w.first + 1 + i / N_KINDS / N_VICTIMS].what);
			n_bad += !sweep_case(way, victim, &w, i);
		}
		free(w.moments);
	}
	harness_report("sweep", n_bad);
}

/* Three nodes and a fourth; every second snapshot is global. Who is killed stays away. */
static struct sim_spec small_scenario(void)
{
	return (struct sim_spec){.seed = 1,
		.n_nodes = 4,
		.n_units = 4,
		.cuts = "1,2,3",
		.schedule = FTP_SCHEDULE_FLUSH,
		.n_micro = 2,
		.n_steps = 12,
		.unit_ns = 5 * FTP_NS_PER_MS,
		.build_ns = 50 * FTP_NS_PER_MS,
		.snapshot_every = 3,
		.snapshot_global = 6,
		.always_counts = true};
}

/* Its steps take seconds: that two nodes are tried again after a minute belongs to its lives. */
static struct sim_spec slow_scenario(void)
{
	struct sim_spec spec = small_scenario();

	spec.unit_ns *= 100;
	spec.n_steps = 18;
	return spec;
}

/* The snapshot of step 9 is stable, that of step 6 is the newest global one. */
#define SAVED "coordinator -> n2: node.retain", 4

static const struct harness_life lives[] = {
	{.name = "recovery__one_is_killed", .strikes = {{SAVED, {.kind = SIM_KILL, .victim = 1}}}},
	{.name = "recovery__central_node_is_killed",
		.strikes = {{SAVED, {.kind = SIM_KILL, .victim = 0}}}},
	{.name = "recovery__two_neighbours_at_once",
		.strikes = {{SAVED, {.kind = SIM_KILL, .victim = 1}},
			{SAVED, {.kind = SIM_KILL, .victim = 2}}}},
	{.name = "recovery__another_while_it_prepares",
		.strikes = {{SAVED, {.kind = SIM_KILL, .victim = 1}},
			{"has built its stage of term 2", 1, {.kind = SIM_KILL, .victim = 2}}}},
};

static const struct harness_life parted_lives[] = {
	{.name = "parted__for_good",
		.strikes = {{SAVED,
			{.kind = SIM_PARTED, .victim = 1, .peer = 2, .lasts_ns = FTP_NS_NEVER}}}},
	{.name = "parted__taken_in_again",
		.strikes = {{SAVED, {.kind = SIM_PARTED,
					    .victim = 1,
					    .peer = 2,
					    .lasts_ns = 40 * FTP_NS_PER_S}}}},
	{.name = "parted__for_a_moment",
		.strikes = {{SAVED, {.kind = SIM_PARTED,
					    .victim = 1,
					    .peer = 2,
					    .lasts_ns = 5 * FTP_NS_PER_S}}}},
};

static void trace__as_reviewed(void **state)
{
	const struct sim_spec small = small_scenario(), slow = slow_scenario();

	(void)state;
	harness_check_lives(&small, lives, sizeof(lives) / sizeof(*lives));
	harness_check_lives(&slow, parted_lives, sizeof(parted_lives) / sizeof(*parted_lives));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(trace__as_reviewed),
		cmocka_unit_test(sweep__a_second_fault_at_every_moment),
	};

	harness_read_options(argc, argv);
	if (harness_options.sweep >= 0)
		cmocka_set_test_filter("sweep__*");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
