/* How a run begins: all nodes join, are measured, and get the first plan. Who is lost before that
 * plan is in force was of no use yet: all begin again once it is back. */
#include <stdio.h>
#include <string.h>

#include "ctl/coordinator_state.h"
#include "ctl/cuts.h"

/* Bit-identity needs one instruction set: the least that all nodes have. */
static void choose_isa(struct ftp_coordinator *c)
{
	const char *least = c->nodes[0].join.isa;

	if (c->isa[0]) /* nodes have begun with it, and are measured */
		return;
	for (uint32_t i = 1; i < c->n_nodes; i++)
		if (ftp_coordinator_isa_rank(c->nodes[i].join.isa) <
			ftp_coordinator_isa_rank(least))
			least = c->nodes[i].join.isa;
	if (strcmp(c->config->training.isa, "auto"))
		least = c->config->training.isa;
	snprintf(c->isa, sizeof(c->isa), "%s", least);
}

/* The data of the first node that has some is the run's. */
static void choose_data(struct ftp_coordinator *c, struct ftp_actions *a)
{
	uint32_t i = 0;

	while (i < c->n_nodes && !ftp_coordinator_has_data(&c->nodes[i].join))
		i++;
	if (i == c->n_nodes)
		return;
	c->data.digest = c->nodes[i].join.dataset;
	c->data.n_train = c->nodes[i].join.n_train;
	c->data.n_test = c->nodes[i].join.n_test;
	for (uint32_t k = 0; k < c->n_nodes; k++)
		ftp_coordinator_compare_data(c, k, a);
}

/* The last step of the run, 0 if the data set does not fill one mini-batch. */
static uint64_t last_step(const struct ftp_coordinator *c)
{
	uint64_t steps;

	if (c->config->training.steps)
		return c->config->training.steps;
	if (__builtin_mul_overflow(c->data.n_train / c->config->training.batch,
		    c->config->training.epochs, &steps) ||
		steps > INT64_MAX)
		return INT64_MAX;
	return steps;
}

/* The words of the first node that was to have it. */
static void nobody_has_data(struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a)
{
	uint32_t i = 0;

	while (i < c->n_nodes && !c->nodes[i].join.no_data[0])
		i++;
	ftp_coordinator_suspect(c, FTP_EVIDENCE_CERTAIN, now_ns, a, "no node has the data%s%s%s%s",
		i < c->n_nodes ? ": " : "", i < c->n_nodes ? c->nodes[i].join.name : "",
		i < c->n_nodes ? ": " : ": nodes[].dataset is false for all of them",
		i < c->n_nodes ? c->nodes[i].join.no_data : "");
}

static void all_joined(struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a)
{
	choose_isa(c);
	choose_data(c, a);
	c->last_step = last_step(c);
	if (!c->start.n_again)
		ftp_coordinator_event_begin(c, now_ns, a);
	if (ftp_coordinator_central(c) == FTP_NO_NODE)
		nobody_has_data(c, now_ns, a);
	else if (!c->last_step || c->data.n_train < c->config->training.batch)
		ftp_coordinator_suspect(c, FTP_EVIDENCE_CERTAIN, now_ns, a,
			"the data set's %llu training samples do not fill one mini-batch: "
			"training.batch is %u",
			(unsigned long long)c->data.n_train, c->config->training.batch);
	else if (c->resume.is_lost)
		ftp_coordinator_resume_lost(c, now_ns, a);
	else if (c->n_nodes > 1 && ftp_cuts_measured(c->config->training.cuts))
		ftp_coordinator_measure(c, now_ns, a);
	else
		ftp_coordinator_plan_first(c, now_ns, a);
}

void ftp_coordinator_start_ready(struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a)
{
	if (c->state != FTP_RUN_WAITING)
		return;
	for (uint32_t i = 0; i < c->n_nodes; i++)
		if (!c->nodes[i].live)
			return;
	if (c->start.asked) /* they are busy */
		c->deadline_ns = now_ns + FTP_COORDINATOR_PROFILE_NS;
	else
		all_joined(c, now_ns, a);
}

void ftp_coordinator_start_overdue(
	struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a)
{
	const char *refusal = "start it with this file, and see its log";
	uint64_t missing = 0;
	char who[256];

	for (uint32_t i = 0; i < c->n_nodes; i++) {
		if (c->nodes[i].live) /* one that joined an earlier coordinator is not here */
			continue;
		missing |= FTP_NODE_BIT(i);
		if (c->nodes[i].refusal[0])
			refusal = c->nodes[i].refusal;
	}
	ftp_coordinator_list(c, missing, who, sizeof(who));
	ftp_coordinator_suspect(c, FTP_EVIDENCE_CERTAIN, now_ns, a,
		"%s did not join within %llu s: %s", who, FTP_COORDINATOR_JOIN_NS / FTP_NS_PER_S,
		refusal);
}

/* What the first plan was is of no interest to anybody any more. */
static void abandon(
	struct ftp_coordinator *c, const char *why, uint64_t now_ns, struct ftp_actions *a)
{
	struct ftp_abandon m = {.term = c->change.plan.term};

	snprintf(m.reason, sizeof(m.reason), "%.200s", why);
	for (uint32_t i = 0; i < c->n_nodes; i++)
		if (c->change.members & FTP_NODE_BIT(i) && c->nodes[i].live)
			ftp_actions_call(a, c->nodes[i].conn, FTP_METHOD_ABANDON,
				ftp_abandon_encode(&m), m.term, now_ns + FTP_COORDINATOR_COMMIT_NS);
	c->start.asked |= c->change.members & ftp_coordinator_live(c);
	c->change.phase = FTP_CHANGE_NONE;
}

/* Complaints of others were of its loss. */
static void forget_suspicion(struct ftp_coordinator *c)
{
	c->verdict_ns = FTP_NS_NEVER;
	c->evidence = FTP_EVIDENCE_NONE;
	c->reason[0] = 0;
	c->start.failing = 0;
}

static void again(struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a)
{
	c->start.n_again++;
	c->resume.is_overdue = false;
	c->recovery.waits_for[0] = 0;
	forget_suspicion(c);
	if (c->change.phase != FTP_CHANGE_NONE)
		abandon(c, "all begin again", now_ns, a);
	ftp_coordinator_move(c, FTP_RUN_WAITING, now_ns);
}

void ftp_coordinator_start_gone(struct ftp_coordinator *c, uint32_t node)
{
	uint64_t bit = FTP_NODE_BIT(node);

	c->start.left_busy = (c->start.left_busy & ~bit) | (c->start.asked & bit);
	c->start.asked &= ~bit;
}

/* It does not come back while it measures, if it lost no more than its connection. */
static uint64_t return_ns(
	const struct ftp_coordinator *c, uint32_t node, enum ftp_evidence evidence)
{
	bool is_busy = c->start.left_busy & FTP_NODE_BIT(node) && evidence == FTP_EVIDENCE_LOST;

	return is_busy ? FTP_COORDINATOR_PROFILE_NS : FTP_COORDINATOR_JOIN_NS;
}

/* It is waited for already; what became of it is told. */
static void note_fate(struct ftp_coordinator *c, enum ftp_evidence evidence, uint64_t now_ns)
{
	if (evidence == FTP_EVIDENCE_CERTAIN && c->deadline_ns > now_ns + FTP_COORDINATOR_JOIN_NS)
		c->deadline_ns = now_ns + FTP_COORDINATOR_JOIN_NS;
}

/* A node that the first plan does not have is not needed for it. */
static bool is_needed(const struct ftp_coordinator *c, uint32_t node)
{
	return c->state < FTP_RUN_PREPARING || c->change.members & FTP_NODE_BIT(node);
}

/* It is there, but does not answer: it would join again and again. */
static bool is_mute(const struct ftp_coordinator *c, uint32_t node, enum ftp_evidence evidence)
{
	return evidence == FTP_EVIDENCE_CERTAIN && c->nodes[node].live &&
	       c->state == FTP_RUN_WAITING;
}

static void wait_for(struct ftp_coordinator *c, uint32_t node, enum ftp_evidence evidence,
	const char *text, uint64_t now_ns, struct ftp_actions *a)
{
	ftp_coordinator_drop(c, node, text, now_ns, a);
	if (c->state != FTP_RUN_WAITING)
		again(c, now_ns, a);
	c->deadline_ns = now_ns + return_ns(c, node, evidence);
}

bool ftp_coordinator_start_without(struct ftp_coordinator *c, uint32_t node,
	enum ftp_evidence evidence, const char *text, uint64_t now_ns, struct ftp_actions *a)
{
	struct ftp_coordinator_node *n = &c->nodes[node];
	bool is_gone = evidence == FTP_EVIDENCE_LOST || evidence == FTP_EVIDENCE_CERTAIN;
	bool waits = c->state == FTP_RUN_WAITING;

	if (c->state >= FTP_RUN_TRAINING || !is_needed(c, node))
		return false;
	if (is_mute(c, node, evidence) && c->start.n_mute++ == FTP_COORDINATOR_RECOVERY_TRIES)
		return false;
	if (waits && c->resume.is_on) { /* all are waited for, it too */
		ftp_actions_log(a, FTP_LOG_WARNING, "%s", text);
		ftp_coordinator_drop(c, node, text, now_ns, a);
		return true;
	}
	if (!is_gone)
		c->start.failing |= FTP_NODE_BIT(node);
	if (!c->config->snapshot.every || c->start.failing & FTP_NODE_BIT(node) ||
		(!waits && c->start.n_again == FTP_COORDINATOR_RECOVERY_TRIES))
		return false;
	ftp_actions_log(a, FTP_LOG_WARNING, "%s; it is waited for", text);
	if (waits && !n->live)
		note_fate(c, evidence, now_ns);
	else
		wait_for(c, node, evidence, text, now_ns, a);
	snprintf(n->refusal, sizeof(n->refusal), "%s", text);
	return true;
}
