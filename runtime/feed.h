/* Feed: which samples a micro-batch holds, and its input tensor, as pure functions of (seed, epoch,
 * index); and a prefetching thread that keeps the next ones ready off the compute path.
 *
 * Order: epoch e is the permutation that the seed and e name; step t (from 1) of an epoch of
 * floor(n/batch) steps takes the next batch; the incomplete rest is dropped. Evaluation runs over
 * the test part in order; the last micro-batch is padded with zeros and label -1. Augmentation (pad
 * 4, crop, flip) draws from (seed, epoch, sample).
 */
#ifndef FTP_RUNTIME_FEED_H
#define FTP_RUNTIME_FEED_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/model.h"
#include "runtime/base/waker.h"
#include "runtime/dataset.h"
#include "runtime/sequence.h"

struct ftp_feed_spec {
	const struct ftp_dataset *dataset; /* lent */
	struct ftp_shape src;	     /* the model's input; smaller images are zero-padded after
					normalisation, grey is copied to every channel */
	uint32_t batch, micro_batch; /* samples */
	uint64_t seed;
	bool augment;
};

uint64_t ftp_feed_steps_per_epoch(const struct ftp_feed_spec *spec);

/* Micro-batches that hold the whole test part, the last one padded: ceil(n / micro_batch). */
uint32_t ftp_feed_eval_micro_batches(const struct ftp_feed_spec *spec);

/* Pure: input is [micro_batch][c][h][w], labels [micro_batch]. permutation is that of step's epoch,
 * (step - 1) / steps per epoch, under the key (seed, FTP_PRNG_SHUFFLE, epoch). */
void ftp_feed_train(const struct ftp_feed_spec *spec, const uint32_t *permutation, uint64_t step,
	uint32_t micro, float *input, int32_t *labels);
void ftp_feed_eval(const struct ftp_feed_spec *spec, uint32_t micro, float *input, int32_t *labels);

/* The prefetcher: a thread that stays n_ahead (1 to 1024, rounded up to a power of two)
 * micro-batches ahead of its one consumer, the worker, which takes them in the sequence's order. */
struct ftp_feed; /* opaque */

struct ftp_feed_item {
	struct ftp_item item;
	const float *input;
	const int32_t *labels;
};

/* sequence->n_micro is batch / micro_batch, n_eval 0 or ftp_feed_eval_micro_batches(). waker (lent,
 * may be NULL) ends the consumer's sleep when an item is ready. -EINVAL: batch and micro-batch do
 * not divide or exceed the data set, images larger than the input. */
int ftp_feed_new(struct ftp_feed **out, const struct ftp_feed_spec *spec,
	const struct ftp_sequence *sequence, uint32_t n_ahead, struct ftp_waker *waker,
	struct ftp_error *err);
void ftp_feed_free(struct ftp_feed *f);

/* true: *item is the next one, lent until ftp_feed_next(). false: not ready yet, or the end. Never
 * blocks; no system call while items are ready. */
bool ftp_feed_peek(struct ftp_feed *f, struct ftp_feed_item *item);
void ftp_feed_next(struct ftp_feed *f);

#endif
