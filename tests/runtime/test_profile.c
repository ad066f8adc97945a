#include "tests/base/check.h"

#include <errno.h>
#include <string.h>

#include "ctl/plan_problem.h"
#include "kernels/team.h"
#include "runtime/base/clock.h"
#include "runtime/base/prng.h"
#include "runtime/profile.h"
#include "runtime/schedule.h"

#define MEBIBYTE   ((size_t)1 << 20)
#define MAX_STAGES 5

struct fixture {
	struct ftp_model *model;
	struct ftp_region *region;
	struct ftp_profile_spec spec;
	struct ftp_profile profile;
};

static struct ftp_stage_spec spec_of(const struct ftp_model *model, int batch, int micro_batch)
{
	return (struct ftp_stage_spec){.model = model,
		.micro_batch = micro_batch,
		.batch = batch,
		.n_versions = 1,
		.threads = 1,
		.impl = FTP_IMPL_ONEDNN,
		.optimizer = {.momentum = 0.9f}};
}

static void set_up(struct fixture *f, size_t region_bytes)
{
	const struct ftp_model_spec model = {.name = "lenet5", .width = 1.0, .activations = true};
	struct ftp_error err;

	memset(f, 0, sizeof(*f));
	assert_int_equal(ftp_model_new(&f->model, &model, &err), 0);
	assert_int_equal(ftp_region_new(&f->region, region_bytes, &err), 0);
	f->spec.slowdown = 1;
	f->spec.stage = spec_of(f->model, 64, 16);
	f->spec.stage.region = f->region;
}

static void tear_down(struct fixture *f)
{
	assert_int_equal(ftp_region_used_bytes(f->region), 0);
	ftp_region_free(f->region);
	ftp_model_free(f->model);
}

static uint64_t total_ns(const struct ftp_profile *p)
{
	uint64_t ns = 0;

	for (uint32_t u = 0; u < p->n_units; u++) {
		assert_true(p->forward_ns[u] > 0 && p->backward_ns[u] > 0);
		ns += p->forward_ns[u] + p->backward_ns[u] + p->update_ns[u];
	}
	return ns;
}

static size_t stage_bytes(const struct fixture *f, int first, int end)
{
	struct ftp_stage_spec spec = f->spec.stage;
	struct ftp_stage_memory m;
	struct ftp_error err;

	spec.first_unit = first;
	spec.end_unit = end;
	spec.n_slots = 1;
	assert_int_equal(ftp_stage_memory_of(&spec, &m, &err), 0);
	return m.params + m.gradients + m.moments + m.activations + m.scratch;
}

static void profile_measure__whole(void **state)
{
	struct ftp_profile memory;
	struct fixture f;
	struct ftp_error err;

	(void)state;
	set_up(&f, 256 * MEBIBYTE);
	assert_int_equal(ftp_profile_measure(&f.profile, &f.spec, &err), 0);
	assert_int_equal(f.profile.n_units, f.model->n_units);
	assert_true(total_ns(&f.profile) > 0);
	memory = f.profile;
	assert_int_equal(ftp_profile_memory(&memory, &f.spec.stage, &err), 0);
	assert_memory_equal(&memory, &f.profile, sizeof(memory));
	tear_down(&f);
}

/* The plan's stages as the planner has them from the profile, beside what the executor plans. */
static void expect_plan(const struct fixture *f, enum ftp_planner_schedule schedule,
	const struct ftp_planner_plan *plan, double *low, double *high)
{
	static const struct ftp_planner_times times[FTP_PLANNER_MAX_UNITS];
	static const struct ftp_planner_link links[MAX_STAGES * MAX_STAGES];
	static struct ftp_planner_unit units[FTP_PLANNER_MAX_UNITS];
	struct ftp_planner_node nodes[MAX_STAGES];
	const struct ftp_planner_problem problem = {.units = units,
		.n_units = f->profile.n_units,
		.nodes = nodes,
		.n_nodes = plan->n_stages,
		.first = 1,
		.links = links,
		.schedule = schedule,
		.micro_batches = (uint32_t)(f->spec.stage.batch / f->spec.stage.micro_batch)};
	enum ftp_config_schedule kind =
		schedule == FTP_PLANNER_1F1B ? FTP_SCHEDULE_1F1B : FTP_SCHEDULE_FLUSH;
	int n_stages = (int)plan->n_stages;
	struct ftp_planner_answer answer;
	struct ftp_error err;

	for (uint32_t u = 0; u < problem.n_units; u++)
		units[u] = ftp_plan_problem_unit(&f->profile, u, 0, 0);
	for (int s = 0; s < n_stages; s++)
		nodes[s] = (struct ftp_planner_node){
			.times = times, .memory_bytes = UINT64_C(1) << 40};
	assert_int_equal(ftp_planner_predict(&problem, plan, &answer, &err), 0);
	for (int s = 0; s < n_stages; s++) {
		struct ftp_stage_spec spec = f->spec.stage;
		struct ftp_stage_memory m;
		double error;

		spec.first_unit = (int)plan->first_unit[s];
		spec.end_unit = (int)plan->first_unit[s + 1];
		spec.n_slots = ftp_schedule_n_slots(kind, n_stages, s, problem.micro_batches);
		spec.n_versions = ftp_schedule_n_versions(kind, n_stages, s);
		assert_int_equal(ftp_stage_memory_of(&spec, &m, &err), 0);
		error = (double)answer.stage_bytes[s] / (double)ftp_stage_memory_bytes(&m) - 1;
		*low = error < *low ? error : *low;
		*high = error > *high ? error : *high;
	}
}

/* Every cut into two, and drawn ones into more. */
static void expect_plans(struct fixture *f, enum ftp_planner_schedule schedule)
{
	uint64_t key = ftp_prng_key(check_seed(), FTP_PRNG_TEST, 0), n_draws = 0;
	uint32_t n_units = f->profile.n_units;
	double low = 0, high = 0;

	for (uint32_t cut = 1; cut < n_units; cut++) {
		struct ftp_planner_plan plan = {
			.n_stages = 2, .node = {0, 1}, .first_unit = {0, cut, n_units}};

		expect_plan(f, schedule, &plan, &low, &high);
		plan.n_stages = 3 + (uint32_t)ftp_prng_below(key, n_draws++, MAX_STAGES - 2);
		for (uint32_t s = 1; s < plan.n_stages; s++) {
			uint32_t first = plan.first_unit[s - 1] + 1;

			plan.node[s] = s;
			plan.first_unit[s] =
				first + (uint32_t)ftp_prng_below(key, n_draws++,
						n_units - plan.n_stages + s - first + 1);
		}
		plan.first_unit[plan.n_stages] = n_units;
		expect_plan(f, schedule, &plan, &low, &high);
	}
	printf("%s, %s, %d samples: off by %+.2f%% to %+.2f%%\n", f->model->name,
		schedule == FTP_PLANNER_1F1B ? "1f1b" : "flush", f->spec.stage.micro_batch,
		100 * low, 100 * high);
	assert_true(low > -0.01 && high < 0.01);
}

static void profile_memory__is_what_stages_take(void **state)
{
	static const struct ftp_model_spec models[] = {
		{.name = "lenet5", .width = 1.0, .activations = true},
		{.name = "mobilenetv2",
			.width = 0.25,
			.strides = FTP_STRIDES_IMAGENET,
			.activations = true},
		{.name = "mobilenetv2",
			.width = 1.0,
			.strides = FTP_STRIDES_IMAGENET,
			.activations = true},
	};
	static struct fixture f;
	struct ftp_error err;

	(void)state;
	for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++)
		for (int one = 0; one < 2; one++) {
			assert_int_equal(ftp_model_new(&f.model, &models[i], &err), 0);
			f.spec.stage = spec_of(f.model, 128, one ? 128 : 32);
			assert_int_equal(ftp_profile_memory(&f.profile, &f.spec.stage, &err), 0);
			expect_plans(&f, one ? FTP_PLANNER_1F1B : FTP_PLANNER_FLUSH);
			ftp_model_free(f.model);
		}
}

/* A region that holds the largest unit, not the model. */
static void profile_measure__in_pieces(void **state)
{
	size_t largest = 0, whole;
	struct fixture f;
	struct ftp_error err;

	(void)state;
	set_up(&f, 256 * MEBIBYTE);
	whole = stage_bytes(&f, 0, f.model->n_units);
	for (int u = 0; u < f.model->n_units; u++)
		if (stage_bytes(&f, u, u + 1) > largest)
			largest = stage_bytes(&f, u, u + 1);
	assert_true(largest < whole);
	tear_down(&f);
	set_up(&f, largest);
	assert_int_equal(ftp_profile_measure(&f.profile, &f.spec, &err), 0);
	total_ns(&f.profile);
	tear_down(&f);
	set_up(&f, largest / 2);
	assert_int_equal(ftp_profile_measure(&f.profile, &f.spec, &err), -ENOMEM);
	tear_down(&f);
}

/* In CPU time, so that other load on the machine changes little: a unit's time under slowdown X is
 * at least X times the CPU time that it took. */
static void profile_measure__slowed(void **state)
{
	uint64_t cpu_ns = ftp_clock_thread_cpu_ns(), start_ns = ftp_clock_now_ns(), wall_ns;
	struct fixture f;
	struct ftp_error err;

	(void)state;
	set_up(&f, 256 * MEBIBYTE);
	f.spec.slowdown = 8;
	assert_int_equal(ftp_profile_measure(&f.profile, &f.spec, &err), 0);
	cpu_ns = ftp_clock_thread_cpu_ns() - cpu_ns;
	wall_ns = ftp_clock_now_ns() - start_ns;
	assert_true(wall_ns > 3 * cpu_ns); /* set-up is not slowed */
	tear_down(&f);
}

static void profile_measure__stopped(void **state)
{
	const _Atomic bool stop = true;
	struct fixture f;
	struct ftp_error err;

	(void)state;
	set_up(&f, 256 * MEBIBYTE);
	f.spec.stop = &stop;
	assert_int_equal(ftp_profile_measure(&f.profile, &f.spec, &err), -ECANCELED);
	tear_down(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(profile_measure__whole),
		cmocka_unit_test(profile_memory__is_what_stages_take),
		cmocka_unit_test(profile_measure__in_pieces),
		cmocka_unit_test(profile_measure__slowed),
		cmocka_unit_test(profile_measure__stopped),
	};

	ftp_team_set(1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
