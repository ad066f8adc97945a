/* Random runs with random orders and faults: no invariant breaks, whatever happens when (options:
 * tests/sim/harness.h). Then the same with a mistake planted in the cluster: each is found, or the
 * invariants are worth less than they seem. */
#include <stdlib.h>
#include <string.h>

#include "tests/sim/draw.h"
#include "tests/sim/harness.h"

#define N_KINDS	    3	  /* of draws */
#define PLANT_SEEDS 20000 /* until it is found */
#define RARE	    1000  /* seeds: of less, what takes thousands is not asked */

static bool is_enough(uint64_t n)
{
	const struct harness_options *o = &harness_options;

	return o->n_seconds && !o->has_seed ? harness_seconds() >= (double)o->n_seconds / N_KINDS
					    : n >= o->n_seeds;
}

static const char *const names[] = {[DRAW_CHANGES] = "random",
	[DRAW_SNAPSHOTS] = "random with snapshots",
	[DRAW_STORM] = "storm"};
static const char *const flags[] = {
	[DRAW_CHANGES] = "", [DRAW_SNAPSHOTS] = "--snapshots ", [DRAW_STORM] = "--storm "};

static void run_drawn(enum draw_kind kind)
{
	uint64_t first = harness_options.has_seed ? harness_options.seed : check_seed();
	unsigned n_bad = 0;

	for (uint64_t i = 0; !is_enough(i); i++) {
		struct sim_spec spec = draw_spec(first + i, kind);

		snprintf(harness_label, sizeof(harness_label), "%s--seed %llu\n", flags[kind],
			(unsigned long long)(first + i));
		n_bad += !harness_run(&spec);
	}
	harness_report(names[kind], n_bad);
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

static void plant__each_is_found(void **state)
{
	(void)state;
	for (int plant = SIM_PLANT_NONE + 1; plant < SIM_N_PLANTS; plant++) {
		char failure[400] = "";
		uint64_t seed = 1;

		if (plant == SIM_PLANT_NO_HISTORY_CHECK && harness_options.n_seeds < RARE)
			continue;
		for (; seed <= PLANT_SEEDS && !failure[0]; seed++) {
			struct sim_spec spec =
				draw_spec(seed, seed % 4 ? DRAW_STORM : DRAW_SNAPSHOTS);

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
		cmocka_unit_test(plant__each_is_found),
	};

	harness_read_options(argc, argv);
	if (harness_options.has_seed)
		cmocka_set_test_filter(harness_options.storm	   ? "storm__*"
				       : harness_options.snapshots ? "recovery__*"
								   : "random__*");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
