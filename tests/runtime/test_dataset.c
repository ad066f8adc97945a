#include "runtime/dataset.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "tests/base/check.h"
#include "tests/runtime/small_dataset.h"

#define FASHION_MNIST "/usr/share/datasets/fashion-mnist"

static void assert_refused(int code, const char *text)
{
	struct ftp_dataset *d = NULL;
	struct ftp_error err;

	assert_int_equal(ftp_dataset_open(&d, small_dataset_dir, &err), code);
	assert_null(d);
	if (!strstr(err.text, text))
		fail_msg("'%s' is not in: %s", text, err.text);
	assert_non_null(strstr(err.text, "training.dataset.path"));
}

static void open__gives_both_parts(void **state)
{
	struct ftp_dataset *d;
	struct ftp_error err;
	double sum = 0, squares = 0, n = SMALL_TRAIN * SMALL_HEIGHT * SMALL_WIDTH;

	(void)state;
	small_dataset_write(small_dataset_dir);
	assert_int_equal(ftp_dataset_open(&d, small_dataset_dir, &err), 0);
	assert_int_equal(d->train.n, SMALL_TRAIN);
	assert_int_equal(d->test.n, SMALL_TEST);
	assert_int_equal(d->height, SMALL_HEIGHT);
	assert_int_equal(d->width, SMALL_WIDTH);
	assert_int_equal(d->n_classes, 3);
	for (uint32_t i = 0; i < SMALL_TRAIN * SMALL_HEIGHT * SMALL_WIDTH; i++) {
		double v = d->train.pixels[i] / 255.0;

		sum += v;
		squares += v * v;
	}
	assert_true(fabs(d->mean - sum / n) < 1e-6);
	assert_true(fabs(d->std - sqrt(squares / n - sum * sum / n / n)) < 1e-6);
	assert_int_equal(
		d->test.pixels[SMALL_HEIGHT * SMALL_WIDTH], small_dataset_pixel(1, 1, 0, 0));
	assert_int_equal(d->test.labels[4], 1);
	ftp_dataset_close(d);
}

static void open__digest_covers_every_part(void **state)
{
	static const uint8_t other_labels[] = {
		0, 0, 8, 1, 0, 0, 0, SMALL_TEST, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 2};
	struct ftp_dataset *a, *b;
	struct ftp_error err;

	(void)state;
	small_dataset_write(small_dataset_dir);
	assert_int_equal(ftp_dataset_open(&a, small_dataset_dir, &err), 0);
	assert_int_equal(ftp_dataset_open(&b, small_dataset_dir, &err), 0);
	assert_memory_equal(&a->digest, &b->digest, sizeof(a->digest));
	ftp_dataset_close(b);
	small_dataset_write_file(
		small_dataset_dir, "t10k-labels-idx1-ubyte.gz", other_labels, sizeof(other_labels));
	assert_int_equal(ftp_dataset_open(&b, small_dataset_dir, &err), 0);
	assert_memory_not_equal(&a->digest, &b->digest, sizeof(a->digest));
	ftp_dataset_close(a);
	ftp_dataset_close(b);
}

static void open__each_file_missing(void **state)
{
	static const char *const names[] = {"train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte",
		"t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte.gz"};
	char path[128];

	(void)state;
	for (int i = 0; i < 4; i++) {
		small_dataset_write(small_dataset_dir);
		snprintf(path, sizeof(path), "%s/%s", small_dataset_dir, names[i]);
		assert_int_equal(unlink(path), 0);
		assert_refused(-ENOENT, "No such file");
	}
}

static void open__test_prefix(void **state)
{
	char from[128], to[128];
	struct ftp_dataset *d;
	struct ftp_error err;

	(void)state;
	small_dataset_write(small_dataset_dir);
	snprintf(from, sizeof(from), "%s/t10k-images-idx3-ubyte", small_dataset_dir);
	snprintf(to, sizeof(to), "%s/test-images-idx3-ubyte", small_dataset_dir);
	assert_int_equal(rename(from, to), 0);
	snprintf(from, sizeof(from), "%s/t10k-labels-idx1-ubyte.gz", small_dataset_dir);
	snprintf(to, sizeof(to), "%s/test-labels-idx1-ubyte.gz", small_dataset_dir);
	assert_int_equal(rename(from, to), 0);
	assert_int_equal(ftp_dataset_open(&d, small_dataset_dir, &err), 0);
	assert_int_equal(d->test.n, SMALL_TEST);
	ftp_dataset_close(d);
	small_dataset_remove(small_dataset_dir);
	small_dataset_directory(small_dataset_dir);
}

static void open__parts_that_do_not_match(void **state)
{
	static const uint8_t few_labels[] = {0, 0, 8, 1, 0, 0, 0, 2, 0, 1};
	static const uint8_t wide[] = {0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2, 7, 7};
	static const uint8_t one_label[] = {0, 0, 8, 1, 0, 0, 0, 1, 0};
	static const uint8_t bad_label[] = {0, 0, 8, 1, 0, 0, 0, 1, 3};

	(void)state;
	small_dataset_write(small_dataset_dir);
	small_dataset_write_file(
		small_dataset_dir, "train-labels-idx1-ubyte", few_labels, sizeof(few_labels));
	assert_refused(-EINVAL, "2 labels, but");
	small_dataset_write(small_dataset_dir);
	small_dataset_write_file(small_dataset_dir, "t10k-images-idx3-ubyte", wide, sizeof(wide));
	small_dataset_write_file(
		small_dataset_dir, "t10k-labels-idx1-ubyte.gz", one_label, sizeof(one_label));
	assert_refused(-EINVAL, "images of 1x2, but the training images are 5x4");
	small_dataset_write(small_dataset_dir);
	small_dataset_write_file(
		small_dataset_dir, "t10k-labels-idx1-ubyte.gz", bad_label, sizeof(bad_label));
	assert_refused(-EINVAL, "1 labels, but");
}

static void open__labels_out_of_range(void **state)
{
	uint8_t train[8 + SMALL_TRAIN] = {0, 0, 8, 1, 0, 0, 0, SMALL_TRAIN};
	uint8_t test[8 + SMALL_TEST] = {0, 0, 8, 1, 0, 0, 0, SMALL_TEST, 3};

	(void)state;
	small_dataset_write(small_dataset_dir);
	train[8 + 5] = 200;
	small_dataset_write_file(
		small_dataset_dir, "train-labels-idx1-ubyte", train, sizeof(train));
	assert_refused(-EINVAL, "train-labels-idx1-ubyte: label 200 of sample 5 is out of range");
	small_dataset_write(small_dataset_dir);
	small_dataset_write_file(
		small_dataset_dir, "t10k-labels-idx1-ubyte.gz", test, sizeof(test));
	assert_refused(-EINVAL, "t10k-labels-idx1-ubyte.gz: label 3 of sample 0 is out of range");
}

static void open__constant_pixels(void **state)
{
	uint8_t images[16 + SMALL_TRAIN] = {
		0, 0, 8, 3, 0, 0, 0, SMALL_TRAIN, 0, 0, 0, 1, 0, 0, 0, 1};
	uint8_t test[16 + SMALL_TEST] = {0, 0, 8, 3, 0, 0, 0, SMALL_TEST, 0, 0, 0, 1, 0, 0, 0, 1};

	(void)state;
	small_dataset_write(small_dataset_dir);
	small_dataset_write_file(
		small_dataset_dir, "train-images-idx3-ubyte.gz", images, sizeof(images));
	small_dataset_write_file(small_dataset_dir, "t10k-images-idx3-ubyte", test, sizeof(test));
	assert_refused(-EINVAL, "nothing to learn");
}

static void open__fashion_mnist(void **state)
{
	struct ftp_dataset *d;
	struct ftp_error err;

	(void)state;
	if (access(FASHION_MNIST, R_OK))
		skip();
	if (ftp_dataset_open(&d, FASHION_MNIST, &err))
		fail_msg("%s", err.text);
	assert_int_equal(d->train.n, 60000);
	assert_int_equal(d->test.n, 10000);
	assert_int_equal(d->n_classes, 10);
	assert_int_equal(d->height, 28);
	assert_int_equal(d->width, 28);
	assert_true(fabs(d->mean - 0.2860) < 1e-4);
	assert_true(fabs(d->std - 0.3530) < 1e-4);
	ftp_dataset_close(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(open__gives_both_parts),
		cmocka_unit_test(open__digest_covers_every_part),
		cmocka_unit_test(open__each_file_missing),
		cmocka_unit_test(open__test_prefix),
		cmocka_unit_test(open__parts_that_do_not_match),
		cmocka_unit_test(open__labels_out_of_range),
		cmocka_unit_test(open__constant_pixels),
		cmocka_unit_test(open__fashion_mnist),
	};

	return cmocka_run_group_tests(tests, small_dataset_set_up, small_dataset_tear_down);
}
