/* Models as pure data: units, layers, shapes, parameters. No oneDNN, no I/O.
 *
 * A model is a list of units, the smallest pieces that a cut may separate. A unit is a list of
 * layers in topological order; a layer reads the unit's input or earlier layers of the same unit,
 * and the last layer's output is the unit's output. So exactly one tensor crosses every cut.
 *
 * Immutable after ftp_model_new(); any thread.
 * Sources: LeNet-5 (LeCun et al. 1998, with ReLU and max pooling), MobileNetV2 (Sandler et al.
 * 2018, arXiv 1801.04381, table 2 and section 3).
 */
#ifndef FTP_KERNELS_MODEL_H
#define FTP_KERNELS_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/digest.h"
#include "runtime/base/error.h"

enum ftp_layer_kind {
	FTP_LAYER_CONV, /* dense, strided or depthwise (groups == c_in == c_out); optional bias */
	FTP_LAYER_BN,	/* batch normalisation, eps 1e-5, running momentum 0.1 */
	FTP_LAYER_RELU,
	FTP_LAYER_RELU6,
	FTP_LAYER_ADD,	    /* residual: in[0] + in[1] */
	FTP_LAYER_AVG_POOL, /* kernel == 0: global */
	FTP_LAYER_MAX_POOL,
	FTP_LAYER_FC,	/* flattens its input in c, h, w order; always with bias */
	FTP_LAYER_LOSS, /* softmax cross-entropy over c, last layer of the last unit */
	FTP_N_LAYER_KINDS,
};

/* Of one sample; a tensor of a micro-batch is n such. */
struct ftp_shape {
	int32_t c, h, w;
};

#define FTP_UNIT_INPUT (-1) /* ftp_layer.in[]: the unit's input */
#define FTP_NO_INPUT   (-2)

struct ftp_layer {
	enum ftp_layer_kind kind;
	int32_t in[2]; /* layer index within the unit, or FTP_UNIT_INPUT, or FTP_NO_INPUT */
	struct ftp_shape src, dst;
	int32_t kernel, stride, pad, groups;
	bool bias;
	int32_t first_tensor, n_tensors; /* into the unit's tensors */
};

enum ftp_tensor_role {
	FTP_TENSOR_WEIGHT, /* trained with weight decay: OIHW, or O,I for FC */
	FTP_TENSOR_BIAS,   /* trained */
	FTP_TENSOR_GAMMA,  /* trained */
	FTP_TENSOR_BETA,   /* trained */
	FTP_TENSOR_MEAN,   /* running statistic */
	FTP_TENSOR_VAR,	   /* running statistic */
};

struct ftp_tensor {
	char name[64]; /* "blocks.3.expand.weight": the key in model.safetensors */
	enum ftp_tensor_role role;
	int32_t n_dims, dims[4];
	size_t n_elements;
	double init_mean,
		init_std; /* of the normal distribution drawn at step 0; std 0: constant */
	/* Byte offsets into the unit's canonical state; a moment exists for trained roles only. */
	size_t offset_bytes, moment_offset_bytes;
};

/* Canonical unit state: dense little-endian f32, every tensor on a 64-byte boundary with zeroed
 * padding: all tensors in declared order, then all moments in the same order. */
struct ftp_unit {
	char name[32];
	struct ftp_shape src, dst;
	const struct ftp_layer *layers;
	int32_t n_layers;
	const struct ftp_tensor *tensors;
	int32_t n_tensors;
	size_t state_bytes;
	double flops; /* forward, per sample, of CONV and FC: multiply and add count as two */
};

enum ftp_strides { FTP_STRIDES_CIFAR, FTP_STRIDES_IMAGENET }; /* see mobilenetv2.c */

struct ftp_model_spec {
	const char *name; /* "mlp", "lenet5", "mobilenetv2" */
	double width;	  /* mobilenetv2: channel multiplier; 1.0 elsewhere */
	enum ftp_strides strides;
	bool activations; /* false: leaves ReLU and ReLU6 out, for tight gradient checks */
};

struct ftp_model {
	char name[64]; /* "mobilenetv2-1.0-imagenet" */
	struct ftp_model_spec spec;
	struct ftp_shape src; /* the input: 1x28x28 for mlp and lenet5, 3x32x32 for mobilenetv2 */
	int32_t n_classes;
	const struct ftp_unit *units;
	int32_t n_units;    /* 3 for mlp, 5 for lenet5, 20 for mobilenetv2 */
	size_t state_bytes; /* sum over the units */
	int64_t n_params;   /* trained values */
};

/* The caller owns *out. -EINVAL for an unknown name or a width out of (0, 4], naming the key and
 * the names that exist. */
int ftp_model_new(struct ftp_model **out, const struct ftp_model_spec *spec, struct ftp_error *err);
void ftp_model_free(struct ftp_model *m);

/* Names that exist, NULL-terminated. */
extern const char *const ftp_model_names[];

/* Floats of a unit boundary tensor of n samples in the cut's canonical layout: blocked
 * [n][c/16][h][w][16], channels padded with zeros (so a vector is [n][c padded to 16]). Cut i is
 * the input of unit i; cut 0, the model's input, is dense [n][c][h][w]. */
size_t ftp_model_cut_floats(const struct ftp_model *m, int cut, int n);

static inline bool ftp_tensor_is_trained(const struct ftp_tensor *t)
{
	return t->role < FTP_TENSOR_MEAN;
}

/* Step-0 state of one unit in canonical form: parameters drawn from the seed as the papers say,
 * moments 0, running mean 0, running variance 1. state has units[unit].state_bytes. */
void ftp_model_init_unit(const struct ftp_model *m, int unit, uint64_t seed, void *state);

#endif
