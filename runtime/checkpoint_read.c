/* Records from the disk: all of them when it opens, one for a get or a check. A record that was
 * read is believed only if its header says what the manifest says, and its digest holds. */
#include <errno.h>
#include <string.h>

#include "runtime/checkpoint_state.h"

void ftp_checkpoint_begin_reading(struct ftp_checkpoint *c, struct record *r, uint8_t *into)
{
	uint64_t bytes = ftp_checkpoint_format_space(r->at.name.bytes);

	if (c->phase == PHASE_VERIFY && c->spec.depth == FTP_CHECKPOINT_READ_HEADERS)
		bytes = FTP_DISK_BLOCK;
	c->reading = (struct reading){.record = r,
		.unit = r->at.name.unit,
		.step = r->at.name.step,
		.bytes = bytes,
		.n_chunks = (uint32_t)((bytes + FTP_DISK_BUFFER_BYTES - 1) / FTP_DISK_BUFFER_BYTES),
		.state = FTP_CHECKPOINT_GOOD,
		.into = into};
	c->reading.is_whole_chunk = c->reading.n_chunks == 1;
}

static bool issue_chunk(struct ftp_checkpoint *c, struct slot *s)
{
	struct reading *r = &c->reading;
	uint64_t at = (uint64_t)r->n_issued * FTP_DISK_BUFFER_BYTES, left = r->bytes - at;

	if (r->n_issued == r->n_chunks)
		return false;
	s->chunk = r->n_issued++;
	s->op = (struct ftp_disk_op){.kind = FTP_DISK_READ,
		.file = 1 + ftp_checkpoint_segment_of(c, r->record->at.segment),
		.offset = r->record->at.offset + at,
		.bytes = left < FTP_DISK_BUFFER_BYTES ? (uint32_t)left : FTP_DISK_BUFFER_BYTES};
	return true;
}

static bool verify(struct ftp_checkpoint *c, struct slot *s)
{
	while (!c->reading.record && c->cursor < c->n_records) {
		struct record *r = &c->records[c->cursor++];

		if (r->state == FTP_CHECKPOINT_GOOD)
			ftp_checkpoint_begin_reading(c, r, NULL);
	}
	return c->reading.record && issue_chunk(c, s);
}

static bool read_record(struct ftp_checkpoint *c, struct slot *s)
{
	return c->reading.record && issue_chunk(c, s);
}

static void take_payload(struct ftp_checkpoint *c, const uint8_t *data, uint64_t at, uint64_t bytes)
{
	struct reading *r = &c->reading;

	if (r->into)
		memcpy(r->into + at, data, bytes);
	if (r->is_whole_chunk)
		r->found = ftp_digest_of(data, bytes);
	else
		ftp_digest_add(c->digest, data, bytes);
}

/* The next chunk in order. */
static void take_chunk(struct ftp_checkpoint *c, const struct slot *s)
{
	struct reading *r = &c->reading;
	const uint8_t *data = ftp_checkpoint_buffer(c, s);
	const struct ftp_checkpoint_name *name = &r->record->at.name;
	uint64_t end_of_record = FTP_CHECKPOINT_HEADER_BYTES + name->bytes;
	uint64_t begin = (uint64_t)s->chunk * FTP_DISK_BUFFER_BYTES, end = begin + s->done_bytes;
	struct ftp_checkpoint_name found;

	if (s->op.bytes && r->state == FTP_CHECKPOINT_GOOD)
		r->state = FTP_CHECKPOINT_MISSING;
	if (r->state != FTP_CHECKPOINT_GOOD)
		return;
	if (!s->chunk) {
		if (ftp_checkpoint_format_parse_header(&found, data) ||
			!ftp_checkpoint_format_same(&found, name)) {
			r->state = FTP_CHECKPOINT_BAD_HEADER;
			return;
		}
		begin += FTP_CHECKPOINT_HEADER_BYTES;
		data += FTP_CHECKPOINT_HEADER_BYTES;
	}
	if (end > end_of_record)
		end = end_of_record;
	take_payload(c, data, begin - FTP_CHECKPOINT_HEADER_BYTES, end > begin ? end - begin : 0);
}

static void end_reading(struct ftp_checkpoint *c)
{
	struct reading *r = &c->reading;
	const struct ftp_checkpoint_name *name = &r->record->at.name;
	bool is_part = r->bytes < FTP_CHECKPOINT_HEADER_BYTES + name->bytes;

	if (!r->is_whole_chunk)
		r->found = ftp_digest_take(c->digest);
	if (r->state == FTP_CHECKPOINT_GOOD && !is_part &&
		(r->found.high != name->digest.high || r->found.low != name->digest.low))
		r->state = FTP_CHECKPOINT_BAD_DIGEST;
	/* What the disk has refused counts though nobody waits: else it would be asked for again.
	 */
	if (!r->is_cancelled || r->state == FTP_CHECKPOINT_UNREADABLE) {
		r->record->state = r->state;
		r->record->is_read = r->state == FTP_CHECKPOINT_GOOD && !is_part;
	}
	r->record = NULL;
}

static struct slot *held(struct ftp_checkpoint *c, uint32_t chunk)
{
	for (struct slot *s = c->slots; s < c->slots + FTP_DISK_N_BUFFERS; s++)
		if (s->state == SLOT_HELD && s->chunk == chunk)
			return s;
	return NULL;
}

static void took_chunk(struct ftp_checkpoint *c, struct slot *s, int64_t result)
{
	struct reading *r = &c->reading;

	s->state = SLOT_HELD;
	if (result < 0 && r->state == FTP_CHECKPOINT_GOOD)
		r->state = FTP_CHECKPOINT_UNREADABLE;
	while (r->n_taken < r->n_chunks && (s = held(c, r->n_taken))) {
		take_chunk(c, s);
		s->state = SLOT_FREE;
		r->n_taken++;
	}
	if (r->n_taken == r->n_chunks)
		end_reading(c);
}

static void end_verify(struct ftp_checkpoint *c)
{
	ftp_checkpoint_finish(c, FTP_CHECKPOINT_OPEN, FTP_CHECKPOINT_DONE);
}

/* What was read ahead of a chunk that never came is of no use. */
static void forget_reading(struct ftp_checkpoint *c)
{
	for (struct slot *s = c->slots; s < c->slots + FTP_DISK_N_BUFFERS; s++)
		s->state = SLOT_FREE;
	if (c->reading.record)
		end_reading(c);
}

static void end_one(struct ftp_checkpoint *c, enum ftp_checkpoint_activity activity)
{
	enum ftp_checkpoint_outcome outcome = FTP_CHECKPOINT_DONE;

	forget_reading(c);
	if (c->reading.is_cancelled) {
		outcome = FTP_CHECKPOINT_CANCELLED;
		c->error = ftp_error_set(&c->error_text, ECANCELED, "it was given up");
	} else if (c->reading.state != FTP_CHECKPOINT_GOOD) {
		outcome = c->reading.state == FTP_CHECKPOINT_UNREADABLE ? FTP_CHECKPOINT_IO_ERROR
									: FTP_CHECKPOINT_DAMAGED;
		c->error = ftp_error_set(&c->error_text, EBADMSG,
			"unit %u after step %llu is not what was stored: %s", c->reading.unit,
			(unsigned long long)c->reading.step,
			ftp_checkpoint_record_state_name(c->reading.state));
	}
	ftp_checkpoint_finish(c, activity, outcome);
}

static void end_get(struct ftp_checkpoint *c)
{
	end_one(c, FTP_CHECKPOINT_GET);
}

static void end_check(struct ftp_checkpoint *c)
{
	end_one(c, FTP_CHECKPOINT_CHECK);
}

void ftp_checkpoint_cancel_reading(struct ftp_checkpoint *c)
{
	c->reading.is_cancelled = true;
	c->reading.n_chunks = c->reading.n_issued;
	c->reading.into = NULL;
}

const struct phase_row ftp_checkpoint_read_phases[N_PHASES] = {
	[PHASE_VERIFY] = {verify, took_chunk, end_verify, NULL},
	[PHASE_GET] = {read_record, took_chunk, end_get, NULL},
	[PHASE_CHECK] = {read_record, took_chunk, end_check, NULL},
};

const struct ftp_checkpoint_record *ftp_checkpoint_newest(
	const struct ftp_checkpoint *c, uint32_t unit, uint64_t step)
{
	const struct record *best = NULL;

	for (const struct record *r = c->records; r < c->records + c->n_listed; r++)
		if (r->state == FTP_CHECKPOINT_GOOD && r->at.name.unit == unit &&
			r->at.name.step == step && (!best || r->at.name.term > best->at.name.term))
			best = r;
	return best ? &best->at : NULL;
}

int ftp_checkpoint_get(struct ftp_checkpoint *c, const struct ftp_checkpoint_name *name, void *into)
{
	if (c->phase != PHASE_IDLE)
		return FTP_CHECKPOINT_BUSY;
	for (struct record *r = c->records; r < c->records + c->n_listed; r++) {
		bool can = r->state == FTP_CHECKPOINT_GOOD || r->state == FTP_CHECKPOINT_UNREADABLE;

		if (!can || !ftp_checkpoint_format_same(&r->at.name, name))
			continue;
		ftp_checkpoint_enter(c, PHASE_GET);
		ftp_checkpoint_begin_reading(c, r, into);
		return 0;
	}
	return FTP_CHECKPOINT_ABSENT;
}

int ftp_checkpoint_check(struct ftp_checkpoint *c)
{
	if (c->phase != PHASE_IDLE)
		return FTP_CHECKPOINT_BUSY;
	for (struct record *r = c->records; r < c->records + c->n_listed; r++)
		if (r->is_again || (r->state == FTP_CHECKPOINT_GOOD && !r->is_read)) {
			r->is_again = false;
			ftp_checkpoint_enter(c, PHASE_CHECK);
			ftp_checkpoint_begin_reading(c, r, NULL);
			return 0;
		}
	return FTP_CHECKPOINT_ABSENT;
}

void ftp_checkpoint_look_again(struct ftp_checkpoint *c)
{
	for (struct record *r = c->records; r < c->records + c->n_listed; r++)
		r->is_again = r->state == FTP_CHECKPOINT_UNREADABLE;
}
