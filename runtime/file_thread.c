#include "runtime/file_thread.h"

#include <poll.h>
#include <time.h>

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
	struct ftp_file_thread *t = arg;
	struct ftp_disk_completion done;
	struct ftp_disk_op op;

	while (!atomic_load(&t->is_ending)) {
		if (!ftp_spsc_pop(&t->ops, &op)) {
			ftp_waker_arm(&t->has_ops);
			if (!ftp_spsc_pop(&t->ops, &op)) {
				if (!atomic_load(&t->is_ending))
					sleep_on(&t->has_ops, UINT64_MAX);
				ftp_waker_disarm(&t->has_ops);
				continue;
			}
			ftp_waker_disarm(&t->has_ops);
		}
		done = (struct ftp_disk_completion){
			.tag = op.tag, .result = ftp_disk_files_do(t->files, &op, t->buffers)};
		ftp_assert(ftp_spsc_push(&t->done, &done));
		ftp_waker_wake(&t->has_done);
	}
	return NULL;
}

void ftp_file_thread_submit(struct ftp_file_thread *t, const struct ftp_disk_op *op)
{
	ftp_assert(ftp_spsc_push(&t->ops, op));
	ftp_waker_wake(&t->has_ops);
}

static int pop(struct ftp_file_thread *t, struct ftp_disk_completion *out, int max)
{
	int n = 0;

	while (n < max && ftp_spsc_pop(&t->done, &out[n]))
		n++;
	return n;
}

int ftp_file_thread_reap(
	struct ftp_file_thread *t, struct ftp_disk_completion *out, int max, uint64_t timeout_ns)
{
	int n = pop(t, out, max);

	if (n || !timeout_ns)
		return n;
	ftp_waker_arm(&t->has_done);
	n = pop(t, out, max);
	if (!n)
		sleep_on(&t->has_done, timeout_ns);
	ftp_waker_disarm(&t->has_done);
	return n ? n : pop(t, out, max);
}

static void release(struct ftp_file_thread *t)
{
	ftp_spsc_deinit(&t->done);
	ftp_spsc_deinit(&t->ops);
	ftp_waker_deinit(&t->has_done);
	ftp_waker_deinit(&t->has_ops);
}

void ftp_file_thread_stop(struct ftp_file_thread *t)
{
	atomic_store(&t->is_ending, true);
	ftp_waker_wake(&t->has_ops);
	pthread_join(t->thread, NULL);
	release(t);
}

int ftp_file_thread_start(struct ftp_file_thread *t, struct ftp_disk_files *files, uint8_t *buffers,
	struct ftp_error *err)
{
	int rc = ftp_waker_init(&t->has_ops, err);

	if (rc)
		return rc;
	rc = ftp_waker_init(&t->has_done, err);
	if (rc) {
		ftp_waker_deinit(&t->has_ops);
		return rc;
	}
	t->files = files;
	t->buffers = buffers;
	t->is_ending = false;
	ftp_spsc_init(&t->ops, FTP_DISK_N_BUFFERS, sizeof(struct ftp_disk_op));
	ftp_spsc_init(&t->done, FTP_DISK_N_BUFFERS, sizeof(struct ftp_disk_completion));
	rc = pthread_create(&t->thread, NULL, work, t);
	if (!rc)
		return 0;
	release(t);
	return ftp_error_set(err, rc, "no thread for the disk");
}
