/* The journal: what of the core must outlive its process. One document, written whole: before any
 * message that carries a new term, before a commit, after a recovery, when the outcome is known. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/coordinator_journal.h"
#include "ctl/protocol_fields.h"

#define FIELD(member, kind_)                                                                       \
	{                                                                                          \
		.name = #member, .kind = kind_,                                                    \
		.offset = offsetof(struct ftp_journal_head, member)                                \
	}
#define BOUNDED(member, kind_, most)                                                               \
	{                                                                                          \
		.name = #member, .kind = kind_,                                                    \
		.offset = offsetof(struct ftp_journal_head, member), .bound = most                 \
	}
#define TEXT(member)                                                                               \
	{                                                                                          \
		.name = #member, .kind = FTP_FIELD_TEXT,                                           \
		.offset = offsetof(struct ftp_journal_head, member),                               \
		.bound = sizeof(((struct ftp_journal_head *)0)->member)                            \
	}
#define BEGUN(member)                                                                              \
	{                                                                                          \
		.name = #member, .kind = FTP_FIELD_VALUES, .element_kind = FTP_FIELD_U64,          \
		.offset = offsetof(struct ftp_journal_head, member),                               \
		.count_offset = offsetof(struct ftp_journal_head, n_begun),                        \
		.max_count = FTP_CATALOGUE_MAX_TERMS, .stride_bytes = sizeof(uint64_t)             \
	}

const struct ftp_field ftp_coordinator_journal_fields[] = {
	FIELD(version, FTP_FIELD_U32),
	FIELD(run, FTP_FIELD_HEX64),
	BOUNDED(last_term, FTP_FIELD_U64, FTP_JOURNAL_MAX_TERM),
	BOUNDED(old_term, FTP_FIELD_U64, FTP_JOURNAL_MAX_TERM),
	BOUNDED(plan_step, FTP_FIELD_U64, FTP_JOURNAL_MAX_COUNT),
	BOUNDED(plan_term, FTP_FIELD_U64, FTP_JOURNAL_MAX_TERM),
	BOUNDED(last_step, FTP_FIELD_U64, FTP_JOURNAL_MAX_COUNT),
	TEXT(isa),
	FIELD(train_s, FTP_FIELD_SECONDS),
	BOUNDED(outcome, FTP_FIELD_U32, FTP_END_FAILED),
	TEXT(reason),
	TEXT(params_digest),
	FIELD(fatal_step, FTP_FIELD_U64),
	FIELD(fatal_stable, FTP_FIELD_U64),
	FIELD(n_fatal, FTP_FIELD_U32),
	FIELD(n_recoveries, FTP_FIELD_U32),
	FIELD(n_committed, FTP_FIELD_U32),
	FIELD(n_abandoned, FTP_FIELD_U32),
	BOUNDED(n_lost_steps, FTP_FIELD_U64, FTP_JOURNAL_MAX_COUNT),
	BOUNDED(n_cut_rows, FTP_FIELD_U64, FTP_JOURNAL_MAX_COUNT),
	FIELD(dataset, FTP_FIELD_DIGEST),
	BOUNDED(n_train, FTP_FIELD_U64, FTP_JOURNAL_MAX_COUNT),
	BOUNDED(n_test, FTP_FIELD_U64, FTP_JOURNAL_MAX_COUNT),
	FIELD(stable_step, FTP_FIELD_U64),
	FIELD(disk_step, FTP_FIELD_U64),
	FIELD(disk_term, FTP_FIELD_U64),
	FIELD(back_step, FTP_FIELD_U64),
	{.name = "digest",
		.kind = FTP_FIELD_VALUES,
		.element_kind = FTP_FIELD_DIGEST,
		.offset = offsetof(struct ftp_journal_head, digest),
		.count_offset = offsetof(struct ftp_journal_head, n_units),
		.max_count = FTP_PROTOCOL_MAX_UNITS,
		.stride_bytes = sizeof(struct ftp_digest)},
	FIELD(forgotten_term, FTP_FIELD_U64),
	BEGUN(begun_term),
	BEGUN(begun_step),
	{.name = NULL},
};

static void fill(struct ftp_journal_head *h, const struct ftp_coordinator *c, uint64_t now_ns)
{
	const struct ftp_catalogue *catalogue = &c->snapshots.catalogue;
	const struct ftp_catalogue_snapshot *disk;

	*h = (struct ftp_journal_head){.version = FTP_JOURNAL_VERSION,
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
		.fatal_stable = c->recovery.fatal_stable,
		.n_fatal = c->recovery.n_fatal,
		.n_recoveries = c->recovery.n_recoveries,
		.n_committed = c->n_committed,
		.n_abandoned = c->n_abandoned,
		.n_lost_steps = c->recovery.n_lost_steps,
		.n_cut_rows = c->recovery.n_cut_rows,
		.dataset = c->data.digest,
		.n_train = c->data.n_train,
		.n_test = c->data.n_test,
		.stable_step = ftp_coordinator_holdings_known(c),
		.back_step = c->snapshots.disk.back_step,
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
	struct ftp_journal_head *h = malloc(sizeof(*h));
	json_t *j;

	ftp_assert(h);
	fill(h, c, now_ns);
	j = ftp_protocol_fields_encode(ftp_coordinator_journal_fields, h);
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
