#include "runtime/base/huge.h"

#include <stdlib.h>
#include <sys/mman.h>

#define HUGE_BYTES ((size_t)2 << 20)

void *ftp_huge_alloc(size_t bytes)
{
	size_t rounded = (bytes + HUGE_BYTES - 1) & ~(HUGE_BYTES - 1);
	void *p;

	if (bytes < HUGE_BYTES)
		return malloc(bytes);
	p = aligned_alloc(HUGE_BYTES, rounded);
	if (p)
		madvise(p, rounded, MADV_HUGEPAGE); /* else small ones do */
	return p;
}
