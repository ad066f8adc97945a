#include "tests/runtime/disk_kinds.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/plain_disk.h"
#include "runtime/thread_disk.h"
#include "runtime/uring_disk.h"
#include "tests/base/check.h"
#include "tests/runtime/simulated_disk.h"

char disk_directory[] = "test-disk-XXXXXX"; /* in the working directory: seldom a tmpfs */

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

const struct disk_kind disk_kinds[N_DISK_KINDS] = {
	{"simulated", open_simulated, false},
	{"plain", open_plain, true},
	{"thread", open_thread, true},
	{"thread, direct", open_thread_direct, true},
	{"io_uring", open_uring, true},
	{"io_uring, direct", open_uring_direct, true},
};

int64_t disk_result(struct ftp_disk *d, struct ftp_disk_op op)
{
	struct ftp_disk_completion done;

	op.tag = 7;
	d->ops->submit(d, &op);
	assert_int_equal(d->ops->reap(d, &done, 1, DISK_PATIENCE_NS), 1);
	assert_int_equal(done.tag, 7);
	return done.result;
}

int64_t disk_attach(struct ftp_disk *d)
{
	return disk_result(d, (struct ftp_disk_op){.kind = FTP_DISK_ATTACH});
}

struct ftp_disk *disk_open(const struct disk_kind *k)
{
	struct ftp_disk *d;
	int rc = k->open(&d, disk_directory);

	if (rc) {
		printf("%s: %s: left out\n", k->name, strerror(-rc));
		return NULL;
	}
	rc = (int)disk_attach(d);
	assert_int_equal(rc, d->mode.is_direct);
	return d;
}

int64_t disk_named(struct ftp_disk *d, enum ftp_disk_op_kind kind, uint32_t file, const char *name)
{
	struct ftp_disk_op op = {.kind = kind, .file = file};

	strcpy(op.name, name);
	return disk_result(d, op);
}

int disk_make_directory(void **state)
{
	(void)state;
	return mkdtemp(disk_directory) ? 0 : -1;
}

int disk_remove_directory(void **state)
{
	(void)state;
	if (getuid() == 0 && seteuid(0))
		return -1;
	return rmdir(disk_directory);
}
