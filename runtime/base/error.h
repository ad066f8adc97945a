/* Errors and invariants.
 *
 * Return values come in three kinds. 0: done. Negative errno: fatal for this operation, forwarded
 * unchanged, explained once in a struct ftp_error at its origin. Positive: an outcome that the
 * function documents and its direct caller handles. A broken invariant aborts in every build type.
 *
 * Any thread. No locks, no allocation.
 */
#ifndef FTP_BASE_ERROR_H
#define FTP_BASE_ERROR_H

/* The readable side of a negative errno: names the file, line or field, says what was expected and
 * what to do. Owned by the caller; every ftp_error_set() replaces the text. */
struct ftp_error {
	char text[768];
};

/* Formats the text and returns -errnum (errnum is positive). err may be NULL: then only the code
 * travels. Too long a text is cut, never overrun. */
int ftp_error_set(struct ftp_error *err, int errnum, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Puts "prefix: " before the text that is there, and returns code unchanged. */
int ftp_error_prefix(struct ftp_error *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

_Noreturn void ftp_assert_failed(const char *expr, const char *file, int line);

/* Holds in every build type: a dead worker is a fault that the cluster recovers from, a corrupt one
 * is not. */
#define ftp_assert(expr) ((expr) ? (void)0 : ftp_assert_failed(#expr, __FILE__, __LINE__))

#endif
