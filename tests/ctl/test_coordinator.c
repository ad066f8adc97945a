/* Whole lives of the coordinator's core: each file of tests/ctl/lives is a script and the trace it
 * must give (tests/ctl/coordinator_life.h). FTP_LIVES_WRITE=1 writes the traces anew, for review.
 */
#include <dirent.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>

#include "runtime/base/prng.h"
#include "tests/base/check.h"
#include "tests/ctl/coordinator_life.h"

#define N_LIVES	   (CHECK_IS_SANITIZED ? 750u : 3000u) /* random ones */
#define N_TAMPERED (CHECK_IS_SANITIZED ? 150u : 600u)

#define MAX_LIVES 256
#define N_SWEEPS  3

static const char *lives_dir;

static char *read_file(const char *path)
{
	FILE *f = fopen(path, "r");
	char *text = calloc(1, 1 << 16);

	assert_non_null(f);
	assert_true(fread(text, 1, (1 << 16) - 1, f) > 0);
	fclose(f);
	return text;
}

static void say_difference(const char *expected, const char *got)
{
	size_t at = 0, line = 1;

	while (expected[at] && expected[at] == got[at])
		line += expected[at++] == '\n';
	while (at && expected[at - 1] != '\n')
		at--;
	fail_msg("line %zu:\nexpected: %.*s\ngot:      %.*s\n", line,
		(int)strcspn(expected + at, "\n"), expected + at, (int)strcspn(got + at, "\n"),
		got + at);
}

static void step__life(void **state)
{
	char path[PATH_MAX], *expected, *got;

	snprintf(path, sizeof(path), "%s/%s", lives_dir, (const char *)*state);
	expected = read_file(path);
	got = life_trace(expected);
	if (getenv("FTP_LIVES_WRITE")) {
		FILE *f = fopen(path, "w");

		fputs(got, f);
		fclose(f);
	} else if (strcmp(expected, got)) {
		say_difference(expected, got);
	}
	free(expected);
	free(got);
}

/* One random event of a life of three nodes; many are nonsense at the time they come. */
static int draw_line(char *line, size_t bytes, uint64_t key, uint64_t *at)
{
	static const char *const usual[] = {"serve %u", "serve %u", "serve %u", "serve %u",
		"serve %u", "serve %u", "serve all", "train %u", "train %u", "train %u", "finish",
		"wait %u", "wait 1%u0", "join %u n1", "join %u n2", "join %u n3", "join 4 n3",
		"join 5 n2", "repartition 1,%u - 0", "repartition %u - 0", "repartition 2 n1,n%u 1",
		"repartition - - 0", "repartition 1,2 n1,n3,n2 0", "drain n%u", "drain n3",
		"emulate n%u slowdown=4", "status", "plan", "slow n%u 5", "slow n%u 1", "pace 300",
		"pace 300", "train 8", "train 8"};
	static const char *const rare[] = {"join %u n4", "join %u n1 config", "profile %u 5",
		"profile %u 4", "prepared %u 1", "prepared %u 2", "transferred %u 1",
		"transferred %u 2", "committed %u", "held %u 1 3", "held %u 2 4 1",
		"progress %u 1 1 1 1", "progress %u 1 3 1 3", "progress %u 2 2 2 2",
		"progress %u 1 0 0 0", "complain %u 1 1 lost a peer", "complain %u 2 2 lost a peer",
		"lost 3", "exited n3 9 0", "lost 2", "evaluated %u 1 3", "finished %u 1 3",
		"finished %u 1 40", "stopped %u", "lost %u", "lost 3", "lost 4", "failed %u words",
		"failed 3 words", "error %u node.prepare -1 words", "error %u node.prepare -2 late",
		"error %u node.hold -1 words", "error %u node.transfer -1 words",
		"error %u node.abandon -1 words", "error %u node.commit -2 words",
		"stored %u 1 2 2 0 5", "stored %u 1 2 2 0 1 9", "stored %u 1 4 2 0 0",
		"stored %u 1 4 2 0 5", "stored %u 1 4 41 0 5", "error %u node.stop -3 words",
		"error %u node.profile -3 words", "exited n%u 9 0", "exited n%u 0 1 words",
		"exited n3 0 0", "wait 5000", "wait 61000", "stop", "broken words",
		"raw %u node.join {}", "raw %u node.progress {}", "lost 1", "exited n1 9 0",
		"join %u n1 other", "join %u n2 data", "recover", "recover from-beginning",
		"recover from-beginning", "recover from-beginning"};
	bool often = ftp_prng_below(key, (*at)++, 24);
	const char *const *lines = often ? usual : rare;
	size_t n = often ? sizeof(usual) / sizeof(*usual) : sizeof(rare) / sizeof(*rare);
	uint64_t which = ftp_prng_below(key, (*at)++, n);
	unsigned number = 1 + (unsigned)ftp_prng_below(key, (*at)++, 4);

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	return snprintf(line, bytes, lines[which], number);
#pragma GCC diagnostic pop
}

/* Most begin as lives do, so that they get far. */
static char *draw_life(uint64_t seed, uint64_t life)
{
	static const char *const cuts[] = {"equal", "auto", "1,3"};
	uint64_t key = ftp_prng_key(seed, FTP_PRNG_TEST, life), at = 0;
	char *script = calloc(1, 1 << 14);
	size_t n = 0, bytes = 1 << 14;

	n += (size_t)snprintf(
		script, bytes, "life 3 %s auto %u drill\n", cuts[life % 3], life % 5 ? 40 : 3);
	if (life % 2)
		n += (size_t)snprintf(script + n, bytes - n, "snapshots 2 4\n");
	if (ftp_prng_below(key, at++, 3))
		n += (size_t)snprintf(script + n, bytes - n, "data all\n");
	if (ftp_prng_below(key, at++, 4))
		n += (size_t)snprintf(script + n, bytes - n, "join 1 n1\njoin 2 n2\njoin 3 n3\n%s",
			ftp_prng_below(key, at++, 4) ? "serve all\n" : "");
	for (int i = 0; i < 160; i++) {
		n += (size_t)draw_line(script + n, bytes - n, key, &at);
		n += (size_t)snprintf(script + n, bytes - n, "\n");
	}
	snprintf(script + n, bytes - n, "wait 400000\nwait 10000\nstop\nwait 10000\n");
	return script;
}

/* By its deadlines; or it waits for somebody, says so, and ends when it is told to. */
static bool ends_well(char *trace)
{
	char *stop = strstr(trace, "\nwait 10000\nstop\n");
	bool ended;

	if (!stop)
		stop = strstr(strstr(trace, "\nwait 400000\n"), "\nstop\n");
	*stop = 0;
	ended = strstr(trace, "\n  end ") != NULL;
	if (!ended)
		ended = strstr(trace, "training waits: ") && strstr(stop + 1, "\n  end stopped");
	*stop = '\n';
	return ended;
}

/* Whatever comes in whatever order: no invariant breaks, and the run ends. */
static void step__random_lives(void **state)
{
	static const struct {
		const char *text, *what;
	} ends[] = {
		{"training begins", "trained"},
		{" committed at step ", "changed the plan"},
		{" abandoned while preparing", "abandoned while preparing"},
		{" abandoned while holding", "abandoned while holding"},
		{" abandoned while transferring", "abandoned while transferring"},
		{"has left the run", "drained a node"},
		{"; because n", "planned for a drain or a join"},
		{"event snapshot", "had a stable snapshot"},
		{"recovered:", "recovered"},
		{"rows after ", "did steps again"},
		{"  warning: also: ", "lost another node while they recovered"},
		{"training waits: nobody who is here has the data", "waited for the data"},
		{"training waits: nobody who is here has unit", "waited for unit states"},
		{"training waits: no node is left", "waited for any node"},
		{"the operator gives up", "were told to begin anew"},
		{"  end completed", "completed"},
	};
	unsigned n[sizeof(ends) / sizeof(*ends)] = {0};
	uint64_t seed = check_seed();

	(void)state;
	for (uint64_t life = 0; life < N_LIVES; life++) {
		char *script = draw_life(seed, life), *trace = life_trace(script);

		if (!ends_well(trace))
			fail_msg("this life has no end:\n%s", trace);
		if (strstr(trace, "\n  journal: "))
			fail_msg("a journal that would not be believed:\n%s", trace);
		for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++)
			n[i] += strstr(trace, ends[i].text) != NULL;
		free(trace);
		free(script);
	}
	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++)
		print_message("%u of %u %s\n", n[i], N_LIVES, ends[i].what);
	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++)
		assert_true(n[i] > N_LIVES / 100); /* the draw gets far enough to matter */
}

/* One field of the journal gets a value that it may have nowhere. */
static int draw_tamper(char *line, size_t bytes, uint64_t key, uint64_t *at)
{
	static const char *const paths[] = {"last_term", "old_term", "plan_term", "plan_step",
		"last_step", "isa", "train_s", "outcome", "reason", "params_digest", "fatal_step",
		"fatal_stable", "n_fatal", "n_recoveries", "n_committed", "n_abandoned",
		"n_lost_steps", "n_cut_rows", "dataset", "n_train", "n_test", "stable_step",
		"disk_step", "disk_term", "back_step", "digest", "digest.0", "forgotten_term",
		"begun_term", "begun_step", "begun_term.0", "begun_step.0", "plan", "plan.term",
		"plan.last_step", "plan.n_eval", "plan.recovery", "plan.recovery_step",
		"plan.stages", "plan.stages.0.name", "plan.stages.0.node",
		"plan.stages.1.first_unit", "plan.stages.0.incarnation", "plan.leaving",
		"plan.holder", "plan.holder.1", "evaluation", "evaluation.step", "nodes", "nodes.0",
		"nodes.1.join", "nodes.1.join.name", "nodes.1.join.isa", "nodes.1.join.dataset",
		"nodes.0.profile", "nodes.0.profile.forward_ns.0", "nodes.0.profile.fixed_bytes.1",
		"nodes.2.links", "nodes.1.memory_bytes", "nodes.0.train_s", "nodes.1.slowness",
		"plans", "changes", "recoveries"};
	static const char *const values[] = {"0", "1", "2", "3", "4", "9", "39", "40", "41", "-1",
		"4294967295", "4294967296", "9007199254740000", "4611686018427300000",
		"9223372036854775807", "0.5", "1e300", "null", "\"\"", "\"n1\"", "\"avx512\"",
		"\"00000000000000000000000000000000\"", "\"0000000000000001\"", "[]", "[0]", "[7]",
		"[0,1]", "{}", "true"};
	size_t path = ftp_prng_below(key, (*at)++, sizeof(paths) / sizeof(*paths));
	size_t value = ftp_prng_below(key, (*at)++, sizeof(values) / sizeof(*values));

	return snprintf(line, bytes, "tamper %s %s\n", paths[path], values[value]);
}

static char *draw_tampered_life(uint64_t seed, uint64_t life)
{
	static const char *const cuts[] = {"equal", "auto", "1,3"};
	static const char *const coming[] = {"join 1%u n%u\n", "rejoin 1%u n%u\n"};
	uint64_t key = ftp_prng_key(seed, FTP_PRNG_TEST, 1 << 20 | life), at = 0;
	char *script = calloc(1, 1 << 14);
	size_t n, bytes = 1 << 14;

	n = (size_t)snprintf(script, bytes,
		"life 3 %s auto 40\nsnapshots 2 4\ncheckpoints 4\ndata all\n"
		"join 1 n1\njoin 2 n2\njoin 3 n3\nserve all\ntrain %u\nserve all\n",
		cuts[life % 3], (unsigned)ftp_prng_below(key, at++, 41));
	if (ftp_prng_below(key, at++, 2))
		n += (size_t)snprintf(
			script + n, bytes - n, "lost 3\nexited n3 9 0\nserve all\ntrain 3\n");
	for (uint64_t i = 1 + ftp_prng_below(key, at++, 4); i--;)
		n += (size_t)draw_tamper(script + n, bytes - n, key, &at);
	n += (size_t)snprintf(script + n, bytes - n, "restart%s\nstatus\n",
		ftp_prng_below(key, at++, 2) ? " asked" : "");
	for (unsigned node = 1; node <= 3; node++) {
		unsigned how = (unsigned)ftp_prng_below(key, at++, 5);

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		if (how)
			n += (size_t)snprintf(script + n, bytes - n, coming[how & 1], node, node);
#pragma GCC diagnostic pop
	}
	for (int i = 0; i < 40; i++) {
		n += (size_t)draw_line(script + n, bytes - n, key, &at);
		n += (size_t)snprintf(script + n, bytes - n, "\n");
	}
	snprintf(script + n, bytes - n, "wait 400000\nwait 10000\nstop\nwait 10000\n");
	return script;
}

/* Whatever a journal says: it is refused, or the run goes on, waits, or ends. */
static void step__tampered_journals(void **state)
{
	unsigned n_refused = 0, n_went_on = 0;
	uint64_t seed = check_seed();

	(void)state;
	for (uint64_t life = 0; life < N_TAMPERED; life++) {
		char *script = draw_tampered_life(seed, life), *trace = life_trace(script);
		const char *restart = strstr(trace, "\nrestart");
		const char *bad = strstr(trace, "\n  journal: ");

		if (!strstr(trace, "\n  end "))
			fail_msg("life %d has no end:\n%s%s", (int)life, script, restart);
		if (bad)
			fail_msg("life %d: it would not believe%.200s\n%s", (int)life, bad, script);
		n_refused += strstr(trace, "\n  refused: ") != NULL;
		n_went_on += strstr(restart, "\n  event resume ") != NULL;
		free(trace);
		free(script);
	}
	print_message("%u of %u refused a journal, %u went on with one\n", n_refused, N_TAMPERED,
		n_went_on);
	assert_true(n_refused > N_TAMPERED / 4 && n_went_on > N_TAMPERED / 4);
}

/* n3 leaves the plan, or comes into it. */
static const struct {
	const char *begin;
	bool n3_leaves;
} changes[] = {
	{"serve all\ntrain 3\nrepartition 2 n1,n2 0\n", true},
	{"serve all\ntrain 3\nrepartition 2 n1,n2 0\nserve all\nrepartition 1,3 n1,n2,n3 0\n",
		false},
};

static void loss_script(char *script, size_t bytes, size_t change, int n_served, int lost,
	bool snapshots, bool all_data)
{
	int n = snprintf(script, bytes,
		"life 3 equal auto 30\n%s%sjoin 1 n1\njoin 2 n2\njoin 3 n3\n%s",
		snapshots ? "snapshots 2 4\n" : "", all_data ? "data all\n" : "",
		changes[change].begin);

	while (n_served--)
		n += snprintf(script + n, bytes - (size_t)n, "serve 0\n");
	snprintf(script + n, bytes - (size_t)n,
		"lost %d\nexited n%d 9 0\nserve all\ntrain 40\nfinish\nserve all\nwait 400000\n",
		lost, lost);
}

/* Does the run end as it must? Adds to n_lost[] what the loss did: nothing, abandoned, failed,
 * recovered, waits. */
static void lose_one(
	size_t change, int n_served, int lost, bool snapshots, bool all_data, unsigned n_lost[5])
{
	char script[2048], ends[32], *trace, *gone;
	const char *begun;
	bool in_force, fails, waits;

	loss_script(script, sizeof(script), change, n_served, lost, snapshots, all_data);
	trace = life_trace(script);
	begun = strstr(trace, changes[change].n3_leaves ? "\nrepartition 2" : "\nrepartition 1,3");
	gone = strstr(begun, "\nlost ");
	*gone = 0;
	in_force = lost < 3 || (strstr(begun, "node.commit") == NULL) == changes[change].n3_leaves;
	fails = in_force && !snapshots;
	waits = in_force && snapshots && lost == 1 && !all_data;
	*gone = '\n';
	snprintf(ends, sizeof(ends), "\n  end failed: n%d (pid", lost);
	if (!strstr(trace, fails   ? ends
			   : waits ? "training waits: nobody who is here has the data; n1 had it"
				   : "\n  end completed"))
		fail_msg("n%d %s the plan in force, but:\n%s", lost,
			in_force ? "is of" : "is not of", trace);
	if (!fails && !waits && (strstr(trace, "\n  info: recovered: ") != NULL) != in_force)
		fail_msg("recovered, or not, from the loss of n%d:\n%s", lost, trace);
	n_lost[fails ? 2 : waits ? 4 : in_force ? 3 : strstr(gone, " abandoned while ") != NULL]++;
	free(trace);
}

/* A node is lost between any two messages of a change: a node of the plan in force ends the run by
 * name, or with snapshots leads to a recovery, or if it alone has the data is waited for; any other
 * one ends at most the change. */
static void step__a_node_lost_at_every_message(void **state)
{
	unsigned n_lost[5] = {0};

	(void)state;
	for (size_t change = 0; change < sizeof(changes) / sizeof(*changes); change++)
		for (int at = 0; at < 2 * 3 * 13; at++)
			for (int how = 0; how < 4; how++)
				lose_one(change, at / 3, 1 + at % 3, how & 1, how & 2, n_lost);
	print_message("%u went on, %u abandoned the change, %u ended, %u recovered, %u wait\n",
		n_lost[0], n_lost[1], n_lost[2], n_lost[3], n_lost[4]);
	assert_true(
		n_lost[0] > 5 && n_lost[1] > 5 && n_lost[2] > 5 && n_lost[3] > 50 && n_lost[4] > 5);
}

static int is_life(const struct dirent *d)
{
	size_t n = strlen(d->d_name);

	return n > 5 && !strcmp(d->d_name + n - 5, ".life");
}

int main(int argc, char **argv)
{
	struct CMUnitTest tests[N_SWEEPS + MAX_LIVES] = {cmocka_unit_test(step__random_lives),
		cmocka_unit_test(step__tampered_journals),
		cmocka_unit_test(step__a_node_lost_at_every_message)};
	struct dirent **files;
	int failed, n = argc == 2 ? scandir(argv[1], &files, is_life, alphasort) : -1;

	if (n <= 0 || n > MAX_LIVES) {
		fprintf(stderr, "usage: test_coordinator DIRECTORY_OF_LIVES\n");
		return 2;
	}
	lives_dir = argv[1];
	for (int i = 0; i < n; i++)
		tests[N_SWEEPS + i] = (struct CMUnitTest){
			files[i]->d_name, step__life, NULL, NULL, files[i]->d_name};
	failed = _cmocka_run_group_tests("lives", tests, N_SWEEPS + (size_t)n, NULL, NULL);
	while (n--)
		free(files[n]);
	free(files);
	return failed;
}
