#include "runtime/checkpoint_dir.h"

#include <errno.h>

#include "runtime/plain_disk.h"

/* The end of what is under way. */
static struct ftp_checkpoint_event finish(struct ftp_checkpoint_dir *d)
{
	struct ftp_checkpoint_event e = {.outcome = FTP_CHECKPOINT_DONE};

	while (ftp_checkpoint_is_busy(d->store))
		ftp_checkpoint_turn(d->store, d->disk, FTP_DISK_N_BUFFERS, 0);
	ftp_checkpoint_event(d->store, &e);
	return e;
}

static int explain(const struct ftp_checkpoint_event *e, const char *path, struct ftp_error *err)
{
	if (e->outcome == FTP_CHECKPOINT_DONE)
		return 0;
	if (e->outcome == FTP_CHECKPOINT_NONE)
		return ftp_error_set(err, ENODATA, "%s: there is no checkpoint in it", path);
	return ftp_error_set(err, -e->error, "%s: %s", path, e->text);
}

int ftp_checkpoint_dir_open(struct ftp_checkpoint_dir *d, const char *path,
	enum ftp_checkpoint_dir_mode mode, struct ftp_error *err)
{
	const struct ftp_checkpoint_spec spec = {.keep = 1,
		.is_read_only = mode != FTP_CHECKPOINT_DIR_WRITE,
		.depth = mode == FTP_CHECKPOINT_DIR_LOOK ? FTP_CHECKPOINT_READ_HEADERS
							 : FTP_CHECKPOINT_READ_ALL};
	struct ftp_checkpoint_event e;
	int rc = 0;

	/* Nothing is made where there is nothing. */
	if (!spec.is_read_only) {
		rc = ftp_checkpoint_dir_open(d, path, FTP_CHECKPOINT_DIR_LOOK, err);
		if (!rc)
			ftp_checkpoint_dir_close(d);
	}
	if (!rc)
		rc = ftp_plain_disk_new(&d->disk, path, spec.is_read_only, err);
	if (rc)
		return rc;
	rc = ftp_checkpoint_new(&d->store, &spec, d->disk);
	if (rc) {
		d->disk->ops->free(d->disk);
		return ftp_error_set(err, -rc, "no memory for a checkpoint");
	}
	e = finish(d);
	rc = explain(&e, path, err);
	if (rc)
		ftp_checkpoint_dir_close(d);
	return rc;
}

void ftp_checkpoint_dir_close(struct ftp_checkpoint_dir *d)
{
	ftp_checkpoint_free(d->store);
	d->disk->ops->free(d->disk);
}

int ftp_checkpoint_dir_trim(struct ftp_checkpoint_dir *d, struct ftp_error *err)
{
	struct ftp_checkpoint_totals before, after;
	struct ftp_checkpoint_event e;

	ftp_checkpoint_totals(d->store, &before);
	if (!before.sequence)
		return ftp_error_set(
			err, EBADMSG, "no manifest is whole, so nobody knows what may be removed");
	ftp_assert(!ftp_checkpoint_trim(d->store));
	e = finish(d);
	ftp_checkpoint_totals(d->store, &after);
	if (e.outcome != FTP_CHECKPOINT_DONE)
		return ftp_error_set(err, -e.error, "%s", e.text);
	return (int)(after.n_removed_segments - before.n_removed_segments);
}

int ftp_checkpoint_dir_get(
	struct ftp_checkpoint_dir *d, const struct ftp_checkpoint_name *name, void *into)
{
	struct ftp_checkpoint_event e;

	if (ftp_checkpoint_get(d->store, name, into))
		return -ENODATA;
	e = finish(d);
	return e.outcome == FTP_CHECKPOINT_DONE ? 0 : e.error;
}
