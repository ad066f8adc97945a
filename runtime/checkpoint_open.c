/* How a checkpoint is opened: directory, manifest, segments; checkpoint_read.c then verifies the
 * records. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "runtime/checkpoint_state.h"

#define MAX_REREADS	    3
#define MANIFEST_FILE_BYTES ((uint64_t)FTP_CHECKPOINT_N_SLOTS * FTP_CHECKPOINT_SLOT_BYTES)

static_assert(FTP_CHECKPOINT_SLOT_BYTES <= FTP_DISK_BUFFER_BYTES, "a slot is one operation");
static_assert(FTP_CHECKPOINT_BLOCK == FTP_DISK_BLOCK, "block");

static bool attach(struct ftp_checkpoint *c, struct slot *s)
{
	return ftp_checkpoint_once(c, s, FTP_DISK_ATTACH, MANIFEST_FILE);
}

static void attached(struct ftp_checkpoint *c, struct slot *s, int64_t result)
{
	if (result == -EBUSY)
		c->error = ftp_error_set(&c->error_text, EBUSY, "another process writes to it");
	else if (result < 0)
		ftp_checkpoint_note(c, &s->op, (int)result);
	else if (result) /* past the page cache there is nothing to make durable on the way */
		c->spec.sync_every_bytes = UINT64_MAX;
}

static void end_attach(struct ftp_checkpoint *c)
{
	ftp_checkpoint_enter(c, PHASE_OPEN_MANIFEST);
}

static void fail_attach(struct ftp_checkpoint *c)
{
	ftp_checkpoint_finish(c, FTP_CHECKPOINT_OPEN, ftp_checkpoint_failure(c));
}

static bool open_manifest(struct ftp_checkpoint *c, struct slot *s)
{
	if (!ftp_checkpoint_once(
		    c, s, c->spec.is_read_only ? FTP_DISK_OPEN : FTP_DISK_CREATE, MANIFEST_FILE))
		return false;
	strcpy(s->op.name, FTP_CHECKPOINT_MANIFEST);
	return true;
}

static void opened_manifest(struct ftp_checkpoint *c, struct slot *s, int64_t result)
{
	if (result < 0)
		ftp_checkpoint_note(c, &s->op, (int)result);
	else
		c->manifest_bytes = (uint64_t)result / FTP_DISK_BLOCK * FTP_DISK_BLOCK;
}

static void end_open_manifest(struct ftp_checkpoint *c)
{
	ftp_checkpoint_enter(c, c->spec.is_read_only ? PHASE_READ_SLOTS : PHASE_BLANK);
	c->position = c->manifest_bytes;
}

static void fail(struct ftp_checkpoint *c)
{
	ftp_checkpoint_finish(c, FTP_CHECKPOINT_OPEN,
		c->error == -ENOENT ? FTP_CHECKPOINT_NONE : ftp_checkpoint_failure(c));
}

/* Both slots exist, so that writing a manifest never has to extend the file. */
static bool blank(struct ftp_checkpoint *c, struct slot *s)
{
	if (c->position >= MANIFEST_FILE_BYTES)
		return false;
	s->op = (struct ftp_disk_op){
		.kind = FTP_DISK_WRITE, .file = MANIFEST_FILE, .offset = c->position};
	s->op.bytes = (uint32_t)(MANIFEST_FILE_BYTES - c->position);
	if (s->op.bytes > FTP_DISK_BUFFER_BYTES)
		s->op.bytes = FTP_DISK_BUFFER_BYTES;
	memset(ftp_checkpoint_buffer(c, s), 0, s->op.bytes);
	c->position += s->op.bytes;
	return true;
}

static void end_blank(struct ftp_checkpoint *c)
{
	ftp_checkpoint_enter(c, PHASE_READ_SLOTS);
}

static bool read_slots(struct ftp_checkpoint *c, struct slot *s)
{
	if (c->cursor == FTP_CHECKPOINT_N_SLOTS)
		return false;
	s->chunk = c->cursor++;
	s->op = (struct ftp_disk_op){.kind = FTP_DISK_READ,
		.file = MANIFEST_FILE,
		.offset = (uint64_t)s->chunk * FTP_CHECKPOINT_SLOT_BYTES,
		.bytes = FTP_CHECKPOINT_SLOT_BYTES};
	return true;
}

static void took_slot(struct ftp_checkpoint *c, struct slot *s, int64_t result)
{
	(void)c;
	s->state = SLOT_HELD;
	s->n_tries = result < 0; /* unreadable */
}

/* Its sequence number; 0: it is not whole. */
static uint64_t parse_slot(struct ftp_checkpoint *c, struct slot *s)
{
	int rc = ftp_checkpoint_format_parse_manifest(
		&c->manifest, ftp_checkpoint_buffer(c, s), s->done_bytes);

	if (rc < 0 || s->n_tries)
		c->slot_states[s->chunk] = FTP_CHECKPOINT_SLOT_TORN;
	else
		c->slot_states[s->chunk] =
			rc ? FTP_CHECKPOINT_SLOT_BLANK : FTP_CHECKPOINT_SLOT_WHOLE;
	return s->n_tries ? 0 : c->manifest.sequence;
}

static void adopt_records(struct ftp_checkpoint *c)
{
	for (uint32_t i = 0; i < c->manifest.n_records; i++)
		c->records[i] = (struct record){.at = c->manifest.records[i],
			.state = FTP_CHECKPOINT_GOOD,
			.is_durable = true};
	c->n_records = c->n_listed = c->manifest.n_records;
	c->sequence = c->last_sequence = c->manifest.sequence;
}

static void end_read_slots(struct ftp_checkpoint *c)
{
	struct slot *newest = NULL;
	uint64_t best = 0, sequence;

	c->slot_in_force = FTP_CHECKPOINT_N_SLOTS - 1;
	for (struct slot *s = c->slots; s < c->slots + FTP_DISK_N_BUFFERS; s++) {
		if (s->state != SLOT_HELD)
			continue;
		s->state = SLOT_FREE;
		sequence = parse_slot(c, s);
		if (sequence > best) {
			best = sequence;
			newest = s;
		}
	}
	ftp_checkpoint_enter(c, c->spec.is_read_only ? PHASE_LIST : PHASE_REWRITE);
	if (!newest)
		return;
	c->slot_in_force = newest->chunk;
	parse_slot(c, newest);
	if (c->spec.run && c->spec.run != c->manifest.run) {
		ftp_error_set(&c->error_text, EEXIST, "it holds run %016llx, not %016llx",
			(unsigned long long)c->manifest.run, (unsigned long long)c->spec.run);
		c->error = -EEXIST;
		ftp_checkpoint_finish(c, FTP_CHECKPOINT_OPEN, FTP_CHECKPOINT_OTHER_RUN);
		return;
	}
	c->spec.run = c->manifest.run;
	adopt_records(c);
}

/* What a killed process has written may be in the page cache alone, and a sync that has failed once
 * may not fail again: the slot in force is written as it is, which cannot tear it, and made durable
 * before anything else changes. */
static bool rewrite(struct ftp_checkpoint *c, struct slot *s)
{
	if (!c->sequence || !ftp_checkpoint_once(c, s, FTP_DISK_WRITE, MANIFEST_FILE))
		return false;
	s->op.offset = (uint64_t)c->slot_in_force * FTP_CHECKPOINT_SLOT_BYTES;
	s->op.bytes = ftp_checkpoint_format_manifest(ftp_checkpoint_buffer(c, s), &c->manifest);
	return true;
}

static void end_rewrite(struct ftp_checkpoint *c)
{
	ftp_checkpoint_enter(c, PHASE_OPEN_SYNC);
}

static bool sync_manifest(struct ftp_checkpoint *c, struct slot *s)
{
	return ftp_checkpoint_once(c, s, FTP_DISK_SYNC, MANIFEST_FILE);
}

static void end_sync_manifest(struct ftp_checkpoint *c)
{
	ftp_checkpoint_enter(c, PHASE_OPEN_SYNC_DIR);
}

static bool sync_dir(struct ftp_checkpoint *c, struct slot *s)
{
	return ftp_checkpoint_once(c, s, FTP_DISK_SYNC_DIR, MANIFEST_FILE);
}

static void end_sync_dir(struct ftp_checkpoint *c)
{
	ftp_checkpoint_enter(c, PHASE_LIST);
}

static bool list(struct ftp_checkpoint *c, struct slot *s)
{
	if (!ftp_checkpoint_once(c, s, FTP_DISK_LIST, MANIFEST_FILE))
		return false;
	s->op.entries = c->entries;
	s->op.max_entries = sizeof(c->entries) / sizeof(c->entries[0]);
	return true;
}

static void listed(struct ftp_checkpoint *c, struct slot *s, int64_t result)
{
	uint32_t n = 0, n_listed = (uint32_t)result, number;

	if (result < 0) {
		ftp_checkpoint_note(c, &s->op, (int)result);
		return;
	}
	if (n_listed > s->op.max_entries)
		n_listed = s->op.max_entries;
	c->n_strange_files = (uint32_t)result - n_listed;
	memset(c->segments, 0, sizeof(c->segments));
	for (uint32_t i = 0; i < n_listed; i++) {
		if (!strcmp(c->entries[i].name, FTP_CHECKPOINT_MANIFEST))
			continue;
		if (n < FTP_CHECKPOINT_MAX_SEGMENTS &&
			ftp_checkpoint_format_is_segment(c->entries[i].name, &number))
			c->segments[n++] = (struct segment){.number = number, .is_open = true};
		else
			c->n_strange_files++;
	}
}

static void end_list(struct ftp_checkpoint *c)
{
	ftp_checkpoint_enter(c, PHASE_OPEN_SEGMENTS);
}

static bool open_segments(struct ftp_checkpoint *c, struct slot *s)
{
	if (c->cursor == FTP_CHECKPOINT_MAX_SEGMENTS || !c->segments[c->cursor].is_open)
		return false;
	s->op = (struct ftp_disk_op){.kind = FTP_DISK_OPEN, .file = 1 + c->cursor};
	ftp_checkpoint_format_segment_name(s->op.name, c->segments[c->cursor].number);
	c->cursor++;
	return true;
}

static void opened_segment(struct ftp_checkpoint *c, struct slot *s, int64_t result)
{
	struct segment *segment = &c->segments[s->op.file - 1];

	if (result == -ENOENT) /* removed since it was listed */
		segment->is_open = false;
	else if (result < 0)
		ftp_checkpoint_note(c, &s->op, (int)result);
	else
		segment->bytes = (uint64_t)result / FTP_DISK_BLOCK * FTP_DISK_BLOCK;
}

/* Some of the records have no place in the files that are there. */
static bool find_missing(struct ftp_checkpoint *c)
{
	bool found = false;

	for (uint32_t i = 0; i < c->n_records; i++) {
		struct record *r = &c->records[i];
		uint32_t segment = ftp_checkpoint_segment_of(c, r->at.segment);

		if (segment == FTP_CHECKPOINT_MAX_SEGMENTS ||
			r->at.offset + ftp_checkpoint_format_space(r->at.name.bytes) >
				c->segments[segment].bytes)
			r->state = FTP_CHECKPOINT_MISSING;
		found |= r->state == FTP_CHECKPOINT_MISSING;
	}
	return found;
}

/* A node at work may have removed, after this manifest was read, what a newer one does not refer
 * to: that one is read then, and the files are looked for anew. */
static void end_open_segments(struct ftp_checkpoint *c)
{
	if (find_missing(c) && c->spec.is_read_only && c->n_rereads++ < MAX_REREADS)
		ftp_checkpoint_enter(c, PHASE_READ_SLOTS);
	else if (c->spec.depth == FTP_CHECKPOINT_READ_MANIFEST)
		ftp_checkpoint_finish(c, FTP_CHECKPOINT_OPEN, FTP_CHECKPOINT_DONE);
	else
		ftp_checkpoint_enter(c, PHASE_VERIFY);
}

const struct phase_row ftp_checkpoint_open_phases[N_PHASES] = {
	[PHASE_ATTACH] = {attach, attached, end_attach, fail_attach},
	[PHASE_OPEN_MANIFEST] = {open_manifest, opened_manifest, end_open_manifest, fail},
	[PHASE_BLANK] = {blank, NULL, end_blank, fail},
	[PHASE_READ_SLOTS] = {read_slots, took_slot, end_read_slots, fail},
	[PHASE_REWRITE] = {rewrite, NULL, end_rewrite, fail},
	[PHASE_OPEN_SYNC] = {sync_manifest, NULL, end_sync_manifest, fail},
	[PHASE_OPEN_SYNC_DIR] = {sync_dir, NULL, end_sync_dir, fail},
	[PHASE_LIST] = {list, listed, end_list, fail},
	[PHASE_OPEN_SEGMENTS] = {open_segments, opened_segment, end_open_segments, fail},
};
