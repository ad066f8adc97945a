#include "net/inbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/error.h"

static uint32_t n_words(uint32_t n_chunks)
{
	return (n_chunks + 63) / 64;
}

void ftp_inbox_init(struct ftp_inbox *b, uint32_t n_messages, uint32_t max_chunks)
{
	*b = (struct ftp_inbox){
		.n_messages = n_messages,
		.max_chunks = max_chunks,
		.recent = FTP_INBOX_NONE,
	};
	b->messages = calloc(n_messages, sizeof(*b->messages));
	b->bits = calloc((size_t)n_messages * n_words(max_chunks), sizeof(*b->bits));
	ftp_assert(b->messages && b->bits);
	ftp_idmap_init(&b->posted, n_messages);
	ftp_queue_init(&b->free, n_messages);
	ftp_queue_init(&b->untold, n_messages);
	ftp_queue_init(&b->again, n_messages);
	ftp_queue_init(&b->complete, n_messages);
	for (uint32_t i = 0; i < n_messages; i++) {
		b->messages[i].seen = b->bits + (size_t)i * n_words(max_chunks);
		ftp_queue_push(&b->free, i);
	}
}

void ftp_inbox_deinit(struct ftp_inbox *b)
{
	free(b->messages);
	free(b->bits);
	ftp_idmap_deinit(&b->posted);
	ftp_queue_deinit(&b->free);
	ftp_queue_deinit(&b->untold);
	ftp_queue_deinit(&b->again);
	ftp_queue_deinit(&b->complete);
}

void ftp_inbox_reset(struct ftp_inbox *b)
{
	ftp_idmap_reset(&b->posted);
	ftp_queue_reset(&b->free);
	ftp_queue_reset(&b->untold);
	ftp_queue_reset(&b->again);
	ftp_queue_reset(&b->complete);
	for (uint32_t i = 0; i < b->n_messages; i++) {
		b->messages[i].state = FTP_INBOX_FREE;
		b->messages[i].is_queued = false;
		ftp_queue_push(&b->free, i);
	}
	b->n_granted = 0;
	b->n_granted_max = 0;
	b->chunk_bytes = 0;
	b->recent = FTP_INBOX_NONE;
	b->next_grant = 0;
}

void ftp_inbox_open(struct ftp_inbox *b, uint32_t chunk_bytes, uint32_t n_granted_max)
{
	b->chunk_bytes = chunk_bytes;
	b->n_granted_max = n_granted_max;
}

int ftp_inbox_post(struct ftp_inbox *b, const struct ftp_message_id *id, void *data, uint32_t bytes)
{
	struct ftp_inbox_message *m;
	uint32_t value;

	if (ftp_idmap_find(&b->posted, id, &value))
		return -EEXIST;
	if (!b->free.n)
		return 1;
	value = ftp_queue_pop(&b->free);
	ftp_assert(ftp_idmap_add(&b->posted, id, value));
	m = &b->messages[value];
	m->id = *id;
	m->data = data;
	m->bytes = bytes;
	m->state = FTP_INBOX_POSTED;
	if (!m->is_queued)
		ftp_queue_push(&b->untold, value);
	m->is_queued = true;
	return 0;
}

/* The first grant of m: from now on its chunks may come. */
static void open_message(struct ftp_inbox *b, struct ftp_inbox_message *m)
{
	m->n_chunks = (m->bytes - 1) / b->chunk_bytes + 1;
	ftp_assert(m->n_chunks <= b->max_chunks);
	m->n_missing = m->n_chunks;
	memset(m->seen, 0, n_words(m->n_chunks) * sizeof(*m->seen));
	m->grant_number = b->next_grant++;
	m->state = FTP_INBOX_GRANTED;
	b->n_granted++;
}

/* The next message whose grant is to be told, or NULL. Entries of `again` may be out of date. */
static struct ftp_inbox_message *next_to_tell(struct ftp_inbox *b)
{
	while (b->again.n) {
		uint32_t i = ftp_queue_pop(&b->again);
		struct ftp_inbox_message *m = &b->messages[i];

		m->is_queued = m->state == FTP_INBOX_POSTED;
		if (m->is_queued)
			ftp_queue_push(&b->untold, i);
		else if (m->state == FTP_INBOX_GRANTED)
			return m;
	}
	if (b->untold.n && b->n_granted < b->n_granted_max) {
		struct ftp_inbox_message *m = &b->messages[ftp_queue_pop(&b->untold)];

		m->is_queued = false;
		open_message(b, m);
		return m;
	}
	return NULL;
}

uint32_t ftp_inbox_grant(struct ftp_inbox *b, uint64_t packet_number, struct ftp_grant *grants)
{
	struct ftp_inbox_message *m;
	uint32_t n = 0;

	while (n < FTP_FRAME_MAX_GRANTS && (m = next_to_tell(b))) {
		m->grant_packet = packet_number;
		grants[n++] = (struct ftp_grant){m->grant_number, m->id, m->bytes};
	}
	return n;
}

bool ftp_inbox_grant_lost(struct ftp_inbox *b, uint64_t packet_number)
{
	bool is_needed = false;

	for (uint32_t i = 0; i < b->n_messages; i++) {
		struct ftp_inbox_message *m = &b->messages[i];

		if (m->state != FTP_INBOX_GRANTED || m->grant_packet != packet_number)
			continue;
		is_needed = true;
		if (!m->is_queued)
			ftp_queue_push(&b->again, i);
		m->is_queued = true;
	}
	return is_needed;
}

static struct ftp_inbox_message *find(struct ftp_inbox *b, const struct ftp_message_id *id)
{
	uint32_t i = b->recent;

	if (i == FTP_INBOX_NONE || !ftp_message_id_equal(&b->messages[i].id, id)) {
		if (!ftp_idmap_find(&b->posted, id, &i))
			return NULL;
		b->recent = i;
	}
	return b->messages[i].state == FTP_INBOX_GRANTED ? &b->messages[i] : NULL;
}

static void complete(struct ftp_inbox *b, struct ftp_inbox_message *m)
{
	uint32_t i;

	ftp_assert(ftp_idmap_remove(&b->posted, &m->id, &i));
	m->state = FTP_INBOX_COMPLETE;
	b->n_granted--;
	b->recent = FTP_INBOX_NONE;
	ftp_queue_push(&b->complete, i);
}

/* Does h carry exactly one chunk of m? */
static bool fits(const struct ftp_inbox *b, const struct ftp_inbox_message *m,
	const struct ftp_wire_header *h)
{
	return h->total == m->bytes && h->offset % b->chunk_bytes == 0 &&
	       h->length <= b->chunk_bytes &&
	       (h->length == b->chunk_bytes || h->offset + h->length == m->bytes);
}

static bool is_seen(const struct ftp_inbox *b, const struct ftp_inbox_message *m,
	const struct ftp_wire_header *h)
{
	uint32_t chunk = h->offset / b->chunk_bytes;

	return m->seen[chunk / 64] >> chunk % 64 & 1;
}

uint8_t *ftp_inbox_room(struct ftp_inbox *b, const struct ftp_wire_header *h)
{
	struct ftp_inbox_message *m = find(b, &h->id);

	return m && fits(b, m, h) && !is_seen(b, m, h) ? m->data + h->offset : NULL;
}

int ftp_inbox_place(struct ftp_inbox *b, const struct ftp_wire_header *h)
{
	struct ftp_inbox_message *m = find(b, &h->id);
	uint32_t chunk;

	if (!m)
		return FTP_INBOX_UNPOSTED;
	if (!fits(b, m, h))
		return -EPROTO;
	if (is_seen(b, m, h))
		return FTP_INBOX_DUPLICATE;
	chunk = h->offset / b->chunk_bytes;
	m->seen[chunk / 64] |= 1ull << chunk % 64;
	if (--m->n_missing)
		return FTP_INBOX_PLACED;
	complete(b, m);
	return FTP_INBOX_COMPLETED;
}

bool ftp_inbox_take(struct ftp_inbox *b, struct ftp_message_id *id, void **data, uint32_t *bytes)
{
	struct ftp_inbox_message *m;
	uint32_t i;

	if (!b->complete.n)
		return false;
	i = ftp_queue_pop(&b->complete);
	m = &b->messages[i];
	*id = m->id;
	*data = m->data;
	*bytes = m->bytes;
	m->state = FTP_INBOX_FREE;
	ftp_queue_push(&b->free, i);
	return true;
}
