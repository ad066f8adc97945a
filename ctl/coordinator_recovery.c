/* Nodes of the plan in force are lost: the others halt and tell what they hold; the newest step of
 * which every unit is held decides where training goes on, under a plan for those who are left
 * (design: one recovery path). From there on it is a change of the plan like any other.
 *
 * It begins with the first sign. Better evidence, which may come any moment later, only improves
 * the words. Who is lost meanwhile is left out while nodes halt; after that all halt again, under a
 * new term.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/coordinator_state.h"

#define LL(x) ((unsigned long long)(x))

bool ftp_coordinator_recovering(const struct ftp_coordinator *c)
{
	return ftp_coordinator_change_open(c) && c->change.cause == FTP_CAUSE_FAILURE;
}

bool ftp_coordinator_recoverable(const struct ftp_coordinator *c)
{
	return c->config->snapshot.every && c->state == FTP_RUN_TRAINING &&
	       c->verdict_ns == FTP_NS_NEVER;
}

uint64_t ftp_coordinator_recovery_able(const struct ftp_coordinator *c)
{
	uint64_t nodes = 0;

	for (uint32_t i = 0; i < c->n_nodes; i++)
		if (c->nodes[i].live && !c->nodes[i].leaving && !c->nodes[i].measuring)
			nodes |= FTP_NODE_BIT(i);
	return nodes & ~c->recovery.shunned;
}

void ftp_coordinator_recovery_halt(
	struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a)
{
	char who[128], reason[200];

	ftp_coordinator_list(c, c->recovery.victims, who, sizeof(who));
	if (c->recovery.victims)
		snprintf(reason, sizeof(reason), "the loss of %s", who);
	else
		snprintf(reason, sizeof(reason), "%s", c->recovery.sign);
	ftp_coordinator_holdings_free(c);
	ftp_coordinator_change_halt(c, ftp_coordinator_recovery_able(c), reason, now_ns, a);
}

/* A step that is never passed is not tried for ever; but who has had to go far back may be lost
 * again on the way. false: the run ends. */
static bool may_begin(
	struct ftp_coordinator *c, const char *text, uint64_t now_ns, struct ftp_actions *a)
{
	struct ftp_coordinator_recovery *r = &c->recovery;
	uint64_t stable = c->snapshots.stable_step;

	if ((!r->n_fatal && !r->n_false_alarms) || c->last_row > r->fatal_step ||
		stable > r->fatal_stable) {
		r->n_fatal = r->n_false_alarms = 0;
		r->fatal_step = c->last_row;
		r->fatal_stable = stable;
	}
	if (r->n_fatal++ < FTP_COORDINATOR_RECOVERY_TRIES)
		return true;
	ftp_coordinator_suspect(c, FTP_EVIDENCE_CERTAIN, now_ns, a,
		"step %llu was not passed in %d recoveries, and is not tried again: %s",
		LL(r->fatal_step + 1), FTP_COORDINATOR_RECOVERY_TRIES, text);
	return false;
}

/* The first sign, after so long a silence. */
static bool begin(struct ftp_coordinator *c, uint64_t unheard_ns, const char *text, uint64_t now_ns,
	struct ftp_actions *a)
{
	struct ftp_coordinator_recovery *r = &c->recovery;

	if (!may_begin(c, text, now_ns, a))
		return false;
	if (!r->is_on) { /* else no step was done since the one before: it is one story */
		r->victims = 0;
		r->was_unlinked = false;
		r->sign_ns = now_ns;
		r->unheard_ns = unheard_ns;
		r->from_step = c->last_row;
		snprintf(r->sign, sizeof(r->sign), "%s", text);
	}
	ftp_coordinator_reach_forget(c);
	r->is_on = true;
	r->trains = ftp_coordinator_stages(&c->plan);
	r->is_committed = r->is_settled = r->from_beginning = false;
	r->n_failures = 0;
	r->shunned = 0;
	memset(r->n_ends, 0, sizeof(r->n_ends));
	r->failure[0] = r->waits_for[0] = 0;
	ftp_actions_log(a, FTP_LOG_WARNING, "%s; training halts: step %llu was the last one", text,
		LL(c->last_row));
	return true;
}

static void add_victim(
	struct ftp_coordinator *c, uint32_t node, enum ftp_evidence evidence, const char *text)
{
	struct ftp_coordinator_recovery *r = &c->recovery;

	r->victims |= FTP_NODE_BIT(node);
	r->trains &= ~FTP_NODE_BIT(node);
	r->n_lost_nodes[evidence]++;
	r->n_failures = 0;
	r->fates[node].evidence = evidence;
	snprintf(r->fates[node].text, sizeof(r->fates[0].text), "%s", text);
}

bool ftp_coordinator_recovery_fate(
	struct ftp_coordinator *c, uint32_t node, enum ftp_evidence evidence, const char *text)
{
	struct ftp_coordinator_recovery *r = &c->recovery;

	if (!r->is_on || !(r->victims & FTP_NODE_BIT(node)))
		return false;
	if (evidence > r->fates[node].evidence) {
		r->fates[node].evidence = evidence;
		snprintf(r->fates[node].text, sizeof(r->fates[0].text), "%s", text);
	}
	return true;
}

/* Who ends whenever it prepares, or never halts and always joins again, would be tried without end,
 * with all others halted. */
static void note_end(struct ftp_coordinator *c, uint32_t node, uint64_t now_ns)
{
	struct ftp_coordinator_recovery *r = &c->recovery;

	if (c->change.phase == FTP_CHANGE_WAITING || c->change.phase == FTP_CHANGE_COMMITTING)
		return;
	if (++r->n_ends[node] < FTP_COORDINATOR_RECOVERY_TRIES)
		return;
	r->shunned |= FTP_NODE_BIT(node);
	r->failed_ns = now_ns;
}

/* Under way, and not committed: who is lost now is lost in the same recovery. */
static bool is_open(const struct ftp_coordinator *c)
{
	return c->recovery.is_on && ftp_coordinator_recovering(c);
}

void ftp_coordinator_recover(struct ftp_coordinator *c, uint32_t node, enum ftp_evidence evidence,
	const char *text, uint64_t now_ns, struct ftp_actions *a)
{
	uint64_t unheard_ns = ftp_coordinator_unheard_ns(c, node, now_ns);
	bool was_open = is_open(c);

	ftp_coordinator_drop(c, node, text, now_ns, a);
	if (was_open)
		ftp_actions_log(a, FTP_LOG_WARNING, "also: %s", text);
	else if (!begin(c, unheard_ns, text, now_ns, a))
		return;
	ftp_coordinator_event_failure(c, node, unheard_ns, text, now_ns, a);
	add_victim(c, node, evidence, text);
	if (was_open)
		note_end(c, node, now_ns);
	if (!was_open || c->change.phase != FTP_CHANGE_HALTING) {
		ftp_coordinator_recovery_halt(c, now_ns, a);
		return;
	}
	c->change.members &= ~FTP_NODE_BIT(node);
	free(c->recovery.inventories[node]);
	c->recovery.inventories[node] = NULL;
	if (c->change.awaited & FTP_NODE_BIT(node))
		ftp_coordinator_change_done(c, node, now_ns, a);
}

static void recover_all(struct ftp_coordinator *c, uint64_t unheard_ns, const char *text,
	uint64_t now_ns, struct ftp_actions *a)
{
	if (is_open(c) || !begin(c, unheard_ns, text, now_ns, a))
		return;
	ftp_coordinator_event_failure(c, FTP_NO_NODE, unheard_ns, text, now_ns, a);
	ftp_coordinator_recovery_halt(c, now_ns, a);
}

void ftp_coordinator_recover_all(
	struct ftp_coordinator *c, const char *text, uint64_t now_ns, struct ftp_actions *a)
{
	recover_all(c, 0, text, now_ns, a);
}

/* With those who are there it does not work: others may come, or a link may come back. */
static void give_up(
	struct ftp_coordinator *c, const char *why, uint64_t now_ns, struct ftp_actions *a)
{
	struct ftp_coordinator_recovery *r = &c->recovery;
	const char *phase = ftp_coordinator_phase_name(c->change.phase);
	char pairs[400];
	bool is_link =
		c->change.is_unlinked && ftp_coordinator_reach_describe(c, pairs, sizeof(pairs));

	if (is_link)
		why = pairs;
	if (!is_link && !ftp_coordinator_wait_absent(c)) {
		ftp_coordinator_suspect(c, FTP_EVIDENCE_CERTAIN, now_ns, a,
			"no recovery from %s: it failed %u times, at last while %s: %s",
			c->change.reason, r->n_failures, phase, why);
		return;
	}
	snprintf(r->failure, sizeof(r->failure), "it failed %u times, at last while %s: %.300s",
		r->n_failures, phase, why);
	r->failed_nodes = ftp_coordinator_usable(c);
	r->n_failures = 0;
	ftp_coordinator_recovery_halt(c, now_ns, a);
}

void ftp_coordinator_recover_again(
	struct ftp_coordinator *c, const char *why, uint64_t now_ns, struct ftp_actions *a)
{
	const char *phase = ftp_coordinator_phase_name(c->change.phase);
	char text[400];

	c->recovery.failed_ns = now_ns;
	if (++c->recovery.n_failures > FTP_COORDINATOR_RECOVERY_TRIES) {
		give_up(c, why, now_ns, a);
		return;
	}
	snprintf(text, sizeof(text), "the recovery of term %llu failed while %s: %s; again",
		LL(c->change.plan.term), phase, why);
	ftp_actions_log(a, FTP_LOG_WARNING, "%s", text);
	ftp_coordinator_event_failure(c, FTP_NO_NODE, 0, text, now_ns, a);
	ftp_coordinator_recovery_halt(c, now_ns, a);
}

/* Of the plan that is being prepared, which is in force nowhere. */
static bool is_of_change(const struct ftp_coordinator *c, uint32_t node, uint64_t term)
{
	return ftp_coordinator_change_open(c) && term == c->change.plan.term &&
	       c->change.members & FTP_NODE_BIT(node);
}

/* Who loses a silent peer closes its links to the others, and they may be the first to say so. */
static void also_lost(struct ftp_coordinator *c, uint64_t silence_ns, const char *text,
	uint64_t now_ns, struct ftp_actions *a)
{
	struct ftp_coordinator_recovery *r = &c->recovery;

	if (!silence_ns || r->unheard_ns || r->victims)
		return;
	r->unheard_ns = silence_ns;
	snprintf(r->sign, sizeof(r->sign), "%s", text);
	ftp_actions_log(a, FTP_LOG_WARNING, "also: %s", text);
	ftp_coordinator_event_failure(c, FTP_NO_NODE, silence_ns, text, now_ns, a);
}

/* A node has lost a peer and has halted. Which of the two is to blame, halting will show. */
int ftp_coordinator_on_lost(struct ftp_coordinator *c, uint32_t node, const json_t *body,
	uint64_t now_ns, struct ftp_actions *a, struct ftp_error *err)
{
	char text[400];
	struct ftp_lost m;
	int rc = ftp_lost_decode(&m, body, err);

	if (rc)
		return rc;
	if (m.node >= c->n_nodes)
		return ftp_error_set(err, EPROTO, "lost a peer that is no node of the run");
	ftp_coordinator_one_line(m.text);
	if (is_of_change(c, node, m.term)) {
		ftp_coordinator_reach_told(c, node, m.node, m.text, a);
		return 0;
	}
	if (!ftp_coordinator_in_training(c, node, m.term, FTP_METHOD_LOST, a))
		return 0;
	if (c->state == FTP_RUN_RESUMING) { /* it has not come back with its plan after all */
		c->nodes[node].join.term = 0;
		return 0;
	}
	snprintf(text, sizeof(text), "%s %s", c->config->nodes[node].name, m.text);
	if (is_open(c))
		also_lost(c, m.silence_ns, text, now_ns, a);
	else if (ftp_coordinator_recoverable(c))
		recover_all(c, m.silence_ns, text, now_ns, a);
	else
		ftp_coordinator_suspect(c, FTP_EVIDENCE_LOST, now_ns, a, "%s", text);
	c->recovery.trains &= ~FTP_NODE_BIT(node);
	return 0;
}

bool ftp_coordinator_waits(const struct ftp_coordinator *c)
{
	return c->change.phase == FTP_CHANGE_WAITING;
}

void ftp_coordinator_recovery_look(
	struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a)
{
	if (!ftp_coordinator_waits(c))
		return;
	if (now_ns >= c->recovery.failed_ns + FTP_COORDINATOR_RETRY_NS)
		ftp_coordinator_wait_forgive(c, a);
	ftp_coordinator_recovery_halt(c, now_ns, a);
}
