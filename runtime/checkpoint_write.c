/* The records of a put, then the manifest that lists them: each durable before the next is begun.
 */
#include <string.h>

#include "runtime/checkpoint_state.h"

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Bytes [at, at + bytes) of the record as it lies on disk: header, data, zeros. */
static void copy_image(
	uint8_t *out, const struct record *r, const uint8_t *header, uint64_t at, uint64_t bytes)
{
	const uint64_t ends[] = {FTP_CHECKPOINT_HEADER_BYTES,
		FTP_CHECKPOINT_HEADER_BYTES + r->at.name.bytes, UINT64_MAX};
	const uint8_t *const parts[] = {header, r->data, NULL};
	uint64_t begin = 0;

	for (int i = 0; i < 3 && bytes; begin = ends[i++]) {
		uint64_t n = at < ends[i] ? least(ends[i] - at, bytes) : 0;

		if (!n)
			continue;
		if (parts[i])
			memcpy(out, parts[i] + (at - begin), n);
		else
			memset(out, 0, n);
		out += n;
		at += n;
		bytes -= n;
	}
}

static void touch(struct ftp_checkpoint *c, uint32_t segment)
{
	for (uint32_t i = 0; i < c->n_touched; i++)
		if (c->touched[i] == segment)
			return;
	c->touched[c->n_touched++] = segment;
}

/* As much of the records as lies together on disk and fits. */
static void fill_write(struct ftp_checkpoint *c, struct slot *s, uint32_t segment)
{
	uint8_t header[FTP_CHECKPOINT_HEADER_BYTES], *buffer = ftp_checkpoint_buffer(c, s);
	uint64_t end = s->op.offset;

	while (s->op.bytes < FTP_DISK_BUFFER_BYTES && c->order_cursor < c->n_order) {
		const struct record *r = c->order[c->order_cursor];
		uint64_t space = ftp_checkpoint_format_space(r->at.name.bytes);
		uint64_t n = least(space - c->order_position, FTP_DISK_BUFFER_BYTES - s->op.bytes);

		if (r->at.segment != segment || r->at.offset + c->order_position != end)
			break;
		if (!c->order_position)
			ftp_checkpoint_format_header(header, &r->at.name);
		copy_image(buffer + s->op.bytes, r, header, c->order_position, n);
		s->op.bytes += (uint32_t)n;
		c->order_position += n;
		end += n;
		if (c->order_position == space) {
			c->order_cursor++;
			c->order_position = 0;
		}
	}
}

static bool write_data(struct ftp_checkpoint *c, struct slot *s)
{
	const struct record *r;

	if (c->order_cursor == c->n_order || ftp_checkpoint_must_sync(c))
		return false;
	r = c->order[c->order_cursor];
	s->op = (struct ftp_disk_op){.kind = FTP_DISK_WRITE,
		.file = 1 + ftp_checkpoint_segment_of(c, r->at.segment),
		.offset = r->at.offset + c->order_position};
	touch(c, s->op.file);
	fill_write(c, s, r->at.segment);
	c->unsynced_bytes += s->op.bytes;
	return true;
}

static void end_data(struct ftp_checkpoint *c)
{
	ftp_checkpoint_enter(c, PHASE_DATA_SYNC);
}

static bool sync_data(struct ftp_checkpoint *c, struct slot *s)
{
	if (c->cursor == c->n_touched)
		return false;
	s->op = (struct ftp_disk_op){.kind = FTP_DISK_SYNC, .file = c->touched[c->cursor++]};
	return true;
}

static void end_sync_data(struct ftp_checkpoint *c)
{
	c->n_touched = 0;
	c->unsynced_bytes = 0;
	ftp_checkpoint_enter(c, c->order_cursor < c->n_order ? PHASE_DATA : PHASE_MANIFEST);
}

static void fail_data(struct ftp_checkpoint *c)
{
	/* Not for want of space or time: perhaps this place is broken. */
	if (ftp_checkpoint_failure(c) == FTP_CHECKPOINT_IO_ERROR)
		c->segments[c->error_file - 1].is_bad = true;
	ftp_checkpoint_fail_put(c);
}

/* Of what is to be durable next; over the slot that is not in force. */
static bool issue_manifest(struct ftp_checkpoint *c, struct slot *s, bool repairs)
{
	struct ftp_checkpoint_manifest *m = &c->manifest;

	if (!ftp_checkpoint_once(c, s, FTP_DISK_WRITE, MANIFEST_FILE))
		return false;
	m->run = c->spec.run;
	m->sequence = ++c->last_sequence;
	m->n_records = 0;
	for (uint32_t i = 0; i < c->n_records; i++)
		if (repairs ? c->records[i].is_durable : c->records[i].is_wanted)
			m->records[m->n_records++] = c->records[i].at;
	s->op.offset = (uint64_t)(1 - c->slot_in_force) * FTP_CHECKPOINT_SLOT_BYTES;
	s->op.bytes = ftp_checkpoint_format_manifest(ftp_checkpoint_buffer(c, s), m);
	return true;
}

static bool write_manifest(struct ftp_checkpoint *c, struct slot *s)
{
	return issue_manifest(c, s, false);
}

static bool sync_manifest(struct ftp_checkpoint *c, struct slot *s)
{
	return ftp_checkpoint_once(c, s, FTP_DISK_SYNC, MANIFEST_FILE);
}

static void end_manifest(struct ftp_checkpoint *c)
{
	ftp_checkpoint_enter(c, PHASE_MANIFEST_SYNC);
}

/* The manifest just written is the durable one. */
static void take_force(struct ftp_checkpoint *c)
{
	c->slot_in_force = 1 - c->slot_in_force;
	c->slot_states[c->slot_in_force] = FTP_CHECKPOINT_SLOT_WHOLE;
	c->sequence = c->last_sequence;
	c->is_doubted = false;
}

static void commit(struct ftp_checkpoint *c)
{
	take_force(c);
	for (uint32_t i = 0; i < c->n_records; i++) {
		c->records[i].is_durable = c->records[i].is_wanted;
		c->records[i].is_new = false;
		c->records[i].data = NULL;
	}
	ftp_checkpoint_compact(c);
	c->n_puts++;
	if (c->put_bytes > c->largest_put_bytes)
		c->largest_put_bytes = c->put_bytes;
	ftp_checkpoint_tell(c, FTP_CHECKPOINT_PUT, FTP_CHECKPOINT_DONE);
	ftp_checkpoint_enter(c, PHASE_TRIM);
}

static void fail_manifest(struct ftp_checkpoint *c)
{
	c->is_doubted = true;
	ftp_checkpoint_fail_put(c);
}

/* A manifest that was not written with success may be on the disk all the same. One that says what
 * is durable takes its place first: what is free by that one is free. */
static bool repair(struct ftp_checkpoint *c, struct slot *s)
{
	return c->is_doubted && issue_manifest(c, s, true);
}

static void end_repair(struct ftp_checkpoint *c)
{
	ftp_checkpoint_enter(c, PHASE_REPAIR_SYNC);
}

static bool sync_repair(struct ftp_checkpoint *c, struct slot *s)
{
	return c->is_doubted && ftp_checkpoint_once(c, s, FTP_DISK_SYNC, MANIFEST_FILE);
}

static void end_sync_repair(struct ftp_checkpoint *c)
{
	if (c->is_doubted)
		take_force(c);
	ftp_checkpoint_plan_put(c);
}

const struct phase_row ftp_checkpoint_write_phases[N_PHASES] = {
	[PHASE_REPAIR] = {repair, NULL, end_repair, ftp_checkpoint_fail_put},
	[PHASE_REPAIR_SYNC] = {sync_repair, NULL, end_sync_repair, ftp_checkpoint_fail_put},
	[PHASE_DATA] = {write_data, NULL, end_data, fail_data},
	[PHASE_DATA_SYNC] = {sync_data, NULL, end_sync_data, fail_data},
	[PHASE_MANIFEST] = {write_manifest, NULL, end_manifest, fail_manifest},
	[PHASE_MANIFEST_SYNC] = {sync_manifest, NULL, commit, fail_manifest},
};
