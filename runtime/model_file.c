#include "runtime/model_file.h"

#include <stdio.h>
#include <stdlib.h>

#include "runtime/safetensors.h"

struct ftp_model_file *ftp_model_file_new(struct ftp_gather *gather, const struct ftp_model *model,
	const struct ftp_dataset *dataset, const char *run_dir)
{
	struct ftp_model_file *f = calloc(1, sizeof(*f));

	ftp_assert(f && asprintf(&f->path, "%s/model.safetensors", run_dir) >= 0);
	f->model = model;
	f->input_mean = dataset->mean;
	f->input_std = dataset->std;
	f->gather = gather;
	return f;
}

void ftp_model_file_free(struct ftp_model_file *f)
{
	if (!f)
		return;
	ftp_gather_free(f->gather);
	free(f->path);
	free(f);
}

int ftp_model_file_write(struct ftp_model_file *f, struct ftp_error *err)
{
	const struct ftp_safetensors_info info = {
		.input_mean = f->input_mean, .input_std = f->input_std, .params_digest = f->digest};

	ftp_gather_digest(f->gather, f->digest);
	return ftp_safetensors_write(f->path, f->model, ftp_gather_states(f->gather), &info, err);
}
