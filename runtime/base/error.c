#include "runtime/base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int ftp_error_set(struct ftp_error *err, int errnum, const char *fmt, ...)
{
	va_list ap;

	ftp_assert(errnum > 0);
	if (err) {
		va_start(ap, fmt);
		vsnprintf(err->text, sizeof(err->text), fmt, ap);
		va_end(ap);
	}
	return -errnum;
}

int ftp_error_prefix(struct ftp_error *err, int code, const char *fmt, ...)
{
	char text[sizeof(err->text)];
	va_list ap;
	size_t n;

	if (!err)
		return code;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	n = strlen(text);
	snprintf(text + n, sizeof(text) - n, ": %s", err->text);
	memcpy(err->text, text, sizeof(text));
	return code;
}

void ftp_assert_failed(const char *expr, const char *file, int line)
{
	fprintf(stderr, "<2>%s:%d: broken invariant: %s\n", file, line, expr);
	abort();
}
