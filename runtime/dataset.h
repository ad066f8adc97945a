/* Labelled images in IDX files, gzip or plain (Fashion-MNIST, MNIST). Read whole into memory once;
 * immutable afterwards; any thread. */
#ifndef FTP_RUNTIME_DATASET_H
#define FTP_RUNTIME_DATASET_H

#include <stdint.h>

#include "runtime/base/digest.h"
#include "runtime/base/error.h"

struct ftp_dataset_part {
	uint32_t n;
	const uint8_t *pixels; /* [n][height][width] */
	const uint8_t *labels; /* [n], each < n_classes */
};

struct ftp_dataset {
	struct ftp_dataset_part train, test;
	uint32_t height, width, n_classes;
	float mean, std;	  /* of the training pixels / 255 */
	struct ftp_digest digest; /* over both parts, in order */
};

/* dir holds train-images-idx3-ubyte[.gz], train-labels-idx1-ubyte[.gz], and t10k-... or test-...
 * likewise. -ENOENT, -EINVAL (bad magic, truncated, counts that differ, label out of range) with
 * the file's name, what was expected and what to do. */
int ftp_dataset_open(struct ftp_dataset **out, const char *dir, struct ftp_error *err);
void ftp_dataset_close(struct ftp_dataset *d);

#endif
