#include "ctl/config_schema.h"

#include <stddef.h>

#define REQUIRED CYAML_FLAG_DEFAULT
#define WORD	 (CYAML_FLAG_POINTER) /* text of its own allocation */
#define N(array) (sizeof(array) / sizeof((array)[0]))

/* A mapping of the file whose values lie in the same struct as its parent's. */
#define FLAT(_key, _structure, _fields)                                                            \
	{                                                                                          \
		.key = _key, .data_offset = 0,                                                     \
		.value = {CYAML_VALUE_MAPPING(REQUIRED, _structure, _fields)},                     \
	}
#define TEXT(_key, _structure, _member)                                                            \
	CYAML_FIELD_STRING_PTR(_key, WORD, _structure, _member, 0, 4095)
#define ENUM(_key, _structure, _member, _words)                                                    \
	CYAML_FIELD_ENUM(_key, CYAML_FLAG_STRICT, _structure, _member, _words, N(_words))
#define MAP(_key, _structure, _member, _fields)                                                    \
	CYAML_FIELD_MAPPING(_key, REQUIRED, _structure, _member, _fields)

static const cyaml_strval_t restart_words[] = {
	{"never", FTP_RESTART_NEVER}, {"on-failure", FTP_RESTART_ON_FAILURE}};
static const cyaml_strval_t schedule_words[] = {
	{"flush", FTP_SCHEDULE_FLUSH}, {"1f1b", FTP_SCHEDULE_1F1B}};
static const cyaml_strval_t port_words[] = {
	{"auto", FTP_NET_AUTO}, {"memif", FTP_NET_MEMIF}, {"udp", FTP_NET_UDP}};
static const cyaml_strval_t strides_words[] = {
	{"cifar", FTP_CONFIG_CIFAR}, {"imagenet", FTP_CONFIG_IMAGENET}};
static const cyaml_strval_t direct_words[] = {
	{"auto", FTP_DIRECT_AUTO}, {"on", FTP_DIRECT_ON}, {"off", FTP_DIRECT_OFF}};
static const cyaml_strval_t lr_words[] = {{"constant", FTP_CONFIG_LR_CONSTANT},
	{"step", FTP_CONFIG_LR_STEP}, {"cosine", FTP_CONFIG_LR_COSINE}};
static const cyaml_strval_t level_words[] = {{"error", FTP_CONFIG_LOG_ERROR},
	{"warning", FTP_CONFIG_LOG_WARNING}, {"info", FTP_CONFIG_LOG_INFO},
	{"debug", FTP_CONFIG_LOG_DEBUG}};
static const cyaml_strval_t format_words[] = {
	{"text", FTP_CONFIG_LOG_TEXT}, {"json", FTP_CONFIG_LOG_JSON}};

static const cyaml_schema_field_t coordinator_fields[] = {
	TEXT("listen", struct ftp_config_cluster, coordinator_listen),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t cluster_fields[] = {
	TEXT("name", struct ftp_config_cluster, name),
	FLAT("coordinator", struct ftp_config_cluster, coordinator_fields),
	TEXT("data_dir", struct ftp_config_cluster, data_dir),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t emulate_fields[] = {
	CYAML_FIELD_FLOAT("slowdown", REQUIRED, struct ftp_config_emulate, slowdown),
	CYAML_FIELD_FLOAT("loss", REQUIRED, struct ftp_config_emulate, loss),
	CYAML_FIELD_UINT("bandwidth", REQUIRED, struct ftp_config_emulate, bandwidth_bytes),
	CYAML_FIELD_UINT("delay", REQUIRED, struct ftp_config_emulate, delay_ns),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t node_fields[] = {
	TEXT("name", struct ftp_config_node, name),
	TEXT("host", struct ftp_config_node, host),
	TEXT("cores", struct ftp_config_node, cores),
	TEXT("net_core", struct ftp_config_node, net_core),
	CYAML_FIELD_UINT("memory", REQUIRED, struct ftp_config_node, memory_bytes),
	CYAML_FIELD_BOOL("dataset", REQUIRED, struct ftp_config_node, dataset),
	ENUM("restart", struct ftp_config_node, restart, restart_words),
	TEXT("data_dir", struct ftp_config_node, data_dir),
	TEXT("metrics", struct ftp_config_node, metrics),
	MAP("emulate", struct ftp_config_node, emulate, emulate_fields),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t node_schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct ftp_config_node, node_fields),
};

static const cyaml_schema_field_t dataset_fields[] = {
	TEXT("kind", struct ftp_config_dataset, kind),
	TEXT("path", struct ftp_config_dataset, path),
	CYAML_FIELD_BOOL("augment", REQUIRED, struct ftp_config_dataset, augment),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t repartition_fields[] = {
	CYAML_FIELD_FLOAT("min_gain", REQUIRED, struct ftp_config_repartition, min_gain),
	CYAML_FIELD_UINT("horizon", REQUIRED, struct ftp_config_repartition, horizon),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t optimizer_fields[] = {
	TEXT("kind", struct ftp_config_optimizer, kind),
	CYAML_FIELD_FLOAT("momentum", REQUIRED, struct ftp_config_optimizer, momentum),
	CYAML_FIELD_FLOAT("weight_decay", REQUIRED, struct ftp_config_optimizer, weight_decay),
	CYAML_FIELD_BOOL("nesterov", REQUIRED, struct ftp_config_optimizer, nesterov),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t lr_fields[] = {
	ENUM("kind", struct ftp_config_lr_rate, kind, lr_words),
	CYAML_FIELD_FLOAT("base", REQUIRED, struct ftp_config_lr_rate, base),
	CYAML_FIELD_FLOAT("gamma", REQUIRED, struct ftp_config_lr_rate, gamma),
	CYAML_FIELD_FLOAT("final", REQUIRED, struct ftp_config_lr_rate, final),
	CYAML_FIELD_UINT("warmup", REQUIRED, struct ftp_config_lr_rate, warmup),
	CYAML_FIELD_UINT("step_every", REQUIRED, struct ftp_config_lr_rate, step_every),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t training_fields[] = {
	TEXT("model", struct ftp_config_training, model),
	CYAML_FIELD_FLOAT("width", REQUIRED, struct ftp_config_training, width),
	ENUM("strides", struct ftp_config_training, strides, strides_words),
	MAP("dataset", struct ftp_config_training, dataset, dataset_fields),
	CYAML_FIELD_UINT("batch", REQUIRED, struct ftp_config_training, batch),
	CYAML_FIELD_UINT("micro_batches", REQUIRED, struct ftp_config_training, micro_batches),
	CYAML_FIELD_UINT("threads", REQUIRED, struct ftp_config_training, threads),
	TEXT("isa", struct ftp_config_training, isa),
	CYAML_FIELD_UINT("steps", REQUIRED, struct ftp_config_training, steps),
	CYAML_FIELD_UINT("epochs", REQUIRED, struct ftp_config_training, epochs),
	CYAML_FIELD_UINT("seed", REQUIRED, struct ftp_config_training, seed),
	ENUM("schedule", struct ftp_config_training, schedule, schedule_words),
	CYAML_FIELD_UINT("aggregate_every", REQUIRED, struct ftp_config_training, aggregate_every),
	TEXT("cuts", struct ftp_config_training, cuts),
	MAP("repartition", struct ftp_config_training, repartition, repartition_fields),
	MAP("optimizer", struct ftp_config_training, optimizer, optimizer_fields),
	MAP("lr", struct ftp_config_training, lr, lr_fields),
	CYAML_FIELD_UINT("eval_every", REQUIRED, struct ftp_config_training, eval_every),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t snapshot_fields[] = {
	CYAML_FIELD_UINT("every", REQUIRED, struct ftp_config_snapshot, every),
	CYAML_FIELD_UINT("global_every", REQUIRED, struct ftp_config_snapshot, global_every),
	CYAML_FIELD_UINT(
		"max_bandwidth", REQUIRED, struct ftp_config_snapshot, max_bandwidth_bytes),
	CYAML_FIELD_FLOAT("max_share", REQUIRED, struct ftp_config_snapshot, max_share),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t checkpoint_fields[] = {
	CYAML_FIELD_UINT("every", REQUIRED, struct ftp_config_checkpoint, every),
	CYAML_FIELD_UINT("keep", REQUIRED, struct ftp_config_checkpoint, keep),
	CYAML_FIELD_UINT("max_bytes", REQUIRED, struct ftp_config_checkpoint, max_bytes),
	ENUM("direct", struct ftp_config_checkpoint, direct, direct_words),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t net_fields[] = {
	ENUM("port", struct ftp_config_net, port, port_words),
	CYAML_FIELD_UINT("mtu", REQUIRED, struct ftp_config_net, mtu),
	TEXT("wire", struct ftp_config_net, wire),
	TEXT("protect", struct ftp_config_net, protect),
	TEXT("eal", struct ftp_config_net, eal),
	CYAML_FIELD_BOOL("hugepages", REQUIRED, struct ftp_config_net, hugepages),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t metrics_fields[] = {
	TEXT("listen", struct ftp_config, metrics_listen),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t log_fields[] = {
	ENUM("level", struct ftp_config, log_level, level_words),
	ENUM("format", struct ftp_config, log_format, format_words),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t config_fields[] = {
	MAP("cluster", struct ftp_config, cluster, cluster_fields),
	CYAML_FIELD_SEQUENCE_COUNT("nodes", CYAML_FLAG_POINTER, struct ftp_config, nodes, n_nodes,
		&node_schema, 1, FTP_CONFIG_MAX_NODES),
	MAP("training", struct ftp_config, training, training_fields),
	MAP("snapshot", struct ftp_config, snapshot, snapshot_fields),
	MAP("checkpoint", struct ftp_config, checkpoint, checkpoint_fields),
	MAP("net", struct ftp_config, net, net_fields),
	FLAT("metrics", struct ftp_config, metrics_fields),
	FLAT("log", struct ftp_config, log_fields),
	CYAML_FIELD_END,
};

const cyaml_schema_value_t ftp_config_schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct ftp_config, config_fields),
};

/* Empty texts and epochs are filled in by ftp_config_check_fill(). */
const char ftp_config_defaults[] =
	"cluster: {name: ftpipe, coordinator: {listen: '127.0.0.1:9469'}, data_dir: ''}\n"
	"training:\n"
	"  width: 1\n"
	"  strides: cifar\n"
	"  dataset: {kind: idx, path: /usr/share/datasets/fashion-mnist, augment: false}\n"
	"  batch: 128\n"
	"  micro_batches: 4\n"
	"  threads: 1\n"
	"  isa: auto\n"
	"  steps: 0\n"
	"  epochs: 0\n"
	"  seed: 1\n"
	"  schedule: flush\n"
	"  aggregate_every: 0\n"
	"  cuts: equal\n"
	"  repartition: {min_gain: 0.02, horizon: 200}\n"
	"  optimizer: {kind: sgd, momentum: 0.9, weight_decay: 0, nesterov: false}\n"
	"  lr: {kind: constant, base: 0.05, gamma: 0.1, final: 0, warmup: 0, step_every: 0}\n"
	"  eval_every: 0\n"
	"snapshot: {every: 10, global_every: 50, max_bandwidth: 0, max_share: 0.02}\n"
	"checkpoint: {every: 50, keep: 2, max_bytes: 0, direct: auto}\n"
	"net: {port: auto, mtu: 0, wire: f32, protect: none, eal: '', hugepages: false}\n"
	"metrics: {listen: '127.0.0.1:9470'}\n"
	"log: {level: info, format: text}\n";

const char ftp_config_node_defaults[] = "host: 127.0.0.1\n"
					"cores: auto\n"
					"net_core: ''\n"
					"memory: 8GiB\n"
					"dataset: true\n"
					"restart: never\n"
					"data_dir: ''\n"
					"metrics: ''\n"
					"emulate: {slowdown: 1, loss: 0, bandwidth: 0, delay: 0}\n";
