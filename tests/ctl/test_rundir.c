#include "ctl/rundir.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/base/check.h"

static char root[64];
static struct ftp_config *config;

static void write_text(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int set_up(void **state)
{
	char path[128], text[256];
	struct ftp_error err;

	(void)state;
	strcpy(root, "/tmp/test_rundir.XXXXXX");
	assert_non_null(mkdtemp(root));
	snprintf(path, sizeof(path), "%s/run.yaml", root);
	snprintf(text, sizeof(text),
		"cluster: {data_dir: %s/data}\nnodes: [{name: n1}]\n"
		"training: {model: lenet5, dataset: {kind: idx, path: /tmp}, batch: 8, steps: 1}\n",
		root);
	write_text(path, text);
	if (ftp_config_load(&config, path, NULL, 0, &err))
		fail_msg("%s", err.text);
	return 0;
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	ftp_config_free(config);
	snprintf(command, sizeof(command), "rm -rf '%s'", root);
	return system(command);
}

static void create__switches_latest(void **state)
{
	struct ftp_rundir a, b, latest;
	struct ftp_config *again;
	struct ftp_error err;
	char path[FTP_PATHS_MAX];

	(void)state;
	assert_int_equal(ftp_rundir_latest(&latest, config->cluster.data_dir, &err), -ENOENT);
	assert_int_equal(ftp_rundir_create(&a, config, 0x1a2b, &err), 0);
	assert_int_equal(strlen(a.id), strlen("20260131-120000-1a2b"));
	assert_string_equal(a.id + 16, "1a2b");
	assert_int_equal(ftp_rundir_latest(&latest, config->cluster.data_dir, &err), 0);
	assert_string_equal(latest.path, a.path);
	assert_int_equal(ftp_rundir_create(&b, config, 0x1a2c, &err), 0);
	assert_int_equal(ftp_rundir_latest(&latest, config->cluster.data_dir, &err), 0);
	assert_string_equal(latest.id, b.id);
	/* What was written is the same configuration. */
	ftp_rundir_file(&b, FTP_RUNDIR_CONFIG, path);
	assert_int_equal(ftp_config_load(&again, path, NULL, 0, &err), 0);
	assert_int_equal(ftp_config_digest(again).high, ftp_config_digest(config).high);
	assert_int_equal(ftp_config_digest(again).low, ftp_config_digest(config).low);
	ftp_config_free(again);
}

static void create__no_directory(void **state)
{
	char *kept = config->cluster.data_dir, file[80];
	struct ftp_rundir d;
	struct ftp_error err;

	(void)state;
	snprintf(file, sizeof(file), "%s/run.yaml/data", root);
	config->cluster.data_dir = file;
	assert_int_equal(ftp_rundir_create(&d, config, 1, &err), -ENOTDIR);
	assert_non_null(strstr(err.text, "cluster.data_dir"));
	config->cluster.data_dir = kept;
}

static void loss__rows(void **state)
{
	char path[FTP_PATHS_MAX], text[256] = "";
	struct ftp_rundir d;
	struct ftp_error err;
	struct ftp_lines l;
	FILE *back;

	(void)state;
	assert_int_equal(ftp_rundir_create(&d, config, 1, &err), 0);
	assert_int_equal(ftp_rundir_open_loss(&l, &d, &err), 0);
	ftp_rundir_add_loss(&l, 1, 2.3025850929940459);
	ftp_rundir_add_loss(&l, 2, 1e-12);
	ftp_rundir_add_loss(&l, 3, NAN);
	ftp_rundir_add_loss(&l, 4, INFINITY);
	assert_int_equal(ftp_lines_write(&l, &err), 0);
	/* Flushed: all is there while the file is still open. */
	ftp_rundir_file(&d, FTP_RUNDIR_LOSS, path);
	back = fopen(path, "r");
	assert_true(fread(text, 1, sizeof(text) - 1, back) > 0);
	assert_string_equal(text, "step,loss\n1,2.30258509\n2,1e-12\n3,nan\n4,inf\n");
	fclose(back);
	ftp_lines_close(&l);
	assert_int_equal(ftp_rundir_open_loss(&l, &d, &err), -EEXIST);
}

static void expect_file(const struct ftp_rundir *d, const char *name, const char *expected)
{
	char path[FTP_PATHS_MAX], text[512] = "";
	FILE *f;

	ftp_rundir_file(d, name, path);
	f = fopen(path, "r");
	assert_non_null(f);
	assert_true(fread(text, 1, sizeof(text) - 1, f) < sizeof(text));
	fclose(f);
	assert_string_equal(text, expected);
}

static void cut_loss__and_goes_on(void **state)
{
	struct ftp_rundir d;
	struct ftp_error err;
	struct ftp_lines l;

	(void)state;
	assert_int_equal(ftp_rundir_create(&d, config, 2, &err), 0);
	assert_int_equal(ftp_rundir_open_loss(&l, &d, &err), 0);
	for (uint64_t s = 1; s <= 12; s++)
		ftp_rundir_add_loss(&l, s, (double)s);
	assert_int_equal(ftp_rundir_cut_loss(&l, 10, &err), 0);
	assert_int_equal(ftp_rundir_cut_loss(&l, 2, &err), 0);
	ftp_rundir_add_loss(&l, 3, 0.5);
	assert_int_equal(ftp_lines_sync(&l, &err), 0);
	expect_file(&d, FTP_RUNDIR_LOSS, "step,loss\n1,1\n2,2\n3,0.5\n");
	assert_true(ftp_rundir_cut_loss(&l, 4, &err) < 0); /* it is not there */
	assert_int_equal(ftp_rundir_cut_loss(&l, 0, &err), 0);
	expect_file(&d, FTP_RUNDIR_LOSS, "step,loss\n");
	ftp_lines_close(&l);
}

static FILE *heard;
static int kept_stderr;

/* To what is logged. */
static void begin_listening(void)
{
	heard = tmpfile();
	assert_non_null(heard);
	kept_stderr = dup(STDERR_FILENO);
	assert_true(dup2(fileno(heard), STDERR_FILENO) >= 0);
}

static void end_listening(char *said, size_t bytes)
{
	size_t n;

	dup2(kept_stderr, STDERR_FILENO);
	close(kept_stderr);
	rewind(heard);
	n = fread(said, 1, bytes - 1, heard);
	said[n] = 0;
	fclose(heard);
}

/* What a power cut may leave at the end of the file. */
static void resume_loss__keeps_what_is_whole(void **state)
{
	static const struct {
		const char *found, *kept;
		uint64_t n_rows;
	} cases[] = {
		{"step,loss\n", "step,loss\n", 0},
		{"", "step,loss\n", 0},
		{"step,lo", "step,loss\n", 0},
		{"step,loss\n1,2.5\n2,nan\n3,inf\n", "step,loss\n1,2.5\n2,nan\n3,inf\n", 3},
		{"step,loss\n1,2.5\n2,1.2", "step,loss\n1,2.5\n", 1},
	};
	char path[FTP_PATHS_MAX], expected[512];
	struct ftp_rundir d;
	struct ftp_error err;

	(void)state;
	assert_int_equal(ftp_rundir_create(&d, config, 3, &err), 0);
	ftp_rundir_file(&d, FTP_RUNDIR_LOSS, path);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		double losses[4] = {0};
		uint64_t n_rows = 99;
		struct ftp_lines l;

		write_text(path, cases[i].found);
		assert_int_equal(ftp_rundir_resume_loss(&l, &d, losses, 4, &n_rows, &err), 0);
		assert_int_equal(n_rows, cases[i].n_rows);
		if (n_rows)
			assert_true(losses[1] == 2.5);
		ftp_rundir_add_loss(&l, n_rows + 1, 7);
		ftp_lines_close(&l);
		snprintf(expected, sizeof(expected), "%s%d,7\n", cases[i].kept, (int)n_rows + 1);
		expect_file(&d, FTP_RUNDIR_LOSS, expected);
	}
	ftp_rundir_file(&d, FTP_RUNDIR_LOSS ".damaged", path);
	assert_int_equal(access(path, F_OK), -1);
}

/* Rows that nobody tore: they may be mended by hand, and are kept until then, each time. */
static void resume_loss__keeps_what_is_damaged(void **state)
{
	static const struct {
		const char *found, *kept, *said;
		uint64_t n_rows;
	} cases[] = {
		{"step,loss\n1,2.5\n2,\n3,1\n", "step,loss\n1,2.5\n",
			"loss.csv, line 3: expected 2,LOSS, found '2,': ", 1},
		{"step,loss\n1,2.5\n3,1\n", "step,loss\n1,2.5\n",
			"line 3: expected 2,LOSS, found '3,1': ", 1},
		{"step,loss\n1,2.5\n2,1 \n", "step,loss\n1,2.5\n",
			"line 3: expected 2,LOSS, found '2,1 ': ", 1},
		{"step;loss\n1,2.5\n2,1\n", "step,loss\n",
			"line 1: expected step,loss, found 'step;loss': ", 0},
	};
	char path[FTP_PATHS_MAX], name[64], said[1024];
	struct ftp_rundir d;
	struct ftp_error err;

	(void)state;
	assert_int_equal(ftp_rundir_create(&d, config, 5, &err), 0);
	ftp_rundir_file(&d, FTP_RUNDIR_LOSS, path);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		double losses[4] = {0};
		uint64_t n_rows = 99;
		struct ftp_lines l;

		write_text(path, cases[i].found);
		begin_listening();
		assert_int_equal(ftp_rundir_resume_loss(&l, &d, losses, 4, &n_rows, &err), 0);
		end_listening(said, sizeof(said));
		assert_int_equal(n_rows, cases[i].n_rows);
		ftp_lines_close(&l);
		expect_file(&d, FTP_RUNDIR_LOSS, cases[i].kept);
		assert_non_null(strstr(said, cases[i].said));
		snprintf(
			name, sizeof(name), i ? "%s.%zu" : "%s", FTP_RUNDIR_LOSS ".damaged", i + 1);
		assert_non_null(strstr(said, name));
	}
	expect_file(&d, FTP_RUNDIR_LOSS ".damaged", cases[0].found);
	for (size_t i = 1; i < sizeof(cases) / sizeof(*cases); i++) {
		snprintf(name, sizeof(name), "%s.damaged.%zu", FTP_RUNDIR_LOSS, i + 1);
		expect_file(&d, name, cases[i].found);
	}
}

static void resume_events__without_a_torn_line(void **state)
{
	char path[FTP_PATHS_MAX];
	json_t *body = json_pack("{s:f}", "t", 4.0);
	struct ftp_rundir d;
	struct ftp_error err;
	double t_s;
	struct ftp_lines l;

	(void)state;
	assert_int_equal(ftp_rundir_create(&d, config, 4, &err), 0);
	assert_int_equal(ftp_rundir_resume_events(&l, &d, &t_s, &err), 0);
	assert_true(t_s == 0);
	ftp_lines_close(&l);
	ftp_rundir_file(&d, FTP_RUNDIR_EVENTS, path);
	write_text(path, "{\"t\":1.5,\"kind\":\"a\"}\n{\"t\":3.25,\"kind\":\"b\"}\n{\"t\":9,");
	assert_int_equal(ftp_rundir_resume_events(&l, &d, &t_s, &err), 0);
	assert_true(t_s == 3.25);
	ftp_rundir_add_event(&l, body);
	ftp_lines_close(&l);
	json_decref(body);
	expect_file(&d, FTP_RUNDIR_EVENTS,
		"{\"t\":1.5,\"kind\":\"a\"}\n{\"t\":3.25,\"kind\":\"b\"}\n{\"t\":4.0}\n");
}

static void journal__lost_or_damaged(void **state)
{
	json_t *journal = json_pack("{s:i}", "version", 1), *back;
	char path[FTP_PATHS_MAX];
	struct ftp_rundir d;
	struct ftp_error err;
	uint64_t run;

	(void)state;
	assert_int_equal(ftp_rundir_create(&d, config, 0xfedcba9876543210, &err), 0);
	assert_int_equal(ftp_rundir_read_run(&d, &run, &err), 0);
	assert_true(run == 0xfedcba9876543210);
	assert_int_equal(ftp_rundir_read_journal(&back, &d, &err), -ENOENT);
	assert_int_equal(ftp_rundir_write_journal(&d, journal, &err), 0);
	assert_int_equal(ftp_rundir_read_journal(&back, &d, &err), 0);
	assert_true(json_equal(journal, back));
	json_decref(back);
	json_decref(journal);
	ftp_rundir_file(&d, FTP_RUNDIR_JOURNAL, path);
	write_text(path, "{\"version\": 1");
	assert_int_equal(ftp_rundir_read_journal(&back, &d, &err), -EINVAL);
	assert_null(back);
	assert_non_null(strstr(err.text, FTP_RUNDIR_JOURNAL));
	ftp_rundir_file(&d, FTP_RUNDIR_RUN, path);
	write_text(path, "12\n");
	assert_int_equal(ftp_rundir_read_run(&d, &run, &err), -EINVAL);
}

static void summary__whole_or_not(void **state)
{
	json_t *summary = json_pack("{s:s, s:f}", "state", "completed", "final_loss", 0.1), *back;
	char draft[FTP_PATHS_MAX];
	struct ftp_rundir d;
	struct ftp_error err;

	(void)state;
	assert_int_equal(ftp_rundir_create(&d, config, 1, &err), 0);
	assert_null(ftp_rundir_read_summary(&d));
	assert_int_equal(ftp_rundir_write_summary(&d, summary, &err), 0);
	back = ftp_rundir_read_summary(&d);
	assert_true(json_equal(summary, back));
	ftp_rundir_file(&d, FTP_RUNDIR_SUMMARY ".new", draft);
	assert_int_equal(access(draft, F_OK), -1);
	json_decref(summary);
	json_decref(back);
}

static void last_words__of_whom(void **state)
{
	static const char log[] =
		"<6>2026-01-31T12:00:00.000Z n1: joined\n"
		"<3>2026-01-31T12:00:00.000Z n1: first\n"
		"<3>2026-01-31T12:00:00.000Z n1: the data are not there\n"
		"<3>2026-01-31T12:00:00.000Z n11: another's\n"
		"<4>2026-01-31T12:00:00.000Z n1: only a warning\n"
		"{\"time\":\"t\",\"level\":\"error\",\"who\":\"n2\",\"text\":\"in \\\"JSON\\\"\"}\n"
		"{\"time\":\"t\",\"level\":\"info\",\"who\":\"n2\",\"text\":\"no error\"}\n"
		"{broken\n"
		"garbage";
	char path[FTP_PATHS_MAX], text[64];
	struct ftp_rundir d;
	struct ftp_error err;

	(void)state;
	assert_int_equal(ftp_rundir_create(&d, config, 1, &err), 0);
	ftp_rundir_last_words(&d, "n1", text, sizeof(text));
	assert_string_equal(text, "");
	ftp_rundir_file(&d, FTP_RUNDIR_LOG, path);
	write_text(path, log);
	ftp_rundir_last_words(&d, "n1", text, sizeof(text));
	assert_string_equal(text, "the data are not there");
	ftp_rundir_last_words(&d, "n2", text, sizeof(text));
	assert_string_equal(text, "in \"JSON\"");
	ftp_rundir_last_words(&d, "n3", text, sizeof(text));
	assert_string_equal(text, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(create__switches_latest),
		cmocka_unit_test(create__no_directory),
		cmocka_unit_test(loss__rows),
		cmocka_unit_test(cut_loss__and_goes_on),
		cmocka_unit_test(resume_loss__keeps_what_is_whole),
		cmocka_unit_test(resume_loss__keeps_what_is_damaged),
		cmocka_unit_test(resume_events__without_a_torn_line),
		cmocka_unit_test(journal__lost_or_damaged),
		cmocka_unit_test(summary__whole_or_not),
		cmocka_unit_test(last_words__of_whom),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
