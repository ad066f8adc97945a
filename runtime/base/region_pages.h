/* Where a region's memory comes from: a jemalloc arena over one reserved address range
 * (region_jemalloc.c), or the system allocator (region_system.c) in builds whose sanitizer wants to
 * see every allocation. Private to region.c, which keeps the budget. Any thread. */
#ifndef FTP_BASE_REGION_PAGES_H
#define FTP_BASE_REGION_PAGES_H

#include <stddef.h>

#include "runtime/base/error.h"

struct ftp_region_pages; /* opaque */

/* -ENOMEM with have and need in err. */
int ftp_region_pages_new(struct ftp_region_pages **out, size_t budget_bytes, struct ftp_error *err);
void ftp_region_pages_free(struct ftp_region_pages *p);

/* bytes is a multiple of FTP_REGION_ALIGN, not 0. Zeroed; NULL when there is no memory. */
void *ftp_region_pages_alloc(struct ftp_region_pages *p, size_t bytes);
void ftp_region_pages_release(struct ftp_region_pages *p, void *memory, size_t bytes);

/* Pages that were released go back to the system. */
void ftp_region_pages_trim(struct ftp_region_pages *p);

#endif
