#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>

#include <cmocka.h>

#include "kernels/optimizer.h"

static void lr_at__table(void **state)
{
	static const struct {
		struct ftp_lr_spec lr;
		uint64_t step, n_steps;
		double want;
	} cases[] = {
		{{FTP_LR_CONSTANT, .base = 0.1}, 1, 10, 0.1},
		{{FTP_LR_CONSTANT, .base = 0.1}, 10, 10, 0.1},
		{{FTP_LR_CONSTANT, .base = 0.1, .warmup = 4}, 1, 10, 0.025},
		{{FTP_LR_CONSTANT, .base = 0.1, .warmup = 4}, 3, 10, 0.075},
		{{FTP_LR_CONSTANT, .base = 0.1, .warmup = 4}, 4, 10, 0.1},
		{{FTP_LR_CONSTANT, .base = 0.1, .warmup = 4}, 5, 10, 0.1},
		{{FTP_LR_STEP, .base = 0.8, .step_every = 3, .gamma = 0.5}, 1, 10, 0.8},
		{{FTP_LR_STEP, .base = 0.8, .step_every = 3, .gamma = 0.5}, 3, 10, 0.8},
		{{FTP_LR_STEP, .base = 0.8, .step_every = 3, .gamma = 0.5}, 4, 10, 0.4},
		{{FTP_LR_STEP, .base = 0.8, .step_every = 3, .gamma = 0.5}, 10, 10, 0.1},
		{{FTP_LR_STEP, .base = 0.8, .warmup = 2, .step_every = 3, .gamma = 0.5}, 4, 9, 0.8},
		{{FTP_LR_STEP, .base = 0.8, .warmup = 2, .step_every = 3, .gamma = 0.5}, 5, 9, 0.4},
		{{FTP_LR_STEP, .base = 0.8}, 9, 9, 0.8},
		{{FTP_LR_COSINE, .base = 1, .final = 0.2}, 1, 9, 1},
		{{FTP_LR_COSINE, .base = 1, .final = 0.2}, 5, 9, 0.6},
		{{FTP_LR_COSINE, .base = 1, .final = 0.2}, 9, 9, 0.2},
		{{FTP_LR_COSINE, .base = 1, .final = 0.2, .warmup = 5}, 5, 9, 1},
		{{FTP_LR_COSINE, .base = 1, .final = 0.2, .warmup = 5}, 7, 9, 0.6},
		{{FTP_LR_COSINE, .base = 1, .final = 0.2}, 12, 9, 0.2},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		double got = ftp_lr_at(&cases[i].lr, cases[i].step, cases[i].n_steps);

		if (fabs(got - cases[i].want) > 1e-7)
			fail_msg("row %zu: %.9g instead of %.9g", i, got, cases[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lr_at__table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
