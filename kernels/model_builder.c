#include "kernels/model_builder.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_UNITS   64
#define MAX_LAYERS  24 /* of a unit */
#define MAX_TENSORS 48 /* of a unit */
#define ALIGN_BYTES 64

struct ftp_model_builder {
	struct ftp_model *model;
	enum ftp_init_rule init;
	struct ftp_unit *units;	    /* the model's, writable */
	struct ftp_layer *layers;   /* the current unit's */
	struct ftp_tensor *tensors; /* the current unit's */
};

struct ftp_model_builder *ftp_model_builder_begin(const char *name,
	const struct ftp_model_spec *spec, struct ftp_shape src, enum ftp_init_rule init)
{
	struct ftp_model_builder *b = calloc(1, sizeof(*b));
	struct ftp_model *m = calloc(1, sizeof(*m));

	ftp_assert(b && m);
	b->units = calloc(MAX_UNITS, sizeof(*b->units));
	ftp_assert(b->units);
	b->model = m;
	b->init = init;
	snprintf(m->name, sizeof(m->name), "%s", name);
	m->spec = *spec;
	m->src = src;
	m->units = b->units;
	return b;
}

static struct ftp_unit *current(struct ftp_model_builder *b)
{
	ftp_assert(b->model->n_units > 0);
	return &b->units[b->model->n_units - 1];
}

/* Places the current unit's tensors and moments; its layers are complete. */
static void finish_unit(struct ftp_model_builder *b)
{
	struct ftp_unit *u;
	size_t at = 0;

	if (!b->model->n_units)
		return;
	u = current(b);
	ftp_assert(u->n_layers > 0);
	u->dst = u->layers[u->n_layers - 1].dst;
	for (int i = 0; i < u->n_tensors; i++) {
		b->tensors[i].offset_bytes = at;
		at += (b->tensors[i].n_elements * sizeof(float) + ALIGN_BYTES - 1) / ALIGN_BYTES *
		      ALIGN_BYTES;
	}
	for (int i = 0; i < u->n_tensors; i++) {
		if (!ftp_tensor_is_trained(&b->tensors[i]))
			continue;
		b->tensors[i].moment_offset_bytes = at;
		at += (b->tensors[i].n_elements * sizeof(float) + ALIGN_BYTES - 1) / ALIGN_BYTES *
		      ALIGN_BYTES;
		b->model->n_params += (int64_t)b->tensors[i].n_elements;
	}
	u->state_bytes = at;
	b->model->state_bytes += at;
}

void ftp_model_builder_unit(struct ftp_model_builder *b, const char *name)
{
	struct ftp_shape src = b->model->src;
	struct ftp_unit *u;

	finish_unit(b);
	if (b->model->n_units)
		src = current(b)->dst;
	ftp_assert(b->model->n_units < MAX_UNITS);
	b->model->n_units++;
	u = current(b);
	b->layers = calloc(MAX_LAYERS, sizeof(*b->layers));
	b->tensors = calloc(MAX_TENSORS, sizeof(*b->tensors));
	ftp_assert(b->layers && b->tensors);
	u->layers = b->layers;
	u->tensors = b->tensors;
	u->src = src;
	snprintf(u->name, sizeof(u->name), "%s", name);
}

struct tensor_want {
	const char *suffix;
	enum ftp_tensor_role role;
	double mean, std;
	int32_t n_dims, dims[4];
};

static void add_tensor(struct ftp_model_builder *b, struct ftp_layer *l, const char *layer_name,
	const struct tensor_want *want)
{
	struct ftp_unit *u = current(b);
	struct ftp_tensor *t = &b->tensors[u->n_tensors];
	int len;

	ftp_assert(u->n_tensors < MAX_TENSORS);
	u->n_tensors++;
	l->n_tensors++;
	len = snprintf(t->name, sizeof(t->name), "%s%s%s.%s", u->name, *layer_name ? "." : "",
		layer_name, want->suffix);
	ftp_assert(len > 0 && (size_t)len < sizeof(t->name));
	t->role = want->role;
	t->init_mean = want->mean;
	t->init_std = want->std;
	t->n_dims = want->n_dims;
	t->n_elements = 1;
	for (int i = 0; i < want->n_dims; i++) {
		t->dims[i] = want->dims[i];
		t->n_elements *= (size_t)want->dims[i];
	}
}

static void add_weights(
	struct ftp_model_builder *b, struct ftp_layer *l, const char *name, double flops_per_weight)
{
	bool conv = l->kind == FTP_LAYER_CONV;
	int32_t c_in = conv ? l->src.c / l->groups : l->src.c * l->src.h * l->src.w;
	int32_t k = conv ? l->kernel : 1;
	double fan_in = (double)c_in * k * k, fan_out = (double)l->dst.c * k * k;
	double std = b->init == FTP_INIT_FAN_IN ? sqrt(2 / fan_in)
		     : conv			? sqrt(2 / fan_out)
						: 0.01;
	struct tensor_want weight = {.suffix = "weight",
		.role = FTP_TENSOR_WEIGHT,
		.std = std,
		.n_dims = conv ? 4 : 2,
		.dims = {l->dst.c, c_in, k, k}};
	struct tensor_want bias = {
		.suffix = "bias", .role = FTP_TENSOR_BIAS, .n_dims = 1, .dims = {l->dst.c}};

	add_tensor(b, l, name, &weight);
	if (l->bias)
		add_tensor(b, l, name, &bias);
	current(b)->flops += flops_per_weight * fan_in * l->dst.c;
}

static void add_conv(struct ftp_model_builder *b, struct ftp_layer *l, const char *name)
{
	ftp_assert(l->groups == 1 || (l->groups == l->src.c && l->dst.c == l->src.c));
	l->dst.h = (l->src.h + 2 * l->pad - l->kernel) / l->stride + 1;
	l->dst.w = (l->src.w + 2 * l->pad - l->kernel) / l->stride + 1;
	add_weights(b, l, name, 2.0 * l->dst.h * l->dst.w);
}

static void add_bn(struct ftp_model_builder *b, struct ftp_layer *l, const char *name)
{
	static const struct tensor_want tensors[] = {
		{.suffix = "weight", .role = FTP_TENSOR_GAMMA, .mean = 1},
		{.suffix = "bias", .role = FTP_TENSOR_BETA},
		{.suffix = "running_mean", .role = FTP_TENSOR_MEAN},
		{.suffix = "running_var", .role = FTP_TENSOR_VAR, .mean = 1},
	};

	l->dst = l->src;
	for (size_t i = 0; i < sizeof(tensors) / sizeof(*tensors); i++) {
		struct tensor_want want = tensors[i];

		want.n_dims = 1;
		want.dims[0] = l->src.c;
		add_tensor(b, l, name, &want);
	}
}

static void add_elementwise(struct ftp_model_builder *b, struct ftp_layer *l, const char *name)
{
	(void)b;
	(void)name;
	l->dst = l->src;
}

static void add_pool(struct ftp_model_builder *b, struct ftp_layer *l, const char *name)
{
	int32_t k = l->kernel;

	(void)b;
	(void)name;
	l->dst.c = l->src.c;
	l->dst.h = k ? (l->src.h + 2 * l->pad - k) / l->stride + 1 : 1;
	l->dst.w = k ? (l->src.w + 2 * l->pad - k) / l->stride + 1 : 1;
}

static void add_fc(struct ftp_model_builder *b, struct ftp_layer *l, const char *name)
{
	l->dst.h = l->dst.w = 1;
	l->bias = true;
	add_weights(b, l, name, 2);
}

static void add_loss(struct ftp_model_builder *b, struct ftp_layer *l, const char *name)
{
	(void)name;
	ftp_assert(l->src.h == 1 && l->src.w == 1);
	l->dst = (struct ftp_shape){1, 1, 1};
	b->model->n_classes = l->src.c;
}

static void (*const adders[FTP_N_LAYER_KINDS])(
	struct ftp_model_builder *b, struct ftp_layer *l, const char *name) = {
	[FTP_LAYER_CONV] = add_conv,
	[FTP_LAYER_BN] = add_bn,
	[FTP_LAYER_RELU] = add_elementwise,
	[FTP_LAYER_RELU6] = add_elementwise,
	[FTP_LAYER_ADD] = add_elementwise,
	[FTP_LAYER_AVG_POOL] = add_pool,
	[FTP_LAYER_MAX_POOL] = add_pool,
	[FTP_LAYER_FC] = add_fc,
	[FTP_LAYER_LOSS] = add_loss,
};

int32_t ftp_model_builder_add(
	struct ftp_model_builder *b, const char *name, const struct ftp_layer *want)
{
	struct ftp_unit *u = current(b);
	struct ftp_layer *l = &b->layers[u->n_layers];
	bool act = want->kind == FTP_LAYER_RELU || want->kind == FTP_LAYER_RELU6;

	if (act && !b->model->spec.activations)
		return want->in[0];
	ftp_assert(u->n_layers < MAX_LAYERS && want->in[0] < u->n_layers);
	*l = *want;
	if (l->kind != FTP_LAYER_ADD)
		l->in[1] = FTP_NO_INPUT;
	l->src = l->in[0] == FTP_UNIT_INPUT ? u->src : u->layers[l->in[0]].dst;
	l->first_tensor = u->n_tensors;
	l->n_tensors = 0;
	adders[l->kind](b, l, name);
	ftp_assert(l->dst.c > 0 && l->dst.h > 0 && l->dst.w > 0);
	return u->n_layers++;
}

struct ftp_model *ftp_model_builder_end(struct ftp_model_builder *b)
{
	struct ftp_model *m = b->model;

	finish_unit(b);
	free(b);
	return m;
}
