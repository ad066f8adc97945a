/* The table of layer kinds and shapes that every check goes through: finite differences for the
 * reference, the reference for the fast ops. A new kind of layer gets rows here. */
#ifndef FTP_TESTS_KERNELS_SHAPES_H
#define FTP_TESTS_KERNELS_SHAPES_H

#include "kernels/model.h"

struct layer_row {
	const char *what;
	struct ftp_layer layer; /* as ftp_model_builder_add() wants it */
	struct ftp_shape src;
	int n;
};

#define CONV(k, s, p, g, b, co)                                                                    \
	{                                                                                          \
		.kind = FTP_LAYER_CONV, .in = {FTP_UNIT_INPUT}, .kernel = k, .stride = s,          \
		.pad = p, .groups = g, .bias = b, .dst.c = co                                      \
	}
#define POOL(max, k, s, p)                                                                         \
	{                                                                                          \
		.kind = (max) ? FTP_LAYER_MAX_POOL : FTP_LAYER_AVG_POOL, .in = {FTP_UNIT_INPUT},   \
		.kernel = k, .stride = s, .pad = p                                                 \
	}
#define PLAIN(k)                                                                                   \
	{                                                                                          \
		.kind = k, .in = { FTP_UNIT_INPUT }                                                \
	}

static const struct layer_row layer_rows[] = {
	{"conv 1x1", CONV(1, 1, 0, 1, false, 24), {16, 5, 4}, 2},
	{"conv 1x1 few channels", CONV(1, 1, 0, 1, false, 6), {10, 3, 3}, 3},
	{"conv 1x1 stride 2", CONV(1, 2, 0, 1, false, 16), {16, 5, 5}, 2},
	{"conv 1x1 on a vector", CONV(1, 1, 0, 1, false, 40), {24, 1, 1}, 4},
	{"conv 3x3", CONV(3, 1, 1, 1, false, 32), {16, 6, 5}, 2},
	{"conv 3x3 stride 2, bias", CONV(3, 2, 1, 1, true, 8), {12, 7, 6}, 2},
	{"conv 5x5, bias, no padding", CONV(5, 1, 0, 1, true, 16), {6, 9, 9}, 2},
	{"conv of one sample", CONV(3, 1, 1, 1, true, 16), {16, 4, 4}, 1},
	{"depthwise 3x3", CONV(3, 1, 1, 16, false, 16), {16, 6, 6}, 2},
	{"depthwise 3x3 stride 2", CONV(3, 2, 1, 24, false, 24), {24, 7, 7}, 2},
	{"depthwise 3x3 stride 2, even", CONV(3, 2, 1, 48, false, 48), {48, 8, 8}, 2},
	{"depthwise on 2x2", CONV(3, 1, 1, 40, false, 40), {40, 2, 2}, 3},
	{"depthwise stride 2 to 1x1", CONV(3, 2, 1, 16, false, 16), {16, 2, 2}, 3},
	{"depthwise on a vector", CONV(3, 1, 1, 16, false, 16), {16, 1, 1}, 3},
	{"bn", PLAIN(FTP_LAYER_BN), {24, 4, 3}, 3},
	{"bn of a vector", PLAIN(FTP_LAYER_BN), {20, 1, 1}, 8},
	{"relu", PLAIN(FTP_LAYER_RELU), {20, 3, 3}, 2},
	{"relu6", PLAIN(FTP_LAYER_RELU6), {16, 3, 3}, 2},
	{"add of itself", {.kind = FTP_LAYER_ADD, .in = {FTP_UNIT_INPUT, FTP_UNIT_INPUT}},
		{20, 3, 2}, 2},
	{"max pool 2", POOL(true, 2, 2, 0), {6, 6, 6}, 2},
	{"max pool 3 stride 2, padded", POOL(true, 3, 2, 1), {18, 7, 7}, 2},
	{"average pool 2", POOL(false, 2, 2, 0), {16, 4, 6}, 2},
	{"average pool 3 stride 1, padded", POOL(false, 3, 1, 1), {20, 4, 4}, 2},
	{"global average pool", POOL(false, 0, 0, 0), {40, 4, 3}, 2},
	{"fc on an image", {.kind = FTP_LAYER_FC, .in = {FTP_UNIT_INPUT}, .dst.c = 21}, {18, 3, 2},
		3},
	{"fc on a vector", {.kind = FTP_LAYER_FC, .in = {FTP_UNIT_INPUT}, .dst.c = 40}, {84, 1, 1},
		4},
	{"fc of one sample", {.kind = FTP_LAYER_FC, .in = {FTP_UNIT_INPUT}, .dst.c = 16},
		{32, 1, 1}, 1},
};

#define N_LAYER_ROWS (sizeof(layer_rows) / sizeof(*layer_rows))

#endif
