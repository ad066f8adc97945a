#include "tests/base/check.h"

#include "runtime/spans.h"

static void add(struct ftp_spans *s, enum ftp_task_kind kind, uint64_t step, uint32_t micro)
{
	const struct ftp_task task = {.kind = kind, .item = {.step = step, .micro = micro}};

	ftp_spans_add(s, &task, 100 * step + micro, 100 * step + micro + 1);
}

static void add_step(struct ftp_spans *s, uint64_t step, uint32_t n_micro)
{
	for (uint32_t i = 0; i < n_micro; i++)
		add(s, FTP_TASK_FORWARD, step, i);
	add(s, FTP_TASK_UPDATE, step, n_micro - 1);
}

static void spans_take__four_steps_from_the_third(void **state)
{
	struct ftp_spans s = {0};
	struct ftp_trace *t;

	(void)state;
	ftp_spans_begin(&s, 7, 11);
	for (uint64_t step = 11; step <= 16; step++) {
		assert_null(ftp_spans_take(&s, false));
		if (step == 14) {
			const struct ftp_task eval = {
				.kind = FTP_TASK_EVAL, .item = {.step = 14, .eval = true}};

			ftp_spans_add(&s, &eval, 1, 2);
		}
		add_step(&s, step, 2);
	}
	add(&s, FTP_TASK_FORWARD, 17, 0);
	t = ftp_spans_take(&s, false);
	assert_non_null(t);
	assert_int_equal(t->term, 7);
	assert_int_equal(t->n_spans, 4 * 3);
	assert_int_equal(t->step[0], 13);
	assert_int_equal(t->step[11], 16);
	assert_int_equal(t->task[11], FTP_TASK_UPDATE);
	assert_int_equal(t->micro[1], 1);
	assert_int_equal(t->begin_ns[1], 1301);
	assert_int_equal(t->end_ns[1], 1302);
	free(t);
	add_step(&s, 18, 2);
	assert_null(ftp_spans_take(&s, true));
	ftp_spans_deinit(&s);
}

static void spans_take__what_fits(void **state)
{
	struct ftp_spans s = {0};
	struct ftp_trace *t;

	(void)state;
	ftp_spans_begin(&s, 1, 1);
	add_step(&s, 3, FTP_TRACE_MAX_SPANS + 10);
	t = ftp_spans_take(&s, false);
	assert_non_null(t);
	assert_int_equal(t->n_spans, FTP_TRACE_MAX_SPANS);
	free(t);
	ftp_spans_deinit(&s);
}

static void spans_take__short_training(void **state)
{
	struct ftp_spans s = {0};
	struct ftp_trace *t;

	(void)state;
	ftp_spans_begin(&s, 1, 1);
	add_step(&s, 2, 1);
	assert_null(ftp_spans_take(&s, true));
	add_step(&s, 3, 1);
	assert_null(ftp_spans_take(&s, false));
	t = ftp_spans_take(&s, true);
	assert_non_null(t);
	assert_int_equal(t->n_spans, 2);
	free(t);
	ftp_spans_begin(&s, 2, 4); /* the next plan's */
	add_step(&s, 6, 1);
	ftp_spans_deinit(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spans_take__four_steps_from_the_third),
		cmocka_unit_test(spans_take__what_fits),
		cmocka_unit_test(spans_take__short_training),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
