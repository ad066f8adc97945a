/* What a coordinator finds in its run's directory, and writes there. */
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ctl/coordinator_files.h"
#include "tests/ctl/past_journal.h"
#include "tests/ctl/small_disk.h"

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
	static const char *const names[] = {
		FTP_RUNDIR_LOSS, FTP_RUNDIR_JOURNAL, FTP_RUNDIR_EVENTS, FTP_RUNDIR_SUMMARY};
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
	struct ftp_coordinator_files f;
	char text[2 * sizeof(past_journal)], rows[256] = "step,loss\n";
	const char *at = strstr(past_journal, from);
	struct ftp_error err;
	bool is_resumed, found;

	assert_non_null(mkdtemp(dir.path));
	assert_non_null(at);
	snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - past_journal), past_journal, to,
		at + strlen(from));
	for (int i = 1; i <= n_rows; i++)
		snprintf(rows + strlen(rows), sizeof(rows) - strlen(rows), "%d,0.5\n", i);
	write_file(&dir, FTP_RUNDIR_LOSS, rows);
	write_file(&dir, FTP_RUNDIR_JOURNAL, text);
	assert_int_equal(
		ftp_coordinator_files_open(&f, &dir, PAST_RUN, past, &is_resumed, &err), 0);
	assert_true(is_resumed);
	assert_int_equal(past->n_rows, n_rows);
	found = past->journal;
	json_decref((json_t *)past->journal);
	ftp_coordinator_files_close(&f);
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

static struct ftp_rundir disk = {.path = "/tmp/ftp-files-XXXXXX"};
static struct ftp_coordinator_files files;
static uint64_t now_ns = FTP_NS_PER_S;

static void open_files(unsigned kib)
{
	struct ftp_coordinator_past *past = calloc(1, sizeof(*past));
	struct ftp_error err;
	bool is_resumed;

	strcpy(disk.path, "/tmp/ftp-files-XXXXXX");
	assert_non_null(mkdtemp(disk.path));
	if (kib)
		small_disk_mount(disk.path, kib);
	assert_int_equal(
		ftp_coordinator_files_open(&files, &disk, PAST_RUN, past, &is_resumed, &err), 0);
	assert_false(is_resumed);
	free(past);
}

static int do_one(enum ftp_action_kind kind, uint64_t step)
{
	struct ftp_action a = {.kind = kind, .step = step, .loss = 0.5};
	int rc;

	if (kind == FTP_ACTION_EVENT || kind == FTP_ACTION_JOURNAL || kind == FTP_ACTION_SUMMARY)
		a.body = json_pack("{s:i}", "t", (int)step);
	rc = ftp_coordinator_files_do(&files, &a, now_ns);
	json_decref(a.body);
	return rc;
}

static void expect_text(const char *name, const char *expected)
{
	char path[FTP_PATHS_MAX], text[4096] = "";
	FILE *f;

	ftp_rundir_file(&disk, name, path);
	f = fopen(path, "r");
	assert_non_null(f);
	assert_true(fread(text, 1, sizeof(text) - 1, f) < sizeof(text));
	fclose(f);
	if (!strstr(text, expected))
		fail_msg("%s: expected '%s' in '%s'", name, expected, text);
}

static bool is_there(const char *name)
{
	char path[FTP_PATHS_MAX];

	ftp_rundir_file(&disk, name, path);
	return !access(path, F_OK);
}

/* What must be durable first waits for room, what is told later is kept; then all is there. */
static void do__full_disk(void **state)
{
	char filler[FTP_PATHS_MAX];
	struct ftp_error err;

	(void)state;
	open_files(64);
	assert_int_equal(do_one(FTP_ACTION_ROW, 1), 0);
	assert_int_equal(do_one(FTP_ACTION_JOURNAL, 1), 0);
	expect_text(FTP_RUNDIR_LOSS, "step,loss\n1,0.5\n");
	ftp_rundir_file(&disk, "filler", filler);
	small_disk_fill(filler);
	for (uint64_t s = 2; s <= 2000; s++) {
		assert_int_equal(do_one(FTP_ACTION_ROW, s), 0);
		if (s % 100 == 0)
			assert_int_equal(do_one(FTP_ACTION_EVENT, s), 0);
		assert_int_equal(ftp_coordinator_files_flush(&files, now_ns, &err), 0);
	}
	assert_true(ftp_coordinator_files_waiting(&files) > 2000);
	assert_false(ftp_coordinator_files_has_rows(&files, now_ns));
	assert_int_equal(do_one(FTP_ACTION_JOURNAL, 2), 1);
	assert_int_equal(do_one(FTP_ACTION_CUT, 1990), 0);
	assert_int_equal(do_one(FTP_ACTION_SUMMARY, 3), 1);
	expect_text(FTP_RUNDIR_JOURNAL, "{\"t\":1}");
	assert_false(is_there(FTP_RUNDIR_SUMMARY));
	unlink(filler);
	assert_int_equal(do_one(FTP_ACTION_JOURNAL, 2), 0);
	assert_int_equal(do_one(FTP_ACTION_SUMMARY, 3), 0);
	assert_int_equal(ftp_coordinator_files_flush(&files, now_ns, &err), 0);
	assert_int_equal(ftp_coordinator_files_waiting(&files), 0);
	assert_true(ftp_coordinator_files_has_rows(&files, now_ns));
	expect_text(FTP_RUNDIR_JOURNAL, "{\"t\":2}");
	assert_true(is_there(FTP_RUNDIR_SUMMARY));
	ftp_coordinator_files_close(&files);
	small_disk_unmount(disk.path);
	forget(&disk);
}

/* Losses are kept whatever there are; of events only so many. */
static void do__full_disk_for_long(void **state)
{
	int loss_fd, events_fd, full = open("/dev/full", O_RDWR | O_CLOEXEC);
	struct ftp_error err;
	uint64_t n_rows = 0;

	(void)state;
	open_files(0);
	loss_fd = files.loss.fd;
	events_fd = files.events.fd;
	files.loss.fd = files.events.fd = full;
	while (!files.n_dropped) {
		do_one(FTP_ACTION_EVENT, ++n_rows);
		do_one(FTP_ACTION_ROW, n_rows);
	}
	assert_int_equal(ftp_coordinator_files_flush(&files, now_ns, &err), 0);
	assert_true(files.events.n_waiting < FTP_FILES_EVENT_BYTES + 100);
	files.loss.fd = loss_fd;
	files.events.fd = events_fd;
	close(full);
	assert_int_equal(ftp_coordinator_files_flush(&files, now_ns, &err), 0);
	assert_int_equal(do_one(FTP_ACTION_CUT, n_rows), 0); /* the last one is there */
	assert_int_equal(do_one(FTP_ACTION_EVENT, 1), 0);
	assert_int_equal(files.n_dropped, 1);
	ftp_coordinator_files_close(&files);
	forget(&disk);
}

/* What does not go by ends it, once; nothing is written then that something could follow from. */
static void do__broken_disk(void **state)
{
	struct ftp_error err;
	int fd;

	(void)state;
	open_files(0);
	fd = files.loss.fd;
	files.loss.fd = -1;
	assert_int_equal(do_one(FTP_ACTION_ROW, 1), 0);
	assert_int_equal(ftp_coordinator_files_flush(&files, now_ns, &err), -EIO);
	assert_non_null(strstr(err.text, FTP_RUNDIR_LOSS));
	assert_int_equal(ftp_coordinator_files_flush(&files, now_ns, &err), 0);
	assert_int_equal(do_one(FTP_ACTION_JOURNAL, 1), 0);
	assert_int_equal(do_one(FTP_ACTION_CUT, 0), 0);
	assert_false(is_there(FTP_RUNDIR_JOURNAL));
	assert_int_equal(do_one(FTP_ACTION_SUMMARY, 1), 0);
	assert_true(is_there(FTP_RUNDIR_SUMMARY));
	files.loss.fd = fd;
	ftp_coordinator_files_close(&files);
	forget(&disk);
}

static int sync_error; /* of the next one; 0: none */
static int n_syncs;

/* It takes the C library's place: no file system fails this when it is told to. */
int fdatasync(int fd)
{
	n_syncs++;
	errno = sync_error;
	sync_error = 0;
	return errno ? -1 : (int)syscall(SYS_fdatasync, fd);
}

/* What was not synced may be lost though the next attempt succeeds; so there is none, not even when
 * it was for want of room, which goes by. */
static void do__losses_that_could_not_be_synced(void **state)
{
	static const int errors[] = {EIO, ENOSPC, EDQUOT};
	struct ftp_error err;

	(void)state;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		open_files(0);
		assert_int_equal(do_one(FTP_ACTION_ROW, 1), 0);
		n_syncs = 0;
		sync_error = errors[i];
		assert_int_equal(do_one(FTP_ACTION_JOURNAL, 1), 0); /* not held */
		assert_int_equal(n_syncs, 1);
		assert_int_equal(ftp_coordinator_files_flush(&files, now_ns, &err), -EIO);
		assert_non_null(strstr(err.text, "cannot sync"));
		assert_non_null(strstr(err.text, FTP_RUNDIR_LOSS));
		assert_int_equal(do_one(FTP_ACTION_JOURNAL, 1), 0);
		assert_int_equal(n_syncs, 1);
		assert_false(is_there(FTP_RUNDIR_JOURNAL));
		ftp_coordinator_files_close(&files);
		forget(&disk);
	}
}

static void give_up__says_why(void **state)
{
	int fd, full = open("/dev/full", O_RDWR | O_CLOEXEC);
	struct ftp_error err;

	(void)state;
	open_files(0);
	fd = files.loss.fd;
	files.loss.fd = full;
	assert_int_equal(do_one(FTP_ACTION_ROW, 1), 0);
	assert_int_equal(do_one(FTP_ACTION_JOURNAL, 1), 1);
	ftp_coordinator_files_give_up(&files, 30 * FTP_NS_PER_S);
	assert_int_equal(do_one(FTP_ACTION_JOURNAL, 1), 0);
	assert_int_equal(ftp_coordinator_files_flush(&files, now_ns, &err), -EIO);
	assert_non_null(strstr(err.text, "no room for 30.0 s"));
	assert_non_null(strstr(err.text, "No space left on device"));
	assert_false(is_there(FTP_RUNDIR_JOURNAL));
	files.loss.fd = fd;
	close(full);
	ftp_coordinator_files_close(&files);
	forget(&disk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(open__journal_that_fits),
		cmocka_unit_test(open__journal_of_another_run),
		cmocka_unit_test(open__journal_that_contradicts_itself),
		cmocka_unit_test(open__journal_that_contradicts_the_rows),
		cmocka_unit_test(do__full_disk),
		cmocka_unit_test(do__full_disk_for_long),
		cmocka_unit_test(do__broken_disk),
		cmocka_unit_test(do__losses_that_could_not_be_synced),
		cmocka_unit_test(give_up__says_why),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
