#include "kernels/program.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/elementwise.h"
#include "kernels/ops.h"

static const struct ftp_unit *unit_of(const struct ftp_plan *p, int unit)
{
	return &p->spec->model->units[unit];
}

static int add_value(struct ftp_plan *p, struct ftp_shape shape, bool dense, bool wants_grad)
{
	p->values[p->n_values] =
		(struct ftp_value){.shape = shape, .dense = dense, .wants_grad = wants_grad};
	return p->n_values++;
}

/* The layer that alone reads layer i of the unit, or -1. */
static int32_t sole_reader(const struct ftp_unit *u, int32_t i)
{
	int32_t reader = -1, n = 0;

	for (int32_t j = i + 1; j < u->n_layers; j++)
		for (int k = 0; k < 2; k++)
			if (u->layers[j].in[k] == i) {
				reader = j;
				n++;
			}
	return n == 1 ? reader : -1;
}

static enum ftp_act act_of(enum ftp_layer_kind kind)
{
	return kind == FTP_LAYER_RELU	 ? FTP_ACT_RELU
	       : kind == FTP_LAYER_RELU6 ? FTP_ACT_RELU6
					 : FTP_ACT_NONE;
}

/* Passes over a sole activation that reads layer i; returns the layer whose output counts now. */
static int32_t take_act(const struct ftp_unit *u, int32_t i, enum ftp_act *act)
{
	int32_t reader = sole_reader(u, i);

	if (reader < 0 || act_of(u->layers[reader].kind) == FTP_ACT_NONE)
		return i;
	*act = act_of(u->layers[reader].kind);
	return reader;
}

static bool is_depthwise_3x3(const struct ftp_layer *l)
{
	return l->kind == FTP_LAYER_CONV && l->groups > 1 && l->kernel == 3 && l->pad == 1 &&
	       l->stride <= 2 && !l->bias;
}

/* The node from layer i on: a depthwise convolution with the batch norms and activations around it.
 * Returns the layer whose output it makes, -1 if the unit has something else here. */
static int32_t match_dwblock(struct ftp_node *node, const struct ftp_unit *u, int32_t i)
{
	struct ftp_node n = *node;
	int32_t conv = i, after;

	if (u->layers[i].kind == FTP_LAYER_BN) {
		n.bn_before = &u->layers[i];
		conv = sole_reader(u, take_act(u, i, &n.act_before));
	}
	if (conv < 0 || !is_depthwise_3x3(&u->layers[conv]))
		return -1;
	after = sole_reader(u, conv);
	if (after < 0 || u->layers[after].kind != FTP_LAYER_BN)
		return -1;
	n.op = &ftp_op_dwblock;
	n.layer = &u->layers[conv];
	n.n_tensors = u->layers[after].first_tensor + u->layers[after].n_tensors - n.first_tensor;
	*node = n;
	return take_act(u, after, &node->act);
}

/* Takes along what the node's op can do besides: an addition whose other operand is known by then,
 * then an activation. Returns the layer whose output the node now makes. */
static int32_t absorb(
	struct ftp_node *node, const struct ftp_unit *u, int32_t i, const int *value_of)
{
	unsigned absorbs = node->op->absorbs;

	for (;;) {
		int32_t reader = sole_reader(u, i);
		const struct ftp_layer *l = reader < 0 ? NULL : &u->layers[reader];

		if (!l || !(absorbs & (1u << l->kind)))
			return i;
		if (l->kind == FTP_LAYER_ADD) {
			int32_t other = l->in[0] == i ? l->in[1] : l->in[0];

			if (other == i || value_of[other] < 0)
				return i;
			node->in[1] = value_of[other];
			absorbs &= ~(1u << FTP_LAYER_ADD);
		} else {
			node->act = act_of(l->kind);
			absorbs = 0;
		}
		i = reader;
	}
}

/* Chooses the node's op and what it takes along. Returns the layer whose output the node makes. */
static int32_t choose_op(struct ftp_plan *p, struct ftp_node *node, const struct ftp_unit *u,
	int32_t i, const int *value_of)
{
	int32_t last;

	if (!p->program->onednn) {
		node->op = &ftp_op_reference;
		return i;
	}
	last = match_dwblock(node, u, i);
	if (last >= 0)
		return last;
	if (is_depthwise_3x3(node->layer))
		node->op = &ftp_op_depthwise;
	else if (node->layer->kind == FTP_LAYER_CONV && node->layer->groups == 1 &&
		 ftp_isa_current() < FTP_ISA_AVX512)
		node->op = &ftp_op_blockconv;
	else
		node->op = &ftp_op_table[node->layer->kind];
	return absorb(node, u, i, value_of);
}

static void name_node(struct ftp_node *node, const struct ftp_unit *u)
{
	const struct ftp_layer *l = node->layer;
	char *dot;

	snprintf(node->name, sizeof(node->name), "%s.%s", u->name, ftp_op_table[l->kind].name);
	if (!l->n_tensors)
		return;
	snprintf(node->name, sizeof(node->name), "%s", u->tensors[l->first_tensor].name);
	dot = strrchr(node->name, '.');
	if (dot)
		*dot = 0;
}

static double flops_of(const struct ftp_layer *l, const struct ftp_unit *u)
{
	if (l->kind != FTP_LAYER_CONV && l->kind != FTP_LAYER_FC)
		return 0;
	return 2.0 * (double)u->tensors[l->first_tensor].n_elements * l->dst.h * l->dst.w;
}

/* Lowers a unit to nodes; input and the result are values. */
static int lower_unit(struct ftp_plan *p, int unit, int input)
{
	const struct ftp_unit *u = unit_of(p, unit);
	int *values = calloc((size_t)u->n_layers + 1, sizeof(*values));
	int *value_of = values + 1, output; /* so that value_of[FTP_UNIT_INPUT] works */

	ftp_assert(values);
	for (int32_t i = 0; i < u->n_layers; i++)
		value_of[i] = -1;
	value_of[FTP_UNIT_INPUT] = input;
	for (int32_t i = 0; i < u->n_layers; i++) {
		const struct ftp_layer *l = &u->layers[i];
		struct ftp_node *node = &p->nodes[p->n_nodes];
		int32_t last;

		if (value_of[i] >= 0)
			continue;
		*node = (struct ftp_node){.layer = l,
			.unit = unit,
			.in = {value_of[l->in[0]],
				l->in[1] == FTP_NO_INPUT ? -1 : value_of[l->in[1]]},
			.out = -1,
			.first_tensor = l->first_tensor,
			.n_tensors = l->n_tensors,
			.first_param = p->program->n_params};
		p->n_nodes++;
		last = choose_op(p, node, u, i, value_of);
		p->program->n_params += node->n_tensors;
		node->flops = flops_of(node->layer, u);
		name_node(node, u);
		if (l->kind == FTP_LAYER_LOSS) {
			p->values[node->in[0]].dense = true;
			continue;
		}
		node->out = add_value(p, u->layers[last].dst, false, true);
		for (int32_t j = i; j != last; j = sole_reader(u, j))
			value_of[j] = node->out;
		value_of[last] = node->out;
	}
	output = value_of[u->n_layers - 1];
	free(values);
	return output;
}

static void lower(struct ftp_plan *p)
{
	const struct ftp_stage_spec *s = p->spec;
	struct ftp_program *g = p->program;
	bool first = s->first_unit == 0, last = s->end_unit == s->model->n_units;
	int input = add_value(p, unit_of(p, s->first_unit)->src, first, !first), output = input;

	for (int unit = s->first_unit; unit < s->end_unit; unit++)
		output = lower_unit(p, unit, output);
	for (int i = 0; i < p->n_nodes; i++)
		for (int k = 0; k < 2; k++)
			if (p->nodes[i].in[k] >= 0)
				p->values[p->nodes[i].in[k]].n_uses++;
	for (int i = 0; i < p->n_values; i++)
		p->values[i].data = ftp_plan_slot(p, ftp_plan_value_floats(p, i));
	g->input = p->values[input].data;
	g->input_floats = ftp_plan_value_floats(p, input);
	if (!first) {
		g->input_grad = ftp_plan_slot(p, g->input_floats);
		p->values[input].boundary = g->input_grad;
	}
	if (last) {
		g->labels = ftp_plan_slot(p, (size_t)s->micro_batch);
	} else {
		g->output = p->values[output].data;
		g->output_floats = ftp_plan_value_floats(p, output);
		g->output_grad = ftp_plan_slot(p, g->output_floats);
		p->values[output].grad = g->output_grad;
	}
}

static void run_update(struct ftp_run *r, const struct ftp_step *t, float *const *p)
{
	ftp_optimizer_update(r->optimizer, r->lr, p[0], p[1], p[2], p[3], t->elementwise.n);
}

static void run_aggregate(struct ftp_run *r, const struct ftp_step *t, float *const *p)
{
	ftp_elementwise_mean(p[0], r->versions, r->n_versions, t->aggregate.begin, t->aggregate.n);
}

static void run_reorder(struct ftp_run *r, const struct ftp_step *t, float *const *p)
{
	t->param->make_copy(t->param, p[0], p[1], r->scratchpad);
	r->n_reorders++;
}

/* One pass over the unit's parameters, which lie together, then the copies in other layouts. */
static void plan_update(struct ftp_plan *p, int unit)
{
	const struct ftp_program *g = p->program;
	struct ftp_step update = {.run = run_update}, aggregate = {.run = run_aggregate};
	size_t begin = SIZE_MAX, end = 0;

	p->unit = unit;
	for (int i = 0; i < g->n_params; i++) {
		const struct ftp_param *param = &g->params[i];

		if (param->unit != unit || param->at.space != FTP_SPACE_PARAM)
			continue;
		begin = param->at.at < begin ? param->at.at : begin;
		end = param->at.at + param->floats > end ? param->at.at + param->floats : end;
	}
	if (begin >= end)
		return;
	update.refs[0] = (struct ftp_ref){FTP_SPACE_PARAM, begin};
	update.refs[1] = (struct ftp_ref){FTP_SPACE_NEXT, begin};
	update.refs[2] = (struct ftp_ref){FTP_SPACE_MOMENT, begin};
	update.refs[3] = (struct ftp_ref){FTP_SPACE_GRADIENT, begin};
	update.elementwise.n = end - begin;
	ftp_plan_emit(p, FTP_PASSES(FTP_PASS_UPDATE), &update);
	aggregate.refs[0] = (struct ftp_ref){FTP_SPACE_NEXT, 0};
	aggregate.aggregate.begin = begin;
	aggregate.aggregate.n = end - begin;
	ftp_plan_emit(p, FTP_PASSES(FTP_PASS_AGGREGATE), &aggregate);
	for (int i = 0; i < g->n_params; i++) {
		const struct ftp_param *param = &g->params[i];
		struct ftp_step copy = {.run = run_reorder,
			.param = param,
			.refs = {{FTP_SPACE_NEXT, param->at.at}, param->copy}};

		if (param->unit != unit || !param->make_copy)
			continue;
		ftp_plan_emit(
			p, FTP_PASSES(FTP_PASS_UPDATE) | FTP_PASSES(FTP_PASS_AGGREGATE), &copy);
	}
}

static int plan_nodes(struct ftp_plan *p, struct ftp_error *err)
{
	int code = 0;

	for (int i = 0; i < p->n_nodes && !code; i++) {
		p->unit = p->nodes[i].unit;
		code = p->nodes[i].op->forward(p, &p->nodes[i], err);
	}
	for (int i = p->n_nodes - 1; i >= 0 && !code; i--) {
		p->unit = p->nodes[i].unit;
		code = p->nodes[i].op->backward(p, &p->nodes[i], err);
		if (!code && p->nodes[i].out >= 0)
			ftp_plan_release(p, p->values[p->nodes[i].out].grad);
	}
	for (int unit = p->spec->first_unit; unit < p->spec->end_unit && !code; unit++)
		plan_update(p, unit);
	p->program->floats[FTP_SPACE_GRADIENT] = p->program->floats[FTP_SPACE_PARAM];
	p->program->floats[FTP_SPACE_MOMENT] = p->program->floats[FTP_SPACE_PARAM];
	return code;
}

int ftp_program_plan(struct ftp_program *out, const struct ftp_stage_spec *spec, bool to_run,
	struct ftp_error *err)
{
	struct ftp_plan p = {.spec = spec, .program = out};
	size_t n_layers = 0, n_tensors = 0;
	int code = 0;

	*out = (struct ftp_program){0};
	for (int i = 0; i < spec->model->n_units; i++)
		p.flops += spec->model->units[i].flops;
	for (int i = spec->first_unit; i < spec->end_unit; i++) {
		n_layers += (size_t)spec->model->units[i].n_layers;
		n_tensors += (size_t)spec->model->units[i].n_tensors;
	}
	p.values = calloc(n_layers + 1, sizeof(*p.values));
	p.nodes = calloc(n_layers, sizeof(*p.nodes));
	out->params = calloc(n_tensors + 1, sizeof(*out->params));
	ftp_assert(p.values && p.nodes && out->params);
	if (spec->impl == FTP_IMPL_REFERENCE) {
		out->references = calloc(n_layers, sizeof(*out->references));
		ftp_assert(out->references);
	} else {
		code = ftp_onednn_new(&out->onednn, to_run, err);
	}
	if (!code) {
		lower(&p);
		code = plan_nodes(&p, err);
	}
	free(p.values);
	free(p.nodes);
	free(p.blocks);
	if (code)
		ftp_program_deinit(out);
	return code;
}

void ftp_program_deinit(struct ftp_program *p)
{
	for (int i = 0; i < FTP_N_PASSES; i++)
		free(p->passes[i].list);
	free(p->params);
	free(p->references);
	free(p->implementations);
	ftp_onednn_free(p->onednn);
	*p = (struct ftp_program){0};
}
