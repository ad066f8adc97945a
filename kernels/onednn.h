/* The one layer over oneDNN (2.6; written so that a 3.x backend could take its place). No other
 * file includes <dnnl.h>.
 *
 * Everything is created when a stage is built. Run calls allocate nothing of ours; oneDNN itself
 * does a few small allocations per call. Handles live until ftp_onednn_free(). One thread per
 * struct ftp_onednn; the OpenMP team size is baked in at creation.
 *
 * Errors: -ENOTSUP when oneDNN has no such primitive, -ENOMEM.
 */
#ifndef FTP_KERNELS_ONEDNN_H
#define FTP_KERNELS_ONEDNN_H

#include <stdbool.h>
#include <stddef.h>

#include "kernels/isa.h"
#include "runtime/base/error.h"

struct ftp_onednn;	  /* engine, stream and all handles made from it */
struct ftp_onednn_op;	  /* a primitive with its memory objects */
struct ftp_onednn_layout; /* of a weight tensor: opaque, compared and reordered */

/* to_run false: ops can be asked for their names and scratchpads, but not be run; that spares
 * making the code that runs. */
int ftp_onednn_new(struct ftp_onednn **out, bool to_run, struct ftp_error *err);
void ftp_onednn_free(struct ftp_onednn *d);

/* Process-wide; before the first primitive. */
int ftp_onednn_cap(enum ftp_isa isa, struct ftp_error *err);

/* Channel counts are multiples of 16 (the padded ones), but c_in of a dense source. Depthwise when
 * groups > 1 (then groups == c_in == c_out). Weights are OIHW, or (groups)11HW when depthwise. */
struct ftp_onednn_conv {
	int n, c_in, h, w, c_out, h_out, w_out, kernel, stride, pad, groups;
	bool bias, relu; /* relu: fused into the forward */
	bool dense_src;	 /* [n][c][h][w], else blocked by 16 */
};

/* The argument order of each op is the order in which ftp_onednn_run() wants the pointers.
 * forward: src, weights, dst, [bias]; *weights becomes the layout that oneDNN prefers. */
int ftp_onednn_conv_forward(struct ftp_onednn *d, const struct ftp_onednn_conv *c,
	struct ftp_onednn_layout **weights, struct ftp_onednn_op **op, struct ftp_error *err);
/* dst_grad, weights, src_grad. *weights: the layout it wants, which may differ from forward's. */
int ftp_onednn_conv_backward_data(struct ftp_onednn *d, const struct ftp_onednn_conv *c,
	struct ftp_onednn_layout **weights, struct ftp_onednn_op **op, struct ftp_error *err);
/* src, dst_grad, weights_grad, [bias_grad]; the gradient is written in the layout given. */
int ftp_onednn_conv_backward_weights(struct ftp_onednn *d, const struct ftp_onednn_conv *c,
	const struct ftp_onednn_layout *weights, struct ftp_onednn_op **op, struct ftp_error *err);

/* c[m][n] = a[m][k] * b[k][n] with the strides given in floats; then + bias[n], ReLU, or + what c
 * held. Arguments: a, b, c, [bias]. */
struct ftp_onednn_matmul {
	int m, n, k;
	int a_strides[2], b_strides[2], c_strides[2];
	bool bias, relu, accumulate;
};
int ftp_onednn_matmul(struct ftp_onednn *d, const struct ftp_onednn_matmul *m,
	struct ftp_onednn_op **op, struct ftp_error *err);

/* The dense OIHW layout of c's weights. */
struct ftp_onednn_layout *ftp_onednn_dense(struct ftp_onednn *d, const struct ftp_onednn_conv *c);
/* Arguments: from, to. */
int ftp_onednn_reorder(struct ftp_onednn *d, const struct ftp_onednn_layout *from,
	const struct ftp_onednn_layout *to, struct ftp_onednn_op **op, struct ftp_error *err);

bool ftp_onednn_layout_equal(const struct ftp_onednn_layout *a, const struct ftp_onednn_layout *b);
size_t ftp_onednn_layout_bytes(const struct ftp_onednn_layout *l);

/* "jit:avx512_core"; lent. */
const char *ftp_onednn_name(const struct ftp_onednn_op *op);
size_t ftp_onednn_scratchpad_bytes(const struct ftp_onednn_op *op);

/* Runs to the end. args in the op's order; scratchpad 64-byte aligned. Aborts when oneDNN fails:
 * the arguments were checked at creation. */
void ftp_onednn_run(const struct ftp_onednn_op *op, float *const *args, void *scratchpad);

#endif
