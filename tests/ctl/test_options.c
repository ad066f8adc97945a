#include "ctl/options.h"

#include <errno.h>
#include <string.h>

#include "tests/base/check.h"

static int run_nothing(const struct ftp_options *o)
{
	return o->n_sets;
}

#define ALL                                                                                        \
	(FTP_OPTION_CONFIG | FTP_OPTION_SET | FTP_OPTION_JSON | FTP_OPTION_FOLLOW |                \
		FTP_OPTION_NODE | FTP_OPTION_DATA_DIR | FTP_OPTION_TIMEOUT | FTP_OPTION_DRILL |    \
		FTP_OPTION_DRY_RUN | FTP_OPTION_CUTS | FTP_OPTION_NODES | FTP_OPTION_FORCE |       \
		FTP_OPTION_PROFILE | FTP_OPTION_ONCE | FTP_OPTION_OUTPUT | FTP_OPTION_HOW |        \
		FTP_OPTION_FLIGHT)

static const struct ftp_operands two_or_three = {"WHAT TO...", 2, 3};

static const struct ftp_verb verbs[] = {
	{"start", "Start.", "ftpctl start", ALL, run_nothing, NULL},
	{"config check", "Check.", "ftpctl config check", FTP_OPTION_CONFIG, run_nothing, NULL},
	{"config", "Configure.", "ftpctl config", 0, run_nothing, NULL},
	{"move", "Move.", "ftpctl move", FTP_OPTION_JSON, run_nothing, &two_or_three},
	{.name = NULL},
};

#define ARGS(...) ((char *[]){__VA_ARGS__}), (int)(sizeof((char *[]){__VA_ARGS__}) / sizeof(char *))

static const char *find(char *const *argv, int argc, int *n_words)
{
	const struct ftp_verb *v = ftp_options_find_verb(verbs, argc, argv, n_words);

	return v ? v->name : NULL;
}

static void find_verb__one_or_two_words(void **state)
{
	int n = 0;

	(void)state;
	assert_string_equal(find(ARGS("start"), &n), "start");
	assert_int_equal(n, 1);
	assert_string_equal(find(ARGS("config", "check", "-c"), &n), "config check");
	assert_int_equal(n, 2);
	assert_string_equal(find(ARGS("config", "-c"), &n), "config");
	assert_int_equal(n, 1);
	assert_null(find(ARGS("star"), &n));
	assert_null(find(ARGS("starts"), &n));
	assert_null(find(ARGS(""), &n));
}

static int parse(struct ftp_options *o, const struct ftp_verb *v, char *const *argv, int argc,
	struct ftp_error *err)
{
	return ftp_options_parse(o, v, argc, argv, err);
}

static void parse__every_option(void **state)
{
	struct ftp_options o;
	struct ftp_error err;

	(void)state;
	assert_int_equal(
		parse(&o, &verbs[0],
			ARGS("-c", "a.yaml", "--set", "a=1", "--follow", "--set=b=2", "--node=n2",
				"--json", "--data-dir", "/d", "--timeout", "30s"),
			&err),
		0);
	assert_string_equal(o.config, "a.yaml");
	assert_int_equal(o.n_sets, 2);
	assert_string_equal(o.sets[0], "a=1");
	assert_string_equal(o.sets[1], "b=2");
	assert_true(o.follow && o.json && !o.help);
	assert_string_equal(o.node, "n2");
	assert_string_equal(o.data_dir, "/d");
	assert_int_equal(o.timeout_ns, UINT64_C(30000000000));
	assert_int_equal(verbs[0].run(&o), 2);
	assert_int_equal(parse(&o, &verbs[2], ARGS("-h"), &err), 0);
	assert_true(o.help);
	assert_string_equal(ftp_options_config(&o), "ftpipe.yaml");
	assert_int_equal(
		parse(&o, &verbs[0],
			ARGS("--drill", "--dry-run", "--cuts", "3,9", "--nodes=n1,n2", "--force",
				"--profile", "p.json", "--once", "-o", "x.html"),
			&err),
		0);
	assert_true(o.drill && o.dry_run && o.force && o.once && !o.json);
	assert_string_equal(o.cuts, "3,9");
	assert_string_equal(o.nodes, "n1,n2");
	assert_string_equal(o.profile, "p.json");
	assert_string_equal(o.output, "x.html");
}

static void parse__operands(void **state)
{
	struct ftp_options o;
	struct ftp_error err;

	(void)state;
	assert_int_equal(parse(&o, &verbs[3], ARGS("a", "--json", "b"), &err), 0);
	assert_int_equal(o.n_operands, 2);
	assert_string_equal(o.operands[0], "a");
	assert_string_equal(o.operands[1], "b");
	assert_true(o.json);
	assert_int_equal(parse(&o, &verbs[3], ARGS("a"), &err), -EINVAL);
	assert_string_equal(err.text, "ftpctl move: expected WHAT TO... after it");
	assert_int_equal(parse(&o, &verbs[3], ARGS("a", "b", "c", "d"), &err), -EINVAL);
	assert_non_null(strstr(err.text, "unexpected argument 'd'"));
	assert_int_equal(parse(&o, &verbs[3], ARGS("--help"), &err), 0);
}

static void parse__refuses(void **state)
{
	static const struct {
		int verb;
		const char *args[2];
		int n_args;
		const char *says;
	} rows[] = {
		{1, {"--json"}, 1, "unexpected argument '--json'; see ftpctl config check --help"},
		{1, {"x"}, 1, "unexpected argument 'x'"},
		{1, {"-c"}, 1, "--config: expected FILE after it"},
		{0, {"--set"}, 1, "--set: expected KEY=VALUE after it"},
		{0, {"--json=1"}, 1, "--json takes no value"},
		{0, {"--jsonx"}, 1, "unexpected argument '--jsonx'"},
		{0, {"--timeout", "5"}, 2,
			"--timeout: expected a duration with its unit, e.g. 2ms"},
		{0, {"--timeout", "0"}, 2, "--timeout: expected a duration"},
	};
	struct ftp_options o;
	struct ftp_error err;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(ftp_options_parse(&o, &verbs[rows[i].verb], rows[i].n_args,
					 (char *const *)rows[i].args, &err),
			-EINVAL);
		if (!strstr(err.text, rows[i].says))
			fail_msg("expected %s, got %s", rows[i].says, err.text);
	}
}

static void parse__bounds_the_overrides(void **state)
{
	static char set[] = "--set=a=1";
	char *args[FTP_OPTIONS_MAX_SETS + 1];
	struct ftp_options o;
	struct ftp_error err;

	(void)state;
	for (int i = 0; i <= FTP_OPTIONS_MAX_SETS; i++)
		args[i] = set;
	assert_int_equal(parse(&o, &verbs[0], args, FTP_OPTIONS_MAX_SETS, &err), 0);
	assert_int_equal(parse(&o, &verbs[0], args, FTP_OPTIONS_MAX_SETS + 1, &err), -EINVAL);
}

static void print_verb__example_first(void **state)
{
	char *text = NULL;
	size_t bytes;
	FILE *f = open_memstream(&text, &bytes);

	(void)state;
	ftp_options_print_verb(f, &verbs[1]);
	fclose(f);
	assert_int_equal(strncmp(text, "Example: ftpctl config check\n", 29), 0);
	assert_non_null(strstr(text, "-c, --config FILE"));
	assert_non_null(strstr(text, "--help"));
	assert_null(strstr(text, "--follow"));
	free(text);
}

static void exit__of_errnos(void **state)
{
	(void)state;
	assert_int_equal(ftp_options_exit(0), FTP_EXIT_OK);
	assert_int_equal(ftp_options_exit(-EACCES), FTP_EXIT_PERMISSION);
	assert_int_equal(ftp_options_exit(-EADDRINUSE), FTP_EXIT_UNAVAILABLE);
	assert_int_equal(ftp_options_exit(-ECONNREFUSED), FTP_EXIT_NOT_RUNNING);
	assert_int_equal(ftp_options_exit(-ETIMEDOUT), FTP_EXIT_TIMED_OUT);
	assert_int_equal(ftp_options_exit(-EIO), FTP_EXIT_FAILURE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(find_verb__one_or_two_words),
		cmocka_unit_test(parse__every_option),
		cmocka_unit_test(parse__operands),
		cmocka_unit_test(parse__refuses),
		cmocka_unit_test(parse__bounds_the_overrides),
		cmocka_unit_test(print_verb__example_first),
		cmocka_unit_test(exit__of_errnos),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
