#include "runtime/plain_disk.h"

#include <errno.h>
#include <stdlib.h>

#include "runtime/disk_files.h"

struct plain_disk {
	struct ftp_disk seam; /* first */
	struct ftp_disk_files files;
	struct ftp_disk_completion done[FTP_DISK_N_BUFFERS];
	int n_done;
};

static void submit(struct ftp_disk *seam, const struct ftp_disk_op *op)
{
	struct plain_disk *d = (struct plain_disk *)seam;

	ftp_assert(d->n_done < FTP_DISK_N_BUFFERS);
	d->done[d->n_done++] = (struct ftp_disk_completion){
		.tag = op->tag, .result = ftp_disk_files_do(&d->files, op, seam->buffers)};
}

static int reap(
	struct ftp_disk *seam, struct ftp_disk_completion *out, int max, uint64_t timeout_ns)
{
	struct plain_disk *d = (struct plain_disk *)seam;
	int n = 0;

	(void)timeout_ns;
	while (n < max && d->n_done)
		out[n++] = d->done[--d->n_done];
	return n;
}

static void free_disk(struct ftp_disk *seam)
{
	struct plain_disk *d = (struct plain_disk *)seam;

	ftp_disk_files_deinit(&d->files);
	free(seam->buffers);
	free(d);
}

int ftp_plain_disk_new(
	struct ftp_disk **out, const char *path, bool is_read_only, struct ftp_error *err)
{
	static const struct ftp_disk_ops ops = {submit, reap, free_disk};
	struct plain_disk *d = calloc(1, sizeof(*d));
	uint8_t *buffers = ftp_disk_files_buffers();

	*out = NULL;
	if (!d || !buffers) {
		free(buffers);
		free(d);
		return ftp_error_set(err, ENOMEM, "no memory for a disk");
	}
	ftp_disk_files_init(&d->files, path, false, is_read_only);
	d->seam = (struct ftp_disk){.ops = &ops, .buffers = buffers, .mode = {.engine = "plain"}};
	*out = &d->seam;
	return 0;
}
