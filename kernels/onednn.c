#include "kernels/onednn.h"

#include <dnnl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ARGS 4

struct ftp_onednn_layout {
	dnnl_memory_desc_t md;
	struct ftp_onednn_layout *next;
};

struct ftp_onednn_op {
	dnnl_primitive_t primitive;
	dnnl_stream_t stream;
	int n_args;
	dnnl_exec_arg_t args[MAX_ARGS + 1]; /* the scratchpad is the last */
	size_t scratchpad_bytes;
	char name[64];
	struct ftp_onednn_op *next;
};

struct ftp_onednn {
	dnnl_engine_t engine;
	dnnl_stream_t stream;
	bool to_run;
	struct ftp_onednn_op *ops;
	struct ftp_onednn_layout *layouts;
};

static const char *status_text(dnnl_status_t status)
{
	static const char *const texts[] = {
		[dnnl_success] = "success",
		[dnnl_out_of_memory] = "out of memory",
		[dnnl_invalid_arguments] = "invalid arguments",
		[dnnl_unimplemented] = "not implemented",
		[dnnl_iterator_ends] = "no more implementations",
		[dnnl_runtime_error] = "runtime error",
		[dnnl_not_required] = "not required",
	};

	return (size_t)status < sizeof(texts) / sizeof(*texts) ? texts[status] : "unknown error";
}

static int fail(struct ftp_error *err, dnnl_status_t status, const char *what)
{
	return ftp_error_set(err, status == dnnl_out_of_memory ? ENOMEM : ENOTSUP, "oneDNN: %s: %s",
		what, status_text(status));
}

int ftp_onednn_new(struct ftp_onednn **out, bool to_run, struct ftp_error *err)
{
	struct ftp_onednn *d = calloc(1, sizeof(*d));
	dnnl_status_t status;

	*out = NULL;
	ftp_assert(d);
	d->to_run = to_run;
	status = dnnl_engine_create(&d->engine, dnnl_cpu, 0);
	if (status == dnnl_success)
		status = dnnl_stream_create(&d->stream, d->engine, dnnl_stream_default_flags);
	if (status != dnnl_success) {
		ftp_onednn_free(d);
		return fail(err, status, "engine");
	}
	*out = d;
	return 0;
}

static void op_free(struct ftp_onednn_op *op)
{
	for (int i = 0; i < op->n_args; i++)
		dnnl_memory_destroy(op->args[i].memory);
	if (op->primitive)
		dnnl_primitive_destroy(op->primitive);
	free(op);
}

void ftp_onednn_free(struct ftp_onednn *d)
{
	if (!d)
		return;
	while (d->ops) {
		struct ftp_onednn_op *op = d->ops;

		d->ops = op->next;
		op_free(op);
	}
	while (d->layouts) {
		struct ftp_onednn_layout *l = d->layouts;

		d->layouts = l->next;
		free(l);
	}
	if (d->stream)
		dnnl_stream_destroy(d->stream);
	if (d->engine)
		dnnl_engine_destroy(d->engine);
	free(d);
}

int ftp_onednn_cap(enum ftp_isa isa, struct ftp_error *err)
{
	static const dnnl_cpu_isa_t caps[] = {
		[FTP_ISA_SSE41] = dnnl_cpu_isa_sse41,
		[FTP_ISA_AVX2] = dnnl_cpu_isa_avx2,
		[FTP_ISA_AVX512] = dnnl_cpu_isa_avx512_core,
	};
	dnnl_status_t status = dnnl_set_max_cpu_isa(caps[isa]);

	if (status != dnnl_success)
		return fail(err, status, "instruction set cap (it must be set before any stage)");
	return 0;
}

static struct ftp_onednn_layout *layout_new(struct ftp_onednn *d, const dnnl_memory_desc_t *md)
{
	struct ftp_onednn_layout *l = calloc(1, sizeof(*l));

	ftp_assert(l);
	l->md = *md;
	l->next = d->layouts;
	d->layouts = l;
	return l;
}

/* The scratchpad is the caller's: stages run one op at a time and share one. */
static dnnl_primitive_attr_t attr_new(dnnl_post_ops_t post_ops)
{
	dnnl_primitive_attr_t attr;

	ftp_assert(dnnl_primitive_attr_create(&attr) == dnnl_success);
	ftp_assert(dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user) ==
		   dnnl_success);
	if (post_ops)
		ftp_assert(dnnl_primitive_attr_set_post_ops(attr, post_ops) == dnnl_success);
	return attr;
}

static dnnl_post_ops_t post_ops_new(bool sum, bool relu)
{
	dnnl_post_ops_t ops;

	ftp_assert(dnnl_post_ops_create(&ops) == dnnl_success);
	if (sum)
		ftp_assert(dnnl_post_ops_append_sum(ops, 1) == dnnl_success);
	if (relu)
		ftp_assert(dnnl_post_ops_append_eltwise(ops, 1, dnnl_eltwise_relu, 0, 0) ==
			   dnnl_success);
	return ops;
}

static const dnnl_memory_desc_t *md_of(const_dnnl_primitive_desc_t pd, int id)
{
	const dnnl_memory_desc_t *md = dnnl_primitive_desc_query_md(pd, dnnl_query_exec_arg_md, id);

	ftp_assert(md);
	return md;
}

static dnnl_status_t op_make(struct ftp_onednn_op *op, const struct ftp_onednn *d,
	const_dnnl_primitive_desc_t pd, const int *ids, int n_ids)
{
	dnnl_status_t status = dnnl_success;

	for (int i = 0; i <= n_ids && status == dnnl_success; i++) {
		int id = i < n_ids ? ids[i] : DNNL_ARG_SCRATCHPAD;

		op->args[i].arg = id;
		status = dnnl_memory_create(
			&op->args[i].memory, md_of(pd, id), d->engine, DNNL_MEMORY_NONE);
		if (status == dnnl_success)
			op->n_args++;
	}
	return status == dnnl_success ? dnnl_primitive_create(&op->primitive, pd) : status;
}

/* Takes pd. ids: the DNNL_ARG_* of the pointers that ftp_onednn_run() will get. */
static int op_new(struct ftp_onednn *d, dnnl_primitive_desc_t pd, const int *ids, int n_ids,
	struct ftp_onednn_op **out, struct ftp_error *err)
{
	struct ftp_onednn_op *op = calloc(1, sizeof(*op));
	const char *name = "";
	dnnl_status_t status = dnnl_success;

	ftp_assert(op && n_ids <= MAX_ARGS);
	op->stream = d->stream;
	op->scratchpad_bytes = dnnl_memory_desc_get_size(md_of(pd, DNNL_ARG_SCRATCHPAD));
	dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, &name);
	snprintf(op->name, sizeof(op->name), "%s", name);
	if (d->to_run)
		status = op_make(op, d, pd, ids, n_ids);
	dnnl_primitive_desc_destroy(pd);
	if (status != dnnl_success) {
		op_free(op);
		return fail(err, status, "primitive");
	}
	op->next = d->ops;
	d->ops = op;
	*out = op;
	return 0;
}

struct conv_mds {
	dnnl_memory_desc_t src, weights, bias, dst;
	dnnl_dims_t strides, pads;
};

static void md_init(
	dnnl_memory_desc_t *md, int n_dims, const dnnl_dim_t *dims, dnnl_format_tag_t tag)
{
	ftp_assert(dnnl_memory_desc_init_by_tag(md, n_dims, dims, dnnl_f32, tag) == dnnl_success);
}

static void conv_weights_md(const struct ftp_onednn_conv *c, dnnl_memory_desc_t *md, bool dense)
{
	const dnnl_dims_t plain = {c->c_out, c->c_in, c->kernel, c->kernel};
	const dnnl_dims_t grouped = {c->groups, 1, 1, c->kernel, c->kernel};

	if (c->groups > 1)
		md_init(md, 5, grouped, dense ? dnnl_abcde : dnnl_format_tag_any);
	else
		md_init(md, 4, plain, dense ? dnnl_abcd : dnnl_format_tag_any);
}

static void conv_mds_init(struct conv_mds *m, const struct ftp_onednn_conv *c)
{
	const dnnl_dims_t src = {c->n, c->c_in, c->h, c->w};
	const dnnl_dims_t dst = {c->n, c->c_out, c->h_out, c->w_out};
	const dnnl_dims_t bias = {c->c_out};

	md_init(&m->src, 4, src, c->dense_src ? dnnl_nchw : dnnl_nChw16c);
	md_init(&m->dst, 4, dst, dnnl_nChw16c);
	md_init(&m->bias, 1, bias, dnnl_a);
	conv_weights_md(c, &m->weights, false);
	for (int i = 0; i < 2; i++) {
		m->strides[i] = c->stride;
		m->pads[i] = c->pad;
	}
}

/* Takes nothing; the forward's descriptor is also the hint of both backwards. */
static dnnl_status_t conv_forward_pd(
	const struct ftp_onednn *d, const struct ftp_onednn_conv *c, dnnl_primitive_desc_t *pd)
{
	dnnl_convolution_desc_t desc;
	dnnl_post_ops_t post_ops = post_ops_new(false, c->relu);
	dnnl_primitive_attr_t attr = attr_new(post_ops);
	struct conv_mds m;
	dnnl_status_t status;

	conv_mds_init(&m, c);
	status = dnnl_convolution_forward_desc_init(&desc, dnnl_forward_training,
		dnnl_convolution_direct, &m.src, &m.weights, c->bias ? &m.bias : NULL, &m.dst,
		m.strides, m.pads, m.pads);
	if (status == dnnl_success)
		status = dnnl_primitive_desc_create(pd, &desc, attr, d->engine, NULL);
	dnnl_primitive_attr_destroy(attr);
	dnnl_post_ops_destroy(post_ops);
	return status;
}

int ftp_onednn_conv_forward(struct ftp_onednn *d, const struct ftp_onednn_conv *c,
	struct ftp_onednn_layout **weights, struct ftp_onednn_op **op, struct ftp_error *err)
{
	static const int ids[] = {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST, DNNL_ARG_BIAS};
	dnnl_primitive_desc_t pd;
	dnnl_status_t status = conv_forward_pd(d, c, &pd);

	if (status != dnnl_success)
		return fail(err, status, "convolution forward");
	*weights = layout_new(
		d, dnnl_primitive_desc_query_md(pd, dnnl_query_exec_arg_md, DNNL_ARG_WEIGHTS));
	return op_new(d, pd, ids, c->bias ? 4 : 3, op, err);
}

int ftp_onednn_conv_backward_data(struct ftp_onednn *d, const struct ftp_onednn_conv *c,
	struct ftp_onednn_layout **weights, struct ftp_onednn_op **op, struct ftp_error *err)
{
	static const int ids[] = {DNNL_ARG_DIFF_DST, DNNL_ARG_WEIGHTS, DNNL_ARG_DIFF_SRC};
	dnnl_primitive_attr_t attr = attr_new(NULL);
	dnnl_primitive_desc_t hint = NULL, pd;
	dnnl_convolution_desc_t desc;
	struct conv_mds m;
	dnnl_status_t status = conv_forward_pd(d, c, &hint);

	conv_mds_init(&m, c);
	if (status == dnnl_success)
		status = dnnl_convolution_backward_data_desc_init(&desc, dnnl_convolution_direct,
			&m.src, &m.weights, &m.dst, m.strides, m.pads, m.pads);
	if (status == dnnl_success)
		status = dnnl_primitive_desc_create(&pd, &desc, attr, d->engine, hint);
	dnnl_primitive_attr_destroy(attr);
	if (hint)
		dnnl_primitive_desc_destroy(hint);
	if (status != dnnl_success)
		return fail(err, status, "convolution backward data");
	*weights = layout_new(
		d, dnnl_primitive_desc_query_md(pd, dnnl_query_exec_arg_md, DNNL_ARG_WEIGHTS));
	return op_new(d, pd, ids, 3, op, err);
}

int ftp_onednn_conv_backward_weights(struct ftp_onednn *d, const struct ftp_onednn_conv *c,
	const struct ftp_onednn_layout *weights, struct ftp_onednn_op **op, struct ftp_error *err)
{
	static const int ids[] = {
		DNNL_ARG_SRC, DNNL_ARG_DIFF_DST, DNNL_ARG_DIFF_WEIGHTS, DNNL_ARG_DIFF_BIAS};
	dnnl_primitive_attr_t attr = attr_new(NULL);
	dnnl_primitive_desc_t hint = NULL, pd;
	dnnl_convolution_desc_t desc;
	struct conv_mds m;
	dnnl_status_t status = conv_forward_pd(d, c, &hint);

	conv_mds_init(&m, c);
	if (status == dnnl_success)
		status = dnnl_convolution_backward_weights_desc_init(&desc, dnnl_convolution_direct,
			&m.src, &weights->md, c->bias ? &m.bias : NULL, &m.dst, m.strides, m.pads,
			m.pads);
	if (status == dnnl_success)
		status = dnnl_primitive_desc_create(&pd, &desc, attr, d->engine, hint);
	dnnl_primitive_attr_destroy(attr);
	if (hint)
		dnnl_primitive_desc_destroy(hint);
	if (status != dnnl_success)
		return fail(err, status, "convolution backward weights");
	return op_new(d, pd, ids, c->bias ? 4 : 3, op, err);
}

static void strided_md(dnnl_memory_desc_t *md, int rows, int columns, const int strides[2])
{
	const dnnl_dims_t dims = {rows, columns};
	const dnnl_dims_t s = {strides[0], strides[1]};

	ftp_assert(dnnl_memory_desc_init_by_strides(md, 2, dims, dnnl_f32, s) == dnnl_success);
}

int ftp_onednn_matmul(struct ftp_onednn *d, const struct ftp_onednn_matmul *m,
	struct ftp_onednn_op **op, struct ftp_error *err)
{
	static const int ids[] = {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST, DNNL_ARG_BIAS};
	dnnl_post_ops_t post_ops = post_ops_new(m->accumulate, m->relu);
	dnnl_primitive_attr_t attr = attr_new(post_ops);
	dnnl_memory_desc_t a, b, c, bias;
	const int bias_strides[2] = {m->n, 1};
	dnnl_primitive_desc_t pd;
	dnnl_matmul_desc_t desc;
	dnnl_status_t status;

	strided_md(&a, m->m, m->k, m->a_strides);
	strided_md(&b, m->k, m->n, m->b_strides);
	strided_md(&c, m->m, m->n, m->c_strides);
	strided_md(&bias, 1, m->n, bias_strides);
	status = dnnl_matmul_desc_init(&desc, &a, &b, m->bias ? &bias : NULL, &c);
	if (status == dnnl_success)
		status = dnnl_primitive_desc_create(&pd, &desc, attr, d->engine, NULL);
	dnnl_primitive_attr_destroy(attr);
	dnnl_post_ops_destroy(post_ops);
	if (status != dnnl_success)
		return fail(err, status, "matrix product");
	return op_new(d, pd, ids, m->bias ? 4 : 3, op, err);
}

struct ftp_onednn_layout *ftp_onednn_dense(struct ftp_onednn *d, const struct ftp_onednn_conv *c)
{
	dnnl_memory_desc_t md;

	conv_weights_md(c, &md, true);
	return layout_new(d, &md);
}

int ftp_onednn_reorder(struct ftp_onednn *d, const struct ftp_onednn_layout *from,
	const struct ftp_onednn_layout *to, struct ftp_onednn_op **op, struct ftp_error *err)
{
	static const int ids[] = {DNNL_ARG_FROM, DNNL_ARG_TO};
	dnnl_primitive_attr_t attr = attr_new(NULL);
	dnnl_primitive_desc_t pd;
	dnnl_status_t status = dnnl_reorder_primitive_desc_create(
		&pd, &from->md, d->engine, &to->md, d->engine, attr);

	dnnl_primitive_attr_destroy(attr);
	if (status != dnnl_success)
		return fail(err, status, "reorder");
	return op_new(d, pd, ids, 2, op, err);
}

bool ftp_onednn_layout_equal(const struct ftp_onednn_layout *a, const struct ftp_onednn_layout *b)
{
	return dnnl_memory_desc_equal(&a->md, &b->md);
}

size_t ftp_onednn_layout_bytes(const struct ftp_onednn_layout *l)
{
	return dnnl_memory_desc_get_size(&l->md);
}

const char *ftp_onednn_name(const struct ftp_onednn_op *op)
{
	return op->name;
}

size_t ftp_onednn_scratchpad_bytes(const struct ftp_onednn_op *op)
{
	return op->scratchpad_bytes;
}

void ftp_onednn_run(const struct ftp_onednn_op *op, float *const *args, void *scratchpad)
{
	ftp_assert(op->primitive);
	for (int i = 0; i < op->n_args; i++)
		ftp_assert(dnnl_memory_set_data_handle(op->args[i].memory,
				   i + 1 < op->n_args ? args[i] : scratchpad) == dnnl_success);
	ftp_assert(dnnl_primitive_execute(op->primitive, op->stream, op->n_args, op->args) ==
		   dnnl_success);
}
