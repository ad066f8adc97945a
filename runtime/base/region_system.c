#include "runtime/base/region_pages.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/base/region.h"

/* The system allocator needs no state; a region is told apart by its budget alone. */
int ftp_region_pages_new(struct ftp_region_pages **out, size_t budget_bytes, struct ftp_error *err)
{
	(void)budget_bytes;
	(void)err;
	*out = NULL;
	return 0;
}

void ftp_region_pages_free(struct ftp_region_pages *p)
{
	(void)p;
}

void *ftp_region_pages_alloc(struct ftp_region_pages *p, size_t bytes)
{
	void *memory = aligned_alloc(FTP_REGION_ALIGN, bytes);

	(void)p;
	if (memory)
		memset(memory, 0, bytes);
	return memory;
}

void ftp_region_pages_release(struct ftp_region_pages *p, void *memory, size_t bytes)
{
	(void)p;
	(void)bytes;
	free(memory);
}

void ftp_region_pages_trim(struct ftp_region_pages *p)
{
	(void)p;
}
