/* The core's memory, shared by its files: coordinator.c (states, deadlines, verdict) and
 * coordinator_*.c, and read by the shell's metrics. One thread. */
#ifndef FTP_CTL_COORDINATOR_STATE_H
#define FTP_CTL_COORDINATOR_STATE_H

#include <stdbool.h>

#include "ctl/coordinator.h"
#include "ctl/coordinator_change.h"
#include "ctl/coordinator_reach.h"
#include "ctl/coordinator_recovery.h"
#include "ctl/coordinator_resume.h"
#include "ctl/coordinator_snapshots.h"
#include "ctl/coordinator_wait.h"
#include "ctl/detector.h"
#include "ctl/coordinator_catalogue.h"
#include "ctl/planner.h"
#include "ctl/protocol.h"
#include "ctl/slowness.h"

#define FTP_NO_NODE UINT32_MAX

/* A set of nodes of the config. */
#define FTP_NODE_BIT(node) (UINT64_C(1) << (node))
_Static_assert(FTP_CONFIG_MAX_NODES <= 64, "a set of nodes is one word");

struct ftp_coordinator_node {
	bool joined;	/* ever; conn, join and the rest are valid */
	bool live;	/* its connection stands */
	bool draining;	/* no new plan may have it */
	bool leaving;	/* it was told to stop while the run goes on */
	bool profiled;	/* profile is valid */
	bool measuring; /* while the run goes on: no new plan may have it until it has answered */
	bool finished, stopped;
	uint32_t conn;
	struct ftp_join join;
	struct ftp_emulate emulate;   /* as it was told last */
	uint64_t memory_bytes;	      /* of its stage in the plan in force */
	struct ftp_detector detector; /* heard: progress, or the commit */
	uint64_t step, samples;
	double compute_s, wait_s, poll_s;
	double train_s;
	int64_t offset_ns; /* least of our clock minus its own, as progress came: of its events */
	bool offset_known;
	struct ftp_slowness slowness;
	double counted_ns, counted_profiled_ns; /* of steps that are not in it yet */
	double told_slowness;			/* in the latest event */
	double planned_slowness;		/* that the plan in force was made with */
	double judged_slowness;			/* when better plans were last looked for */
	uint64_t measured_ns;			/* idle: when its times were last asked for */
	struct {
		uint32_t peer; /* node of the config */
		uint64_t rtt_ns, tx_bytes, rx_bytes;
		double tx_bytes_per_s;
	} links[FTP_CONFIG_MAX_NODES];
	uint32_t n_links;
	uint64_t links_ns;
	uint64_t unreached;	    /* nodes, and they not it, in the change under way */
	uint64_t left_out_for;	    /* no new plan has it while any of these nodes is there */
	uint64_t left_out_ns;	    /* since when */
	char refusal[256];	    /* why its last attempt to join was refused; "" */
	struct ftp_profile profile; /* the last field: outlives the node's process */
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
	uint64_t awaited; /* PROFILING, PROBING: nodes that have still to answer */
	struct {
		uint64_t asked;	    /* nodes that measure, or abandon a plan, as far as is known */
		uint64_t left_busy; /* nodes that were, when their connection was lost */
		uint64_t failing;   /* nodes that said so, or whose process ended by itself */
		uint32_t n_again, n_mute;
	} start;	      /* before the first plan is in force */
	struct ftp_plan plan; /* in force; term 0: none yet */
	uint64_t old_term;    /* that was in force before, 0: none */
	uint64_t last_term;   /* used so far, for whatever */
	struct {
		uint64_t rtt_ns, bytes_per_s;		     /* 0: not measured */
	} links[FTP_CONFIG_MAX_NODES][FTP_CONFIG_MAX_NODES]; /* from, to */
	uint64_t last_step;				     /* of the run; 0: not known yet */
	struct {
		struct ftp_digest digest; /* 0: not known yet */
		uint64_t n_train, n_test; /* samples */
	} data;				  /* the run's: who has it may be stage 0 */
	struct ftp_coordinator_change change;
	struct ftp_coordinator_snapshots snapshots;
	struct ftp_coordinator_recovery recovery;
	struct ftp_coordinator_resume resume;
	bool predicted;
	struct ftp_planner_answer answer; /* of the plan in force, as it was made */
	double predicted_s;		  /* its step time as the nodes are now; 0: unknown */
	uint64_t judged_ns, told_ns;	  /* better plans looked for; progress event */
	uint64_t plan_ns;		  /* of its commit */
	uint64_t plan_step;		  /* after which the plan in force began */
	uint64_t retry_step[FTP_N_CHANGE_CAUSES];
	uint64_t newcomers; /* nodes that joined while it trained and have not been planned for */
	json_t *plans, *changes;	    /* what the summary tells of them */
	uint32_t n_committed, n_abandoned;  /* changes of the plan after the first */
	double parts_s[FTP_N_CHANGE_PARTS]; /* of the last one that was committed */
	uint64_t start_ns, train_start_ns;
	uint64_t computed_ns; /* when some stage last had computed more */

	uint64_t last_row, last_row_ns;
	double last_loss;
	double losses[FTP_LATE_ROWS]; /* of the last rows, by step modulo their number */
	bool evaluated;
	struct ftp_evaluated evaluation; /* the latest */
	char params_digest[FTP_DIGEST_HEX];
	struct { /* rows over time, oldest first, of the plan in force */
		uint64_t at_ns, row;
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
	uint64_t term, uint64_t deadline_ns);
void ftp_actions_reply(struct ftp_actions *a, json_t *body);
void ftp_actions_refuse(struct ftp_actions *a, int code, const char *text);
void ftp_coordinator_one_line(char *text); /* and UTF-8: log lines cannot be forged */

/* coordinator.c */
void ftp_coordinator_move(
	struct ftp_coordinator *c, enum ftp_coordinator_state to, uint64_t now_ns);
/* Something failed that the run cannot do without. */
void ftp_coordinator_suspect(struct ftp_coordinator *c, enum ftp_evidence evidence, uint64_t now_ns,
	struct ftp_actions *a, const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* The outcome is decided: stops the nodes. */
void ftp_coordinator_finish(struct ftp_coordinator *c, enum ftp_coordinator_outcome outcome,
	const char *reason, uint64_t now_ns, struct ftp_actions *a);
/* "n2, n3" */
void ftp_coordinator_list(
	const struct ftp_coordinator *c, uint64_t nodes, char *text, size_t bytes);

/* coordinator_nodes.c: what comes from outside. */
void ftp_coordinator_request(struct ftp_coordinator *c, const struct ftp_event *e, uint64_t now_ns,
	struct ftp_actions *a);
void ftp_coordinator_lost(struct ftp_coordinator *c, const struct ftp_event *e, uint64_t now_ns,
	struct ftp_actions *a);
uint32_t ftp_coordinator_find_conn(const struct ftp_coordinator *c, uint32_t conn);
/* A node failed, or its process is gone: leads to a recovery, or ends the run if that cannot be and
 * the run needs the node; else it ends no more than the node's part in a change of the plan. */
void ftp_coordinator_blame(struct ftp_coordinator *c, uint32_t node, enum ftp_evidence evidence,
	uint64_t now_ns, struct ftp_actions *a, const char *fmt, ...)
	__attribute__((format(printf, 6, 7)));

/* Its connection is no longer of interest: closes it if it stands. */
void ftp_coordinator_drop(struct ftp_coordinator *c, uint32_t node, const char *why,
	uint64_t now_ns, struct ftp_actions *a);

/* coordinator_join.c */
void ftp_coordinator_join(struct ftp_coordinator *c, const struct ftp_event *e, uint64_t now_ns,
	struct ftp_actions *a);

/* coordinator_answers.c */
void ftp_coordinator_answer(struct ftp_coordinator *c, const struct ftp_event *e, uint64_t now_ns,
	struct ftp_actions *a);

/* coordinator_measure.c: unit times of all nodes, then the links between them, then the plan. */
void ftp_coordinator_measure(struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a);
void ftp_coordinator_profile(
	struct ftp_coordinator *c, uint32_t node, uint64_t deadline_ns, struct ftp_actions *a);
int ftp_coordinator_on_profile(struct ftp_coordinator *c, uint32_t node, const struct ftp_event *e,
	uint64_t now_ns, struct ftp_actions *a, struct ftp_error *err);
int ftp_coordinator_on_links(struct ftp_coordinator *c, uint32_t node, const struct ftp_event *e,
	uint64_t now_ns, struct ftp_actions *a, struct ftp_error *err);

/* coordinator_start.c: until the first plan is in force. */
/* WAITING: if all have joined, and none is still busy with what was begun before, it begins. */
void ftp_coordinator_start_ready(struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a);
/* WAITING: not all have joined in time. */
void ftp_coordinator_start_overdue(
	struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a);
void ftp_coordinator_start_gone(struct ftp_coordinator *c, uint32_t node);
/* A node failed, or is gone. true: it is waited for; else the run cannot begin, or can without. */
bool ftp_coordinator_start_without(struct ftp_coordinator *c, uint32_t node,
	enum ftp_evidence evidence, const char *text, uint64_t now_ns, struct ftp_actions *a);

/* coordinator_plan.c: what to plan when all is measured, and later. A target is a plan whose nodes
 * are those of the config. */
void ftp_coordinator_plan_first(struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a);
uint32_t ftp_coordinator_stage_of(const struct ftp_plan *plan, uint32_t node); /* or FTP_NO_NODE */
uint64_t ftp_coordinator_stages(const struct ftp_plan *plan);		       /* its nodes */
uint64_t ftp_coordinator_live(
	const struct ftp_coordinator *c); /* the nodes whose connection stands */
/* The nodes that a new plan may have: live, not draining, able to. */
uint64_t ftp_coordinator_usable(const struct ftp_coordinator *c);
/* Of these, those that hold the run's data. */
uint64_t ftp_coordinator_with_data(const struct ftp_coordinator *c, uint64_t nodes);
/* Of these, those that should be stage 0: the first of the config that has the data, and the one
 * that is it already. */
uint64_t ftp_coordinator_preferred(const struct ftp_coordinator *c, uint64_t nodes);
bool ftp_coordinator_has_data(const struct ftp_join *join); /* some */
/* The node of stage 0 in the plan in force; before the first plan: that will be, or FTP_NO_NODE. */
uint32_t ftp_coordinator_central(const struct ftp_coordinator *c);
/* -ENODATA: none of these nodes has the data; err says who does. */
int ftp_coordinator_check_data(
	const struct ftp_coordinator *c, uint64_t nodes, struct ftp_error *err);
/* A node that has come later: a line if it has other data than the run. */
void ftp_coordinator_compare_data(
	const struct ftp_coordinator *c, uint32_t node, struct ftp_actions *a);
/* These nodes in the config's order, after the one that is to be stage 0, no more than there are
 * units. One of them has the data. */
void ftp_coordinator_plan_nodes(
	const struct ftp_coordinator *c, uint64_t nodes, struct ftp_planner_plan *target);
/* Cuts for the target's nodes by the unit times of the first node that was measured. -EINVAL: more
 * nodes than units. */
int ftp_coordinator_plan_equal(
	const struct ftp_coordinator *c, struct ftp_planner_plan *target, struct ftp_error *err);
/* Given cuts, for target->n_stages stages. -EINVAL with what is wrong. */
int ftp_coordinator_plan_cuts(const struct ftp_coordinator *c, const char *cuts,
	struct ftp_planner_plan *target, struct ftp_error *err);
/* What training.cuts asks for, with the nodes that are usable now. */
int ftp_coordinator_plan_again(
	const struct ftp_coordinator *c, struct ftp_planner_plan *target, struct ftp_error *err);
bool ftp_coordinator_in_force(
	const struct ftp_coordinator *c, const struct ftp_planner_plan *target);
int ftp_coordinator_isa_rank(const char *isa); /* -1: unknown */

/* coordinator_change.c: from one plan to the next. */
/* May one begin now? -EBUSY with the reason why not. */
int ftp_coordinator_change_check(const struct ftp_coordinator *c, struct ftp_error *err);
void ftp_coordinator_change_begin(struct ftp_coordinator *c, enum ftp_change_cause cause,
	const char *reason, const struct ftp_planner_plan *target, uint64_t now_ns,
	struct ftp_actions *a);
/* c->change has its term, cause, reason and step: makes its plan and prepares it. */
void ftp_coordinator_change_prepare(struct ftp_coordinator *c,
	const struct ftp_planner_plan *target, uint64_t now_ns, struct ftp_actions *a);
/* Another one begins with the nodes halted, whatever the phase of this one. */
void ftp_coordinator_change_halt(struct ftp_coordinator *c, uint64_t members, const char *reason,
	uint64_t now_ns, struct ftp_actions *a);
/* All have halted: the recovery waits. */
void ftp_coordinator_change_wait(struct ftp_coordinator *c, uint64_t now_ns);
/* A member of it, if the node is none yet: one that only gives what it holds. */
uint32_t ftp_coordinator_change_giver(struct ftp_coordinator *c, uint32_t node);
/* coordinator_change_plan.c: the plan of the change under way. */
/* Members, holders, moved bytes, from a target. */
void ftp_coordinator_change_set_plan(
	struct ftp_coordinator *c, const struct ftp_planner_plan *target);
void ftp_coordinator_change_describe(const struct ftp_coordinator *c, struct ftp_actions *a);
/* Seconds of each part so far; 0: not reached. */
void ftp_coordinator_change_parts(const struct ftp_coordinator_change *x, uint64_t now_ns,
	double parts_s[FTP_N_CHANGE_PARTS]);
/* The node as its peers of that term see it. */
void ftp_coordinator_change_member(const struct ftp_coordinator *c, uint64_t term,
	struct ftp_plan_stage *m, uint32_t node, uint32_t first_unit, uint32_t end_unit);
/* `node` has done what the phase asks for. */
void ftp_coordinator_change_done(
	struct ftp_coordinator *c, uint32_t node, uint64_t now_ns, struct ftp_actions *a);
/* Before the commit: forgets the new plan; the first one ends the run with the evidence. NONE:
 * nothing failed, it is just too late. */
void ftp_coordinator_change_abandon(struct ftp_coordinator *c, enum ftp_evidence evidence,
	uint64_t now_ns, struct ftp_actions *a, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
/* The central node has named s. */
void ftp_coordinator_change_hold(
	struct ftp_coordinator *c, uint64_t step, uint64_t now_ns, struct ftp_actions *a);
/* The node will hold, or has refused to: an abandon may have waited for that. */
void ftp_coordinator_change_held(
	struct ftp_coordinator *c, uint32_t node, uint64_t now_ns, struct ftp_actions *a);
/* No answer will come from this node, which the run does not need. */
void ftp_coordinator_change_without(struct ftp_coordinator *c, uint32_t node, const char *why,
	uint64_t now_ns, struct ftp_actions *a);
void ftp_coordinator_change_time(struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a);
bool ftp_coordinator_change_open(const struct ftp_coordinator *c); /* begun, not committed */
const char *ftp_coordinator_phase_name(enum ftp_change_phase phase);

/* coordinator_verbs.c: what the operator asks of a run that trains. */
void ftp_coordinator_repartition(struct ftp_coordinator *c, const struct ftp_event *e,
	uint64_t now_ns, struct ftp_actions *a);
void ftp_coordinator_drain(struct ftp_coordinator *c, const struct ftp_event *e, uint64_t now_ns,
	struct ftp_actions *a);
/* The run goes on without it. */
void ftp_coordinator_dismiss(
	struct ftp_coordinator *c, uint32_t node, uint64_t now_ns, struct ftp_actions *a);
void ftp_coordinator_snapshots_switch(struct ftp_coordinator *c, const struct ftp_event *e,
	uint64_t now_ns, struct ftp_actions *a); /* run.snapshots */
void ftp_coordinator_emulate(struct ftp_coordinator *c, const struct ftp_event *e, uint64_t now_ns,
	struct ftp_actions *a);
void ftp_coordinator_fail(struct ftp_coordinator *c, const struct ftp_event *e, uint64_t now_ns,
	struct ftp_actions *a);

/* coordinator_problem.c: the planner's answers about the nodes as they are now; their nodes are
 * the config's. -ENODATA: a node has not been measured; else as ctl/planner.h says. */
/* order: only its nodes, all of them, in its order; else of `nodes`, as is best. */
int ftp_coordinator_best(const struct ftp_coordinator *c, uint64_t nodes,
	const struct ftp_planner_plan *order, struct ftp_planner_answer *answer,
	struct ftp_error *err);
int ftp_coordinator_predict(const struct ftp_coordinator *c, const struct ftp_planner_plan *plan,
	struct ftp_planner_answer *answer, struct ftp_error *err);
void ftp_coordinator_target_in_force(
	const struct ftp_coordinator *c, struct ftp_planner_plan *target);
json_t *ftp_coordinator_answer_json(
	const struct ftp_coordinator *c, const struct ftp_planner_answer *answer);
/* A step's compute of these units on the node, as profiled; 0: not measured. */
double ftp_coordinator_profiled_ns(
	const struct ftp_coordinator *c, uint32_t node, uint32_t first_unit, uint32_t end_unit);

/* coordinator_judge.c: is another plan worth its pause? */
struct ftp_coordinator_verdict {
	struct ftp_planner_answer now, best;
	double gain; /* step time now / best */
	bool same, pays;
	char why[256]; /* one sentence */
};

/* The best plan for `nodes`, or in that order, against the one in force. Errors as of
 * ftp_coordinator_best(). */
int ftp_coordinator_judge(const struct ftp_coordinator *c, uint64_t nodes,
	const struct ftp_planner_plan *order, struct ftp_coordinator_verdict *v,
	struct ftp_error *err);
json_t *ftp_coordinator_plan_report(const struct ftp_coordinator *c); /* of run.plan */

/* coordinator_progress.c: what a stage tells of its time. */
int ftp_coordinator_on_progress(struct ftp_coordinator *c, uint32_t node, const json_t *body,
	uint64_t now_ns, struct ftp_actions *a, struct ftp_error *err);
int ftp_coordinator_on_trace(struct ftp_coordinator *c, uint32_t node, const json_t *body,
	uint64_t now_ns, struct ftp_actions *a, struct ftp_error *err);
/* The sender is a stage of the plan in force, and the term is its; else the message is late. */
bool ftp_coordinator_in_training(const struct ftp_coordinator *c, uint32_t node, uint64_t term,
	const char *method, struct ftp_actions *a);
bool ftp_coordinator_is_last(const struct ftp_coordinator *c, uint32_t node);

/* coordinator_watch.c: changes of the plan that nobody asked for. */
void ftp_coordinator_joined_late(
	struct ftp_coordinator *c, uint32_t node, uint64_t now_ns, struct ftp_actions *a);
void ftp_coordinator_watch(struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a);

/* coordinator_events.c: lines of events.jsonl; body is taken. */
void ftp_coordinator_event(const struct ftp_coordinator *c, const char *kind, json_t *body,
	uint64_t now_ns, struct ftp_actions *a);
void ftp_coordinator_event_begin(
	const struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a);
void ftp_coordinator_event_end(
	const struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a);
void ftp_coordinator_event_profile(
	const struct ftp_coordinator *c, uint32_t node, uint64_t now_ns, struct ftp_actions *a);
void ftp_coordinator_event_links(const struct ftp_coordinator *c, uint32_t node,
	const struct ftp_links *m, uint64_t now_ns, struct ftp_actions *a);
/* About one node: its name, and text under the key if that is not NULL. */
void ftp_coordinator_event_node(const struct ftp_coordinator *c, const char *kind, uint32_t node,
	const char *key, json_t *value, uint64_t now_ns, struct ftp_actions *a);
void ftp_coordinator_event_emulate(
	const struct ftp_coordinator *c, uint32_t node, uint64_t now_ns, struct ftp_actions *a);
void ftp_coordinator_event_progress(
	const struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a);
void ftp_coordinator_event_trace(const struct ftp_coordinator *c, uint32_t node,
	const struct ftp_trace *m, uint64_t now_ns, struct ftp_actions *a);
json_t *ftp_coordinator_remember_plan(
	const struct ftp_coordinator *c); /* its event, for the summary too */
void ftp_coordinator_event_change(
	const struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a);
/* For how long a stage of the plan in force was not heard; 0: of others there is nothing to hear.
 */
uint64_t ftp_coordinator_unheard_ns(
	const struct ftp_coordinator *c, uint32_t node, uint64_t now_ns);
/* A sign of a loss, of a node or FTP_NO_NODE, that training halts for; after so long a silence. */
void ftp_coordinator_event_failure(const struct ftp_coordinator *c, uint32_t node,
	uint64_t unheard_ns, const char *why, uint64_t now_ns, struct ftp_actions *a);
/* All have halted: where to go on, and with whom. */
void ftp_coordinator_event_agreed(
	const struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a);
void ftp_coordinator_event_recovery(
	const struct ftp_coordinator *c, const char *fates, uint64_t now_ns, struct ftp_actions *a);

/* coordinator_report.c: documents; the caller owns them. */
json_t *ftp_coordinator_status(const struct ftp_coordinator *c, uint64_t now_ns);
json_t *ftp_coordinator_summary(const struct ftp_coordinator *c);
/* A recovery that waits is a run that waits. */
enum ftp_coordinator_state ftp_coordinator_shown_state(const struct ftp_coordinator *c);
double ftp_coordinator_samples_per_second(const struct ftp_coordinator *c);
double ftp_coordinator_step_seconds(const struct ftp_coordinator *c); /* measured; 0: not yet */
json_t *ftp_coordinator_prediction(const struct ftp_coordinator *c);  /* null: not measured */
const char *ftp_coordinator_schedule_name(const struct ftp_coordinator *c);
const char *ftp_coordinator_node_state(const struct ftp_coordinator *c, uint32_t node);
double ftp_coordinator_busy(const struct ftp_coordinator_node *n); /* compute share of its time */

#endif
