/* The prefetching half of runtime/feed.h. */
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/prng.h"
#include "runtime/base/spsc.h"
#include "runtime/feed.h"

#define MAX_AHEAD    1024u
#define MIN_SLEEP_NS (1 * FTP_NS_PER_MS)
#define MAX_SLEEP_NS (50 * FTP_NS_PER_MS)

/* Both rings carry items; a free one has stale contents and its buffers. When all are full the
 * thread sleeps for about as long as the consumer takes for half of them: it finds that out by
 * how many it has to fill afterwards. So the consumer need not wake it, which would be a system
 * call for each micro-batch; only a consumer that finds nothing ready does, having no work. */
struct ftp_feed {
	struct ftp_feed_spec spec;
	struct ftp_sequence sequence;
	struct ftp_waker *waker; /* the consumer's, or NULL */
	uint32_t n_items;	 /* a power of two */
	float *inputs;
	int32_t *labels;
	uint32_t *permutation; /* of permuted_epoch */
	uint64_t permuted_epoch;
	struct ftp_spsc ready, unused;
	struct ftp_feed_item current; /* consumer: lent out, or taken for a peek */
	bool has_current;
	_Atomic uint32_t asleep; /* 1: the thread waits on it */
	_Atomic bool stop;
	pthread_t thread;
};

static void sleep_until_woken(struct ftp_feed *f, uint64_t ns)
{
	struct timespec ts = {.tv_nsec = (long)ns};

	atomic_store(&f->asleep, 1);
	if (!atomic_load(&f->stop))
		syscall(SYS_futex, &f->asleep, FUTEX_WAIT_PRIVATE, 1, &ts, NULL, 0);
	atomic_store(&f->asleep, 0);
}

static void wake(struct ftp_feed *f)
{
	if (atomic_load_explicit(&f->asleep, memory_order_relaxed) &&
		atomic_exchange(&f->asleep, 0))
		syscall(SYS_futex, &f->asleep, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* Takes an item with free buffers, sleeping while there is none; false: the feed is being freed. */
static bool take_unused(
	struct ftp_feed *f, struct ftp_feed_item *item, uint64_t *sleep_ns, uint32_t *n_filled)
{
	while (!atomic_load_explicit(&f->stop, memory_order_relaxed)) {
		if (ftp_spsc_pop(&f->unused, item)) {
			++*n_filled;
			return true;
		}
		if (*n_filled > f->n_items / 2 && *sleep_ns > MIN_SLEEP_NS)
			*sleep_ns /= 2;
		else if (*n_filled <= f->n_items / 4 && *sleep_ns < MAX_SLEEP_NS)
			*sleep_ns *= 2;
		*n_filled = 0;
		sleep_until_woken(f, *sleep_ns < MAX_SLEEP_NS ? *sleep_ns : MAX_SLEEP_NS);
	}
	return false;
}

static void fill(struct ftp_feed *f, struct ftp_feed_item *item)
{
	uint64_t epoch = (item->item.step - 1) / ftp_feed_steps_per_epoch(&f->spec);
	/* The buffers are the feed's own; only the consumer sees them as const. */
	float *input = (float *)item->input;
	int32_t *labels = (int32_t *)item->labels;

	if (item->item.eval) {
		ftp_feed_eval(&f->spec, item->item.micro, input, labels);
		return;
	}
	if (epoch != f->permuted_epoch) {
		ftp_prng_permutation(ftp_prng_key(f->spec.seed, FTP_PRNG_SHUFFLE, epoch),
			f->permutation, f->spec.dataset->train.n);
		f->permuted_epoch = epoch;
	}
	ftp_feed_train(&f->spec, f->permutation, item->item.step, item->item.micro, input, labels);
}

static void *prefetch(void *arg)
{
	struct ftp_feed *f = arg;
	struct ftp_item at = ftp_sequence_first(&f->sequence);
	uint64_t sleep_ns = MIN_SLEEP_NS;
	uint32_t n_filled = 0;

	for (; !at.end; at = ftp_sequence_next(&f->sequence, at)) {
		struct ftp_feed_item item;

		if (!take_unused(f, &item, &sleep_ns, &n_filled))
			break;
		item.item = at;
		fill(f, &item);
		ftp_assert(ftp_spsc_push(&f->ready, &item));
		if (f->waker)
			ftp_waker_wake(f->waker);
	}
	return NULL;
}

static int check(const struct ftp_feed_spec *s, struct ftp_error *err)
{
	const struct ftp_dataset *d = s->dataset;

	if (!s->batch || !s->micro_batch || s->batch % s->micro_batch)
		return ftp_error_set(err, EINVAL,
			"training.batch: %u samples cannot be split into micro-batches of %u",
			s->batch, s->micro_batch);
	if (s->batch > d->train.n)
		return ftp_error_set(err, EINVAL,
			"training.batch: expected at most the data set's %u training samples, got "
			"%u",
			d->train.n, s->batch);
	if ((int64_t)d->height > s->src.h || (int64_t)d->width > s->src.w)
		return ftp_error_set(err, EINVAL,
			"training.dataset: images of %ux%u are larger than the model's input of "
			"%dx%d",
			d->height, d->width, s->src.h, s->src.w);
	return 0;
}

static void allocate(struct ftp_feed *f)
{
	size_t floats = (size_t)f->spec.src.c * (size_t)f->spec.src.h * (size_t)f->spec.src.w *
			f->spec.micro_batch;
	size_t stride = (floats + 15) & ~(size_t)15; /* whole cache lines */

	f->inputs = aligned_alloc(64, f->n_items * stride * sizeof(float));
	f->labels = calloc((size_t)f->n_items * f->spec.micro_batch, sizeof(int32_t));
	f->permutation = calloc(f->spec.dataset->train.n, sizeof(uint32_t));
	ftp_assert(f->inputs && f->labels && f->permutation);
	f->permuted_epoch = UINT64_MAX;
	ftp_spsc_init(&f->ready, f->n_items, sizeof(struct ftp_feed_item));
	ftp_spsc_init(&f->unused, f->n_items, sizeof(struct ftp_feed_item));
	for (uint32_t i = 0; i < f->n_items; i++) {
		struct ftp_feed_item item = {
			.input = f->inputs + i * stride,
			.labels = f->labels + (size_t)i * f->spec.micro_batch,
		};

		ftp_assert(ftp_spsc_push(&f->unused, &item));
	}
}

static void release(struct ftp_feed *f)
{
	ftp_spsc_deinit(&f->ready);
	ftp_spsc_deinit(&f->unused);
	free(f->inputs);
	free(f->labels);
	free(f->permutation);
	free(f);
}

int ftp_feed_new(struct ftp_feed **out, const struct ftp_feed_spec *spec,
	const struct ftp_sequence *sequence, uint32_t n_ahead, struct ftp_waker *waker,
	struct ftp_error *err)
{
	struct ftp_feed *f;
	int rc = check(spec, err);

	if (rc)
		return rc;
	ftp_assert(n_ahead > 0 && n_ahead <= MAX_AHEAD && sequence->first_step > 0);
	ftp_assert(sequence->n_micro == spec->batch / spec->micro_batch);
	ftp_assert(sequence->n_eval <= ftp_feed_eval_micro_batches(spec));
	f = aligned_alloc(64, (sizeof(*f) + 63) & ~(size_t)63);
	ftp_assert(f);
	*f = (struct ftp_feed){.spec = *spec, .sequence = *sequence, .waker = waker, .n_items = 1};
	while (f->n_items < n_ahead)
		f->n_items *= 2;
	allocate(f);
	rc = pthread_create(&f->thread, NULL, prefetch, f);
	if (rc) {
		release(f);
		return ftp_error_set(err, rc, "the data thread cannot start: %s", strerror(rc));
	}
	pthread_setname_np(f->thread, "feed");
	*out = f;
	return 0;
}

void ftp_feed_free(struct ftp_feed *f)
{
	if (!f)
		return;
	atomic_store(&f->stop, true);
	wake(f);
	pthread_join(f->thread, NULL);
	release(f);
}

bool ftp_feed_peek(struct ftp_feed *f, struct ftp_feed_item *item)
{
	if (!f->has_current) {
		f->has_current = ftp_spsc_pop(&f->ready, &f->current);
		if (!f->has_current) {
			wake(f);
			return false;
		}
	}
	*item = f->current;
	return true;
}

void ftp_feed_next(struct ftp_feed *f)
{
	ftp_assert(f->has_current);
	f->has_current = false;
	ftp_assert(ftp_spsc_push(&f->unused, &f->current));
}
