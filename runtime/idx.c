#include "runtime/idx.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#include "runtime/base/huge.h"

#define MAX_BYTES   (4ull << 30)
#define MAX_SIDE    4096u /* of an image */
#define READ_BYTES  (1u << 20)
#define GZIP_FACTOR 1032u /* deflate expands no further (zlib technical details) */
#define ADVICE	    "restore it, e.g. apt-get install --reinstall dataset-fashion-mnist"

static int damaged(const struct ftp_idx *idx, struct ftp_error *err, const char *what)
{
	return ftp_error_set(err, EINVAL, "%s: %s; " ADVICE, idx->path, what);
}

/* Reads exactly n_bytes: zlib hands plain files through. */
static int read_exactly(const struct ftp_idx *idx, gzFile f, void *to, uint64_t n_bytes,
	const char *what, struct ftp_error *err)
{
	uint8_t *at = to;
	int code;

	for (uint64_t done = 0; done < n_bytes;) {
		uint64_t want = n_bytes - done < READ_BYTES ? n_bytes - done : READ_BYTES;
		int got = gzread(f, at + done, (unsigned)want);

		if (got < 0)
			return damaged(idx, err, gzerror(f, &code));
		if (got == 0)
			return ftp_error_set(err, EINVAL,
				"%s: truncated: expected %llu bytes of %s, found %llu; " ADVICE,
				idx->path, (unsigned long long)n_bytes, what,
				(unsigned long long)done);
		done += (uint64_t)got;
	}
	return 0;
}

/* The end must come here: this is also where gzip's own checksum is compared. */
static int expect_end(const struct ftp_idx *idx, gzFile f, struct ftp_error *err)
{
	uint8_t byte;
	int got = gzread(f, &byte, 1), code;

	if (got > 0)
		return damaged(idx, err, "longer than its header says");
	gzerror(f, &code);
	if (got < 0 || code != Z_OK)
		return damaged(idx, err, code == Z_BUF_ERROR ? "truncated" : gzerror(f, &code));
	return 0;
}

static uint32_t big_endian(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int read_header(
	struct ftp_idx *idx, gzFile f, int n_dims, uint64_t file_bytes, struct ftp_error *err)
{
	uint8_t header[4 + 4 * FTP_IDX_MAX_DIMS];
	uint32_t magic, expected = 0x0800u | (uint32_t)n_dims;
	int rc = read_exactly(idx, f, header, 4 + 4 * (uint64_t)n_dims, "header", err);

	if (rc)
		return rc;
	magic = big_endian(header);
	if (magic != expected)
		return ftp_error_set(err, EINVAL,
			"%s: not an IDX file of bytes in %d dimensions: expected magic number "
			"0x%08x, found 0x%08x; " ADVICE,
			idx->path, n_dims, expected, magic);
	idx->n_bytes = 1;
	for (int i = 0; i < n_dims; i++) {
		idx->dims[i] = big_endian(header + 4 + 4 * i);
		if (!idx->dims[i] || (i > 0 && idx->dims[i] > MAX_SIDE))
			return ftp_error_set(err, EINVAL,
				"%s: dimension %d is %u: expected 1 to %u; " ADVICE, idx->path, i,
				idx->dims[i], i ? MAX_SIDE : UINT32_MAX);
		idx->n_bytes *= idx->dims[i]; /* at most 2^32 * 2^12 * 2^12 */
	}
	if (idx->n_bytes > MAX_BYTES)
		return ftp_error_set(err, EINVAL, "%s: %llu bytes of data: expected at most %llu",
			idx->path, (unsigned long long)idx->n_bytes, MAX_BYTES);
	if (idx->n_bytes > file_bytes * (gzdirect(f) ? 1 : GZIP_FACTOR))
		return ftp_error_set(err, EINVAL,
			"%s: truncated: its header promises %llu bytes, a file of %llu bytes "
			"cannot hold them; " ADVICE,
			idx->path, (unsigned long long)idx->n_bytes,
			(unsigned long long)file_bytes);
	return 0;
}

static int read_file(
	struct ftp_idx *idx, gzFile f, int n_dims, uint64_t file_bytes, struct ftp_error *err)
{
	int rc = read_header(idx, f, n_dims, file_bytes, err);

	if (rc)
		return rc;
	idx->values = ftp_huge_alloc(idx->n_bytes);
	if (!idx->values)
		return ftp_error_set(err, ENOMEM, "%s: no memory for %llu bytes", idx->path,
			(unsigned long long)idx->n_bytes);
	rc = read_exactly(idx, f, idx->values, idx->n_bytes, "data", err);
	return rc ? rc : expect_end(idx, f, err);
}

static int find(struct ftp_idx *idx, const char *dir, const char *name, uint64_t *file_bytes,
	struct ftp_error *err)
{
	static const char *const endings[] = {"", ".gz"};
	struct stat st;
	int code = 0;

	for (int i = 0; i < 2; i++) {
		if (snprintf(idx->path, sizeof(idx->path), "%s/%s%s", dir, name, endings[i]) >=
			(int)sizeof(idx->path))
			return ftp_error_set(
				err, ENAMETOOLONG, "%s: the path is too long", idx->path);
		if (stat(idx->path, &st)) {
			code = errno;
			continue;
		}
		if (!S_ISREG(st.st_mode))
			return ftp_error_set(err, EINVAL, "%s: not a regular file", idx->path);
		*file_bytes = (uint64_t)st.st_size;
		return 0;
	}
	return ftp_error_set(err, code,
		"%s/%s[.gz]: %s; expected the IDX files of a data set there", dir, name,
		strerror(code));
}

int ftp_idx_open(
	struct ftp_idx *idx, const char *dir, const char *name, int n_dims, struct ftp_error *err)
{
	uint64_t file_bytes = 0;
	gzFile f;
	int rc;

	ftp_assert(n_dims >= 1 && n_dims <= FTP_IDX_MAX_DIMS);
	memset(idx, 0, sizeof(*idx));
	rc = find(idx, dir, name, &file_bytes, err);
	if (rc)
		return rc;
	errno = ENOMEM; /* what gzopen() leaves when it is zlib that fails */
	f = gzopen(idx->path, "rbe");
	if (!f)
		return ftp_error_set(err, errno, "%s: %s", idx->path, strerror(errno));
	gzbuffer(f, 128 << 10);
	rc = read_file(idx, f, n_dims, file_bytes, err);
	gzclose_r(f);
	if (rc)
		ftp_idx_close(idx);
	return rc;
}

void ftp_idx_close(struct ftp_idx *idx)
{
	free(idx->values);
	idx->values = NULL;
}
