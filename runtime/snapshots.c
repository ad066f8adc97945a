#include "runtime/snapshots.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/little_endian.h"

#define MAGIC	0x53505446u /* "FTPS" */
#define VERSION 1

enum place_state {
	PLACE_FREE,
	PLACE_FILLING,
	PLACE_COMPLETE,
	PLACE_FREED, /* but still pinned */
};

struct place {
	struct ftp_snapshot snapshot; /* the first member: the caller's pointer is ours */
	enum place_state state;
	bool is_doomed;	 /* FILLING: freed meanwhile */
	bool is_surplus; /* of an older plan: takes nothing new */
	uint32_t n_pins;
	struct ftp_region *region;
	struct place *next;
};

struct ftp_snapshot_places {
	struct place *first;
	size_t bytes;
};

struct ftp_snapshots {
	struct place *first;
};

static struct place *place_of(const struct ftp_snapshot *s)
{
	return (struct place *)s;
}

static void free_place(struct place *p)
{
	ftp_region_release(p->region, p->snapshot.data, p->snapshot.bytes);
	free(p);
}

static struct place *new_place(uint32_t unit, size_t state_bytes, struct ftp_region *region)
{
	struct place *p = calloc(1, sizeof(*p));

	ftp_assert(p);
	p->region = region;
	p->snapshot.unit = unit;
	p->snapshot.bytes = (uint32_t)state_bytes + FTP_SNAPSHOT_LABEL_BYTES;
	p->snapshot.data = ftp_region_alloc(region, p->snapshot.bytes);
	if (!p->snapshot.data) {
		free(p);
		return NULL;
	}
	memset(p->snapshot.data, 0, p->snapshot.bytes); /* its first use meets no page faults */
	return p;
}

int ftp_snapshot_places_new(struct ftp_snapshot_places **out, const struct ftp_model *model,
	struct ftp_region *region, const uint8_t *n_of_unit, struct ftp_error *err)
{
	struct ftp_snapshot_places *all = calloc(1, sizeof(*all));

	ftp_assert(all);
	for (uint32_t u = 0; u < (uint32_t)model->n_units; u++) {
		for (int i = 0; i < n_of_unit[u]; i++) {
			size_t bytes = model->units[u].state_bytes;
			struct place *p = new_place(u, bytes, region);

			if (!p) {
				ftp_snapshot_places_free(all);
				return ftp_error_set(err, ENOMEM,
					"no room for snapshots: a state of %zu bytes, and %zu of "
					"%zu bytes are used; raise nodes[].memory or set "
					"snapshot.every to 0",
					bytes, ftp_region_used_bytes(region),
					ftp_region_budget_bytes(region));
			}
			all->bytes += p->snapshot.bytes;
			p->next = all->first;
			all->first = p;
		}
	}
	*out = all;
	return 0;
}

static void free_list(struct place *first)
{
	while (first) {
		struct place *p = first;

		first = p->next;
		free_place(p);
	}
}

void ftp_snapshot_places_free(struct ftp_snapshot_places *p)
{
	if (!p)
		return;
	free_list(p->first);
	free(p);
}

size_t ftp_snapshot_places_bytes(const struct ftp_snapshot_places *p)
{
	return p->bytes;
}

struct ftp_snapshots *ftp_snapshots_new(void)
{
	struct ftp_snapshots *s = calloc(1, sizeof(*s));

	ftp_assert(s);
	return s;
}

void ftp_snapshots_free(struct ftp_snapshots *s)
{
	if (!s)
		return;
	free_list(s->first);
	free(s);
}

void ftp_snapshots_adopt(struct ftp_snapshots *s, struct ftp_snapshot_places *places)
{
	struct place **last = &s->first;

	for (; *last; last = &(*last)->next)
		(*last)->is_surplus = true;
	*last = places->first;
	free(places);
}

struct ftp_snapshot *ftp_snapshots_take(
	struct ftp_snapshots *s, uint32_t unit, uint64_t step, uint64_t term)
{
	for (struct place *p = s->first; p; p = p->next) {
		if (p->snapshot.unit != unit || p->state != PLACE_FREE || p->is_surplus)
			continue;
		p->state = PLACE_FILLING;
		p->is_doomed = false;
		p->snapshot.step = step;
		p->snapshot.term = term;
		return &p->snapshot;
	}
	return NULL;
}

struct ftp_snapshot *ftp_snapshots_add(struct ftp_snapshots *s, struct ftp_region *region,
	uint32_t unit, size_t state_bytes, uint64_t step, uint64_t term)
{
	struct place *p = new_place(unit, state_bytes, region);

	if (!p)
		return NULL;
	p->state = PLACE_FILLING;
	p->is_surplus = true;
	p->snapshot.step = step;
	p->snapshot.term = term;
	p->next = s->first;
	s->first = p;
	return &p->snapshot;
}

static void release(struct place *p)
{
	p->state = p->n_pins ? PLACE_FREED : PLACE_FREE;
}

void ftp_snapshots_complete(
	struct ftp_snapshots *s, struct ftp_snapshot *snapshot, struct ftp_digest digest)
{
	struct place *p = place_of(snapshot);

	(void)s;
	ftp_assert(p->state == PLACE_FILLING);
	p->snapshot.digest = digest;
	if (p->is_doomed)
		release(p);
	else
		p->state = PLACE_COMPLETE;
}

void ftp_snapshots_give_up(struct ftp_snapshots *s, struct ftp_snapshot *snapshot)
{
	struct place *p = place_of(snapshot);

	(void)s;
	ftp_assert(p->state == PLACE_FILLING);
	release(p);
}

const struct ftp_snapshot *ftp_snapshots_find(
	const struct ftp_snapshots *s, uint32_t unit, uint64_t step)
{
	const struct ftp_snapshot *x = NULL;

	while ((x = ftp_snapshots_next(s, x)))
		if (x->unit == unit && x->step == step)
			return x;
	return NULL;
}

const struct ftp_snapshot *ftp_snapshots_newest(
	const struct ftp_snapshots *s, uint32_t unit, uint64_t step)
{
	const struct ftp_snapshot *x = NULL, *newest = NULL;

	while ((x = ftp_snapshots_next(s, x)))
		if (x->unit == unit && x->step == step && (!newest || x->term > newest->term))
			newest = x;
	return newest;
}

const struct ftp_snapshot *ftp_snapshots_next(
	const struct ftp_snapshots *s, const struct ftp_snapshot *after)
{
	const struct place *p = after ? place_of(after)->next : s->first;

	while (p && p->state != PLACE_COMPLETE)
		p = p->next;
	return p ? &p->snapshot : NULL;
}

void ftp_snapshots_pin(struct ftp_snapshots *s, const struct ftp_snapshot *snapshot)
{
	(void)s;
	ftp_assert(place_of(snapshot)->state != PLACE_FREE);
	place_of(snapshot)->n_pins++;
}

void ftp_snapshots_unpin(struct ftp_snapshots *s, const struct ftp_snapshot *snapshot)
{
	struct place *p = place_of(snapshot);

	(void)s;
	ftp_assert(p->n_pins);
	p->n_pins--;
	if (p->state == PLACE_FREED)
		release(p);
}

static bool is_kept(uint64_t step, const uint64_t *steps, uint32_t n_steps, uint64_t from)
{
	for (uint32_t i = 0; i < n_steps; i++)
		if (step == steps[i])
			return true;
	return step >= from;
}

static void drop(struct place *p)
{
	if (p->state == PLACE_FILLING)
		p->is_doomed = true;
	else if (p->state == PLACE_COMPLETE)
		release(p);
}

void ftp_snapshots_cut(struct ftp_snapshots *s, uint64_t step)
{
	for (struct place *p = s->first; p; p = p->next)
		if (p->snapshot.step > step)
			drop(p);
}

void ftp_snapshots_retain(
	struct ftp_snapshots *s, const uint64_t *steps, uint32_t n_steps, uint64_t from)
{
	for (struct place *p = s->first; p; p = p->next)
		if (!is_kept(p->snapshot.step, steps, n_steps, from))
			drop(p);
}

bool ftp_snapshots_tidy(struct ftp_snapshots *s)
{
	bool found = false;

	for (struct place **at = &s->first; *at;) {
		struct place *p = *at;

		if (!p->is_surplus || p->state != PLACE_FREE) {
			at = &p->next;
			continue;
		}
		*at = p->next;
		free_place(p);
		found = true;
	}
	return found;
}

/* magic u32, version u32, unit u32, kind u32, step u64, term u64, digest 2 u64, zeros. */
static void write_label(uint8_t label[FTP_SNAPSHOT_LABEL_BYTES], const struct ftp_snapshot *s,
	enum ftp_snapshot_label_kind kind, struct ftp_digest digest)
{
	memset(label, 0, FTP_SNAPSHOT_LABEL_BYTES);
	put32(label, MAGIC);
	put32(label + 4, VERSION);
	put32(label + 8, s->unit);
	put32(label + 12, kind);
	put64(label + 16, s->step);
	put64(label + 24, s->term);
	put64(label + 32, digest.high);
	put64(label + 40, digest.low);
}

static uint8_t *label_of(const struct ftp_snapshot *s)
{
	return (uint8_t *)s->data + ftp_snapshot_state_bytes(s);
}

void ftp_snapshot_label(
	struct ftp_snapshot *s, enum ftp_snapshot_label_kind kind, struct ftp_digest digest)
{
	write_label(label_of(s), s, kind, digest);
}

static bool has_label(
	const struct ftp_snapshot *s, enum ftp_snapshot_label_kind kind, struct ftp_digest digest)
{
	uint8_t label[FTP_SNAPSHOT_LABEL_BYTES];

	write_label(label, s, kind, digest);
	return !memcmp(label, label_of(s), sizeof(label));
}

enum ftp_snapshot_label_kind ftp_snapshot_check(
	const struct ftp_snapshot *s, struct ftp_digest digest)
{
	if (has_label(s, FTP_SNAPSHOT_SOUND, digest))
		return FTP_SNAPSHOT_SOUND;
	return has_label(s, FTP_SNAPSHOT_VOID, (struct ftp_digest){0}) ? FTP_SNAPSHOT_VOID
								       : FTP_SNAPSHOT_WRONG;
}
