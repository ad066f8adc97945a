#include "ctl/document.h"

#include <stdlib.h>
#include <string.h>

const char *ftp_document_text(const json_t *j, const char *key)
{
	const char *text = json_string_value(json_object_get(j, key));

	return text ? text : "";
}

json_int_t ftp_document_integer(const json_t *j, const char *key)
{
	return json_integer_value(json_object_get(j, key));
}

bool ftp_document_number(const json_t *j, const char *key, double *v)
{
	const json_t *value = json_object_get(j, key);

	*v = json_is_string(value) ? strtod(json_string_value(value), NULL)
				   : json_number_value(value);
	return value && !json_is_null(value);
}

double ftp_document_number_or_0(const json_t *j, const char *key)
{
	double v;

	ftp_document_number(j, key, &v);
	return v;
}

json_t *ftp_document_find(const json_t *array, const char *key, const char *text)
{
	for (size_t i = 0; i < json_array_size(array); i++) {
		json_t *j = json_array_get(array, i);

		if (!strcmp(ftp_document_text(j, key), text))
			return j;
	}
	return NULL;
}
