/* A directory as tools see it: written by a store on a real disk, then listed, damaged, verified
 * and cleaned up, by the library and by ftpctl. */
#include "runtime/checkpoint_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/plain_disk.h"
#include "tests/base/check.h"

static char directory[] = "test-checkpoint-dir-XXXXXX";

/* Three steps of two units, of which two are kept. */
static void write_some(void)
{
	const struct ftp_checkpoint_spec spec = {.run = 0xabc, .keep = 2};
	static uint8_t bytes[300000];
	struct ftp_checkpoint *c;
	struct ftp_checkpoint_event e;
	struct ftp_disk *disk;

	assert_int_equal(ftp_plain_disk_new(&disk, directory, false, NULL), 0);
	assert_int_equal(ftp_checkpoint_new(&c, &spec, disk), 0);
	while (!ftp_checkpoint_event(c, &e))
		ftp_checkpoint_turn(c, disk, 16, 0);
	for (uint64_t step = 10; step <= 30; step += 10) {
		struct ftp_checkpoint_entry entries[2];

		memset(bytes, (int)step, sizeof(bytes));
		for (uint32_t u = 0; u < 2; u++)
			entries[u] = (struct ftp_checkpoint_entry){.unit = u,
				.step = step,
				.term = 1,
				.bytes = sizeof(bytes),
				.data = bytes,
				.digest = ftp_digest_of(bytes, sizeof(bytes))};
		assert_int_equal(ftp_checkpoint_put(c, entries, 2), 0);
		while (ftp_checkpoint_is_busy(c))
			ftp_checkpoint_turn(c, disk, 16, 0);
		assert_true(ftp_checkpoint_event(c, &e));
		assert_int_equal(e.outcome, FTP_CHECKPOINT_DONE);
	}
	ftp_checkpoint_free(c);
	disk->ops->free(disk);
}

static int n_good(enum ftp_checkpoint_dir_mode mode)
{
	struct ftp_checkpoint_totals totals;
	struct ftp_checkpoint_dir d;
	enum ftp_checkpoint_record_state state;
	int n = 0;

	assert_int_equal(ftp_checkpoint_dir_open(&d, directory, mode, NULL), 0);
	ftp_checkpoint_totals(d.store, &totals);
	assert_int_equal(totals.run, 0xabc);
	assert_int_equal(totals.n_records, 4);
	for (uint32_t i = 0; i < totals.n_records; i++) {
		ftp_checkpoint_record_at(d.store, i, &state);
		n += state == FTP_CHECKPOINT_GOOD;
	}
	ftp_checkpoint_dir_close(&d);
	return n;
}

static void flip(const char *name, off_t at)
{
	char path[128];
	uint8_t byte;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= 1;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	close(fd);
}

static int ftpctl(const char *verb)
{
	char command[512];
	int status;

	snprintf(command, sizeof(command), "%s ckpt %s %s --json >ckpt.json 2>/dev/null",
		getenv("FTPCTL"), verb, directory);
	status = system(command);
	unlink("ckpt.json");
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void open__nothing(void **state)
{
	struct ftp_checkpoint_dir d;
	struct ftp_error err;
	struct stat st;

	(void)state;
	for (int mode = 0; mode <= FTP_CHECKPOINT_DIR_WRITE; mode++) {
		assert_int_equal(ftp_checkpoint_dir_open(
					 &d, directory, (enum ftp_checkpoint_dir_mode)mode, &err),
			-ENODATA);
		assert_int_equal(ftp_checkpoint_dir_open(
					 &d, "nowhere", (enum ftp_checkpoint_dir_mode)mode, &err),
			-ENOENT);
	}
	assert_int_not_equal(stat("nowhere", &st), 0);
	assert_int_equal(ftpctl("list"), 1);
}

static void open__whole_then_damaged(void **state)
{
	(void)state;
	write_some();
	assert_int_equal(n_good(FTP_CHECKPOINT_DIR_LOOK), 4);
	assert_int_equal(n_good(FTP_CHECKPOINT_DIR_VERIFY), 4);
	assert_int_equal(ftpctl("list"), 0);
	assert_int_equal(ftpctl("verify"), 0);
	flip("segment-00000001", 100000);
	assert_int_equal(n_good(FTP_CHECKPOINT_DIR_LOOK), 4); /* headers are not enough */
	assert_int_equal(n_good(FTP_CHECKPOINT_DIR_VERIFY), 3);
	assert_int_equal(ftpctl("verify"), 4);
	flip("segment-00000001", 100000);
	assert_int_equal(ftpctl("verify"), 0);
}

static void trim__keeps_what_counts(void **state)
{
	struct ftp_checkpoint_dir d, other;
	struct ftp_error err;

	(void)state;
	assert_int_equal(ftp_checkpoint_dir_open(&d, directory, FTP_CHECKPOINT_DIR_WRITE, &err), 0);
	assert_int_equal(
		ftp_checkpoint_dir_open(&other, directory, FTP_CHECKPOINT_DIR_WRITE, &err), -EBUSY);
	assert_int_equal(ftpctl("gc"), 1); /* in use */
	assert_true(ftp_checkpoint_dir_trim(&d, &err) >= 0);
	ftp_checkpoint_dir_close(&d);
	assert_int_equal(n_good(FTP_CHECKPOINT_DIR_VERIFY), 4);
	assert_int_equal(ftpctl("gc"), 0);
	assert_int_equal(n_good(FTP_CHECKPOINT_DIR_VERIFY), 4);
}

static void trim__without_a_manifest(void **state)
{
	struct ftp_checkpoint_dir d;
	struct ftp_error err;

	(void)state;
	flip("manifest", 70);
	flip("manifest", FTP_CHECKPOINT_SLOT_BYTES + 70);
	assert_int_equal(ftpctl("list"), 4);
	assert_int_equal(ftp_checkpoint_dir_open(&d, directory, FTP_CHECKPOINT_DIR_WRITE, &err), 0);
	assert_int_equal(ftp_checkpoint_dir_trim(&d, &err), -EBADMSG);
	ftp_checkpoint_dir_close(&d);
	flip("manifest", 70);
	flip("manifest", FTP_CHECKPOINT_SLOT_BYTES + 70);
	assert_int_equal(n_good(FTP_CHECKPOINT_DIR_VERIFY), 4);
}

static int make_directory(void **state)
{
	(void)state;
	return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", directory);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(open__nothing),
		cmocka_unit_test(open__whole_then_damaged),
		cmocka_unit_test(trim__keeps_what_counts),
		cmocka_unit_test(trim__without_a_manifest),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
