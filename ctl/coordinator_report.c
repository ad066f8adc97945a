/* What the run looks like: run.status for ftpctl, summary.json for those who come later. Keys are
 * stable within a schema number. */
#include <math.h>

#include "ctl/coordinator_state.h"
#include "ctl/versions.h"

#define SCHEMA 1

/* JSON has no infinities: a loss that is none is a text. */
static json_t *number(double v)
{
	if (isfinite(v))
		return json_real(v);
	return json_string(isnan(v) ? "nan" : v > 0 ? "inf" : "-inf");
}

static json_t *number_if(bool known, double v)
{
	return known ? number(v) : json_null();
}

static double accuracy(const struct ftp_coordinator *c)
{
	return c->evaluated ? (double)c->evaluation.n_correct / (double)c->evaluation.n_samples : 0;
}

/* Rows per second of the plan in force, lately. */
static double row_rate(const struct ftp_coordinator *c)
{
	uint64_t rows, ns;

	if (c->n_rate < 2)
		return 0;
	rows = c->rate[c->n_rate - 1].row - c->rate[0].row;
	ns = c->rate[c->n_rate - 1].at_ns - c->rate[0].at_ns;
	return (double)rows * (double)FTP_NS_PER_S / (double)ns;
}

/* As the central node saw it. */
static double train_seconds(const struct ftp_coordinator *c)
{
	uint32_t central = ftp_coordinator_central(c);

	return c->plan.term && central != FTP_NO_NODE ? c->nodes[central].train_s : 0;
}

double ftp_coordinator_samples_per_second(const struct ftp_coordinator *c)
{
	double batch = c->config->training.batch;

	if (c->outcome != FTP_END_COMPLETED)
		return row_rate(c) * batch;
	if (c->old_term) /* no stage has trained all of it */
		return (double)c->last_step * batch * (double)FTP_NS_PER_S /
		       (double)(c->last_row_ns - c->train_start_ns + 1);
	return train_seconds(c) > 0 ? (double)c->last_step * batch / train_seconds(c) : 0;
}

double ftp_coordinator_step_seconds(const struct ftp_coordinator *c)
{
	double rate = row_rate(c);

	return rate > 0 ? 1 / rate : 0;
}

const char *ftp_coordinator_schedule_name(const struct ftp_coordinator *c)
{
	return c->config->training.schedule == FTP_SCHEDULE_1F1B ? "1f1b" : "flush";
}

json_t *ftp_coordinator_prediction(const struct ftp_coordinator *c)
{
	return c->predicted ? ftp_coordinator_answer_json(c, &c->answer) : json_null();
}

double ftp_coordinator_busy(const struct ftp_coordinator_node *n)
{
	double all_s = n->compute_s + n->wait_s + n->poll_s;

	return all_s > 0 ? n->compute_s / all_s : 0;
}

static json_t *plan_document(const struct ftp_coordinator *c)
{
	json_t *stages = json_array();

	for (uint32_t i = 0; c->plan.term && i < c->plan.n_stages; i++) {
		const struct ftp_plan_stage *s = &c->plan.stages[i];
		const struct ftp_coordinator_node *n = &c->nodes[s->node];

		json_array_append_new(stages,
			json_pack("{s:i, s:s, s:i, s:i, s:I, s:I, s:f, s:f, s:f, s:f, s:I, s:f}",
				"stage", (int)i, "node", s->name, "first_unit", (int)s->first_unit,
				"end_unit", (int)s->end_unit, "step", (json_int_t)n->step,
				"samples", (json_int_t)n->samples, "compute_seconds", n->compute_s,
				"wait_seconds", n->wait_s, "poll_seconds", n->poll_s, "busy_ratio",
				ftp_coordinator_busy(n), "memory_bytes",
				(json_int_t)n->memory_bytes, "slowness", n->slowness.value));
	}
	return stages;
}

const char *ftp_coordinator_node_state(const struct ftp_coordinator *c, uint32_t node)
{
	const struct ftp_coordinator_node *n = &c->nodes[node];

	if (!n->live)
		return n->leaving ? "drained" : n->joined ? "gone" : "awaited";
	if (n->draining || n->leaving)
		return "draining";
	return c->plan.term && ftp_coordinator_stage_of(&c->plan, node) == FTP_NO_NODE ? "idle"
										       : "up";
}

static json_t *change_document(const struct ftp_coordinator *c, uint64_t now_ns)
{
	const struct ftp_coordinator_change *x = &c->change;
	json_t *awaited = json_array();
	double left_s = x->deadline_ns > now_ns
				? (double)(x->deadline_ns - now_ns) / (double)FTP_NS_PER_S
				: 0;

	if (x->phase == FTP_CHANGE_NONE) {
		json_decref(awaited);
		return json_null();
	}
	for (uint32_t i = 0; i < c->n_nodes; i++)
		if (x->awaited & FTP_NODE_BIT(i))
			json_array_append_new(awaited, json_string(c->config->nodes[i].name));
	return json_pack("{s:I, s:s, s:s, s:o, s:f}", "term", (json_int_t)x->plan.term, "phase",
		ftp_coordinator_phase_name(x->phase), "reason", x->reason, "awaited", awaited,
		"deadline_seconds", left_s);
}

/* Of each sender, as it saw them last. */
static json_t *links_document(const struct ftp_coordinator *c)
{
	json_t *links = json_array();

	for (uint32_t i = 0; i < c->n_nodes; i++) {
		const struct ftp_coordinator_node *n = &c->nodes[i];

		for (uint32_t k = 0; k < n->n_links; k++)
			json_array_append_new(links,
				json_pack("{s:s, s:s, s:f, s:f, s:I, s:I}", "from",
					c->config->nodes[i].name, "to",
					c->config->nodes[n->links[k].peer].name, "rtt_seconds",
					(double)n->links[k].rtt_ns / (double)FTP_NS_PER_S,
					"bytes_per_second", n->links[k].tx_bytes_per_s, "tx_bytes",
					(json_int_t)n->links[k].tx_bytes, "rx_bytes",
					(json_int_t)n->links[k].rx_bytes));
	}
	return links;
}

static json_t *nodes_document(const struct ftp_coordinator *c)
{
	json_t *nodes = json_array();

	for (uint32_t i = 0; i < c->n_nodes; i++) {
		const struct ftp_coordinator_node *n = &c->nodes[i];
		json_t *node = json_pack("{s:s, s:s, s:s}", "name", c->config->nodes[i].name,
			"host", c->config->nodes[i].host, "state",
			ftp_coordinator_node_state(c, i));

		if (n->joined)
			json_object_set_new(node, "slowness", json_real(n->slowness.value));
		if (n->joined)
			json_object_update_new(
				node, json_pack("{s:I, s:s, s:s, s:s, s:i, s:s}", "pid",
					      (json_int_t)n->join.pid, "version", n->join.version,
					      "cpu", n->join.cpu, "isa", n->join.isa, "cores",
					      (int)n->join.n_cores, "metrics", n->join.metrics));
		json_array_append_new(nodes, node);
	}
	return nodes;
}

static uint64_t steps_per_epoch(const struct ftp_coordinator *c)
{
	return c->data.n_train / c->config->training.batch;
}

static json_t *eta(const struct ftp_coordinator *c)
{
	double rate = ftp_coordinator_samples_per_second(c);

	if (c->state != FTP_RUN_TRAINING || rate <= 0)
		return json_null();
	return json_real((double)(c->last_step - c->last_row) * c->config->training.batch / rate);
}

enum ftp_coordinator_state ftp_coordinator_shown_state(const struct ftp_coordinator *c)
{
	return ftp_coordinator_waits(c) || ftp_coordinator_resume_waits(c) ? FTP_RUN_WAITING
									   : c->state;
}

json_t *ftp_coordinator_status(const struct ftp_coordinator *c, uint64_t now_ns)
{
	uint64_t per_epoch = steps_per_epoch(c);
	json_t *j = json_pack("{s:i, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I}", "schema",
		SCHEMA, "run", c->settings.id, "state",
		ftp_coordinator_state_name(ftp_coordinator_shown_state(c)), "outcome",
		ftp_coordinator_outcome_name(c->outcome), "reason",
		c->state >= FTP_RUN_FINISHING ? c->reason : "", "step", (json_int_t)c->last_row,
		"last_step", (json_int_t)c->last_step, "steps_per_epoch", (json_int_t)per_epoch,
		"epoch",
		(json_int_t)(per_epoch && c->last_row ? (c->last_row - 1) / per_epoch + 1 : 0),
		"term", (json_int_t)c->plan.term);

	ftp_assert(j);
	json_object_set_new(j, "waiting_for",
		ftp_coordinator_waits(c) || ftp_coordinator_resume_waits(c)
			? json_string(c->recovery.waits_for)
			: json_null());
	json_object_set_new(j, "isa", json_string(c->isa));
	json_object_set_new(j, "batch", json_integer(c->config->training.batch));
	json_object_set_new(j, "loss", number_if(c->last_row, c->last_loss));
	json_object_set_new(j, "test_accuracy", number_if(c->evaluated, accuracy(c)));
	json_object_set_new(
		j, "samples_per_second", json_real(ftp_coordinator_samples_per_second(c)));
	json_object_set_new(j, "elapsed_seconds",
		json_real((double)(now_ns - c->start_ns) / (double)FTP_NS_PER_S));
	json_object_set_new(j, "eta_seconds", eta(c));
	json_object_set_new(j, "measured_step_seconds",
		number_if(ftp_coordinator_step_seconds(c) > 0, ftp_coordinator_step_seconds(c)));
	json_object_set_new(
		j, "predicted_step_seconds", number_if(c->predicted_s > 0, c->predicted_s));
	json_object_set_new(j, "n_repartitions", json_integer(c->n_committed));
	json_object_set_new(j, "n_recoveries", json_integer(c->recovery.n_recoveries));
	json_object_set_new(j, "change", change_document(c, now_ns));
	json_object_set_new(j, "snapshot", ftp_coordinator_snapshots_document(c));
	json_object_set_new(j, "links", links_document(c));
	json_object_set_new(j, "nodes", nodes_document(c));
	json_object_set_new(j, "stages", plan_document(c));
	return j;
}

json_t *ftp_coordinator_summary(const struct ftp_coordinator *c)
{
	bool completed = c->outcome == FTP_END_COMPLETED;
	uint32_t central = c->plan.term ? ftp_coordinator_central(c) : FTP_NO_NODE;
	json_t *j = json_pack("{s:i, s:s, s:s, s:s, s:s, s:f}", "schema", SCHEMA, "run",
		c->settings.id, "state", ftp_coordinator_outcome_name(c->outcome), "name",
		c->config->cluster.name, "model", c->config->training.model, "width",
		c->config->training.width);

	ftp_assert(j);
	central = central == FTP_NO_NODE ? 0 : central;
	if (!completed)
		json_object_set_new(j, "reason", json_string(c->reason));
	json_object_set_new(
		j, "params_digest", completed ? json_string(c->params_digest) : json_null());
	json_object_set_new(j, "steps", json_integer((json_int_t)c->last_row));
	json_object_set_new(j, "final_loss", number_if(c->last_row, c->last_loss));
	json_object_set_new(j, "test_accuracy", number_if(c->evaluated, accuracy(c)));
	json_object_set_new(j, "test_loss", number_if(c->evaluated, c->evaluation.loss));
	json_object_set_new(
		j, "samples_per_second", json_real(ftp_coordinator_samples_per_second(c)));
	json_object_set_new(j, "train_seconds", number_if(completed, train_seconds(c)));
	json_object_set_new(j, "seed", json_integer((json_int_t)c->config->training.seed));
	json_object_set_new(j, "batch", json_integer(c->config->training.batch));
	json_object_set_new(j, "micro_batches", json_integer(c->config->training.micro_batches));
	json_object_set_new(j, "term", json_integer((json_int_t)c->plan.term));
	json_object_set_new(j, "isa", json_string(c->isa));
	json_object_set_new(j, "plan", plan_document(c));
	json_object_set(j, "plans", c->plans);
	json_object_set(j, "repartitions", c->changes);
	json_object_set(j, "recoveries", c->recovery.history);
	json_object_set_new(j, "nodes", nodes_document(c));
	json_object_set_new(j, "cpu", json_string(c->nodes[central].join.cpu));
	json_object_set_new(j, "versions", ftp_versions());
	return j;
}
