/* The naive reference of every layer kind, written for reading: the oracle for values and, by
 * finite differences, for gradients. Sums are in double; storage is FTP_REAL, float in the library
 * and double in the gradient check.
 *
 * Pure; any thread. Nothing is saved between forward and backward: backward computes again what it
 * needs.
 */
#ifndef FTP_KERNELS_REFERENCE_H
#define FTP_KERNELS_REFERENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/model.h"

#ifndef FTP_REAL
#define FTP_REAL float
#endif

#define FTP_BN_EPS	1e-5
#define FTP_BN_MOMENTUM 0.1

/* [n][c/block][h][w][block]; block 1 is dense [n][c][h][w]. Lanes past c are neither read nor
 * written. */
struct ftp_view {
	FTP_REAL *data;
	struct ftp_shape shape; /* of one sample */
	int n, block;
};

struct ftp_reference_args {
	const struct ftp_layer *layer;
	bool training;		     /* BN: batch statistics; else the running ones */
	struct ftp_view src[2], dst; /* src[1]: ADD only */
	struct ftp_view src_grad[2], dst_grad;
	FTP_REAL *tensors[4], *gradients[4]; /* dense, in the layer's order */
	const int32_t *labels;		     /* LOSS: below 0 masks the sample */
	double loss_scale;		     /* LOSS: of the gradient */
	double *loss;			     /* LOSS: out, the sum */
	int *n_correct, *n_samples;	     /* LOSS: out */
};

/* backward_data writes src_grad (those whose data is not NULL), backward_weights adds to gradients;
 * NULL where there is nothing to do. */
struct ftp_reference {
	void (*forward)(const struct ftp_reference_args *a);
	void (*backward_data)(const struct ftp_reference_args *a);
	void (*backward_weights)(const struct ftp_reference_args *a);
};

extern const struct ftp_reference ftp_reference_table[FTP_N_LAYER_KINDS];

#endif
