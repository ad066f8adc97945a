/* What the checkpoint tells about itself. */
#include "runtime/checkpoint_state.h"

const struct ftp_checkpoint_record *ftp_checkpoint_record_at(
	const struct ftp_checkpoint *c, uint32_t i, enum ftp_checkpoint_record_state *state)
{
	ftp_assert(i < c->n_listed);
	if (state)
		*state = c->records[i].state;
	return &c->records[i].at;
}

void ftp_checkpoint_totals(const struct ftp_checkpoint *c, struct ftp_checkpoint_totals *totals)
{
	*totals = (struct ftp_checkpoint_totals){.n_records = c->n_listed,
		.run = c->spec.run,
		.sequence = c->sequence,
		.capacity_bytes = ftp_checkpoint_capacity(c),
		.live_bytes = ftp_checkpoint_live_bytes(c),
		.n_strange_files = c->n_strange_files,
		.n_puts = c->n_puts,
		.n_failed = c->n_failed,
		.n_removed_segments = c->n_removed_segments};
	for (int i = 0; i < FTP_CHECKPOINT_N_SLOTS; i++)
		totals->slots[i] = c->slot_states[i];
	for (uint32_t i = 0; i < FTP_CHECKPOINT_MAX_SEGMENTS; i++)
		totals->n_segments += c->segments[i].is_open;
}

const char *ftp_checkpoint_outcome_name(enum ftp_checkpoint_outcome outcome)
{
	static const char *const names[FTP_N_CHECKPOINT_OUTCOMES] = {[FTP_CHECKPOINT_DONE] = "done",
		[FTP_CHECKPOINT_NO_SPACE] = "no space",
		[FTP_CHECKPOINT_IO_ERROR] = "I/O error",
		[FTP_CHECKPOINT_NONE] = "no checkpoint",
		[FTP_CHECKPOINT_OTHER_RUN] = "of another run",
		[FTP_CHECKPOINT_DAMAGED] = "damaged",
		[FTP_CHECKPOINT_CANCELLED] = "cancelled"};

	ftp_assert(outcome < FTP_N_CHECKPOINT_OUTCOMES);
	return names[outcome];
}

const char *ftp_checkpoint_record_state_name(enum ftp_checkpoint_record_state state)
{
	static const char *const names[FTP_N_CHECKPOINT_RECORD_STATES] = {
		[FTP_CHECKPOINT_GOOD] = "good",
		[FTP_CHECKPOINT_BAD_HEADER] = "bad header",
		[FTP_CHECKPOINT_BAD_DIGEST] = "bad digest",
		[FTP_CHECKPOINT_MISSING] = "missing",
		[FTP_CHECKPOINT_UNREADABLE] = "unreadable"};

	ftp_assert(state < FTP_N_CHECKPOINT_RECORD_STATES);
	return names[state];
}

const char *ftp_checkpoint_slot_state_name(enum ftp_checkpoint_slot_state state)
{
	static const char *const names[FTP_N_CHECKPOINT_SLOT_STATES] = {
		[FTP_CHECKPOINT_SLOT_WHOLE] = "whole",
		[FTP_CHECKPOINT_SLOT_BLANK] = "blank",
		[FTP_CHECKPOINT_SLOT_TORN] = "torn"};

	ftp_assert(state < FTP_N_CHECKPOINT_SLOT_STATES);
	return names[state];
}
