/* The program as scripts see it: stdout, stderr and exit codes. */
#include "ctl/options.h"

#include <jansson.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/base/check.h"

#define EXAMPLE FTP_SOURCE_DIR "/examples/local-3.yaml"

static char out[65536], err[65536];

static void slurp(const char *file, char *text, size_t bytes)
{
	FILE *f = fopen(file, "r");

	assert_non_null(f);
	text[fread(text, 1, bytes - 1, f)] = 0;
	fclose(f);
}

/* Runs ftpctl with the arguments as a shell reads them; fills out and err. */
static int run(const char *args)
{
	char command[1024];
	int status;

	snprintf(command, sizeof(command), "%s %s >out 2>err </dev/null", getenv("FTPCTL"), args);
	status = system(command);
	assert_true(WIFEXITED(status));
	slurp("out", out, sizeof(out));
	slurp("err", err, sizeof(err));
	return WEXITSTATUS(status);
}

static json_t *run_json(const char *args, int exit)
{
	json_error_t why;
	json_t *document;
	int code = run(args);

	if (code != exit)
		fail_msg("%s: exit %d: %s", args, code, err);
	document = json_loads(out, 0, &why);
	if (!document)
		fail_msg("%s: %s: %s", args, why.text, out);
	return document;
}

static void run__exit_codes(void **state)
{
	static const struct {
		const char *args;
		int exit;
		const char *out, *err; /* NULL: empty */
	} rows[] = {
		{"", FTP_EXIT_USAGE, NULL, "ftpctl VERB [OPTIONS]"},
		{"help", FTP_EXIT_OK, "config check", NULL},
		{"--help", FTP_EXIT_OK, "Exit codes: 0 ok", NULL},
		{"--version", FTP_EXIT_OK, "ftpipe         " FTP_VERSION, NULL},
		{"version", FTP_EXIT_OK, "dpdk", NULL},
		{"frobnicate", FTP_EXIT_USAGE, NULL, "unknown verb 'frobnicate'"},
		{"config", FTP_EXIT_USAGE, NULL, "expected one of config check, config dump"},
		{"config check --follow", FTP_EXIT_USAGE, NULL, "unexpected argument '--follow'"},
		{"drain", FTP_EXIT_USAGE, NULL, "ftpctl drain: expected NODE after it"},
		{"drain n1 n2", FTP_EXIT_USAGE, NULL, "unexpected argument 'n2'"},
		{"drain n1 --data-dir .", FTP_EXIT_NOT_RUNNING, NULL, "no run is going on in"},
		{"drain n1234567890123456789012345678901234 --data-dir .", FTP_EXIT_USAGE, NULL,
			"a node's name has 1 to 32 characters"},
		{"join --help", FTP_EXIT_OK, "ftpctl join NODE [OPTIONS]", NULL},
		{"join n2 -c " EXAMPLE " --set cluster.data_dir=.", FTP_EXIT_NOT_RUNNING, NULL,
			"no run is going on in"},
		{"repartition --cuts 3 --data-dir .", FTP_EXIT_NOT_RUNNING, NULL,
			"no run is going on in"},
		{"recover --help", FTP_EXIT_OK, "Let a run that waits try again", NULL},
		{"recover --data-dir .", FTP_EXIT_NOT_RUNNING, NULL, "no run is going on in"},
		{"recover --from-beginning --data-dir .", FTP_EXIT_NOT_RUNNING, NULL,
			"no run is going on in"},
		{"emulate n1", FTP_EXIT_USAGE, NULL, "expected NODE KEY=VALUE... after it"},
		{"emulate n1 fast --data-dir .", FTP_EXIT_USAGE, NULL,
			"expected settings like slowdown=5"},
		{"emulate n1 slowdown=2 --data-dir .", FTP_EXIT_NOT_RUNNING, NULL,
			"no run is going on in"},
		{"fail n1 --how well --data-dir .", FTP_EXIT_USAGE, NULL,
			"--how: expected kill, stop or abort"},
		{"fail n1 --data-dir .", FTP_EXIT_NOT_RUNNING, NULL, "no run is going on in"},
		{"plan --profile none --data-dir . -c " EXAMPLE, FTP_EXIT_FAILURE, NULL,
			"none: No such file"},
		{"plan --profile err --data-dir . -c " EXAMPLE, FTP_EXIT_USAGE, NULL,
			"err: expected what ftpctl profile --json prints"},
		{"profile n9 --data-dir . -c " EXAMPLE, FTP_EXIT_USAGE, NULL,
			"there is no node 'n9'"},
		{"profile n1 --data-dir . -c " EXAMPLE " --set nodes.n1.memory=1MiB",
			FTP_EXIT_FAILURE, NULL, "the memory budget is 1 MiB"},
		{"top --data-dir .", FTP_EXIT_NOT_RUNNING, NULL, "no run is going on in"},
		{"why . --flight n1", FTP_EXIT_FAILURE, NULL, "flight-n1: No such file"},
		{"why . --flight ../n1", FTP_EXIT_FAILURE, NULL, "expected a node's name"},
		{"why none --data-dir .", FTP_EXIT_FAILURE, NULL, "there is no run 'none'"},
		{"report none --data-dir .", FTP_EXIT_FAILURE, NULL, "there is no run 'none'"},
		{"report latest --data-dir .", FTP_EXIT_FAILURE, NULL, "there is no run 'latest'"},
		{"report . -o report.html", FTP_EXIT_OK, "/report.html\n", NULL},
		{"report ./ -o none/report.html", FTP_EXIT_FAILURE, NULL,
			"none/report.html: No such file"},
		{"ckpt list", FTP_EXIT_USAGE, NULL, "ftpctl ckpt list: expected DIR after it"},
		{"ckpt verify nowhere", FTP_EXIT_FAILURE, NULL,
			"nowhere: the directory cannot be used: No such file"},
		{"ckpt gc .", FTP_EXIT_FAILURE, NULL, ".: there is no checkpoint in it"},
		{"config check --help", FTP_EXIT_OK, "Example: ftpctl config check", NULL},
		{"config check -c " EXAMPLE, FTP_EXIT_OK, "ok: mobilenetv2, 3 nodes", NULL},
		{"config check", FTP_EXIT_CONFIG, NULL, "ftpipe.yaml: No such file"},
		{"config check -c " EXAMPLE " --set training.batch=no", FTP_EXIT_CONFIG, NULL,
			"--set training.batch=no: training.batch: expected a whole number"},
		{"config dump -c " EXAMPLE " --set training.steps=20", FTP_EXIT_OK, "  steps: 20\n",
			NULL},
		{"doctor -c " EXAMPLE " --set training.dataset.path=none", FTP_EXIT_FAILURE,
			"fail  data ", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int exit = run(rows[i].args);

		if (exit != rows[i].exit || (rows[i].out ? !strstr(out, rows[i].out) : out[0]) ||
			(rows[i].err ? !strstr(err, rows[i].err) : err[0]))
			fail_msg("ftpctl %s: exit %d\nstdout: %s\nstderr: %s", rows[i].args, exit,
				out, err);
	}
}

static void run__no_permission(void **state)
{
	(void)state;
	if (!geteuid())
		skip();
	fclose(fopen("closed.yaml", "w"));
	assert_int_equal(chmod("closed.yaml", 0), 0);
	assert_int_equal(run("config check -c closed.yaml"), FTP_EXIT_PERMISSION);
	unlink("closed.yaml");
}

static void run__no_colour_in_a_file(void **state)
{
	(void)state;
	run("doctor -c " EXAMPLE);
	assert_null(strchr(out, '\033'));
}

static void json__one_document(void **state)
{
	static const char *const verbs[] = {"config check -c " EXAMPLE, "config dump -c " EXAMPLE};
	json_t *document;

	(void)state;
	for (int i = 0; i < 2; i++) {
		char args[256];

		snprintf(args, sizeof(args), "%s --json", verbs[i]);
		document = run_json(args, FTP_EXIT_OK);
		assert_true(json_is_true(json_object_get(document, "ok")));
		assert_int_equal(
			strlen(json_string_value(json_object_get(document, "digest"))), 32);
		json_decref(document);
	}
	document = run_json("config check -c none.yaml --json", FTP_EXIT_CONFIG);
	assert_true(json_is_false(json_object_get(document, "ok")));
	assert_non_null(json_string_value(json_object_get(document, "error")));
	json_decref(document);
	document = run_json("version --json", FTP_EXIT_OK);
	assert_string_equal(json_string_value(json_object_get(document, "ftpipe")), FTP_VERSION);
	assert_int_equal(json_integer_value(json_object_get(document, "protocol")), 6);
	json_decref(document);
	document = run_json(
		"doctor -c " EXAMPLE " --set training.dataset.path=none --json", FTP_EXIT_FAILURE);
	assert_true(json_is_false(json_object_get(document, "ok")));
	assert_int_equal(json_array_size(json_object_get(document, "checks")), 10);
	json_decref(document);
}

static void dump__is_a_configuration(void **state)
{
	char *first;

	(void)state;
	assert_int_equal(run("config dump -c " EXAMPLE " --set nodes.n2.emulate.delay=2ms"), 0);
	first = strdup(out);
	assert_int_equal(rename("out", "dumped.yaml"), 0);
	assert_int_equal(run("config dump -c dumped.yaml"), 0);
	assert_string_equal(out, first);
	free(first);
	unlink("dumped.yaml");
}

#define SMALL                                                                                      \
	"--data-dir . -c " EXAMPLE " --set training.model=lenet5 --set training.batch=64 "         \
	"--set nodes.n3.emulate.slowdown=3"

/* Measured by the real node program, and planned from what it said. */
static void profile__and_plan(void **state)
{
	json_t *profile, *plan, *nodes, *stages;

	(void)state;
	profile = run_json("profile --json " SMALL, FTP_EXIT_OK);
	nodes = json_object_get(profile, "nodes");
	assert_int_equal(json_array_size(nodes), 3);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(
			json_array_size(json_object_get(json_array_get(nodes, i), "forward_ns")),
			5);
	json_decref(profile);
	assert_int_equal(rename("out", "profile.json"), 0);
	plan = run_json("plan --dry-run --profile profile.json --json " SMALL, FTP_EXIT_OK);
	stages = json_object_get(json_object_get(plan, "best"), "stages");
	assert_string_equal(
		json_string_value(json_object_get(json_array_get(stages, 0), "node")), "n1");
	assert_true(
		json_number_value(json_object_get(plan, "equal_step_seconds")) >=
		json_number_value(json_object_get(json_object_get(plan, "best"), "step_seconds")));
	json_decref(plan);
	assert_int_equal(run("plan --profile profile.json --nodes n1 " SMALL), FTP_EXIT_OK);
	assert_non_null(strstr(out, "    0 n1           0-4 "));
	assert_int_equal(run("plan --profile profile.json --nodes n2 " SMALL), FTP_EXIT_OK);
	assert_int_equal(run("plan --profile profile.json --nodes n2 " SMALL
			     " --set nodes.n2.dataset=false"),
		FTP_EXIT_USAGE);
	assert_int_equal(run("plan --profile profile.json " SMALL " --set training.batch=32"),
		FTP_EXIT_USAGE);
	unlink("profile.json");
}

static char directory[] = "/tmp/ftpipe-ftpctl-XXXXXX";

static int enter_directory(void **state)
{
	(void)state;
	return !getenv("FTPCTL") || !mkdtemp(directory) || chdir(directory);
}

static int leave_directory(void **state)
{
	(void)state;
	unlink("out");
	unlink("err");
	unlink("report.html");
	return chdir("/") || rmdir(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(run__exit_codes),
		cmocka_unit_test(run__no_permission),
		cmocka_unit_test(run__no_colour_in_a_file),
		cmocka_unit_test(json__one_document),
		cmocka_unit_test(dump__is_a_configuration),
		cmocka_unit_test(profile__and_plan),
	};

	return cmocka_run_group_tests(tests, enter_directory, leave_directory);
}
