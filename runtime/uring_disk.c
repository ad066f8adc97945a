#include "runtime/uring_disk.h"

#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/disk_files.h"
#include "runtime/file_thread.h"

#define BUFFERS_BYTES ((uint64_t)FTP_DISK_N_BUFFERS * FTP_DISK_BUFFER_BYTES)

/* An operation under way. The kernel reads its name when it is handed over, after submit() has
 * returned. */
struct flight {
	bool is_taken;
	struct ftp_disk_op op;
};

struct uring_disk {
	struct ftp_disk seam; /* first */
	struct ftp_disk_files files;
	struct io_uring ring;
	struct flight flights[FTP_DISK_N_BUFFERS];
	uint32_t n_in_flight;
	struct ftp_file_thread thread; /* for what this kernel's io_uring cannot do */
	uint32_t n_in_thread;
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

static void prepare_open(
	struct uring_disk *d, struct io_uring_sqe *sqe, const struct ftp_disk_op *op)
{
	io_uring_prep_openat(sqe, d->files.dir, op->name,
		ftp_disk_files_open_flags(&d->files, op->kind), FTP_DISK_FILES_MODE);
}

static void prepare_remove(
	struct uring_disk *d, struct io_uring_sqe *sqe, const struct ftp_disk_op *op)
{
	ftp_disk_files_close(&d->files, op->file);
	io_uring_prep_unlinkat(sqe, d->files.dir, op->name, 0);
}

static void (*const prepares[FTP_DISK_N_KINDS])(
	struct uring_disk *, struct io_uring_sqe *, const struct ftp_disk_op *) = {
	[FTP_DISK_READ] = prepare_read,
	[FTP_DISK_WRITE] = prepare_write,
	[FTP_DISK_SYNC] = prepare_sync,
	[FTP_DISK_SYNC_DIR] = prepare_sync_dir,
	[FTP_DISK_OPEN] = prepare_open,
	[FTP_DISK_CREATE] = prepare_open,
	[FTP_DISK_REMOVE] = prepare_remove,
};

static bool is_for_the_ring(const struct uring_disk *d, enum ftp_disk_op_kind kind)
{
	bool is_file_op =
		kind == FTP_DISK_OPEN || kind == FTP_DISK_CREATE || kind == FTP_DISK_REMOVE;

	return prepares[kind] && (!is_file_op || d->seam.mode.has_file_ops);
}

static struct flight *take_flight(struct uring_disk *d, const struct ftp_disk_op *op)
{
	struct flight *f = d->flights;

	while (f->is_taken)
		f++;
	*f = (struct flight){.is_taken = true, .op = *op};
	d->n_in_flight++;
	return f;
}

static void submit(struct ftp_disk *seam, const struct ftp_disk_op *op)
{
	struct uring_disk *d = (struct uring_disk *)seam;
	struct io_uring_sqe *sqe;
	struct flight *f;

	ftp_assert(d->n_in_flight + d->n_in_thread < FTP_DISK_N_BUFFERS);
	if (!is_for_the_ring(d, op->kind)) {
		d->n_in_thread++;
		ftp_file_thread_submit(&d->thread, op);
		return;
	}
	sqe = io_uring_get_sqe(&d->ring);
	ftp_assert(sqe); /* the ring has a place for each buffer */
	f = take_flight(d, op);
	prepares[op->kind](d, sqe, &f->op);
	io_uring_sqe_set_data(sqe, f);
}

static struct ftp_disk_completion land(struct uring_disk *d, const struct io_uring_cqe *cqe)
{
	struct flight *f = io_uring_cqe_get_data(cqe);
	bool opens = f->op.kind == FTP_DISK_OPEN || f->op.kind == FTP_DISK_CREATE;
	int64_t result = cqe->res;

	if (opens && result >= 0)
		result = ftp_disk_files_adopt(&d->files, f->op.file, cqe->res);
	if (f->op.kind == FTP_DISK_SYNC && !result)
		result = ftp_disk_files_synced(&d->files, f->op.file);
	if (f->op.kind == FTP_DISK_SYNC_DIR && !result)
		result = ftp_disk_files_synced_dir(&d->files);
	f->is_taken = false;
	d->n_in_flight--;
	return (struct ftp_disk_completion){.tag = f->op.tag, .result = result};
}

static int reap_thread(
	struct uring_disk *d, struct ftp_disk_completion *out, int max, uint64_t timeout_ns)
{
	int n = d->n_in_thread ? ftp_file_thread_reap(&d->thread, out, max, timeout_ns) : 0;

	d->n_in_thread -= (uint32_t)n;
	if (n)
		d->seam.mode.is_direct = d->files.is_direct;
	return n;
}

static int pop(struct uring_disk *d, struct ftp_disk_completion *out, int max)
{
	int n = reap_thread(d, out, max, 0);
	struct io_uring_cqe *cqe;

	while (n < max && d->n_in_flight && !io_uring_peek_cqe(&d->ring, &cqe)) {
		out[n++] = land(d, cqe);
		io_uring_cqe_seen(&d->ring, cqe);
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
	if (n || !timeout_ns)
		return n;
	if (!d->n_in_flight)
		return reap_thread(d, out, max, timeout_ns);
	io_uring_wait_cqe_timeout(&d->ring, &cqe, &t);
	return pop(d, out, max);
}

static void free_disk(struct ftp_disk *seam)
{
	struct uring_disk *d = (struct uring_disk *)seam;
	struct ftp_disk_completion done[FTP_DISK_N_BUFFERS];

	while (d->n_in_flight)
		reap(seam, done, FTP_DISK_N_BUFFERS, FTP_NS_PER_S);
	ftp_file_thread_stop(&d->thread);
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

static bool find_file_ops(struct uring_disk *d)
{
	static const int needed[] = {IORING_OP_OPENAT, IORING_OP_UNLINKAT};
	struct io_uring_probe *probe = io_uring_get_probe_ring(&d->ring);
	bool found = probe;

	for (size_t i = 0; found && i < sizeof(needed) / sizeof(needed[0]); i++)
		found = io_uring_opcode_supported(probe, needed[i]);
	io_uring_free_probe(probe);
	if (!found)
		ftp_log_warn("checkpoint: this kernel's io_uring cannot open and remove files "
			     "(Linux 5.11 can): a thread does, and takes time of the cores");
	return found;
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
	ftp_disk_files_init(&d->files, path, wants_direct, false);
	rc = init_ring(d, err);
	if (rc)
		goto no_ring;
	rc = ftp_file_thread_start(&d->thread, &d->files, buffers, err);
	if (rc)
		goto no_thread;
	d->seam =
		(struct ftp_disk){.ops = &ops, .buffers = buffers, .mode = {.engine = "io_uring"}};
	d->seam.mode.has_registered_buffers = register_buffers(d);
	d->seam.mode.has_file_ops = find_file_ops(d);
	*out = &d->seam;
	return 0;
no_thread:
	io_uring_queue_exit(&d->ring);
no_ring:
	ftp_disk_files_deinit(&d->files);
	free(buffers);
	free(d);
	return rc;
}
