/* What a coordinator finds in its run's directory. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/coordinator_files.h"
#include "tests/base/check.h"

#define RUN 7

static const char journal[] =
	"{\"version\": 3, \"run\": \"0000000000000007\", \"last_term\": 1, \"old_term\": 0,"
	"\"plan_step\": 0, \"plan_term\": 1, \"last_step\": 9, \"isa\": \"avx2\", \"train_s\": 1,"
	"\"outcome\": 0, \"reason\": \"\", \"params_digest\": \"\", \"fatal_step\": 0,"
	"\"fatal_stable\": 0, \"n_fatal\": 0, \"n_recoveries\": 0, \"n_committed\": 0,"
	"\"n_abandoned\": 0, \"n_lost_steps\": 0, \"n_cut_rows\": 0,"
	"\"dataset\": \"00000000000000010000000000000002\", \"n_train\": 9, \"n_test\": 9,"
	"\"stable_step\": 0, \"disk_step\": 0, \"disk_term\": 0, \"back_step\": 0, \"digest\": [],"
	"\"forgotten_term\": 0, \"begun_term\": [], \"begun_step\": [], \"plan\": null,"
	"\"evaluation\": null, \"nodes\": [], \"plans\": [], \"changes\": [],"
	"\"recoveries\": []}";

static void write_file(const struct ftp_rundir *dir, const char *name, const char *text)
{
	char path[FTP_PATHS_MAX];
	FILE *f;

	ftp_rundir_file(dir, name, path);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void forget(const struct ftp_rundir *dir)
{
	static const char *const names[] = {FTP_RUNDIR_LOSS, FTP_RUNDIR_JOURNAL, FTP_RUNDIR_EVENTS};
	char path[FTP_PATHS_MAX];

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		ftp_rundir_file(dir, names[i], path);
		unlink(path);
	}
	rmdir(dir->path);
}

/* from is replaced by to in the journal; n_rows rows are there. Is it believed? */
static bool is_believed(const char *from, const char *to, int n_rows)
{
	struct ftp_coordinator_past *past = calloc(1, sizeof(*past));
	struct ftp_rundir dir = {.path = "/tmp/ftp-files-XXXXXX"};
	struct ftp_coordinator_files files;
	char text[2 * sizeof(journal)], rows[256] = "step,loss\n";
	const char *at = strstr(journal, from);
	struct ftp_error err;
	bool is_resumed, found;

	assert_non_null(mkdtemp(dir.path));
	assert_non_null(at);
	snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - journal), journal, to,
		at + strlen(from));
	for (int i = 1; i <= n_rows; i++)
		snprintf(rows + strlen(rows), sizeof(rows) - strlen(rows), "%d,0.5\n", i);
	write_file(&dir, FTP_RUNDIR_LOSS, rows);
	write_file(&dir, FTP_RUNDIR_JOURNAL, text);
	assert_int_equal(ftp_coordinator_files_open(&files, &dir, RUN, past, &is_resumed, &err), 0);
	assert_true(is_resumed);
	assert_int_equal(past->n_rows, n_rows);
	found = past->journal;
	json_decref((json_t *)past->journal);
	ftp_coordinator_files_close(&files);
	forget(&dir);
	free(past);
	return found;
}

static void open__journal_that_fits(void **state)
{
	(void)state;
	assert_true(is_believed("", "", 0));
	assert_true(is_believed("", "", 9));
}

static void open__journal_of_another_run(void **state)
{
	(void)state;
	assert_false(is_believed("0007", "0008", 3));
}

static void open__journal_that_contradicts_itself(void **state)
{
	(void)state;
	assert_false(is_believed("\"outcome\": 0", "\"outcome\": 3", 3));
	assert_false(is_believed("\"recoveries\": []", "\"recoveries\": 0", 3));
}

static void open__journal_that_contradicts_the_rows(void **state)
{
	(void)state;
	assert_false(is_believed("\"last_step\": 9", "\"last_step\": 8", 9));
	assert_true(is_believed("\"plan_term\": 1", "\"plan_term\": 0", 0));
	assert_false(is_believed("\"plan_term\": 1", "\"plan_term\": 0", 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(open__journal_that_fits),
		cmocka_unit_test(open__journal_of_another_run),
		cmocka_unit_test(open__journal_that_contradicts_itself),
		cmocka_unit_test(open__journal_that_contradicts_the_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
