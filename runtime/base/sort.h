/* Sorts in place and calls nobody but order(): qsort() of the C library allocates from 1 KB on,
 * which the compute path must not (heapsort; equal elements in any order). Any thread. */
#ifndef FTP_BASE_SORT_H
#define FTP_BASE_SORT_H

#include <stddef.h>

#define FTP_SORT_MAX_BYTES 64 /* of an element */

/* order as for qsort(). */
void ftp_sort(void *elements, size_t n, size_t bytes, int (*order)(const void *, const void *));

#endif
