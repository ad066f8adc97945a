/* A journal, which has been checked, into a new core. Nodes are known by their names: the
 * configuration may have others now, or in another order. */
#include <stdlib.h>
#include <string.h>

#include "ctl/coordinator_journal.h"

/* What its units must be, whoever has them now. */
static void read_disk(struct ftp_coordinator *c, const struct ftp_journal_head *h)
{
	struct ftp_catalogue *catalogue = &c->snapshots.catalogue;

	if (!h->disk_step || h->n_units != c->settings.n_units ||
		!ftp_catalogue_is_valid(catalogue, h->disk_term, h->disk_step))
		return;
	ftp_catalogue_expect(catalogue, h->disk_term, h->disk_step);
	for (uint32_t u = 0; u < h->n_units; u++)
		ftp_catalogue_know(
			catalogue, u, h->disk_step, h->digest[u], ftp_coordinator_resume_had(c, u));
	c->snapshots.disk_step = c->snapshots.disk.named_step = h->disk_step;
}

static void read_head(struct ftp_coordinator *c, const struct ftp_journal_head *h)
{
	struct ftp_catalogue *catalogue = &c->snapshots.catalogue;
	struct ftp_coordinator_recovery *r = &c->recovery;

	c->last_term = h->last_term;
	c->old_term = h->old_term;
	c->plan_step = h->plan_step;
	c->plan.term = h->plan_term;
	c->last_step = h->last_step;
	memcpy(c->isa, h->isa, sizeof(c->isa));
	c->train_start_ns = c->resume.begin_ns - (uint64_t)(h->train_s * (double)FTP_NS_PER_S);
	c->outcome = (enum ftp_coordinator_outcome)h->outcome;
	memcpy(c->reason, h->reason, sizeof(c->reason));
	memcpy(c->params_digest, h->params_digest, sizeof(c->params_digest));
	c->snapshots.known_step = h->stable_step;
	c->snapshots.disk.back_step = h->back_step;
	r->fatal_step = h->fatal_step;
	r->fatal_stable = h->fatal_stable;
	r->n_fatal = h->n_fatal;
	r->n_recoveries = h->n_recoveries;
	r->n_lost_steps = h->n_lost_steps;
	r->n_cut_rows = h->n_cut_rows;
	c->n_committed = h->n_committed;
	c->n_abandoned = h->n_abandoned;
	catalogue->forgotten_term = h->forgotten_term;
	catalogue->n_begun = h->n_begun;
	for (uint32_t i = 0; i < h->n_begun; i++) {
		catalogue->begun[i].term = h->begun_term[i];
		catalogue->begun[i].step = h->begun_step[i];
	}
	c->data.digest = h->dataset;
	c->data.n_train = h->n_train;
	c->data.n_test = h->n_test;
}

static uint32_t place_of(const struct ftp_coordinator *c, const char *name)
{
	int node = ftp_config_find_node(c->config, name);

	return node < 0 ? FTP_NO_NODE : (uint32_t)node;
}

static void read_links(struct ftp_coordinator *c, uint32_t node, const json_t *links)
{
	const json_t *value;
	const char *name;

	json_object_foreach ((json_t *)links, name, value) {
		uint32_t to = place_of(c, name);

		if (to == FTP_NO_NODE)
			continue;
		c->links[node][to].rtt_ns = (uint64_t)json_integer_value(json_array_get(value, 0));
		c->links[node][to].bytes_per_s =
			(uint64_t)json_integer_value(json_array_get(value, 1));
	}
}

static void read_node(struct ftp_coordinator *c, const json_t *j)
{
	struct ftp_coordinator_node *n;
	struct ftp_join join;
	uint32_t node;

	ftp_assert(!ftp_join_decode(&join, json_object_get(j, "join"), NULL));
	node = place_of(c, join.name);
	if (node == FTP_NO_NODE)
		return;
	n = &c->nodes[node];
	n->joined = true;
	n->join = join;
	n->memory_bytes = (uint64_t)json_integer_value(json_object_get(j, "memory_bytes"));
	n->train_s = json_number_value(json_object_get(j, "train_s"));
	ftp_slowness_init(&n->slowness, json_number_value(json_object_get(j, "slowness")));
	n->told_slowness = n->planned_slowness = n->judged_slowness = n->slowness.value;
	n->profiled = !ftp_profile_decode(&n->profile, json_object_get(j, "profile"), NULL) &&
		      n->profile.n_units == c->settings.n_units;
	read_links(c, node, json_object_get(j, "links"));
}

/* A name that the configuration has no more: its stages are nobody's, and the plan is over. */
static void read_plan(struct ftp_coordinator *c)
{
	struct ftp_plan *p = &c->plan;
	bool is_whole = p->n_units == c->settings.n_units;

	for (uint32_t i = 0; i < p->n_stages; i++) {
		uint32_t node = place_of(c, p->stages[i].name);

		p->stages[i].node = node;
		is_whole &= node != FTP_NO_NODE && c->nodes[node].joined;
	}
	p->n_leaving = 0; /* whoever left has left, and held what has its place by now */
	for (uint32_t u = 0; u < p->n_units; u++)
		if (p->holder[u] >= p->n_stages)
			p->holder[u] = FTP_PLAN_INITIAL;
	c->resume.former = *p;
	p->n_stages = is_whole ? p->n_stages : 0;
}

void ftp_coordinator_journal_read(struct ftp_coordinator *c, const json_t *journal)
{
	struct ftp_journal_head *h = calloc(1, sizeof(*h));
	json_t *entry;
	size_t i;

	ftp_assert(
		h && !ftp_coordinator_journal_decode(journal, h, &c->plan, &c->evaluation, NULL));
	c->evaluated = json_is_object(json_object_get(journal, "evaluation"));
	read_head(c, h);
	json_array_foreach (json_object_get(journal, "nodes"), i, entry)
		read_node(c, entry);
	read_plan(c);
	read_disk(c, h);
	free(h);
	json_array_extend(c->plans, json_object_get(journal, "plans"));
	json_array_extend(c->changes, json_object_get(journal, "changes"));
	json_array_extend(c->recovery.history, json_object_get(journal, "recoveries"));
}
