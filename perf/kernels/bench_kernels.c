/* usage: bench_kernels MODEL WIDTH cifar|imagenet BATCH | bench_kernels --implementations ...
 *
 * One whole-model stage that trains on one fixed random batch when told to. run.py drives it and
 * its PyTorch peers in turns: after a first line that describes the net, each line "STEPS" on stdin
 * runs so many training steps and answers {"ms": [...], "loss": mean loss of the last}; "peak"
 * answers the machine's FMA limit; "passes" prints where a step's time goes by unit.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/isa.h"
#include "kernels/stage.h"
#include "perf/kernels/fma_peak.h"
#include "runtime/base/clock.h"
#include "runtime/base/prng.h"

#define BUDGET	  ((size_t)8 << 30)
#define SEED	  1
#define LR	  0.01f
#define MAX_UNITS 64
#define N_PASSES  4

struct bench {
	struct ftp_model *model;
	struct ftp_region *region;
	struct ftp_stage *stage;
	int batch;
	uint64_t unit_ns[N_PASSES][MAX_UNITS]; /* filled while by_unit */
	bool by_unit;
};

static const char *const pass_names[N_PASSES] = {
	[FTP_PASS_FORWARD] = "forward",
	[FTP_PASS_BACKWARD] = "backward",
	[FTP_PASS_EVAL] = "eval",
	[FTP_PASS_UPDATE] = "update",
};

static void draw_batch(struct bench *b)
{
	struct ftp_shape src = b->model->src;
	size_t floats = (size_t)b->batch * (size_t)(src.c * src.h * src.w);
	uint64_t key = ftp_prng_key(SEED, FTP_PRNG_TEST, 0);
	float *input = ftp_stage_input(b->stage, 0);

	for (size_t i = 0; i < floats; i++)
		input[i] = (float)ftp_prng_normal(key, i);
	for (int i = 0; i < b->batch; i++)
		ftp_stage_labels(b->stage, 0)[i] = i % b->model->n_classes;
}

static int bench_open(struct bench *b, char **argv, struct ftp_error *err)
{
	struct ftp_model_spec spec = {
		.name = argv[0],
		.width = strtod(argv[1], NULL),
		.strides = strcmp(argv[2], "imagenet") ? FTP_STRIDES_CIFAR : FTP_STRIDES_IMAGENET,
		.activations = true,
	};
	struct ftp_stage_spec stage = {
		.n_slots = 1,
		.n_versions = 1,
		.threads = 1,
		.optimizer = {.momentum = 0.9f, .weight_decay = 4e-5f},
	};
	int rc;

	b->batch = atoi(argv[3]);
	if (b->batch < 1)
		return ftp_error_set(err, EINVAL, "BATCH must be positive");
	rc = ftp_model_new(&b->model, &spec, err);
	if (!rc)
		rc = ftp_region_new(&b->region, BUDGET, err);
	if (rc)
		return rc;
	stage.model = b->model;
	stage.end_unit = b->model->n_units;
	stage.micro_batch = stage.batch = b->batch;
	stage.region = b->region;
	rc = ftp_stage_new(&b->stage, &stage, err);
	if (rc)
		return rc;
	for (int u = 0; u < b->model->n_units; u++) {
		size_t bytes = b->model->units[u].state_bytes;
		void *state = ftp_region_alloc(b->region, bytes);

		ftp_assert(state && b->model->n_units <= MAX_UNITS);
		ftp_model_init_unit(b->model, u, SEED, state);
		ftp_stage_import(b->stage, u, state);
		ftp_region_release(b->region, state, bytes);
	}
	draw_batch(b);
	return 0;
}

static void bench_close(struct bench *b)
{
	ftp_stage_free(b->stage);
	if (b->region)
		ftp_region_free(b->region);
	ftp_model_free(b->model);
}

static void run_pass(struct bench *b, enum ftp_pass pass)
{
	bool more = true;

	ftp_stage_begin(b->stage, pass, 0, LR);
	if (!b->by_unit || pass == FTP_PASS_UPDATE) {
		while (ftp_stage_run(b->stage))
			;
		return;
	}
	while (more) {
		int unit = ftp_stage_next_unit(b->stage);
		uint64_t begin = ftp_clock_now_ns();

		more = ftp_stage_run(b->stage);
		b->unit_ns[pass][unit] += ftp_clock_now_ns() - begin;
	}
}

static double run_step(struct bench *b)
{
	uint64_t begin = ftp_clock_now_ns();

	run_pass(b, FTP_PASS_FORWARD);
	run_pass(b, FTP_PASS_BACKWARD);
	run_pass(b, FTP_PASS_UPDATE);
	return (double)(ftp_clock_now_ns() - begin) / 1e6;
}

static void answer_steps(struct bench *b, long steps)
{
	printf("{\"ms\": [");
	for (long i = 0; i < steps; i++)
		printf("%s%.4f", i ? ", " : "", run_step(b));
	printf("], \"loss\": %.9g}\n", ftp_stage_loss(b->stage, 0).sum / b->batch);
}

/* For people: milliseconds of one step by unit. */
static void answer_passes(struct bench *b)
{
	const int steps = 5;

	memset(b->unit_ns, 0, sizeof(b->unit_ns));
	b->by_unit = true;
	for (int i = 0; i < steps; i++)
		run_step(b);
	b->by_unit = false;
	for (int p = FTP_PASS_FORWARD; p <= FTP_PASS_BACKWARD; p++)
		for (int u = 0; u < b->model->n_units; u++)
			printf("%-9s %-14s %8.3f ms\n", pass_names[p], b->model->units[u].name,
				(double)b->unit_ns[p][u] / 1e6 / steps);
}

static void describe(const struct bench *b)
{
	double flops = 0;

	for (int u = 0; u < b->model->n_units; u++)
		flops += b->model->units[u].flops;
	/* Forward, backward data, backward weights: three products of the same size. */
	printf("{\"model\": \"%s\", \"batch\": %d, \"parameters\": %lld, \"gflop_per_step\": %.4f, "
	       "\"isa\": \"%s\", \"memory_mb\": %.1f}\n",
		b->model->name, b->batch, (long long)b->model->n_params, 3 * flops * b->batch / 1e9,
		ftp_isa_name(ftp_isa_current()), (double)ftp_region_used_bytes(b->region) / 1e6);
}

static void serve(struct bench *b)
{
	char line[64];

	while (fgets(line, sizeof(line), stdin)) {
		if (!strcmp(line, "peak\n"))
			printf("{\"fma_peak_gflops\": %.1f}\n", fma_peak_gflops());
		else if (!strcmp(line, "passes\n"))
			answer_passes(b);
		else
			answer_steps(b, strtol(line, NULL, 10));
		fflush(stdout);
	}
}

int main(int argc, char **argv)
{
	bool list = argc == 6 && !strcmp(argv[1], "--implementations");
	struct bench b = {0};
	struct ftp_error err;
	int rc;

	if (argc != 5 && !list) {
		fprintf(stderr, "usage: %s [--implementations] MODEL WIDTH cifar|imagenet BATCH\n",
			argv[0]);
		return 2;
	}
	rc = bench_open(&b, argv + (list ? 2 : 1), &err);
	if (rc) {
		fprintf(stderr, "%s\n", err.text);
	} else if (list) {
		fputs(ftp_stage_implementations(b.stage), stdout);
	} else {
		describe(&b);
		fflush(stdout);
		serve(&b);
	}
	bench_close(&b);
	return rc ? 1 : 0;
}
