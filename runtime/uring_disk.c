#include "runtime/uring_disk.h"

#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/disk_files.h"

#define BUFFERS_BYTES ((uint64_t)FTP_DISK_N_BUFFERS * FTP_DISK_BUFFER_BYTES)

struct uring_disk {
	struct ftp_disk seam; /* first */
	struct ftp_disk_files files;
	struct io_uring ring;
	uint32_t n_in_flight; /* in the ring */
	/* What is done at once: opening, listing and removing, which are rare. */
	struct ftp_disk_completion done[FTP_DISK_N_BUFFERS];
	int n_done;
};

static void prepare_read(
	struct uring_disk *d, struct io_uring_sqe *sqe, const struct ftp_disk_op *op)
{
	uint8_t *at = ftp_disk_buffer(&d->seam, op->buffer) + op->buffer_offset;

	if (d->seam.mode.has_registered_buffers)
		io_uring_prep_read_fixed(sqe, d->files.fd[op->file], at, op->bytes, op->offset, 0);
	else
		io_uring_prep_read(sqe, d->files.fd[op->file], at, op->bytes, op->offset);
}

static void prepare_write(
	struct uring_disk *d, struct io_uring_sqe *sqe, const struct ftp_disk_op *op)
{
	uint8_t *at = ftp_disk_buffer(&d->seam, op->buffer) + op->buffer_offset;

	if (d->seam.mode.has_registered_buffers)
		io_uring_prep_write_fixed(sqe, d->files.fd[op->file], at, op->bytes, op->offset, 0);
	else
		io_uring_prep_write(sqe, d->files.fd[op->file], at, op->bytes, op->offset);
}

static void prepare_sync(
	struct uring_disk *d, struct io_uring_sqe *sqe, const struct ftp_disk_op *op)
{
	io_uring_prep_fsync(sqe, d->files.fd[op->file], IORING_FSYNC_DATASYNC);
}

static void prepare_sync_dir(
	struct uring_disk *d, struct io_uring_sqe *sqe, const struct ftp_disk_op *op)
{
	(void)op;
	io_uring_prep_fsync(sqe, d->files.dir, 0);
}

static void (*const prepares[FTP_DISK_N_KINDS])(
	struct uring_disk *, struct io_uring_sqe *, const struct ftp_disk_op *) = {
	[FTP_DISK_READ] = prepare_read,
	[FTP_DISK_WRITE] = prepare_write,
	[FTP_DISK_SYNC] = prepare_sync,
	[FTP_DISK_SYNC_DIR] = prepare_sync_dir,
};

static void submit(struct ftp_disk *seam, const struct ftp_disk_op *op)
{
	struct uring_disk *d = (struct uring_disk *)seam;
	struct io_uring_sqe *sqe;

	ftp_assert(d->n_in_flight + (uint32_t)d->n_done < FTP_DISK_N_BUFFERS);
	if (!prepares[op->kind]) {
		d->done[d->n_done++] = (struct ftp_disk_completion){
			.tag = op->tag, .result = ftp_disk_files_do(&d->files, op, seam->buffers)};
		return;
	}
	sqe = io_uring_get_sqe(&d->ring);
	ftp_assert(sqe); /* the ring has a place for each buffer */
	prepares[op->kind](d, sqe, op);
	sqe->user_data = op->tag;
	d->n_in_flight++;
}

static int pop(struct uring_disk *d, struct ftp_disk_completion *out, int max)
{
	struct io_uring_cqe *cqe;
	int n = 0;

	while (n < max && d->n_done)
		out[n++] = d->done[--d->n_done];
	while (n < max && d->n_in_flight && !io_uring_peek_cqe(&d->ring, &cqe)) {
		out[n++] = (struct ftp_disk_completion){
			.tag = (uint32_t)cqe->user_data, .result = cqe->res};
		io_uring_cqe_seen(&d->ring, cqe);
		d->n_in_flight--;
	}
	return n;
}

static int reap(
	struct ftp_disk *seam, struct ftp_disk_completion *out, int max, uint64_t timeout_ns)
{
	struct __kernel_timespec t = {.tv_sec = (int64_t)(timeout_ns / FTP_NS_PER_S),
		.tv_nsec = (int64_t)(timeout_ns % FTP_NS_PER_S)};
	struct uring_disk *d = (struct uring_disk *)seam;
	struct io_uring_cqe *cqe;
	int n;

	/* What the kernel does not take now (-EAGAIN, -EBUSY) stays in the ring for the next turn.
	 */
	if (io_uring_sq_ready(&d->ring))
		io_uring_submit(&d->ring);
	n = pop(d, out, max);
	if (n || !timeout_ns || !d->n_in_flight)
		return n;
	io_uring_wait_cqe_timeout(&d->ring, &cqe, &t);
	return pop(d, out, max);
}

static void free_disk(struct ftp_disk *seam)
{
	struct uring_disk *d = (struct uring_disk *)seam;
	struct ftp_disk_completion done[FTP_DISK_N_BUFFERS];

	while (d->n_in_flight)
		reap(seam, done, FTP_DISK_N_BUFFERS, FTP_NS_PER_S);
	io_uring_queue_exit(&d->ring);
	ftp_disk_files_deinit(&d->files);
	free(seam->buffers);
	free(d);
}

static int init_ring(struct uring_disk *d, struct ftp_error *err)
{
	struct io_uring_params p = {.flags = IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG};
	int rc = io_uring_queue_init_params(FTP_DISK_N_BUFFERS, &d->ring, &p);

	if (rc == -EINVAL) /* before Linux 5.19 */
		rc = io_uring_queue_init(FTP_DISK_N_BUFFERS, &d->ring, 0);
	return rc ? ftp_error_set(err, -rc, "io_uring: %s", strerror(-rc)) : 0;
}

static bool register_buffers(struct uring_disk *d)
{
	const struct iovec whole = {.iov_base = d->seam.buffers, .iov_len = BUFFERS_BYTES};
	int rc = io_uring_register_buffers(&d->ring, &whole, 1);
	struct rlimit limit = {.rlim_cur = 0};

	if (!rc)
		return true;
	getrlimit(RLIMIT_MEMLOCK, &limit);
	ftp_log_warn(
		"checkpoint: its buffers cannot be registered with the kernel (%s): need %llu KiB "
		"of locked memory, the limit is %llu KiB; it goes on without, somewhat slower; "
		"raise it with ulimit -l or LimitMEMLOCK=",
		strerror(-rc), (unsigned long long)BUFFERS_BYTES >> 10,
		(unsigned long long)limit.rlim_cur >> 10);
	return false;
}

int ftp_uring_disk_new(
	struct ftp_disk **out, const char *path, bool wants_direct, struct ftp_error *err)
{
	static const struct ftp_disk_ops ops = {submit, reap, free_disk};
	struct uring_disk *d = calloc(1, sizeof(*d));
	uint8_t *buffers = ftp_disk_files_buffers();
	int rc;

	*out = NULL;
	ftp_assert(d && buffers);
	rc = ftp_disk_files_init(&d->files, path, wants_direct, false, err);
	if (rc)
		goto no_files;
	rc = init_ring(d, err);
	if (rc)
		goto no_ring;
	d->seam = (struct ftp_disk){.ops = &ops,
		.buffers = buffers,
		.mode = {.engine = "io_uring", .is_direct = d->files.is_direct}};
	d->seam.mode.has_registered_buffers = register_buffers(d);
	*out = &d->seam;
	return 0;
no_ring:
	ftp_disk_files_deinit(&d->files);
no_files:
	free(buffers);
	free(d);
	return rc;
}
