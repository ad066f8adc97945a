/* Stage executor: a run of consecutive units, compiled once, then run without allocation or locks
 * by our code. Everything a layer computes is chosen from the whole model, never from where the
 * cuts are: implementation, layouts, fusion (only within a unit).
 *
 * One thread, the stage's worker, makes every call; its OpenMP team size must be spec.threads
 * before ftp_stage_new() and stay so (oneDNN bakes it in when a primitive is created).
 *
 * Tensors. A slot holds one micro-batch in flight: its input, everything saved for backward, its
 * output and both boundary gradients. The caller reads and writes boundary tensors in place, in the
 * cut's canonical layout (ftp_model_cut_floats()): a receiver puts bytes straight into them and a
 * sender takes them straight from there. A stage with the last unit has no output; it has labels.
 *
 * Tasks. ftp_stage_begin() names a pass, ftp_stage_run() then runs it one primitive at a time, so
 * that the caller can serve the network between primitives.
 *   FORWARD   input (and labels) -> output, or loss; batch statistics; running statistics updated
 *   BACKWARD  output_grad -> input_grad (absent for unit 0); parameter gradients are added to the
 *             step's, so call it in micro-batch order
 *   EVAL      as FORWARD with running statistics, nothing saved; labels < 0 are masked
 *   UPDATE    optimizer step with the learning rate given, gradients back to zero; slot ignored
 *   AGGREGATE the newest version of the weights becomes the mean of all valid ones, added up from
 *             the oldest to the newest; no slot may hold the newest; slot ignored
 *
 * Versions of the weights (PipeDream, arXiv 1806.03377, section 3.3). FORWARD reads the newest, and
 * its slot holds it until its BACKWARD, which reads the same, has ended. UPDATE reads the newest
 * and makes the next one in a buffer that no slot holds: it aborts when there is none. With one
 * version that is in place. With at most n_versions slots between FORWARD and BACKWARD, and an
 * UPDATE right after each BACKWARD, there always is one, and the valid versions are the newest
 * n_versions (fewer after an import). EVAL reads the newest. Moments, gradients and running
 * statistics have no versions.
 */
#ifndef FTP_KERNELS_STAGE_H
#define FTP_KERNELS_STAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/model.h"
#include "kernels/optimizer.h"
#include "runtime/base/error.h"
#include "runtime/base/region.h"

enum ftp_stage_impl { FTP_IMPL_ONEDNN, FTP_IMPL_REFERENCE };

enum ftp_pass {
	FTP_PASS_FORWARD,
	FTP_PASS_BACKWARD,
	FTP_PASS_EVAL,
	FTP_PASS_UPDATE,
	FTP_PASS_AGGREGATE,
	FTP_N_PASSES,
};

struct ftp_stage_spec {
	const struct ftp_model *model; /* lent until ftp_stage_free() */
	int first_unit, end_unit;      /* [first_unit, end_unit) */
	int micro_batch;	       /* samples */
	int batch;	/* samples of a step: the loss gradient is scaled by 1/batch */
	int n_slots;	/* micro-batches in flight */
	int n_versions; /* of the weights, held at once; 1: updated in place */
	int threads;
	enum ftp_stage_impl impl;
	struct ftp_optimizer_spec optimizer;
	struct ftp_region *region; /* lent; every tensor comes from it */
};

struct ftp_stage; /* opaque */

struct ftp_stage_loss {
	double sum;    /* of the samples' losses, in sample order */
	int n_correct; /* arg max equals the label */
	int n_samples; /* labels >= 0 */
};

/* -ENOMEM when the region's budget does not hold it (need and have in err); -ENOTSUP when oneDNN
 * offers only a reference kernel where that would take a noticeable share of the step. */
int ftp_stage_new(struct ftp_stage **out, const struct ftp_stage_spec *spec, struct ftp_error *err);
void ftp_stage_free(struct ftp_stage *s);

/* Boundary tensors of a slot. input_grad is NULL for a stage with unit 0, output and output_grad
 * are NULL for a stage with the last unit. labels: micro_batch int32, on a stage with the last
 * unit. */
float *ftp_stage_input(struct ftp_stage *s, int slot);
float *ftp_stage_output(struct ftp_stage *s, int slot);
float *ftp_stage_input_grad(struct ftp_stage *s, int slot);
float *ftp_stage_output_grad(struct ftp_stage *s, int slot);
int32_t *ftp_stage_labels(struct ftp_stage *s, int slot);
size_t ftp_stage_input_bytes(const struct ftp_stage *s);  /* also of input_grad */
size_t ftp_stage_output_bytes(const struct ftp_stage *s); /* also of output_grad */

/* lr is used by UPDATE only. No task may be under way. */
void ftp_stage_begin(struct ftp_stage *s, enum ftp_pass pass, int slot, float lr);

/* Runs the task's next primitive; true while the task has more. */
bool ftp_stage_run(struct ftp_stage *s);

/* The unit (index in the model) whose primitive ftp_stage_run() would run next. */
int ftp_stage_next_unit(const struct ftp_stage *s);

/* Of the last FORWARD or EVAL that ended in this slot; stages with the last unit only. */
struct ftp_stage_loss ftp_stage_loss(const struct ftp_stage *s, int slot);

/* Canonical unit state (kernels/model.h), state_bytes of that unit; between tasks only. Export
 * reads the newest version; import writes it and makes it the only one: what slots held is void. */
void ftp_stage_export(struct ftp_stage *s, int unit, void *state);
void ftp_stage_import(struct ftp_stage *s, int unit, const void *state);

/* As an export and an import, between two stages of a model that both have the unit: faster, since
 * the layouts are the model's. */
void ftp_stage_copy(struct ftp_stage *to, struct ftp_stage *from, int unit);

/* Writes to every page of a new stage, nothing imported yet: its first use then meets no page
 * faults, which take longer than the computing. */
void ftp_stage_touch(struct ftp_stage *s);

/* The step's gradient of one tensor so far, dense and in natural order, for tests. */
void ftp_stage_gradient(struct ftp_stage *s, int unit, int tensor, float *grad);

/* Layout reorders run so far (weights and activations), a measure of wasted traffic. */
uint64_t ftp_stage_n_reorders(const struct ftp_stage *s);

/* Bytes this stage holds in the region, by purpose: the first five add up to all of it. */
struct ftp_stage_memory {
	size_t params;	    /* n_versions * version + statistics */
	size_t activations; /* n_slots * slot */
	size_t gradients, moments, scratch;
	size_t version; /* one: parameters, and copies of weights in other layouts */
	size_t slot;	/* one */
	size_t statistics;
	size_t scratchpad; /* of scratch: oneDNN's, the largest of any layer's */
};
struct ftp_stage_memory ftp_stage_memory(const struct ftp_stage *s);
/* What ftp_stage_new() would take, planned only: no tensors, no code made. spec->region is not
 * used. Errors as ftp_stage_new()'s, but -ENOMEM for memory of the plan itself only. */
int ftp_stage_memory_of(
	const struct ftp_stage_spec *spec, struct ftp_stage_memory *out, struct ftp_error *err);
size_t ftp_stage_memory_bytes(const struct ftp_stage_memory *m); /* all of it */

/* One line per layer and direction: "blocks.3.expand fwd jit:avx512_core". Lent until free. */
const char *ftp_stage_implementations(const struct ftp_stage *s);

#endif
