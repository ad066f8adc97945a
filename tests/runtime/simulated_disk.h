/* A disk in memory that loses power. What was written and not synced may be there afterwards or
 * not, sector by sector, in any order; so may files that were created or removed. A sync covers
 * what had completed when it was submitted, no more. Completions come in any order, drawn from a
 * seed. One thread at a time, but where it says otherwise.
 *
 * Faults: any operation by its number, errors, short writes, a full disk, late completions; and
 * switches that leave out one kind of sync, with which a protocol must be seen to fail. */
#ifndef FTP_TESTS_SIMULATED_DISK_H
#define FTP_TESTS_SIMULATED_DISK_H

#include <errno.h>

#include "runtime/disk.h"

#define SIMULATED_SECTOR 512

struct simulated_disk; /* opaque */

enum simulated_fault_kind {
	SIMULATED_NONE,
	SIMULATED_FAILS, /* with `error`, and has done nothing */
	SIMULATED_TEARS, /* with `error`; some of its sectors were written all the same */
	SIMULATED_LOSES, /* a sync fails, and what it should have covered will never be durable */
	SIMULATED_DOES,	 /* with `error`, but has done everything */
	SIMULATED_IS_SHORT, /* half of the blocks, at least a part of one */
	SIMULATED_IS_SLOW,  /* completes only when nothing else does */
	SIMULATED_HANGS,    /* completes only when there is no such fault any more */
};

struct simulated_fault {
	enum simulated_fault_kind kind;
	uint64_t first, n; /* operations, numbered from 0 as submitted */
	int error;	   /* positive errno */
};

/* Kinds of sync that do nothing and say they did. */
enum {
	SIMULATED_NO_SEGMENT_SYNC = 1,
	SIMULATED_NO_MANIFEST_SYNC = 2,
	SIMULATED_NO_DIRECTORY_SYNC = 4,
};

struct simulated_disk *simulated_disk_new(uint64_t seed);
void simulated_disk_free(struct simulated_disk *d);
struct ftp_disk *simulated_disk_seam(struct simulated_disk *d);

void simulated_disk_fault(struct simulated_disk *d, struct simulated_fault fault);
void simulated_disk_mend(struct simulated_disk *d); /* no fault any more; any thread */
void simulated_disk_capacity(struct simulated_disk *d, uint64_t bytes); /* 0: no limit */
void simulated_disk_leave_out(struct simulated_disk *d, unsigned syncs);
uint64_t simulated_disk_n_ops(const struct simulated_disk *d);
uint64_t simulated_disk_bytes(const struct simulated_disk *d); /* of all files, as they are now */

/* All operations from now on; those that fail: with EIO. */
static inline void simulated_disk_from_now_on(
	struct simulated_disk *d, enum simulated_fault_kind kind)
{
	simulated_disk_fault(d, (struct simulated_fault){.kind = kind,
					.first = simulated_disk_n_ops(d),
					.n = UINT64_MAX / 2,
					.error = EIO});
}

/* What a power cut now would leave to chance: sectors that differ from what is durable, creations,
 * removals. */
uint32_t simulated_disk_n_pending(const struct simulated_disk *d);

/* Another disk, after a power cut now: of what is pending, item i has happened if happened[i]. */
struct simulated_disk *simulated_disk_after_cut(
	const struct simulated_disk *d, const bool *happened, uint64_t seed);

/* Another disk as a new process finds it after this one was killed: everything is there, nothing
 * more is durable. */
struct simulated_disk *simulated_disk_after_kill(const struct simulated_disk *d, uint64_t seed);

/* Bit rot. */
void simulated_disk_flip(struct simulated_disk *d, const char *name, uint64_t bit);
/* Its size; 0: no such file. *bytes gets what it holds (free() it). */
uint64_t simulated_disk_file(const struct simulated_disk *d, const char *name, uint8_t **bytes);
void simulated_disk_remove(struct simulated_disk *d, const char *name);
void simulated_disk_put_file(
	struct simulated_disk *d, const char *name, const void *data, uint64_t bytes);

#endif
