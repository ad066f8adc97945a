#include "runtime/feed.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "runtime/base/prng.h"
#include "tests/base/check.h"
#include "tests/runtime/small_dataset.h"

#define MAX_FLOATS (8 * 3 * 12 * 12)

static struct ftp_dataset *dataset;

static struct ftp_feed_spec spec_of(uint32_t batch, uint32_t micro_batch, bool augment)
{
	return (struct ftp_feed_spec){
		.dataset = dataset,
		.src = {.c = 3, .h = 8, .w = 6},
		.batch = batch,
		.micro_batch = micro_batch,
		.seed = check_seed(),
		.augment = augment,
	};
}

static void permutation_of(const struct ftp_feed_spec *s, uint64_t epoch, uint32_t *perm)
{
	ftp_prng_permutation(
		ftp_prng_key(s->seed, FTP_PRNG_SHUFFLE, epoch), perm, dataset->train.n);
}

static float level(uint8_t pixel)
{
	return ((float)pixel / 255.0f - dataset->mean) / dataset->std;
}

static float at(const struct ftp_feed_spec *s, const float *input, int i, int c, int y, int x)
{
	return input[((i * s->src.c + c) * s->src.h + y) * s->src.w + x];
}

static void steps_per_epoch__drops_the_rest(void **state)
{
	struct ftp_feed_spec s = spec_of(6, 3, false);

	(void)state;
	assert_int_equal(ftp_feed_steps_per_epoch(&s), SMALL_TRAIN / 6);
	assert_int_equal(ftp_feed_eval_micro_batches(&s), (SMALL_TEST + 2) / 3);
	s.micro_batch = SMALL_TEST;
	assert_int_equal(ftp_feed_eval_micro_batches(&s), 1);
}

static void train__places_normalised_pixels(void **state)
{
	struct ftp_feed_spec s = spec_of(4, 2, false);
	uint32_t perm[SMALL_TRAIN];
	float input[MAX_FLOATS];
	int32_t labels[2];

	(void)state;
	permutation_of(&s, 0, perm);
	ftp_feed_train(&s, perm, 2, 1, input, labels);
	for (int i = 0; i < 2; i++) {
		uint32_t sample = perm[4 + 2 + i];

		assert_int_equal(labels[i], sample % 3);
		for (int c = 0; c < 3; c++)
			for (int y = 0; y < 8; y++)
				for (int x = 0; x < 6; x++) {
					/* 5x4 in the middle of 8x6 */
					bool in = y >= 1 && y < 6 && x >= 1 && x < 5;
					float expected =
						in ? level(small_dataset_pixel(0, sample,
							     (uint32_t)y - 1, (uint32_t)x - 1))
						   : 0.0f;

					assert_true(at(&s, input, i, c, y, x) == expected);
				}
	}
}

/* In one epoch each sample but the dropped ones is seen once; epochs differ. */
static void train__an_epoch_is_a_permutation(void **state)
{
	struct ftp_feed_spec s = spec_of(5, 5, false);
	uint64_t per_epoch = ftp_feed_steps_per_epoch(&s);
	uint32_t perms[3][SMALL_TRAIN];

	(void)state;
	for (uint64_t epoch = 0; epoch < 3; epoch++) {
		uint32_t seen[SMALL_TRAIN] = {0}, n_seen = 0;

		permutation_of(&s, epoch, perms[epoch]);
		for (uint64_t step = 1; step <= per_epoch; step++) {
			float input[MAX_FLOATS];
			int32_t labels[5];

			ftp_feed_train(
				&s, perms[epoch], epoch * per_epoch + step, 0, input, labels);
			for (int i = 0; i < 5; i++)
				for (uint32_t k = 0; k < SMALL_TRAIN; k++)
					if (at(&s, input, i, 0, 1, 1) ==
						level(small_dataset_pixel(0, k, 0, 0)))
						seen[k]++;
		}
		for (uint32_t k = 0; k < SMALL_TRAIN; k++) {
			assert_in_range(seen[k], 0, 1);
			n_seen += seen[k];
		}
		assert_int_equal(n_seen, per_epoch * 5);
	}
	assert_memory_not_equal(perms[0], perms[1], sizeof(perms[0]));
	assert_memory_not_equal(perms[1], perms[2], sizeof(perms[0]));
}

/* Depends on (seed, epoch, sample) alone: not on batch, position or who else was asked for. */
static void train__augmentation_is_pure(void **state)
{
	struct ftp_feed_spec wide = spec_of(8, 8, true), narrow = spec_of(8, 2, true);
	uint32_t perm[SMALL_TRAIN], swapped[SMALL_TRAIN];
	float all[MAX_FLOATS], part[MAX_FLOATS], plain[MAX_FLOATS];
	size_t sample = 3 * 8 * 6 * sizeof(float);
	int32_t labels[8];
	int n_moved = 0;

	(void)state;
	permutation_of(&wide, 0, perm);
	ftp_feed_train(&wide, perm, 1, 0, all, labels);
	for (uint32_t micro = 0; micro < 4; micro++) {
		ftp_feed_train(&narrow, perm, 1, micro, part, labels);
		assert_memory_equal(part, all + micro * 2 * 3 * 8 * 6, 2 * sample);
	}
	memcpy(swapped, perm, sizeof(perm));
	swapped[0] = perm[7];
	swapped[7] = perm[0];
	ftp_feed_train(&wide, swapped, 1, 0, part, labels);
	assert_memory_equal(part, all + 7 * 3 * 8 * 6, sample);
	ftp_feed_train(&wide, perm, 1 + ftp_feed_steps_per_epoch(&wide), 0, part, labels);
	assert_memory_not_equal(part, all, 8 * sample); /* another epoch */
	wide.augment = false;
	ftp_feed_train(&wide, perm, 1, 0, plain, labels);
	for (int i = 0; i < 8; i++)
		n_moved += memcmp(plain + i * 3 * 8 * 6, all + i * 3 * 8 * 6, sample) != 0;
	assert_in_range(n_moved, 4, 8);
}

/* The image moves whole, by -4..4 in each direction, mirrored or not, and every place occurs. */
static void train__augmentation_covers_its_range(void **state)
{
	struct ftp_feed_spec s = spec_of(1, 1, true);
	uint32_t perm[SMALL_TRAIN] = {0}, places[9][9][2] = {0};
	/* 13x12 holds every place of the 5x4 image whole */
	float input[3 * 13 * 12], a = level(small_dataset_pixel(0, 0, 0, 0));
	int32_t label;

	(void)state;
	s.src = (struct ftp_shape){.c = 1, .h = 13, .w = 12};
	for (uint64_t epoch = 0; epoch < 4000; epoch++) {
		int found = 0;

		ftp_feed_train(&s, perm, epoch * SMALL_TRAIN + 1, 0, input, &label);
		for (int y = 0; y < 9; y++)
			for (int x = 0; x < 12; x++) {
				bool plain = input[y * 12 + x] == a && x < 9 &&
					     input[y * 12 + x + 3] ==
						     level(small_dataset_pixel(0, 0, 0, 3));
				bool mirrored = input[y * 12 + x] == a && x >= 3 &&
						input[y * 12 + x - 3] ==
							level(small_dataset_pixel(0, 0, 0, 3));

				if (!plain && !mirrored)
					continue;
				found++;
				places[y][plain ? x : 11 - x][mirrored]++;
			}
		assert_int_equal(found, 1);
	}
	for (int y = 0; y < 9; y++)
		for (int x = 0; x < 9; x++)
			for (int m = 0; m < 2; m++)
				assert_in_range(places[y][x][m], 4, 60); /* 24.7 expected */
}

static void eval__covers_each_test_sample_once(void **state)
{
	struct ftp_feed_spec s = spec_of(4, 4, true); /* augmentation is for training only */
	uint32_t next = 0;

	(void)state;
	for (uint32_t micro = 0; micro < ftp_feed_eval_micro_batches(&s); micro++) {
		float input[MAX_FLOATS];
		int32_t labels[4];

		ftp_feed_eval(&s, micro, input, labels);
		for (int i = 0; i < 4; i++, next++) {
			float expected = next < SMALL_TEST
						 ? level(small_dataset_pixel(1, next, 0, 0))
						 : 0.0f;

			assert_int_equal(labels[i], next < SMALL_TEST ? (int)next % 3 : -1);
			assert_true(at(&s, input, i, 0, 1, 1) == expected);
		}
	}
	assert_in_range(next, SMALL_TEST, SMALL_TEST + 3);
}

static void new__refuses_what_does_not_fit(void **state)
{
	static const struct {
		uint32_t batch, micro_batch;
		int32_t h, w;
		const char *text;
	} cases[] = {
		{6, 4, 8, 6, "cannot be split"},
		{0, 1, 8, 6, "cannot be split"},
		{4, 0, 8, 6, "cannot be split"},
		{SMALL_TRAIN + 1, 1, 8, 6, "at most the data set's 23 training samples, got 24"},
		{4, 4, 4, 6, "larger than the model's input"},
		{4, 4, 8, 3, "larger than the model's input"},
	};
	const struct ftp_sequence sequence = {.first_step = 1, .last_step = 1, .n_micro = 1};
	struct ftp_error err;
	struct ftp_feed *f;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ftp_feed_spec s = spec_of(cases[i].batch, cases[i].micro_batch, false);

		s.src.h = cases[i].h;
		s.src.w = cases[i].w;
		assert_int_equal(ftp_feed_new(&f, &s, &sequence, 1, NULL, &err), -EINVAL);
		assert_non_null(strstr(err.text, cases[i].text));
	}
}

/* Waits as the worker does, with a deadline. */
static bool wait_for(struct ftp_feed *f, struct ftp_feed_item *item, struct ftp_waker *waker)
{
	for (int turns = 0; turns < 1000; turns++) {
		struct pollfd fd = {.fd = waker->fd, .events = POLLIN};

		if (ftp_feed_peek(f, item))
			return true;
		ftp_waker_arm(waker);
		if (!ftp_feed_peek(f, item))
			poll(&fd, 1, 100);
		ftp_waker_disarm(waker);
	}
	return false;
}

static void assert_run(
	const struct ftp_feed_spec *s, const struct ftp_sequence *sequence, uint32_t n_ahead)
{
	struct ftp_item expected = ftp_sequence_first(sequence);
	uint32_t perm[SMALL_TRAIN];
	struct ftp_waker waker;
	struct ftp_error err;
	struct ftp_feed_item item;
	struct ftp_feed *f;

	assert_int_equal(ftp_waker_init(&waker, &err), 0);
	assert_int_equal(ftp_feed_new(&f, s, sequence, n_ahead, &waker, &err), 0);
	for (; !expected.end; expected = ftp_sequence_next(sequence, expected)) {
		float input[MAX_FLOATS];
		int32_t labels[8];

		assert_true(wait_for(f, &item, &waker));
		assert_int_equal(item.item.index, expected.index);
		assert_int_equal(item.item.step, expected.step);
		assert_int_equal(item.item.micro, expected.micro);
		assert_int_equal(item.item.eval, expected.eval);
		permutation_of(s, (expected.step - 1) / ftp_feed_steps_per_epoch(s), perm);
		if (expected.eval)
			ftp_feed_eval(s, expected.micro, input, labels);
		else
			ftp_feed_train(s, perm, expected.step, expected.micro, input, labels);
		assert_memory_equal(item.labels, labels, s->micro_batch * sizeof(*labels));
		assert_memory_equal(item.input, input, s->micro_batch * 3 * 8 * 6 * sizeof(*input));
		ftp_feed_next(f);
	}
	assert_false(ftp_feed_peek(f, &item));
	ftp_feed_free(f);
	ftp_waker_deinit(&waker);
}

static void new__prefetches_the_whole_sequence(void **state)
{
	struct ftp_feed_spec s = spec_of(8, 4, true);
	struct ftp_sequence sequence = {.first_step = 1,
		.last_step = 11,
		.eval_every = 3,
		.n_micro = 2,
		.n_eval = ftp_feed_eval_micro_batches(&s)};

	(void)state;
	for (uint32_t n_ahead = 1; n_ahead < 10; n_ahead += 2)
		assert_run(&s, &sequence, n_ahead);
	sequence.n_eval = 0;
	assert_run(&s, &sequence, 4);
	sequence.first_step = 5; /* resumed: the same items from here on */
	sequence.n_eval = 1;
	sequence.eval_every = 0;
	assert_run(&s, &sequence, 4);
}

static void free__ends_a_thread_that_waits(void **state)
{
	struct ftp_feed_spec s = spec_of(4, 4, false);
	const struct ftp_sequence sequence = {
		.first_step = 1, .last_step = UINT64_MAX - 1, .n_micro = 1};
	struct ftp_error err;
	struct ftp_feed *f;

	(void)state;
	for (int i = 0; i < 50; i++) {
		assert_int_equal(ftp_feed_new(&f, &s, &sequence, 2, NULL, &err), 0);
		ftp_feed_free(f);
	}
}

static int set_up(void **state)
{
	struct ftp_error err;
	char dir[64];

	(void)state;
	small_dataset_directory(dir);
	small_dataset_write(dir);
	if (ftp_dataset_open(&dataset, dir, &err))
		fail_msg("%s", err.text);
	small_dataset_remove(dir);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	ftp_dataset_close(dataset);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(steps_per_epoch__drops_the_rest),
		cmocka_unit_test(train__places_normalised_pixels),
		cmocka_unit_test(train__an_epoch_is_a_permutation),
		cmocka_unit_test(train__augmentation_is_pure),
		cmocka_unit_test(train__augmentation_covers_its_range),
		cmocka_unit_test(eval__covers_each_test_sample_once),
		cmocka_unit_test(new__refuses_what_does_not_fit),
		cmocka_unit_test(new__prefetches_the_whole_sequence),
		cmocka_unit_test(free__ends_a_thread_that_waits),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
