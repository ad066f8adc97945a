/* Whole lives of the coordinator's core: each file of tests/ctl/lives is a script and the trace it
 * must give (tests/ctl/coordinator_life.h). FTP_LIVES_WRITE=1 writes the traces anew, for review.
 */
#include <dirent.h>
#include <limits.h>
#include <string.h>

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

static int is_life(const struct dirent *d)
{
	size_t n = strlen(d->d_name);

	return n > 5 && !strcmp(d->d_name + n - 5, ".life");
}

int main(int argc, char **argv)
{
	struct CMUnitTest tests[MAX_LIVES] = {{NULL, NULL, NULL, NULL, NULL}};
	struct dirent **files;
	int failed, n = argc == 2 ? scandir(argv[1], &files, is_life, alphasort) : -1;

	if (n <= 0 || n > MAX_LIVES) {
		fprintf(stderr, "usage: test_coordinator DIRECTORY_OF_LIVES\n");
		return 2;
	}
	lives_dir = argv[1];
	for (int i = 0; i < n; i++)
		tests[i] = (struct CMUnitTest){
			files[i]->d_name, step__life, NULL, NULL, files[i]->d_name};
	failed = _cmocka_run_group_tests("lives", tests, (size_t)n, NULL, NULL);
	while (n--)
		free(files[n]);
	free(files);
	return failed;
}
