#include "runtime/profile.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/prng.h"
#include "runtime/recipe.h"

#define N_WARMUP 1
#define N_ROUNDS 3

typedef uint64_t round_times[FTP_PROTOCOL_MAX_UNITS];

static void time_pass(struct ftp_stage *stage, enum ftp_pass pass, uint64_t *unit_ns)
{
	bool more = true;

	ftp_stage_begin(stage, pass, 0, 0.0f);
	while (more) {
		int unit = ftp_stage_next_unit(stage);
		uint64_t start_ns = ftp_clock_now_ns();

		more = ftp_stage_run(stage);
		unit_ns[unit] += ftp_clock_now_ns() - start_ns;
	}
}

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void medians(uint64_t *out, const round_times *rounds, int n_units)
{
	for (int u = 0; u < n_units; u++) {
		uint64_t t[N_ROUNDS];

		for (int r = 0; r < N_ROUNDS; r++)
			t[r] = rounds[r][u];
		qsort(t, N_ROUNDS, sizeof(t[0]), compare_u64);
		out[u] = t[N_ROUNDS / 2];
	}
}

static void fill_input(struct ftp_stage *stage, int n_classes, int micro_batch)
{
	uint64_t key = ftp_prng_key(0, FTP_PRNG_INIT, UINT64_MAX);
	size_t n = ftp_stage_input_bytes(stage) / sizeof(float);
	float *input = ftp_stage_input(stage, 0);
	int32_t *labels = ftp_stage_labels(stage, 0);

	for (size_t i = 0; i < n; i++)
		input[i] = (float)ftp_prng_unit(key, i) - 0.5f;
	for (int i = 0; i < micro_batch; i++)
		labels[i] = i % n_classes;
}

int ftp_profile_measure(
	struct ftp_profile *out, const struct ftp_stage_spec *given, struct ftp_error *err)
{
	struct ftp_stage_spec spec = *given;
	const struct ftp_model *m = spec.model;
	round_times *rounds[3];
	struct ftp_stage *stage;
	int rc;

	ftp_assert(m->n_units <= FTP_PROTOCOL_MAX_UNITS);
	spec.first_unit = 0;
	spec.end_unit = m->n_units;
	spec.n_slots = 1;
	rc = ftp_stage_new(&stage, &spec, err);
	if (rc)
		return ftp_error_prefix(err, rc, "profile");
	for (int i = 0; i < 3; i++) {
		rounds[i] = calloc(N_WARMUP + N_ROUNDS, sizeof(round_times));
		ftp_assert(rounds[i]);
	}
	ftp_recipe_initialise(stage, m, 0, m->n_units, 0);
	fill_input(stage, m->n_classes, spec.micro_batch);
	for (int r = 0; r < N_WARMUP + N_ROUNDS; r++) {
		time_pass(stage, FTP_PASS_FORWARD, rounds[0][r]);
		time_pass(stage, FTP_PASS_BACKWARD, rounds[1][r]);
		time_pass(stage, FTP_PASS_UPDATE, rounds[2][r]);
	}
	memset(out, 0, sizeof(*out));
	out->n_units = (uint32_t)m->n_units;
	medians(out->forward_ns, rounds[0] + N_WARMUP, m->n_units);
	medians(out->backward_ns, rounds[1] + N_WARMUP, m->n_units);
	medians(out->update_ns, rounds[2] + N_WARMUP, m->n_units);
	for (int i = 0; i < 3; i++)
		free(rounds[i]);
	ftp_stage_free(stage);
	return 0;
}
