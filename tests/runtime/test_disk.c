/* One suite over every disk: what the seam promises, the simulated one included. */
#include "runtime/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/plain_disk.h"
#include "runtime/uring_disk.h"
#include "tests/base/check.h"
#include "tests/runtime/disk_kinds.h"

static int64_t data(struct ftp_disk *d, enum ftp_disk_op_kind kind, uint32_t buffer,
	uint32_t buffer_offset, uint32_t bytes, uint64_t offset)
{
	return disk_result(d, (struct ftp_disk_op){.kind = kind,
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

	assert_int_equal(disk_result(d, list), 0);
	assert_int_equal(disk_named(d, FTP_DISK_OPEN, 3, "a"), -ENOENT);
	assert_int_equal(disk_named(d, FTP_DISK_CREATE, 3, "a"), 0);
	memset(ftp_disk_buffer(d, 1), 'x', 8192);
	assert_int_equal(data(d, FTP_DISK_WRITE, 1, 0, 8192, 4096), 8192);
	assert_int_equal(disk_result(d, (struct ftp_disk_op){.kind = FTP_DISK_SYNC, .file = 3}), 0);
	assert_int_equal(disk_result(d, (struct ftp_disk_op){.kind = FTP_DISK_SYNC_DIR}), 0);
	assert_int_equal(disk_result(d, list), 1);
	assert_string_equal(entries[0].name, "a");
	assert_int_equal(entries[0].bytes, 12288);
	assert_int_equal(
		disk_named(d, FTP_DISK_OPEN, 3, "a"), 12288); /* instead of the one before */
	memset(ftp_disk_buffer(d, 2), 'y', 16384);
	assert_int_equal(data(d, FTP_DISK_READ, 2, 4096, 8192, 0), 8192);
	assert_int_equal(ftp_disk_buffer(d, 2)[4095], 'y');
	assert_int_equal(ftp_disk_buffer(d, 2)[4096], 0); /* never written */
	assert_int_equal(ftp_disk_buffer(d, 2)[8192], 'x');
	assert_int_equal(data(d, FTP_DISK_READ, 2, 0, 8192, 8192), 4096); /* the end */
	assert_int_equal(data(d, FTP_DISK_READ, 2, 0, 8192, 12288), 0);
	assert_int_equal(disk_named(d, FTP_DISK_REMOVE, 3, "a"), 0);
	assert_int_equal(disk_named(d, FTP_DISK_REMOVE, 3, "a"), -ENOENT);
	assert_int_equal(disk_named(d, FTP_DISK_CREATE, 3, "a"), 0); /* a new one */
	assert_int_equal(disk_named(d, FTP_DISK_REMOVE, 3, "a"), 0);
}

/* All buffers at once, each completion once, whatever the order. */
static void check_batch(struct ftp_disk *d)
{
	struct ftp_disk_completion done[FTP_DISK_N_BUFFERS];
	uint32_t seen = 0;

	assert_int_equal(disk_named(d, FTP_DISK_CREATE, 3, "b"), 0);
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
			int n = d->ops->reap(d, done, 3, DISK_PATIENCE_NS);

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
	assert_int_equal(disk_named(d, FTP_DISK_REMOVE, 3, "b"), 0);
}

static void disk__keeps_the_seam(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_DISK_KINDS; i++) {
		struct ftp_disk *d = disk_open(&disk_kinds[i]);

		if (!d)
			continue;
		printf("%s: %s%s%s%s\n", disk_kinds[i].name, d->mode.engine,
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

	snprintf(path, sizeof(path), "%s/%s", disk_directory, name);
	return !stat(path, &st);
}

/* Of a file that is made when the operation has been submitted. */
static void check_open_later(struct ftp_disk *d)
{
	struct ftp_disk_op op = {.kind = FTP_DISK_OPEN, .name = "late"};
	struct ftp_disk_completion done;
	char path[128];

	snprintf(path, sizeof(path), "%s/late", disk_directory);
	d->ops->submit(d, &op);
	close(open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600));
	assert_int_equal(d->ops->reap(d, &done, 1, DISK_PATIENCE_NS), 1);
	assert_int_equal(done.result, 0);
	assert_int_equal(disk_named(d, FTP_DISK_REMOVE, 0, "late"), 0);
}

/* Files are opened, made and removed when they are reaped: who submits does not wait for it. All at
 * once, so that names must not get mixed up. */
static void uring__files_without_waiting(void **state)
{
	struct ftp_disk_completion done;
	struct ftp_disk *d;

	(void)state;
	if (ftp_uring_disk_new(&d, disk_directory, true, NULL) || !d->mode.has_file_ops)
		skip();
	assert_true(disk_attach(d) >= 0);
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
			assert_int_equal(d->ops->reap(d, &done, 1, DISK_PATIENCE_NS), 1);
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

static int64_t attach_and_free(const struct disk_kind *k, const char *path)
{
	struct ftp_disk *d;
	int64_t result;

	if (k->open(&d, path))
		return 0;
	result = disk_attach(d);
	d->ops->free(d);
	return result;
}

/* Nothing is touched before; who comes second is refused, and may try again. */
static void check_attach(const struct disk_kind *k, const char *path)
{
	struct ftp_disk *d, *other;
	struct stat st;

	if (k->open(&d, path) || k->open(&other, path))
		return;
	assert_int_not_equal(stat(path, &st), 0);
	assert_true(disk_attach(d) >= 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(disk_attach(other), -EBUSY);
	d->ops->free(d);
	assert_true(disk_attach(other) >= 0);
	assert_int_equal(disk_named(other, FTP_DISK_CREATE, 3, "a"), 0);
	assert_int_equal(disk_named(other, FTP_DISK_REMOVE, 3, "a"), 0);
	other->ops->free(other);
	rmdir(path);
}

static void attach__directory(void **state)
{
	char parent[64], path[80], file[80];
	struct ftp_disk *d;
	struct stat st;

	(void)state;
	snprintf(parent, sizeof(parent), "%s/checkpoint", disk_directory);
	snprintf(path, sizeof(path), "%s/n1", parent);
	snprintf(file, sizeof(file), "%s/file", disk_directory);
	close(open(file, O_CREAT | O_RDWR | O_CLOEXEC, 0600));
	for (size_t i = 0; i < N_DISK_KINDS; i++) {
		if (!disk_kinds[i].is_real)
			continue;
		check_attach(&disk_kinds[i], path);
		rmdir(parent);
		assert_true(attach_and_free(&disk_kinds[i], "no/such/place") <= 0);
		assert_int_not_equal(stat("no", &st), 0);
		assert_true(attach_and_free(&disk_kinds[i], file) <= 0);
	}
	assert_int_equal(attach_and_free(&disk_kinds[DISK_PLAIN], "no/such/place"), -ENOENT);
	assert_int_equal(attach_and_free(&disk_kinds[DISK_PLAIN], file), -ENOTDIR);
	assert_int_equal(ftp_plain_disk_new(&d, path, true, NULL), 0);
	assert_int_equal(disk_attach(d), -ENOENT); /* who only reads makes nothing */
	d->ops->free(d);
	unlink(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(disk__keeps_the_seam),
		cmocka_unit_test(uring__files_without_waiting),
		cmocka_unit_test(attach__directory),
	};

	check_seed();
	return cmocka_run_group_tests(tests, disk_make_directory, disk_remove_directory);
}
