#include "runtime/checkpoint.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/checkpoint_state.h"

static const struct phase_row *row_of(enum phase p)
{
	static const struct phase_row *const tables[] = {ftp_checkpoint_open_phases,
		ftp_checkpoint_read_phases, ftp_checkpoint_room_phases,
		ftp_checkpoint_write_phases};

	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		if (tables[i][p].issue)
			return &tables[i][p];
	return NULL;
}

int ftp_checkpoint_new(struct ftp_checkpoint **out, const struct ftp_checkpoint_spec *spec,
	const struct ftp_disk *disk)
{
	struct ftp_checkpoint *c = calloc(1, sizeof(*c));

	*out = c;
	if (!c)
		return -ENOMEM;
	ftp_assert(spec->keep || spec->is_read_only);
	c->spec = *spec;
	if (!c->spec.segment_unit_bytes)
		c->spec.segment_unit_bytes = FTP_CHECKPOINT_SEGMENT_UNIT;
	ftp_assert(c->spec.segment_unit_bytes % FTP_DISK_BLOCK == 0);
	if (!c->spec.sync_every_bytes)
		c->spec.sync_every_bytes = FTP_CHECKPOINT_SYNC_EVERY;
	c->buffers = disk->buffers;
	c->new_segment = FTP_CHECKPOINT_MAX_SEGMENTS;
	c->digest = ftp_digest_begin();
	ftp_checkpoint_enter(c, PHASE_ATTACH);
	return 0;
}

void ftp_checkpoint_free(struct ftp_checkpoint *c)
{
	if (!c)
		return;
	ftp_assert(!c->n_in_flight);
	ftp_digest_end(c->digest);
	free(c);
}

void ftp_checkpoint_enter(struct ftp_checkpoint *c, enum phase p)
{
	c->phase = p;
	c->cursor = 0;
	c->position = 0;
}

uint8_t *ftp_checkpoint_buffer(const struct ftp_checkpoint *c, const struct slot *s)
{
	return c->buffers + (uint64_t)(s - c->slots) * FTP_DISK_BUFFER_BYTES;
}

bool ftp_checkpoint_once(
	struct ftp_checkpoint *c, struct slot *s, enum ftp_disk_op_kind kind, uint32_t file)
{
	if (c->cursor++)
		return false;
	s->op = (struct ftp_disk_op){.kind = kind, .file = file};
	return true;
}

uint32_t ftp_checkpoint_segment_of(const struct ftp_checkpoint *c, uint32_t number)
{
	uint32_t i = 0;

	while (i < FTP_CHECKPOINT_MAX_SEGMENTS &&
		!(c->segments[i].is_open && c->segments[i].number == number))
		i++;
	return i;
}

bool ftp_checkpoint_must_sync(const struct ftp_checkpoint *c)
{
	return c->unsynced_bytes >= c->spec.sync_every_bytes;
}

void ftp_checkpoint_compact(struct ftp_checkpoint *c)
{
	uint32_t n = 0;

	c->n_listed = 0;
	for (uint32_t i = 0; i < c->n_records; i++) {
		const struct record *r = &c->records[i];

		if (!r->is_durable && !r->is_new)
			continue;
		c->n_listed += r->is_durable;
		c->records[n++] = *r;
	}
	c->n_records = n;
}

enum ftp_checkpoint_outcome ftp_checkpoint_failure(const struct ftp_checkpoint *c)
{
	bool is_full = c->error == -ENOSPC || c->error == -EDQUOT || c->error == -EFBIG;

	if (c->is_cancelled)
		return FTP_CHECKPOINT_CANCELLED;
	return is_full ? FTP_CHECKPOINT_NO_SPACE : FTP_CHECKPOINT_IO_ERROR;
}

void ftp_checkpoint_tell(struct ftp_checkpoint *c, enum ftp_checkpoint_activity activity,
	enum ftp_checkpoint_outcome outcome)
{
	bool failed = outcome != FTP_CHECKPOINT_DONE;

	snprintf(c->event_text, sizeof(c->event_text), "%s", failed ? c->error_text.text : "");
	c->has_event = true;
	c->event = (struct ftp_checkpoint_event){.activity = activity,
		.outcome = outcome,
		.error = failed ? c->error : 0,
		.text = c->event_text,
		.bytes = activity == FTP_CHECKPOINT_PUT ? c->put_bytes : 0};
	c->error = 0;
	c->is_cancelled = false;
	c->error_text.text[0] = 0;
}

void ftp_checkpoint_finish(struct ftp_checkpoint *c, enum ftp_checkpoint_activity activity,
	enum ftp_checkpoint_outcome outcome)
{
	bool is_lost = activity == FTP_CHECKPOINT_OPEN && outcome != FTP_CHECKPOINT_DONE;

	ftp_checkpoint_tell(c, activity, outcome);
	ftp_checkpoint_enter(c, is_lost ? PHASE_FAILED : PHASE_IDLE);
}

static const char *file_name(
	const struct ftp_checkpoint *c, const struct ftp_disk_op *op, char name[FTP_DISK_NAME])
{
	if (op->kind == FTP_DISK_ATTACH || op->kind == FTP_DISK_LIST ||
		op->kind == FTP_DISK_SYNC_DIR)
		return "the directory";
	if (op->file == MANIFEST_FILE)
		return FTP_CHECKPOINT_MANIFEST;
	ftp_checkpoint_format_segment_name(name, c->segments[op->file - 1].number);
	return name;
}

void ftp_checkpoint_note(struct ftp_checkpoint *c, const struct ftp_disk_op *op, int error)
{
	static const char *const verbs[FTP_DISK_N_KINDS] = {[FTP_DISK_ATTACH] = "be used",
		[FTP_DISK_LIST] = "be listed",
		[FTP_DISK_OPEN] = "be opened",
		[FTP_DISK_CREATE] = "be created",
		[FTP_DISK_READ] = "be read",
		[FTP_DISK_WRITE] = "be written",
		[FTP_DISK_SYNC] = "be made durable",
		[FTP_DISK_SYNC_DIR] = "be made durable",
		[FTP_DISK_REMOVE] = "be removed"};
	char name[FTP_DISK_NAME], part[64] = "";

	if (c->error)
		return;
	c->error_file = op->file;
	if (error == -ESTALE) {
		c->error = ftp_error_set(&c->error_text, ESTALE,
			"%s was removed while it was in use", file_name(c, op, name));
		return;
	}
	if (op->bytes)
		snprintf(part, sizeof(part), " (%u bytes at %llu)", op->bytes,
			(unsigned long long)op->offset);
	c->error = ftp_error_set(&c->error_text, -error, "%s cannot %s%s: %s",
		file_name(c, op, name), verbs[op->kind], part, strerror(-error));
}

/* The next operation of the slot, complete with tag and buffer. */
static void launch(struct ftp_checkpoint *c, struct slot *s, struct ftp_disk_op *op)
{
	s->state = SLOT_FLYING;
	c->n_in_flight++;
	s->op.tag = s->op.buffer = (uint32_t)(s - c->slots);
	*op = s->op;
}

static struct slot *find_slot(struct ftp_checkpoint *c, enum slot_state state)
{
	for (uint32_t i = 0; i < FTP_DISK_N_BUFFERS; i++)
		if (c->slots[i].state == state)
			return &c->slots[i];
	return NULL;
}

static void leave_failed_phase(struct ftp_checkpoint *c)
{
	const struct phase_row *row = row_of(c->phase);

	/* What was read ahead, or was to be tried again, is of no use any more. */
	for (uint32_t i = 0; i < FTP_DISK_N_BUFFERS; i++)
		c->slots[i].state = SLOT_FREE;
	row->fail(c);
}

bool ftp_checkpoint_next(struct ftp_checkpoint *c, struct ftp_disk_op *op)
{
	const struct phase_row *row;
	struct slot *s;

	while ((row = row_of(c->phase))) {
		if (c->error && c->n_in_flight)
			return false;
		if (c->error) {
			leave_failed_phase(c);
			continue;
		}
		s = find_slot(c, SLOT_AGAIN);
		if (!s) {
			s = find_slot(c, SLOT_FREE);
			if (!s)
				return false;
			*s = (struct slot){.state = SLOT_FREE};
			if (!row->issue(c, s)) {
				if (c->n_in_flight)
					return false;
				if (!c->error)
					row->end(c);
				continue;
			}
		}
		launch(c, s, op);
		return true;
	}
	return false;
}

/* true: the slot's operation has to go on. */
static bool goes_on(struct slot *s, int64_t result)
{
	uint32_t whole;

	if (result == -EAGAIN || result == -EINTR)
		return ++s->n_tries < MAX_TRIES;
	if (result < 0 || (s->op.kind != FTP_DISK_READ && s->op.kind != FTP_DISK_WRITE))
		return false;
	ftp_assert(result <= s->op.bytes);
	/* From the last whole block on, as direct access asks. */
	whole = (uint32_t)result / FTP_DISK_BLOCK * FTP_DISK_BLOCK;
	s->n_tries = whole ? 0 : s->n_tries + 1;
	s->done_bytes += whole;
	s->op.buffer_offset += whole;
	s->op.offset += whole;
	s->op.bytes -= whole;
	if (!s->op.bytes)
		return false;
	return s->n_tries < MAX_TRIES && !(s->op.kind == FTP_DISK_READ && !result);
}

void ftp_checkpoint_complete(struct ftp_checkpoint *c, const struct ftp_disk_completion *done)
{
	const struct phase_row *row = row_of(c->phase);
	struct slot *s = &c->slots[done->tag];
	int64_t result = done->result;

	ftp_assert(done->tag < FTP_DISK_N_BUFFERS && s->state == SLOT_FLYING);
	c->n_in_flight--;
	if (goes_on(s, result)) {
		s->state = SLOT_AGAIN;
		return;
	}
	s->state = SLOT_FREE;
	if (s->op.kind == FTP_DISK_WRITE && result >= 0 && s->op.bytes)
		result = -ENOSPC; /* there is room for less than a block */
	if (row->taken)
		row->taken(c, s, result);
	else if (result < 0)
		ftp_checkpoint_note(c, &s->op, (int)result);
}

bool ftp_checkpoint_event(struct ftp_checkpoint *c, struct ftp_checkpoint_event *e)
{
	if (!c->has_event)
		return false;
	*e = c->event;
	c->has_event = false;
	return true;
}

bool ftp_checkpoint_is_busy(const struct ftp_checkpoint *c)
{
	return c->phase != PHASE_IDLE && c->phase != PHASE_FAILED;
}

bool ftp_checkpoint_is_still(const struct ftp_checkpoint *c)
{
	return !c->n_in_flight;
}

bool ftp_checkpoint_claim(struct ftp_checkpoint *c, uint64_t run)
{
	if (c->spec.run && c->spec.run != run)
		return false;
	c->spec.run = run;
	return true;
}

void ftp_checkpoint_cancel(struct ftp_checkpoint *c)
{
	bool may = c->phase >= PHASE_REPAIR && c->phase < PHASE_MANIFEST && c->phase != PHASE_UNDO;

	if (c->phase == PHASE_GET || c->phase == PHASE_CHECK)
		ftp_checkpoint_cancel_reading(c);
	if (!may || c->error)
		return;
	c->is_cancelled = true;
	c->error = ftp_error_set(&c->error_text, ECANCELED, "it was given up");
}

void ftp_checkpoint_pin(struct ftp_checkpoint *c, uint64_t step)
{
	c->pinned_step = step;
}

bool ftp_checkpoint_turn(
	struct ftp_checkpoint *c, struct ftp_disk *disk, uint32_t max_ops, uint64_t timeout_ns)
{
	struct ftp_disk_completion done[FTP_DISK_N_BUFFERS];
	struct ftp_disk_op op;
	uint32_t n_ops = 0;
	int n = 0;

	for (; n_ops < max_ops && ftp_checkpoint_next(c, &op); n_ops++)
		disk->ops->submit(disk, &op);
	if (c->n_in_flight)
		n = disk->ops->reap(disk, done, FTP_DISK_N_BUFFERS, timeout_ns);
	for (int i = 0; i < n; i++)
		ftp_checkpoint_complete(c, &done[i]);
	return n_ops || n > 0;
}
