/* Whole lives of the coordinator's core: each file of tests/ctl/lives is a script and the trace it
 * must give (tests/ctl/coordinator_life.h). FTP_LIVES_WRITE=1 writes the traces anew, for review.
 */
#include <dirent.h>
#include <limits.h>
#include <string.h>

#include "runtime/base/prng.h"
#include "tests/base/check.h"
#include "tests/ctl/coordinator_life.h"

#define MAX_LIVES 128

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

/* One random event of a life of two nodes; most are nonsense at the time they come. */
static int draw_line(char *line, size_t bytes, uint64_t key, uint64_t *at)
{
	static const char *const lines[] = {"join %u n1", "join %u n2", "join %u n2", "join %u n3",
		"join %u n1 config", "profile %u 5", "profile %u 4", "prepared %u 1",
		"prepared %u 1", "prepared %u 2", "transferred %u 1", "transferred %u 1",
		"transferred %u 1", "committed %u", "progress %u 1 1 1 1", "progress %u 1 3 1 3",
		"progress %u 1 2 2 2", "progress %u 1 0 0 0", "evaluated %u 1 3", "finished %u 1 3",
		"finished %u 1 2", "stopped %u", "lost %u", "failed %u words",
		"error %u node.prepare -1 words", "error %u node.commit -2 words",
		"error %u node.stop -3 words", "exited n%u 9 0", "exited n%u 0 1 words", "wait %u",
		"wait 1%u0", "wait 5000", "stop", "broken words", "raw %u node.join {}",
		"raw %u node.progress {}", "status"};
	const size_t n = sizeof(lines) / sizeof(*lines);
	/* Ends of a run are rarer than the rest, so that lives get far. */
	uint64_t which = ftp_prng_below(key, (*at)++, 4) ? ftp_prng_below(key, (*at)++, 22)
							 : ftp_prng_below(key, (*at)++, n);
	unsigned conn = 1 + (unsigned)ftp_prng_below(key, (*at)++, 3);

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	return snprintf(line, bytes, lines[which], conn);
#pragma GCC diagnostic pop
}

/* Whatever comes in whatever order: no invariant breaks, and the run ends by its deadlines. */
static void step__random_lives(void **state)
{
	uint64_t seed = check_seed(), at = 0;
	unsigned n_trained = 0;

	(void)state;
	for (uint64_t life = 0; life < 3000; life++) {
		uint64_t key = ftp_prng_key(seed, FTP_PRNG_TEST, life);
		char script[16384], *trace;
		int n = snprintf(
			script, sizeof(script), "life 2 %s auto 3\n", life & 1 ? "equal" : "2");

		for (int i = 0; i < 160; i++) {
			n += draw_line(script + n, sizeof(script) - (size_t)n, key, &at);
			n += snprintf(script + n, sizeof(script) - (size_t)n, "\n");
		}
		snprintf(script + n, sizeof(script) - (size_t)n, "wait 400000\nwait 10000\n");
		trace = life_trace(script);
		if (!strstr(trace, "\n  end "))
			fail_msg("this life has no end:\n%s", trace);
		n_trained += strstr(trace, "training begins") != NULL;
		free(trace);
	}
	print_message("%u of 3000 trained\n", n_trained);
	assert_true(n_trained > 30); /* the draw gets far enough to matter */
}

static int is_life(const struct dirent *d)
{
	size_t n = strlen(d->d_name);

	return n > 5 && !strcmp(d->d_name + n - 5, ".life");
}

int main(int argc, char **argv)
{
	struct CMUnitTest tests[1 + MAX_LIVES] = {cmocka_unit_test(step__random_lives)};
	struct dirent **files;
	int failed, n = argc == 2 ? scandir(argv[1], &files, is_life, alphasort) : -1;

	if (n <= 0 || n > MAX_LIVES) {
		fprintf(stderr, "usage: test_coordinator DIRECTORY_OF_LIVES\n");
		return 2;
	}
	lives_dir = argv[1];
	for (int i = 0; i < n; i++)
		tests[1 + i] = (struct CMUnitTest){
			files[i]->d_name, step__life, NULL, NULL, files[i]->d_name};
	failed = _cmocka_run_group_tests("lives", tests, 1 + (size_t)n, NULL, NULL);
	while (n--)
		free(files[n]);
	free(files);
	return failed;
}
