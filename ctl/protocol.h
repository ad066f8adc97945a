/* The control protocol between coordinator and nodes: method names and the documents they carry,
 * with encoders and bounded decoders. JSON-RPC 2.0 (ctl/jsonrpc.h), version 1. 64-bit identities
 * travel as 16 hex digits. Pure; any thread.
 *
 * A node's life: it calls node.join; the coordinator then calls, on the same connection,
 * node.profile (of the central node, only if cuts follow from unit times), node.prepare,
 * node.commit and finally node.stop, after whose answer the node ends. The node notifies
 * node.progress, node.evaluated, node.finished or node.failed.
 *
 *   method        params             answer
 *   node.join     ftp_join           ftp_joined, or an error that says why not: the node ends
 *   node.profile  ftp_profile_ask    ftp_profile
 *   node.prepare  ftp_plan           ftp_prepared
 *   node.commit   ftp_commit         {}: training has begun
 *   node.stop     ftp_stop           {}: sent before the node ends
 *   run.status    {}                 the status document of ctl/coordinator_report.c
 *   run.stop      {}                 {}: stopping has begun
 *   run.exited    ftp_exited         {}
 *
 * While it trains a node notifies progress at least once a second, even if no step has ended. A
 * node notifies finished after its last step, its last evaluation and, on the central node, after
 * model.safetensors is in the run directory; progress with the last rows and node.evaluated come
 * before. A node whose worker fails notifies node.failed and ends.
 */
#ifndef FTP_CTL_PROTOCOL_H
#define FTP_CTL_PROTOCOL_H

#include <jansson.h>
#include <stdint.h>

#include "ctl/config.h"
#include "runtime/base/digest.h"
#include "runtime/base/error.h"

#define FTP_PROTOCOL_VERSION   1
#define FTP_PROTOCOL_MAX_UNITS 256

#define FTP_METHOD_JOIN	     "node.join"      /* node -> coordinator, call */
#define FTP_METHOD_PROFILE   "node.profile"   /* coordinator -> node, call */
#define FTP_METHOD_PREPARE   "node.prepare"   /* coordinator -> node, call */
#define FTP_METHOD_COMMIT    "node.commit"    /* coordinator -> node, call */
#define FTP_METHOD_STOP	     "node.stop"      /* coordinator -> node, call */
#define FTP_METHOD_PROGRESS  "node.progress"  /* node -> coordinator, notification */
#define FTP_METHOD_EVALUATED "node.evaluated" /* last stage */
#define FTP_METHOD_FINISHED  "node.finished"
#define FTP_METHOD_FAILED    "node.failed"
#define FTP_METHOD_STATUS    "run.status" /* ftpctl -> coordinator, call */
#define FTP_METHOD_END	     "run.stop"	  /* ftpctl -> coordinator, call */
#define FTP_METHOD_EXITED    "run.exited" /* supervisor -> coordinator, call: a child has ended */

struct ftp_join {
	uint32_t protocol;
	char name[33];
	uint64_t incarnation;
	int64_t pid;
	char version[32];
	char cpu[128];
	char isa[16]; /* best of ftp_isa_detect() */
	uint32_t n_cores;
	uint16_t udp_port; /* bound already */
	char metrics[64];  /* "" when off */
	struct ftp_digest config;
	struct ftp_digest dataset; /* 0 where the node has no data: only the first node needs it */
	uint64_t n_train, n_test;  /* its samples */
};

struct ftp_joined {    /* the answer */
	uint32_t node; /* index in the config */
	uint64_t run;
	char isa[16]; /* empty until the plan */
};

struct ftp_profile_ask {
	char isa[16]; /* cap to measure under */
};

struct ftp_profile { /* answer to node.profile: medians per unit, of one micro-batch */
	uint32_t n_units;
	uint64_t forward_ns[FTP_PROTOCOL_MAX_UNITS];
	uint64_t backward_ns[FTP_PROTOCOL_MAX_UNITS];
	uint64_t update_ns[FTP_PROTOCOL_MAX_UNITS];
};

struct ftp_plan_stage {
	uint32_t node;
	char name[33];
	char host[46];
	uint16_t udp_port;
	uint64_t incarnation;
	uint32_t first_unit, end_unit;
};

struct ftp_plan {
	uint64_t run, term;
	char isa[16];
	uint64_t first_step, last_step; /* to train: [first_step, last_step] */
	uint32_t n_eval; /* micro-batches of one evaluation: ceil(n_test / micro-batch) */
	uint32_t n_stages;
	struct ftp_plan_stage stages[FTP_CONFIG_MAX_NODES]; /* stage 0 is the central node */
};

struct ftp_prepared { /* answer to node.prepare: stage built, every peer heard */
	uint64_t term;
	uint64_t memory_bytes;
};

struct ftp_commit {
	uint64_t term; /* that was prepared */
};

struct ftp_stop {
	char reason[768];
};

#define FTP_PROGRESS_MAX_ROWS 512

struct ftp_progress {	     /* a few times a second; counters since the node's start */
	uint64_t term, step; /* the stage's last finished step */
	uint64_t samples;
	double compute_s, wait_s, poll_s;
	uint32_t n_rows; /* last stage: loss.csv rows not sent before */
	uint64_t row_step[FTP_PROGRESS_MAX_ROWS];
	double row_loss[FTP_PROGRESS_MAX_ROWS]; /* may be infinite or NaN */
};

struct ftp_evaluated {
	uint64_t term, step;
	uint64_t n_correct, n_samples;
	double loss; /* mean over the samples */
};

struct ftp_finished {
	uint64_t term, step;
	char params_digest[FTP_DIGEST_HEX]; /* central node; "" elsewhere */
	double train_s;			    /* first forward to last update, on this stage */
};

struct ftp_failed {
	char reason[768]; /* one readable line */
};

struct ftp_exited {
	char who[33]; /* a node's name */
	int64_t pid;
	uint32_t code, signal; /* signal 0: it exited with code */
	char reason[768];      /* its last words in the log, or "" */
};

/* Encoders give a new document; decoders return -EINVAL with the field's path in err, and bound
 * every size. A decoded plan's stages are consecutive, not empty, and start at unit 0. */
json_t *ftp_join_encode(const struct ftp_join *m);
int ftp_join_decode(struct ftp_join *m, const json_t *j, struct ftp_error *err);
json_t *ftp_joined_encode(const struct ftp_joined *m);
int ftp_joined_decode(struct ftp_joined *m, const json_t *j, struct ftp_error *err);
json_t *ftp_profile_encode(const struct ftp_profile *m);
int ftp_profile_decode(struct ftp_profile *m, const json_t *j, struct ftp_error *err);
json_t *ftp_plan_encode(const struct ftp_plan *m);
int ftp_plan_decode(struct ftp_plan *m, const json_t *j, struct ftp_error *err);
json_t *ftp_prepared_encode(const struct ftp_prepared *m);
int ftp_prepared_decode(struct ftp_prepared *m, const json_t *j, struct ftp_error *err);
json_t *ftp_progress_encode(const struct ftp_progress *m);
int ftp_progress_decode(struct ftp_progress *m, const json_t *j, struct ftp_error *err);
json_t *ftp_evaluated_encode(const struct ftp_evaluated *m);
int ftp_evaluated_decode(struct ftp_evaluated *m, const json_t *j, struct ftp_error *err);
json_t *ftp_finished_encode(const struct ftp_finished *m);
int ftp_finished_decode(struct ftp_finished *m, const json_t *j, struct ftp_error *err);
json_t *ftp_profile_ask_encode(const struct ftp_profile_ask *m);
int ftp_profile_ask_decode(struct ftp_profile_ask *m, const json_t *j, struct ftp_error *err);
json_t *ftp_commit_encode(const struct ftp_commit *m);
int ftp_commit_decode(struct ftp_commit *m, const json_t *j, struct ftp_error *err);
json_t *ftp_stop_encode(const struct ftp_stop *m);
int ftp_stop_decode(struct ftp_stop *m, const json_t *j, struct ftp_error *err);
json_t *ftp_failed_encode(const struct ftp_failed *m);
int ftp_failed_decode(struct ftp_failed *m, const json_t *j, struct ftp_error *err);
json_t *ftp_exited_encode(const struct ftp_exited *m);
int ftp_exited_decode(struct ftp_exited *m, const json_t *j, struct ftp_error *err);

#endif
