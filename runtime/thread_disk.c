#include "runtime/thread_disk.h"

#include <stdlib.h>

#include "runtime/disk_files.h"
#include "runtime/file_thread.h"

struct thread_disk {
	struct ftp_disk seam; /* first */
	struct ftp_disk_files files;
	struct ftp_file_thread thread;
};

static void submit(struct ftp_disk *seam, const struct ftp_disk_op *op)
{
	ftp_file_thread_submit(&((struct thread_disk *)seam)->thread, op);
}

static int reap(
	struct ftp_disk *seam, struct ftp_disk_completion *out, int max, uint64_t timeout_ns)
{
	struct thread_disk *d = (struct thread_disk *)seam;
	int n = ftp_file_thread_reap(&d->thread, out, max, timeout_ns);

	if (n)
		seam->mode.is_direct = d->files.is_direct;
	return n;
}

static void free_disk(struct ftp_disk *seam)
{
	struct thread_disk *d = (struct thread_disk *)seam;

	ftp_file_thread_stop(&d->thread);
	ftp_disk_files_deinit(&d->files);
	free(seam->buffers);
	free(d);
}

int ftp_thread_disk_new(
	struct ftp_disk **out, const char *path, bool wants_direct, struct ftp_error *err)
{
	static const struct ftp_disk_ops ops = {submit, reap, free_disk};
	struct thread_disk *d = calloc(1, sizeof(*d));
	uint8_t *buffers = ftp_disk_files_buffers();
	int rc;

	*out = NULL;
	ftp_assert(d && buffers);
	ftp_disk_files_init(&d->files, path, wants_direct, false);
	d->seam = (struct ftp_disk){.ops = &ops,
		.buffers = buffers,
		.mode = {.engine = "thread", .has_file_ops = true}};
	rc = ftp_file_thread_start(&d->thread, &d->files, buffers, err);
	if (!rc) {
		*out = &d->seam;
		return 0;
	}
	ftp_disk_files_deinit(&d->files);
	free(buffers);
	free(d);
	return rc;
}
