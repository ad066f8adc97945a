/* The checkpoint on every real disk, a file system that is full and a file that may not grow among
 * them. */
#include "runtime/checkpoint.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/uring_disk.h"
#include "tests/base/check.h"
#include "tests/runtime/disk_kinds.h"

static struct ftp_checkpoint_event event_of(struct ftp_checkpoint *c, struct ftp_disk *d)
{
	struct ftp_checkpoint_event e, last = {.outcome = FTP_N_CHECKPOINT_OUTCOMES};

	while (ftp_checkpoint_is_busy(c)) {
		ftp_checkpoint_turn(c, d, FTP_DISK_N_BUFFERS, DISK_PATIENCE_NS);
		while (ftp_checkpoint_event(c, &e))
			last = e;
	}
	return last;
}

#define BYTES 3000001

static enum ftp_checkpoint_outcome put(
	struct ftp_checkpoint *c, struct ftp_disk *d, uint64_t step, uint8_t *bytes)
{
	struct ftp_checkpoint_entry e = {
		.unit = 4, .step = step, .term = 1, .bytes = BYTES, .data = bytes};
	struct ftp_checkpoint_event event;

	memset(bytes, (int)step, BYTES);
	e.digest = ftp_digest_of(bytes, BYTES);
	assert_int_equal(ftp_checkpoint_put(c, &e, 1), 0);
	event = event_of(c, d);
	if (event.outcome != FTP_CHECKPOINT_DONE)
		printf("%s: %s\n", d->mode.engine, event.text);
	return event.outcome;
}

static int get(struct ftp_checkpoint *c, uint64_t step, uint8_t *bytes)
{
	struct ftp_checkpoint_name name = {
		.run = 1, .term = 1, .step = step, .unit = 4, .bytes = BYTES};

	memset(bytes, (int)step, BYTES);
	name.digest = ftp_digest_of(bytes, BYTES);
	memset(bytes, 0xff, BYTES);
	return ftp_checkpoint_get(c, &name, bytes);
}

static void check_get(struct ftp_checkpoint *c, struct ftp_disk *d, uint64_t step, uint8_t *bytes)
{
	assert_int_equal(get(c, step, bytes), 0);
	assert_int_equal(event_of(c, d).outcome, FTP_CHECKPOINT_DONE);
	for (uint32_t i = 0; i < BYTES; i += 1000)
		assert_int_equal(bytes[i], (uint8_t)step);
}

static struct ftp_checkpoint *open_store(struct ftp_disk *d)
{
	struct ftp_checkpoint_spec spec = {.run = 1, .keep = 1};
	struct ftp_checkpoint *c;

	assert_int_equal(ftp_checkpoint_new(&c, &spec, d), 0);
	assert_int_equal(event_of(c, d).outcome, FTP_CHECKPOINT_DONE);
	return c;
}

static void remove_files(void)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -f %s/*", disk_directory);
	assert_int_equal(system(command), 0);
}

static void checkpoint__on_real_disks(void **state)
{
	static uint8_t bytes[BYTES];

	(void)state;
	for (size_t i = 0; i < N_DISK_KINDS; i++) {
		struct ftp_disk *d = disk_kinds[i].is_real ? disk_open(&disk_kinds[i]) : NULL;
		struct ftp_checkpoint *c;

		if (!d)
			continue;
		c = open_store(d);
		for (uint64_t step = 1; step <= 5; step++)
			assert_int_equal(put(c, d, step, bytes), FTP_CHECKPOINT_DONE);
		check_get(c, d, 5, bytes);
		ftp_checkpoint_free(c);
		d->ops->free(d);
		/* The next process may have another disk. */
		d = disk_open(&disk_kinds[DISK_PLAIN]);
		c = open_store(d);
		check_get(c, d, 5, bytes);
		assert_int_equal(get(c, 4, bytes), FTP_CHECKPOINT_ABSENT);
		ftp_checkpoint_free(c);
		d->ops->free(d);
		remove_files();
	}
}

/* Nobody would find again what is put into files that have no name. */
static void check_removed(const struct disk_kind *kind, const char *what)
{
	struct ftp_disk *d = kind->is_real ? disk_open(kind) : NULL;
	static uint8_t bytes[BYTES];
	struct ftp_checkpoint *c;
	char command[64];

	if (!d)
		return;
	c = open_store(d);
	for (uint64_t step = 1; step <= 2; step++)
		assert_int_equal(put(c, d, step, bytes), FTP_CHECKPOINT_DONE);
	snprintf(command, sizeof(command), "rm -r %s%s", disk_directory, what);
	assert_int_equal(system(command), 0);
	assert_int_equal(put(c, d, 3, bytes), FTP_CHECKPOINT_IO_ERROR); /* in the place of 1 */
	ftp_checkpoint_free(c);
	c = open_store(d); /* on the same disk: the directory is made again */
	assert_int_equal(get(c, 3, bytes), FTP_CHECKPOINT_ABSENT);
	assert_int_equal(put(c, d, 4, bytes), FTP_CHECKPOINT_DONE);
	ftp_checkpoint_free(c);
	d->ops->free(d);
	d = disk_open(&disk_kinds[DISK_PLAIN]);
	c = open_store(d);
	check_get(c, d, 4, bytes);
	ftp_checkpoint_free(c);
	d->ops->free(d);
	remove_files();
}

static void checkpoint__removed(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_DISK_KINDS; i++) {
		check_removed(&disk_kinds[i], "");
		check_removed(&disk_kinds[i], "/manifest");
		check_removed(&disk_kinds[i], "/segment-00000000");
	}
}

/* RLIMIT_FSIZE makes the kernel's own error of a write, EFBIG, in the middle of a new segment. */
static void checkpoint__file_may_not_grow(void **state)
{
	const struct rlimit small = {.rlim_cur = 366 * 4096, .rlim_max = RLIM_INFINITY};
	const struct rlimit none = {.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
	static uint8_t bytes[BYTES];

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	for (size_t i = 0; i < N_DISK_KINDS; i++) {
		struct ftp_disk *d = disk_kinds[i].is_real ? disk_open(&disk_kinds[i]) : NULL;
		struct ftp_checkpoint *c;

		if (!d)
			continue;
		c = open_store(d);
		assert_int_equal(put(c, d, 1, bytes), FTP_CHECKPOINT_DONE);
		setrlimit(RLIMIT_FSIZE, &small);
		assert_int_equal(put(c, d, 2, bytes), FTP_CHECKPOINT_NO_SPACE);
		setrlimit(RLIMIT_FSIZE, &none);
		check_get(c, d, 1, bytes);
		assert_int_equal(put(c, d, 3, bytes), FTP_CHECKPOINT_DONE);
		check_get(c, d, 3, bytes);
		ftp_checkpoint_free(c);
		d->ops->free(d);
		remove_files();
	}
}

/* A file system of a few MB, in a mount namespace of our own; needs root. */
static void checkpoint__full_file_system(void **state)
{
	static uint8_t bytes[BYTES];

	(void)state;
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
		mount("tmpfs", disk_directory, "tmpfs", 0, "size=6m")) {
		printf("no mount of our own: %s\n", strerror(errno));
		skip();
	}
	for (size_t i = 0; i < N_DISK_KINDS; i++) {
		struct ftp_disk *d = disk_kinds[i].is_real ? disk_open(&disk_kinds[i]) : NULL;
		struct ftp_checkpoint_totals totals;
		struct ftp_checkpoint *c;

		if (!d)
			continue;
		c = open_store(d);
		assert_int_equal(put(c, d, 1, bytes), FTP_CHECKPOINT_DONE);
		for (uint64_t step = 2; step < 5; step++)
			assert_int_equal(put(c, d, step, bytes), FTP_CHECKPOINT_NO_SPACE);
		check_get(c, d, 1, bytes);
		ftp_checkpoint_totals(c, &totals);
		assert_int_equal(totals.n_segments, 1); /* what did not fit was given back */
		assert_int_equal(mount(NULL, disk_directory, NULL, MS_REMOUNT, "size=20m"), 0);
		assert_int_equal(put(c, d, 6, bytes), FTP_CHECKPOINT_DONE);
		check_get(c, d, 6, bytes);
		ftp_checkpoint_free(c);
		d->ops->free(d);
		remove_files();
		assert_int_equal(mount(NULL, disk_directory, NULL, MS_REMOUNT, "size=6m"), 0);
	}
	umount(disk_directory);
}

/* Too little locked memory for an ordinary user: it works without registered buffers. */
static void open__memlock(void **state)
{
	const struct rlimit tiny = {.rlim_cur = 65536, .rlim_max = 65536};
	static uint8_t bytes[BYTES];
	struct ftp_checkpoint *c;
	struct ftp_disk *d;

	(void)state;
	if (geteuid() == 0 && (chmod(disk_directory, 0777) || seteuid(65534)))
		skip();
	setrlimit(RLIMIT_MEMLOCK, &tiny);
	if (ftp_uring_disk_new(&d, disk_directory, true, NULL))
		skip();
	assert_false(d->mode.has_registered_buffers);
	c = open_store(d);
	assert_int_equal(put(c, d, 1, bytes), FTP_CHECKPOINT_DONE);
	check_get(c, d, 1, bytes);
	ftp_checkpoint_free(c);
	d->ops->free(d);
	remove_files();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(checkpoint__on_real_disks),
		cmocka_unit_test(checkpoint__removed),
		cmocka_unit_test(checkpoint__file_may_not_grow),
		cmocka_unit_test(checkpoint__full_file_system),
		cmocka_unit_test(open__memlock),
	};

	check_seed();
	return cmocka_run_group_tests(tests, disk_make_directory, disk_remove_directory);
}
