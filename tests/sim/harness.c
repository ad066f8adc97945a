#include "tests/sim/harness.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_SEEDS 300
#define LL(x)	      ((unsigned long long)(x))

struct harness_options harness_options = {.sweep = -1, .drop = -1, .every = 4};
char harness_label[200];

static struct {
	uint64_t began_ns;
	uint64_t n_cases, n_messages, n_events, n_committed, n_abandoned, n_completed, n_failed,
		n_indirect, n_recovered, n_waits, n_restarted, n_coordinators,
		n_struck[SIM_N_FAULTS], n_struck_in[FTP_N_CHANGE_PHASES], n_struck_coordinator,
		n_struck_central;
} sum;

#define MAX_REASONS 64
#define MAX_PRINTED 8

static struct reason {
	char text[160];
	uint64_t n;
} reasons[MAX_REASONS]; /* why runs failed, by kind; the last one is of all that have no place */

static void on_abort(int signal_number)
{
	const char *const parts[] = {harness_options.program, " ", harness_label};
	ssize_t rc = 0;

	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		rc += write(STDERR_FILENO, parts[i], strlen(parts[i]));
	(void)rc;
	signal(signal_number, SIG_DFL);
}

static bool *flag_of(const char *name)
{
	struct harness_options *o = &harness_options;
	const struct {
		const char *name;
		bool *flag;
	} flags[] = {{"--trace", &o->trace}, {"--snapshots", &o->snapshots}, {"--storm", &o->storm},
		{"--site", &o->site}, {"--turns", &o->turns}, {"--first", &o->first}};

	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++)
		if (!strcmp(name, flags[i].name))
			return flags[i].flag;
	return NULL;
}

void harness_read_options(int argc, char **argv)
{
	struct harness_options *o = &harness_options;

	signal(SIGABRT, on_abort);
	o->program = argv[0];
	for (int i = 1; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : "0";
		bool *flag = flag_of(argv[i]);

		if (flag)
			*flag = true;
		else if (argv[i][0] != '-')
			o->traces = argv[i];
		if (flag || argv[i][0] != '-')
			continue;
		i++;
		if (!strcmp(argv[i - 1], "--sweep"))
			o->sweep = strtol(value, NULL, 10);
		else if (!strcmp(argv[i - 1], "--drop"))
			o->drop = strtol(value, NULL, 10);
		else if (!strcmp(argv[i - 1], "--every"))
			o->every = (uint32_t)strtoul(value, NULL, 10);
		else if (!strcmp(argv[i - 1], "--seeds"))
			o->n_seeds = strtoull(value, NULL, 10);
		else if (!strcmp(argv[i - 1], "--seconds"))
			o->n_seconds = strtoull(value, NULL, 10);
		else if (!strcmp(argv[i - 1], "--seed"))
			o->seed = strtoull(value, NULL, 10), o->has_seed = true;
	}
	if (!o->n_seeds)
		o->n_seeds = o->has_seed ? 1 : DEFAULT_SEEDS;
	ftp_assert(o->every);
}

/* Without its numbers, names of nodes included. */
static void write_kind(const char *reason, char *text, size_t bytes)
{
	size_t at = 0, digits;

	for (; *reason && at + 1 < bytes; reason += digits ? digits : 1) {
		digits = strspn(reason, "0123456789");
		text[at++] = digits ? '#' : *reason;
	}
	text[at] = 0;
}

static void add_reason(const char *when, const char *reason)
{
	char text[sizeof(reasons[0].text)];
	size_t at = strlen(when);
	int i = 0;

	strcpy(text, when);
	write_kind(reason, text + at, sizeof(text) - at);
	while (i < MAX_REASONS - 1 && reasons[i].n && strcmp(reasons[i].text, text))
		i++;
	snprintf(reasons[i].text, sizeof(reasons[i].text), "%s",
		i < MAX_REASONS - 1 ? text : "others");
	reasons[i].n++;
}

static void add(const struct sim_cluster *c)
{
	sum.n_cases++;
	sum.n_messages += c->world.n_messages;
	sum.n_events += c->world.n_events;
	sum.n_committed += c->n_committed;
	sum.n_abandoned += c->n_abandoned;
	sum.n_recovered += c->n_recovered;
	sum.n_waits += c->n_waits;
	sum.n_restarted += c->n_restarted;
	sum.n_coordinators += c->n_coordinators;
	sum.n_completed += c->coordinator->outcome == FTP_END_COMPLETED;
	sum.n_failed += c->coordinator->outcome == FTP_END_FAILED;
	if (c->coordinator->outcome == FTP_END_FAILED)
		add_reason(c->now_term ? "" : "before training: ", c->coordinator->reason);
	sum.n_indirect += c->is_blame_indirect;
	for (int i = 0; i < SIM_N_FAULTS; i++)
		sum.n_struck[i] += c->n_struck[i];
	for (int i = 0; i < FTP_N_CHANGE_PHASES; i++)
		sum.n_struck_in[i] += c->n_struck_in[i];
	sum.n_struck_coordinator += c->n_struck_coordinator;
	sum.n_struck_central += c->n_struck_central;
}

bool harness_run_quietly(struct sim_spec *spec, char *failure, size_t bytes)
{
	static struct sim_cluster c;
	bool ok;

	signal(SIGSEGV, on_abort); /* cmocka's own does not say where */
	if (!sum.n_cases)
		sum.began_ns = ftp_clock_now_ns();
	spec->trace = harness_options.trace ? stdout : NULL;
	spec->logs = harness_options.trace;
	ok = sim_cluster_run(&c, spec, false);
	add(&c);
	snprintf(failure, bytes, "%s", c.oracle.failure);
	sim_cluster_free(&c);
	return ok;
}

bool harness_run(struct sim_spec *spec)
{
	char failure[400];
	bool ok = harness_run_quietly(spec, failure, sizeof(failure));

	if (!ok)
		print_message("%s\n  %s %s", failure, harness_options.program, harness_label);
	return ok;
}

uint32_t harness_moments(const struct sim_spec *spec, struct sim_moment **moments)
{
	static struct sim_cluster c;
	bool ok = sim_cluster_run(&c, spec, true);
	uint32_t n = c.n_moments;

	if (!ok)
		print_message("dry run: %s\n", c.oracle.failure);
	assert_true(ok);
	assert_int_equal(c.coordinator->outcome, FTP_END_COMPLETED);
	*moments = c.moments;
	c.moments = NULL;
	sim_cluster_free(&c);
	return n;
}

uint32_t harness_find_moment(const struct sim_spec *spec, const char *what, unsigned nth)
{
	struct sim_moment *moments;
	uint32_t n = harness_moments(spec, &moments), i = 0;

	for (; i < n; i++)
		if (!strncmp(moments[i].what, what, strlen(what)) && !--nth)
			break;
	free(moments);
	assert_int_not_equal(i, n);
	return i;
}

static void compare(const char *name, const char *trace)
{
	const char *write = getenv("FTP_TRACES_WRITE");
	char path[4096], *expected = calloc(1, 1 << 20);
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s.trace", harness_options.traces, name);
	f = fopen(path, write ? "w+" : "r");
	if (f && write) {
		fputs(trace, f);
		rewind(f);
	}
	if (!f || !fread(expected, 1, (1 << 20) - 1, f))
		print_message("%s: cannot be read\n", path);
	if (strcmp(trace, expected))
		print_message("%s: this is what happened instead:\n%s", path, trace);
	assert_string_equal(trace, expected);
	fclose(f);
	free(expected);
}

/* Each moment is found in what happens when the faults before it strike. */
static void add_strikes(struct sim_spec *spec, const struct harness_life *life)
{
	spec->n_faults = 0;
	for (int i = 0; i < HARNESS_MAX_STRIKES && life->strikes[i].moment; i++) {
		const struct harness_strike *s = &life->strikes[i];
		uint32_t moment = harness_find_moment(spec, s->moment, s->nth);

		spec->faults[i] = s->fault;
		spec->faults[i].moment = moment;
		spec->n_faults++;
	}
}

static void check_life(const struct sim_spec *scenario, const struct harness_life *life)
{
	static struct sim_cluster c;
	struct sim_spec spec = *scenario;
	bool is_as_told;
	char *text = NULL;
	size_t bytes;

	add_strikes(&spec, life);
	spec.trace = open_memstream(&text, &bytes);
	assert_non_null(spec.trace);
	spec.traces_window = true;
	is_as_told =
		sim_cluster_run(&c, &spec, false) &&
		(life->waited_for ? strstr(c.waited_for, life->waited_for) != NULL : !c.n_waits);
	if (!is_as_told)
		print_message("%s: %s%s\n", life->name, c.oracle.failure, c.waited_for);
	sim_cluster_free(&c);
	fclose(spec.trace);
	assert_true(is_as_told);
	compare(life->name, text);
	free(text);
}

void harness_check_lives(
	const struct sim_spec *scenario, const struct harness_life *lives, size_t n)
{
	for (size_t i = 0; harness_options.traces && i < n; i++)
		check_life(scenario, &lives[i]);
}

double harness_seconds(void)
{
	return sum.n_cases ? (double)(ftp_clock_now_ns() - sum.began_ns) * 1e-9 : 0;
}

static int compare_reasons(const void *a, const void *b)
{
	const struct reason *x = a, *y = b;

	return (x->n < y->n) - (x->n > y->n);
}

/* The most frequent ones. */
static void print_reasons(void)
{
	qsort(reasons, MAX_REASONS, sizeof(reasons[0]), compare_reasons);
	for (int i = 0; i < MAX_PRINTED && reasons[i].n; i++)
		print_message("  failed %llu times: %s\n", LL(reasons[i].n), reasons[i].text);
	memset(reasons, 0, sizeof(reasons));
}

void harness_report(const char *what, unsigned n_bad)
{
	print_message("%s: %llu cases in %.1f s, %llu messages, %llu events; %llu changes "
		      "committed, %llu abandoned, %llu recoveries, %llu waits; %llu runs "
		      "completed, %llu failed "
		      "for a reason (%llu times one that leads to the victim)\n",
		what, LL(sum.n_cases), harness_seconds(), LL(sum.n_messages), LL(sum.n_events),
		LL(sum.n_committed), LL(sum.n_abandoned), LL(sum.n_recovered), LL(sum.n_waits),
		LL(sum.n_completed), LL(sum.n_failed), LL(sum.n_indirect));
	print_message("  faults:");
	for (int i = 0; i < SIM_N_FAULTS; i++)
		print_message(
			" %s %llu,", sim_fault_name((enum sim_fault_kind)i), LL(sum.n_struck[i]));
	print_message(" of these the coordinator's %llu, the central node's %llu; started again: "
		      "nodes %llu, coordinators %llu\n  while",
		LL(sum.n_struck_coordinator), LL(sum.n_struck_central), LL(sum.n_restarted),
		LL(sum.n_coordinators));
	for (int i = 0; i < FTP_N_CHANGE_PHASES; i++)
		print_message(" %s %llu%s",
			i ? ftp_coordinator_phase_name((enum ftp_change_phase)i) : "no change",
			LL(sum.n_struck_in[i]), i + 1 < FTP_N_CHANGE_PHASES ? "," : "\n");
	print_reasons();
	memset(&sum, 0, sizeof(sum));
	assert_int_equal(n_bad, 0);
}
