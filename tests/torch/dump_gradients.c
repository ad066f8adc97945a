/* usage: dump_gradients MODEL WIDTH cifar|imagenet on|off SAMPLES MICRO_BATCHES SEED OUT
 *
 * Runs one step's forward and backward passes of a whole model on one stage and writes a
 * safetensors file for compare.py: "state/NAME" (before the passes), "grad/NAME", "input",
 * "labels", "loss".
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/stage.h"
#include "runtime/base/prng.h"

#define MAX_TENSORS 1024
#define BUDGET	    ((size_t)4 << 30)

struct entry {
	char name[80], dtype[4];
	int32_t n_dims, dims[4];
	void *data;
	size_t bytes;
};

struct dump {
	struct entry entries[MAX_TENSORS];
	int n;
};

/* Takes data. */
static void dump_add(struct dump *d, const char *prefix, const char *name, const char *dtype,
	const int32_t *dims, int32_t n_dims, void *data)
{
	struct entry *e = &d->entries[d->n++];

	ftp_assert(d->n <= MAX_TENSORS && n_dims <= 4);
	snprintf(e->name, sizeof(e->name), "%s%s", prefix, name);
	snprintf(e->dtype, sizeof(e->dtype), "%s", dtype);
	e->n_dims = n_dims;
	e->bytes = dtype[1] == '6' ? 8 : 4;
	for (int32_t i = 0; i < n_dims; i++) {
		e->dims[i] = dims[i];
		e->bytes *= (size_t)dims[i];
	}
	e->data = data;
}

static int dump_write(const struct dump *d, const char *path)
{
	size_t bytes = 0, offset = 0;
	char *header = NULL;
	FILE *f = fopen(path, "wb"), *text = open_memstream(&header, &bytes);
	uint64_t prefix;
	bool ok;

	ftp_assert(text);
	for (int i = 0; i < d->n; i++) {
		const struct entry *e = &d->entries[i];

		fprintf(text, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[", i ? "," : "{", e->name,
			e->dtype);
		for (int32_t k = 0; k < e->n_dims; k++)
			fprintf(text, "%s%d", k ? "," : "", e->dims[k]);
		fprintf(text, "],\"data_offsets\":[%zu,%zu]}", offset, offset + e->bytes);
		offset += e->bytes;
	}
	fprintf(text, "}");
	ok = !fclose(text) && f;
	prefix = bytes;
	ok = ok && fwrite(&prefix, sizeof(prefix), 1, f) == 1 && fwrite(header, bytes, 1, f) == 1;
	for (int i = 0; ok && i < d->n; i++)
		ok = fwrite(d->entries[i].data, d->entries[i].bytes, 1, f) == 1;
	free(header);
	return (f && fclose(f)) || !ok ? -1 : 0;
}

static void *copy_of(const void *data, size_t bytes)
{
	void *p = malloc(bytes);

	ftp_assert(p);
	return memcpy(p, data, bytes);
}

/* As initialised (gamma 1, beta 0) a batch norm in front of a depthwise convolution and another
 * batch norm has no effect but through eps: the gradient of its gamma would be all cancellation. */
static void draw_norm(const struct ftp_tensor *t, uint64_t seed, uint64_t sub, float *x)
{
	uint64_t key = ftp_prng_key(seed, FTP_PRNG_TEST, 1000 + sub);

	for (size_t i = 0; i < t->n_elements; i++) {
		if (t->role == FTP_TENSOR_GAMMA)
			x[i] = (float)(1 + 0.25 * ftp_prng_normal(key, i));
		if (t->role == FTP_TENSOR_BETA)
			x[i] = (float)(ftp_prng_normal(key, i));
	}
}

static void import_state(
	struct ftp_stage *s, const struct ftp_model *m, uint64_t seed, struct dump *d)
{
	for (int u = 0; u < m->n_units; u++) {
		const struct ftp_unit *unit = &m->units[u];
		char *state = aligned_alloc(64, (unit->state_bytes + 63) / 64 * 64);

		ftp_assert(state);
		ftp_model_init_unit(m, u, seed, state);
		for (int t = 0; t < unit->n_tensors; t++) {
			const struct ftp_tensor *x = &unit->tensors[t];

			draw_norm(x, seed, (uint64_t)(u << 16 | t),
				(float *)(void *)(state + x->offset_bytes));
			dump_add(d, "state/", x->name, "F32", x->dims, x->n_dims,
				copy_of(state + x->offset_bytes, x->n_elements * sizeof(float)));
		}
		ftp_stage_import(s, u, state);
		free(state);
	}
}

static void add_gradients(struct ftp_stage *s, const struct ftp_model *m, struct dump *d)
{
	for (int u = 0; u < m->n_units; u++) {
		for (int t = 0; t < m->units[u].n_tensors; t++) {
			const struct ftp_tensor *x = &m->units[u].tensors[t];
			float *grad;

			if (x->role == FTP_TENSOR_MEAN || x->role == FTP_TENSOR_VAR)
				continue;
			grad = malloc(x->n_elements * sizeof(float));
			ftp_assert(grad);
			ftp_stage_gradient(s, u, t, grad);
			dump_add(d, "grad/", x->name, "F32", x->dims, x->n_dims, grad);
		}
	}
}

static double run_passes(struct ftp_stage *s, const struct ftp_model *m, int samples,
	int micro_batches, const float *input, const int32_t *labels)
{
	int micro = samples / micro_batches;
	size_t floats = (size_t)micro * (size_t)(m->src.c * m->src.h * m->src.w);
	double loss = 0;

	for (int i = 0; i < micro_batches; i++) {
		memcpy(ftp_stage_input(s, 0), input + (size_t)i * floats, floats * sizeof(float));
		memcpy(ftp_stage_labels(s, 0), labels + i * micro, (size_t)micro * sizeof(int32_t));
		ftp_stage_begin(s, FTP_PASS_FORWARD, 0, 0);
		while (ftp_stage_run(s))
			;
		loss += ftp_stage_loss(s, 0).sum;
		ftp_stage_begin(s, FTP_PASS_BACKWARD, 0, 0);
		while (ftp_stage_run(s))
			;
	}
	return loss;
}

static void draw(float *input, size_t floats, int32_t *labels, int samples, uint64_t seed)
{
	uint64_t key = ftp_prng_key(seed, FTP_PRNG_TEST, 0);

	for (size_t i = 0; i < floats; i++)
		input[i] = (float)ftp_prng_normal(key, i);
	key = ftp_prng_key(seed, FTP_PRNG_TEST, 1);
	for (int i = 0; i < samples; i++)
		labels[i] = (int32_t)ftp_prng_below(key, (uint64_t)i, 10);
}

static int run(const struct ftp_model_spec *spec, int samples, int micro_batches, uint64_t seed,
	const char *path, struct ftp_error *err)
{
	struct dump *d = calloc(1, sizeof(*d));
	struct ftp_stage_spec stage = {.n_slots = 1, .n_versions = 1, .threads = 1};
	struct ftp_region *region = NULL;
	struct ftp_stage *s = NULL;
	struct ftp_model *m = NULL;
	size_t floats;
	int32_t *labels;
	float *input;
	double loss;
	int rc;

	ftp_assert(d);
	rc = ftp_model_new(&m, spec, err);
	if (!rc)
		rc = ftp_region_new(&region, BUDGET, err);
	if (!rc) {
		stage.model = m;
		stage.end_unit = m->n_units;
		stage.micro_batch = samples / micro_batches;
		stage.batch = samples;
		stage.region = region;
		rc = ftp_stage_new(&s, &stage, err);
	}
	if (rc)
		goto out;
	floats = (size_t)samples * (size_t)(m->src.c * m->src.h * m->src.w);
	input = malloc(floats * sizeof(float));
	labels = malloc((size_t)samples * sizeof(*labels));
	ftp_assert(input && labels);
	draw(input, floats, labels, samples, seed);
	import_state(s, m, seed, d);
	loss = run_passes(s, m, samples, micro_batches, input, labels);
	add_gradients(s, m, d);
	dump_add(d, "", "input", "F32", (int32_t[]){samples, m->src.c, m->src.h, m->src.w}, 4,
		input);
	dump_add(d, "", "labels", "I32", (int32_t[]){samples}, 1, labels);
	dump_add(d, "", "loss", "F64", NULL, 0, copy_of(&loss, sizeof(loss)));
	if (dump_write(d, path))
		rc = ftp_error_set(err, EIO, "%s: cannot be written", path);
out:
	for (int i = 0; i < d->n; i++)
		free(d->entries[i].data);
	free(d);
	ftp_stage_free(s);
	if (region)
		ftp_region_free(region);
	ftp_model_free(m);
	return rc;
}

int main(int argc, char **argv)
{
	struct ftp_model_spec spec;
	struct ftp_error err;
	int samples, micro_batches;

	if (argc != 9) {
		fprintf(stderr,
			"usage: %s MODEL WIDTH cifar|imagenet on|off SAMPLES MICRO_BATCHES "
			"SEED OUT\n",
			argv[0]);
		return 2;
	}
	spec = (struct ftp_model_spec){
		.name = argv[1],
		.width = strtod(argv[2], NULL),
		.strides = strcmp(argv[3], "imagenet") ? FTP_STRIDES_CIFAR : FTP_STRIDES_IMAGENET,
		.activations = !strcmp(argv[4], "on"),
	};
	samples = atoi(argv[5]);
	micro_batches = atoi(argv[6]);
	if (samples < 1 || micro_batches < 1 || samples % micro_batches) {
		fprintf(stderr, "SAMPLES must be a positive multiple of MICRO_BATCHES\n");
		return 2;
	}
	if (run(&spec, samples, micro_batches, strtoull(argv[7], NULL, 0), argv[8], &err)) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	return 0;
}
