/* Lines of events.jsonl: what happened when, for ftpctl report and those who measure. Keys are
 * stable; "t" is in seconds since the coordinator's start; the shell adds the wall
 * clock's "time". */
#include <stdio.h>

#include "ctl/coordinator_state.h"

#define MAX_HISTORY 1000

void ftp_coordinator_event(const struct ftp_coordinator *c, const char *kind, json_t *body,
	uint64_t now_ns, struct ftp_actions *a)
{
	json_t *j = json_pack("{s:f, s:s}", "t",
		(double)(now_ns - c->start_ns) / (double)FTP_NS_PER_S, "kind", kind);

	ftp_assert(j && body);
	json_object_update_new(j, body);
	ftp_actions_add(a, FTP_ACTION_EVENT)->body = j;
}

void ftp_coordinator_event_begin(
	const struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a)
{
	const struct ftp_config_training *t = &c->config->training;
	char dataset[FTP_DIGEST_HEX];
	json_t *nodes = json_array();

	ftp_digest_hex(c->data.digest, dataset);
	for (uint32_t i = 0; i < c->n_nodes; i++)
		json_array_append_new(nodes, json_string(c->config->nodes[i].name));
	ftp_coordinator_event(c, "begin",
		json_pack("{s:s, s:s, s:s, s:s, s:i, s:i, s:i, s:i, s:o}", "id", c->settings.id,
			"dataset", dataset, "model", t->model, "schedule",
			ftp_coordinator_schedule_name(c), "batch", (int)t->batch, "micro_batches",
			(int)t->micro_batches, "aggregate_every", (int)t->aggregate_every,
			"n_units", (int)c->settings.n_units, "nodes", nodes),
		now_ns, a);
}

void ftp_coordinator_event_end(
	const struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a)
{
	ftp_coordinator_event(c, "end",
		json_pack("{s:s, s:s}", "outcome", ftp_coordinator_outcome_name(c->outcome),
			"reason", c->reason),
		now_ns, a);
}

void ftp_coordinator_event_node(const struct ftp_coordinator *c, const char *kind, uint32_t node,
	const char *key, json_t *value, uint64_t now_ns, struct ftp_actions *a)
{
	json_t *j = json_pack("{s:s}", "node", c->config->nodes[node].name);

	if (key)
		json_object_set_new(j, key, value);
	ftp_coordinator_event(c, kind, j, now_ns, a);
}

void ftp_coordinator_event_profile(
	const struct ftp_coordinator *c, uint32_t node, uint64_t now_ns, struct ftp_actions *a)
{
	json_t *j = ftp_profile_encode(&c->nodes[node].profile);

	json_object_set_new(j, "node", json_string(c->config->nodes[node].name));
	ftp_coordinator_event(c, "profile", j, now_ns, a);
}

void ftp_coordinator_event_links(const struct ftp_coordinator *c, uint32_t node,
	const struct ftp_links *m, uint64_t now_ns, struct ftp_actions *a)
{
	json_t *j = ftp_links_encode(m), *peers = json_array();

	for (uint32_t i = 0; i < m->n_peers; i++)
		json_array_append_new(peers, json_string(c->config->nodes[m->peer[i]].name));
	json_object_set_new(j, "peer", peers);
	json_object_set_new(j, "node", json_string(c->config->nodes[node].name));
	ftp_coordinator_event(c, "links", j, now_ns, a);
}

void ftp_coordinator_event_emulate(
	const struct ftp_coordinator *c, uint32_t node, uint64_t now_ns, struct ftp_actions *a)
{
	json_t *j = ftp_emulate_encode(&c->nodes[node].emulate);

	json_object_set_new(j, "node", json_string(c->config->nodes[node].name));
	ftp_coordinator_event(c, "emulate", j, now_ns, a);
}

void ftp_coordinator_event_progress(
	const struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a)
{
	json_t *nodes = json_array();

	for (uint32_t i = 0; i < c->plan.n_stages; i++) {
		const struct ftp_coordinator_node *n = &c->nodes[c->plan.stages[i].node];

		json_array_append_new(nodes,
			json_pack("{s:s, s:i, s:I, s:f, s:f, s:f, s:f}", "name",
				c->plan.stages[i].name, "stage", (int)i, "step",
				(json_int_t)n->step, "compute_s", n->compute_s, "wait_s", n->wait_s,
				"poll_s", n->poll_s, "slowness", n->slowness.value));
	}
	ftp_coordinator_event(c, "progress",
		json_pack("{s:I, s:f, s:f, s:o}", "step", (json_int_t)c->last_row,
			"samples_per_second", ftp_coordinator_samples_per_second(c),
			"predicted_step_s", c->predicted_s, "nodes", nodes),
		now_ns, a);
}

void ftp_coordinator_event_trace(const struct ftp_coordinator *c, uint32_t node,
	const struct ftp_trace *m, uint64_t now_ns, struct ftp_actions *a)
{
	json_t *spans = json_array();

	for (uint32_t i = 0; i < m->n_spans; i++)
		json_array_append_new(
			spans, json_pack("[i, I, i, I, I]", (int)m->task[i], (json_int_t)m->step[i],
				       (int)m->micro[i], (json_int_t)m->begin_ns[i],
				       (json_int_t)m->end_ns[i]));
	ftp_coordinator_event(c, "trace",
		json_pack("{s:s, s:i, s:I, s:I, s:o}", "node", c->config->nodes[node].name, "stage",
			(int)ftp_coordinator_stage_of(&c->plan, node), "term", (json_int_t)m->term,
			"offset_ns", (json_int_t)c->nodes[node].offset_ns, "spans", spans),
		now_ns, a);
}

static void remember(json_t *history, json_t *entry)
{
	if (json_array_size(history) < MAX_HISTORY)
		json_array_append(history, entry);
}

json_t *ftp_coordinator_remember_plan(const struct ftp_coordinator *c)
{
	json_t *stages = json_array(), *j;

	for (uint32_t i = 0; i < c->plan.n_stages; i++) {
		const struct ftp_plan_stage *s = &c->plan.stages[i];

		json_array_append_new(stages,
			json_pack("{s:s, s:i, s:i, s:I}", "node", s->name, "first_unit",
				(int)s->first_unit, "end_unit", (int)s->end_unit, "memory_bytes",
				(json_int_t)c->nodes[s->node].memory_bytes));
	}
	j = json_pack("{s:I, s:I, s:s, s:o, s:o}", "term", (json_int_t)c->plan.term, "step",
		(json_int_t)c->change.step, "reason", c->change.reason, "plan",
		ftp_coordinator_prediction(c), "stages", stages);
	ftp_assert(j);
	remember(c->plans, j);
	return j;
}

/* The slowest of the links that units move over; null: not measured. */
static json_t *link_rate(const struct ftp_coordinator *c)
{
	const struct ftp_plan *p = &c->change.plan;
	uint64_t least = UINT64_MAX;

	for (uint32_t i = 0; i < p->n_stages; i++) {
		for (uint32_t u = p->stages[i].first_unit; u < p->stages[i].end_unit; u++) {
			uint64_t rate;

			if (p->holder[u] == i || p->holder[u] == FTP_PLAN_INITIAL)
				continue;
			rate = c->links[ftp_plan_member(p, p->holder[u])->node][p->stages[i].node]
				       .bytes_per_s;
			least = rate < least ? rate : least;
		}
	}
	return least && least != UINT64_MAX ? json_integer((json_int_t)least) : json_null();
}

void ftp_coordinator_event_change(
	const struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a)
{
	const struct ftp_coordinator_change *x = &c->change;
	double s[FTP_N_CHANGE_PARTS];
	json_t *j;

	ftp_coordinator_change_parts(x, now_ns, s);
	j = json_pack("{s:I, s:I, s:s, s:s, s:s, s:I, s:f, s:f, s:f, s:f, s:f, s:o}", "term",
		(json_int_t)x->plan.term, "step", (json_int_t)x->step, "reason", x->reason,
		"outcome", x->phase == FTP_CHANGE_COMMITTING ? "committed" : "abandoned", "why",
		x->why, "moved_bytes", (json_int_t)x->received_bytes, "prepare_s",
		s[FTP_PART_PREPARE], "hold_s", s[FTP_PART_HOLD], "transfer_s", s[FTP_PART_TRANSFER],
		"commit_s", s[FTP_PART_COMMIT], "pause_s", s[FTP_PART_PAUSE], "link_bytes_per_s",
		link_rate(c));
	ftp_assert(j);
	remember(c->changes, j);
	ftp_coordinator_event(c, "repartition", j, now_ns, a);
}

uint64_t ftp_coordinator_unheard_ns(const struct ftp_coordinator *c, uint32_t node, uint64_t now_ns)
{
	if (node == FTP_NO_NODE || ftp_coordinator_stage_of(&c->plan, node) == FTP_NO_NODE)
		return 0;
	return now_ns - c->nodes[node].detector.heard_ns;
}

void ftp_coordinator_event_failure(const struct ftp_coordinator *c, uint32_t node,
	uint64_t unheard_ns, const char *why, uint64_t now_ns, struct ftp_actions *a)
{
	bool known = node != FTP_NO_NODE;
	char text[400];

	snprintf(text, sizeof(text), "%s", why);
	ftp_coordinator_one_line(text);
	ftp_coordinator_event(c, "failure",
		json_pack("{s:s?, s:s, s:I, s:f}", "node",
			known ? c->config->nodes[node].name : NULL, "why", text, "step",
			(json_int_t)c->last_row, "unheard_s",
			(double)unheard_ns / (double)FTP_NS_PER_S),
		now_ns, a);
}

void ftp_coordinator_event_agreed(
	const struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a)
{
	const struct ftp_plan *p = &c->change.plan;
	uint64_t from_step = c->recovery.from_step;
	json_t *nodes = json_array();

	for (uint32_t i = 0; i < p->n_stages; i++)
		json_array_append_new(nodes, json_string(p->stages[i].name));
	ftp_coordinator_event(c, "agreed",
		json_pack("{s:I, s:I, s:I, s:o}", "term", (json_int_t)p->term, "step",
			(json_int_t)p->recovery_step, "lost_steps",
			(json_int_t)(from_step - p->recovery_step), "nodes", nodes),
		now_ns, a);
}

/* A recovery, once a step is done again; unheard_s: at its first sign. */
void ftp_coordinator_event_recovery(
	const struct ftp_coordinator *c, const char *fates, uint64_t now_ns, struct ftp_actions *a)
{
	const struct ftp_coordinator_recovery *r = &c->recovery;
	const double *s = r->parts_s;
	json_t *nodes = json_array(), *j;

	for (uint32_t i = 0; i < c->n_nodes; i++)
		if (r->victims & FTP_NODE_BIT(i))
			json_array_append_new(nodes, json_string(c->config->nodes[i].name));
	j = json_pack("{s:I, s:I, s:I, s:I, s:o, s:s, s:s, s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:f}",
		"term", (json_int_t)c->plan.term, "step", (json_int_t)c->plan.recovery_step,
		"from_step", (json_int_t)r->from_step, "lost_steps",
		(json_int_t)(r->from_step - c->plan.recovery_step), "lost", nodes, "sign", r->sign,
		"why", fates, "moved_bytes", (json_int_t)r->moved_bytes, "unheard_s",
		s[FTP_RECOVERY_UNHEARD], "halt_s", s[FTP_RECOVERY_HALT], "prepare_s",
		s[FTP_RECOVERY_PREPARE], "transfer_s", s[FTP_RECOVERY_TRANSFER], "commit_s",
		s[FTP_RECOVERY_COMMIT], "first_step_s", s[FTP_RECOVERY_FIRST_STEP], "total_s",
		s[FTP_RECOVERY_TOTAL]);
	ftp_assert(j);
	remember(r->history, j);
	ftp_coordinator_event(c, "recovery", j, now_ns, a);
}
