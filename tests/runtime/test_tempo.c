/* One stage of lenet5, for real: its times are real time. What is asserted holds under any load. */
#include "tests/base/check.h"

#include <string.h>

#include "kernels/team.h"
#include "runtime/base/clock.h"
#include "runtime/recipe.h"
#include "runtime/tempo.h"
#include "tests/runtime/small_dataset.h"

#define N_STEPS	    8
#define BATCH	    8
#define MICRO_BATCH 2
#define TERM	    5
#define SLOWDOWN    6

struct fixture {
	struct ftp_model *model;
	struct ftp_dataset *dataset;
	char directory[64];
	struct ftp_region *region;
	struct ftp_stage *stage;
	struct ftp_netloop *net;
	struct ftp_feed *feed;
	struct ftp_pipeline *pipeline;
	struct ftp_tempo tempo;
	uint64_t cpu_ns;  /* of the step's tasks, as the throttle counted it */
	uint64_t wall_ns; /* of the step */
	int n_throttled;
};

static void build_pipeline(struct fixture *f)
{
	const struct ftp_sequence sequence = {
		.first_step = 1, .last_step = N_STEPS, .n_micro = BATCH / MICRO_BATCH};
	const struct ftp_feed_spec feed = {.dataset = f->dataset,
		.src = f->model->src,
		.batch = BATCH,
		.micro_batch = MICRO_BATCH,
		.seed = 3};
	struct ftp_pipeline_spec spec = {.stage = f->stage,
		.net = f->net,
		.sequence = sequence,
		.n_steps = N_STEPS,
		.batch = BATCH,
		.micro_batch = MICRO_BATCH,
		.n_stages = 1,
		.end_unit = f->model->n_units,
		.lr = {.kind = FTP_LR_CONSTANT, .base = 0.02}};
	struct ftp_error err;

	assert_int_equal(ftp_feed_new(&f->feed, &feed, &sequence, 4, NULL, &err), 0);
	spec.feed = f->feed;
	f->pipeline = ftp_pipeline_new(&spec);
}

static void set_up(struct fixture *f, double slowdown)
{
	const struct ftp_model_spec model = {.name = "lenet5", .width = 1.0, .activations = true};
	struct ftp_stage_spec stage = {.micro_batch = MICRO_BATCH,
		.batch = BATCH,
		.n_slots = ftp_schedule_n_slots(FTP_SCHEDULE_FLUSH, 1, 0, BATCH / MICRO_BATCH),
		.n_versions = 1,
		.threads = 1,
		.impl = FTP_IMPL_ONEDNN};
	struct ftp_error err;

	memset(f, 0, sizeof(*f));
	assert_int_equal(ftp_model_new(&f->model, &model, &err), 0);
	assert_int_equal(ftp_region_new(&f->region, (size_t)256 << 20, &err), 0);
	small_dataset_directory(f->directory);
	small_dataset_write(f->directory);
	assert_int_equal(ftp_dataset_open(&f->dataset, f->directory, &err), 0);
	assert_int_equal(ftp_netloop_new(&f->net, -1, NULL, &err), 0);
	stage.model = f->model;
	stage.end_unit = f->model->n_units;
	stage.region = f->region;
	assert_int_equal(ftp_stage_new(&f->stage, &stage, &err), 0);
	ftp_recipe_initialise(f->stage, f->model, 0, stage.end_unit, 7);
	build_pipeline(f);
	ftp_tempo_init(&f->tempo);
	ftp_tempo_slow(&f->tempo, slowdown, 0);
	ftp_tempo_restart(&f->tempo, TERM, 1);
}

static void tear_down(struct fixture *f)
{
	ftp_tempo_deinit(&f->tempo);
	ftp_pipeline_free(f->pipeline);
	ftp_feed_free(f->feed);
	ftp_netloop_free(f->net, 0);
	ftp_stage_free(f->stage);
	ftp_dataset_close(f->dataset);
	small_dataset_remove(f->directory);
	ftp_region_free(f->region);
	ftp_model_free(f->model);
}

/* Until one more step has ended. */
static void run_step(struct fixture *f)
{
	uint64_t step = ftp_pipeline_step(f->pipeline), begin_ns = ftp_clock_now_ns();

	f->cpu_ns = 0;
	while (ftp_pipeline_step(f->pipeline) == step) {
		uint64_t resume_ns = ftp_tempo_resume_ns(&f->tempo);
		uint64_t now_ns = ftp_clock_now_ns();
		bool was_under_way = f->tempo.under_way;

		if (now_ns < resume_ns) {
			f->n_throttled++;
			assert_int_equal(ftp_tempo_turn(&f->tempo, f->pipeline, now_ns),
				FTP_TEMPO_THROTTLED);
			ftp_clock_sleep_ns(resume_ns - now_ns);
		}
		ftp_pipeline_serve(f->pipeline, now_ns);
		ftp_tempo_turn(&f->tempo, f->pipeline, ftp_clock_now_ns());
		if (was_under_way && !f->tempo.under_way)
			f->cpu_ns += f->tempo.throttle.cpu_ns;
		ftp_pipeline_take_report(f->pipeline);
	}
	f->wall_ns = ftp_clock_now_ns() - begin_ns;
}

static void tempo_take_step__slowed(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, SLOWDOWN);
	for (uint64_t step = 1; step <= N_STEPS; step++) {
		uint64_t ns;

		if (step == 5) {
			assert_true(f.n_throttled > 0);
			ftp_tempo_slow(&f.tempo, 1, ftp_clock_now_ns());
			f.n_throttled = 0;
		}
		run_step(&f);
		ns = ftp_tempo_take_step(&f.tempo, step);
		assert_true(ns > 0 && ns <= f.wall_ns);
		if (step < 5)
			assert_true(f.cpu_ns && (double)ns >= SLOWDOWN * (double)f.cpu_ns);
		assert_int_equal(ftp_tempo_take_step(&f.tempo, step), 0);
	}
	assert_int_equal(f.n_throttled, 0);
	tear_down(&f);
}

static void tempo_turn__spans(void **state)
{
	const uint32_t n_tasks = 2 * (BATCH / MICRO_BATCH) + 1; /* of a step */
	struct ftp_trace *t;
	struct fixture f;

	(void)state;
	set_up(&f, 1);
	for (int i = 0; i < N_STEPS; i++)
		run_step(&f);
	t = ftp_spans_take(&f.tempo.spans, false);
	assert_non_null(t);
	assert_int_equal(t->term, TERM);
	assert_int_equal(t->n_spans, 4 * n_tasks);
	assert_int_equal(t->step[0], 3);
	assert_int_equal(t->task[n_tasks - 1], FTP_TASK_UPDATE);
	for (uint32_t i = 0; i < t->n_spans; i++) {
		assert_true(t->begin_ns[i] < t->end_ns[i]);
		assert_true(!i || t->begin_ns[i] >= t->end_ns[i - 1]);
	}
	free(t);
	tear_down(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tempo_take_step__slowed),
		cmocka_unit_test(tempo_turn__spans),
	};

	ftp_team_set(1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
