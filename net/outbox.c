#include "net/outbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/error.h"

static uint32_t n_words(uint32_t n_chunks)
{
	return (n_chunks + 63) / 64;
}

static void lost_init(struct ftp_outbox_lost *l, uint32_t n_max)
{
	uint32_t n = 4;

	while (n < n_max)
		n *= 2;
	*l = (struct ftp_outbox_lost){.mask = n - 1, .ring = calloc(n, sizeof(*l->ring))};
	ftp_assert(l->ring);
}

void ftp_outbox_init(struct ftp_outbox *o, uint32_t n_messages, uint32_t n_grants,
	uint32_t max_chunks, uint32_t max_lost)
{
	*o = (struct ftp_outbox){.n_messages = n_messages, .max_chunks = max_chunks};
	o->messages = calloc(n_messages, sizeof(*o->messages));
	o->bits = calloc((size_t)n_messages * n_words(max_chunks), sizeof(*o->bits));
	ftp_assert(o->messages && o->bits);
	ftp_idmap_init(&o->waiting, n_messages);
	ftp_idmap_init(&o->granted, n_grants);
	ftp_ranges_reset(&o->grants_seen, 0);
	ftp_queue_init(&o->free, n_messages);
	ftp_queue_init(&o->done, n_messages);
	for (int class = 0; class < FTP_OUTBOX_N_CLASSES; class ++) {
		ftp_queue_init(&o->fresh[class], n_messages);
		/* A class sends nothing fresh while something of it is lost, so that its lost
		 * chunks and those in flight together never exceed max_lost; probes add two. */
		lost_init(&o->lost[class], max_lost + 2);
	}
	for (uint32_t i = 0; i < n_messages; i++) {
		o->messages[i].acked = o->bits + (size_t)i * n_words(max_chunks);
		ftp_queue_push(&o->free, i);
	}
}

void ftp_outbox_deinit(struct ftp_outbox *o)
{
	free(o->messages);
	free(o->bits);
	ftp_idmap_deinit(&o->waiting);
	ftp_idmap_deinit(&o->granted);
	ftp_queue_deinit(&o->free);
	ftp_queue_deinit(&o->done);
	for (int class = 0; class < FTP_OUTBOX_N_CLASSES; class ++) {
		ftp_queue_deinit(&o->fresh[class]);
		free(o->lost[class].ring);
	}
}

static void release(struct ftp_outbox *o, uint32_t i)
{
	o->messages[i].state = FTP_OUTBOX_FREE;
	o->messages[i].generation++;
	ftp_queue_push(&o->free, i);
}

void ftp_outbox_reset(struct ftp_outbox *o)
{
	ftp_idmap_reset(&o->waiting);
	ftp_idmap_reset(&o->granted);
	ftp_ranges_reset(&o->grants_seen, 0);
	ftp_queue_reset(&o->free);
	ftp_queue_reset(&o->done);
	for (int class = 0; class < FTP_OUTBOX_N_CLASSES; class ++) {
		ftp_queue_reset(&o->fresh[class]);
		o->lost[class].head = o->lost[class].tail = 0;
	}
	for (uint32_t i = 0; i < o->n_messages; i++)
		release(o, i);
	o->chunk_bytes = 0;
}

void ftp_outbox_open(struct ftp_outbox *o, uint32_t chunk_bytes)
{
	o->chunk_bytes = chunk_bytes;
}

static void start(struct ftp_outbox *o, uint32_t i)
{
	struct ftp_outbox_message *m = &o->messages[i];

	m->n_chunks = (m->buffer->bytes - 1) / o->chunk_bytes + 1;
	ftp_assert(m->n_chunks <= o->max_chunks);
	m->n_unacked = m->n_chunks;
	m->next_chunk = 0;
	memset(m->acked, 0, n_words(m->n_chunks) * sizeof(*m->acked));
	m->state = FTP_OUTBOX_OPEN;
	ftp_queue_push(&o->fresh[m->class], i);
}

int ftp_outbox_send(struct ftp_outbox *o, const struct ftp_message_id *id, uint8_t class,
	struct ftp_buffer *buffer)
{
	struct ftp_outbox_message *m;
	uint32_t i, bytes;

	if (ftp_idmap_find(&o->waiting, id, &i))
		return -EEXIST;
	if (!o->free.n)
		return 1;
	if (ftp_idmap_find(&o->granted, id, &bytes) && bytes != buffer->bytes)
		return -EPROTO;
	i = ftp_queue_pop(&o->free);
	m = &o->messages[i];
	m->id = *id;
	m->buffer = buffer;
	m->class = class;
	m->state = FTP_OUTBOX_WAITING;
	if (ftp_idmap_remove(&o->granted, id, &bytes))
		start(o, i);
	else
		ftp_assert(ftp_idmap_add(&o->waiting, id, i));
	return 0;
}

int ftp_outbox_grant(struct ftp_outbox *o, const struct ftp_grant *grant)
{
	uint32_t i;

	if (!ftp_ranges_has_room(&o->grants_seen))
		return 1;
	if (!ftp_ranges_add(&o->grants_seen, grant->number))
		return 0;
	if (ftp_idmap_find(&o->waiting, &grant->id, &i)) {
		if (o->messages[i].buffer->bytes != grant->bytes)
			return -EPROTO;
		ftp_idmap_remove(&o->waiting, &grant->id, &i);
		start(o, i);
		return 0;
	}
	return ftp_idmap_add(&o->granted, &grant->id, grant->bytes) ? 0 : -EPROTO;
}

struct ftp_outbox_message *ftp_outbox_live(
	const struct ftp_outbox *o, const struct ftp_outbox_chunk *chunk)
{
	struct ftp_outbox_message *m = &o->messages[chunk->message];

	if (m->generation != chunk->generation || m->state != FTP_OUTBOX_OPEN ||
		m->acked[chunk->chunk / 64] >> chunk->chunk % 64 & 1)
		return NULL;
	return m;
}

bool ftp_outbox_has_chunk(const struct ftp_outbox *o, uint8_t max_class)
{
	for (int class = 0; class <= max_class; class ++)
		if (o->fresh[class].n || o->lost[class].head != o->lost[class].tail)
			return true;
	return false;
}

static bool next_lost(
	struct ftp_outbox *o, struct ftp_outbox_lost *l, struct ftp_outbox_chunk *chunk)
{
	while (l->head != l->tail) {
		*chunk = l->ring[l->head++ & l->mask];
		if (ftp_outbox_live(o, chunk))
			return true;
	}
	return false;
}

static bool next_fresh(
	struct ftp_outbox *o, struct ftp_queue *fresh, struct ftp_outbox_chunk *chunk)
{
	struct ftp_outbox_message *m;
	uint32_t i;

	if (!fresh->n)
		return false;
	i = ftp_queue_first(fresh);
	m = &o->messages[i];
	*chunk = (struct ftp_outbox_chunk){i, m->generation, m->next_chunk};
	if (++m->next_chunk == m->n_chunks)
		ftp_queue_pop(fresh);
	return true;
}

bool ftp_outbox_next(
	struct ftp_outbox *o, uint8_t max_class, struct ftp_outbox_chunk *chunk, bool *is_again)
{
	for (int class = 0; class <= max_class; class ++) {
		*is_again = next_lost(o, &o->lost[class], chunk);
		if (*is_again || next_fresh(o, &o->fresh[class], chunk))
			return true;
	}
	return false;
}

void ftp_outbox_acked(struct ftp_outbox *o, const struct ftp_outbox_chunk *chunk)
{
	struct ftp_outbox_message *m = ftp_outbox_live(o, chunk);

	if (!m)
		return;
	m->acked[chunk->chunk / 64] |= 1ull << chunk->chunk % 64;
	if (--m->n_unacked)
		return;
	m->state = FTP_OUTBOX_DONE;
	ftp_queue_push(&o->done, chunk->message);
}

void ftp_outbox_lost(struct ftp_outbox *o, const struct ftp_outbox_chunk *chunk)
{
	struct ftp_outbox_message *m = ftp_outbox_live(o, chunk);
	struct ftp_outbox_lost *l;

	if (!m)
		return;
	l = &o->lost[m->class];
	ftp_assert(l->tail - l->head <= l->mask);
	l->ring[l->tail++ & l->mask] = *chunk;
}

bool ftp_outbox_probe(struct ftp_outbox *o, const struct ftp_outbox_chunk *chunk)
{
	struct ftp_outbox_message *m = ftp_outbox_live(o, chunk);

	if (m && o->lost[m->class].head == o->lost[m->class].tail)
		ftp_outbox_lost(o, chunk);
	return m;
}

bool ftp_outbox_take(struct ftp_outbox *o, struct ftp_port *port, struct ftp_message_id *id,
	void **data, uint32_t *bytes)
{
	for (uint32_t n = o->done.n; n; n--) {
		uint32_t i = ftp_queue_pop(&o->done);
		struct ftp_outbox_message *m = &o->messages[i];

		if (!port->ops->idle(port, m->buffer)) {
			ftp_queue_push(&o->done, i);
			continue;
		}
		*id = m->id;
		*data = m->buffer->data;
		*bytes = m->buffer->bytes;
		release(o, i);
		return true;
	}
	return false;
}
