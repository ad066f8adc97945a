/* The layer-op table: one row per layer kind. Its twin is ftp_reference_table
 * (kernels/reference.h); a new kind of layer is a row here, a row there, and a row of shapes in the
 * tests. */
#ifndef FTP_KERNELS_OPS_H
#define FTP_KERNELS_OPS_H

#include "kernels/plan.h"

/* Plans a node's steps: forward those of FORWARD and EVAL, backward those of BACKWARD. */
typedef int ftp_op_plan(struct ftp_plan *p, struct ftp_node *node, struct ftp_error *err);

struct ftp_op {
	const char *name;
	unsigned absorbs; /* layer kinds (1 << kind) that it can do along, ADD before activations */
	ftp_op_plan *forward, *backward;
};

extern const struct ftp_op ftp_op_table[FTP_N_LAYER_KINDS];

/* Own kernels in place of a row: depthwise 3x3 convolutions, alone or with the batch norms and
 * activations around them, and dense convolutions below AVX512. */
extern const struct ftp_op ftp_op_depthwise, ftp_op_dwblock, ftp_op_blockconv;

/* Any kind, by the naive reference. */
extern const struct ftp_op ftp_op_reference;

ftp_op_plan ftp_op_conv_forward, ftp_op_conv_backward;
ftp_op_plan ftp_op_bn_forward, ftp_op_bn_backward;
ftp_op_plan ftp_op_elementwise_clip_forward, ftp_op_elementwise_clip_backward; /* ReLU, ReLU6 */
ftp_op_plan ftp_op_elementwise_add_forward, ftp_op_elementwise_add_backward;
ftp_op_plan ftp_op_pool_forward, ftp_op_pool_backward;
ftp_op_plan ftp_op_fc_forward, ftp_op_fc_backward;
ftp_op_plan ftp_op_loss_forward, ftp_op_loss_backward;
ftp_op_plan ftp_op_blockconv_forward, ftp_op_blockconv_backward;
ftp_op_plan ftp_op_depthwise_forward, ftp_op_depthwise_backward;
ftp_op_plan ftp_op_dwblock_forward, ftp_op_dwblock_backward;
ftp_op_plan ftp_op_reference_forward, ftp_op_reference_backward;

/* The gradient of a node's output with the absorbed ReLU's mask applied. The caller releases it. */
struct ftp_ref ftp_op_elementwise_masked_grad(struct ftp_plan *p, const struct ftp_node *node);

/* Keeps a depthwise 3x3 weight as [c/16][3][3][16]. */
void ftp_op_depthwise_param(struct ftp_plan *p, const struct ftp_node *node, int index);

#endif
