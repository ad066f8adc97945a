/* Documents described by tables: one row per field, read by one encoder and one bounded decoder.
 * Pure; any thread. */
#ifndef FTP_CTL_PROTOCOL_FIELDS_H
#define FTP_CTL_PROTOCOL_FIELDS_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/error.h"

enum ftp_field_kind {
	FTP_FIELD_U16,
	FTP_FIELD_U32,
	FTP_FIELD_U64,	   /* a JSON integer, at most 2^63 - 1 */
	FTP_FIELD_I64,	   /* not negative */
	FTP_FIELD_HEX64,   /* uint64_t as 16 hex digits */
	FTP_FIELD_DIGEST,  /* struct ftp_digest as 32 hex digits */
	FTP_FIELD_TEXT,	   /* char[bound], always ended by 0 */
	FTP_FIELD_SECONDS, /* double, finite, not negative */
	FTP_FIELD_LOSS,	   /* double; not finite: "nan", "inf" or "-inf" */
	FTP_FIELD_OBJECTS, /* array of object.table */
	FTP_FIELD_VALUES,  /* array of element_kind */
	FTP_N_FIELD_KINDS,
};

struct ftp_field {
	const char *name; /* NULL ends a table */
	enum ftp_field_kind kind;
	size_t offset;
	uint64_t bound; /* largest number (0: the type's), of each element; or bytes of a text */
	/* Arrays: the uint32_t at count_offset counts the elements; arrays that share it have the
	 * same length, the first row of them sets it. */
	size_t count_offset;
	uint32_t max_count;
	size_t stride_bytes;
	enum ftp_field_kind element_kind;
	const struct ftp_field *table;
};

json_t *ftp_protocol_fields_encode(const struct ftp_field *table, const void *m);

/* Unknown fields are ignored, so that fields may be added. -EINVAL: err names the field's path. */
int ftp_protocol_fields_decode(
	const struct ftp_field *table, void *m, const json_t *j, struct ftp_error *err);

#endif
