/* The journal: what of the core must outlive its process. One document, written whole: before any
 * message that carries a new term, before a commit, when the outcome is known. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/coordinator_state.h"
#include "ctl/protocol_fields.h"

#define VERSION 1

struct head {
	uint32_t version;
	uint64_t run;
	uint64_t last_term, old_term, plan_step, last_step;
	uint64_t plan_term; /* in force; 0: none yet. Whose it is may be forgotten */
	char isa[16];
	double train_s; /* since training began */
	uint32_t outcome;
	char reason[1024], params_digest[FTP_DIGEST_HEX];
	uint64_t fatal_step; /* of recoveries: struct ftp_coordinator_recovery */
	uint32_t n_fatal, n_recoveries, n_committed, n_abandoned;
	uint64_t n_lost_steps, n_cut_rows;
	struct ftp_digest dataset; /* the run's */
	uint64_t n_train, n_test;
	uint64_t disk_step, disk_term; /* the snapshot on disks, 0: none */
	uint32_t n_units;	       /* of it: all, or 0 */
	struct ftp_digest digest[FTP_PROTOCOL_MAX_UNITS];
	/* struct ftp_catalogue's history */
	uint64_t forgotten_term;
	uint32_t n_begun;
	uint64_t begun_term[FTP_CATALOGUE_MAX_TERMS], begun_step[FTP_CATALOGUE_MAX_TERMS];
};

#define FIELD(member, kind_)                                                                       \
	{                                                                                          \
		.name = #member, .kind = kind_, .offset = offsetof(struct head, member)            \
	}
#define TEXT(member)                                                                               \
	{                                                                                          \
		.name = #member, .kind = FTP_FIELD_TEXT, .offset = offsetof(struct head, member),  \
		.bound = sizeof(((struct head *)0)->member)                                        \
	}
#define BEGUN(member)                                                                              \
	{                                                                                          \
		.name = #member, .kind = FTP_FIELD_VALUES, .element_kind = FTP_FIELD_U64,          \
		.offset = offsetof(struct head, member),                                           \
		.count_offset = offsetof(struct head, n_begun),                                    \
		.max_count = FTP_CATALOGUE_MAX_TERMS, .stride_bytes = sizeof(uint64_t)             \
	}

static const struct ftp_field fields[] = {
	FIELD(version, FTP_FIELD_U32),
	FIELD(run, FTP_FIELD_HEX64),
	FIELD(last_term, FTP_FIELD_U64),
	FIELD(old_term, FTP_FIELD_U64),
	FIELD(plan_step, FTP_FIELD_U64),
	FIELD(plan_term, FTP_FIELD_U64),
	FIELD(last_step, FTP_FIELD_U64),
	TEXT(isa),
	FIELD(train_s, FTP_FIELD_SECONDS),
	{.name = "outcome",
		.kind = FTP_FIELD_U32,
		.offset = offsetof(struct head, outcome),
		.bound = FTP_END_FAILED},
	TEXT(reason),
	TEXT(params_digest),
	FIELD(fatal_step, FTP_FIELD_U64),
	FIELD(n_fatal, FTP_FIELD_U32),
	FIELD(n_recoveries, FTP_FIELD_U32),
	FIELD(n_committed, FTP_FIELD_U32),
	FIELD(n_abandoned, FTP_FIELD_U32),
	FIELD(n_lost_steps, FTP_FIELD_U64),
	FIELD(n_cut_rows, FTP_FIELD_U64),
	FIELD(dataset, FTP_FIELD_DIGEST),
	FIELD(n_train, FTP_FIELD_U64),
	FIELD(n_test, FTP_FIELD_U64),
	FIELD(disk_step, FTP_FIELD_U64),
	FIELD(disk_term, FTP_FIELD_U64),
	{.name = "digest",
		.kind = FTP_FIELD_VALUES,
		.element_kind = FTP_FIELD_DIGEST,
		.offset = offsetof(struct head, digest),
		.count_offset = offsetof(struct head, n_units),
		.max_count = FTP_PROTOCOL_MAX_UNITS,
		.stride_bytes = sizeof(struct ftp_digest)},
	FIELD(forgotten_term, FTP_FIELD_U64),
	BEGUN(begun_term),
	BEGUN(begun_step),
	{.name = NULL},
};

static void fill(struct head *h, const struct ftp_coordinator *c, uint64_t now_ns)
{
	const struct ftp_catalogue *catalogue = &c->snapshots.catalogue;
	const struct ftp_catalogue_snapshot *disk;

	*h = (struct head){.version = VERSION,
		.run = c->settings.run,
		.last_term = c->last_term,
		.old_term = c->old_term,
		.plan_step = c->plan_step,
		.plan_term = c->plan.term,
		.last_step = c->last_step,
		.train_s = c->plan.term
				   ? (double)(now_ns - c->train_start_ns) / (double)FTP_NS_PER_S
				   : 0,
		.outcome = c->outcome,
		.fatal_step = c->recovery.fatal_step,
		.n_fatal = c->recovery.n_fatal,
		.n_recoveries = c->recovery.n_recoveries,
		.n_committed = c->n_committed,
		.n_abandoned = c->n_abandoned,
		.n_lost_steps = c->recovery.n_lost_steps,
		.n_cut_rows = c->recovery.n_cut_rows,
		.dataset = c->data.digest,
		.n_train = c->data.n_train,
		.n_test = c->data.n_test,
		.forgotten_term = catalogue->forgotten_term,
		.n_begun = catalogue->n_begun};
	memcpy(h->isa, c->isa, sizeof(h->isa));
	memcpy(h->reason, c->outcome ? c->reason : "", c->outcome ? sizeof(h->reason) : 1);
	memcpy(h->params_digest, c->params_digest, sizeof(h->params_digest));
	disk = ftp_catalogue_find(catalogue, c->snapshots.disk_step);
	if (disk) {
		h->disk_step = disk->step;
		h->disk_term = disk->term;
		h->n_units = c->settings.n_units;
		memcpy(h->digest, disk->digest, sizeof(h->digest));
	}
	for (uint32_t i = 0; i < catalogue->n_begun; i++) {
		h->begun_term[i] = catalogue->begun[i].term;
		h->begun_step[i] = catalogue->begun[i].step;
	}
}

static json_t *links_of(const struct ftp_coordinator *c, uint32_t node)
{
	json_t *links = json_object();

	for (uint32_t i = 0; i < c->n_nodes; i++)
		if (c->links[node][i].bytes_per_s)
			json_object_set_new(links, c->config->nodes[i].name,
				json_pack("[I, I]", (json_int_t)c->links[node][i].rtt_ns,
					(json_int_t)c->links[node][i].bytes_per_s));
	return links;
}

static json_t *nodes_of(const struct ftp_coordinator *c)
{
	json_t *nodes = json_array();

	for (uint32_t i = 0; i < c->n_nodes; i++) {
		const struct ftp_coordinator_node *n = &c->nodes[i];

		if (!n->joined)
			continue;
		json_array_append_new(
			nodes, json_pack("{s:o, s:o, s:o, s:I, s:f, s:f}", "join",
				       ftp_join_encode(&n->join), "profile",
				       n->profiled ? ftp_profile_encode(&n->profile) : json_null(),
				       "links", links_of(c, i), "memory_bytes",
				       (json_int_t)n->memory_bytes, "train_s", n->train_s,
				       "slowness", n->planned_slowness));
	}
	return nodes;
}

void ftp_coordinator_journal(
	const struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a)
{
	struct head *h = malloc(sizeof(*h));
	json_t *j;

	ftp_assert(h);
	fill(h, c, now_ns);
	j = ftp_protocol_fields_encode(fields, h);
	free(h);
	json_object_set_new(j, "plan", c->plan.n_stages ? ftp_plan_encode(&c->plan) : json_null());
	json_object_set_new(
		j, "evaluation", c->evaluated ? ftp_evaluated_encode(&c->evaluation) : json_null());
	json_object_set_new(j, "nodes", nodes_of(c));
	json_object_set_new(j, "plans", json_copy(c->plans));
	json_object_set_new(j, "changes", json_copy(c->changes));
	json_object_set_new(j, "recoveries", json_copy(c->recovery.history));
	ftp_actions_add(a, FTP_ACTION_JOURNAL)->body = j;
}

/* All parts of it in their bounds; what a part says of a node that is none any more is left out. */
static int decode(const json_t *journal, struct head *h, struct ftp_plan *plan,
	struct ftp_evaluated *e, struct ftp_error *err)
{
	static const char *const lists[] = {"nodes", "plans", "changes", "recoveries"};
	const json_t *part = json_object_get(journal, "plan");
	int rc = ftp_protocol_fields_decode(fields, h, journal, err);

	plan->term = 0;
	if (!rc && h->version != VERSION)
		rc = ftp_error_set(
			err, EINVAL, "version: %u, but %d expected", h->version, VERSION);
	if (!rc && json_is_object(part))
		rc = ftp_plan_decode(plan, part, err);
	part = json_object_get(journal, "evaluation");
	if (!rc && json_is_object(part))
		rc = ftp_evaluated_decode(e, part, err);
	for (size_t i = 0; !rc && i < sizeof(lists) / sizeof(*lists); i++)
		if (!json_is_array(json_object_get(journal, lists[i])))
			rc = ftp_error_set(err, EINVAL, "%s: expected an array", lists[i]);
	if (!rc && (h->plan_term > h->last_term || (plan->term && plan->term != h->plan_term) ||
			   (h->plan_term && h->plan_step >= h->last_step)))
		rc = ftp_error_set(err, EINVAL, "plan: a term or a step that cannot be");
	for (uint32_t i = 1; !rc && i < h->n_begun; i++)
		if (h->begun_term[i] <= h->begun_term[i - 1] ||
			h->begun_step[i] <= h->begun_step[i - 1])
			rc = ftp_error_set(err, EINVAL, "begun_term[%u]: not in order", i);
	return rc;
}

int ftp_coordinator_journal_check(const json_t *journal, uint64_t run, struct ftp_error *err)
{
	struct head *h = calloc(1, sizeof(*h));
	struct ftp_plan *plan = calloc(1, sizeof(*plan));
	struct ftp_evaluated e;
	int rc;

	ftp_assert(h && plan);
	rc = decode(journal, h, plan, &e, err);
	if (!rc && h->run != run)
		rc = ftp_error_set(err, EINVAL, "run: it is that of another one");
	free(plan);
	free(h);
	return rc;
}

/* What its units must be, whoever has them now. */
static void read_disk(struct ftp_coordinator *c, const struct head *h)
{
	struct ftp_catalogue *catalogue = &c->snapshots.catalogue;
	uint32_t teller;

	if (!h->disk_step || h->n_units != c->settings.n_units ||
		!ftp_catalogue_is_valid(catalogue, h->disk_term, h->disk_step))
		return;
	ftp_catalogue_expect(catalogue, h->disk_term, h->disk_step);
	for (uint32_t u = 0, stage = 0; u < h->n_units; u++) {
		uint32_t node; /* its stage had it, if anybody */

		while (stage + 1 < c->plan.n_stages && u >= c->plan.stages[stage].end_unit)
			stage++;
		node = c->plan.n_stages ? c->plan.stages[stage].node : 0;
		if (node == FTP_NO_NODE)
			node = 0;
		ftp_catalogue_add(
			catalogue, node, u, h->disk_term, h->disk_step, h->digest[u], &teller);
	}
	for (uint32_t i = 0; i < c->n_nodes; i++)
		ftp_catalogue_lose(catalogue, i);
	c->snapshots.disk_step = c->snapshots.disk.named_step = h->disk_step;
}

static void read_head(struct ftp_coordinator *c, const struct head *h)
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
	r->fatal_step = h->fatal_step;
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

/* Nodes are known by their names: their places in the configuration may have changed. */
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
		json_int_t rtt_ns = json_integer_value(json_array_get(value, 0));
		json_int_t rate = json_integer_value(json_array_get(value, 1));
		uint32_t to = place_of(c, name);

		if (to == FTP_NO_NODE || rtt_ns < 0 || rate <= 0)
			continue;
		c->links[node][to].rtt_ns = (uint64_t)rtt_ns;
		c->links[node][to].bytes_per_s = (uint64_t)rate;
	}
}

static void read_node(struct ftp_coordinator *c, const json_t *j)
{
	double slowness = json_real_value(json_object_get(j, "slowness"));
	json_int_t bytes = json_integer_value(json_object_get(j, "memory_bytes"));
	struct ftp_coordinator_node *n;
	struct ftp_join join;
	uint32_t node;

	if (ftp_join_decode(&join, json_object_get(j, "join"), NULL))
		return;
	node = place_of(c, join.name);
	if (node == FTP_NO_NODE)
		return;
	n = &c->nodes[node];
	n->joined = true;
	n->join = join;
	n->memory_bytes = bytes > 0 ? (uint64_t)bytes : 0;
	n->train_s = json_real_value(json_object_get(j, "train_s"));
	ftp_slowness_init(&n->slowness, slowness > 0 ? slowness : 1);
	n->told_slowness = n->planned_slowness = n->judged_slowness = n->slowness.value;
	n->profiled = !ftp_profile_decode(&n->profile, json_object_get(j, "profile"), NULL) &&
		      n->profile.n_units == c->settings.n_units;
	read_links(c, node, json_object_get(j, "links"));
}

static void read_plan(struct ftp_coordinator *c)
{
	struct ftp_plan *p = &c->plan;

	for (uint32_t i = 0; i < p->n_stages; i++) {
		uint32_t node = place_of(c, p->stages[i].name);

		p->stages[i].node =
			node != FTP_NO_NODE && c->nodes[node].joined ? node : FTP_NO_NODE;
	}
	p->n_leaving = 0; /* whoever left has left, and held what has its place by now */
	for (uint32_t u = 0; u < p->n_units; u++)
		if (p->holder[u] >= p->n_stages)
			p->holder[u] = FTP_PLAN_INITIAL;
	if (p->term && p->n_units != c->settings.n_units)
		p->n_stages = 0;
}

void ftp_coordinator_journal_read(struct ftp_coordinator *c, const json_t *journal)
{
	struct head *h = calloc(1, sizeof(*h));
	json_t *entry;
	size_t i;

	ftp_assert(h && !decode(journal, h, &c->plan, &c->evaluation, NULL));
	c->evaluated = json_is_object(json_object_get(journal, "evaluation"));
	read_head(c, h);
	json_array_foreach (json_object_get(journal, "nodes"), i, entry)
		read_node(c, entry);
	read_plan(c);
	read_disk(c, h);
	if (c->plan.recovery && !c->snapshots.disk_step)
		c->snapshots.disk.back_step = c->plan.recovery_step;
	free(h);
	json_array_extend(c->plans, json_object_get(journal, "plans"));
	json_array_extend(c->changes, json_object_get(journal, "changes"));
	json_array_extend(c->recovery.history, json_object_get(journal, "recoveries"));
}
