/* Builds a struct ftp_model layer by layer: fills in shapes, tensors, offsets and sizes. Used by
 * the nets' tables and by tests that need a net of their own. One thread. */
#ifndef FTP_KERNELS_MODEL_BUILDER_H
#define FTP_KERNELS_MODEL_BUILDER_H

#include "kernels/model.h"

/* How weights are drawn. Biases are 0, gammas 1, betas 0, running means 0, running variances 1. */
enum ftp_init_rule {
	/* He et al. 2015 (arXiv 1502.01852): normal, std sqrt(2 / fan in). */
	FTP_INIT_FAN_IN,
	/* As MobileNetV2 implementations do: convolutions normal with std sqrt(2 / (k * k *
	 * c_out)), fully connected layers normal with std 0.01. */
	FTP_INIT_FAN_OUT,
};

struct ftp_model_builder; /* opaque */

struct ftp_model_builder *ftp_model_builder_begin(const char *name,
	const struct ftp_model_spec *spec, struct ftp_shape src, enum ftp_init_rule);

/* Starts the next unit; its input is the previous unit's output. */
void ftp_model_builder_unit(struct ftp_model_builder *b, const char *name);

/* Adds a layer to the current unit. Of want, kind, in, kernel, stride, pad, groups, bias and (CONV,
 * FC) dst.c are read. Returns the index of the layer whose output it is: without activations, RELU
 * and RELU6 are left out and their input is returned. */
int32_t ftp_model_builder_add(
	struct ftp_model_builder *b, const char *name, const struct ftp_layer *want);

/* Gives the finished model; the builder is gone. */
struct ftp_model *ftp_model_builder_end(struct ftp_model_builder *b);

/* The nets. spec->name, width and strides have been checked. */
struct ftp_model *ftp_mlp_build(const struct ftp_model_spec *spec);
struct ftp_model *ftp_lenet5_build(const struct ftp_model_spec *spec);
struct ftp_model *ftp_mobilenetv2_build(const struct ftp_model_spec *spec);

#endif
