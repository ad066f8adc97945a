/* The tensor region: one budgeted piece of address space from which every tensor of a node comes,
 * so that any tensor may be handed to any packet port and heap use is visible per region.
 *
 * Allocation by jemalloc, in an arena of its own whose extent hooks carve the region; transparent
 * huge pages are asked for. Sanitizer builds use the system allocator with the same budget.
 * Allocate when a stage is built, never on the compute path. Any thread.
 *
 * Pages once used stay with the region until nothing is allocated any more, as a stage is built
 * beside the one that it replaces, and finding pages can take longer than all the rest: a virtual
 * machine was seen to need 2 us for each that its host had taken back.
 */
#ifndef FTP_BASE_REGION_H
#define FTP_BASE_REGION_H

#include <stddef.h>

#include "runtime/base/error.h"

#define FTP_REGION_ALIGN     64 /* bytes; every allocation starts on a cache line and is zeroed */
#define FTP_REGION_MAX_BYTES ((size_t)1 << 44)

struct ftp_region; /* opaque */

/* budget_bytes bounds the sum of all allocations, each rounded up to FTP_REGION_ALIGN. -EINVAL,
 * -ENOMEM with have and need in err. */
int ftp_region_new(struct ftp_region **out, size_t budget_bytes, struct ftp_error *err);
void ftp_region_free(struct ftp_region *r); /* asserts that nothing is allocated */

/* Zeroed, FTP_REGION_ALIGN-aligned; NULL when the budget does not allow it. The caller owns it and
 * gives it back with ftp_region_release() of the same region. */
void *ftp_region_alloc(struct ftp_region *r, size_t bytes);
void ftp_region_release(struct ftp_region *r, void *p, size_t bytes);

/* Finds pages for so many bytes now, within the budget, so that a later allocation has them. */
void ftp_region_warm(struct ftp_region *r, size_t bytes);

size_t ftp_region_used_bytes(const struct ftp_region *r);
size_t ftp_region_budget_bytes(const struct ftp_region *r);

#endif
