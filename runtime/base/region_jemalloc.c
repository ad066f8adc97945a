#include "runtime/base/region_pages.h"

#include <errno.h>
#include <jemalloc/jemalloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "runtime/base/region.h"

#define HUGE_BYTES ((size_t)2 << 20)
/* Address space is free, fragments are not: an arena over twice the budget never fails while the
 * budget holds, because jemalloc rounds large sizes up by at most a quarter. The rest is for its
 * own metadata and for the first extents of each size class. */
#define RESERVE_FACTOR	   2
#define RESERVE_MORE_BYTES ((size_t)256 << 20)

/* The range is reserved without access and opened from its start as the arena grows; what the
 * arena gave back stays with it (jemalloc "retains" it) after its pages went back to the system. */
struct ftp_region_pages {
	extent_hooks_t hooks; /* first: the hooks get its address */
	pthread_mutex_t lock; /* guards opened_bytes */
	unsigned char *base;
	size_t reserved_bytes, opened_bytes;
	unsigned arena;
	int flags; /* for mallocx */
};

static void *extent_alloc(extent_hooks_t *hooks, void *new_addr, size_t bytes, size_t alignment,
	bool *zero, bool *commit, unsigned arena)
{
	struct ftp_region_pages *p = (struct ftp_region_pages *)hooks;
	uintptr_t end = (uintptr_t)p->base + p->reserved_bytes;
	uintptr_t at, opened;
	void *got = NULL;

	(void)arena;
	pthread_mutex_lock(&p->lock);
	opened = (uintptr_t)p->base + p->opened_bytes;
	at = (opened + alignment - 1) & ~(uintptr_t)(alignment - 1);
	if (at <= end && bytes <= end - at && (!new_addr || at == (uintptr_t)new_addr) &&
		!mprotect((void *)opened, at + bytes - opened, PROT_READ | PROT_WRITE)) {
		p->opened_bytes = at + bytes - (uintptr_t)p->base;
		got = (void *)at;
		*zero = true;
		*commit = true;
	}
	pthread_mutex_unlock(&p->lock);
	return got;
}

static bool extent_dalloc(
	extent_hooks_t *hooks, void *addr, size_t bytes, bool committed, unsigned arena)
{
	(void)hooks;
	(void)addr;
	(void)bytes;
	(void)committed;
	(void)arena;
	return true; /* refused: the arena keeps the address range and purges its pages */
}

static bool extent_purge(extent_hooks_t *hooks, void *addr, size_t bytes, size_t offset,
	size_t length, unsigned arena)
{
	(void)hooks;
	(void)bytes;
	(void)arena;
	return madvise((unsigned char *)addr + offset, length, MADV_DONTNEED) != 0;
}

static bool extent_split(extent_hooks_t *hooks, void *addr, size_t bytes, size_t a, size_t b,
	bool committed, unsigned arena)
{
	(void)hooks;
	(void)addr;
	(void)bytes;
	(void)a;
	(void)b;
	(void)committed;
	(void)arena;
	return false; /* allowed: it is all one mapping */
}

static bool extent_merge(extent_hooks_t *hooks, void *a, size_t a_bytes, void *b, size_t b_bytes,
	bool committed, unsigned arena)
{
	(void)hooks;
	(void)a;
	(void)a_bytes;
	(void)b;
	(void)b_bytes;
	(void)committed;
	(void)arena;
	return false;
}

static int arena_control(
	const struct ftp_region_pages *p, const char *what, void *value, size_t bytes)
{
	char name[64];

	snprintf(name, sizeof(name), "arena.%u.%s", p->arena, what);
	return mallctl(name, NULL, NULL, value, bytes);
}

static int open_arena(struct ftp_region_pages *p, struct ftp_error *err)
{
	extent_hooks_t *hooks = &p->hooks;
	size_t bytes = sizeof(p->arena);
	ssize_t never = -1;
	int rc;

	rc = mallctl("arenas.create", &p->arena, &bytes, &hooks, sizeof(hooks));
	if (rc)
		return ftp_error_set(
			err, ENOMEM, "tensor region: no jemalloc arena: %s", strerror(rc));
	ftp_assert(!arena_control(p, "dirty_decay_ms", &never, sizeof(never)));
	ftp_assert(!arena_control(p, "muzzy_decay_ms", &never, sizeof(never)));
	p->flags = (int)(MALLOCX_ARENA(p->arena) | MALLOCX_TCACHE_NONE | MALLOCX_ZERO |
			 MALLOCX_ALIGN(FTP_REGION_ALIGN));
	return 0;
}

static int no_address_space(size_t bytes, struct ftp_error *err)
{
	struct rlimit limit;
	int code = errno;

	getrlimit(RLIMIT_AS, &limit);
	if (limit.rlim_cur == RLIM_INFINITY)
		return ftp_error_set(err, ENOMEM,
			"tensor region: need %zu MiB of address space: %s; lower nodes[].memory",
			bytes >> 20, strerror(code));
	return ftp_error_set(err, ENOMEM,
		"tensor region: need %zu MiB of address space, have %zu MiB (ulimit -v); lower "
		"nodes[].memory or raise the limit",
		bytes >> 20, (size_t)limit.rlim_cur >> 20);
}

int ftp_region_pages_new(struct ftp_region_pages **out, size_t budget_bytes, struct ftp_error *err)
{
	size_t bytes = (RESERVE_FACTOR * budget_bytes + RESERVE_MORE_BYTES + HUGE_BYTES - 1) &
		       ~(HUGE_BYTES - 1);
	struct ftp_region_pages *p = calloc(1, sizeof(*p));
	int rc;

	ftp_assert(p);
	p->base = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p->base == MAP_FAILED) {
		rc = no_address_space(bytes, err);
		free(p);
		return rc;
	}
	p->reserved_bytes = bytes;
	/* Advice: 3-8 % of a step, and page faults fall from 268,000 to 4,500. Without huge pages
	 * in the kernel it fails, and nothing else changes. */
	madvise(p->base, bytes, MADV_HUGEPAGE);
	pthread_mutex_init(&p->lock, NULL);
	p->hooks = (extent_hooks_t){
		.alloc = extent_alloc,
		.dalloc = extent_dalloc,
		.purge_forced = extent_purge,
		.split = extent_split,
		.merge = extent_merge,
	};
	rc = open_arena(p, err);
	if (rc) {
		munmap(p->base, bytes);
		pthread_mutex_destroy(&p->lock);
		free(p);
		return rc;
	}
	*out = p;
	return 0;
}

void ftp_region_pages_free(struct ftp_region_pages *p)
{
	/* The arena's own metadata lives in the range: it ends before the mapping does. */
	ftp_assert(!arena_control(p, "destroy", NULL, 0));
	munmap(p->base, p->reserved_bytes);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

void *ftp_region_pages_alloc(struct ftp_region_pages *p, size_t bytes)
{
	return mallocx(bytes, p->flags);
}

void ftp_region_pages_release(struct ftp_region_pages *p, void *memory, size_t bytes)
{
	(void)p;
	sdallocx(memory, bytes, MALLOCX_TCACHE_NONE | MALLOCX_ALIGN(FTP_REGION_ALIGN));
}

void ftp_region_pages_trim(struct ftp_region_pages *p)
{
	ftp_assert(!arena_control(p, "purge", NULL, 0));
}
