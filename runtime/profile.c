#include "runtime/profile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/memory_model.h"
#include "runtime/base/clock.h"
#include "runtime/base/median.h"
#include "runtime/base/prng.h"
#include "runtime/recipe.h"

#define MIN_ROUNDS  5
#define MAX_ROUNDS  64
#define TARGET_NS   (1500 * FTP_NS_PER_MS) /* all units together */
#define DEADLINE_NS (60 * FTP_NS_PER_S)
#define MIN_DEBT_NS (200 * FTP_NS_PER_US)

_Static_assert(FTP_MEMORY_MODEL_RUN == 3, "struct ftp_profile has a field for each length");

enum { FORWARD, BACKWARD, UPDATE, N_PASSES };

static const enum ftp_pass passes[N_PASSES] = {
	[FORWARD] = FTP_PASS_FORWARD,
	[BACKWARD] = FTP_PASS_BACKWARD,
	[UPDATE] = FTP_PASS_UPDATE,
};

struct measurement {
	const struct ftp_profile_spec *spec;
	uint64_t deadline_ns, debt_ns;
	struct ftp_profile *out;
	uint64_t ns[N_PASSES][FTP_PROTOCOL_MAX_UNITS][MAX_ROUNDS];
};

/* What the throttle makes of wall_ns. It is computed, and slept in full so that others have the
 * core meanwhile; how late a sleep ends is not the unit's time. */
static uint64_t slow_down(struct measurement *m, uint64_t wall_ns, uint64_t cpu_ns)
{
	uint64_t slow_ns = (uint64_t)((double)cpu_ns * m->spec->slowdown);

	if (slow_ns <= wall_ns)
		return wall_ns;
	m->debt_ns += slow_ns - wall_ns;
	if (m->debt_ns >= MIN_DEBT_NS && ftp_clock_now_ns() < m->deadline_ns) {
		ftp_clock_sleep_ns(m->debt_ns);
		m->debt_ns = 0;
	}
	return slow_ns;
}

static void time_pass(struct measurement *m, struct ftp_stage *stage, int pass, int round)
{
	bool more = true, slow = m->spec->slowdown > 1;

	ftp_stage_begin(stage, passes[pass], 0, 0.0f);
	while (more) {
		int unit = ftp_stage_next_unit(stage);
		uint64_t cpu_ns = slow ? ftp_clock_thread_cpu_ns() : 0;
		uint64_t start_ns = ftp_clock_now_ns(), wall_ns;

		more = ftp_stage_run(stage);
		wall_ns = ftp_clock_now_ns() - start_ns;
		if (slow)
			wall_ns = slow_down(m, wall_ns, ftp_clock_thread_cpu_ns() - cpu_ns);
		m->ns[pass][unit][round] += wall_ns;
	}
}

static void time_round(struct measurement *m, struct ftp_stage *stage, int round)
{
	for (int pass = 0; pass < N_PASSES; pass++)
		time_pass(m, stage, pass, round);
}

static void fill(float *values, size_t bytes)
{
	uint64_t key = ftp_prng_key(0, FTP_PRNG_INIT, UINT64_MAX);

	for (size_t i = 0; i < bytes / sizeof(float); i++)
		values[i] = (float)ftp_prng_unit(key, i) - 0.5f;
}

static void fill_boundaries(struct ftp_stage *stage, const struct ftp_stage_spec *spec)
{
	fill(ftp_stage_input(stage, 0), ftp_stage_input_bytes(stage));
	if (spec->end_unit < spec->model->n_units) {
		fill(ftp_stage_output_grad(stage, 0), ftp_stage_output_bytes(stage));
		return;
	}
	for (int i = 0; i < spec->micro_batch; i++)
		ftp_stage_labels(stage, 0)[i] = i % spec->model->n_classes;
}

static bool is_stopped(const struct measurement *m)
{
	return m->spec->stop && atomic_load_explicit(m->spec->stop, memory_order_relaxed);
}

static bool is_enough(const struct measurement *m, int n_rounds, uint64_t start_ns, int n_units)
{
	uint64_t target_ns = TARGET_NS * (uint64_t)n_units / m->out->n_units;
	uint64_t now_ns = ftp_clock_now_ns();

	if (n_rounds == MAX_ROUNDS || is_stopped(m))
		return true;
	if (n_rounds && now_ns >= m->deadline_ns)
		return true;
	return n_rounds >= MIN_ROUNDS && now_ns - start_ns >= target_ns;
}

static void conclude(struct measurement *m, int unit, size_t n)
{
	struct ftp_profile *out = m->out;
	uint64_t both_ns[MAX_ROUNDS];

	for (size_t r = 0; r < n; r++)
		both_ns[r] = m->ns[FORWARD][unit][r] + m->ns[BACKWARD][unit][r];
	out->forward_ns[unit] = ftp_median(m->ns[FORWARD][unit], n);
	out->backward_ns[unit] = ftp_median(m->ns[BACKWARD][unit], n);
	out->update_ns[unit] = ftp_median(m->ns[UPDATE][unit], n);
	out->mad_ns[unit] = ftp_median_deviation(both_ns, n, ftp_median(both_ns, n));
}

static void run_rounds(struct measurement *m, struct ftp_stage *stage, int first, int end)
{
	uint64_t start_ns;
	int n = 0;

	time_round(m, stage, 0); /* warm-up */
	for (int pass = 0; pass < N_PASSES; pass++)
		for (int u = first; u < end; u++)
			m->ns[pass][u][0] = 0;
	start_ns = ftp_clock_now_ns();
	while (!is_enough(m, n, start_ns, end - first))
		time_round(m, stage, n++);
	for (int u = first; u < end; u++)
		conclude(m, u, (size_t)n);
}

static int measure_times(struct measurement *m, int first, int end, struct ftp_error *err)
{
	struct ftp_stage_spec spec = m->spec->stage;
	struct ftp_stage *stage;
	int rc;

	spec.first_unit = first;
	spec.end_unit = end;
	spec.n_slots = 1;
	rc = ftp_stage_new(&stage, &spec, err);
	if (rc == -ENOMEM && end - first > 1) {
		int middle = first + (end - first) / 2;

		rc = measure_times(m, first, middle, err);
		return rc ? rc : measure_times(m, middle, end, err);
	}
	if (rc)
		return rc;
	ftp_recipe_initialise(stage, spec.model, first, end, 0);
	fill_boundaries(stage, &spec);
	run_rounds(m, stage, first, end);
	ftp_stage_free(stage);
	return is_stopped(m) ? ftp_error_set(err, ECANCELED, "stopped") : 0;
}

int ftp_profile_memory(
	struct ftp_profile *out, const struct ftp_stage_spec *spec, struct ftp_error *err)
{
	struct ftp_memory_unit *units = calloc((size_t)spec->model->n_units, sizeof(*units));
	int rc;

	ftp_assert(units && spec->model->n_units <= FTP_PROTOCOL_MAX_UNITS);
	out->n_units = (uint32_t)spec->model->n_units;
	rc = ftp_memory_model_measure(spec, units, err);
	for (uint32_t u = 0; !rc && u < out->n_units; u++) {
		out->version_bytes[u] = units[u].version_bytes;
		out->fixed_bytes[u] = units[u].fixed_bytes;
		out->slot_bytes[u] = units[u].slot_bytes;
		out->shared_bytes[u] = units[u].shared_bytes;
		out->scratch1_bytes[u] = units[u].scratch_bytes[0];
		out->scratch2_bytes[u] = units[u].scratch_bytes[1];
		out->scratch3_bytes[u] = units[u].scratch_bytes[2];
		out->scratchpad_bytes[u] = units[u].scratchpad_bytes;
	}
	free(units);
	return rc;
}

int ftp_profile_measure(
	struct ftp_profile *out, const struct ftp_profile_spec *spec, struct ftp_error *err)
{
	const struct ftp_model *model = spec->stage.model;
	struct measurement *m = calloc(1, sizeof(*m));
	int rc;

	ftp_assert(m);
	memset(out, 0, sizeof(*out));
	m->spec = spec;
	m->out = out;
	m->deadline_ns = ftp_clock_now_ns() + DEADLINE_NS;
	rc = ftp_profile_memory(out, &spec->stage, err);
	if (!rc)
		rc = measure_times(m, 0, model->n_units, err);
	free(m);
	return rc ? ftp_error_prefix(err, rc, "profile") : 0;
}
