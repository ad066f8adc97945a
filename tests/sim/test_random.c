/* Random runs with random orders and faults: no invariant breaks, whatever happens when (options:
 * tests/sim/harness.h). Then the same with a mistake planted in the cluster: each is found, or the
 * invariants are worth less than they seem. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/draw.h"
#include "tests/sim/harness.h"

#define PLANT_SEEDS 2000 /* until it is found */

static volatile sig_atomic_t is_ended;

/* What has been run so far is still reported. */
static void on_term(int signal_number)
{
	(void)signal_number;
	is_ended = true;
}

static bool is_enough(uint64_t n)
{
	const struct harness_options *o = &harness_options;

	if (is_ended)
		return true;
	return o->n_seconds && !o->has_seed
		       ? harness_seconds() >= (double)o->n_seconds / DRAW_N_KINDS
		       : n >= o->n_seeds;
}

static const char *const names[] = {[DRAW_CHANGES] = "random",
	[DRAW_SNAPSHOTS] = "random with snapshots",
	[DRAW_STORM] = "storm",
	[DRAW_SITE] = "site",
	[DRAW_TURNS] = "turns"};
static const char *const flags[] = {[DRAW_CHANGES] = "",
	[DRAW_SNAPSHOTS] = "--snapshots ",
	[DRAW_STORM] = "--storm ",
	[DRAW_SITE] = "--site ",
	[DRAW_TURNS] = "--turns "};

static void run_drawn(enum draw_kind kind)
{
	uint64_t first = harness_options.has_seed ? harness_options.seed : check_seed(), i = 0;
	unsigned n_bad = 0;
	char what[80];

	for (; !is_enough(i) && !(harness_options.first && n_bad); i++) {
		struct sim_spec spec = draw_spec(first + i, kind);

		snprintf(harness_label, sizeof(harness_label), "%s--seed %llu\n", flags[kind],
			(unsigned long long)(first + i));
		n_bad += !harness_run(&spec);
	}
	snprintf(what, sizeof(what), "%s, %llu seeds from %llu", names[kind], (unsigned long long)i,
		(unsigned long long)first);
	harness_report(what, n_bad);
}

static void random__many_changes_and_faults(void **state)
{
	(void)state;
	run_drawn(DRAW_CHANGES);
}

/* The same, but nodes may be lost: the run goes on. */
static void recovery__many_changes_and_faults(void **state)
{
	(void)state;
	run_drawn(DRAW_SNAPSHOTS);
}

static void storm__one_loss_after_the_other(void **state)
{
	(void)state;
	run_drawn(DRAW_STORM);
}

/* The power fails, and what is on disks is all that is left. */
static void site__power_cuts_and_disks(void **state)
{
	(void)state;
	run_drawn(DRAW_SITE);
}

static void turns__nodes_are_away_when_the_power_returns(void **state)
{
	(void)state;
	run_drawn(DRAW_TURNS);
}

static void plant__each_is_found(void **state)
{
	static const enum draw_kind kinds[SIM_N_PLANTS] = {
		[SIM_PLANT_NO_TERM_CHECK] = DRAW_SNAPSHOTS,
		[SIM_PLANT_NO_HISTORY_CHECK] = DRAW_TURNS,
		[SIM_PLANT_STALE_REPLICA] = DRAW_STORM,
		[SIM_PLANT_FREED_EARLY] = DRAW_STORM,
		[SIM_PLANT_NO_SYNC] = DRAW_SITE,
		[SIM_PLANT_NO_JOURNAL_SYNC] = DRAW_SITE,
		[SIM_PLANT_DURABLE_EARLY] = DRAW_SITE,
		[SIM_PLANT_HALTED_IN_FORCE] = DRAW_STORM,
		[SIM_PLANT_OLD_HALT] = DRAW_STORM,
		[SIM_PLANT_UNREACHED] = DRAW_STORM,
		[SIM_PLANT_FAILED_PUT] = DRAW_SITE,
		[SIM_PLANT_REUSED_EARLY] = DRAW_CHANGES,
	};

	(void)state;
	for (int plant = SIM_PLANT_NONE + 1; plant < SIM_N_PLANTS; plant++) {
		char failure[400] = "";
		uint64_t seed = 1;

		for (; seed <= PLANT_SEEDS && !failure[0]; seed++) {
			struct sim_spec spec = draw_spec(seed, kinds[plant]);

			spec.plant = (enum sim_plant)plant;
			spec.keeps_stale |= plant == SIM_PLANT_STALE_REPLICA;
			snprintf(harness_label, sizeof(harness_label), "plant %s, seed %llu\n",
				sim_plant_name(spec.plant), (unsigned long long)seed);
			harness_run_quietly(&spec, failure, sizeof(failure));
		}
		print_message("%s: %s %llu seeds: %s\n", sim_plant_name((enum sim_plant)plant),
			failure[0] ? "found after" : "NOT found in", (unsigned long long)seed - 1,
			failure);
		assert_true(failure[0]);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random__many_changes_and_faults),
		cmocka_unit_test(recovery__many_changes_and_faults),
		cmocka_unit_test(storm__one_loss_after_the_other),
		cmocka_unit_test(site__power_cuts_and_disks),
		cmocka_unit_test(turns__nodes_are_away_when_the_power_returns),
		cmocka_unit_test(plant__each_is_found),
	};

	harness_read_options(argc, argv);
	signal(SIGTERM, on_term);
	if (harness_options.has_seed)
		cmocka_set_test_filter(harness_options.turns	   ? "turns__*"
				       : harness_options.site	   ? "site__*"
				       : harness_options.storm	   ? "storm__*"
				       : harness_options.snapshots ? "recovery__*"
								   : "random__*");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
