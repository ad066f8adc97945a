/* Flush: the loss trace and the final parameters are bit-identical for any number of stages, any
 * cut, any loss, and for training that is held and goes on with another plan. 1F1B: they are a
 * function of the plan and of the steps at which the pipeline empties. */
#include "tests/runtime/pipeline_life.h"

#include <string.h>

#include "kernels/team.h"
#include "tests/base/check.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))

/* Pieces: the number of stages, the hold, and the cuts. */
#define WHOLE(n_stages, ...)                                                                       \
	{                                                                                          \
		n_stages, {__VA_ARGS__}, NO_HOLD, 0, 0                                             \
	}
#define HELD(n_stages, hold, ask_after, hold_step, ...)                                            \
	{                                                                                          \
		n_stages, {__VA_ARGS__}, hold, ask_after, hold_step                                \
	}
#define PERFECT                                                                                    \
	{                                                                                          \
		.loss = 0                                                                          \
	}
#define LOSSY                                                                                      \
	{                                                                                          \
		.loss = 0.05, .reordering = 0.05, .duplication = 0.02, .delay_ns = 20000           \
	}

#define FLUSH FTP_SCHEDULE_FLUSH, 4, 2, 0

/* The first of each model is what the others must equal. */
static const struct pipeline_life flush_lives[] = {
	{"lenet5", {WHOLE(1, 0, 5)}, PERFECT, 1, FLUSH},
	{"lenet5", {WHOLE(2, 0, 2, 5)}, PERFECT, 1, FLUSH},
	{"lenet5", {WHOLE(3, 0, 1, 3, 5)}, PERFECT, 1, FLUSH},
	{"lenet5", {WHOLE(3, 0, 2, 4, 5)}, LOSSY, 2, FLUSH},
	{"lenet5", {WHOLE(5, 0, 1, 2, 3, 4, 5)}, LOSSY, 3, FLUSH},
	{"lenet5", {WHOLE(3, 0, 1, 3, 5)}, PERFECT, 0, FLUSH},
	{"mobilenetv2", {WHOLE(1, 0, 20)}, PERFECT, 1, FLUSH},
	{"mobilenetv2", {WHOLE(2, 0, 9, 20)}, LOSSY, 4, FLUSH},
	{"mobilenetv2", {WHOLE(3, 0, 2, 17, 20)}, PERFECT, 1, FLUSH},
	{"mobilenetv2", {WHOLE(5, 0, 1, 5, 12, 19, 20)}, LOSSY, 5, FLUSH},
};

static const struct pipeline_life cut_lives[] = {
	{"lenet5", {WHOLE(1, 0, 5)}, PERFECT, 1, FLUSH},
	{"lenet5",
		{HELD(3, HOLD_AND_GO_ON, 1, 0, 0, 1, 3, 5), HELD(2, HOLD_AND_GO_ON, 4, 0, 0, 4, 5),
			WHOLE(5, 0, 1, 2, 3, 4, 5)},
		PERFECT, 1, FLUSH},
	{"lenet5",
		{HELD(2, HOLD_AND_GO_ON, 0, 0, 0, 2, 5), HELD(1, HOLD_AND_GO_ON, 0, 5, 0, 5),
			WHOLE(3, 0, 2, 4, 5)},
		LOSSY, 6, FLUSH},
	{"lenet5", {HELD(4, HOLD_AND_RESUME, 2, 0, 0, 1, 2, 3, 5)}, LOSSY, 7, FLUSH},
	{"mobilenetv2", {WHOLE(1, 0, 20)}, PERFECT, 1, FLUSH},
	{"mobilenetv2",
		{HELD(3, HOLD_AND_GO_ON, 2, 0, 0, 2, 17, 20),
			HELD(2, HOLD_AND_GO_ON, 5, 0, 0, 9, 20), WHOLE(5, 0, 1, 5, 12, 19, 20)},
		LOSSY, 8, FLUSH},
	{"mobilenetv2",
		{HELD(3, HOLD_AND_GO_ON, 0, 2, 0, 6, 13, 20),
			HELD(3, HOLD_AND_RESUME, 4, 0, 0, 7, 13, 20)},
		PERFECT, 1, FLUSH},
};

static void check_equal(const struct pipeline_outcome *a, const struct pipeline_outcome *b)
{
	assert_string_equal(a->digest, b->digest);
	assert_memory_equal(a->loss, b->loss, sizeof(a->loss));
	assert_int_equal(a->n_correct, b->n_correct);
	assert_int_equal(a->n_samples, b->n_samples);
}

static void check_lives(const struct pipeline_life *lives, size_t n_lives)
{
	struct pipeline_outcome first = {0};

	for (size_t i = 0; i < n_lives; i++) {
		const struct pipeline_outcome o = pipeline_life_live(&lives[i]);

		if (i == 0 || strcmp(lives[i].model, lives[i - 1].model))
			first = o;
		for (int step = 0; step < PIPELINE_LIFE_STEPS; step++)
			assert_true(o.loss[step] > 0);
		check_equal(&o, &first);
	}
}

static void pipeline__result_does_not_depend_on_stages(void **state)
{
	(void)state;
	check_lives(flush_lives, N(flush_lives));
}

static void pipeline_hold__goes_on_with_any_plan(void **state)
{
	(void)state;
	check_lives(cut_lives, N(cut_lives));
}

#define ASYNC(eval_every)  FTP_SCHEDULE_1F1B, 1, eval_every, 0
#define AGGREGATING(every) FTP_SCHEDULE_1F1B, 1, 0, every

/* One plan, whatever the network does. */
static const struct pipeline_life async_lives[] = {
	{"lenet5", {WHOLE(4, 0, 1, 2, 4, 5)}, PERFECT, 1, ASYNC(0)},
	{"lenet5", {WHOLE(4, 0, 1, 2, 4, 5)}, PERFECT, 0, ASYNC(0)},
	{"lenet5", {WHOLE(4, 0, 1, 2, 4, 5)}, LOSSY, 9, ASYNC(0)},
	{"mobilenetv2", {WHOLE(3, 0, 2, 17, 20)}, PERFECT, 1, ASYNC(3)},
	{"mobilenetv2", {WHOLE(3, 0, 2, 17, 20)}, LOSSY, 10, ASYNC(3)},
};

/* One pipeline that empties after step 3: to evaluate, held and resumed, held and built anew. */
static const struct pipeline_life drained_lives[] = {
	{"lenet5", {WHOLE(3, 0, 1, 3, 5)}, PERFECT, 1, ASYNC(3)},
	{"lenet5", {HELD(3, HOLD_AND_RESUME, 0, 3, 0, 1, 3, 5)}, LOSSY, 11, ASYNC(6)},
	{"lenet5", {HELD(3, HOLD_AND_GO_ON, 0, 3, 0, 1, 3, 5), WHOLE(3, 0, 1, 3, 5)}, LOSSY, 12,
		ASYNC(6)},
};

static void pipeline_1f1b__is_a_function_of_the_plan(void **state)
{
	(void)state;
	check_lives(async_lives, N(async_lives));
}

static void pipeline_1f1b__one_stage_is_flush(void **state)
{
	const struct pipeline_life async = {"lenet5", {WHOLE(1, 0, 5)}, PERFECT, 1, ASYNC(0)};
	const struct pipeline_life flush = {
		"lenet5", {WHOLE(1, 0, 5)}, PERFECT, 1, FTP_SCHEDULE_FLUSH, 1, 0, 0};
	const struct pipeline_outcome a = pipeline_life_live(&async),
				      b = pipeline_life_live(&flush);

	(void)state;
	check_equal(&a, &b);
}

static void pipeline_1f1b__hold_is_a_drain(void **state)
{
	const struct pipeline_life undrained = {
		"lenet5", {WHOLE(3, 0, 1, 3, 5)}, PERFECT, 1, ASYNC(0)};
	const struct pipeline_outcome a = pipeline_life_live(&undrained),
				      b = pipeline_life_live(&drained_lives[0]);

	(void)state;
	check_lives(drained_lives, N(drained_lives));
	assert_string_not_equal(a.digest, b.digest); /* the versions do differ */
	assert_memory_equal(a.loss, b.loss, 3 * sizeof(double));
}

/* Against the plan and itself without aggregation; on one stage the mean is that of one version. */
static void pipeline_1f1b__aggregates(void **state)
{
	static const struct pipeline_life lives[] = {
		{"lenet5", {WHOLE(3, 0, 1, 3, 5)}, PERFECT, 1, AGGREGATING(2)},
		{"lenet5", {WHOLE(3, 0, 1, 3, 5)}, LOSSY, 13, AGGREGATING(2)},
	};
	const struct pipeline_life one = {"lenet5", {WHOLE(1, 0, 5)}, PERFECT, 1, AGGREGATING(2)};
	const struct pipeline_life plain = {
		"lenet5", {WHOLE(3, 0, 1, 3, 5)}, PERFECT, 1, AGGREGATING(0)};
	const struct pipeline_life flush = {
		"lenet5", {WHOLE(1, 0, 5)}, PERFECT, 1, FTP_SCHEDULE_FLUSH, 1, 0, 0};
	struct pipeline_outcome a = pipeline_life_live(&lives[0]), b = pipeline_life_live(&plain);

	(void)state;
	check_lives(lives, N(lives));
	assert_string_not_equal(a.digest, b.digest);
	a = pipeline_life_live(&one);
	b = pipeline_life_live(&flush);
	check_equal(&a, &b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pipeline__result_does_not_depend_on_stages),
		cmocka_unit_test(pipeline_hold__goes_on_with_any_plan),
		cmocka_unit_test(pipeline_1f1b__is_a_function_of_the_plan),
		cmocka_unit_test(pipeline_1f1b__one_stage_is_flush),
		cmocka_unit_test(pipeline_1f1b__hold_is_a_drain),
		cmocka_unit_test(pipeline_1f1b__aggregates),
	};

	ftp_team_set(1);
	return cmocka_run_group_tests_name("pipeline", tests, NULL, NULL);
}
