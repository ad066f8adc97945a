/* Where a put's records go, a new segment if they need one, and what happens to segments that hold
 * nothing. */
#include <errno.h>
#include <string.h>

#include "runtime/checkpoint_state.h"

#define NO_SEGMENT FTP_CHECKPOINT_MAX_SEGMENTS

static uint64_t space_of(const struct record *r)
{
	return ftp_checkpoint_format_space(r->at.name.bytes);
}

uint64_t ftp_checkpoint_live_bytes(const struct ftp_checkpoint *c)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < c->n_listed; i++)
		bytes += space_of(&c->records[i]);
	return bytes;
}

uint64_t ftp_checkpoint_capacity(const struct ftp_checkpoint *c)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < FTP_CHECKPOINT_MAX_SEGMENTS; i++)
		bytes += c->segments[i].is_open ? c->segments[i].bytes : 0;
	return bytes;
}

/* The holes of what the durable manifest refers to. */
static uint32_t find_holes(struct ftp_checkpoint *c)
{
	uint32_t n_used = 0, n_room = 0;

	for (uint32_t i = 0; i < c->n_records; i++) {
		const struct record *r = &c->records[i];

		if (!r->is_new)
			c->used[n_used++] =
				(struct ftp_extent){r->at.segment, r->at.offset, space_of(r)};
	}
	for (uint32_t i = 0; i < FTP_CHECKPOINT_MAX_SEGMENTS; i++) {
		const struct segment *s = &c->segments[i];

		if (s->is_open && !s->is_bad)
			c->room[n_room++] = (struct ftp_extent){s->number, 0, s->bytes};
	}
	return ftp_extents_holes(c->holes, c->used, n_used, c->room, n_room);
}

/* Returns the bytes of those that found no place; their segment is the new one's number. */
static uint64_t place(struct ftp_checkpoint *c, uint32_t n_holes, uint32_t new_number)
{
	uint64_t left = 0;
	struct ftp_extent e;

	for (uint32_t i = 0; i < c->n_order; i++) {
		struct record *r = c->order[i];

		if (!ftp_extents_take(c->holes, n_holes, space_of(r), &e)) {
			e = (struct ftp_extent){new_number, left, space_of(r)};
			left += e.bytes;
		}
		r->at.segment = e.segment;
		r->at.offset = e.offset;
	}
	return left;
}

static uint32_t next_number(const struct ftp_checkpoint *c)
{
	uint32_t number = 0;

	while (ftp_checkpoint_segment_of(c, number) != NO_SEGMENT)
		number++;
	return number;
}

static int add_segment(struct ftp_checkpoint *c, uint32_t number, uint64_t bytes)
{
	uint64_t unit = c->spec.segment_unit_bytes, capacity = ftp_checkpoint_capacity(c);
	uint32_t i = 0;

	bytes = (bytes + unit - 1) / unit * unit;
	while (i < FTP_CHECKPOINT_MAX_SEGMENTS && c->segments[i].is_open)
		i++;
	if (i == FTP_CHECKPOINT_MAX_SEGMENTS ||
		(c->spec.max_bytes && capacity + bytes > c->spec.max_bytes))
		return FTP_CHECKPOINT_NO_SPACE;
	c->segments[i] = (struct segment){.number = number, .bytes = bytes, .is_open = true};
	c->new_segment = i;
	return 0;
}

int ftp_checkpoint_find_room(struct ftp_checkpoint *c)
{
	uint32_t number = next_number(c);
	uint64_t left = place(c, find_holes(c), number);

	c->new_segment = NO_SEGMENT;
	if (!left || !add_segment(c, number, left))
		return 0;
	/* What failed once may do now; there is nothing else left. */
	for (uint32_t i = 0; i < FTP_CHECKPOINT_MAX_SEGMENTS; i++)
		c->segments[i].is_bad = false;
	return place(c, find_holes(c), number) ? FTP_CHECKPOINT_NO_SPACE : 0;
}

static bool create(struct ftp_checkpoint *c, struct slot *s)
{
	if (c->new_segment == NO_SEGMENT ||
		!ftp_checkpoint_once(c, s, FTP_DISK_CREATE, 1 + c->new_segment))
		return false;
	ftp_checkpoint_format_segment_name(s->op.name, c->segments[c->new_segment].number);
	return true;
}

static void end_create(struct ftp_checkpoint *c)
{
	ftp_checkpoint_enter(c, c->new_segment == NO_SEGMENT ? PHASE_DATA : PHASE_PREWRITE);
}

/* Once: overwriting is twice as fast as extending, or as filling what fallocate has promised. */
static bool prewrite(struct ftp_checkpoint *c, struct slot *s)
{
	uint64_t left = c->segments[c->new_segment].bytes - c->prewritten_bytes;

	if (!left || ftp_checkpoint_must_sync(c))
		return false;
	s->op = (struct ftp_disk_op){.kind = FTP_DISK_WRITE,
		.file = 1 + c->new_segment,
		.offset = c->prewritten_bytes,
		.bytes = left < FTP_DISK_BUFFER_BYTES ? (uint32_t)left : FTP_DISK_BUFFER_BYTES};
	memset(ftp_checkpoint_buffer(c, s), 0, s->op.bytes);
	c->prewritten_bytes += s->op.bytes;
	c->unsynced_bytes += s->op.bytes;
	return true;
}

static void end_prewrite(struct ftp_checkpoint *c)
{
	ftp_checkpoint_enter(c, PHASE_NEW_SYNC);
}

static bool sync_new(struct ftp_checkpoint *c, struct slot *s)
{
	return ftp_checkpoint_once(c, s, FTP_DISK_SYNC, 1 + c->new_segment);
}

static void end_sync_new(struct ftp_checkpoint *c)
{
	bool is_filled = c->prewritten_bytes == c->segments[c->new_segment].bytes;

	c->unsynced_bytes = 0;
	ftp_checkpoint_enter(c, is_filled ? PHASE_NEW_SYNC_DIR : PHASE_PREWRITE);
}

static bool sync_dir(struct ftp_checkpoint *c, struct slot *s)
{
	return ftp_checkpoint_once(c, s, FTP_DISK_SYNC_DIR, MANIFEST_FILE);
}

static void end_sync_dir(struct ftp_checkpoint *c)
{
	c->new_segment = NO_SEGMENT;
	ftp_checkpoint_enter(c, PHASE_DATA);
}

/* The error stays the put's; the undoing's own does not matter. */
static void fail_new(struct ftp_checkpoint *c)
{
	c->put_error = c->error;
	c->error = 0;
	ftp_checkpoint_enter(c, PHASE_UNDO);
}

/* A full disk gets back what could not be filled. */
static bool undo(struct ftp_checkpoint *c, struct slot *s)
{
	if (!ftp_checkpoint_once(c, s, FTP_DISK_REMOVE, 1 + c->new_segment))
		return false;
	ftp_checkpoint_format_segment_name(s->op.name, c->segments[c->new_segment].number);
	return true;
}

static void undone(struct ftp_checkpoint *c, struct slot *s, int64_t result)
{
	(void)result;
	c->segments[s->op.file - 1].is_open = false;
	c->new_segment = NO_SEGMENT;
}

static void end_undo(struct ftp_checkpoint *c)
{
	c->error = c->put_error;
	ftp_checkpoint_fail_put(c);
}

static bool is_empty(const struct ftp_checkpoint *c, const struct segment *s)
{
	bool found = false;

	for (uint32_t i = 0; i < c->n_records && !found; i++)
		found = c->records[i].at.segment == s->number;
	return s->is_open && !found;
}

/* Beyond what the next puts can use: two of the largest, or all that one step stores here. */
static bool is_spare(const struct ftp_checkpoint *c, const struct segment *s)
{
	uint64_t live = ftp_checkpoint_live_bytes(c), one_step = live / c->spec.keep;
	uint64_t reserve = 2 * c->largest_put_bytes;

	if (c->trims_all)
		return true;
	if (one_step > reserve)
		reserve = one_step;
	return ftp_checkpoint_capacity(c) - live >= reserve + s->bytes;
}

static bool remove_spare(struct ftp_checkpoint *c, struct slot *slot)
{
	while (c->cursor < FTP_CHECKPOINT_MAX_SEGMENTS) {
		struct segment *s = &c->segments[c->cursor++];

		if (!is_empty(c, s) || !is_spare(c, s))
			continue;
		slot->op = (struct ftp_disk_op){.kind = FTP_DISK_REMOVE, .file = c->cursor};
		ftp_checkpoint_format_segment_name(slot->op.name, s->number);
		s->is_open = false;
		c->n_removed_segments++;
		return true;
	}
	return false;
}

/* What could not be removed is found again by the next open; nothing depends on it. */
static void removed(struct ftp_checkpoint *c, struct slot *s, int64_t result)
{
	if (result < 0 && c->trims_all)
		ftp_checkpoint_note(c, &s->op, (int)result);
}

static void end_trim(struct ftp_checkpoint *c)
{
	if (c->trims_all)
		ftp_checkpoint_finish(c, FTP_CHECKPOINT_TRIM, FTP_CHECKPOINT_DONE);
	else
		ftp_checkpoint_enter(c, PHASE_IDLE);
	c->trims_all = false;
}

static void fail_trim(struct ftp_checkpoint *c)
{
	ftp_checkpoint_finish(c, FTP_CHECKPOINT_TRIM, ftp_checkpoint_failure(c));
	c->trims_all = false;
}

const struct phase_row ftp_checkpoint_room_phases[N_PHASES] = {
	[PHASE_CREATE] = {create, NULL, end_create, fail_new},
	[PHASE_PREWRITE] = {prewrite, NULL, end_prewrite, fail_new},
	[PHASE_NEW_SYNC] = {sync_new, NULL, end_sync_new, fail_new},
	[PHASE_NEW_SYNC_DIR] = {sync_dir, NULL, end_sync_dir, fail_new},
	[PHASE_UNDO] = {undo, undone, end_undo, ftp_checkpoint_fail_put},
	[PHASE_TRIM] = {remove_spare, removed, end_trim, fail_trim},
};

int ftp_checkpoint_trim(struct ftp_checkpoint *c)
{
	/* A doubted manifest may refer to what the durable one does not. */
	if (c->phase != PHASE_IDLE || c->is_doubted)
		return FTP_CHECKPOINT_BUSY;
	ftp_assert(!c->spec.is_read_only);
	c->trims_all = true;
	ftp_checkpoint_enter(c, PHASE_TRIM);
	return 0;
}
