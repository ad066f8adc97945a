#include "ctl/protocol_fields.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/digest.h"

struct codec {
	const char *expected;
	bool is_number;
	uint64_t limit; /* largest number of the type; 0: none */
	json_t *(*encode)(const struct ftp_field *f, const void *p);
	bool (*decode)(const struct ftp_field *f, void *p, const json_t *j);
};

static json_t *number_encode(uint64_t v)
{
	ftp_assert(v <= INT64_MAX);
	return json_integer((json_int_t)v);
}

static bool number_decode(const json_t *j, uint64_t limit, uint64_t bound, uint64_t *v)
{
	json_int_t n = json_integer_value(j);

	if (!json_is_integer(j) || n < 0 || (uint64_t)n > (bound ? bound : limit))
		return false;
	*v = (uint64_t)n;
	return true;
}

#define NUMBER_CODEC(type, limit)                                                                  \
	static json_t *type##_encode(const struct ftp_field *f, const void *p)                     \
	{                                                                                          \
		(void)f;                                                                           \
		return number_encode((uint64_t) * (const type *)p);                                \
	}                                                                                          \
	static bool type##_decode(const struct ftp_field *f, void *p, const json_t *j)             \
	{                                                                                          \
		uint64_t v;                                                                        \
                                                                                                   \
		if (!number_decode(j, limit, f->bound, &v))                                        \
			return false;                                                              \
		*(type *)p = (type)v;                                                              \
		return true;                                                                       \
	}

NUMBER_CODEC(uint16_t, UINT16_MAX)
NUMBER_CODEC(uint32_t, UINT32_MAX)
NUMBER_CODEC(uint64_t, INT64_MAX)
NUMBER_CODEC(int64_t, INT64_MAX)

static bool hex_decode(const char *text, size_t n, uint64_t *v)
{
	*v = 0;
	for (size_t i = 0; i < n; i++) {
		const char *digits = "0123456789abcdef",
			   *at = text[i] ? strchr(digits, text[i]) : NULL;

		if (!at)
			return false;
		*v = *v << 4 | (uint64_t)(at - digits);
	}
	return true;
}

static json_t *hex64_encode(const struct ftp_field *f, const void *p)
{
	char text[17];

	(void)f;
	snprintf(text, sizeof(text), "%016" PRIx64, *(const uint64_t *)p);
	return json_string(text);
}

static bool hex64_decode(const struct ftp_field *f, void *p, const json_t *j)
{
	(void)f;
	return json_string_length(j) == 16 && hex_decode(json_string_value(j), 16, p);
}

static json_t *digest_encode(const struct ftp_field *f, const void *p)
{
	char text[FTP_DIGEST_HEX];

	(void)f;
	ftp_digest_hex(*(const struct ftp_digest *)p, text);
	return json_string(text);
}

static bool digest_decode(const struct ftp_field *f, void *p, const json_t *j)
{
	const char *text = json_string_value(j);
	struct ftp_digest *d = p;

	(void)f;
	return json_string_length(j) == 32 && hex_decode(text, 16, &d->high) &&
	       hex_decode(text + 16, 16, &d->low);
}

static json_t *text_encode(const struct ftp_field *f, const void *p)
{
	json_t *j = json_string(p);
	char copy[1024];

	if (j)
		return j;
	/* Not UTF-8: from outside, or cut in the middle of a character. */
	ftp_assert(f->bound <= sizeof(copy));
	snprintf(copy, sizeof(copy), "%s", (const char *)p);
	for (char *c = copy; *c; c++)
		if (*c & 0x80)
			*c = '?';
	return json_string(copy);
}

static bool text_decode(const struct ftp_field *f, void *p, const json_t *j)
{
	size_t n = json_string_length(j);

	if (!json_is_string(j) || n >= f->bound || strlen(json_string_value(j)) != n)
		return false;
	memcpy(p, json_string_value(j), n + 1);
	return true;
}

static json_t *seconds_encode(const struct ftp_field *f, const void *p)
{
	(void)f;
	return json_real(*(const double *)p);
}

static bool seconds_decode(const struct ftp_field *f, void *p, const json_t *j)
{
	double v = json_number_value(j);

	if (!json_is_number(j) || !(v >= 0) || (f->bound && v > (double)f->bound))
		return false;
	*(double *)p = v;
	return true;
}

static json_t *loss_encode(const struct ftp_field *f, const void *p)
{
	double v = *(const double *)p;

	(void)f;
	if (isfinite(v))
		return json_real(v);
	return json_string(isnan(v) ? "nan" : v > 0 ? "inf" : "-inf");
}

static bool loss_decode(const struct ftp_field *f, void *p, const json_t *j)
{
	static const struct {
		const char *text;
		double value;
	} special[] = {{"nan", NAN}, {"inf", INFINITY}, {"-inf", -INFINITY}};
	const char *text = json_string_value(j);
	double *v = p;

	(void)f;
	if (json_is_number(j)) {
		*v = json_number_value(j);
		return true;
	}
	for (size_t i = 0; text && i < sizeof(special) / sizeof(*special); i++) {
		if (!strcmp(text, special[i].text)) {
			*v = special[i].value;
			return true;
		}
	}
	return false;
}

static const struct codec codecs[FTP_N_FIELD_KINDS] = {
	[FTP_FIELD_U16] = {"an integer", true, UINT16_MAX, uint16_t_encode, uint16_t_decode},
	[FTP_FIELD_U32] = {"an integer", true, UINT32_MAX, uint32_t_encode, uint32_t_decode},
	[FTP_FIELD_U64] = {"an integer", true, INT64_MAX, uint64_t_encode, uint64_t_decode},
	[FTP_FIELD_I64] = {"an integer", true, INT64_MAX, int64_t_encode, int64_t_decode},
	[FTP_FIELD_HEX64] = {"16 lower-case hex digits", false, 0, hex64_encode, hex64_decode},
	[FTP_FIELD_DIGEST] = {"32 lower-case hex digits", false, 0, digest_encode, digest_decode},
	[FTP_FIELD_TEXT] = {"a string that fits", false, 0, text_encode, text_decode},
	[FTP_FIELD_SECONDS] = {"a number", true, 0, seconds_encode, seconds_decode},
	[FTP_FIELD_LOSS] = {"a number, \"nan\", \"inf\" or \"-inf\"", false, 0, loss_encode,
		loss_decode},
	[FTP_FIELD_OBJECTS] = {"an array within bounds", false, 0, NULL, NULL},
	[FTP_FIELD_VALUES] = {"an array within bounds", false, 0, NULL, NULL},
};

/* What was expected at that place, and what there is. */
static int refuse(const struct ftp_field *f, enum ftp_field_kind kind, const char *at,
	const json_t *j, struct ftp_error *err)
{
	const struct codec *c = &codecs[kind];
	uint64_t most = f->bound ? f->bound : c->limit;
	char got[32] = "";

	if (!c->is_number)
		return ftp_error_set(err, EINVAL, "%s: expected %s", at, c->expected);
	if (json_is_integer(j))
		snprintf(got, sizeof(got), ", got %" JSON_INTEGER_FORMAT, json_integer_value(j));
	else if (json_is_real(j))
		snprintf(got, sizeof(got), ", got %g", json_real_value(j));
	if (!most)
		return ftp_error_set(
			err, EINVAL, "%s: expected %s of at least 0%s", at, c->expected, got);
	return ftp_error_set(
		err, EINVAL, "%s: expected %s from 0 to %" PRIu64 "%s", at, c->expected, most, got);
}

static bool is_array(const struct ftp_field *f)
{
	return f->kind == FTP_FIELD_OBJECTS || f->kind == FTP_FIELD_VALUES;
}

static json_t *array_encode(const struct ftp_field *f, const char *m)
{
	uint32_t n = *(const uint32_t *)(m + f->count_offset);
	json_t *array = json_array();

	ftp_assert(n <= f->max_count);
	for (uint32_t i = 0; i < n; i++) {
		const char *p = m + f->offset + i * f->stride_bytes;

		json_array_append_new(array, f->kind == FTP_FIELD_OBJECTS
						     ? ftp_protocol_fields_encode(f->table, p)
						     : codecs[f->element_kind].encode(f, p));
	}
	return array;
}

json_t *ftp_protocol_fields_encode(const struct ftp_field *table, const void *m)
{
	json_t *j = json_object();

	for (const struct ftp_field *f = table; f->name; f++)
		json_object_set_new(j, f->name,
			is_array(f) ? array_encode(f, m)
				    : codecs[f->kind].encode(f, (const char *)m + f->offset));
	return j;
}

static bool sets_count(const struct ftp_field *table, const struct ftp_field *f)
{
	for (const struct ftp_field *g = table; g < f; g++)
		if (is_array(g) && g->count_offset == f->count_offset)
			return false;
	return true;
}

static int array_decode(const struct ftp_field *table, const struct ftp_field *f, char *m,
	const json_t *array, struct ftp_error *err)
{
	uint32_t *count = (uint32_t *)(m + f->count_offset);
	size_t n = json_array_size(array);
	char at[64];

	if (!json_is_array(array) || n > f->max_count)
		return ftp_error_set(
			err, EINVAL, "%s: expected an array of at most %u", f->name, f->max_count);
	if (sets_count(table, f))
		*count = (uint32_t)n;
	if (*count != n)
		return ftp_error_set(
			err, EINVAL, "%s: expected %u elements, got %zu", f->name, *count, n);
	for (size_t i = 0; i < n; i++) {
		const json_t *j = json_array_get(array, i);
		char *p = m + f->offset + i * f->stride_bytes;

		if (f->kind == FTP_FIELD_OBJECTS) {
			int rc = ftp_protocol_fields_decode(f->table, p, j, err);

			if (rc)
				return ftp_error_prefix(err, rc, "%s[%zu]", f->name, i);
		} else if (!codecs[f->element_kind].decode(f, p, j)) {
			snprintf(at, sizeof(at), "%s[%zu]", f->name, i);
			return refuse(f, f->element_kind, at, j, err);
		}
	}
	return 0;
}

int ftp_protocol_fields_decode(
	const struct ftp_field *table, void *m, const json_t *j, struct ftp_error *err)
{
	if (!json_is_object(j))
		return ftp_error_set(err, EINVAL, "expected an object");
	for (const struct ftp_field *f = table; f->name; f++) {
		const json_t *value = json_object_get(j, f->name);
		int rc;

		if (!value)
			return ftp_error_set(err, EINVAL, "%s: missing", f->name);
		if (is_array(f)) {
			rc = array_decode(table, f, m, value, err);
			if (rc)
				return rc;
		} else if (!codecs[f->kind].decode(f, (char *)m + f->offset, value)) {
			return refuse(f, f->kind, f->name, value, err);
		}
	}
	return 0;
}
