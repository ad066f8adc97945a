#include "ctl/coordinator_catalogue.h"

#include <string.h>

#define BIT(node) (UINT64_C(1) << (node))

void ftp_catalogue_init(struct ftp_catalogue *c, uint32_t n_units)
{
	ftp_assert(n_units <= FTP_PROTOCOL_MAX_UNITS);
	memset(c, 0, sizeof(*c));
	c->n_units = n_units;
}

static struct ftp_catalogue_snapshot *find(struct ftp_catalogue *c, uint64_t step)
{
	for (int i = 0; i < FTP_CATALOGUE_MAX_SNAPSHOTS; i++)
		if (step && c->snapshots[i].step == step)
			return &c->snapshots[i];
	return NULL;
}

const struct ftp_catalogue_snapshot *ftp_catalogue_find(
	const struct ftp_catalogue *c, uint64_t step)
{
	return find((struct ftp_catalogue *)c, step);
}

void ftp_catalogue_begin(struct ftp_catalogue *c, uint64_t term, uint64_t step)
{
	while (c->n_begun && c->begun[c->n_begun - 1].step >= step)
		c->n_begun--;
	if (c->n_begun == FTP_CATALOGUE_MAX_TERMS) {
		c->forgotten_term = c->begun[0].term - 1;
		memmove(c->begun, c->begun + 1, --c->n_begun * sizeof(*c->begun));
	}
	c->begun[c->n_begun].term = term;
	c->begun[c->n_begun++].step = step;
	for (int i = 0; i < FTP_CATALOGUE_MAX_SNAPSHOTS; i++)
		if (!ftp_catalogue_is_valid(c, c->snapshots[i].term, c->snapshots[i].step))
			c->snapshots[i].step = 0;
}

/* The earliest step at which any later term began is the first of them, as they grow. */
bool ftp_catalogue_is_valid(const struct ftp_catalogue *c, uint64_t term, uint64_t step)
{
	uint32_t i = 0;

	while (i < c->n_begun && c->begun[i].term <= term)
		i++;
	return term > c->forgotten_term && (i == c->n_begun || step <= c->begun[i].step);
}

void ftp_catalogue_expect(struct ftp_catalogue *c, uint64_t term, uint64_t step)
{
	struct ftp_catalogue_snapshot *s = NULL;

	ftp_assert(step && !find(c, step) && ftp_catalogue_is_valid(c, term, step));
	for (int i = 0; i < FTP_CATALOGUE_MAX_SNAPSHOTS && !s; i++)
		if (!c->snapshots[i].step)
			s = &c->snapshots[i];
	ftp_assert(s);
	memset(s, 0, sizeof(*s));
	s->term = term;
	s->step = step;
}

void ftp_catalogue_forget(struct ftp_catalogue *c, uint64_t step)
{
	struct ftp_catalogue_snapshot *s = find(c, step);

	if (s)
		s->step = 0;
}

int ftp_catalogue_add(struct ftp_catalogue *c, uint32_t node, uint32_t unit, uint64_t term,
	uint64_t step, struct ftp_digest digest, uint32_t *teller)
{
	struct ftp_catalogue_snapshot *s = find(c, step);

	ftp_assert(unit < c->n_units && node < FTP_CONFIG_MAX_NODES);
	if (!s || s->term != term)
		return FTP_CATALOGUE_UNKNOWN;
	if (s->is_told[unit] && !ftp_digest_equal(s->digest[unit], digest)) {
		*teller = s->teller[unit];
		return FTP_CATALOGUE_CONFLICT;
	}
	if (!s->is_told[unit])
		s->teller[unit] = node;
	s->is_told[unit] = true;
	s->digest[unit] = digest;
	s->holders[unit] |= BIT(node);
	s->had[unit] |= BIT(node);
	return 0;
}

void ftp_catalogue_know(struct ftp_catalogue *c, uint32_t unit, uint64_t step,
	struct ftp_digest digest, uint64_t had)
{
	struct ftp_catalogue_snapshot *s = find(c, step);

	ftp_assert(s && unit < c->n_units && !s->is_told[unit]);
	s->is_told[unit] = true;
	s->digest[unit] = digest;
	s->had[unit] = had;
	s->teller[unit] = had ? (uint32_t)__builtin_ctzll(had) : 0;
}

void ftp_catalogue_lose(struct ftp_catalogue *c, uint32_t node)
{
	for (int i = 0; i < FTP_CATALOGUE_MAX_SNAPSHOTS; i++)
		for (uint32_t u = 0; u < c->n_units; u++)
			c->snapshots[i].holders[u] &= ~BIT(node);
}

bool ftp_catalogue_is_stable(const struct ftp_catalogue *c, uint64_t step, int n_holders)
{
	const struct ftp_catalogue_snapshot *s = ftp_catalogue_find(c, step);

	for (uint32_t u = 0; s && u < c->n_units; u++)
		if (__builtin_popcountll(s->holders[u]) < n_holders)
			return false;
	return s;
}

bool ftp_catalogue_has(
	const struct ftp_catalogue *c, uint64_t step, uint32_t node, uint32_t first, uint32_t end)
{
	const struct ftp_catalogue_snapshot *s = ftp_catalogue_find(c, step);

	for (uint32_t u = first; s && u < end; u++)
		if (!(s->holders[u] & BIT(node)))
			return false;
	return s;
}
