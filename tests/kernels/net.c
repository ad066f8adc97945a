#include "tests/kernels/net.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/prng.h"

#define REGION_BYTES ((size_t)4 << 30)

static const struct ftp_optimizer_spec sgd = {
	.kind = FTP_OPTIMIZER_SGD, .momentum = 0.9f, .weight_decay = 4e-5f};

void net_init(struct net *net, const struct ftp_model *model, const int *cuts, int n_cuts,
	int micro_batch, int n_micro, enum ftp_stage_impl impl, uint64_t seed)
{
	struct ftp_error err = {""};

	*net = (struct net){.model = model,
		.n_stages = n_cuts + 1,
		.micro_batch = micro_batch,
		.n_micro = n_micro};
	ftp_assert(!ftp_region_new(&net->region, REGION_BYTES, &err));
	for (int i = 0; i <= n_cuts; i++) {
		const struct ftp_stage_spec spec = {.model = model,
			.first_unit = i ? cuts[i - 1] : 0,
			.end_unit = i < n_cuts ? cuts[i] : model->n_units,
			.micro_batch = micro_batch,
			.batch = micro_batch * n_micro,
			.n_slots = n_micro,
			.n_versions = 1,
			.threads = 1,
			.impl = impl,
			.optimizer = sgd,
			.region = net->region};

		if (ftp_stage_new(&net->stages[i], &spec, &err)) {
			fprintf(stderr, "%s\n", err.text);
			abort();
		}
		for (int unit = spec.first_unit; unit < spec.end_unit; unit++) {
			void *state = malloc(model->units[unit].state_bytes);

			ftp_assert(state || !model->units[unit].state_bytes);
			ftp_model_init_unit(model, unit, seed, state);
			ftp_stage_import(net->stages[i], unit, state);
			free(state);
		}
	}
}

void net_deinit(struct net *net)
{
	for (int i = 0; i < net->n_stages; i++)
		ftp_stage_free(net->stages[i]);
	ftp_region_free(net->region);
}

static void run(struct ftp_stage *s, enum ftp_pass pass, int slot, float lr)
{
	ftp_stage_begin(s, pass, slot, lr);
	while (ftp_stage_run(s))
		;
}

void net_feed(struct net *net, uint64_t seed, uint64_t batch, int micro)
{
	uint64_t key = ftp_prng_key(seed, FTP_PRNG_TEST, batch << 16 | (uint64_t)micro);
	uint64_t label_key = ftp_prng_mix(key);
	float *x = ftp_stage_input(net->stages[0], micro);
	int32_t *labels = ftp_stage_labels(net->stages[net->n_stages - 1], micro);

	for (size_t i = 0; i < ftp_stage_input_bytes(net->stages[0]) / sizeof(*x); i++)
		x[i] = (float)ftp_prng_normal(key, i);
	for (int i = 0; labels && i < net->micro_batch; i++)
		labels[i] = (int32_t)ftp_prng_below(
			label_key, (uint64_t)i, (uint64_t)net->model->n_classes);
}

static double pass_forward(struct net *net, enum ftp_pass pass, uint64_t seed, uint64_t batch)
{
	double loss = 0;

	for (int m = 0; m < net->n_micro; m++) {
		net_feed(net, seed, batch, m);
		for (int i = 0; i < net->n_stages; i++) {
			if (i)
				memcpy(ftp_stage_input(net->stages[i], m),
					ftp_stage_output(net->stages[i - 1], m),
					ftp_stage_input_bytes(net->stages[i]));
			run(net->stages[i], pass, m, 0);
		}
		loss += ftp_stage_loss(net->stages[net->n_stages - 1], m).sum;
	}
	return loss;
}

double net_forward(struct net *net, uint64_t seed, uint64_t batch)
{
	return pass_forward(net, FTP_PASS_FORWARD, seed, batch);
}

double net_eval(struct net *net, uint64_t seed, uint64_t batch)
{
	return pass_forward(net, FTP_PASS_EVAL, seed, batch);
}

void net_backward(struct net *net)
{
	for (int m = 0; m < net->n_micro; m++)
		for (int i = net->n_stages - 1; i >= 0; i--) {
			if (i < net->n_stages - 1)
				memcpy(ftp_stage_output_grad(net->stages[i], m),
					ftp_stage_input_grad(net->stages[i + 1], m),
					ftp_stage_output_bytes(net->stages[i]));
			run(net->stages[i], FTP_PASS_BACKWARD, m, 0);
		}
}

void net_update(struct net *net, float lr)
{
	for (int i = 0; i < net->n_stages; i++)
		run(net->stages[i], FTP_PASS_UPDATE, 0, lr);
}

struct ftp_stage *net_stage(struct net *net, int unit)
{
	/* A stage's first unit is what it would run next. */
	for (int i = net->n_stages - 1; i > 0; i--)
		if (ftp_stage_next_unit(net->stages[i]) <= unit)
			return net->stages[i];
	return net->stages[0];
}

struct ftp_digest net_digest(struct net *net)
{
	struct ftp_digest_stream *stream = ftp_digest_begin();

	for (int unit = 0; unit < net->model->n_units; unit++) {
		size_t bytes = net->model->units[unit].state_bytes;
		void *state = malloc(bytes);

		ftp_assert(state || !bytes);
		ftp_stage_export(net_stage(net, unit), unit, state);
		ftp_digest_add(stream, state, bytes);
		free(state);
	}
	return ftp_digest_end(stream);
}

double relative_l2(const float *a, const float *b, size_t n)
{
	double diff = 0, norm = 0;

	for (size_t i = 0; i < n; i++) {
		diff += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
		norm += (double)b[i] * (double)b[i];
	}
	return diff > 0 ? sqrt(diff / norm) : diff;
}

struct ftp_model *model_of(
	const char *name, double width, enum ftp_strides strides, bool activations)
{
	const struct ftp_model_spec spec = {name, width, strides, activations};
	struct ftp_model *m;

	ftp_assert(!ftp_model_new(&m, &spec, NULL));
	return m;
}
