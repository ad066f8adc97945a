#include "ctl/coordinator_metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/coordinator_state.h"
#include "runtime/base/exporter.h"

enum family {
	BUILD_INFO,
	RUN_STATE,
	STEPS,
	SAMPLES,
	LOSS,
	ACCURACY,
	RATE,
	TERM,
	PREDICTED,
	STEP_SECONDS,
	REPARTITIONS,
	PARTS,
	SNAPSHOT_STEP,
	SNAPSHOT_AGE,
	SNAPSHOT_AGE_SECONDS,
	SNAPSHOT_PERIOD,
	SNAPSHOTS_SKIPPED,
	CHECKPOINT_AGE,
	CHECKPOINTS,
	NODE_UP,
	SILENCE,
	SLOWNESS,
	BUSY,
	FAILURES,
	LOST_NODES,
	RECOVERIES,
	RECOVERY_SECONDS,
	RECOVERY_DURATION,
	LOST_STEPS,
	MISSING_UNITS,
	UNWRITTEN,
	EVENTS_DROPPED,
	JOURNAL_WAIT,
	N_FAMILIES,
};

static const struct ftp_metric_family families[N_FAMILIES] = {
	[BUILD_INFO] = {"ftp_build_info", FTP_METRIC_GAUGE, "Always 1; the labels say what runs."},
	[RUN_STATE] = {"ftp_run_state", FTP_METRIC_GAUGE, "1 for the state that the run is in."},
	[STEPS] = {"ftp_steps_total", FTP_METRIC_COUNTER,
		"Steps whose loss is known, each time that they are done."},
	[SAMPLES] = {"ftp_samples_total", FTP_METRIC_COUNTER, "Training samples in those steps."},
	[LOSS] = {"ftp_loss", FTP_METRIC_GAUGE, "Training loss of the last step."},
	[ACCURACY] = {"ftp_test_accuracy_ratio", FTP_METRIC_GAUGE,
		"Share of held-out samples classified rightly, last evaluation."},
	[RATE] = {"ftp_samples_per_second", FTP_METRIC_GAUGE,
		"Training samples per second, smoothed."},
	[TERM] = {"ftp_plan_term", FTP_METRIC_GAUGE, "Term of the plan in force."},
	[PREDICTED] = {"ftp_plan_predicted_step_seconds", FTP_METRIC_GAUGE,
		"Step time that the planner predicts for the plan in force; 0: unknown."},
	[STEP_SECONDS] = {"ftp_step_seconds", FTP_METRIC_GAUGE,
		"Measured step time of the plan in force, smoothed; 0: not yet."},
	[REPARTITIONS] = {"ftp_repartitions_total", FTP_METRIC_COUNTER,
		"Changes of the plan after the first, by outcome."},
	[PARTS] = {"ftp_repartition_seconds", FTP_METRIC_GAUGE,
		"Parts of the last committed change of the plan; pause: no stage trained."},
	[SNAPSHOT_STEP] = {"ftp_snapshot_step", FTP_METRIC_GAUGE,
		"Step of the newest snapshot of its kind that could be gone back to."},
	[SNAPSHOT_AGE] = {"ftp_snapshot_age_steps", FTP_METRIC_GAUGE,
		"Steps since the newest stable snapshot."},
	[SNAPSHOT_AGE_SECONDS] = {"ftp_snapshot_age_seconds", FTP_METRIC_GAUGE,
		"Time that those steps took: what a return to it would take back."},
	[SNAPSHOT_PERIOD] = {"ftp_snapshot_period_steps", FTP_METRIC_GAUGE,
		"Steps from one snapshot to the next; chosen by limits where snapshot.every is "
		"auto."},
	[SNAPSHOTS_SKIPPED] = {"ftp_snapshots_skipped_total", FTP_METRIC_COUNTER,
		"Snapshots that were due and did not become stable."},
	[CHECKPOINT_AGE] = {"ftp_checkpoint_age_steps", FTP_METRIC_GAUGE,
		"Steps since the newest snapshot that is on the nodes' disks whole."},
	[CHECKPOINTS] = {"ftp_checkpoints_total", FTP_METRIC_COUNTER,
		"Snapshots that were to go to the nodes' disks, by outcome."},
	[SLOWNESS] = {"ftp_node_slowness", FTP_METRIC_GAUGE,
		"Lasting ratio of the node's compute time to what it was measured to."},
	[NODE_UP] = {"ftp_node_up", FTP_METRIC_GAUGE, "1 while the node is connected."},
	[SILENCE] = {"ftp_node_silence_ratio", FTP_METRIC_GAUGE,
		"The node's longest silence over what was allowed then; 1: it counts as lost."},
	[BUSY] = {"ftp_stage_busy_ratio", FTP_METRIC_GAUGE,
		"Share of its time that the stage computes."},
	[FAILURES] = {"ftp_failures_total", FTP_METRIC_COUNTER,
		"Failures that ended a run, by evidence."},
	[LOST_NODES] = {"ftp_lost_nodes_total", FTP_METRIC_COUNTER,
		"Losses of nodes that did not end the run, by the first evidence."},
	[RECOVERIES] = {"ftp_recoveries_total", FTP_METRIC_COUNTER,
		"Losses of nodes of the plan in force that training went on from."},
	[RECOVERY_SECONDS] = {"ftp_recovery_seconds", FTP_METRIC_GAUGE,
		"Parts of the last recovery, to the first step done again; total: from the first "
		"sign."},
	[RECOVERY_DURATION] = {"ftp_recovery_duration_seconds", FTP_METRIC_HISTOGRAM,
		"Parts of all recoveries, to the first step done again; total: from the first "
		"sign."},
	[LOST_STEPS] = {"ftp_steps_lost_total", FTP_METRIC_COUNTER,
		"Steps that recoveries had to do again."},
	[MISSING_UNITS] = {"ftp_missing_units", FTP_METRIC_GAUGE,
		"Units whose state no node has, for which the run waits."},
	[UNWRITTEN] = {"ftp_unwritten_bytes", FTP_METRIC_GAUGE,
		"Losses and events that wait in memory for room on the disk."},
	[EVENTS_DROPPED] = {"ftp_events_dropped_total", FTP_METRIC_COUNTER,
		"Events that were not recorded, as too many waited for room on the disk."},
	[JOURNAL_WAIT] = {"ftp_journal_wait_seconds", FTP_METRIC_GAUGE,
		"How long decisions have waited for room for the journal; 30 ends the run."},
};

static const char *const evidence_names[] = {
	[FTP_EVIDENCE_LOST] = "connection_lost",
	[FTP_EVIDENCE_EXITED] = "exited",
	[FTP_EVIDENCE_TOLD] = "reported",
	[FTP_EVIDENCE_CERTAIN] = "killed_or_deadline",
};

static const char *const part_names[FTP_N_CHANGE_PARTS] = {
	[FTP_PART_PREPARE] = "prepare",
	[FTP_PART_HOLD] = "hold",
	[FTP_PART_TRANSFER] = "transfer",
	[FTP_PART_COMMIT] = "commit",
	[FTP_PART_PAUSE] = "pause",
};

static const char *const recovery_names[FTP_N_RECOVERY_PARTS] = {
	[FTP_RECOVERY_UNHEARD] = "unheard",
	[FTP_RECOVERY_HALT] = "halt",
	[FTP_RECOVERY_PREPARE] = "prepare",
	[FTP_RECOVERY_TRANSFER] = "transfer",
	[FTP_RECOVERY_COMMIT] = "commit",
	[FTP_RECOVERY_FIRST_STEP] = "first_step",
	[FTP_RECOVERY_TOTAL] = "total",
};

struct ftp_coordinator_metrics {
	struct ftp_metrics *registry;
	struct ftp_exporter *exporter;
	struct ftp_metric *steps, *samples, *rate, *term, *predicted, *step_s;
	struct ftp_metric *committed, *abandoned, *parts[FTP_N_CHANGE_PARTS];
	struct ftp_metric *recoveries, *recovery_s[FTP_N_RECOVERY_PARTS], *lost_steps, *missing;
	struct ftp_histogram recovery_parts[FTP_N_RECOVERY_PARTS];
	uint32_t n_recoveries; /* that are in it, or were before this process */
	bool is_counting;      /* n_recoveries is known */
	struct ftp_metric *unwritten, *events_dropped, *journal_wait;
	struct ftp_metric *stable, *global, *age, *age_s, *period, *skipped; /* NULL: none */
	struct ftp_metric *disk, *disk_age, *durable, *not_durable; /* NULL: no checkpoints */
	struct ftp_metric *loss, *accuracy;			    /* from the first value on */
	struct ftp_metric *states[FTP_N_RUN_STATES];
	struct ftp_metric *failures[FTP_EVIDENCE_CERTAIN + 1], *lost[FTP_EVIDENCE_CERTAIN + 1];
	struct ftp_metric *slowness[FTP_CONFIG_MAX_NODES], *silence[FTP_CONFIG_MAX_NODES];
	struct ftp_metric *up[FTP_CONFIG_MAX_NODES], *busy[FTP_CONFIG_MAX_NODES];
};

static struct ftp_metric *series(
	struct ftp_coordinator_metrics *m, enum family family, const char *key, const char *value)
{
	char labels[96] = "";

	if (key)
		snprintf(labels, sizeof(labels), "%s=\"%s\"", key, value);
	return ftp_metrics_series(m->registry, family, labels);
}

static void register_recovery(struct ftp_coordinator_metrics *m, int part)
{
	static const double bounds[FTP_HISTOGRAM_BOUNDS] = {
		.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10};
	char labels[96];

	m->recovery_s[part] = series(m, RECOVERY_SECONDS, "part", recovery_names[part]);
	snprintf(labels, sizeof(labels), "part=\"%s\"", recovery_names[part]);
	ftp_metrics_histogram(
		&m->recovery_parts[part], m->registry, RECOVERY_DURATION, labels, bounds);
}

static void register_all(struct ftp_coordinator_metrics *m, const struct ftp_config *config)
{
	char stage[12];

	ftp_metric_set(series(m, BUILD_INFO, "version", FTP_VERSION), 1);
	m->steps = series(m, STEPS, NULL, NULL);
	m->samples = series(m, SAMPLES, NULL, NULL);
	m->rate = series(m, RATE, NULL, NULL);
	m->term = series(m, TERM, NULL, NULL);
	m->predicted = series(m, PREDICTED, NULL, NULL);
	m->step_s = series(m, STEP_SECONDS, NULL, NULL);
	m->committed = series(m, REPARTITIONS, "outcome", "committed");
	m->abandoned = series(m, REPARTITIONS, "outcome", "abandoned");
	for (int i = 0; i < FTP_N_CHANGE_PARTS; i++)
		m->parts[i] = series(m, PARTS, "part", part_names[i]);
	m->recoveries = series(m, RECOVERIES, NULL, NULL);
	m->lost_steps = series(m, LOST_STEPS, NULL, NULL);
	m->missing = series(m, MISSING_UNITS, NULL, NULL);
	m->unwritten = series(m, UNWRITTEN, NULL, NULL);
	m->events_dropped = series(m, EVENTS_DROPPED, NULL, NULL);
	m->journal_wait = series(m, JOURNAL_WAIT, NULL, NULL);
	for (int i = 0; i < FTP_N_RECOVERY_PARTS; i++)
		register_recovery(m, i);
	if (config->snapshot.every) {
		m->stable = series(m, SNAPSHOT_STEP, "kind", "stable");
		m->global = series(m, SNAPSHOT_STEP, "kind", "global");
		m->age = series(m, SNAPSHOT_AGE, NULL, NULL);
		m->age_s = series(m, SNAPSHOT_AGE_SECONDS, NULL, NULL);
		m->period = series(m, SNAPSHOT_PERIOD, NULL, NULL);
		m->skipped = series(m, SNAPSHOTS_SKIPPED, NULL, NULL);
	}
	if (config->checkpoint.every) {
		m->disk = series(m, SNAPSHOT_STEP, "kind", "disk");
		m->disk_age = series(m, CHECKPOINT_AGE, NULL, NULL);
		m->durable = series(m, CHECKPOINTS, "outcome", "durable");
		m->not_durable = series(m, CHECKPOINTS, "outcome", "failed");
	}
	for (int i = 0; i < FTP_N_RUN_STATES; i++)
		m->states[i] = series(m, RUN_STATE, "state", ftp_coordinator_state_name(i));
	for (int i = FTP_EVIDENCE_LOST; i <= FTP_EVIDENCE_CERTAIN; i++) {
		m->failures[i] = series(m, FAILURES, "reason", evidence_names[i]);
		m->lost[i] = series(m, LOST_NODES, "reason", evidence_names[i]);
	}
	for (uint32_t i = 0; i < config->n_nodes; i++) {
		snprintf(stage, sizeof(stage), "%u", i);
		m->up[i] = series(m, NODE_UP, "node", config->nodes[i].name);
		m->silence[i] = series(m, SILENCE, "node", config->nodes[i].name);
		m->slowness[i] = series(m, SLOWNESS, "node", config->nodes[i].name);
		m->busy[i] = series(m, BUSY, "stage", stage);
	}
}

int ftp_coordinator_metrics_start(struct ftp_coordinator_metrics **out,
	const struct ftp_config *config, struct ftp_error *err)
{
	struct ftp_coordinator_metrics *m = calloc(1, sizeof(*m));
	int rc;

	ftp_assert(m);
	m->registry = ftp_metrics_new(families, N_FAMILIES);
	register_all(m, config);
	*out = m;
	if (!strcmp(config->metrics_listen, FTP_CONFIG_OFF))
		return 0;
	rc = ftp_exporter_start(&m->exporter, config->metrics_listen, m->registry, err);
	if (rc) {
		ftp_coordinator_metrics_stop(m);
		*out = NULL;
	}
	return rc;
}

void ftp_coordinator_metrics_stop(struct ftp_coordinator_metrics *m)
{
	if (!m)
		return;
	ftp_exporter_stop(m->exporter);
	ftp_metrics_free(m->registry);
	free(m);
}

static void update_snapshots(struct ftp_coordinator_metrics *m, const struct ftp_coordinator *c)
{
	const struct ftp_coordinator_snapshots *s = &c->snapshots;

	if (!m->stable)
		return;
	ftp_metric_set(m->stable, (double)s->stable_step);
	ftp_metric_set(m->global, (double)s->global_step);
	ftp_metric_set(m->age, (double)ftp_coordinator_snapshots_age(c));
	ftp_metric_set(m->age_s, ftp_coordinator_age_seconds(c));
	ftp_metric_set(m->period, (double)ftp_coordinator_period(c));
	ftp_metric_set(m->skipped, (double)s->n_skipped);
	if (!m->disk)
		return;
	ftp_metric_set(m->disk, (double)s->disk_step);
	ftp_metric_set(m->disk_age, (double)ftp_coordinator_disk_age(c));
	ftp_metric_set(m->durable, (double)s->disk.n_durable);
	ftp_metric_set(m->not_durable, (double)s->disk.n_failed);
}

/* Those that a journal tells of took their time in another process's life. */
static void update_recovery(struct ftp_coordinator_metrics *m, const struct ftp_coordinator *c)
{
	const struct ftp_coordinator_recovery *r = &c->recovery;

	ftp_metric_set(m->recoveries, r->n_recoveries);
	ftp_metric_set(m->lost_steps, (double)r->n_lost_steps);
	ftp_metric_set(m->missing, ftp_coordinator_waits(c) ? r->n_missing : 0);
	for (int i = 0; i < FTP_N_RECOVERY_PARTS; i++) {
		ftp_metric_set(m->recovery_s[i], r->parts_s[i]);
		if (m->is_counting && r->n_recoveries > m->n_recoveries)
			ftp_histogram_add(&m->recovery_parts[i], r->parts_s[i]);
	}
	m->n_recoveries = r->n_recoveries;
	m->is_counting = true;
}

void ftp_coordinator_metrics_update(struct ftp_coordinator_metrics *m,
	const struct ftp_coordinator *c, const struct ftp_coordinator_files *f,
	uint64_t journal_wait_ns)
{
	uint64_t done = c->last_row + c->recovery.n_cut_rows;

	ftp_metric_set(m->steps, (double)done);
	ftp_metric_set(m->samples, (double)done * c->config->training.batch);
	ftp_metric_set(m->rate, ftp_coordinator_samples_per_second(c));
	ftp_metric_set(m->term, (double)c->plan.term);
	ftp_metric_set(m->predicted, c->predicted_s);
	ftp_metric_set(m->step_s, ftp_coordinator_step_seconds(c));
	ftp_metric_set(m->committed, c->n_committed);
	ftp_metric_set(m->abandoned, c->n_abandoned);
	for (int i = 0; i < FTP_N_CHANGE_PARTS; i++)
		ftp_metric_set(m->parts[i], c->parts_s[i]);
	update_recovery(m, c);
	ftp_metric_set(m->unwritten, (double)ftp_coordinator_files_waiting(f));
	ftp_metric_set(m->events_dropped, (double)f->n_dropped);
	ftp_metric_set(m->journal_wait, (double)journal_wait_ns / (double)FTP_NS_PER_S);
	update_snapshots(m, c);
	if (c->last_row && !m->loss)
		m->loss = series(m, LOSS, NULL, NULL);
	if (m->loss)
		ftp_metric_set(m->loss, c->last_loss);
	if (c->evaluated && !m->accuracy)
		m->accuracy = series(m, ACCURACY, NULL, NULL);
	if (m->accuracy)
		ftp_metric_set(m->accuracy,
			(double)c->evaluation.n_correct / (double)c->evaluation.n_samples);
	for (int i = 0; i < FTP_N_RUN_STATES; i++)
		ftp_metric_set(m->states[i],
			ftp_coordinator_shown_state(c) == (enum ftp_coordinator_state)i);
	for (int i = FTP_EVIDENCE_LOST; i <= FTP_EVIDENCE_CERTAIN; i++) {
		ftp_metric_set(m->failures[i],
			c->outcome == FTP_END_FAILED && c->evidence == (enum ftp_evidence)i);
		ftp_metric_set(m->lost[i], c->recovery.n_lost_nodes[i]);
	}
	for (uint32_t i = 0; i < c->n_nodes; i++) {
		ftp_metric_set(m->up[i], c->nodes[i].live);
		ftp_metric_set(m->silence[i], c->nodes[i].detector.narrowest);
		ftp_metric_set(m->slowness[i], c->nodes[i].slowness.value);
		ftp_metric_set(m->busy[i],
			i < c->plan.n_stages
				? ftp_coordinator_busy(&c->nodes[c->plan.stages[i].node])
				: 0);
	}
}
