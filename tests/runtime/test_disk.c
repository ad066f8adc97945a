/* One suite over every disk: what the seam promises, the simulated one included; then the
 * checkpoint on the real ones, a file system that is full and a file that may not grow among them.
 */
#include "runtime/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/checkpoint.h"
#include "runtime/plain_disk.h"
#include "runtime/thread_disk.h"
#include "runtime/uring_disk.h"
#include "tests/base/check.h"
#include "tests/runtime/simulated_disk.h"

#define PATIENCE_NS (20 * FTP_NS_PER_S)

static char directory[] = "test-disk-XXXXXX"; /* in the working directory: seldom a tmpfs */

static int open_plain(struct ftp_disk **out, const char *path)
{
	return ftp_plain_disk_new(out, path, false, NULL);
}

static int open_thread(struct ftp_disk **out, const char *path)
{
	return ftp_thread_disk_new(out, path, false, NULL);
}

static int open_thread_direct(struct ftp_disk **out, const char *path)
{
	return ftp_thread_disk_new(out, path, true, NULL);
}

static int open_uring(struct ftp_disk **out, const char *path)
{
	return ftp_uring_disk_new(out, path, false, NULL);
}

static int open_uring_direct(struct ftp_disk **out, const char *path)
{
	return ftp_uring_disk_new(out, path, true, NULL);
}

static int open_simulated(struct ftp_disk **out, const char *path)
{
	(void)path;
	*out = simulated_disk_seam(simulated_disk_new(check_seed()));
	return 0;
}

static const struct kind {
	const char *name;
	int (*open)(struct ftp_disk **out, const char *path);
	bool is_real;
} kinds[] = {
	{"simulated", open_simulated, false},
	{"plain", open_plain, true},
	{"thread", open_thread, true},
	{"thread, direct", open_thread_direct, true},
	{"io_uring", open_uring, true},
	{"io_uring, direct", open_uring_direct, true},
};
#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* NULL: this system does not allow it. */
static struct ftp_disk *open_kind(const struct kind *k)
{
	struct ftp_disk *d;
	int rc = k->open(&d, directory);

	if (rc) {
		printf("%s: %s: left out\n", k->name, strerror(-rc));
		return NULL;
	}
	return d;
}

static int64_t result_of(struct ftp_disk *d, struct ftp_disk_op op)
{
	struct ftp_disk_completion done;

	op.tag = 7;
	d->ops->submit(d, &op);
	assert_int_equal(d->ops->reap(d, &done, 1, PATIENCE_NS), 1);
	assert_int_equal(done.tag, 7);
	return done.result;
}

static int64_t named(
	struct ftp_disk *d, enum ftp_disk_op_kind kind, uint32_t file, const char *name)
{
	struct ftp_disk_op op = {.kind = kind, .file = file};

	strcpy(op.name, name);
	return result_of(d, op);
}

static int64_t data(struct ftp_disk *d, enum ftp_disk_op_kind kind, uint32_t buffer,
	uint32_t buffer_offset, uint32_t bytes, uint64_t offset)
{
	return result_of(d, (struct ftp_disk_op){.kind = kind,
				    .file = 3,
				    .buffer = buffer,
				    .buffer_offset = buffer_offset,
				    .bytes = bytes,
				    .offset = offset});
}

static void check_files(struct ftp_disk *d)
{
	struct ftp_disk_entry entries[4];
	const struct ftp_disk_op list = {
		.kind = FTP_DISK_LIST, .entries = entries, .max_entries = 4};

	assert_int_equal(result_of(d, list), 0);
	assert_int_equal(named(d, FTP_DISK_OPEN, 3, "a"), -ENOENT);
	assert_int_equal(named(d, FTP_DISK_CREATE, 3, "a"), 0);
	memset(ftp_disk_buffer(d, 1), 'x', 8192);
	assert_int_equal(data(d, FTP_DISK_WRITE, 1, 0, 8192, 4096), 8192);
	assert_int_equal(result_of(d, (struct ftp_disk_op){.kind = FTP_DISK_SYNC, .file = 3}), 0);
	assert_int_equal(result_of(d, (struct ftp_disk_op){.kind = FTP_DISK_SYNC_DIR}), 0);
	assert_int_equal(result_of(d, list), 1);
	assert_string_equal(entries[0].name, "a");
	assert_int_equal(entries[0].bytes, 12288);
	assert_int_equal(named(d, FTP_DISK_OPEN, 3, "a"), 12288); /* instead of the one before */
	memset(ftp_disk_buffer(d, 2), 'y', 16384);
	assert_int_equal(data(d, FTP_DISK_READ, 2, 4096, 8192, 0), 8192);
	assert_int_equal(ftp_disk_buffer(d, 2)[4095], 'y');
	assert_int_equal(ftp_disk_buffer(d, 2)[4096], 0); /* never written */
	assert_int_equal(ftp_disk_buffer(d, 2)[8192], 'x');
	assert_int_equal(data(d, FTP_DISK_READ, 2, 0, 8192, 8192), 4096); /* the end */
	assert_int_equal(data(d, FTP_DISK_READ, 2, 0, 8192, 12288), 0);
	assert_int_equal(named(d, FTP_DISK_REMOVE, 3, "a"), 0);
	assert_int_equal(named(d, FTP_DISK_REMOVE, 3, "a"), -ENOENT);
	assert_int_equal(named(d, FTP_DISK_CREATE, 3, "a"), 0); /* a new one */
	assert_int_equal(named(d, FTP_DISK_REMOVE, 3, "a"), 0);
}

/* All buffers at once, each completion once, whatever the order. */
static void check_batch(struct ftp_disk *d)
{
	struct ftp_disk_completion done[FTP_DISK_N_BUFFERS];
	uint32_t seen = 0;

	assert_int_equal(named(d, FTP_DISK_CREATE, 3, "b"), 0);
	for (int reads = 0; reads < 2; reads++, seen = 0) {
		for (uint32_t i = 0; i < FTP_DISK_N_BUFFERS; i++) {
			struct ftp_disk_op op = {.kind = reads ? FTP_DISK_READ : FTP_DISK_WRITE,
				.tag = i,
				.file = 3,
				.buffer = i,
				.bytes = 65536,
				.offset = 65536ull * i};

			memset(ftp_disk_buffer(d, i), reads ? 0 : (int)i + 1, 65536);
			d->ops->submit(d, &op);
		}
		while (seen != (1u << FTP_DISK_N_BUFFERS) - 1) {
			int n = d->ops->reap(d, done, 3, PATIENCE_NS);

			assert_in_range(n, 1, 3);
			for (int i = 0; i < n; i++) {
				assert_int_equal(done[i].result, 65536);
				assert_false(seen >> done[i].tag & 1);
				seen |= 1u << done[i].tag;
			}
		}
		assert_int_equal(d->ops->reap(d, done, 3, 0), 0);
	}
	for (uint32_t i = 0; i < FTP_DISK_N_BUFFERS; i++)
		for (uint32_t k = 0; k < 65536; k += 4095)
			assert_int_equal(ftp_disk_buffer(d, i)[k], i + 1);
	assert_int_equal(named(d, FTP_DISK_REMOVE, 3, "b"), 0);
}

static void disk__keeps_the_seam(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_KINDS; i++) {
		struct ftp_disk *d = open_kind(&kinds[i]);

		if (!d)
			continue;
		printf("%s: %s%s%s%s\n", kinds[i].name, d->mode.engine,
			d->mode.is_direct ? ", direct" : "",
			d->mode.has_registered_buffers ? ", registered" : "",
			d->mode.has_file_ops ? ", file operations" : "");
		check_files(d);
		check_batch(d);
		d->mode.has_file_ops = false; /* as on an older kernel */
		check_files(d);
		d->ops->free(d);
	}
}

static bool exists(const char *name)
{
	char path[128];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	return !stat(path, &st);
}

/* Of a file that is made when the operation has been submitted. */
static void check_open_later(struct ftp_disk *d)
{
	struct ftp_disk_op op = {.kind = FTP_DISK_OPEN, .name = "late"};
	struct ftp_disk_completion done;
	char path[128];

	snprintf(path, sizeof(path), "%s/late", directory);
	d->ops->submit(d, &op);
	close(open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600));
	assert_int_equal(d->ops->reap(d, &done, 1, PATIENCE_NS), 1);
	assert_int_equal(done.result, 0);
	assert_int_equal(named(d, FTP_DISK_REMOVE, 0, "late"), 0);
}

/* Files are opened, made and removed when they are reaped: who submits does not wait for it. All at
 * once, so that names must not get mixed up. */
static void uring__files_without_waiting(void **state)
{
	struct ftp_disk_completion done;
	struct ftp_disk *d;

	(void)state;
	if (ftp_uring_disk_new(&d, directory, true, NULL) || !d->mode.has_file_ops)
		skip();
	for (int removes = 0; removes < 2; removes++) {
		for (uint32_t i = 0; i < FTP_DISK_N_BUFFERS; i++) {
			struct ftp_disk_op op = {
				.kind = removes ? FTP_DISK_REMOVE : FTP_DISK_CREATE,
				.tag = i,
				.file = i};

			snprintf(op.name, sizeof(op.name), "file-%u", i);
			d->ops->submit(d, &op);
			assert_int_equal(exists(op.name), removes);
			memset(&op, 0xff, sizeof(op));
		}
		for (uint32_t i = 0; i < FTP_DISK_N_BUFFERS; i++) {
			assert_int_equal(d->ops->reap(d, &done, 1, PATIENCE_NS), 1);
			assert_int_equal(done.result, 0);
		}
		for (uint32_t i = 0; i < FTP_DISK_N_BUFFERS; i++) {
			char name[32];

			snprintf(name, sizeof(name), "file-%u", i);
			assert_int_equal(exists(name), !removes);
		}
	}
	check_open_later(d);
	d->ops->free(d);
}

static struct ftp_checkpoint_event event_of(struct ftp_checkpoint *c, struct ftp_disk *d)
{
	struct ftp_checkpoint_event e, last = {.outcome = FTP_N_CHECKPOINT_OUTCOMES};

	while (ftp_checkpoint_is_busy(c)) {
		ftp_checkpoint_turn(c, d, FTP_DISK_N_BUFFERS, PATIENCE_NS);
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

	snprintf(command, sizeof(command), "rm -f %s/*", directory);
	assert_int_equal(system(command), 0);
}

static void checkpoint__on_real_disks(void **state)
{
	static uint8_t bytes[BYTES];

	(void)state;
	for (size_t i = 0; i < N_KINDS; i++) {
		struct ftp_disk *d = kinds[i].is_real ? open_kind(&kinds[i]) : NULL;
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
		d = open_kind(&kinds[1]);
		c = open_store(d);
		check_get(c, d, 5, bytes);
		assert_int_equal(get(c, 4, bytes), FTP_CHECKPOINT_ABSENT);
		ftp_checkpoint_free(c);
		d->ops->free(d);
		remove_files();
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
	for (size_t i = 0; i < N_KINDS; i++) {
		struct ftp_disk *d = kinds[i].is_real ? open_kind(&kinds[i]) : NULL;
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
		mount("tmpfs", directory, "tmpfs", 0, "size=6m")) {
		printf("no mount of our own: %s\n", strerror(errno));
		skip();
	}
	for (size_t i = 0; i < N_KINDS; i++) {
		struct ftp_disk *d = kinds[i].is_real ? open_kind(&kinds[i]) : NULL;
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
		assert_int_equal(mount(NULL, directory, NULL, MS_REMOUNT, "size=20m"), 0);
		assert_int_equal(put(c, d, 6, bytes), FTP_CHECKPOINT_DONE);
		check_get(c, d, 6, bytes);
		ftp_checkpoint_free(c);
		d->ops->free(d);
		remove_files();
		assert_int_equal(mount(NULL, directory, NULL, MS_REMOUNT, "size=6m"), 0);
	}
	umount(directory);
}

static void open__directory(void **state)
{
	struct ftp_error err;
	struct ftp_disk *d;

	(void)state;
	assert_int_equal(ftp_disk_open(&d, "no/such/place", true, &err), -ENOENT);
	assert_non_null(strstr(err.text, "no/such/place"));
	assert_int_equal(ftp_plain_disk_new(&d, "nowhere", true, &err), -ENOENT);
	assert_int_equal(ftp_disk_open(&d, directory, false, &err), 0);
	assert_false(d->mode.is_direct);
	d->ops->free(d);
}

/* Too little locked memory for an ordinary user: it works without registered buffers. */
static void open__memlock(void **state)
{
	const struct rlimit tiny = {.rlim_cur = 65536, .rlim_max = 65536};
	static uint8_t bytes[BYTES];
	struct ftp_checkpoint *c;
	struct ftp_disk *d;

	(void)state;
	if (geteuid() == 0 && (chmod(directory, 0777) || seteuid(65534)))
		skip();
	setrlimit(RLIMIT_MEMLOCK, &tiny);
	if (ftp_uring_disk_new(&d, directory, true, NULL))
		skip();
	assert_false(d->mode.has_registered_buffers);
	c = open_store(d);
	assert_int_equal(put(c, d, 1, bytes), FTP_CHECKPOINT_DONE);
	check_get(c, d, 1, bytes);
	ftp_checkpoint_free(c);
	d->ops->free(d);
	remove_files();
}

static int make_directory(void **state)
{
	(void)state;
	return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
	(void)state;
	if (getuid() == 0 && seteuid(0))
		return -1;
	return rmdir(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(disk__keeps_the_seam),
		cmocka_unit_test(uring__files_without_waiting),
		cmocka_unit_test(checkpoint__on_real_disks),
		cmocka_unit_test(checkpoint__file_may_not_grow),
		cmocka_unit_test(checkpoint__full_file_system),
		cmocka_unit_test(open__directory),
		cmocka_unit_test(open__memlock),
	};

	check_seed();
	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
