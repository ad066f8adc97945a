#include "tests/base/check.h"

#include <string.h>

#include "kernels/layout.h"
#include "kernels/pool.h"

/* Lane l of pixel i of a 2x2 window. */
static void forward__maximum_and_ties(void **state)
{
	static const struct ftp_pool p = {.max = true,
		.n_blocks = 1,
		.h = 2,
		.w = 2,
		.h_out = 1,
		.w_out = 1,
		.kernel_h = 2,
		.kernel_w = 2,
		.stride = 2};
	float x[4][FTP_BLOCK] = {{0}}, y[FTP_BLOCK], dy[FTP_BLOCK], dx[4][FTP_BLOCK];

	(void)state;
	for (int l = 0; l < FTP_BLOCK; l++) {
		x[l % 4][l] = (float)(l + 1); /* one maximum, in turn in each place */
		dy[l] = (float)(100 + l);
	}
	memset(x[0], 0, sizeof(float));
	x[1][0] = x[2][0] = 5; /* equal: the first takes it */
	ftp_pool_forward(&p, x[0], y);
	ftp_pool_backward(&p, x[0], dy, dx[0]);
	assert_true(y[0] == 5 && dx[1][0] == 100 && dx[2][0] == 0);
	for (int l = 1; l < FTP_BLOCK; l++) {
		assert_true(y[l] == (float)(l + 1));
		for (int i = 0; i < 4; i++)
			assert_true(dx[i][l] == (i == l % 4 ? dy[l] : 0));
	}
}

static void forward__padding_does_not_count(void **state)
{
	static const struct ftp_pool p = {.n_blocks = 1,
		.h = 1,
		.w = 2,
		.h_out = 1,
		.w_out = 1,
		.kernel_h = 3,
		.kernel_w = 3,
		.stride = 2,
		.pad = 1};
	float x[2][FTP_BLOCK], y[FTP_BLOCK];
	struct ftp_pool max = p;

	(void)state;
	for (int l = 0; l < FTP_BLOCK; l++) {
		x[0][l] = -3;
		x[1][l] = -5;
	}
	ftp_pool_forward(&p, x[0], y);
	assert_true(y[7] == -4);
	max.max = true;
	ftp_pool_forward(&max, x[0], y);
	assert_true(y[7] == -3);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(forward__maximum_and_ties),
		cmocka_unit_test(forward__padding_does_not_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
