/* One IDX file (LeCun, yann.lecun.com/exdb/mnist), plain or gzip, read whole. The dataset's reader;
 * any thread. */
#ifndef FTP_RUNTIME_IDX_H
#define FTP_RUNTIME_IDX_H

#include <stdint.h>

#include "runtime/base/error.h"

#define FTP_IDX_MAX_DIMS 3

/* Unsigned bytes in C order: values[dims[0]][dims[1]]... */
struct ftp_idx {
	char path[512];
	uint32_t dims[FTP_IDX_MAX_DIMS];
	uint8_t *values; /* owned; ftp_idx_close() */
	uint64_t n_bytes;
};

/* Opens the first of DIR/NAME and DIR/NAME.gz that exists. -ENOENT, -EACCES, -EINVAL (not an IDX
 * file of n_dims dimensions of bytes, truncated, damaged, longer than its header says, absurd
 * dimensions), -ENOMEM. What is allocated is bounded by what the file can hold. */
int ftp_idx_open(
	struct ftp_idx *idx, const char *dir, const char *name, int n_dims, struct ftp_error *err);
void ftp_idx_close(struct ftp_idx *idx);

#endif
