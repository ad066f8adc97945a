/* LeNet-5 (LeCun et al. 1998, figure 2) with ReLU and max pooling, on 28x28 images padded by 2. */
#include "kernels/model_builder.h"

struct ftp_model *ftp_lenet5_build(const struct ftp_model_spec *spec)
{
	static const struct {
		const char *name;
		enum ftp_layer_kind kind;
		int32_t c, kernel, pad;
	} rows[] = {
		{"conv1", FTP_LAYER_CONV, 6, 5, 2},
		{"conv2", FTP_LAYER_CONV, 16, 5, 0},
		{"fc1", FTP_LAYER_FC, 120, 0, 0},
		{"fc2", FTP_LAYER_FC, 84, 0, 0},
		{"fc3", FTP_LAYER_FC, 10, 0, 0},
	};
	const int n_rows = sizeof(rows) / sizeof(*rows);
	const struct ftp_layer pool = {.kind = FTP_LAYER_MAX_POOL, .kernel = 2, .stride = 2};
	struct ftp_model_builder *b = ftp_model_builder_begin(
		"lenet5", spec, (struct ftp_shape){1, 28, 28}, FTP_INIT_FAN_IN);

	for (int i = 0; i < n_rows; i++) {
		struct ftp_layer l = {.kind = rows[i].kind,
			.in = {FTP_UNIT_INPUT},
			.dst = {.c = rows[i].c},
			.kernel = rows[i].kernel,
			.stride = 1,
			.pad = rows[i].pad,
			.groups = 1,
			.bias = true};

		ftp_model_builder_unit(b, rows[i].name);
		l.in[0] = ftp_model_builder_add(b, "", &l);
		l.kind = i + 1 < n_rows ? FTP_LAYER_RELU : FTP_LAYER_LOSS;
		l.in[0] = ftp_model_builder_add(b, "", &l);
		if (rows[i].kind == FTP_LAYER_CONV) {
			struct ftp_layer p = pool;

			p.in[0] = l.in[0];
			ftp_model_builder_add(b, "", &p);
		}
	}
	return ftp_model_builder_end(b);
}
