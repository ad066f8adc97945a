/* model.safetensors: the trained model in the format that PyTorch and others load without running
 * code (8-byte little-endian header length, JSON header, raw little-endian data). */
#ifndef FTP_RUNTIME_SAFETENSORS_H
#define FTP_RUNTIME_SAFETENSORS_H

#include <jansson.h>

#include "kernels/model.h"
#include "runtime/base/error.h"

struct ftp_safetensors_info {
	float input_mean, input_std; /* into __metadata__, with model name and params digest; NAN:
					not known, and left out */
	const char *params_digest;
	const json_t *more; /* texts that go there too; NULL: none */
};

/* states[i]: canonical state of unit i. Written to a temporary name, synced, renamed. Parameters
 * and running statistics under their tensor names; moments are left out. */
int ftp_safetensors_write(const char *path, const struct ftp_model *m, const void *const *states,
	const struct ftp_safetensors_info *info, struct ftp_error *err);

#endif
