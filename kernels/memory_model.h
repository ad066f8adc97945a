/* What the stages of a plan would hold, from a few numbers per unit: so that memory is a limit when
 * cuts are chosen, without planning every stage that might be cut.
 *
 * All but scratch adds up exactly. Slots overlap where two units meet: what lies in a slot at an
 * outer boundary (the output, the next unit's input, both gradients) is one tensor at an inner one.
 * Scratch is reused from layer to layer, so a stage needs the largest of its parts, of oneDNN's and
 * of ours; a part of ours is a run of three units, as the gradients at the inner boundaries of a
 * unit lie in scratch too. Up to three units the formula is exact; for longer stages of the models
 * we have it says between 0.2% too little and 1% too much.
 */
#ifndef FTP_KERNELS_MEMORY_MODEL_H
#define FTP_KERNELS_MEMORY_MODEL_H

#include <stddef.h>

#include "kernels/stage.h"
#include "runtime/base/error.h"

#define FTP_MEMORY_MODEL_RUN 3 /* units */

struct ftp_memory_unit {
	size_t version_bytes; /* one version of the weights, copies in other layouts included */
	size_t fixed_bytes;   /* gradients, moments, running statistics */
	size_t slot_bytes;    /* of one micro-batch in flight */
	size_t shared_bytes;  /* of slot_bytes, with the next unit's, when both are in one stage */
	size_t scratchpad_bytes;		    /* oneDNN's */
	size_t scratch_bytes[FTP_MEMORY_MODEL_RUN]; /* ours, [k]: of units [this, this + k], up to
						       the model's end */
};

/* Fills units[0 ... n_units - 1] of the model. Of spec, units, slots, versions and region are not
 * used. Plans about three stages per unit: 10 to 20 ms for twenty units. The calling
 * thread's team must have spec->threads. Errors as ftp_stage_memory_of(). */
int ftp_memory_model_measure(
	const struct ftp_stage_spec *spec, struct ftp_memory_unit *units, struct ftp_error *err);

/* Of units [first, end). Pure; any thread. */
size_t ftp_memory_model_stage_bytes(
	const struct ftp_memory_unit *units, int first, int end, int n_slots, int n_versions);

#endif
