#include "runtime/dataset.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/idx.h"

static const char *const train_prefix[] = {"train", NULL};
static const char *const test_prefix[] = {"t10k", "test", NULL};

static int open_with_prefix(struct ftp_idx *idx, const char *dir, const char *const *prefixes,
	const char *suffix, int n_dims, struct ftp_error *err)
{
	char name[64];
	int rc = -ENOENT;

	for (int i = 0; prefixes[i] && rc == -ENOENT; i++) {
		snprintf(name, sizeof(name), "%s-%s", prefixes[i], suffix);
		rc = ftp_idx_open(idx, dir, name, n_dims, err);
	}
	return rc;
}

/* IDX does not say how many classes there are: they are 0 to the highest that the first part shows,
 * training, and each must occur there, so that a damaged label stands out. */
static int check_labels(struct ftp_dataset *d, const struct ftp_idx *labels, struct ftp_error *err)
{
	uint32_t seen[256] = {0}, n = labels->dims[0];

	for (uint32_t i = 0; i < n; i++)
		seen[labels->values[i]]++;
	if (!d->n_classes)
		while (d->n_classes < 256 && seen[d->n_classes])
			d->n_classes++;
	for (uint32_t i = 0; i < n; i++)
		if (labels->values[i] >= d->n_classes)
			return ftp_error_set(err, EINVAL,
				"%s: label %u of sample %u is out of range: no training sample has "
				"label %u; the file is damaged",
				labels->path, labels->values[i], i, d->n_classes);
	return 0;
}

/* The first part that is read, training, fixes height, width and classes. */
static int open_part(struct ftp_dataset *d, struct ftp_dataset_part *part, const char *dir,
	const char *const *prefixes, struct ftp_error *err)
{
	struct ftp_idx images, labels;
	int rc = open_with_prefix(&images, dir, prefixes, "images-idx3-ubyte", 3, err);

	if (rc)
		return rc;
	part->pixels = images.values;
	rc = open_with_prefix(&labels, dir, prefixes, "labels-idx1-ubyte", 1, err);
	if (rc)
		return rc;
	part->labels = labels.values;
	part->n = images.dims[0];
	if (labels.dims[0] != images.dims[0])
		return ftp_error_set(err, EINVAL,
			"%s: %u labels, but %s has %u images; they are not of one data set",
			labels.path, labels.dims[0], images.path, images.dims[0]);
	if (d->height && (d->height != images.dims[1] || d->width != images.dims[2]))
		return ftp_error_set(err, EINVAL,
			"%s: images of %ux%u, but the training images are %ux%u", images.path,
			images.dims[1], images.dims[2], d->height, d->width);
	d->height = images.dims[1];
	d->width = images.dims[2];
	return check_labels(d, &labels, err);
}

/* Exact: integer sums, one rounding at the end. */
static int measure_pixels(struct ftp_dataset *d, const char *dir, struct ftp_error *err)
{
	uint64_t n = (uint64_t)d->train.n * d->height * d->width;
	uint64_t histogram[256] = {0}, sum = 0, squares = 0;
	double mean, variance;

	for (uint64_t i = 0; i < n; i++)
		histogram[d->train.pixels[i]]++;
	for (uint64_t v = 0; v < 256; v++) {
		sum += v * histogram[v];
		squares += v * v * histogram[v];
	}
	mean = (double)sum / (double)n;
	variance = (double)squares / (double)n - mean * mean;
	if (variance <= 0.0)
		return ftp_error_set(
			err, EINVAL, "%s: all training pixels are %g: nothing to learn", dir, mean);
	d->mean = (float)(mean / 255.0);
	d->std = (float)(sqrt(variance) / 255.0);
	return 0;
}

static struct ftp_digest digest_of(const struct ftp_dataset *d)
{
	const uint32_t header[] = {d->height, d->width, d->train.n, d->test.n};
	const struct ftp_dataset_part *parts[] = {&d->train, &d->test};
	struct ftp_digest_stream *s = ftp_digest_begin();

	ftp_digest_add(s, header, sizeof(header));
	for (int i = 0; i < 2; i++) {
		ftp_digest_add(s, parts[i]->pixels, (size_t)parts[i]->n * d->height * d->width);
		ftp_digest_add(s, parts[i]->labels, parts[i]->n);
	}
	return ftp_digest_end(s);
}

static int load(struct ftp_dataset *d, const char *dir, struct ftp_error *err)
{
	int rc = open_part(d, &d->train, dir, train_prefix, err);

	if (!rc)
		rc = open_part(d, &d->test, dir, test_prefix, err);
	if (!rc)
		rc = measure_pixels(d, dir, err);
	if (!rc)
		d->digest = digest_of(d);
	return rc;
}

int ftp_dataset_open(struct ftp_dataset **out, const char *dir, struct ftp_error *err)
{
	struct ftp_dataset *d = calloc(1, sizeof(*d));
	int rc;

	ftp_assert(d);
	rc = load(d, dir, err);
	if (rc) {
		ftp_dataset_close(d);
		return ftp_error_prefix(err, rc, "training.dataset.path");
	}
	*out = d;
	return 0;
}

void ftp_dataset_close(struct ftp_dataset *d)
{
	if (!d)
		return;
	free((void *)d->train.pixels);
	free((void *)d->train.labels);
	free((void *)d->test.pixels);
	free((void *)d->test.labels);
	free(d);
}
