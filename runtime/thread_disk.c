#include "runtime/thread_disk.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "runtime/base/spsc.h"
#include "runtime/base/waker.h"
#include "runtime/disk_files.h"

struct thread_disk {
	struct ftp_disk seam;	     /* first */
	struct ftp_disk_files files; /* of the thread, once it runs */
	struct ftp_spsc ops, done;
	struct ftp_waker has_ops, has_done;
	_Atomic bool is_ending;
	pthread_t thread;
};

/* Until the waker's descriptor is readable. */
static void sleep_on(struct ftp_waker *w, uint64_t timeout_ns)
{
	struct pollfd fd = {.fd = w->fd, .events = POLLIN};
	struct timespec t = {.tv_sec = (time_t)(timeout_ns / 1000000000),
		.tv_nsec = (long)(timeout_ns % 1000000000)};

	ppoll(&fd, 1, timeout_ns == UINT64_MAX ? NULL : &t, NULL);
}

static void *work(void *arg)
{
	struct thread_disk *d = arg;
	struct ftp_disk_completion done;
	struct ftp_disk_op op;

	while (!atomic_load(&d->is_ending)) {
		if (!ftp_spsc_pop(&d->ops, &op)) {
			ftp_waker_arm(&d->has_ops);
			if (!ftp_spsc_pop(&d->ops, &op)) {
				if (!atomic_load(&d->is_ending))
					sleep_on(&d->has_ops, UINT64_MAX);
				ftp_waker_disarm(&d->has_ops);
				continue;
			}
			ftp_waker_disarm(&d->has_ops);
		}
		done = (struct ftp_disk_completion){.tag = op.tag,
			.result = ftp_disk_files_do(&d->files, &op, d->seam.buffers)};
		ftp_assert(ftp_spsc_push(&d->done, &done));
		ftp_waker_wake(&d->has_done);
	}
	return NULL;
}

static void submit(struct ftp_disk *seam, const struct ftp_disk_op *op)
{
	struct thread_disk *d = (struct thread_disk *)seam;

	ftp_assert(ftp_spsc_push(&d->ops, op));
	ftp_waker_wake(&d->has_ops);
}

static int pop(struct thread_disk *d, struct ftp_disk_completion *out, int max)
{
	int n = 0;

	while (n < max && ftp_spsc_pop(&d->done, &out[n]))
		n++;
	return n;
}

static int reap(
	struct ftp_disk *seam, struct ftp_disk_completion *out, int max, uint64_t timeout_ns)
{
	struct thread_disk *d = (struct thread_disk *)seam;
	int n = pop(d, out, max);

	if (n || !timeout_ns)
		return n;
	ftp_waker_arm(&d->has_done);
	n = pop(d, out, max);
	if (!n)
		sleep_on(&d->has_done, timeout_ns);
	ftp_waker_disarm(&d->has_done);
	return n ? n : pop(d, out, max);
}

static void release(struct thread_disk *d)
{
	ftp_waker_deinit(&d->has_done);
	ftp_waker_deinit(&d->has_ops);
	ftp_spsc_deinit(&d->done);
	ftp_spsc_deinit(&d->ops);
	ftp_disk_files_deinit(&d->files);
	free(d->seam.buffers);
	free(d);
}

/* The operation that the thread is in is waited for; what has not begun is not begun. */
static void free_disk(struct ftp_disk *seam)
{
	struct thread_disk *d = (struct thread_disk *)seam;

	atomic_store(&d->is_ending, true);
	ftp_waker_wake(&d->has_ops);
	pthread_join(d->thread, NULL);
	release(d);
}

static int start(struct thread_disk *d, struct ftp_error *err)
{
	int rc = ftp_waker_init(&d->has_ops, err);

	if (rc)
		goto no_ops;
	rc = ftp_waker_init(&d->has_done, err);
	if (rc)
		goto no_done;
	ftp_spsc_init(&d->ops, FTP_DISK_N_BUFFERS, sizeof(struct ftp_disk_op));
	ftp_spsc_init(&d->done, FTP_DISK_N_BUFFERS, sizeof(struct ftp_disk_completion));
	rc = -pthread_create(&d->thread, NULL, work, d);
	if (!rc)
		return 0;
	ftp_error_set(err, -rc, "no thread for the disk");
	ftp_spsc_deinit(&d->done);
	ftp_spsc_deinit(&d->ops);
	ftp_waker_deinit(&d->has_done);
no_done:
	ftp_waker_deinit(&d->has_ops);
no_ops:
	return rc;
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
	rc = ftp_disk_files_init(&d->files, path, wants_direct, false, err);
	if (rc)
		goto no_files;
	d->seam = (struct ftp_disk){.ops = &ops,
		.buffers = buffers,
		.mode = {
			.engine = "thread", .is_direct = d->files.is_direct, .has_file_ops = true}};
	rc = start(d, err);
	if (!rc) {
		*out = &d->seam;
		return 0;
	}
	ftp_disk_files_deinit(&d->files);
no_files:
	free(buffers);
	free(d);
	return rc;
}
