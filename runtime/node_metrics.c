#include "runtime/node_metrics.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct ftp_metric_family families[FTP_N_NODE_METRICS] = {
	[FTP_NODE_BUILD_INFO] = {"ftp_build_info", FTP_METRIC_GAUGE,
		"Version and instruction set of this process; always 1."},
	[FTP_NODE_STEPS] = {"ftp_steps_total", FTP_METRIC_COUNTER,
		"Optimizer steps that this stage has finished."},
	[FTP_NODE_SAMPLES] = {"ftp_samples_total", FTP_METRIC_COUNTER,
		"Training samples that this stage has finished."},
	[FTP_NODE_LOSS] = {"ftp_loss", FTP_METRIC_GAUGE,
		"Mean training loss of the last step; last stage only."},
	[FTP_NODE_COMPUTE_SECONDS] = {"ftp_stage_compute_seconds_total", FTP_METRIC_COUNTER,
		"Time in kernels."},
	[FTP_NODE_WAIT_SECONDS] = {"ftp_stage_wait_seconds_total", FTP_METRIC_COUNTER,
		"Time asleep while no task could run."},
	[FTP_NODE_POLL_SECONDS] = {"ftp_stage_poll_seconds_total", FTP_METRIC_COUNTER,
		"Time awake outside kernels: serving the network and polling."},
	[FTP_NODE_BUBBLE_SECONDS] = {"ftp_stage_bubble_seconds_total", FTP_METRIC_COUNTER,
		"Time in which no task could run, asleep or awake."},
	[FTP_NODE_REORDERS] = {"ftp_layout_reorders_total", FTP_METRIC_COUNTER,
		"Tensor layout reorders run by the stage."},
	[FTP_NODE_REGION_BYTES] = {"ftp_region_bytes", FTP_METRIC_GAUGE, "Tensor memory in use."},
	[FTP_NODE_REGION_LIMIT_BYTES] = {"ftp_region_limit_bytes", FTP_METRIC_GAUGE,
		"Tensor memory allowed by nodes[].memory."},
	[FTP_NODE_RESIDENT_BYTES] = {"ftp_resident_memory_bytes", FTP_METRIC_GAUGE,
		"Resident memory of the process."},
	[FTP_NODE_LINK_BYTES] = {"ftp_link_bytes_total", FTP_METRIC_COUNTER,
		"Payload bytes on the link, retransmissions included."},
	[FTP_NODE_LINK_PACKETS] = {"ftp_link_packets_total", FTP_METRIC_COUNTER,
		"Packets on the link."},
	[FTP_NODE_LINK_RETRANSMITS] = {"ftp_link_retransmits_total", FTP_METRIC_COUNTER,
		"Packets whose payload was sent again."},
	[FTP_NODE_LINK_PROBE_TIMEOUTS] = {"ftp_link_probe_timeouts_total", FTP_METRIC_COUNTER,
		"Times that the peer was silent for a probe timeout."},
	[FTP_NODE_LINK_REJECTED] = {"ftp_link_rejected_packets_total", FTP_METRIC_COUNTER,
		"Packets refused: malformed, corrupt, stale or strange."},
	[FTP_NODE_LINK_COPIED_BYTES] = {"ftp_link_copied_bytes_total", FTP_METRIC_COUNTER,
		"Payload bytes copied by our code."},
	[FTP_NODE_LINK_PORT_COPIED_BYTES] = {"ftp_link_port_copied_bytes_total", FTP_METRIC_COUNTER,
		"Payload bytes copied by the packet port."},
	[FTP_NODE_LINK_RTT_SECONDS] = {"ftp_link_rtt_seconds", FTP_METRIC_GAUGE,
		"Smoothed round-trip time."},
	[FTP_NODE_LINK_SILENCE_RATIO] = {"ftp_link_silence_ratio", FTP_METRIC_GAUGE,
		"The peer's longest silence over what was allowed then; 1: it counts as lost."},
	[FTP_NODE_SNAPSHOTS] = {"ftp_snapshots_total", FTP_METRIC_COUNTER,
		"Snapshots of the stage, taken or skipped because it heard of them too late."},
	[FTP_NODE_SNAPSHOT_SECONDS] = {"ftp_snapshot_seconds_total", FTP_METRIC_COUNTER,
		"Time between two steps that copying the stage's unit states took."},
	[FTP_NODE_REPLICA_BYTES] = {"ftp_replica_bytes_total", FTP_METRIC_COUNTER,
		"Bytes of unit states sent to, or received from, other nodes for safety."},
	[FTP_NODE_CHECKPOINT_DISK] = {"ftp_checkpoint_disk_info", FTP_METRIC_GAUGE,
		"How this node writes its checkpoint; 0: it cannot."},
	[FTP_NODE_CHECKPOINT_STEP] = {"ftp_checkpoint_step", FTP_METRIC_GAUGE,
		"Step of the newest snapshot that this node has put on its disk; 0: none."},
	[FTP_NODE_CHECKPOINT_PUTS] = {"ftp_checkpoint_puts_total", FTP_METRIC_COUNTER,
		"Snapshots that this node was to put on its disk, by outcome."},
	[FTP_NODE_CHECKPOINT_PUT_SECONDS] = {"ftp_checkpoint_put_seconds_total", FTP_METRIC_COUNTER,
		"Time from being asked for a put until it was durable."},
	[FTP_NODE_CHECKPOINT_WRITTEN_BYTES] = {"ftp_checkpoint_written_bytes_total",
		FTP_METRIC_COUNTER, "Bytes of unit states that were written and are durable."},
	[FTP_NODE_CHECKPOINT_BYTES] = {"ftp_checkpoint_bytes", FTP_METRIC_GAUGE,
		"Size of the checkpoint: of its files, and of the states in them that count."},
	[FTP_NODE_CHECKPOINT_DAMAGED] = {"ftp_checkpoint_damaged_states", FTP_METRIC_GAUGE,
		"Unit states in the checkpoint that are not what was written."},
	[FTP_NODE_CHECKPOINT_HUNG] = {"ftp_checkpoint_hangs_total", FTP_METRIC_COUNTER,
		"How often the disk owed an answer for so long that the node went on without it."},
	[FTP_NODE_SLOWDOWN] = {"ftp_emulated_slowdown", FTP_METRIC_GAUGE,
		"How many times its own CPU time a task takes, in a drill."},
	[FTP_NODE_PROFILE_SECONDS] = {"ftp_profile_seconds", FTP_METRIC_GAUGE,
		"Whole model, one micro-batch and one update, as measured before the plan."},
	[FTP_NODE_PROBE_RTT_SECONDS] = {"ftp_probe_rtt_seconds", FTP_METRIC_GAUGE,
		"Round-trip time to a peer, as measured before the plan."},
	[FTP_NODE_PROBE_RATE] = {"ftp_probe_bytes_per_second", FTP_METRIC_GAUGE,
		"Rate to a peer, as measured before the plan."},
};

static void refresh_resident(void *arg)
{
	struct ftp_metric *resident = arg;
	unsigned long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	if (!f)
		return;
	if (fscanf(f, "%*u %lu", &pages) == 1)
		ftp_metric_set(resident, (double)pages * (double)sysconf(_SC_PAGESIZE));
	fclose(f);
}

void ftp_node_metrics_init(struct ftp_node_metrics *m, const char *node, const char *isa)
{
	char labels[160];

	memset(m, 0, sizeof(*m));
	m->registry = ftp_metrics_new(families, FTP_N_NODE_METRICS);
	snprintf(m->node, sizeof(m->node), "%s", node);
	snprintf(labels, sizeof(labels), "node=\"%s\",version=\"%s\",isa=\"%s\"", node, FTP_VERSION,
		isa);
	ftp_metric_set(ftp_metrics_series(m->registry, FTP_NODE_BUILD_INFO, labels), 1);
	snprintf(labels, sizeof(labels), "node=\"%s\"", node);
	m->region = ftp_metrics_series(m->registry, FTP_NODE_REGION_BYTES, labels);
	m->region_limit = ftp_metrics_series(m->registry, FTP_NODE_REGION_LIMIT_BYTES, labels);
	ftp_metrics_on_scrape(m->registry, refresh_resident,
		ftp_metrics_series(m->registry, FTP_NODE_RESIDENT_BYTES, labels));
}

void ftp_node_metrics_deinit(struct ftp_node_metrics *m)
{
	ftp_metrics_free(m->registry);
	m->registry = NULL;
}

static void set(struct ftp_node_metrics *m, enum ftp_node_metric family, const char *key,
	const char *value, double number)
{
	char labels[160];

	snprintf(labels, sizeof(labels), "node=\"%s\",%s=\"%s\"", m->node, key, value);
	ftp_metric_set(ftp_metrics_series(m->registry, (int)family, labels), number);
}

void ftp_node_metrics_profile(struct ftp_node_metrics *m, const struct ftp_profile *p)
{
	const struct {
		const char *name;
		const uint64_t *ns;
	} passes[] = {
		{"forward", p->forward_ns}, {"backward", p->backward_ns}, {"update", p->update_ns}};

	for (size_t i = 0; i < sizeof(passes) / sizeof(passes[0]); i++) {
		uint64_t ns = 0;

		for (uint32_t u = 0; u < p->n_units; u++)
			ns += passes[i].ns[u];
		set(m, FTP_NODE_PROFILE_SECONDS, "pass", passes[i].name, (double)ns * 1e-9);
	}
}

void ftp_node_metrics_probe(
	struct ftp_node_metrics *m, const struct ftp_config *config, const struct ftp_links *links)
{
	for (uint32_t i = 0; i < links->n_peers; i++) {
		const char *peer = config->nodes[links->peer[i]].name;

		set(m, FTP_NODE_PROBE_RTT_SECONDS, "peer", peer, (double)links->rtt_ns[i] * 1e-9);
		set(m, FTP_NODE_PROBE_RATE, "peer", peer, (double)links->bytes_per_s[i]);
	}
}

/* Looked up once: that takes the registry's lock. more: labels, after the node's. */
static void set_kept(struct ftp_node_metrics *m, struct ftp_metric **series,
	enum ftp_node_metric family, const char *more, double number)
{
	char labels[160];

	if (!*series) {
		snprintf(labels, sizeof(labels), "node=\"%s\"%s", m->node, more);
		*series = ftp_metrics_series(m->registry, (int)family, labels);
	}
	ftp_metric_set(*series, number);
}

void ftp_node_metrics_snapshots(
	struct ftp_node_metrics *m, const struct ftp_replicas_stats *s, uint64_t export_ns)
{
	const struct {
		struct ftp_metric **series;
		enum ftp_node_metric family;
		const char *label;
		double value;
	} table[] = {
		{&m->snapshots, FTP_NODE_SNAPSHOTS, ",outcome=\"taken\"", (double)s->n_taken},
		{&m->snapshots_late, FTP_NODE_SNAPSHOTS, ",outcome=\"late\"", (double)s->n_spoiled},
		{&m->snapshot_seconds, FTP_NODE_SNAPSHOT_SECONDS, "", (double)export_ns * 1e-9},
		{&m->replica_tx, FTP_NODE_REPLICA_BYTES, ",dir=\"tx\"", (double)s->sent_bytes},
		{&m->replica_rx, FTP_NODE_REPLICA_BYTES, ",dir=\"rx\"", (double)s->received_bytes},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		set_kept(m, table[i].series, table[i].family, table[i].label, table[i].value);
}

void ftp_node_metrics_checkpoint(struct ftp_node_metrics *m, const struct ftp_checkpointer_stats *s)
{
	const uint64_t *n_puts = s->n_puts;
	char disk[96];
	const struct {
		enum ftp_node_metric family;
		const char *label;
		double value;
	} table[] = {
		{FTP_NODE_CHECKPOINT_DISK, disk, s->is_usable},
		{FTP_NODE_CHECKPOINT_STEP, "", (double)s->step},
		{FTP_NODE_CHECKPOINT_PUTS, ",outcome=\"done\"",
			(double)n_puts[FTP_CHECKPOINT_DONE]},
		{FTP_NODE_CHECKPOINT_PUTS, ",outcome=\"no_space\"",
			(double)n_puts[FTP_CHECKPOINT_NO_SPACE]},
		{FTP_NODE_CHECKPOINT_PUTS, ",outcome=\"io_error\"",
			(double)n_puts[FTP_CHECKPOINT_IO_ERROR]},
		{FTP_NODE_CHECKPOINT_PUTS, ",outcome=\"cancelled\"",
			(double)n_puts[FTP_CHECKPOINT_CANCELLED]},
		{FTP_NODE_CHECKPOINT_PUTS, ",outcome=\"refused\"", (double)s->n_refused},
		{FTP_NODE_CHECKPOINT_HUNG, "", (double)s->n_hung},
		{FTP_NODE_CHECKPOINT_PUT_SECONDS, "", (double)s->put_ns * 1e-9},
		{FTP_NODE_CHECKPOINT_WRITTEN_BYTES, "", (double)s->written_bytes},
		{FTP_NODE_CHECKPOINT_BYTES, ",of=\"files\"", (double)s->capacity_bytes},
		{FTP_NODE_CHECKPOINT_BYTES, ",of=\"states\"", (double)s->live_bytes},
		{FTP_NODE_CHECKPOINT_DAMAGED, "", (double)s->n_damaged},
	};

	static_assert(sizeof(table) / sizeof(table[0]) == FTP_NODE_N_CHECKPOINT_SERIES, "series");
	snprintf(disk, sizeof(disk),
		",engine=\"%s\",direct=\"%d\",registered_buffers=\"%d\",file_ops=\"%d\"",
		s->mode.engine ? s->mode.engine : "none", s->mode.is_direct,
		s->mode.has_registered_buffers, s->mode.has_file_ops);
	for (size_t i = 0; i < FTP_NODE_N_CHECKPOINT_SERIES; i++)
		set_kept(m, &m->checkpoint[i], table[i].family, table[i].label, table[i].value);
}

void ftp_node_metrics_slowdown(struct ftp_node_metrics *m, double slowdown)
{
	char labels[64];

	snprintf(labels, sizeof(labels), "node=\"%s\"", m->node);
	if (!m->slowdown && slowdown > 1)
		m->slowdown = ftp_metrics_series(m->registry, FTP_NODE_SLOWDOWN, labels);
	if (m->slowdown)
		ftp_metric_set(m->slowdown, slowdown);
}

void ftp_node_metrics_stage(struct ftp_node_metrics *m, const char *node, int stage)
{
	const struct {
		struct ftp_metric **series;
		enum ftp_node_metric family;
	} table[] = {
		{&m->steps, FTP_NODE_STEPS},
		{&m->samples, FTP_NODE_SAMPLES},
		{&m->loss, FTP_NODE_LOSS},
		{&m->compute, FTP_NODE_COMPUTE_SECONDS},
		{&m->wait, FTP_NODE_WAIT_SECONDS},
		{&m->poll, FTP_NODE_POLL_SECONDS},
		{&m->bubble, FTP_NODE_BUBBLE_SECONDS},
		{&m->reorders, FTP_NODE_REORDERS},
	};
	char labels[64];

	snprintf(labels, sizeof(labels), "node=\"%s\",stage=\"%d\"", node, stage);
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (*table[i].series)
			ftp_metrics_relabel(m->registry, *table[i].series, labels);
		else
			*table[i].series =
				ftp_metrics_series(m->registry, (int)table[i].family, labels);
}

void ftp_link_metrics_init(
	struct ftp_link_metrics *l, struct ftp_node_metrics *m, const char *node, const char *peer)
{
	const struct {
		struct ftp_metric **series;
		enum ftp_node_metric family;
		const char *dir;
	} table[] = {
		{&l->tx_bytes, FTP_NODE_LINK_BYTES, "tx"},
		{&l->rx_bytes, FTP_NODE_LINK_BYTES, "rx"},
		{&l->tx_packets, FTP_NODE_LINK_PACKETS, "tx"},
		{&l->rx_packets, FTP_NODE_LINK_PACKETS, "rx"},
		{&l->retransmits, FTP_NODE_LINK_RETRANSMITS, "tx"},
		{&l->probe_timeouts, FTP_NODE_LINK_PROBE_TIMEOUTS, "tx"},
		{&l->rejected, FTP_NODE_LINK_REJECTED, "rx"},
		{&l->tx_copied, FTP_NODE_LINK_COPIED_BYTES, "tx"},
		{&l->rx_copied, FTP_NODE_LINK_COPIED_BYTES, "rx"},
		{&l->tx_port_copied, FTP_NODE_LINK_PORT_COPIED_BYTES, "tx"},
		{&l->rx_port_copied, FTP_NODE_LINK_PORT_COPIED_BYTES, "rx"},
		{&l->rtt, FTP_NODE_LINK_RTT_SECONDS, NULL},
		{&l->silence_ratio, FTP_NODE_LINK_SILENCE_RATIO, NULL},
	};
	char labels[120];

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		int n = snprintf(labels, sizeof(labels), "node=\"%s\",peer=\"%s\"", node, peer);

		if (table[i].dir)
			snprintf(labels + n, sizeof(labels) - (size_t)n, ",dir=\"%s\"",
				table[i].dir);
		*table[i].series = ftp_metrics_series(m->registry, (int)table[i].family, labels);
	}
}

void ftp_link_metrics_set(struct ftp_link_metrics *l, const struct ftp_connection_stats *s,
	const struct ftp_port_caps *caps)
{
	uint64_t rejected = s->stale_packets;

	for (int i = 1; i < FTP_WIRE_N_REJECTS; i++)
		rejected += s->rejected[i];
	ftp_metric_set(l->tx_bytes, (double)s->tx_bytes);
	ftp_metric_set(l->rx_bytes, (double)s->rx_bytes);
	ftp_metric_set(l->tx_packets, (double)s->tx_packets);
	ftp_metric_set(l->rx_packets, (double)s->rx_packets);
	ftp_metric_set(l->retransmits, (double)s->retransmitted_packets);
	ftp_metric_set(l->probe_timeouts, (double)s->probe_timeouts);
	ftp_metric_set(l->rejected, (double)rejected);
	ftp_metric_set(l->tx_copied, (double)s->copied_tx_bytes);
	ftp_metric_set(l->rx_copied, (double)s->copied_rx_bytes);
	ftp_metric_set(l->tx_port_copied, (double)s->tx_bytes * caps->tx_copies);
	ftp_metric_set(l->rx_port_copied, (double)s->rx_bytes * caps->rx_copies);
	ftp_metric_set(l->rtt, (double)s->smoothed_rtt_ns * 1e-9);
	ftp_metric_set(l->silence_ratio, s->silence_ratio);
}
