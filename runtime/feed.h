/* Feed: which samples a micro-batch holds, and its input tensor, as pure functions of (seed, epoch,
 * index); and a prefetching thread that keeps the next ones ready off the compute path.
 *
 * Order: epoch e is the permutation that the seed and e name; step t (from 1) of an epoch of
 * floor(n/batch) steps takes the next batch; the incomplete rest is dropped. Evaluation runs over the
 * test part in order; the last batch is padded with label -1. Augmentation (pad 4, crop, flip)
 * draws from (seed, epoch, sample).
 */
#ifndef FTP_RUNTIME_FEED_H
#define FTP_RUNTIME_FEED_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/model.h"
#include "runtime/dataset.h"

struct ftp_feed_spec {
	const struct ftp_dataset *dataset; /* lent */
	struct ftp_shape src;	/* the model's input; smaller images are zero-padded after
				   normalisation, grey is copied to every channel */
	uint32_t batch, micro_batch; /* samples */
	uint64_t seed;
	bool augment;
};

uint64_t ftp_feed_steps_per_epoch(const struct ftp_feed_spec *spec);
uint32_t ftp_feed_eval_micro_batches(const struct ftp_feed_spec *spec);

/* Pure: input is [micro_batch][c][h][w], labels [micro_batch]. */
void ftp_feed_train(const struct ftp_feed_spec *spec, const uint32_t *permutation, uint64_t step,
	uint32_t micro, float *input, int32_t *labels);
void ftp_feed_eval(const struct ftp_feed_spec *spec, uint32_t micro, float *input,
	int32_t *labels);

/* The prefetcher. The consumer (the worker) takes items in order; the thread stays n_ahead ahead.
 * The sequence is that of the run: training micro-batches of step 1, 2, ..., and after each step of
 * which eval_every is a divisor, and after the last, one pass of evaluation micro-batches. */
struct ftp_feed; /* opaque */

struct ftp_feed_item {
	bool eval;
	uint64_t step;
	uint32_t micro;
	const float *input;
	const int32_t *labels;
};

struct ftp_feed_range {
	uint64_t first_step, last_step, eval_every;
};

int ftp_feed_new(struct ftp_feed **out, const struct ftp_feed_spec *spec,
	const struct ftp_feed_range *range, uint32_t n_ahead, struct ftp_error *err);
void ftp_feed_free(struct ftp_feed *f);

/* true: *item is the next one, lent until ftp_feed_next(). false: not ready yet, or the end. Never
 * blocks, no system call. */
bool ftp_feed_peek(struct ftp_feed *f, struct ftp_feed_item *item);
void ftp_feed_next(struct ftp_feed *f);

#endif
