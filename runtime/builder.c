#include "runtime/builder.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "kernels/team.h"

#define NICENESS 5 /* a quarter of a core that the worker keeps busy */

struct list {
	struct ftp_assembly *first, **last;
};

struct ftp_builder {
	pthread_t thread;
	pthread_mutex_t lock; /* of all below */
	pthread_cond_t work;
	bool stop, has_spare;
	struct list todo, done;
	struct ftp_assembly *current;
	int n_threads;
	struct ftp_waker *waker;
};

static void append(struct list *l, struct ftp_assembly *a)
{
	a->next = NULL;
	*l->last = a;
	l->last = &a->next;
}

static struct ftp_assembly *pop(struct list *l)
{
	struct ftp_assembly *a = l->first;

	if (!a)
		return NULL;
	l->first = a->next;
	if (!l->first)
		l->last = &l->first;
	return a;
}

static bool remove_from(struct list *l, struct ftp_assembly *a)
{
	struct list rest = {.last = &rest.first};
	bool found = false;

	for (struct ftp_assembly *at = pop(l); at; at = pop(l)) {
		found |= at == a;
		if (at != a)
			append(&rest, at);
	}
	for (struct ftp_assembly *at = pop(&rest); at; at = pop(&rest))
		append(l, at);
	return found;
}

static void warm_spare(const struct ftp_assembly *a)
{
	const struct ftp_stage_memory m = ftp_stage_memory(a->stage);

	ftp_region_warm(a->spec.region, ftp_stage_memory_bytes(&m));
}

/* The lock is held; it is given up while the job is done. */
static void do_job(struct ftp_builder *b, struct ftp_assembly *a)
{
	bool is_discarded = a->discarded, needs_spare = false;

	b->current = a;
	pthread_mutex_unlock(&b->lock);
	if (!is_discarded)
		a->failed = ftp_assembly_build(a, &a->err);
	pthread_mutex_lock(&b->lock);
	b->current = NULL;
	if (a->discarded) {
		pthread_mutex_unlock(&b->lock);
		ftp_assembly_free(a);
		pthread_mutex_lock(&b->lock);
	} else {
		needs_spare = !b->has_spare && !a->failed && a->stage && a->plan->n_stages > 1;
		append(&b->done, a);
		ftp_waker_wake(b->waker);
	}
	if (!needs_spare)
		return;
	b->has_spare = true;
	pthread_mutex_unlock(&b->lock);
	warm_spare(a); /* only this thread frees it */
	pthread_mutex_lock(&b->lock);
}

static void *builder_main(void *arg)
{
	struct ftp_builder *b = arg;
	struct ftp_assembly *a;

	setpriority(PRIO_PROCESS, (id_t)gettid(), NICENESS); /* of this thread only, on Linux */
	ftp_team_set(b->n_threads);
	pthread_mutex_lock(&b->lock);
	while (!b->stop) {
		a = pop(&b->todo);
		if (a)
			do_job(b, a);
		else
			pthread_cond_wait(&b->work, &b->lock);
	}
	pthread_mutex_unlock(&b->lock);
	return NULL;
}

int ftp_builder_start(
	struct ftp_builder **out, int n_threads, struct ftp_waker *waker, struct ftp_error *err)
{
	struct ftp_builder *b = calloc(1, sizeof(*b));
	int rc;

	ftp_assert(b);
	b->n_threads = n_threads;
	b->waker = waker;
	b->todo.last = &b->todo.first;
	b->done.last = &b->done.first;
	pthread_mutex_init(&b->lock, NULL);
	pthread_cond_init(&b->work, NULL);
	rc = pthread_create(&b->thread, NULL, builder_main, b);
	if (rc) {
		free(b);
		return ftp_error_set(err, rc, "cannot start the builder: %s", strerror(rc));
	}
	pthread_setname_np(b->thread, "builder");
	*out = b;
	return 0;
}

static void free_all(struct list *l)
{
	for (struct ftp_assembly *a = pop(l); a; a = pop(l))
		ftp_assembly_free(a);
}

void ftp_builder_stop(struct ftp_builder *b)
{
	if (!b)
		return;
	pthread_mutex_lock(&b->lock);
	b->stop = true;
	pthread_cond_signal(&b->work);
	pthread_mutex_unlock(&b->lock);
	pthread_join(b->thread, NULL);
	free_all(&b->todo);
	free_all(&b->done);
	pthread_mutex_destroy(&b->lock);
	pthread_cond_destroy(&b->work);
	free(b);
}

static void enqueue(struct ftp_builder *b, struct ftp_assembly *a)
{
	append(&b->todo, a);
	pthread_cond_signal(&b->work);
}

void ftp_builder_build(struct ftp_builder *b, struct ftp_assembly *a)
{
	pthread_mutex_lock(&b->lock);
	enqueue(b, a);
	pthread_mutex_unlock(&b->lock);
}

struct ftp_assembly *ftp_builder_take(struct ftp_builder *b)
{
	struct ftp_assembly *a;

	pthread_mutex_lock(&b->lock);
	a = pop(&b->done);
	pthread_mutex_unlock(&b->lock);
	return a;
}

void ftp_builder_discard(struct ftp_builder *b, struct ftp_assembly *a)
{
	pthread_mutex_lock(&b->lock);
	a->discarded = true;
	if (a != b->current) {
		remove_from(&b->done, a);
		remove_from(&b->todo, a);
		enqueue(b, a);
	}
	pthread_mutex_unlock(&b->lock);
}
