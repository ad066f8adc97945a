/* MobileNetV2 (Sandler et al. 2018, arXiv 1801.04381, table 2) for 3x32x32 images and 10 classes:
 * 2,236,682 parameters at width 1. Two sets of strides: "imagenet" is the paper's; "cifar" has
 * stride 1 in the stem and in the second row, so that 32x32 images keep some resolution. 20 units:
 * stem, 17 inverted residual blocks, the 1x1 convolution to 1280 channels, pooling with the
 * classifier. */
#include <stdio.h>

#include "kernels/model_builder.h"

#define N_CLASSES     10
#define STEM_CHANNELS 32
#define HEAD_CHANNELS 1280

static const struct {
	int32_t expand, c, n, stride[2]; /* by enum ftp_strides */
} rows[] = {
	{1, 16, 1, {1, 1}},
	{6, 24, 2, {1, 2}},
	{6, 32, 3, {2, 2}},
	{6, 64, 4, {2, 2}},
	{6, 96, 3, {1, 1}},
	{6, 160, 3, {2, 2}},
	{6, 320, 1, {1, 1}},
};

/* The authors' rule: the nearest multiple of 8, at least 8, never below 90%. */
static int32_t scale_channels(int32_t c, double width)
{
	double want = c * width;
	int32_t got = (int32_t)(want + 4) / 8 * 8;

	if (got < 8)
		got = 8;
	return got < 0.9 * want ? got + 8 : got;
}

/* Convolution, batch norm and, if asked, ReLU6; names are "<name>" and "<name>_bn". */
static int32_t add_conv_bn(
	struct ftp_model_builder *b, const char *name, struct ftp_layer conv, bool act)
{
	struct ftp_layer rest = {.kind = FTP_LAYER_BN};
	char bn[32];

	snprintf(bn, sizeof(bn), "%s_bn", name);
	conv.kind = FTP_LAYER_CONV;
	rest.in[0] = ftp_model_builder_add(b, name, &conv);
	rest.in[0] = ftp_model_builder_add(b, bn, &rest);
	if (!act)
		return rest.in[0];
	rest.kind = FTP_LAYER_RELU6;
	return ftp_model_builder_add(b, "", &rest);
}

static int32_t add_pointwise(
	struct ftp_model_builder *b, const char *name, int32_t x, int32_t c_out, bool act)
{
	return add_conv_bn(b, name,
		(struct ftp_layer){
			.in = {x}, .dst.c = c_out, .kernel = 1, .stride = 1, .groups = 1},
		act);
}

static void add_block(
	struct ftp_model_builder *b, int32_t c_in, int32_t c_out, int32_t expand, int32_t stride)
{
	int32_t wide = c_in * expand, x = FTP_UNIT_INPUT;

	if (expand != 1)
		x = add_pointwise(b, "expand", x, wide, true);
	x = add_conv_bn(b, "depthwise",
		(struct ftp_layer){.in = {x},
			.dst.c = wide,
			.kernel = 3,
			.stride = stride,
			.pad = 1,
			.groups = wide},
		true);
	x = add_pointwise(b, "project", x, c_out, false);
	if (stride == 1 && c_in == c_out)
		ftp_model_builder_add(b, "",
			&(struct ftp_layer){.kind = FTP_LAYER_ADD, .in = {FTP_UNIT_INPUT, x}});
}

struct ftp_model *ftp_mobilenetv2_build(const struct ftp_model_spec *spec)
{
	int32_t c = scale_channels(STEM_CHANNELS, spec->width), x, block = 0;
	int32_t head = scale_channels(HEAD_CHANNELS, spec->width > 1 ? spec->width : 1);
	struct ftp_model_builder *b;
	char name[64];

	snprintf(name, sizeof(name), "mobilenetv2-%.4g%s-%s", spec->width,
		spec->width == (int)spec->width ? ".0" : "",
		spec->strides == FTP_STRIDES_CIFAR ? "cifar" : "imagenet");
	b = ftp_model_builder_begin(name, spec, (struct ftp_shape){3, 32, 32}, FTP_INIT_FAN_OUT);

	ftp_model_builder_unit(b, "stem");
	add_conv_bn(b, "conv",
		(struct ftp_layer){.in = {FTP_UNIT_INPUT},
			.dst.c = c,
			.kernel = 3,
			.stride = spec->strides == FTP_STRIDES_CIFAR ? 1 : 2,
			.pad = 1,
			.groups = 1},
		true);
	for (size_t r = 0; r < sizeof(rows) / sizeof(*rows); r++) {
		int32_t c_out = scale_channels(rows[r].c, spec->width);

		for (int32_t i = 0; i < rows[r].n; i++) {
			snprintf(name, sizeof(name), "blocks.%d", block++);
			ftp_model_builder_unit(b, name);
			add_block(
				b, c, c_out, rows[r].expand, i ? 1 : rows[r].stride[spec->strides]);
			c = c_out;
		}
	}
	ftp_model_builder_unit(b, "head");
	add_pointwise(b, "conv", FTP_UNIT_INPUT, head, true);
	ftp_model_builder_unit(b, "classifier");
	x = ftp_model_builder_add(
		b, "", &(struct ftp_layer){.kind = FTP_LAYER_AVG_POOL, .in = {FTP_UNIT_INPUT}});
	x = ftp_model_builder_add(
		b, "fc", &(struct ftp_layer){.kind = FTP_LAYER_FC, .in = {x}, .dst.c = N_CLASSES});
	ftp_model_builder_add(b, "", &(struct ftp_layer){.kind = FTP_LAYER_LOSS, .in = {x}});
	return ftp_model_builder_end(b);
}
