/* The making of a program: units are lowered to nodes (a layer with what it absorbs), nodes plan
 * their steps. What a node plans depends on the layer, the micro-batch and the team size only,
 * never on where the stage begins or ends, and nothing is fused across a unit.
 *
 * Values are tensors between nodes. Backward goes through the nodes in reverse; each use of a value
 * contributes to its gradient: the first contribution becomes it, later ones are added, in an order
 * that the model alone fixes.
 */
#ifndef FTP_KERNELS_PLAN_H
#define FTP_KERNELS_PLAN_H

#include "kernels/layout.h"
#include "kernels/program.h"

struct ftp_op; /* kernels/ops.h */

struct ftp_value {
	struct ftp_shape shape;
	bool dense;		   /* else blocked */
	bool wants_grad;	   /* false for the model's input */
	int n_uses;		   /* contributions to its gradient still to come */
	struct ftp_ref data, grad; /* grad: NONE until the first contribution */
	struct ftp_ref boundary;   /* where the finished gradient must be; NONE: anywhere */
};

struct ftp_node {
	const struct ftp_op *op;
	const struct ftp_layer *layer;
	int unit;
	int in[2];	  /* values; in[1] is the second operand or the absorbed residual, or -1 */
	int out;	  /* value, -1 for the loss */
	enum ftp_act act; /* absorbed */
	const struct ftp_layer *bn_before; /* absorbed by a depthwise convolution, or NULL */
	enum ftp_act act_before;	   /* absorbed, after bn_before */
	int first_tensor, n_tensors;	   /* of the unit's: those of all its layers */
	int first_param;
	double flops; /* forward, per sample */
	struct ftp_ref saved[3];
	char name[80];
	struct ftp_onednn_conv conv;		 /* CONV */
	const struct ftp_onednn_layout *weights; /* CONV */
};

struct ftp_block {
	size_t at, floats;
	int n_holders;
};

struct ftp_plan {
	const struct ftp_stage_spec *spec;
	struct ftp_program *program;
	struct ftp_value *values;
	int n_values;
	struct ftp_node *nodes;
	int n_nodes;
	struct ftp_block *blocks; /* of SCRATCH in use, by address */
	int n_blocks;
	int unit;     /* being planned */
	double flops; /* of the whole model */
	size_t text_bytes;
};

/* FTP_PASS_* as a set. */
#define FTP_PASSES(pass) (1u << (pass))

void ftp_plan_emit(struct ftp_plan *p, unsigned passes, const struct ftp_step *step);
/* Without passes, only makes room for the op's scratchpad. */
void ftp_plan_emit_op(struct ftp_plan *p, unsigned passes, struct ftp_onednn_op *op,
	const struct ftp_ref *refs, int n_refs);

/* dst = a + b, n floats each; dst may equal either. */
void ftp_plan_emit_add(struct ftp_plan *p, unsigned passes, struct ftp_ref dst, struct ftp_ref a,
	struct ftp_ref b, size_t n);

/* Lists the implementation. -ENOTSUP when it is oneDNN's reference code for more than a hundredth
 * of the model's work. */
int ftp_plan_note(struct ftp_plan *p, const struct ftp_node *node, const char *direction,
	const char *implementation, struct ftp_error *err);

/* A tensor of the node, index from its first, kept as a plain vector unless the caller changes it
 * before ftp_plan_place(). */
struct ftp_param *ftp_plan_param(struct ftp_plan *p, const struct ftp_node *node, int index);
void ftp_plan_place(struct ftp_plan *p, struct ftp_param *param, size_t floats);

/* A second copy of a placed tensor. */
void ftp_plan_copy(struct ftp_plan *p, struct ftp_param *param,
	void (*make_copy)(const struct ftp_param *p, float *kept, float *copy, void *scratchpad),
	size_t floats);

size_t ftp_plan_value_floats(const struct ftp_plan *p, int value);

/* Floats of the slot, for the life of a micro-batch. */
struct ftp_ref ftp_plan_slot(struct ftp_plan *p, size_t floats);

/* Scratch memory with holders; freed with the last. Only SCRATCH refs are counted. */
struct ftp_ref ftp_plan_acquire(struct ftp_plan *p, size_t floats);
void ftp_plan_retain(struct ftp_plan *p, struct ftp_ref ref);
void ftp_plan_release(struct ftp_plan *p, struct ftp_ref ref);
bool ftp_plan_is_sole(const struct ftp_plan *p, struct ftp_ref ref); /* may be overwritten */

/* The finished gradient of a node's output. The planner drops it after the node's backward. */
struct ftp_ref ftp_plan_grad(const struct ftp_plan *p, int value);
/* Where to write the next contribution to a value's gradient; then hand it in. */
struct ftp_ref ftp_plan_target(struct ftp_plan *p, int value);
void ftp_plan_contribute(struct ftp_plan *p, int value, struct ftp_ref ref);

#endif
