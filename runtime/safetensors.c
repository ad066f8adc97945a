#include "runtime/safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <libgen.h>
#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DATA_ALIGN 8 /* the format asks that the data begin on this boundary */

static void add_number(json_t *j, const char *key, float value)
{
	char text[32];

	if (isnan(value))
		return;
	snprintf(text, sizeof(text), "%.9g", (double)value);
	json_object_set_new(j, key, json_string(text));
}

static json_t *metadata(const struct ftp_model *m, const struct ftp_safetensors_info *info)
{
	json_t *j = json_pack("{s:s, s:s, s:s, s:s}", "format", "pt", "ftpipe", FTP_VERSION,
		"model", m->name, "params_digest", info->params_digest);

	ftp_assert(j);
	add_number(j, "input_mean", info->input_mean);
	add_number(j, "input_std", info->input_std);
	if (info->more)
		json_object_update(j, (json_t *)info->more);
	return j;
}

static json_t *describe(const struct ftp_tensor *t, uint64_t begin, uint64_t end)
{
	json_t *dims = json_array();

	for (int32_t i = 0; i < t->n_dims; i++)
		json_array_append_new(dims, json_integer(t->dims[i]));
	return json_pack("{s:s, s:o, s:[I, I]}", "dtype", "F32", "shape", dims, "data_offsets",
		(json_int_t)begin, (json_int_t)end);
}

/* The header, padded with blanks; free() it. */
static char *header_text(
	const struct ftp_model *m, const struct ftp_safetensors_info *info, uint64_t *bytes)
{
	json_t *header = json_object();
	uint64_t offset = 0;
	char *text, *padded;
	size_t n;

	json_object_set_new(header, "__metadata__", metadata(m, info));
	for (int32_t u = 0; u < m->n_units; u++)
		for (int32_t i = 0; i < m->units[u].n_tensors; i++) {
			const struct ftp_tensor *t = &m->units[u].tensors[i];
			uint64_t end = offset + t->n_elements * sizeof(float);

			ftp_assert(!json_object_get(header, t->name));
			json_object_set_new(header, t->name, describe(t, offset, end));
			offset = end;
		}
	text = json_dumps(header, JSON_COMPACT);
	json_decref(header);
	ftp_assert(text);
	n = strlen(text);
	*bytes = (n + DATA_ALIGN - 1) & ~(uint64_t)(DATA_ALIGN - 1);
	padded = malloc(*bytes + 1);
	ftp_assert(padded);
	snprintf(padded, *bytes + 1, "%-*s", (int)*bytes, text);
	free(text);
	return padded;
}

static void write_content(FILE *f, const struct ftp_model *m, const void *const *states,
	const struct ftp_safetensors_info *info)
{
	uint64_t bytes;
	char *header = header_text(m, info, &bytes);

	fwrite(&bytes, sizeof(bytes), 1, f);
	fwrite(header, bytes, 1, f);
	free(header);
	for (int32_t u = 0; u < m->n_units; u++)
		for (int32_t i = 0; i < m->units[u].n_tensors; i++) {
			const struct ftp_tensor *t = &m->units[u].tensors[i];

			fwrite((const char *)states[u] + t->offset_bytes, sizeof(float),
				t->n_elements, f);
		}
}

/* A rename is durable only when its directory is. */
static int sync_directory_of(const char *path)
{
	char copy[PATH_MAX];
	int fd, rc;

	snprintf(copy, sizeof(copy), "%s", path);
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	rc = fsync(fd) ? -errno : 0;
	close(fd);
	return rc;
}

/* 0 or -errno of the first step that failed. */
static int write_file(const char *path, const struct ftp_model *m, const void *const *states,
	const struct ftp_safetensors_info *info)
{
	FILE *f = fopen(path, "we");
	int rc;

	if (!f)
		return -errno;
	errno = 0;
	write_content(f, m, states, info);
	rc = fflush(f) || ferror(f) || fsync(fileno(f)) ? -(errno ? errno : EIO) : 0;
	if (fclose(f) && !rc)
		rc = -errno;
	return rc;
}

int ftp_safetensors_write(const char *path, const struct ftp_model *m, const void *const *states,
	const struct ftp_safetensors_info *info, struct ftp_error *err)
{
	char temporary[PATH_MAX];
	int rc;

	if (snprintf(temporary, sizeof(temporary), "%s.tmp", path) >= (int)sizeof(temporary))
		return ftp_error_set(err, ENAMETOOLONG, "%s: the path is too long", path);
	rc = write_file(temporary, m, states, info);
	if (!rc && rename(temporary, path))
		rc = -errno;
	if (!rc)
		rc = sync_directory_of(path);
	if (rc) {
		unlink(temporary);
		return ftp_error_set(
			err, -rc, "%s: the model cannot be written: %s", path, strerror(-rc));
	}
	return 0;
}
