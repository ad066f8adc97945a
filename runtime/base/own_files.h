/* A table of open files for the calling thread alone. The kernel ends a killed process thread by
 * thread, and the last one frees the memory before it closes the files that all share: tens of
 * milliseconds on busy cores, in which a peer sees a connection that lives. What a thread has for
 * itself is closed when that thread ends, at once. */
#ifndef FTP_BASE_OWN_FILES_H
#define FTP_BASE_OWN_FILES_H

#include "runtime/base/error.h"

/* The thread has standard input, output and error from now on, those to keep (n <= 8, open, in any
 * order), and what it opens itself; the process's other threads still have all they had, and
 * nothing of that. A descriptor's number means the same only where both have kept it. Negative
 * errno: it shares the process's table as before. */
int ftp_own_files(const int *keep, int n, struct ftp_error *err);

#endif
