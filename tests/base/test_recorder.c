#include "runtime/base/recorder.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/magic.h>

#include "runtime/base/prng.h"
#include "runtime/base/shm.h"
#include "tests/base/check.h"

static char dir[] = "/tmp/test_recorder.XXXXXX", path[64], old[64];
static char home[] = FTP_SHM_HOME "/test_recorder.XXXXXX";

static struct ftp_recorder *begin(void)
{
	struct ftp_recorder *r;
	struct ftp_error err;

	assert_int_equal(ftp_recorder_open(&r, home, dir, "n1", &err), 0);
	return r;
}

static void note(struct ftp_recorder *r, uint64_t i)
{
	ftp_recorder_note(r, FTP_RECORDER_WORKER, FTP_RECORD_STEP, 1000 + i, "", i, 7);
}

static struct ftp_flight read_flight(const char *from)
{
	struct ftp_flight f;
	struct ftp_error err;

	if (ftp_flight_read(&f, from, &err))
		fail_msg("%s", err.text);
	return f;
}

static void note__both_rings_by_time(void **state)
{
	struct ftp_recorder *r = begin();
	struct ftp_flight f;
	char *text = NULL;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);

	(void)state;
	ftp_recorder_note(NULL, FTP_RECORDER_WORKER, FTP_RECORD_STEP, 1, "", 1, 1);
	ftp_recorder_note(r, FTP_RECORDER_CONTROL, FTP_RECORD_CALL, 2000, "node.halt", 1, 2);
	ftp_recorder_note(r, FTP_RECORDER_WORKER, FTP_RECORD_STATE, 1000,
		"a text that is longer than a record", 3, 57);
	f = read_flight(path);
	assert_int_equal(f.n, 2);
	assert_int_equal(f.n_noted, 2);
	assert_int_equal(f.n_broken, 0);
	assert_false(f.is_ended);
	assert_string_equal(f.head.who, "n1");
	assert_int_equal(f.head.pid, getpid());
	assert_int_equal(strlen(f.head.started), 24);
	f.head.started_ns = 0;
	ftp_flight_print(out, &f, 0);
	fputc('\n', out);
	ftp_flight_print(out, &f, 1);
	fclose(out);
	assert_string_equal(text, "    0.000001 s  worker   plans a text that is longer t, term "
				  "3, step 57\n"
				  "    0.000002 s  control  called node.halt");
	free(text);
	ftp_flight_free(&f);
	ftp_recorder_close(r, true);
	f = read_flight(path);
	assert_true(f.is_ended);
	ftp_flight_free(&f);
}

static void note__the_newest_are_kept(void **state)
{
	struct ftp_recorder *r = begin();
	struct ftp_flight f;

	(void)state;
	for (uint64_t i = 0; i < 3 * FTP_RECORDER_RECORDS + 5; i++)
		note(r, i);
	f = read_flight(path);
	assert_int_equal(f.n, FTP_RECORDER_RECORDS);
	assert_int_equal(f.n_noted, 3 * FTP_RECORDER_RECORDS + 5);
	for (uint32_t i = 0; i < f.n; i++)
		assert_int_equal(f.records[i].record.value[0], 2 * FTP_RECORDER_RECORDS + 5 + i);
	ftp_flight_free(&f);
	ftp_recorder_close(r, false);
}

static void open__the_one_before_is_kept(void **state)
{
	struct ftp_recorder *r = begin();
	struct ftp_flight f;

	(void)state;
	note(r, 1);
	ftp_recorder_close(r, false);
	ftp_recorder_close(begin(), false);
	f = read_flight(old);
	assert_int_equal(f.n, 1);
	assert_false(f.is_ended);
	ftp_flight_free(&f);
	f = read_flight(path);
	assert_int_equal(f.n, 0);
	ftp_flight_free(&f);
}

/* A process that is killed while it notes as fast as it can. All that it noted before it said so
 * is there, and nothing is torn. */
static void note__survives_kill_9(void **state)
{
	(void)state;
	for (int round = 0; round < 20; round++) {
		struct ftp_flight f;
		uint64_t told = 0;
		int fds[2], status;
		pid_t pid;

		assert_int_equal(pipe(fds), 0);
		pid = fork();
		if (!pid) {
			struct ftp_recorder *r = begin();

			for (uint64_t i = 0;; i++) {
				note(r, i);
				if (i == 5000 * (uint64_t)(round + 1) &&
					write(fds[1], &i, sizeof(i)) != sizeof(i))
					_exit(1);
			}
		}
		assert_int_equal(read(fds[0], &told, sizeof(told)), sizeof(told));
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
		close(fds[0]);
		close(fds[1]);
		f = read_flight(path);
		assert_true(f.n_noted > told);
		assert_true(f.n >= FTP_RECORDER_RECORDS - 1); /* one may have been under way */
		assert_int_equal(f.n_broken, 0);
		for (uint32_t i = 0; i < f.n; i++) {
			const struct ftp_record *x = &f.records[i].record;

			assert_int_equal(x->value[0], x->sequence - 1);
			assert_int_equal(x->at_ns, 1000 + x->value[0]);
		}
		ftp_flight_free(&f);
	}
}

static bool is_in_memory(void)
{
	struct statfs fs;

	assert_int_equal(statfs(path, &fs), 0);
	return fs.f_type == TMPFS_MAGIC;
}

static bool is_link(void)
{
	struct stat s;

	assert_int_equal(lstat(path, &s), 0);
	return S_ISLNK(s.st_mode);
}

/* A store to a mapped file of a disk waits for that. */
static void open__in_memory_until_it_is_moved(void **state)
{
	struct ftp_recorder *r = begin();
	struct ftp_flight f;

	(void)state;
	assert_true(is_in_memory() && is_link());
	note(r, 1);
	ftp_shm_sweep(home, dir);
	assert_true(is_link()); /* it lives */
	ftp_recorder_close(r, true);
	ftp_shm_sweep(home, dir);
	assert_false(is_link());
	f = read_flight(path);
	assert_int_equal(f.n, 2);
	ftp_flight_free(&f);
	ftp_recorder_close(begin(), true);
	f = read_flight(old);
	assert_int_equal(f.n, 2);
	ftp_flight_free(&f);
}

static void open__on_disk_where_there_is_no_memory(void **state)
{
	static const char *const homes[] = {"/nowhere", "/proc"};

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct ftp_recorder *r;
		struct ftp_flight f;
		struct ftp_error err;

		assert_int_equal(
			ftp_recorder_open(&r, homes[i], dir, "n1", &err), FTP_RECORDER_ON_DISK);
		assert_non_null(strstr(err.text, homes[i]));
		assert_false(is_link());
		note(r, 1);
		f = read_flight(path);
		assert_int_equal(f.n, 1);
		ftp_flight_free(&f);
		ftp_recorder_close(r, true);
	}
}

static void open__where_it_cannot(void **state)
{
	struct ftp_recorder *r;
	struct ftp_error err;

	(void)state;
	ftp_shm_sweep(home, dir);
	assert_int_equal(ftp_recorder_open(&r, home, "/nowhere", "n1", &err), -ENOENT);
	assert_non_null(strstr(err.text, "/nowhere/flight-n1"));
	ftp_recorder_close(NULL, true);
	assert_int_equal(rmdir(home), 0); /* nothing is left there */
	assert_int_equal(mkdir(home, 0700), 0);
}

/* As after a restart of the machine; then something else under its name. */
static void read__what_is_gone_from_memory(void **state)
{
	struct ftp_flight f;
	struct ftp_error err;
	char name[128] = "";

	(void)state;
	ftp_recorder_close(begin(), true);
	assert_true(readlink(path, name, sizeof(name) - 1) > 0);
	assert_int_equal(unlink(name), 0);
	assert_int_equal(ftp_flight_read(&f, path, &err), -ENOENT);
	assert_non_null(strstr(err.text, "the machine was started again"));
	assert_int_equal(mkfifo(name, 0600), 0);
	assert_int_equal(ftp_flight_read(&f, path, &err), -EINVAL);
	assert_int_equal(unlink(name), 0);
}

static void damage(off_t at, uint8_t byte)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	close(fd);
}

static void expect_refusal(const char *why)
{
	struct ftp_flight f;
	struct ftp_error err;

	assert_int_equal(ftp_flight_read(&f, path, &err), -EINVAL);
	if (!strstr(err.text, why))
		fail_msg("'%s' is not in: %s", why, err.text);
}

static void read__what_is_no_flight(void **state)
{
	struct ftp_flight f;
	struct ftp_error err;

	(void)state;
	assert_int_equal(ftp_flight_read(&f, "/nowhere/flight", &err), -ENOENT);
	ftp_recorder_close(begin(), true);
	damage(8, 99);
	expect_refusal("version 99; this is version 1");
	damage(8, 1);
	damage(12, 65);
	expect_refusal("its head is damaged");
	damage(0, 'x');
	expect_refusal("no flight recorder");
	ftp_recorder_close(begin(), true);
	for (off_t n = 0; n < 3; n++) {
		assert_int_equal(truncate(path, n ? 128 + 70000 / n : 100), 0);
		expect_refusal("cut off");
		ftp_recorder_close(begin(), true);
	}
}

static void damage_one(uint64_t key, uint64_t *at)
{
	off_t place = 128 + (off_t)ftp_prng_below(key, (*at)++, 64 * 2048);

	damage(place, (uint8_t)ftp_prng_below(key, (*at)++, 256));
}

/* Whatever is in it: no more than the records there are, and every one can be printed. */
static void read__random_damage(void **state)
{
	uint64_t key = ftp_prng_key(check_seed(), FTP_PRNG_TEST, 0), at = 0;
	FILE *null = fopen("/dev/null", "w");
	uint32_t n_broken = 0;
	struct ftp_flight f;

	(void)state;
	for (int round = 0; round < 50; round++) {
		struct ftp_recorder *r = begin();

		for (uint64_t i = 0; i < 1500; i++)
			note(r, i);
		ftp_recorder_close(r, true);
		for (int i = 0; i < 200; i++)
			damage_one(key, &at);
		f = read_flight(path);
		assert_true(f.n + f.n_broken <= 2 * FTP_RECORDER_RECORDS);
		n_broken += f.n_broken;
		for (uint32_t i = 0; i < f.n; i++)
			ftp_flight_print(null, &f, i);
		ftp_flight_free(&f);
	}
	assert_true(n_broken > 100);
	fclose(null);
}

static int make_dir(void **state)
{
	(void)state;
	if (!mkdtemp(dir) || !mkdtemp(home))
		return -1;
	snprintf(path, sizeof(path), "%s/flight-n1", dir);
	snprintf(old, sizeof(old), "%s/flight-n1.old", dir);
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	ftp_shm_sweep(home, dir);
	unlink(path);
	unlink(old);
	return rmdir(home) || rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(note__both_rings_by_time),
		cmocka_unit_test(note__the_newest_are_kept),
		cmocka_unit_test(open__the_one_before_is_kept),
		cmocka_unit_test(note__survives_kill_9),
		cmocka_unit_test(open__in_memory_until_it_is_moved),
		cmocka_unit_test(open__on_disk_where_there_is_no_memory),
		cmocka_unit_test(open__where_it_cannot),
		cmocka_unit_test(read__what_is_gone_from_memory),
		cmocka_unit_test(read__what_is_no_flight),
		cmocka_unit_test(read__random_damage),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
