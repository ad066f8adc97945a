#include "tests/runtime/checkpoint_rig.h"

#include <string.h>

#include "runtime/base/prng.h"
#include "tests/base/check.h"

#define MAX_TURNS 100000

struct ftp_checkpoint_spec rig_spec(void)
{
	return (struct ftp_checkpoint_spec){
		.run = RIG_RUN, .keep = 2, .segment_unit_bytes = RIG_SEGMENT};
}

static void give_back(struct rig *r)
{
	while (r->n_lent)
		free(r->lent[--r->n_lent]);
}

void rig_turn(struct rig *r)
{
	struct ftp_disk *disk = simulated_disk_seam(r->disk);
	struct ftp_disk_completion done;
	struct ftp_disk_op op;
	int n_events = 0;

	for (int i = 0; i < MAX_TURNS; i++) {
		while (ftp_checkpoint_next(r->store, &op)) {
			disk->ops->submit(disk, &op);
			if (r->submitted)
				r->submitted(r, r->arg);
		}
		if (ftp_checkpoint_event(r->store, &r->event)) {
			n_events++;
			give_back(r);
		}
		if (!ftp_checkpoint_is_busy(r->store))
			break;
		assert_int_equal(disk->ops->reap(disk, &done, 1, 0), 1);
		ftp_checkpoint_complete(r->store, &done);
	}
	assert_false(ftp_checkpoint_is_busy(r->store));
	assert_int_equal(n_events, 1);
}

void rig_open(struct rig *r, struct simulated_disk *disk, const struct ftp_checkpoint_spec *spec)
{
	r->disk = disk;
	r->n_lent = 0;
	assert_int_equal(ftp_checkpoint_new(&r->store, spec, simulated_disk_seam(disk)), 0);
	rig_turn(r);
	assert_int_equal(r->event.activity, FTP_CHECKPOINT_OPEN);
}

void rig_close(struct rig *r)
{
	ftp_checkpoint_free(r->store);
	simulated_disk_free(r->disk);
	give_back(r);
}

void rig_data(const struct rig_state *s, uint8_t *out)
{
	uint64_t key = ftp_prng_mix(s->unit * 1000003ull + s->step * 101 + s->term);

	for (uint64_t i = 0; i < s->bytes; i++)
		out[i] = (uint8_t)(ftp_prng_mix(key + i / 8) >> i % 8 * 8);
}

static uint8_t *new_data(const struct rig_state *s)
{
	uint8_t *data = malloc(s->bytes + 1);

	ftp_assert(data);
	rig_data(s, data);
	return data;
}

int rig_put(struct rig *r, const struct rig_set *set)
{
	struct ftp_checkpoint_entry entries[RIG_MAX_UNITS];
	int rc;

	for (uint32_t i = 0; i < set->n; i++) {
		const struct rig_state *s = &set->states[i];

		r->lent[r->n_lent++] = new_data(s);
		entries[i] = (struct ftp_checkpoint_entry){.unit = s->unit,
			.step = s->step,
			.term = s->term,
			.digest = ftp_digest_of(r->lent[i], s->bytes),
			.bytes = s->bytes,
			.data = r->lent[i]};
	}
	rc = ftp_checkpoint_put(r->store, entries, set->n);
	if (rc)
		give_back(r);
	else
		rig_turn(r);
	return rc;
}

static bool is_state(const struct ftp_checkpoint_record *r, const struct rig_state *s)
{
	return r->name.unit == s->unit && r->name.step == s->step && r->name.term == s->term &&
	       r->name.bytes == s->bytes;
}

/* The digest was compared with the bytes when it opened; here it is with what they should be. */
static bool is_true(const struct ftp_checkpoint_record *r, const struct rig_state *s)
{
	uint8_t *data = new_data(s);
	struct ftp_digest d = ftp_digest_of(data, s->bytes);

	free(data);
	return d.high == r->name.digest.high && d.low == r->name.digest.low;
}

bool rig_holds(const struct rig *r, const struct rig_set *set)
{
	struct ftp_checkpoint_totals totals;
	enum ftp_checkpoint_record_state state;

	ftp_checkpoint_totals(r->store, &totals);
	if (totals.n_records != set->n)
		return false;
	for (uint32_t i = 0; i < totals.n_records; i++) {
		const struct ftp_checkpoint_record *record =
			ftp_checkpoint_record_at(r->store, i, &state);
		uint32_t k = 0;

		while (k < set->n && !is_state(record, &set->states[k]))
			k++;
		if (k == set->n || state != FTP_CHECKPOINT_GOOD ||
			!is_true(record, &set->states[k]))
			return false;
	}
	return true;
}

struct ftp_checkpoint_name rig_name(const struct rig_state *s)
{
	struct ftp_checkpoint_name name = {.run = RIG_RUN,
		.term = s->term,
		.step = s->step,
		.unit = s->unit,
		.bytes = s->bytes};
	uint8_t *data = new_data(s);

	name.digest = ftp_digest_of(data, s->bytes);
	free(data);
	return name;
}

bool rig_reads(struct rig *r, const struct rig_state *s)
{
	uint8_t *into = malloc(s->bytes + 1), *data = new_data(s);
	struct ftp_checkpoint_name name = rig_name(s);
	bool same;

	assert_int_equal(ftp_checkpoint_get(r->store, &name, into), 0);
	rig_turn(r);
	same = r->event.outcome == FTP_CHECKPOINT_DONE && !memcmp(into, data, s->bytes);
	free(into);
	free(data);
	return same;
}

void rig_add(struct rig_set *set, uint32_t unit, uint64_t term, uint64_t step, uint64_t bytes)
{
	ftp_assert(set->n < RIG_MAX_UNITS);
	set->states[set->n++] = (struct rig_state){unit, term, step, bytes};
}

/* The rules once more, as slow and plain as they are written in runtime/retention.h. */
static bool is_kept(const struct rig_set *all, const struct rig_state *s, uint32_t keep)
{
	uint32_t n_newer = 0;

	for (uint32_t i = 0; i < all->n; i++) {
		const struct rig_state *o = &all->states[i];

		if (o->term > s->term && o->step <= s->step)
			return false;
	}
	for (uint32_t i = 0; i < all->n; i++) {
		const struct rig_state *o = &all->states[i];
		bool overtaken = false;

		for (uint32_t k = 0; k < all->n; k++)
			overtaken |=
				all->states[k].term > o->term && all->states[k].step <= o->step;
		n_newer += o->unit == s->unit && o->step > s->step && !overtaken;
	}
	return n_newer < keep;
}

struct rig_set rig_after(const struct rig_set *before, const struct rig_set *put, uint32_t keep)
{
	struct rig_set all = *before, kept = {.n = 0};

	for (uint32_t i = 0; i < put->n; i++)
		all.states[all.n++] = put->states[i];
	for (uint32_t i = 0; i < all.n; i++)
		if (is_kept(&all, &all.states[i], keep))
			kept.states[kept.n++] = all.states[i];
	return kept;
}
