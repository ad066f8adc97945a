/* A put from its entries to its plan: what is new, what is kept, where it goes. */
#include <errno.h>

#include "runtime/base/sort.h"
#include "runtime/checkpoint_state.h"

static int by_place(const void *a, const void *b)
{
	const struct record *x = *(struct record *const *)a, *y = *(struct record *const *)b;

	if (x->at.segment != y->at.segment)
		return x->at.segment < y->at.segment ? -1 : 1;
	return (x->at.offset > y->at.offset) - (x->at.offset < y->at.offset);
}

void ftp_checkpoint_plan_put(struct ftp_checkpoint *c)
{
	c->n_order = c->n_touched = c->order_cursor = 0;
	c->order_position = c->prewritten_bytes = c->unsynced_bytes = 0;
	c->put_bytes = 0;
	for (uint32_t i = 0; i < c->n_records; i++)
		if (c->records[i].is_new) {
			c->order[c->n_order++] = &c->records[i];
			c->put_bytes += ftp_checkpoint_format_space(c->records[i].at.name.bytes);
		}
	if (ftp_checkpoint_find_room(c)) {
		c->error = ftp_error_set(&c->error_text, ENOSPC,
			"%llu bytes more would be above the limit of %llu bytes or %u segments",
			(unsigned long long)c->put_bytes, (unsigned long long)c->spec.max_bytes,
			FTP_CHECKPOINT_MAX_SEGMENTS);
		ftp_checkpoint_fail_put(c);
		return;
	}
	ftp_sort(c->order, c->n_order, sizeof(c->order[0]), by_place);
	ftp_checkpoint_enter(c, c->n_order ? PHASE_CREATE : PHASE_MANIFEST);
}

void ftp_checkpoint_fail_put(struct ftp_checkpoint *c)
{
	for (uint32_t i = 0; i < c->n_records; i++) {
		c->records[i].is_new = false;
		c->records[i].data = NULL;
	}
	ftp_checkpoint_compact(c);
	c->n_failed++;
	ftp_checkpoint_finish(c, FTP_CHECKPOINT_PUT, ftp_checkpoint_failure(c));
}

/* What the open found broken is not carried on; what could not be read may be readable again. */
static void forget_broken(struct ftp_checkpoint *c)
{
	for (uint32_t i = 0; i < c->n_records; i++) {
		struct record *r = &c->records[i];

		if (r->state != FTP_CHECKPOINT_GOOD && r->state != FTP_CHECKPOINT_UNREADABLE)
			r->is_durable = false;
	}
	ftp_checkpoint_compact(c);
}

static void forget_new(struct ftp_checkpoint *c)
{
	for (uint32_t i = 0; i < c->n_records; i++)
		c->records[i].is_new = false;
	ftp_checkpoint_compact(c);
}

/* A record of that unit, step and term, new or durable; NULL: none. */
static struct record *find(struct ftp_checkpoint *c, const struct ftp_checkpoint_entry *e)
{
	for (struct record *r = c->records; r < c->records + c->n_records; r++)
		if (r->at.name.unit == e->unit && r->at.name.step == e->step &&
			r->at.name.term == e->term && (r->is_durable || r->is_new))
			return r;
	return NULL;
}

static int add_entry(struct ftp_checkpoint *c, const struct ftp_checkpoint_entry *e)
{
	struct record *r = find(c, e);
	struct record added = {.at.name = {.run = c->spec.run,
				       .term = e->term,
				       .step = e->step,
				       .unit = e->unit,
				       .bytes = e->bytes,
				       .digest = e->digest},
		.state = FTP_CHECKPOINT_GOOD,
		.is_read = true,
		.is_new = true,
		.data = e->data};

	if (e->bytes > FTP_CHECKPOINT_MAX_BYTES || (r && r->is_new))
		return -EINVAL;
	if (r && !ftp_checkpoint_format_same(&r->at.name, &added.at.name))
		return FTP_CHECKPOINT_CONFLICT;
	if (r && r->state == FTP_CHECKPOINT_GOOD && r->is_read) {
		r->is_asked = true;
		return 0;
	}
	if (r)
		r->is_replaced = true;
	c->records[c->n_records++] = added;
	return 0;
}

/* Sets is_wanted. FTP_CHECKPOINT_STALE: not all that is put would be kept; -EINVAL: too many. */
static int choose(struct ftp_checkpoint *c)
{
	uint32_t n = 0, n_wanted = 0;

	for (uint32_t i = 0; i < c->n_records; i++) {
		struct record *r = &c->records[i];

		r->is_wanted = false;
		if ((r->is_durable || r->is_new) && !r->is_replaced)
			c->states[n++] = (struct ftp_retention_state){.term = r->at.name.term,
				.step = r->at.name.step,
				.unit = r->at.name.unit,
				.index = i};
	}
	ftp_retention_choose(c->states, n, c->spec.keep, c->pinned_step);
	for (uint32_t i = 0; i < n; i++) {
		struct record *r = &c->records[c->states[i].index];

		if ((r->is_new || r->is_asked) && !c->states[i].is_kept)
			return FTP_CHECKPOINT_STALE;
		r->is_wanted = c->states[i].is_kept;
		n_wanted += r->is_wanted;
	}
	return n_wanted > FTP_CHECKPOINT_MAX_RECORDS ? -EINVAL : 0;
}

int ftp_checkpoint_put(
	struct ftp_checkpoint *c, const struct ftp_checkpoint_entry *entries, uint32_t n)
{
	int rc = 0;

	if (c->phase != PHASE_IDLE)
		return FTP_CHECKPOINT_BUSY;
	ftp_assert(!c->spec.is_read_only);
	if (n > FTP_CHECKPOINT_MAX_PUT)
		return -EINVAL;
	forget_broken(c);
	for (uint32_t i = 0; i < c->n_records; i++)
		c->records[i].is_replaced = c->records[i].is_asked = false;
	for (uint32_t i = 0; i < n && !rc; i++)
		rc = add_entry(c, &entries[i]);
	if (!rc)
		rc = choose(c);
	if (rc) {
		forget_new(c);
		return rc;
	}
	ftp_checkpoint_enter(c, PHASE_REPAIR);
	return 0;
}
