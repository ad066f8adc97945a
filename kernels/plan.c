#include "kernels/plan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/elementwise.h"

#define REFUSED_SHARE 0.01 /* of the model's work that oneDNN's reference code may do */

void ftp_plan_emit(struct ftp_plan *p, unsigned passes, const struct ftp_step *step)
{
	for (int pass = 0; pass < FTP_N_PASSES; pass++) {
		struct ftp_steps *s = &p->program->passes[pass];

		if (!(passes & FTP_PASSES(pass)))
			continue;
		if (s->n == s->capacity) {
			s->capacity = s->capacity ? 2 * s->capacity : 64;
			s->list = realloc(s->list, (size_t)s->capacity * sizeof(*s->list));
			ftp_assert(s->list);
		}
		s->list[s->n] = *step;
		s->list[s->n++].unit = p->unit;
	}
}

static void run_add(struct ftp_run *r, const struct ftp_step *t, float *const *p)
{
	(void)r;
	ftp_elementwise_add(p[0], p[1], p[2], t->elementwise.n);
}

void ftp_plan_emit_add(struct ftp_plan *p, unsigned passes, struct ftp_ref dst, struct ftp_ref a,
	struct ftp_ref b, size_t n)
{
	const struct ftp_step t = {.run = run_add, .refs = {dst, a, b}, .elementwise = {.n = n}};

	ftp_plan_emit(p, passes, &t);
}

static void run_op(struct ftp_run *r, const struct ftp_step *t, float *const *args)
{
	ftp_onednn_run(t->op, args, r->scratchpad);
}

void ftp_plan_emit_op(struct ftp_plan *p, unsigned passes, struct ftp_onednn_op *op,
	const struct ftp_ref *refs, int n_refs)
{
	struct ftp_step t = {.run = run_op, .op = op};
	size_t *scratchpad = &p->program->floats[FTP_SPACE_SCRATCHPAD];
	size_t need = ftp_layout_align((ftp_onednn_scratchpad_bytes(op) + 3) / sizeof(float));

	if (need > *scratchpad)
		*scratchpad = need;
	if (!passes)
		return;
	memcpy(t.refs, refs, (size_t)n_refs * sizeof(*refs));
	ftp_plan_emit(p, passes, &t);
}

int ftp_plan_note(struct ftp_plan *p, const struct ftp_node *node, const char *direction,
	const char *implementation, struct ftp_error *err)
{
	struct ftp_program *g = p->program;
	size_t used = g->implementations ? strlen(g->implementations) : 0;
	size_t need = used + sizeof(node->name) + strlen(direction) + strlen(implementation) + 4;

	if (need > p->text_bytes) {
		p->text_bytes = 2 * need;
		g->implementations = realloc(g->implementations, p->text_bytes);
		ftp_assert(g->implementations);
	}
	snprintf(g->implementations + used, p->text_bytes - used, "%s %s %s\n", node->name,
		direction, implementation);
	if (p->program->onednn &&
		(strstr(implementation, "ref:") || strstr(implementation, "simple:")) &&
		node->flops > REFUSED_SHARE * p->flops)
		return ftp_error_set(err, ENOTSUP,
			"%s %s: oneDNN has only its slow code (%s) for this layer under "
			"instruction "
			"set %s; use a CPU or a training.isa with AVX512",
			node->name, direction, implementation, ftp_isa_name(ftp_isa_current()));
	return 0;
}

static void pack_vector(
	const struct ftp_param *p, const float *dense, float *kept, float *temp, void *scratchpad)
{
	(void)temp;
	(void)scratchpad;
	memset(kept, 0, p->floats * sizeof(*kept));
	memcpy(kept, dense, p->tensor->n_elements * sizeof(*kept));
}

static void unpack_vector(
	const struct ftp_param *p, const float *kept, float *dense, float *temp, void *scratchpad)
{
	(void)temp;
	(void)scratchpad;
	memcpy(dense, kept, p->tensor->n_elements * sizeof(*kept));
}

struct ftp_param *ftp_plan_param(struct ftp_plan *p, const struct ftp_node *node, int index)
{
	struct ftp_param *param = &p->program->params[node->first_param + index];
	int tensor = node->first_tensor + index;

	ftp_assert(index < node->n_tensors);
	param->unit = node->unit;
	param->index = tensor;
	param->tensor = &p->spec->model->units[node->unit].tensors[tensor];
	param->pack = pack_vector;
	param->unpack = unpack_vector;
	return param;
}

void ftp_plan_place(struct ftp_plan *p, struct ftp_param *param, size_t floats)
{
	bool trained = ftp_tensor_is_trained(param->tensor);
	size_t *used = p->program->floats;
	size_t *scratch = &used[FTP_SPACE_SCRATCH];

	param->floats = ftp_layout_align(floats);
	param->at.space = trained ? FTP_SPACE_PARAM : FTP_SPACE_STATISTIC;
	param->at.at = used[param->at.space];
	used[param->at.space] += param->floats;
	if (param->temp_floats > *scratch)
		*scratch = param->temp_floats;
}

void ftp_plan_copy(struct ftp_plan *p, struct ftp_param *param,
	void (*make_copy)(const struct ftp_param *p, float *kept, float *copy, void *scratchpad),
	size_t floats)
{
	size_t *used = &p->program->floats[FTP_SPACE_COPY];

	param->make_copy = make_copy;
	param->copy = (struct ftp_ref){FTP_SPACE_COPY, *used};
	*used += ftp_layout_align(floats);
}

size_t ftp_plan_value_floats(const struct ftp_plan *p, int value)
{
	const struct ftp_value *v = &p->values[value];

	return ftp_layout_floats(v->shape, p->spec->micro_batch, v->dense);
}

struct ftp_ref ftp_plan_slot(struct ftp_plan *p, size_t floats)
{
	struct ftp_ref ref = {FTP_SPACE_SLOT, p->program->floats[FTP_SPACE_SLOT]};

	p->program->floats[FTP_SPACE_SLOT] += ftp_layout_align(floats);
	return ref;
}

/* First fit between the blocks in use. */
struct ftp_ref ftp_plan_acquire(struct ftp_plan *p, size_t floats)
{
	size_t *scratch = &p->program->floats[FTP_SPACE_SCRATCH];
	size_t at = 0;
	int i;

	floats = ftp_layout_align(floats);
	for (i = 0; i < p->n_blocks && p->blocks[i].at - at < floats; i++)
		at = p->blocks[i].at + p->blocks[i].floats;
	p->blocks = realloc(p->blocks, ((size_t)p->n_blocks + 1) * sizeof(*p->blocks));
	ftp_assert(p->blocks);
	memmove(&p->blocks[i + 1], &p->blocks[i], (size_t)(p->n_blocks - i) * sizeof(*p->blocks));
	p->blocks[i] = (struct ftp_block){at, floats, 1};
	p->n_blocks++;
	if (at + floats > *scratch)
		*scratch = at + floats;
	return (struct ftp_ref){FTP_SPACE_SCRATCH, at};
}

static struct ftp_block *find_block(const struct ftp_plan *p, struct ftp_ref ref)
{
	if (ref.space != FTP_SPACE_SCRATCH)
		return NULL;
	for (int i = 0; i < p->n_blocks; i++)
		if (p->blocks[i].at == ref.at)
			return &p->blocks[i];
	ftp_assert(!"a scratch block that nobody holds");
	return NULL;
}

void ftp_plan_retain(struct ftp_plan *p, struct ftp_ref ref)
{
	struct ftp_block *b = find_block(p, ref);

	if (b)
		b->n_holders++;
}

void ftp_plan_release(struct ftp_plan *p, struct ftp_ref ref)
{
	struct ftp_block *b = find_block(p, ref);

	if (!b || --b->n_holders)
		return;
	p->n_blocks--;
	memmove(b, b + 1, (size_t)(&p->blocks[p->n_blocks] - b) * sizeof(*b));
}

bool ftp_plan_is_sole(const struct ftp_plan *p, struct ftp_ref ref)
{
	const struct ftp_block *b = find_block(p, ref);

	return b && b->n_holders == 1;
}

struct ftp_ref ftp_plan_grad(const struct ftp_plan *p, int value)
{
	ftp_assert(p->values[value].grad.space != FTP_SPACE_NONE && !p->values[value].n_uses);
	return p->values[value].grad;
}

struct ftp_ref ftp_plan_target(struct ftp_plan *p, int value)
{
	const struct ftp_value *v = &p->values[value];

	if (v->n_uses == 1 && v->grad.space == FTP_SPACE_NONE &&
		v->boundary.space != FTP_SPACE_NONE)
		return v->boundary;
	return ftp_plan_acquire(p, ftp_plan_value_floats(p, value));
}

static void run_copy(struct ftp_run *r, const struct ftp_step *t, float *const *p)
{
	(void)r;
	memcpy(p[0], p[1], t->elementwise.n * sizeof(float));
}

static bool same_ref(struct ftp_ref a, struct ftp_ref b)
{
	return a.space == b.space && a.at == b.at;
}

void ftp_plan_contribute(struct ftp_plan *p, int value, struct ftp_ref ref)
{
	struct ftp_value *v = &p->values[value];
	size_t floats = ftp_plan_value_floats(p, value);
	bool last = --v->n_uses == 0 && v->boundary.space != FTP_SPACE_NONE;
	struct ftp_ref dst = ref;

	ftp_assert(v->n_uses >= 0);
	if (v->grad.space != FTP_SPACE_NONE) {
		if (last)
			dst = v->boundary;
		else if (!ftp_plan_is_sole(p, ref))
			dst = ftp_plan_acquire(p, floats);
		ftp_plan_emit_add(p, FTP_PASSES(FTP_PASS_BACKWARD), dst, v->grad, ref, floats);
		ftp_plan_release(p, v->grad);
		if (!same_ref(dst, ref))
			ftp_plan_release(p, ref);
	} else if (last && !same_ref(ref, v->boundary)) {
		struct ftp_step copy = {
			.run = run_copy, .refs = {v->boundary, ref}, .elementwise = {.n = floats}};

		dst = v->boundary;
		ftp_plan_emit(p, FTP_PASSES(FTP_PASS_BACKWARD), &copy);
		ftp_plan_release(p, ref);
	}
	v->grad = dst;
}
