/* The cluster's configuration: one YAML file, read by schema (libcyaml), defaults filled in, every
 * value checked. All other code sees only this struct. Any thread once loaded: it is immutable.
 *
 * Errors name file, line and column where the parser knows them, the key's path always, what was
 * expected and what to do.
 */
#ifndef FTP_CTL_CONFIG_H
#define FTP_CTL_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/digest.h"
#include "runtime/base/error.h"

#define FTP_CONFIG_MAX_NODES 64

enum ftp_config_restart { FTP_RESTART_NEVER, FTP_RESTART_ON_FAILURE };
enum ftp_config_schedule { FTP_SCHEDULE_FLUSH, FTP_SCHEDULE_1F1B };
enum ftp_config_port { FTP_NET_AUTO, FTP_NET_MEMIF, FTP_NET_UDP }; /* auto: memif within a box */
enum ftp_config_strides { FTP_CONFIG_CIFAR, FTP_CONFIG_IMAGENET };
enum ftp_config_lr { FTP_CONFIG_LR_CONSTANT, FTP_CONFIG_LR_STEP, FTP_CONFIG_LR_COSINE };
enum ftp_config_log_level {
	FTP_CONFIG_LOG_ERROR,
	FTP_CONFIG_LOG_WARNING,
	FTP_CONFIG_LOG_INFO,
	FTP_CONFIG_LOG_DEBUG
};
enum ftp_config_log_format { FTP_CONFIG_LOG_TEXT, FTP_CONFIG_LOG_JSON };

struct ftp_config_emulate {
	double slowdown;	  /* of the compute, 1 to 1000 */
	double loss;		  /* probability of one packet, [0, 1) */
	uint64_t bandwidth_bytes; /* per second; 0: unlimited */
	uint64_t delay_ns;	  /* one way */
};

struct ftp_config_node {
	char *name;	       /* [a-z0-9-]{1,32}, unique */
	char *host;	       /* numeric address; default 127.0.0.1 */
	char *cores;	       /* "auto" or "0-3,6" (ctl/cores.h) */
	char *net_core;	       /* "" (folded into the worker's loop) or "3" */
	uint64_t memory_bytes; /* tensor region; default "8GiB" */
	bool dataset;	       /* it has training.dataset, and may run stage 0; default true */
	enum ftp_config_restart restart;
	char *data_dir; /* absolute; default: the cluster's */
	char *metrics;	/* "host:port", default the cluster's port + 1 + index; or "off" */
	struct ftp_config_emulate emulate;
};

struct ftp_config_cluster {
	char *name;
	char *coordinator_listen; /* "127.0.0.1:9469" */
	char *data_dir;		  /* absolute */
};

struct ftp_config_dataset {
	char *kind;   /* "idx" */
	char *path;   /* a directory, absolute */
	bool augment; /* pad 4, crop, flip */
};

struct ftp_config_optimizer {
	char *kind; /* "sgd" */
	double momentum, weight_decay;
	bool nesterov;
};

struct ftp_config_lr_rate { /* as struct ftp_lr_spec of kernels/optimizer.h */
	enum ftp_config_lr kind;
	double base, gamma, final;
	uint64_t warmup, step_every;
};

struct ftp_config_repartition { /* when a running plan is changed; cuts: auto */
	double min_gain;	/* share of the step time that a change must win */
	uint64_t horizon;	/* steps within which it must repay its pause twice */
};

struct ftp_config_training {
	char *model; /* "mlp", "lenet5", "mobilenetv2" */
	double width;
	enum ftp_config_strides strides;
	struct ftp_config_dataset dataset;
	uint32_t batch, micro_batches; /* batch % micro_batches == 0 */
	uint32_t threads;
	char *isa;		/* "auto", "sse41", "avx2", "avx512" */
	uint64_t steps, epochs; /* exactly one is not 0 */
	uint64_t seed;
	enum ftp_config_schedule schedule; /* 1f1b: micro_batches is 1 */
	uint64_t aggregate_every;	   /* steps, 1f1b only; 0: never */
	char *cuts;			   /* "auto", "equal" or "3,9" (ctl/cuts.h) */
	struct ftp_config_repartition repartition;
	struct ftp_config_optimizer optimizer;
	struct ftp_config_lr_rate lr;
	uint64_t eval_every; /* steps; 0: only at the end */
};

#define FTP_CONFIG_AUTO UINT64_MAX /* "auto": as often as the limits allow */

struct ftp_config_snapshot {
	uint64_t every;	       /* steps, or FTP_CONFIG_AUTO; 0: off */
	uint64_t global_every; /* by the first one after so many steps, or likewise; 0: off */
	uint64_t max_bandwidth_bytes; /* per second, from one node to another; 0: no limit */
	double max_share;	      /* of a stage's time, where every is auto; 0: no limit */
};

enum ftp_config_direct { FTP_DIRECT_AUTO, FTP_DIRECT_ON, FTP_DIRECT_OFF };

struct ftp_config_checkpoint {
	uint64_t every;	    /* steps between snapshots that go to the nodes' disks; 0: none does */
	uint32_t keep;	    /* steps of each unit */
	uint64_t max_bytes; /* of a node's directory; 0: no limit */
	enum ftp_config_direct direct; /* past the page cache; auto: where the file system can */
};

struct ftp_config_net {
	enum ftp_config_port port;
	uint32_t mtu;  /* 0: ask the route */
	char *wire;    /* "f32" */
	char *protect; /* "none": ports bind to loopback only */
	char *eal;     /* more EAL arguments, separated by blanks */
	bool hugepages;
};

struct ftp_config {
	char *file; /* where it came from */
	struct ftp_config_cluster cluster;
	struct ftp_config_node *nodes;
	uint32_t n_nodes; /* 1 ... FTP_CONFIG_MAX_NODES; the first that has the data runs stage 0 */
	struct ftp_config_training training;
	struct ftp_config_snapshot snapshot;
	struct ftp_config_checkpoint checkpoint;
	struct ftp_config_net net;
	char *metrics_listen; /* coordinator's "host:port", or "off" */
	enum ftp_config_log_level log_level;
	enum ftp_config_log_format log_format;
};

#define FTP_CONFIG_OFF "off"

/* overrides: "training.steps=20", "nodes.n1.emulate.loss=0.05": any key, nodes by name; values in
 * YAML; an empty value means the default. An override of training.steps takes the file's
 * training.epochs away and the other way round. -ENOENT, -EACCES, -EINVAL with the readable reason.
 * The caller owns *out. */
int ftp_config_load(struct ftp_config **out, const char *file, const char *const *overrides,
	int n_overrides, struct ftp_error *err);
void ftp_config_free(struct ftp_config *c);

/* The whole effective configuration, every default written out, as YAML that ftp_config_load()
 * reads back to the same struct; free() it. */
char *ftp_config_dump(const struct ftp_config *c);

/* Identity of what must be the same on every node (all but data_dir, log and metrics). */
struct ftp_digest ftp_config_digest(const struct ftp_config *c);

/* Identity of what a run computes: one that was killed may go on with this configuration. Nodes,
 * cuts and ports may differ. */
struct ftp_digest ftp_config_training_digest(const struct ftp_config *c);

/* -1 when there is none of that name. */
int ftp_config_find_node(const struct ftp_config *c, const char *name);

#endif
