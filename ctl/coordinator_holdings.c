/* What halted nodes hold of past steps, as each has told it, and the newest step of which every
 * unit is held. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/coordinator_state.h"

int ftp_coordinator_on_halted(struct ftp_coordinator *c, uint32_t node, const struct ftp_event *e,
	uint64_t now_ns, struct ftp_actions *a, struct ftp_error *err)
{
	struct ftp_inventory *m;
	int rc;

	if (!(c->change.awaited & FTP_NODE_BIT(node)))
		return 0;
	m = malloc(sizeof(*m));
	ftp_assert(m);
	rc = ftp_inventory_decode(m, e->body, err);
	for (uint32_t i = 0; !rc && i < m->n; i++)
		if (m->unit[i] >= c->settings.n_units)
			rc = ftp_error_set(err, EPROTO, "unit[%u]: the model has none such", i);
		else if (m->term[i] > ftp_coordinator_resume_most(c))
			rc = ftp_error_set(err, EPROTO, "term[%u]: %llu is above %llu", i,
				(unsigned long long)m->term[i],
				(unsigned long long)ftp_coordinator_resume_most(c));
	if (rc) {
		free(m);
		return rc;
	}
	free(c->recovery.inventories[node]);
	c->recovery.inventories[node] = m;
	c->recovery.trains &= ~FTP_NODE_BIT(node);
	ftp_coordinator_change_done(c, node, now_ns, a);
	return 0;
}

void ftp_coordinator_holdings_free(struct ftp_coordinator *c)
{
	for (int i = 0; i < FTP_CONFIG_MAX_NODES; i++) {
		free(c->recovery.inventories[i]);
		c->recovery.inventories[i] = NULL;
	}
}

/* The newest step below the bound that any of the nodes holds anything of, and whose losses are
 * known. */
static uint64_t newest_below(const struct ftp_coordinator *c, uint64_t nodes, uint64_t bound)
{
	uint64_t newest = 0;

	for (uint32_t i = 0; i < c->n_nodes; i++) {
		if (!(nodes & FTP_NODE_BIT(i)))
			continue;
		const struct ftp_inventory *m = c->recovery.inventories[i];

		for (uint32_t k = 0; m && k < m->n; k++)
			if (m->step[k] < bound && m->step[k] > newest)
				newest = m->step[k];
	}
	return newest;
}

/* One entry of a node's inventory, of the step in question. What is of an abandoned history, or not
 * what the catalogue knows, counts as not held. false: it contradicts another entry, and nothing
 * says which of them is right. */
static bool add_entry(const struct ftp_coordinator *c, struct ftp_catalogue_snapshot *s,
	uint32_t node, uint32_t k)
{
	const struct ftp_catalogue *catalogue = &c->snapshots.catalogue;
	const struct ftp_catalogue_snapshot *known = ftp_catalogue_find(catalogue, s->step);
	const struct ftp_inventory *m = c->recovery.inventories[node];
	uint32_t u = m->unit[k];
	bool agrees;

	if (!ftp_catalogue_is_valid(catalogue, m->term[k], m->step[k]))
		return true;
	if (!s->term)
		s->term = m->term[k];
	if (!s->is_told[u])
		s->digest[u] = m->digest[k];
	s->is_told[u] = true;
	agrees = s->term == m->term[k] && ftp_digest_equal(s->digest[u], m->digest[k]);
	if (agrees)
		s->holders[u] |= FTP_NODE_BIT(node);
	return agrees || (known && known->is_told[u]);
}

/* All that these nodes hold of the step; false: not every unit is. */
static bool gather(const struct ftp_coordinator *c, uint64_t nodes, uint64_t step,
	struct ftp_catalogue_snapshot *s)
{
	const struct ftp_catalogue_snapshot *known =
		ftp_catalogue_find(&c->snapshots.catalogue, step);

	if (known)
		*s = *known;
	else
		*s = (struct ftp_catalogue_snapshot){.step = step};
	memset(s->holders, 0, sizeof(s->holders));
	for (uint32_t i = 0; i < c->n_nodes; i++) {
		const struct ftp_inventory *m = c->recovery.inventories[i];

		for (uint32_t k = 0; nodes & FTP_NODE_BIT(i) && m && k < m->n; k++)
			if (m->step[k] == step && !add_entry(c, s, i, k))
				return false;
	}
	for (uint32_t u = 0; u < c->settings.n_units; u++)
		if (!s->holders[u])
			return false;
	return true;
}

static uint64_t end_of(const struct ftp_coordinator *c)
{
	return c->last_row < c->last_step ? c->last_row + 1 : c->last_step;
}

uint64_t ftp_coordinator_holdings_newest(const struct ftp_coordinator *c)
{
	return newest_below(c, UINT64_MAX, end_of(c));
}

static uint64_t newest_whole(
	const struct ftp_coordinator *c, uint64_t nodes, struct ftp_catalogue_snapshot *s)
{
	uint64_t step = newest_below(c, nodes, end_of(c));

	while (step && !gather(c, nodes, step, s))
		step = newest_below(c, nodes, step);
	return step;
}

uint64_t ftp_coordinator_holdings_whole(const struct ftp_coordinator *c, uint64_t nodes)
{
	struct ftp_catalogue_snapshot s;

	return newest_whole(c, nodes, &s);
}

uint64_t ftp_coordinator_holdings_step(
	const struct ftp_coordinator *c, struct ftp_catalogue_snapshot *s)
{
	uint64_t left_out = ftp_coordinator_reach_left_out(c);
	uint64_t step = newest_whole(c, ~left_out, s);

	return step || !left_out ? step : newest_whole(c, UINT64_MAX, s);
}

uint64_t ftp_coordinator_holdings_known(const struct ftp_coordinator *c)
{
	const struct ftp_coordinator_snapshots *s = &c->snapshots;
	uint64_t step = s->stable_step > s->global_step ? s->stable_step : s->global_step;

	step = step > s->disk_step ? step : s->disk_step;
	return step > s->known_step ? step : s->known_step;
}

/* That there is something to go back to must outlive this process; how new it is, the nodes tell.
 * So one journal is enough. */
void ftp_coordinator_holdings_stable(
	struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a)
{
	if (c->snapshots.known_step)
		return;
	c->snapshots.known_step = c->snapshots.stable_step;
	ftp_coordinator_journal(c, now_ns, a);
}

void ftp_coordinator_holdings_take_stock(struct ftp_coordinator *c)
{
	struct ftp_catalogue_snapshot snapshot;

	if (ftp_coordinator_holdings_step(c, &snapshot))
		ftp_coordinator_snapshots_adopt(c, &snapshot);
	ftp_coordinator_holdings_free(c);
}
