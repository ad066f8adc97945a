/* The node's metric families and series. The worker writes most of them, a few times a second. */
#ifndef FTP_RUNTIME_NODE_METRICS_H
#define FTP_RUNTIME_NODE_METRICS_H

#include "ctl/protocol.h"
#include "net/connection.h"
#include "runtime/base/metrics.h"
#include "runtime/checkpointer.h"
#include "runtime/replicas.h"

enum ftp_node_metric {
	FTP_NODE_BUILD_INFO,
	FTP_NODE_STEPS,
	FTP_NODE_SAMPLES,
	FTP_NODE_LOSS,
	FTP_NODE_COMPUTE_SECONDS,
	FTP_NODE_WAIT_SECONDS,
	FTP_NODE_POLL_SECONDS,
	FTP_NODE_BUBBLE_SECONDS,
	FTP_NODE_REORDERS,
	FTP_NODE_REGION_BYTES,
	FTP_NODE_REGION_LIMIT_BYTES,
	FTP_NODE_RESIDENT_BYTES,
	FTP_NODE_LINK_BYTES,
	FTP_NODE_LINK_PACKETS,
	FTP_NODE_LINK_RETRANSMITS,
	FTP_NODE_LINK_PROBE_TIMEOUTS,
	FTP_NODE_LINK_REJECTED,
	FTP_NODE_LINK_COPIED_BYTES,
	FTP_NODE_LINK_PORT_COPIED_BYTES,
	FTP_NODE_LINK_RTT_SECONDS,
	FTP_NODE_LINK_SILENCE_RATIO,
	FTP_NODE_SNAPSHOTS,
	FTP_NODE_SNAPSHOT_SECONDS,
	FTP_NODE_REPLICA_BYTES,
	FTP_NODE_CHECKPOINT_DISK,
	FTP_NODE_CHECKPOINT_STEP,
	FTP_NODE_CHECKPOINT_PUTS,
	FTP_NODE_CHECKPOINT_PUT_SECONDS,
	FTP_NODE_CHECKPOINT_WRITTEN_BYTES,
	FTP_NODE_CHECKPOINT_BYTES,
	FTP_NODE_CHECKPOINT_DAMAGED,
	FTP_NODE_CHECKPOINT_HUNG,
	FTP_NODE_SLOWDOWN,
	FTP_NODE_PROFILE_SECONDS,
	FTP_NODE_PROBE_RTT_SECONDS,
	FTP_NODE_PROBE_RATE,
	FTP_N_NODE_METRICS,
};

#define FTP_NODE_N_CHECKPOINT_SERIES 13

struct ftp_link_metrics {
	struct ftp_metric *tx_bytes, *rx_bytes, *tx_packets, *rx_packets, *retransmits,
		*probe_timeouts, *rejected, *tx_copied, *rx_copied, *tx_port_copied,
		*rx_port_copied, *rtt, *silence_ratio;
};

struct ftp_node_metrics {
	struct ftp_metrics *registry;
	char node[33];
	struct ftp_metric *steps, *samples, *loss, *compute, *wait, *poll, *bubble, *reorders,
		*region, *region_limit, *slowdown, *snapshots, *snapshots_late, *snapshot_seconds,
		*replica_tx, *replica_rx, *checkpoint[FTP_NODE_N_CHECKPOINT_SERIES];
};

/* Registers build info and memory; node is the label of every series. */
void ftp_node_metrics_init(struct ftp_node_metrics *m, const char *node, const char *isa);
void ftp_node_metrics_deinit(struct ftp_node_metrics *m);

/* What a node has measured before it has a plan; and the slowdown that it emulates: no series
 * before the first that is not 1. */
void ftp_node_metrics_profile(struct ftp_node_metrics *m, const struct ftp_profile *p);
void ftp_node_metrics_probe(
	struct ftp_node_metrics *m, const struct ftp_config *config, const struct ftp_links *links);
/* Snapshots: no series before the first. */
void ftp_node_metrics_snapshots(
	struct ftp_node_metrics *m, const struct ftp_replicas_stats *s, uint64_t export_ns);
/* The checkpoint directory: when it was opened, which makes the series, and after every put. */
void ftp_node_metrics_checkpoint(
	struct ftp_node_metrics *m, const struct ftp_checkpointer_stats *s);
void ftp_node_metrics_slowdown(struct ftp_node_metrics *m, double slowdown);

/* The series of a stage, when its plan comes into force, the same ones under another label when
 * another does; and of one of its links. */
void ftp_node_metrics_stage(struct ftp_node_metrics *m, const char *node, int stage);
void ftp_link_metrics_init(
	struct ftp_link_metrics *l, struct ftp_node_metrics *m, const char *node, const char *peer);
void ftp_link_metrics_set(struct ftp_link_metrics *l, const struct ftp_connection_stats *s,
	const struct ftp_port_caps *caps);

#endif
