#include "kernels/stage.h"

#include <errno.h>
#include <stdlib.h>

#include "kernels/layout.h"
#include "kernels/program.h"
#include "kernels/team.h"

struct ftp_slot {
	float *data;
	struct ftp_stage_loss loss;
};

struct ftp_stage {
	struct ftp_stage_spec spec;
	struct ftp_program program;
	float *spaces[FTP_N_SPACES]; /* SLOT: that of the current task */
	struct ftp_slot *slots;
	struct ftp_run run;
	const struct ftp_steps *task;
	int next; /* step of task */
};

static int check(const struct ftp_stage_spec *s, struct ftp_error *err)
{
	if (s->first_unit < 0 || s->first_unit >= s->end_unit || s->end_unit > s->model->n_units)
		return ftp_error_set(err, EINVAL, "stage: units [%d, %d) of a model with %d",
			s->first_unit, s->end_unit, s->model->n_units);
	if (s->micro_batch < 1 || s->batch < s->micro_batch || s->n_slots < 1)
		return ftp_error_set(err, EINVAL,
			"stage: micro-batch %d, batch %d, slots %d: expected 1 <= micro-batch <= "
			"batch, and a slot",
			s->micro_batch, s->batch, s->n_slots);
	if (s->threads != ftp_team_size())
		return ftp_error_set(err, EINVAL,
			"stage: %d threads are configured, the calling thread's OpenMP team has %d",
			s->threads, ftp_team_size());
	return 0;
}

static int allocate(struct ftp_stage *s, struct ftp_error *err)
{
	const size_t *floats = s->program.floats;
	struct ftp_region *region = s->spec.region;
	size_t need = floats[FTP_SPACE_SLOT] * (size_t)s->spec.n_slots;
	bool ok = true;

	for (int i = FTP_SPACE_SLOT + 1; i < FTP_N_SPACES; i++) {
		need += floats[i];
		if (floats[i])
			s->spaces[i] = ftp_region_alloc(region, floats[i] * sizeof(float));
		ok = ok && (!floats[i] || s->spaces[i]);
	}
	for (int i = 0; i < s->spec.n_slots; i++) {
		s->slots[i].data = ftp_region_alloc(region, floats[FTP_SPACE_SLOT] * sizeof(float));
		ok = ok && s->slots[i].data;
	}
	if (ok)
		return 0;
	return ftp_error_set(err, ENOMEM,
		"units [%d, %d) with %d micro-batches of %d in flight need %zu MiB, the memory "
		"budget is %zu MiB: raise nodes[].memory, or lower training.batch or the number of "
		"units",
		s->spec.first_unit, s->spec.end_unit, s->spec.n_slots, s->spec.micro_batch,
		(need * sizeof(float) >> 20) + 1, ftp_region_budget_bytes(region) >> 20);
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
	ftp_assert(s->slots);
	code = ftp_program_plan(&s->program, &s->spec, err);
	if (!code)
		code = allocate(s, err);
	if (code) {
		ftp_stage_free(s);
		return code;
	}
	s->run.scratchpad = s->spaces[FTP_SPACE_SCRATCHPAD];
	s->run.optimizer = &s->spec.optimizer;
	*out = s;
	return 0;
}

void ftp_stage_free(struct ftp_stage *s)
{
	const size_t *floats;

	if (!s)
		return;
	floats = s->program.floats;
	for (int i = FTP_SPACE_SLOT + 1; i < FTP_N_SPACES; i++)
		if (s->spaces[i])
			ftp_region_release(s->spec.region, s->spaces[i], floats[i] * sizeof(float));
	for (int i = 0; i < s->spec.n_slots; i++)
		if (s->slots[i].data)
			ftp_region_release(s->spec.region, s->slots[i].data,
				floats[FTP_SPACE_SLOT] * sizeof(float));
	ftp_program_deinit(&s->program);
	free(s->slots);
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

void ftp_stage_begin(struct ftp_stage *s, enum ftp_pass pass, int slot, float lr)
{
	ftp_assert(!s->task);
	ftp_assert(pass == FTP_PASS_UPDATE || (slot >= 0 && slot < s->spec.n_slots));
	if (pass == FTP_PASS_UPDATE)
		slot = 0;
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
	for_each_tensor(s, unit, state, export_tensor);
}

void ftp_stage_import(struct ftp_stage *s, int unit, const void *state)
{
	for_each_tensor(s, unit, (char *)state, import_tensor);
	for (int i = 0; i < s->program.n_params; i++) {
		const struct ftp_param *p = &s->program.params[i];

		if (p->unit == unit && p->make_copy)
			p->make_copy(p, at(s, p->at), at(s, p->copy), s->run.scratchpad);
	}
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
	const size_t *floats = s->program.floats;

	return (struct ftp_stage_memory){
		.params = (floats[FTP_SPACE_PARAM] + floats[FTP_SPACE_STATISTIC] +
				  floats[FTP_SPACE_COPY]) *
			  sizeof(float),
		.gradients = floats[FTP_SPACE_GRADIENT] * sizeof(float),
		.moments = floats[FTP_SPACE_MOMENT] * sizeof(float),
		.activations = floats[FTP_SPACE_SLOT] * (size_t)s->spec.n_slots * sizeof(float),
		.scratch =
			(floats[FTP_SPACE_SCRATCH] + floats[FTP_SPACE_SCRATCHPAD]) * sizeof(float),
	};
}

const char *ftp_stage_implementations(const struct ftp_stage *s)
{
	return s->program.implementations ? s->program.implementations : "";
}
