#include "runtime/base/region.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/region_pages.h"

#define PAGE_BYTES 4096

struct ftp_region {
	size_t budget_bytes;
	_Atomic size_t used_bytes;
	struct ftp_region_pages *pages;
};

/* What an allocation costs the budget: the same with either allocator. */
static size_t charge_of(size_t bytes)
{
	if (!bytes)
		bytes = 1;
	return (bytes + FTP_REGION_ALIGN - 1) & ~(size_t)(FTP_REGION_ALIGN - 1);
}

int ftp_region_new(struct ftp_region **out, size_t budget_bytes, struct ftp_error *err)
{
	struct ftp_region *r;
	int rc;

	if (budget_bytes < FTP_REGION_ALIGN || budget_bytes > FTP_REGION_MAX_BYTES)
		return ftp_error_set(err, EINVAL,
			"a tensor region of %zu bytes: expected %d to %zu; set nodes[].memory",
			budget_bytes, FTP_REGION_ALIGN, (size_t)FTP_REGION_MAX_BYTES);
	r = calloc(1, sizeof(*r));
	ftp_assert(r);
	r->budget_bytes = budget_bytes;
	rc = ftp_region_pages_new(&r->pages, budget_bytes, err);
	if (rc) {
		free(r);
		return rc;
	}
	*out = r;
	return 0;
}

void ftp_region_free(struct ftp_region *r)
{
	if (!r)
		return;
	ftp_assert(ftp_region_used_bytes(r) == 0);
	ftp_region_pages_free(r->pages);
	free(r);
}

void *ftp_region_alloc(struct ftp_region *r, size_t bytes)
{
	size_t used, charge;
	void *p;

	if (bytes > r->budget_bytes)
		return NULL;
	charge = charge_of(bytes);
	used = atomic_load_explicit(&r->used_bytes, memory_order_relaxed);
	do {
		if (charge > r->budget_bytes - used)
			return NULL;
	} while (!atomic_compare_exchange_weak(&r->used_bytes, &used, used + charge));
	p = ftp_region_pages_alloc(r->pages, charge);
	if (!p)
		atomic_fetch_sub(&r->used_bytes, charge);
	return p;
}

void ftp_region_release(struct ftp_region *r, void *p, size_t bytes)
{
	size_t charge = charge_of(bytes), used;

	if (!p)
		return;
	ftp_region_pages_release(r->pages, p, charge);
	used = atomic_fetch_sub(&r->used_bytes, charge);
	ftp_assert(used >= charge);
	if (used == charge)
		ftp_region_pages_trim(r->pages);
}

void ftp_region_warm(struct ftp_region *r, size_t bytes)
{
	unsigned char *p = ftp_region_alloc(r, bytes);

	for (size_t i = 0; p && i < bytes; i += PAGE_BYTES)
		*(volatile unsigned char *)(p + i) = 0;
	ftp_region_release(r, p, bytes);
}

size_t ftp_region_used_bytes(const struct ftp_region *r)
{
	return atomic_load_explicit(&r->used_bytes, memory_order_relaxed);
}

size_t ftp_region_budget_bytes(const struct ftp_region *r)
{
	return r->budget_bytes;
}
