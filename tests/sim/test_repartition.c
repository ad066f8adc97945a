/* The fault sweep: a change of the plan in a whole simulated cluster, with a fault at every message
 * and milestone of it, for every kind of victim; then random runs with random faults.
 *
 *   test_repartition [TRACES] [--sweep I | --drop I | --seed S] [--seeds N] [--every N]
 *                   [--snapshots] [--trace]
 *
 * One case, or all of them and N random ones, without and with snapshots. A case that fails prints
 * how to run it alone. --every N: faults other than kills are tried at every Nth moment, 4 unless
 * told, and kills four times as often; the two schedules take different moments. 1 is all.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/prng.h"
#include "tests/base/check.h"
#include "tests/sim/cluster.h"

#define DEFAULT_SEEDS 300
#define N_SCHEDULES   2
#define N_VICTIMS     7
#define N_KINDS	      4 /* of faults that hit a victim */

static struct {
	const char *traces;
	long sweep, drop;
	uint64_t seed, n_seeds;
	uint32_t every;
	bool has_seed, trace, snapshots;
} options = {.sweep = -1, .drop = -1, .n_seeds = DEFAULT_SEEDS, .every = 4};

static char label[200]; /* of the case under way */

static struct {
	uint64_t n_cases, n_messages, n_events, n_committed, n_abandoned, n_completed, n_failed,
		n_indirect, n_recovered, n_waits;
} sum;

static void on_abort(int signal_number)
{
	ssize_t rc = write(STDERR_FILENO, label, strlen(label));

	(void)rc;
	signal(signal_number, SIG_DFL);
}

static bool run(struct sim_spec *spec)
{
	static struct sim_cluster c;
	bool ok;

	spec->trace = options.trace ? stdout : NULL;
	spec->logs = options.trace;
	ok = sim_cluster_run(&c, spec, false);
	sum.n_cases++;
	sum.n_messages += c.world.n_messages;
	sum.n_events += c.world.n_events;
	sum.n_committed += c.n_committed;
	sum.n_abandoned += c.n_abandoned;
	sum.n_recovered += c.n_recovered;
	sum.n_waits += c.n_waits;
	sum.n_completed += c.coordinator.outcome == FTP_END_COMPLETED;
	sum.n_failed += c.coordinator.outcome == FTP_END_FAILED;
	sum.n_indirect += c.is_blame_indirect;
	if (!ok)
		print_message("%.*s: %s\n", (int)strlen(label) - 1, label, c.oracle.failure);
	sim_cluster_free(&c);
	return ok;
}

static void report(const char *what, unsigned n_bad)
{
	print_message("%s: %llu cases, %llu messages, %llu events; %llu changes committed, %llu "
		      "abandoned, %llu recoveries, %llu waits; %llu runs completed, %llu failed "
		      "for a reason "
		      "(%llu times one that leads to the victim)\n",
		what, (unsigned long long)sum.n_cases, (unsigned long long)sum.n_messages,
		(unsigned long long)sum.n_events, (unsigned long long)sum.n_committed,
		(unsigned long long)sum.n_abandoned, (unsigned long long)sum.n_recovered,
		(unsigned long long)sum.n_waits, (unsigned long long)sum.n_completed,
		(unsigned long long)sum.n_failed, (unsigned long long)sum.n_indirect);
	memset(&sum, 0, sizeof(sum));
	assert_int_equal(n_bad, 0);
}

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

static const char *const kind_names[] = {[SIM_KILL] = "kill",
	[SIM_FREEZE] = "freeze",
	[SIM_FREEZE_1S] = "freeze for 1 s",
	[SIM_HANG] = "hang the worker of"};
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
	static struct sim_cluster c;
	const struct sim_spec spec = scenario(schedule);
	uint32_t n;
	bool ok = sim_cluster_run(&c, &spec, true);

	n = c.n_moments;
	*moments = c.moments;
	c.moments = NULL;
	if (!ok)
		print_message("dry run: %s\n", c.oracle.failure);
	assert_true(ok);
	assert_int_equal(c.n_committed, 2);
	assert_int_equal(c.coordinator.outcome, FTP_END_COMPLETED);
	sim_cluster_free(&c);
	return n;
}

static bool sweep_case(unsigned schedule, uint32_t i, const struct sim_moment *moments)
{
	uint32_t kind = i % N_KINDS, victim = i / N_KINDS % N_VICTIMS;
	uint32_t at = i / N_KINDS / N_VICTIMS;
	struct sim_spec spec = scenario(schedule);

	spec.n_faults = 1;
	spec.faults[0] =
		(struct sim_fault){.kind = kind, .moment = at, .victim = victims[victim].victim};
	snprintf(label, sizeof(label), "--sweep %u: %s %s at moment %u, %.80s\n",
		i * N_SCHEDULES + schedule, kind_names[kind], victims[victim].name, at,
		moments[at].what);
	return run(&spec);
}

static bool is_sampled(unsigned schedule, uint32_t i)
{
	uint32_t kind = i % N_KINDS, at = i / N_KINDS / N_VICTIMS + 2 * schedule + kind;

	return at % (kind == SIM_KILL ? (options.every + 3) / 4 : options.every) == 0;
}

static void sweep__every_moment_every_victim(void **state)
{
	unsigned n_bad = 0;

	(void)state;
	for (unsigned schedule = 0; schedule < N_SCHEDULES; schedule++) {
		struct sim_moment *moments;
		uint32_t n = dry_run(schedule, &moments) * N_VICTIMS * N_KINDS;

		for (uint32_t i = 0; i < n; i++)
			if (options.sweep < 0 ? is_sampled(schedule, i)
					      : options.sweep == (long)(i * N_SCHEDULES + schedule))
				n_bad += !sweep_case(schedule, i, moments);
		free(moments);
	}
	report("sweep", n_bad);
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
			snprintf(label, sizeof(label), "--drop %u: moment %u, %.80s\n", at, i,
				moments[i].what);
			if (moments[i].is_message && (options.drop < 0 || options.drop == at))
				n_bad += !run(&spec);
		}
		free(moments);
	}
	report("drop", n_bad);
}

struct draw {
	uint64_t key, n;
};

static uint32_t below(struct draw *d, uint32_t n)
{
	return (uint32_t)ftp_prng_below(d->key, d->n++, n);
}

static void draw_cuts(struct draw *d, char *text, size_t bytes, uint32_t n_units, uint32_t n_stages)
{
	size_t at = 0;

	text[0] = 0;
	for (uint32_t i = 1, unit = 0; i < n_stages; i++) {
		unit += 1 + below(d, n_units - unit - (n_stages - i));
		at += (size_t)snprintf(text + at, bytes - at, "%s%u", i > 1 ? "," : "", unit);
	}
}

static void draw_plan(struct draw *d, const struct sim_spec *spec, struct sim_order *o)
{
	uint32_t nodes[SIM_MAX_NODES], n = 1 + below(d, spec->n_nodes);
	size_t at = 2;

	ftp_prng_permutation(d->key + d->n++, nodes, spec->n_nodes - 1);
	strcpy(o->nodes, "n1");
	for (uint32_t i = 0; i + 1 < n; i++)
		at += (size_t)snprintf(o->nodes + at, sizeof(o->nodes) - at, ",n%u", nodes[i] + 2);
	draw_cuts(d, o->cuts, sizeof(o->cuts), spec->n_units, n);
}

static struct sim_spec draw_spec(uint64_t seed)
{
	static const char *const cuts[] = {"", "equal", "auto"};
	struct draw d = {.key = ftp_prng_key(seed, FTP_PRNG_FAULT, 0)};
	struct sim_spec spec = {.seed = seed,
		.n_nodes = 2 + below(&d, 5),
		.schedule = below(&d, 2) ? FTP_SCHEDULE_1F1B : FTP_SCHEDULE_FLUSH,
		.n_steps = 20 + below(&d, 60),
		.unit_ns = (1 + below(&d, 4)) * FTP_NS_PER_MS,
		.build_ns = (1 + below(&d, 300)) * FTP_NS_PER_MS,
		.n_orders = 1 + below(&d, 8),
		.n_faults = below(&d, 3),
		.always_counts = true,
		.snapshot_every = options.snapshots ? 1 + below(&d, 10) : 0};

	spec.snapshot_global = spec.snapshot_every * below(&d, 4);
	spec.n_units = spec.n_nodes + below(&d, 7);
	spec.n_micro = spec.schedule == FTP_SCHEDULE_1F1B ? 1 : 1 + below(&d, 4);
	strcpy(spec.cuts, cuts[below(&d, 3)]);
	if (!spec.cuts[0])
		draw_cuts(&d, spec.cuts, sizeof(spec.cuts), spec.n_units, spec.n_nodes);
	for (uint32_t i = 0, step = 0; i < spec.n_orders; i++) {
		struct sim_order *o = &spec.orders[i];

		step += below(&d, 12);
		*o = (struct sim_order){.kind = below(&d, 4),
			.step = step,
			.node = below(&d, spec.n_nodes),
			.slowdown = 1 + below(&d, SIM_MAX_SLOWDOWN)};
		if (o->kind == SIM_REPARTITION)
			draw_plan(&d, &spec, o);
	}
	for (uint32_t i = 0; i < spec.n_faults; i++)
		spec.faults[i] = (struct sim_fault){.kind = below(&d, 5),
			.moment = below(&d, 100 * spec.n_nodes),
			.victim = below(&d, spec.n_nodes + 1)};
	for (uint32_t i = 0; i < spec.n_faults; i++)
		if (spec.faults[i].victim == spec.n_nodes)
			spec.faults[i].victim = SIM_COORDINATOR;
	return spec;
}

static void run_drawn(bool snapshots)
{
	uint64_t first = options.has_seed ? options.seed : check_seed();
	unsigned n_bad = 0;

	options.snapshots = snapshots;
	for (uint64_t i = 0; i < options.n_seeds; i++) {
		struct sim_spec spec = draw_spec(first + i);

		snprintf(label, sizeof(label), "%s--seed %llu\n", snapshots ? "--snapshots " : "",
			(unsigned long long)(first + i));
		n_bad += !run(&spec);
	}
	report(snapshots ? "random with snapshots" : "random", n_bad);
}

static void random__many_changes_and_faults(void **state)
{
	(void)state;
	run_drawn(false);
}

/* The same, but nodes may be lost: the run goes on. */
static void recovery__many_changes_and_faults(void **state)
{
	(void)state;
	run_drawn(true);
}

/* The named lives; FTP_TRACES_WRITE=1 writes their traces anew, for review. */
static const struct {
	const char *name, *moment; /* "": nothing fails */
	unsigned nth;		   /* of the moments of that name, from 1 */
	uint32_t victim;
} lives[] = {
	{"committed", "", 0, 0},
	{"abandoned__target_dies", "n4 -> n5: unit 10 of step", 1, 4},
	{"ended__coordinator_dies_between_commits", "sending node.commit term 3", 3,
		SIM_COORDINATOR},
};

static uint32_t find_moment(const char *what, unsigned nth)
{
	struct sim_moment *moments;
	uint32_t n = dry_run(0, &moments), i = 0;

	for (; i < n; i++)
		if (!strncmp(moments[i].what, what, strlen(what)) && !--nth)
			break;
	free(moments);
	assert_int_not_equal(i, n);
	return i;
}

static char *trace_of(size_t life)
{
	static struct sim_cluster c;
	struct sim_spec spec = scenario(0);
	char *text = NULL;
	size_t bytes;

	if (lives[life].moment[0]) {
		spec.n_faults = 1;
		spec.faults[0] = (struct sim_fault){.kind = SIM_KILL,
			.moment = find_moment(lives[life].moment, lives[life].nth),
			.victim = lives[life].victim};
	}
	spec.trace = open_memstream(&text, &bytes);
	assert_non_null(spec.trace);
	spec.traces_window = true;
	assert_true(sim_cluster_run(&c, &spec, false));
	sim_cluster_free(&c);
	fclose(spec.trace);
	return text;
}

static void trace__as_reviewed(void **state)
{
	const char *write = getenv("FTP_TRACES_WRITE");

	(void)state;
	for (size_t i = 0; options.traces && i < sizeof(lives) / sizeof(*lives); i++) {
		char path[4096], *text = trace_of(i), *expected = calloc(1, 1 << 20);
		FILE *f;

		snprintf(path, sizeof(path), "%s/%s.trace", options.traces, lives[i].name);
		f = fopen(path, write ? "w+" : "r");
		if (f && write) {
			fputs(text, f);
			rewind(f);
		}
		if (!f || !fread(expected, 1, (1 << 20) - 1, f))
			print_message("%s: cannot be read\n", path);
		if (strcmp(text, expected))
			print_message("%s: this is what happened instead:\n%s", path, text);
		assert_string_equal(text, expected);
		fclose(f);
		free(text);
		free(expected);
	}
}

static void read_options(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : "0";

		options.trace |= !strcmp(argv[i], "--trace");
		options.snapshots |= !strcmp(argv[i], "--snapshots");
		if (argv[i][0] != '-')
			options.traces = argv[i];
		if (argv[i][0] != '-' || !strcmp(argv[i], "--trace") ||
			!strcmp(argv[i], "--snapshots"))
			continue;
		i++;
		if (!strcmp(argv[i - 1], "--sweep"))
			options.sweep = strtol(value, NULL, 10);
		else if (!strcmp(argv[i - 1], "--drop"))
			options.drop = strtol(value, NULL, 10);
		else if (!strcmp(argv[i - 1], "--every"))
			options.every = (uint32_t)strtoul(value, NULL, 10);
		else if (!strcmp(argv[i - 1], "--seeds"))
			options.n_seeds = strtoull(value, NULL, 10);
		else if (!strcmp(argv[i - 1], "--seed"))
			options.seed = strtoull(value, NULL, 10), options.has_seed = true;
	}
	if (options.has_seed && options.n_seeds == DEFAULT_SEEDS)
		options.n_seeds = 1;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(trace__as_reviewed),
		cmocka_unit_test(sweep__every_moment_every_victim),
		cmocka_unit_test(drop__every_message),
		cmocka_unit_test(random__many_changes_and_faults),
		cmocka_unit_test(recovery__many_changes_and_faults),
	};

	read_options(argc, argv);
	ftp_assert(options.every);
	signal(SIGABRT, on_abort);
	if (options.sweep >= 0)
		cmocka_set_test_filter("sweep__*");
	else if (options.drop >= 0)
		cmocka_set_test_filter("drop__*");
	else if (options.has_seed)
		cmocka_set_test_filter(options.snapshots ? "recovery__*" : "random__*");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
