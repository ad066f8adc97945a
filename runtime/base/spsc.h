/* Single-producer single-consumer ring of fixed-size items, the only way in which the threads of a
 * node hand data to each other.
 *
 * Capacity is a power of two. push and pop never block, never allocate and never call the system;
 * the sleeper's doorbell is the caller's affair. One thread pushes, one thread pops. (Lamport 1983,
 * with each side's cached copy of the other's index.)
 */
#ifndef FTP_BASE_SPSC_H
#define FTP_BASE_SPSC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/error.h"

struct ftp_spsc {
	unsigned char *items;
	uint32_t item_bytes;
	uint32_t mask;
	_Alignas(64) _Atomic uint32_t head; /* next to pop; written by the consumer */
	uint32_t tail_seen;
	_Alignas(64) _Atomic uint32_t tail; /* next to push; written by the producer */
	uint32_t head_seen;
};

static inline void ftp_spsc_init(struct ftp_spsc *r, uint32_t n_items, uint32_t item_bytes)
{
	ftp_assert(n_items && !(n_items & (n_items - 1)));
	memset(r, 0, sizeof(*r));
	r->items = calloc(n_items, item_bytes);
	ftp_assert(r->items);
	r->item_bytes = item_bytes;
	r->mask = n_items - 1;
}

static inline void ftp_spsc_deinit(struct ftp_spsc *r)
{
	free(r->items);
	r->items = NULL;
}

/* For who pushes: the next push succeeds. */
static inline bool ftp_spsc_has_room(struct ftp_spsc *r)
{
	uint32_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);

	if (tail - r->head_seen > r->mask)
		r->head_seen = atomic_load_explicit(&r->head, memory_order_acquire);
	return tail - r->head_seen <= r->mask;
}

/* For who pushes: the next so many pushes succeed. */
static inline uint32_t ftp_spsc_room(struct ftp_spsc *r)
{
	r->head_seen = atomic_load_explicit(&r->head, memory_order_acquire);
	return r->mask + 1 - (atomic_load_explicit(&r->tail, memory_order_relaxed) - r->head_seen);
}

/* false: full. */
static inline bool ftp_spsc_push(struct ftp_spsc *r, const void *item)
{
	uint32_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);

	if (!ftp_spsc_has_room(r))
		return false;
	memcpy(r->items + (size_t)(tail & r->mask) * r->item_bytes, item, r->item_bytes);
	atomic_store_explicit(&r->tail, tail + 1, memory_order_release);
	return true;
}

/* false: empty. */
static inline bool ftp_spsc_pop(struct ftp_spsc *r, void *item)
{
	uint32_t head = atomic_load_explicit(&r->head, memory_order_relaxed);

	if (head == r->tail_seen) {
		r->tail_seen = atomic_load_explicit(&r->tail, memory_order_acquire);
		if (head == r->tail_seen)
			return false;
	}
	memcpy(item, r->items + (size_t)(head & r->mask) * r->item_bytes, r->item_bytes);
	atomic_store_explicit(&r->head, head + 1, memory_order_release);
	return true;
}

#endif
