#include "runtime/base/log_writer.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "runtime/base/error.h"

struct line {
	char text[FTP_LOG_LINE_BYTES];
	size_t bytes;
	ftp_log_writer_notice *notice;
	uint64_t n_skipped; /* before it: there was no place */
};

static struct {
	bool is_on;
	pthread_mutex_t lock;
	pthread_cond_t filled, written;
	struct line lines[FTP_LOG_LINES];
	uint64_t n_put, n_written, n_skipped;
	bool is_late; /* somebody has waited in vain; the others need not */
} thread = {.lock = PTHREAD_MUTEX_INITIALIZER, .filled = PTHREAD_COND_INITIALIZER};

static atomic_uint_fast64_t n_dropped;
static atomic_bool is_torn; /* the last line in the file has no end */

/* false: not whole. */
static bool write_whole(const char *text, size_t bytes)
{
	ssize_t n;

	do
		n = write(STDERR_FILENO, text, bytes);
	while (n < 0 && errno == EINTR);
	if (n > 0)
		is_torn = (size_t)n < bytes;
	return n == (ssize_t)bytes;
}

/* A disk may be full for a while. */
static void write_line(const char *text, size_t bytes, ftp_log_writer_notice *notice)
{
	char line[FTP_LOG_LINE_BYTES];
	uint64_t n = atomic_exchange(&n_dropped, 0);

	if (is_torn && !write_whole("\n", 1)) {
		n_dropped += n + 1;
		return;
	}
	if (n && !write_whole(line, (size_t)notice(line, n)))
		n_dropped += n;
	if (!write_whole(text, bytes))
		n_dropped++;
}

static void wait_until(uint64_t deadline_ns, uint64_t n)
{
	const struct timespec at = {.tv_sec = (time_t)(deadline_ns / FTP_NS_PER_S),
		.tv_nsec = (long)(deadline_ns % FTP_NS_PER_S)};
	int rc = 0;

	while (thread.n_written < n && !rc)
		rc = pthread_cond_timedwait(&thread.written, &thread.lock, &at);
	thread.is_late = thread.n_written < n;
}

static void hand_over(const char *text, size_t bytes, ftp_log_writer_notice *notice)
{
	struct line *l = &thread.lines[thread.n_put % FTP_LOG_LINES];

	if (thread.n_put - thread.n_written == FTP_LOG_LINES) {
		thread.n_skipped++;
		return;
	}
	memcpy(l->text, text, bytes);
	l->bytes = bytes;
	l->notice = notice;
	l->n_skipped = thread.n_skipped;
	thread.n_skipped = 0;
	thread.n_put++;
	pthread_cond_signal(&thread.filled);
	if (!thread.is_late)
		wait_until(ftp_clock_now_ns() + FTP_LOG_WAIT_NS, thread.n_put);
}

void ftp_log_writer_put(const char *line, size_t bytes, ftp_log_writer_notice *notice)
{
	ftp_assert(bytes <= FTP_LOG_LINE_BYTES);
	if (!thread.is_on) {
		write_line(line, bytes, notice);
		return;
	}
	pthread_mutex_lock(&thread.lock);
	hand_over(line, bytes, notice);
	pthread_mutex_unlock(&thread.lock);
}

/* A line stays in its place until it is written: nobody fills that before. */
static void *run(void *arg)
{
	pthread_mutex_lock(&thread.lock);
	for (;;) {
		const struct line *l = &thread.lines[thread.n_written % FTP_LOG_LINES];

		if (thread.n_written == thread.n_put) {
			pthread_cond_wait(&thread.filled, &thread.lock);
			continue;
		}
		pthread_mutex_unlock(&thread.lock);
		n_dropped += l->n_skipped;
		write_line(l->text, l->bytes, l->notice);
		pthread_mutex_lock(&thread.lock);
		thread.n_written++;
		thread.is_late = false;
		pthread_cond_broadcast(&thread.written);
	}
	return arg;
}

/* Last words say why a process has ended. */
static void finish(void)
{
	pthread_mutex_lock(&thread.lock);
	wait_until(ftp_clock_now_ns() + FTP_LOG_EXIT_NS, thread.n_put);
	pthread_mutex_unlock(&thread.lock);
}

void ftp_log_writer_start(void)
{
	pthread_condattr_t monotonic;
	sigset_t all, before;
	pthread_t id;

	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&thread.written, &monotonic);
	pthread_condattr_destroy(&monotonic);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are for others */
	ftp_assert(!pthread_create(&id, NULL, run, NULL) && !pthread_detach(id));
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	thread.is_on = true;
	ftp_assert(!atexit(finish));
}
