/* The core's memory, shared by its files: coordinator.c (states, deadlines, verdict) and
 * coordinator_*.c, and read by the shell's metrics. One thread. */
#ifndef FTP_CTL_COORDINATOR_STATE_H
#define FTP_CTL_COORDINATOR_STATE_H

#include <stdbool.h>

#include "ctl/coordinator.h"
#include "ctl/protocol.h"

#define FTP_NO_NODE UINT32_MAX

struct ftp_coordinator_node {
	bool joined; /* ever; conn, join and the rest are valid */
	bool live;   /* its connection stands */
	bool prepared, transferred, committed, finished, stopped;
	uint32_t conn;
	struct ftp_join join;
	uint64_t memory_bytes;
	uint64_t heard_ns; /* last progress, or the commit */
	uint64_t step, samples;
	double compute_s, wait_s, poll_s;
	double train_s;
	char refusal[256]; /* why its last attempt to join was refused; "" */
};

/* How good a piece of evidence is for the cause of a failure; the best known one is reported. */
enum ftp_evidence {
	FTP_EVIDENCE_NONE,
	FTP_EVIDENCE_LOST,    /* a connection closed */
	FTP_EVIDENCE_EXITED,  /* a process ended by itself, silently */
	FTP_EVIDENCE_TOLD,    /* a node said why it fails */
	FTP_EVIDENCE_CERTAIN, /* killed by a signal, or a deadline of ours: no better will come */
};

#define FTP_RATE_SAMPLES 16

struct ftp_coordinator {
	struct ftp_coordinator_settings settings;
	const struct ftp_config *config;
	enum ftp_coordinator_state state;
	uint64_t deadline_ns; /* of the state */
	struct ftp_coordinator_node nodes[FTP_CONFIG_MAX_NODES];
	uint32_t n_nodes;
	char isa[16];
	struct ftp_profile profile;
	struct ftp_plan plan; /* term 0: none yet */
	uint64_t start_ns, train_start_ns;
	uint64_t computed_ns; /* when some stage last had computed more */

	uint64_t last_row;
	double last_loss;
	bool evaluated;
	struct ftp_evaluated evaluation; /* the latest */
	char params_digest[FTP_DIGEST_HEX];
	struct { /* the last stage's samples over time, oldest first */
		uint64_t at_ns, samples;
	} rate[FTP_RATE_SAMPLES];
	uint32_t n_rate;

	enum ftp_evidence evidence;
	uint64_t verdict_ns; /* FTP_NS_NEVER: nothing is suspected */
	char reason[1024];
	enum ftp_coordinator_outcome outcome;
};

/* coordinator_actions.c */
struct ftp_action *ftp_actions_add(struct ftp_actions *a, enum ftp_action_kind kind);
void ftp_actions_log(struct ftp_actions *a, enum ftp_log_level level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void ftp_actions_call(struct ftp_actions *a, uint32_t conn, const char *method, json_t *body,
	uint64_t deadline_ns);
void ftp_actions_reply(struct ftp_actions *a, json_t *body);
void ftp_actions_refuse(struct ftp_actions *a, int code, const char *text);
void ftp_coordinator_one_line(char *text); /* and UTF-8: log lines cannot be forged */

/* coordinator.c */
void ftp_coordinator_move(
	struct ftp_coordinator *c, enum ftp_coordinator_state to, uint64_t now_ns);
void ftp_coordinator_suspect(struct ftp_coordinator *c, enum ftp_evidence evidence, uint64_t now_ns,
	struct ftp_actions *a, const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* The outcome is decided: stops the nodes. */
void ftp_coordinator_finish(struct ftp_coordinator *c, enum ftp_coordinator_outcome outcome,
	const char *reason, uint64_t now_ns, struct ftp_actions *a);

/* coordinator_nodes.c: what comes from outside. */
void ftp_coordinator_request(struct ftp_coordinator *c, const struct ftp_event *e, uint64_t now_ns,
	struct ftp_actions *a);
void ftp_coordinator_lost(struct ftp_coordinator *c, const struct ftp_event *e, uint64_t now_ns,
	struct ftp_actions *a);
uint32_t ftp_coordinator_find_conn(const struct ftp_coordinator *c, uint32_t conn);

/* coordinator_join.c */
void ftp_coordinator_join(struct ftp_coordinator *c, const struct ftp_event *e, uint64_t now_ns,
	struct ftp_actions *a);

/* coordinator_answers.c */
void ftp_coordinator_answer(struct ftp_coordinator *c, const struct ftp_event *e, uint64_t now_ns,
	struct ftp_actions *a);

/* coordinator_plan.c: what follows when all nodes have joined, and when the profile is there. */
void ftp_coordinator_all_joined(struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a);
void ftp_coordinator_prepare(struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a);
void ftp_coordinator_transfer(struct ftp_coordinator *c, struct ftp_actions *a);
void ftp_coordinator_commit(struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a);
int ftp_coordinator_isa_rank(const char *isa); /* -1: unknown */

/* coordinator_report.c: documents; the caller owns them. */
json_t *ftp_coordinator_status(const struct ftp_coordinator *c, uint64_t now_ns);
json_t *ftp_coordinator_summary(const struct ftp_coordinator *c);
double ftp_coordinator_samples_per_second(const struct ftp_coordinator *c);
double ftp_coordinator_busy(const struct ftp_coordinator_node *n); /* compute share of its time */

#endif
