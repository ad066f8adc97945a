/* Model file: model.safetensors of a run, made of what the central node has gathered. A thread of
 * its own writes it (runtime/model_writer.h), as a disk may take its time, and links have to be
 * served meanwhile. */
#ifndef FTP_RUNTIME_MODEL_FILE_H
#define FTP_RUNTIME_MODEL_FILE_H

#include "runtime/dataset.h"
#include "runtime/gather.h"

struct ftp_model_file {
	const struct ftp_model *model;
	float input_mean, input_std;
	struct ftp_gather *gather; /* owned */
	char *path;		   /* owned */
	char digest[FTP_DIGEST_HEX];

	/* The writer's: */
	bool discarded;
	int failed; /* negative errno of the writing, err says why */
	struct ftp_error err;
};

/* Takes gather, which is done; the rest is lent, model until ftp_model_file_free(). */
struct ftp_model_file *ftp_model_file_new(struct ftp_gather *gather, const struct ftp_model *model,
	const struct ftp_dataset *dataset, const char *run_dir);
void ftp_model_file_free(struct ftp_model_file *f);

/* Any thread; digest is set. Negative errno of the first step that failed. */
int ftp_model_file_write(struct ftp_model_file *f, struct ftp_error *err);

#endif
