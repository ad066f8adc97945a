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
	FILE *f, *back;

	(void)state;
	assert_int_equal(ftp_rundir_create(&d, config, 1, &err), 0);
	assert_int_equal(ftp_rundir_open_loss(&f, &d, &err), 0);
	ftp_rundir_add_loss(f, 1, 2.3025850929940459);
	ftp_rundir_add_loss(f, 2, 1e-12);
	ftp_rundir_add_loss(f, 3, NAN);
	ftp_rundir_add_loss(f, 4, INFINITY);
	assert_int_equal(ftp_rundir_flush(f, FTP_RUNDIR_LOSS, &err), 0);
	/* Flushed: all is there while the file is still open. */
	ftp_rundir_file(&d, FTP_RUNDIR_LOSS, path);
	back = fopen(path, "r");
	assert_true(fread(text, 1, sizeof(text) - 1, back) > 0);
	assert_string_equal(text, "step,loss\n1,2.30258509\n2,1e-12\n3,nan\n4,inf\n");
	fclose(back);
	fclose(f);
	assert_int_equal(ftp_rundir_open_loss(&f, &d, &err), -EEXIST);
}

static void loss__disk_full(void **state)
{
	FILE *f = fopen("/dev/full", "w");
	struct ftp_error err;

	(void)state;
	ftp_rundir_add_loss(f, 1, 1);
	assert_int_equal(ftp_rundir_flush(f, FTP_RUNDIR_LOSS, &err), -ENOSPC);
	assert_string_equal(err.text, "cannot write loss.csv: No space left on device");
	fclose(f);
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
		cmocka_unit_test(loss__disk_full),
		cmocka_unit_test(summary__whole_or_not),
		cmocka_unit_test(last_words__of_whom),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
