/* Fields of JSON documents that come from another process: absent, null or of another type is 0 or
 * "". Any thread; the document is lent. */
#ifndef FTP_CTL_DOCUMENT_H
#define FTP_CTL_DOCUMENT_H

#include <jansson.h>
#include <stdbool.h>

/* Lives as long as the document. */
const char *ftp_document_text(const json_t *j, const char *key);

json_int_t ftp_document_integer(const json_t *j, const char *key);

/* A number that JSON has none for ("nan", "inf") is a text there. false: null or absent. */
bool ftp_document_number(const json_t *j, const char *key, double *v);

/* The same, 0 where there is none. */
double ftp_document_number_or_0(const json_t *j, const char *key);

/* The element of an array of objects whose key is that text; NULL: none. */
json_t *ftp_document_find(const json_t *array, const char *key, const char *text);

#endif
