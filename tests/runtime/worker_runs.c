#include "tests/runtime/worker_runs.h"

#include "tests/base/check.h"

const struct rig_plan alone = {1, {{0, 5}}};
const struct rig_plan thirds = {3, {{0, 1}, {1, 3}, {2, 5}}};
const struct rig_plan turned = {3, {{0, 2}, {2, 4}, {1, 5}}};
const struct rig_plan lopsided = {3, {{0, 3}, {1, 4}, {2, 5}}};
const struct rig_plan mirrored = {3, {{0, 1}, {2, 3}, {1, 5}}};
const struct rig_plan without_n2 = {2, {{0, 3}, {2, 5}}};
const struct rig_plan without_n3 = {2, {{0, 1}, {1, 5}}};

const struct rig_settings flush = {.schedule = "flush", .memory = "256MiB"};

void assert_same_training(const struct rig *a, const struct rig *b)
{
	for (int i = 1; i <= RIG_STEPS; i++)
		if (a->loss[i] != b->loss[i])
			fail_msg("step %d: loss %.9g, expected %.9g", i, a->loss[i], b->loss[i]);
	assert_memory_equal(a->n_correct, b->n_correct, sizeof(a->n_correct));
	assert_int_equal(a->n_evaluations, b->n_evaluations);
	assert_string_equal(a->digest, b->digest);
}

void train_alone(struct rig *r)
{
	rig_open(r, &flush);
	rig_change(r, &alone);
	rig_finish(r);
	rig_close(r);
}

void begin(struct rig *r, const struct rig_settings *settings, const struct rig_plan *plan)
{
	rig_open(r, settings);
	rig_slow(r, 0, 60);
	rig_change(r, plan);
	rig_wait_for_step(r, 2);
}

void end(struct rig *r)
{
	rig_slow(r, 0, 1);
	rig_finish(r);
	rig_close(r);
}

void live_through_changes(struct rig *r, const struct rig_settings *settings)
{
	const struct rig_plan *const plans[] = {&turned, &without_n2, &alone, &thirds, &without_n3};

	begin(r, settings, &thirds);
	for (size_t i = 0; i < sizeof(plans) / sizeof(plans[0]); i++) {
		rig_change(r, plans[i]);
		rig_wait_for_step(r, r->last_row + 2);
	}
	end(r);
}
