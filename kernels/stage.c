#include "kernels/stage.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/layout.h"
#include "kernels/program.h"
#include "kernels/team.h"
#include "kernels/versions.h"

#define PAGE_BYTES 4096

struct ftp_slot {
	float *data;
	struct ftp_stage_loss loss;
};

struct ftp_stage {
	struct ftp_stage_spec spec;
	struct ftp_program program;
	float *spaces[FTP_N_SPACES]; /* SLOT, PARAM, NEXT, COPY: those of the current task */
	struct ftp_slot *slots;
	struct ftp_versions versions;
	float **version_data; /* [n_versions]: PARAM, then COPY */
	const float **valid;  /* [n_versions]: AGGREGATE's operands */
	struct ftp_run run;
	const struct ftp_steps *task;
	int next; /* step of task */
	enum ftp_pass pass;
	int slot, written; /* of the task: slot, and the version that it writes or only reads */
};

static int check(const struct ftp_stage_spec *s, struct ftp_error *err)
{
	if (s->first_unit < 0 || s->first_unit >= s->end_unit || s->end_unit > s->model->n_units)
		return ftp_error_set(err, EINVAL, "stage: units [%d, %d) of a model with %d",
			s->first_unit, s->end_unit, s->model->n_units);
	if (s->micro_batch < 1 || s->batch < s->micro_batch || s->n_slots < 1 || s->n_versions < 1)
		return ftp_error_set(err, EINVAL,
			"stage: micro-batch %d, batch %d, slots %d, weight versions %d: expected "
			"1 <= micro-batch <= batch, a slot, and a version",
			s->micro_batch, s->batch, s->n_slots, s->n_versions);
	if (s->threads != ftp_team_size())
		return ftp_error_set(err, EINVAL,
			"stage: %d threads are configured, the calling thread's OpenMP team has %d",
			s->threads, ftp_team_size());
	return 0;
}

/* Which version a task's reads go to, and where it writes. */
static void point_at(struct ftp_stage *s, int read, int written)
{
	s->written = written;
	s->spaces[FTP_SPACE_PARAM] = s->version_data[read];
	s->spaces[FTP_SPACE_NEXT] = s->version_data[written];
	s->spaces[FTP_SPACE_COPY] = s->version_data[written] + s->program.floats[FTP_SPACE_PARAM];
}

static size_t version_floats(const struct ftp_program *p)
{
	return p->floats[FTP_SPACE_PARAM] + p->floats[FTP_SPACE_COPY];
}

static struct ftp_stage_memory memory_of(
	const struct ftp_program *p, const struct ftp_stage_spec *spec)
{
	const size_t *floats = p->floats;
	struct ftp_stage_memory m = {
		.gradients = floats[FTP_SPACE_GRADIENT] * sizeof(float),
		.moments = floats[FTP_SPACE_MOMENT] * sizeof(float),
		.statistics = floats[FTP_SPACE_STATISTIC] * sizeof(float),
		.scratch =
			(floats[FTP_SPACE_SCRATCH] + floats[FTP_SPACE_SCRATCHPAD]) * sizeof(float),
		.scratchpad = floats[FTP_SPACE_SCRATCHPAD] * sizeof(float),
		.version = version_floats(p) * sizeof(float),
		.slot = floats[FTP_SPACE_SLOT] * sizeof(float),
	};

	m.params = m.version * (size_t)spec->n_versions + m.statistics;
	m.activations = m.slot * (size_t)spec->n_slots;
	return m;
}

size_t ftp_stage_memory_bytes(const struct ftp_stage_memory *m)
{
	return m->params + m->activations + m->gradients + m->moments + m->scratch;
}

/* 0 floats: NULL, and well. */
static bool take(struct ftp_stage *s, float **out, size_t floats)
{
	if (floats)
		*out = ftp_region_alloc(s->spec.region, floats * sizeof(float));
	return !floats || *out;
}

static void give(struct ftp_stage *s, float *data, size_t floats)
{
	if (data)
		ftp_region_release(s->spec.region, data, floats * sizeof(float));
}

static int allocate(struct ftp_stage *s, struct ftp_error *err)
{
	const size_t *floats = s->program.floats;
	const struct ftp_stage_memory need = memory_of(&s->program, &s->spec);
	bool ok = true;

	for (int i = FTP_SPACE_GRADIENT; i < FTP_N_SPACES; i++)
		ok = take(s, &s->spaces[i], floats[i]) && ok;
	for (int i = 0; i < s->spec.n_versions; i++)
		ok = take(s, &s->version_data[i], version_floats(&s->program)) && ok;
	for (int i = 0; i < s->spec.n_slots; i++)
		ok = take(s, &s->slots[i].data, floats[FTP_SPACE_SLOT]) && ok;
	if (ok)
		return 0;
	return ftp_error_set(err, ENOMEM,
		"units [%d, %d) with %d micro-batches of %d in flight and %d versions of the "
		"weights need %zu MiB, the memory budget is %zu MiB: raise nodes[].memory, or "
		"lower "
		"training.batch or the number of units",
		s->spec.first_unit, s->spec.end_unit, s->spec.n_slots, s->spec.micro_batch,
		s->spec.n_versions, (ftp_stage_memory_bytes(&need) >> 20) + 1,
		ftp_region_budget_bytes(s->spec.region) >> 20);
}

int ftp_stage_new(struct ftp_stage **out, const struct ftp_stage_spec *spec, struct ftp_error *err)
{
	struct ftp_stage *s;
	int code = check(spec, err);

	*out = NULL;
	if (code)
		return code;
	s = calloc(1, sizeof(*s));
	ftp_assert(s);
	s->spec = *spec;
	s->slots = calloc((size_t)spec->n_slots, sizeof(*s->slots));
	s->version_data = calloc((size_t)spec->n_versions, sizeof(*s->version_data));
	s->valid = calloc((size_t)spec->n_versions, sizeof(*s->valid));
	ftp_assert(s->slots && s->version_data && s->valid);
	ftp_versions_init(&s->versions, spec->n_versions, spec->n_slots);
	code = ftp_program_plan(&s->program, &s->spec, true, err);
	if (!code)
		code = allocate(s, err);
	if (code) {
		ftp_stage_free(s);
		return code;
	}
	s->run.scratchpad = s->spaces[FTP_SPACE_SCRATCHPAD];
	s->run.optimizer = &s->spec.optimizer;
	s->run.versions = s->valid;
	point_at(s, s->versions.newest, s->versions.newest);
	*out = s;
	return 0;
}

void ftp_stage_free(struct ftp_stage *s)
{
	if (!s)
		return;
	for (int i = FTP_SPACE_GRADIENT; i < FTP_N_SPACES; i++)
		give(s, s->spaces[i], s->program.floats[i]);
	for (int i = 0; i < s->spec.n_versions; i++)
		give(s, s->version_data[i], version_floats(&s->program));
	for (int i = 0; i < s->spec.n_slots; i++)
		give(s, s->slots[i].data, s->program.floats[FTP_SPACE_SLOT]);
	ftp_program_deinit(&s->program);
	ftp_versions_deinit(&s->versions);
	free(s->slots);
	free(s->version_data);
	free(s->valid);
	free(s);
}

static float *at(const struct ftp_stage *s, struct ftp_ref ref)
{
	return ref.space == FTP_SPACE_NONE ? NULL : s->spaces[ref.space] + ref.at;
}

static float *in_slot(struct ftp_stage *s, int slot, struct ftp_ref ref)
{
	ftp_assert(slot >= 0 && slot < s->spec.n_slots);
	return ref.space == FTP_SPACE_NONE ? NULL : s->slots[slot].data + ref.at;
}

float *ftp_stage_input(struct ftp_stage *s, int slot)
{
	return in_slot(s, slot, s->program.input);
}

float *ftp_stage_output(struct ftp_stage *s, int slot)
{
	return in_slot(s, slot, s->program.output);
}

float *ftp_stage_input_grad(struct ftp_stage *s, int slot)
{
	return in_slot(s, slot, s->program.input_grad);
}

float *ftp_stage_output_grad(struct ftp_stage *s, int slot)
{
	return in_slot(s, slot, s->program.output_grad);
}

int32_t *ftp_stage_labels(struct ftp_stage *s, int slot)
{
	return (int32_t *)in_slot(s, slot, s->program.labels);
}

size_t ftp_stage_input_bytes(const struct ftp_stage *s)
{
	return s->program.input_floats * sizeof(float);
}

size_t ftp_stage_output_bytes(const struct ftp_stage *s)
{
	return s->program.output_floats * sizeof(float);
}

static void begin_forward(struct ftp_stage *s)
{
	int version = ftp_versions_hold(&s->versions, s->slot);

	point_at(s, version, version);
}

static void begin_backward(struct ftp_stage *s)
{
	int version = ftp_versions_held(&s->versions, s->slot);

	point_at(s, version, version);
}

static void end_backward(struct ftp_stage *s)
{
	ftp_versions_let_go(&s->versions, s->slot);
}

static void begin_eval(struct ftp_stage *s)
{
	ftp_versions_let_go(&s->versions, s->slot);
	point_at(s, s->versions.newest, s->versions.newest);
}

static void begin_update(struct ftp_stage *s)
{
	point_at(s, s->versions.newest, ftp_versions_spare(&s->versions));
}

static void end_update(struct ftp_stage *s)
{
	ftp_versions_publish(&s->versions, s->written);
}

static void begin_aggregate(struct ftp_stage *s)
{
	int version = ftp_versions_own(&s->versions);
	const int *order;

	s->run.n_versions = ftp_versions_list(&s->versions, &order);
	for (int i = 0; i < s->run.n_versions; i++)
		s->valid[i] = s->version_data[order[i]];
	point_at(s, version, version);
}

/* What a pass does with the versions. */
static const struct {
	void (*begin)(struct ftp_stage *s);
	void (*end)(struct ftp_stage *s);
	bool without_slot;
} rules[FTP_N_PASSES] = {
	[FTP_PASS_FORWARD] = {begin_forward, NULL, false},
	[FTP_PASS_BACKWARD] = {begin_backward, end_backward, false},
	[FTP_PASS_EVAL] = {begin_eval, NULL, false},
	[FTP_PASS_UPDATE] = {begin_update, end_update, true},
	[FTP_PASS_AGGREGATE] = {begin_aggregate, NULL, true},
};

void ftp_stage_begin(struct ftp_stage *s, enum ftp_pass pass, int slot, float lr)
{
	ftp_assert(!s->task);
	if (rules[pass].without_slot)
		slot = 0;
	ftp_assert(slot >= 0 && slot < s->spec.n_slots);
	s->pass = pass;
	s->slot = slot;
	rules[pass].begin(s);
	s->spaces[FTP_SPACE_SLOT] = s->slots[slot].data;
	s->run.loss = &s->slots[slot].loss;
	s->run.lr = lr;
	s->task = &s->program.passes[pass];
	s->next = 0;
}

bool ftp_stage_run(struct ftp_stage *s)
{
	ftp_assert(s->task);
	if (s->next < s->task->n) {
		const struct ftp_step *t = &s->task->list[s->next++];
		float *args[FTP_STEP_REFS];

		for (int i = 0; i < FTP_STEP_REFS; i++)
			args[i] = at(s, t->refs[i]);
		t->run(&s->run, t, args);
	}
	if (s->next < s->task->n)
		return true;
	if (rules[s->pass].end)
		rules[s->pass].end(s);
	s->task = NULL;
	return false;
}

int ftp_stage_next_unit(const struct ftp_stage *s)
{
	return s->task && s->next < s->task->n ? s->task->list[s->next].unit : s->spec.first_unit;
}

struct ftp_stage_loss ftp_stage_loss(const struct ftp_stage *s, int slot)
{
	ftp_assert(slot >= 0 && slot < s->spec.n_slots);
	return s->slots[slot].loss;
}

/* Calls visit for each tensor of a unit with its canonical place and its kept one; moments too. */
typedef void visit_tensor(
	struct ftp_stage *s, const struct ftp_param *p, float *canonical, float *kept);

static void for_each_tensor(struct ftp_stage *s, int unit, char *state, visit_tensor *visit)
{
	ftp_assert(!s->task);
	ftp_assert(unit >= s->spec.first_unit && unit < s->spec.end_unit);
	for (int i = 0; i < s->program.n_params; i++) {
		const struct ftp_param *p = &s->program.params[i];
		const struct ftp_tensor *t = p->tensor;
		struct ftp_ref moment = {FTP_SPACE_MOMENT, p->at.at};

		if (p->unit != unit)
			continue;
		visit(s, p, (float *)(state + t->offset_bytes), at(s, p->at));
		if (ftp_tensor_is_trained(t))
			visit(s, p, (float *)(state + t->moment_offset_bytes), at(s, moment));
	}
}

static void export_tensor(
	struct ftp_stage *s, const struct ftp_param *p, float *canonical, float *kept)
{
	size_t n = p->tensor->n_elements;

	p->unpack(p, kept, canonical, s->spaces[FTP_SPACE_SCRATCH], s->run.scratchpad);
	for (size_t i = n; i < ftp_layout_align(n); i++)
		canonical[i] = 0;
}

static void import_tensor(
	struct ftp_stage *s, const struct ftp_param *p, float *canonical, float *kept)
{
	p->pack(p, canonical, kept, s->spaces[FTP_SPACE_SCRATCH], s->run.scratchpad);
}

void ftp_stage_export(struct ftp_stage *s, int unit, void *state)
{
	point_at(s, s->versions.newest, s->versions.newest);
	for_each_tensor(s, unit, state, export_tensor);
}

/* The only version from now on is the one that is about to be written. */
static void begin_import(struct ftp_stage *s)
{
	ftp_assert(!s->task);
	ftp_versions_reset(&s->versions);
	point_at(s, s->versions.newest, s->versions.newest);
}

static void make_copies(struct ftp_stage *s, int unit)
{
	for (int i = 0; i < s->program.n_params; i++) {
		const struct ftp_param *p = &s->program.params[i];

		if (p->unit == unit && p->make_copy)
			p->make_copy(p, at(s, p->at), at(s, p->copy), s->run.scratchpad);
	}
}

void ftp_stage_import(struct ftp_stage *s, int unit, const void *state)
{
	begin_import(s);
	for_each_tensor(s, unit, (char *)state, import_tensor);
	make_copies(s, unit);
}

static const struct ftp_param *find_param(const struct ftp_program *p, int unit, int index)
{
	for (int i = 0; i < p->n_params; i++)
		if (p->params[i].unit == unit && p->params[i].index == index)
			return &p->params[i];
	return NULL;
}

static void copy_tensor(struct ftp_stage *to, const struct ftp_param *p, struct ftp_stage *from,
	const struct ftp_param *q)
{
	const struct ftp_ref moment[] = {
		{FTP_SPACE_MOMENT, p->at.at}, {FTP_SPACE_MOMENT, q->at.at}};

	ftp_assert(q && q->floats == p->floats && q->pack == p->pack);
	memcpy(at(to, p->at), at(from, q->at), p->floats * sizeof(float));
	if (ftp_tensor_is_trained(p->tensor))
		memcpy(at(to, moment[0]), at(from, moment[1]), p->floats * sizeof(float));
}

void ftp_stage_copy(struct ftp_stage *to, struct ftp_stage *from, int unit)
{
	ftp_assert(!from->task && from->spec.model == to->spec.model);
	begin_import(to);
	point_at(from, from->versions.newest, from->versions.newest);
	for (int i = 0; i < to->program.n_params; i++) {
		const struct ftp_param *p = &to->program.params[i];

		if (p->unit == unit)
			copy_tensor(to, p, from, find_param(&from->program, unit, p->index));
	}
	make_copies(to, unit);
}

static void touch(float *data, size_t floats)
{
	for (size_t i = 0; i < floats; i += PAGE_BYTES / sizeof(float))
		((volatile float *)data)[i] = 0;
}

void ftp_stage_touch(struct ftp_stage *s)
{
	for (int i = FTP_SPACE_GRADIENT; i < FTP_N_SPACES; i++)
		touch(s->spaces[i], s->program.floats[i]);
	for (int i = 0; i < s->spec.n_versions; i++)
		touch(s->version_data[i], version_floats(&s->program));
	for (int i = 0; i < s->spec.n_slots; i++)
		touch(s->slots[i].data, s->program.floats[FTP_SPACE_SLOT]);
}

void ftp_stage_gradient(struct ftp_stage *s, int unit, int tensor, float *grad)
{
	ftp_assert(!s->task);
	for (int i = 0; i < s->program.n_params; i++) {
		const struct ftp_param *p = &s->program.params[i];
		struct ftp_ref ref = {FTP_SPACE_GRADIENT, p->at.at};

		if (p->unit != unit || p->index != tensor)
			continue;
		ftp_assert(ftp_tensor_is_trained(p->tensor));
		p->unpack(p, at(s, ref), grad, s->spaces[FTP_SPACE_SCRATCH], s->run.scratchpad);
	}
}

uint64_t ftp_stage_n_reorders(const struct ftp_stage *s)
{
	return s->run.n_reorders;
}

struct ftp_stage_memory ftp_stage_memory(const struct ftp_stage *s)
{
	return memory_of(&s->program, &s->spec);
}

int ftp_stage_memory_of(
	const struct ftp_stage_spec *spec, struct ftp_stage_memory *out, struct ftp_error *err)
{
	struct ftp_program program;
	int code = check(spec, err);

	if (!code)
		code = ftp_program_plan(&program, spec, false, err);
	if (code)
		return code;
	*out = memory_of(&program, spec);
	ftp_program_deinit(&program);
	return 0;
}

const char *ftp_stage_implementations(const struct ftp_stage *s)
{
	return s->program.implementations ? s->program.implementations : "";
}
