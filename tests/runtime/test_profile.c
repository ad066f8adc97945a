#include "tests/base/check.h"

#include <errno.h>
#include <string.h>

#include "ctl/planner.h"
#include "kernels/memory_model.h"
#include "kernels/team.h"
#include "runtime/base/clock.h"
#include "runtime/profile.h"
#include "runtime/schedule.h"

#define MEBIBYTE ((size_t)1 << 20)

struct fixture {
	struct ftp_model *model;
	struct ftp_region *region;
	struct ftp_profile_spec spec;
	struct ftp_profile profile;
};

static void set_up(struct fixture *f, size_t region_bytes)
{
	const struct ftp_model_spec model = {.name = "lenet5", .width = 1.0, .activations = true};
	struct ftp_error err;

	memset(f, 0, sizeof(*f));
	assert_int_equal(ftp_model_new(&f->model, &model, &err), 0);
	assert_int_equal(ftp_region_new(&f->region, region_bytes, &err), 0);
	f->spec.slowdown = 1;
	f->spec.stage = (struct ftp_stage_spec){.model = f->model,
		.micro_batch = 16,
		.batch = 64,
		.n_versions = 1,
		.threads = 1,
		.impl = FTP_IMPL_ONEDNN,
		.optimizer = {.momentum = 0.9f},
		.region = f->region};
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

static size_t stage_bytes(const struct fixture *f, int first, int end, int n_slots)
{
	struct ftp_stage_spec spec = f->spec.stage;
	struct ftp_stage_memory m;
	struct ftp_error err;

	spec.first_unit = first;
	spec.end_unit = end;
	spec.n_slots = n_slots;
	assert_int_equal(ftp_stage_memory_of(&spec, &m, &err), 0);
	return m.params + m.gradients + m.moments + m.activations + m.scratch;
}

static void profile_measure__whole(void **state)
{
	struct fixture f;
	struct ftp_error err;

	(void)state;
	set_up(&f, 256 * MEBIBYTE);
	assert_int_equal(ftp_profile_measure(&f.profile, &f.spec, &err), 0);
	assert_int_equal(f.profile.n_units, f.model->n_units);
	assert_true(total_ns(&f.profile) > 0);
	tear_down(&f);
}

static struct ftp_planner_unit planner_unit(const struct ftp_profile *p, int u)
{
	return (struct ftp_planner_unit){.version_bytes = p->version_bytes[u],
		.fixed_bytes = p->fixed_bytes[u],
		.slot_bytes = p->slot_bytes[u],
		.shared_bytes = p->shared_bytes[u],
		.scratch_bytes = {p->scratch1_bytes[u], p->scratch2_bytes[u], p->scratch3_bytes[u]},
		.scratchpad_bytes = p->scratchpad_bytes[u]};
}

/* What the planner says of a stage, from what a node measured, is what the executor takes: exact
 * but where tiny units meet, of which lenet5 has two (ctl/planner_tables.c). */
static void profile_measure__memory(void **state)
{
	static const struct ftp_planner_times times[FTP_PLANNER_MAX_UNITS];
	static const struct ftp_planner_link links[4];
	struct ftp_planner_unit units[FTP_PLANNER_MAX_UNITS];
	const struct ftp_planner_node nodes[2] = {{.times = times, .memory_bytes = UINT64_MAX / 2},
		{.times = times, .memory_bytes = UINT64_MAX / 2}};
	struct ftp_planner_problem problem = {
		.units = units, .nodes = nodes, .n_nodes = 2, .links = links, .micro_batches = 4};
	struct fixture f;
	struct ftp_error err;

	(void)state;
	set_up(&f, 256 * MEBIBYTE);
	assert_int_equal(ftp_profile_measure(&f.profile, &f.spec, &err), 0);
	problem.n_units = f.profile.n_units;
	for (int u = 0; u < (int)problem.n_units; u++)
		units[u] = planner_unit(&f.profile, u);
	for (uint32_t cut = 1; cut < problem.n_units; cut++) {
		const struct ftp_planner_plan plan = {
			.n_stages = 2, .node = {0, 1}, .first_unit = {0, cut, problem.n_units}};
		struct ftp_planner_answer answer;

		assert_int_equal(ftp_planner_predict(&problem, &plan, &answer, &err), 0);
		for (int s = 0; s < 2; s++) {
			size_t need = stage_bytes(&f, (int)plan.first_unit[s],
				(int)plan.first_unit[s + 1],
				ftp_schedule_n_slots(FTP_SCHEDULE_FLUSH, 2, s, 4));

			assert_in_range(answer.stage_bytes[s], need, need + need / 20);
		}
	}
	tear_down(&f);
}

/* A region that holds the largest unit, not the model. */
static void profile_measure__in_pieces(void **state)
{
	size_t largest = 0, whole;
	struct fixture f;
	struct ftp_error err;

	(void)state;
	set_up(&f, 256 * MEBIBYTE);
	whole = stage_bytes(&f, 0, f.model->n_units, 1);
	for (int u = 0; u < f.model->n_units; u++)
		if (stage_bytes(&f, u, u + 1, 1) > largest)
			largest = stage_bytes(&f, u, u + 1, 1);
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
		cmocka_unit_test(profile_measure__memory),
		cmocka_unit_test(profile_measure__in_pieces),
		cmocka_unit_test(profile_measure__slowed),
		cmocka_unit_test(profile_measure__stopped),
	};

	ftp_team_set(1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
