/* First-in first-out queue of indices with fixed room. One owner. */
#ifndef FTP_NET_QUEUE_H
#define FTP_NET_QUEUE_H

#include <stdint.h>
#include <stdlib.h>

#include "runtime/base/error.h"

struct ftp_queue {
	uint32_t *items;
	uint32_t n, head, n_max;
};

static inline void ftp_queue_init(struct ftp_queue *q, uint32_t n_max)
{
	*q = (struct ftp_queue){.n_max = n_max, .items = calloc(n_max, sizeof(*q->items))};
	ftp_assert(q->items);
}

static inline void ftp_queue_deinit(struct ftp_queue *q)
{
	free(q->items);
	q->items = NULL;
}

static inline void ftp_queue_reset(struct ftp_queue *q)
{
	q->n = 0;
	q->head = 0;
}

static inline void ftp_queue_push(struct ftp_queue *q, uint32_t item)
{
	uint32_t tail = q->head + q->n;

	ftp_assert(q->n < q->n_max);
	q->items[tail < q->n_max ? tail : tail - q->n_max] = item;
	q->n++;
}

/* q is not empty. */
static inline uint32_t ftp_queue_first(const struct ftp_queue *q)
{
	return q->items[q->head];
}

static inline uint32_t ftp_queue_pop(struct ftp_queue *q)
{
	uint32_t item = q->items[q->head];

	ftp_assert(q->n);
	q->n--;
	if (++q->head == q->n_max)
		q->head = 0;
	return item;
}

#endif
