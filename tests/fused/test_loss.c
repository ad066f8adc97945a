#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <math.h>

#include <cmocka.h>

#include "kernels/loss.h"
#include "runtime/base/prng.h"

#define SAMPLES 7
#define CLASSES 10

static void draw(float *logits, int32_t *labels)
{
	uint64_t key = ftp_prng_key(1, FTP_PRNG_TEST, 3);

	for (uint64_t i = 0; i < SAMPLES * CLASSES; i++)
		logits[i] = (float)(3 * ftp_prng_normal(key, i));
	for (uint64_t s = 0; s < SAMPLES; s++)
		labels[s] = (int32_t)ftp_prng_below(key, 1000 + s, CLASSES);
}

static void forward__known_values(void **state)
{
	const float logits[] = {0, 0, 0, 0, 1, 0, 0, 0};
	const int32_t labels[] = {2, 0};
	struct ftp_loss loss = ftp_loss_forward(logits, labels, 2, 4);

	(void)state;
	assert_true(fabs(loss.sum - (log(4) + log(exp(1) + 3) - 1)) < 1e-14);
	assert_int_equal(loss.n_samples, 2);
	assert_int_equal(loss.n_correct, 1); /* of equal logits the first is the arg max */
}

static void forward__survives_large_logits(void **state)
{
	const float logits[] = {3e38f, -3e38f, 1000, -1000};
	struct ftp_loss loss = ftp_loss_forward(logits, (int32_t[]){0, 1}, 2, 2);

	(void)state;
	assert_true(loss.sum == 2000);
}

static void forward__nan_shows(void **state)
{
	const float logits[] = {0, NAN, 1};

	(void)state;
	assert_true(isnan(ftp_loss_forward(logits, (int32_t[]){0}, 1, 3).sum));
}

static void forward__masks_negative_labels(void **state)
{
	float logits[SAMPLES * CLASSES];
	int32_t labels[SAMPLES];
	struct ftp_loss all, head;

	(void)state;
	draw(logits, labels);
	head = ftp_loss_forward(logits, labels, 4, CLASSES);
	for (int s = 4; s < SAMPLES; s++)
		labels[s] = -1;
	all = ftp_loss_forward(logits, labels, SAMPLES, CLASSES);
	assert_true(all.sum == head.sum);
	assert_int_equal(all.n_samples, 4);
	assert_int_equal(all.n_correct, head.n_correct);
}

static void backward__agrees_with_finite_differences(void **state)
{
	float logits[SAMPLES * CLASSES], d[SAMPLES * CLASSES];
	const float h = 1.0f / 1024, scale = 0.25f;
	int32_t labels[SAMPLES];

	(void)state;
	draw(logits, labels);
	labels[3] = -1;
	ftp_loss_backward(logits, labels, SAMPLES, CLASSES, scale, d);
	for (int i = 0; i < SAMPLES * CLASSES; i++) {
		float was = logits[i];
		double up, down;
		float wide;

		logits[i] = was + h;
		wide = logits[i];
		up = ftp_loss_forward(logits, labels, SAMPLES, CLASSES).sum;
		logits[i] = was - h;
		wide -= logits[i];
		down = ftp_loss_forward(logits, labels, SAMPLES, CLASSES).sum;
		logits[i] = was;
		assert_true(fabs(d[i] - scale * (up - down) / wide) < 1e-6);
		if (i / CLASSES == 3)
			assert_true(d[i] == 0);
	}
}

static void backward__in_place(void **state)
{
	float logits[SAMPLES * CLASSES], d[SAMPLES * CLASSES];
	int32_t labels[SAMPLES];

	(void)state;
	draw(logits, labels);
	ftp_loss_backward(logits, labels, SAMPLES, CLASSES, 1, d);
	ftp_loss_backward(logits, labels, SAMPLES, CLASSES, 1, logits);
	assert_memory_equal(logits, d, sizeof(d));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forward__known_values),
		cmocka_unit_test(forward__survives_large_logits),
		cmocka_unit_test(forward__nan_shows),
		cmocka_unit_test(forward__masks_negative_labels),
		cmocka_unit_test(backward__agrees_with_finite_differences),
		cmocka_unit_test(backward__in_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
