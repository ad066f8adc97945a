#include "runtime/feed.h"

#include <string.h>

#include "runtime/base/error.h"
#include "runtime/base/prng.h"

#define AUGMENT_PAD 4 /* pixels on each side */

/* Where a sample's pixels land: shifted by whole pixels, perhaps mirrored. */
struct placement {
	int32_t top, left; /* of the image's corner in the input */
	bool mirror;	   /* the input as a whole, after the shift */
};

static struct placement centred(const struct ftp_feed_spec *spec)
{
	return (struct placement){
		.top = (spec->src.h - (int32_t)spec->dataset->height) / 2,
		.left = (spec->src.w - (int32_t)spec->dataset->width) / 2,
	};
}

/* Pad by 4, crop at one of 9 x 9 places, mirror one in two (He et al. 2016, section 4.2). */
static struct placement augmented(const struct ftp_feed_spec *spec, uint64_t epoch, uint32_t sample)
{
	uint64_t key = ftp_prng_key(spec->seed, FTP_PRNG_AUGMENT, epoch);
	uint64_t draw =
		ftp_prng_below(key, sample, (2 * AUGMENT_PAD + 1) * (2 * AUGMENT_PAD + 1) * 2);
	struct placement p = centred(spec);

	p.mirror = draw & 1;
	draw >>= 1;
	p.top += (int32_t)(draw % (2 * AUGMENT_PAD + 1)) - AUGMENT_PAD;
	p.left += (int32_t)(draw / (2 * AUGMENT_PAD + 1)) - AUGMENT_PAD;
	return p;
}

/* Normalised value of each grey level. */
static void fill_levels(const struct ftp_dataset *d, float levels[256])
{
	for (int v = 0; v < 256; v++)
		levels[v] = ((float)v / 255.0f - d->mean) / d->std;
}

/* One channel, from a plane that is zero already. */
static void place(const struct ftp_feed_spec *spec, const float levels[256], const uint8_t *pixels,
	struct placement p, float *plane)
{
	const struct ftp_dataset *d = spec->dataset;
	const int32_t height = (int32_t)d->height, width = (int32_t)d->width;
	int32_t first = p.left < 0 ? -p.left : 0;
	int32_t end = spec->src.w - p.left < width ? spec->src.w - p.left : width;

	for (int32_t row = 0; row < height; row++) {
		int32_t y = row + p.top;
		const uint8_t *from = pixels + (size_t)row * d->width;
		float *to = plane + (ptrdiff_t)y * spec->src.w;

		if (y < 0 || y >= spec->src.h)
			continue;
		if (p.mirror)
			for (int32_t x = first; x < end; x++)
				to[spec->src.w - 1 - (x + p.left)] = levels[from[x]];
		else
			for (int32_t x = first; x < end; x++)
				to[x + p.left] = levels[from[x]];
	}
}

static void fill_sample(const struct ftp_feed_spec *spec, const float levels[256],
	const struct ftp_dataset_part *part, uint32_t sample, struct placement p, float *input)
{
	size_t plane = (size_t)spec->src.h * (size_t)spec->src.w;
	size_t image = (size_t)spec->dataset->height * spec->dataset->width;

	memset(input, 0, plane * sizeof(float));
	place(spec, levels, part->pixels + sample * image, p, input);
	for (int32_t c = 1; c < spec->src.c; c++)
		memcpy(input + (size_t)c * plane, input, plane * sizeof(float));
}

static size_t sample_floats(const struct ftp_feed_spec *spec)
{
	return (size_t)spec->src.c * (size_t)spec->src.h * (size_t)spec->src.w;
}

uint64_t ftp_feed_steps_per_epoch(const struct ftp_feed_spec *spec)
{
	return spec->dataset->train.n / spec->batch;
}

uint32_t ftp_feed_eval_micro_batches(const struct ftp_feed_spec *spec)
{
	return (spec->dataset->test.n - 1) / spec->micro_batch + 1;
}

void ftp_feed_train(const struct ftp_feed_spec *spec, const uint32_t *permutation, uint64_t step,
	uint32_t micro, float *input, int32_t *labels)
{
	uint64_t per_epoch = ftp_feed_steps_per_epoch(spec);
	uint64_t epoch = (step - 1) / per_epoch;
	uint64_t first = (step - 1) % per_epoch * spec->batch + (uint64_t)micro * spec->micro_batch;
	float levels[256];

	ftp_assert(step > 0 && first + spec->micro_batch <= spec->dataset->train.n);
	fill_levels(spec->dataset, levels);
	for (uint32_t i = 0; i < spec->micro_batch; i++) {
		uint32_t sample = permutation[first + i];
		struct placement p = spec->augment ? augmented(spec, epoch, sample) : centred(spec);

		fill_sample(spec, levels, &spec->dataset->train, sample, p,
			input + i * sample_floats(spec));
		labels[i] = spec->dataset->train.labels[sample];
	}
}

void ftp_feed_eval(const struct ftp_feed_spec *spec, uint32_t micro, float *input, int32_t *labels)
{
	const struct ftp_dataset_part *test = &spec->dataset->test;
	float levels[256];

	fill_levels(spec->dataset, levels);
	for (uint32_t i = 0; i < spec->micro_batch; i++) {
		uint64_t sample = (uint64_t)micro * spec->micro_batch + i;
		float *to = input + i * sample_floats(spec);

		if (sample < test->n) {
			fill_sample(spec, levels, test, (uint32_t)sample, centred(spec), to);
			labels[i] = test->labels[sample];
		} else {
			memset(to, 0, sample_floats(spec) * sizeof(float));
			labels[i] = -1;
		}
	}
}
