/* A multi-layer perceptron on 28x28 images: 784 -> 256 -> 128 -> 10, ReLU between. */
#include "kernels/model_builder.h"

struct ftp_model *ftp_mlp_build(const struct ftp_model_spec *spec)
{
	static const struct {
		const char *name;
		int32_t c;
	} rows[] = {{"fc1", 256}, {"fc2", 128}, {"fc3", 10}};
	const int n_rows = sizeof(rows) / sizeof(*rows);
	struct ftp_model_builder *b = ftp_model_builder_begin(
		"mlp", spec, (struct ftp_shape){1, 28, 28}, FTP_INIT_FAN_IN);

	for (int i = 0; i < n_rows; i++) {
		struct ftp_layer l = {
			.kind = FTP_LAYER_FC, .in = {FTP_UNIT_INPUT}, .dst = {.c = rows[i].c}};

		ftp_model_builder_unit(b, rows[i].name);
		l.in[0] = ftp_model_builder_add(b, "", &l);
		l.kind = i + 1 < n_rows ? FTP_LAYER_RELU : FTP_LAYER_LOSS;
		ftp_model_builder_add(b, "", &l);
	}
	return ftp_model_builder_end(b);
}
