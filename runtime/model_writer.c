#include "runtime/model_writer.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define NICENESS 5 /* as the builder's */

struct ftp_model_writer {
	pthread_t thread;
	pthread_mutex_t lock; /* of all below */
	pthread_cond_t work;
	bool stop;
	struct ftp_model_file *todo, *current, *done;
	struct ftp_waker *waker;
};

/* The lock is held; it is given up while the file is written. */
static void write_next(struct ftp_model_writer *w)
{
	struct ftp_model_file *f = w->todo;

	w->todo = NULL;
	w->current = f;
	pthread_mutex_unlock(&w->lock);
	f->failed = ftp_model_file_write(f, &f->err);
	pthread_mutex_lock(&w->lock);
	w->current = NULL;
	if (!f->discarded) {
		w->done = f;
		ftp_waker_wake(w->waker);
		return;
	}
	pthread_mutex_unlock(&w->lock);
	ftp_model_file_free(f);
	pthread_mutex_lock(&w->lock);
}

static void *writer_main(void *arg)
{
	struct ftp_model_writer *w = arg;

	setpriority(PRIO_PROCESS, (id_t)gettid(), NICENESS); /* of this thread only, on Linux */
	pthread_mutex_lock(&w->lock);
	while (!w->stop) {
		if (w->todo)
			write_next(w);
		else
			pthread_cond_wait(&w->work, &w->lock);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

int ftp_model_writer_start(
	struct ftp_model_writer **out, struct ftp_waker *waker, struct ftp_error *err)
{
	struct ftp_model_writer *w = calloc(1, sizeof(*w));
	int rc;

	ftp_assert(w);
	w->waker = waker;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->work, NULL);
	rc = pthread_create(&w->thread, NULL, writer_main, w);
	if (rc) {
		free(w);
		return ftp_error_set(
			err, rc, "cannot start the writer of the model: %s", strerror(rc));
	}
	pthread_setname_np(w->thread, "model-writer");
	*out = w;
	return 0;
}

void ftp_model_writer_stop(struct ftp_model_writer *w)
{
	if (!w)
		return;
	pthread_mutex_lock(&w->lock);
	w->stop = true;
	pthread_cond_signal(&w->work);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
	ftp_model_file_free(w->todo);
	ftp_model_file_free(w->done);
	pthread_mutex_destroy(&w->lock);
	pthread_cond_destroy(&w->work);
	free(w);
}

void ftp_model_writer_write(struct ftp_model_writer *w, struct ftp_model_file *f)
{
	pthread_mutex_lock(&w->lock);
	ftp_assert(!w->todo && !w->done);
	w->todo = f;
	pthread_cond_signal(&w->work);
	pthread_mutex_unlock(&w->lock);
}

struct ftp_model_file *ftp_model_writer_written(struct ftp_model_writer *w)
{
	struct ftp_model_file *f;

	pthread_mutex_lock(&w->lock);
	f = w->done;
	w->done = NULL;
	pthread_mutex_unlock(&w->lock);
	return f;
}

void ftp_model_writer_drop(struct ftp_model_writer *w, struct ftp_model_file *f)
{
	bool is_current;

	pthread_mutex_lock(&w->lock);
	f->discarded = true;
	is_current = f == w->current;
	if (!is_current)
		w->todo = w->done = NULL; /* it was one of them */
	pthread_mutex_unlock(&w->lock);
	if (!is_current)
		ftp_model_file_free(f);
}
