/* Nodes of the plan in force are lost: the others halt and tell what they hold; the newest step of
 * which every unit is held decides where training goes on, under a plan for those who are left
 * (design: one recovery path). From there on it is a change of the plan like any other.
 *
 * It begins with the first sign. Better evidence, which may come any moment later, only improves
 * the words. Who is lost meanwhile is left out while nodes halt; after that all halt again, under a
 * new term.
 */
#include <errno.h>
#include <math.h>
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

static void free_inventories(struct ftp_coordinator_recovery *r)
{
	for (int i = 0; i < FTP_CONFIG_MAX_NODES; i++) {
		free(r->inventories[i]);
		r->inventories[i] = NULL;
	}
}

void ftp_coordinator_recovery_free(struct ftp_coordinator *c)
{
	free_inventories(&c->recovery);
}

/* A process that is measuring does nothing else meanwhile; it had no part in the plan in force. */
static uint64_t able_to_halt(const struct ftp_coordinator *c)
{
	uint64_t nodes = 0;

	for (uint32_t i = 0; i < c->n_nodes; i++)
		if (c->nodes[i].live && !c->nodes[i].leaving && !c->nodes[i].measuring)
			nodes |= FTP_NODE_BIT(i);
	return nodes;
}

static void halt(struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a)
{
	char who[128], reason[200];

	ftp_coordinator_list(c, c->recovery.victims, who, sizeof(who));
	if (c->recovery.victims)
		snprintf(reason, sizeof(reason), "the loss of %s", who);
	else
		snprintf(reason, sizeof(reason), "%s", c->recovery.sign);
	free_inventories(&c->recovery);
	ftp_coordinator_change_halt(c, able_to_halt(c), reason, now_ns, a);
}

/* A step that is never passed is not tried for ever; but who has had to go far back may be lost
 * again on the way. false: the run ends. */
static bool may_begin(
	struct ftp_coordinator *c, const char *text, uint64_t now_ns, struct ftp_actions *a)
{
	struct ftp_coordinator_recovery *r = &c->recovery;
	uint64_t stable = c->snapshots.stable_step;

	if (!r->n_fatal || c->last_row > r->fatal_step || stable > r->fatal_stable) {
		r->n_fatal = 0;
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

/* The first sign; node: FTP_NO_NODE if it names none. */
static bool begin(struct ftp_coordinator *c, uint32_t node, const char *text, uint64_t now_ns,
	struct ftp_actions *a)
{
	struct ftp_coordinator_recovery *r = &c->recovery;

	if (!may_begin(c, text, now_ns, a))
		return false;
	if (!r->is_on) { /* else no step was done since the one before: it is one story */
		r->victims = 0;
		r->sign_ns = now_ns;
		r->unheard_ns = node == FTP_NO_NODE ? 0 : now_ns - c->nodes[node].detector.heard_ns;
		r->from_step = c->last_row;
		snprintf(r->sign, sizeof(r->sign), "%s", text);
	}
	ftp_coordinator_reach_forget(c);
	r->is_on = true;
	r->is_committed = r->is_settled = r->from_beginning = false;
	r->n_failures = 0;
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

/* Under way, and not committed: who is lost now is lost in the same recovery. */
static bool is_open(const struct ftp_coordinator *c)
{
	return c->recovery.is_on && ftp_coordinator_recovering(c);
}

void ftp_coordinator_recover(struct ftp_coordinator *c, uint32_t node, enum ftp_evidence evidence,
	const char *text, uint64_t now_ns, struct ftp_actions *a)
{
	bool was_open = is_open(c);

	ftp_coordinator_drop(c, node, text, now_ns, a);
	if (was_open)
		ftp_actions_log(a, FTP_LOG_WARNING, "also: %s", text);
	else if (!begin(c, node, text, now_ns, a))
		return;
	ftp_coordinator_event_failure(c, node, text, now_ns, a);
	add_victim(c, node, evidence, text);
	if (!was_open || c->change.phase != FTP_CHANGE_HALTING) {
		halt(c, now_ns, a);
		return;
	}
	c->change.members &= ~FTP_NODE_BIT(node);
	free(c->recovery.inventories[node]);
	c->recovery.inventories[node] = NULL;
	if (c->change.awaited & FTP_NODE_BIT(node))
		ftp_coordinator_change_done(c, node, now_ns, a);
}

void ftp_coordinator_recover_all(
	struct ftp_coordinator *c, const char *text, uint64_t now_ns, struct ftp_actions *a)
{
	if (is_open(c) || !begin(c, FTP_NO_NODE, text, now_ns, a))
		return;
	ftp_coordinator_event_failure(c, FTP_NO_NODE, text, now_ns, a);
	halt(c, now_ns, a);
}

/* With those who are there it does not work: others may come. */
static void give_up(
	struct ftp_coordinator *c, const char *why, uint64_t now_ns, struct ftp_actions *a)
{
	struct ftp_coordinator_recovery *r = &c->recovery;
	const char *phase = ftp_coordinator_phase_name(c->change.phase);
	char pairs[400];

	if (ftp_coordinator_reach_describe(c, pairs, sizeof(pairs)))
		why = pairs;
	if (!ftp_coordinator_wait_absent(c)) {
		ftp_coordinator_suspect(c, FTP_EVIDENCE_CERTAIN, now_ns, a,
			"no recovery from %s: it failed %u times, at last while %s: %s",
			c->change.reason, r->n_failures, phase, why);
		return;
	}
	snprintf(r->failure, sizeof(r->failure), "it failed %u times, at last while %s: %.300s",
		r->n_failures, phase, why);
	r->failed_nodes = ftp_coordinator_usable(c);
	r->n_failures = 0;
	halt(c, now_ns, a);
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
	ftp_coordinator_event_failure(c, FTP_NO_NODE, text, now_ns, a);
	halt(c, now_ns, a);
}

/* Of the plan that is being prepared, which is in force nowhere. */
static bool is_of_change(const struct ftp_coordinator *c, uint32_t node, uint64_t term)
{
	return ftp_coordinator_change_open(c) && term == c->change.plan.term &&
	       c->change.members & FTP_NODE_BIT(node);
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
	if (!ftp_coordinator_in_training(c, node, m.term, FTP_METHOD_LOST, a) || is_open(c))
		return 0;
	if (c->state == FTP_RUN_RESUMING) { /* it has not come back with its plan after all */
		c->nodes[node].join.term = 0;
		return 0;
	}
	snprintf(text, sizeof(text), "%s %s", c->config->nodes[node].name, m.text);
	if (ftp_coordinator_recoverable(c))
		ftp_coordinator_recover_all(c, text, now_ns, a);
	else
		ftp_coordinator_suspect(c, FTP_EVIDENCE_LOST, now_ns, a, "%s", text);
	return 0;
}

/* The plan in force, if all its nodes are there: then only a link or a moment was lost. -ENOSPC:
 * those who are there have not the memory; else, where not all were measured, equal cuts must do.
 */
static int choose_plan(
	const struct ftp_coordinator *c, struct ftp_planner_plan *target, struct ftp_error *err)
{
	int rc = 0;

	if (c->plan.n_stages && !(ftp_coordinator_stages(&c->plan) & ~ftp_coordinator_usable(c)))
		ftp_coordinator_target_in_force(c, target);
	else
		rc = ftp_coordinator_plan_again(c, target, err);
	if (!rc || rc == -ENOSPC)
		return rc;
	ftp_coordinator_plan_nodes(c, ftp_coordinator_usable(c), target);
	return ftp_coordinator_plan_equal(c, target, err);
}

/* More than the rows that are known: the last stage may have died with some. */
static void note_trained(struct ftp_coordinator *c)
{
	if (c->snapshots.at > c->recovery.from_step)
		c->recovery.from_step = c->snapshots.at;
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
	halt(c, now_ns, a);
}

/* Nodes stay halted; the line is said once. */
static void wait_on(
	struct ftp_coordinator *c, const char *said, uint64_t now_ns, struct ftp_actions *a)
{
	const char *why = c->recovery.waits_for;

	ftp_coordinator_change_wait(c, now_ns);
	if (!strcmp(said, why))
		return;
	ftp_actions_log(a, FTP_LOG_WARNING, "training waits: %s", why);
	ftp_coordinator_event(c, "waiting", json_pack("{s:s}", "why", why), now_ns, a);
}

/* No plan without a link that is down: it ends here, unless somebody may still come. */
static void end_without_link(struct ftp_coordinator *c, const char *pairs,
	const struct ftp_error *err, uint64_t now_ns, struct ftp_actions *a)
{
	char why[600];

	snprintf(why, sizeof(why), "%s, and without one of them there is no plan: %.150s", pairs,
		err->text);
	if (ftp_coordinator_wait_absent(c))
		ftp_coordinator_wait_for_absent(c, why);
	else
		ftp_coordinator_suspect(c, FTP_EVIDENCE_CERTAIN, now_ns, a,
			"no recovery from %s: %s", c->change.reason, why);
}

/* Or the run has ended. */
static bool must_wait(struct ftp_coordinator *c, struct ftp_planner_plan *target, uint64_t now_ns,
	struct ftp_actions *a)
{
	struct ftp_error err;
	char pairs[400];

	if (ftp_coordinator_wait_needed(c, c->change.step))
		return true;
	if (!choose_plan(c, target, &err))
		return false;
	if (ftp_coordinator_reach_describe(c, pairs, sizeof(pairs)))
		end_without_link(c, pairs, &err, now_ns, a);
	else
		ftp_coordinator_wait_for_absent(c, err.text);
	return true;
}

/* Who was to leave is needed. */
static bool keep_draining(struct ftp_coordinator *c, struct ftp_actions *a)
{
	uint64_t nodes = 0;
	char who[200];

	for (uint32_t i = 0; i < c->n_nodes; i++) {
		if (!c->nodes[i].live || !c->nodes[i].draining || c->nodes[i].leaving)
			continue;
		c->nodes[i].draining = false;
		nodes |= FTP_NODE_BIT(i);
	}
	ftp_coordinator_list(c, nodes, who, sizeof(who));
	if (nodes)
		ftp_actions_log(a, FTP_LOG_INFO, "%s is needed, and not drained", who);
	return nodes;
}

/* false: it cannot go on with those who are there, or not yet; all that follows is under way. */
static bool may_go_on(struct ftp_coordinator *c, struct ftp_catalogue_snapshot *snapshot,
	struct ftp_planner_plan *target, uint64_t now_ns, struct ftp_actions *a)
{
	char said[sizeof(c->recovery.waits_for)];

	memcpy(said, c->recovery.waits_for, sizeof(said));
	c->change.step = ftp_coordinator_holdings_step(c, snapshot);
	if (!must_wait(c, target, now_ns, a))
		return true;
	if (c->state != FTP_RUN_TRAINING)
		return false;
	if (keep_draining(c, a) && !must_wait(c, target, now_ns, a))
		return true;
	if (c->state != FTP_RUN_TRAINING)
		return false;
	if (able_to_halt(c) & ~c->change.members)
		halt(c, now_ns, a); /* one that has joined meanwhile may have what is missing */
	else
		wait_on(c, said, now_ns, a);
	return false;
}

void ftp_coordinator_recovery_halted(
	struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a)
{
	struct ftp_coordinator_change *x = &c->change;
	struct ftp_catalogue_snapshot snapshot;
	struct ftp_planner_plan target;

	if (ftp_coordinator_resume_is_behind(c)) {
		halt(c, now_ns, a);
		return;
	}
	note_trained(c);
	ftp_coordinator_reach_choose(c, 0, now_ns, a);
	if (!may_go_on(c, &snapshot, &target, now_ns, a))
		return;
	x->plan.recovery = 1;
	x->plan.recovery_step = x->step;
	memset(c->recovery.holders, 0, sizeof(c->recovery.holders));
	for (uint32_t u = 0; x->step && u < c->settings.n_units; u++) {
		c->recovery.holders[u] = snapshot.holders[u];
		x->digested[u] = true;
		x->digest[u] = snapshot.digest[u];
	}
	c->recovery.term = x->step ? snapshot.term : 0;
	ftp_coordinator_change_prepare(c, &target, now_ns, a);
	ftp_coordinator_event_agreed(c, now_ns, a);
}

void ftp_coordinator_recovery_take_stock(struct ftp_coordinator *c)
{
	struct ftp_catalogue_snapshot snapshot;

	if (ftp_coordinator_holdings_step(c, &snapshot))
		ftp_coordinator_snapshots_adopt(c, &snapshot);
	free_inventories(&c->recovery);
}

/* Its new owner if that has it, else a stage, else whoever is left. */
static uint32_t choose_holder(struct ftp_coordinator *c, uint32_t unit, uint32_t owner)
{
	const struct ftp_plan *p = &c->change.plan;
	uint64_t holders = c->recovery.holders[unit];

	if (!holders)
		return FTP_PLAN_INITIAL;
	if (holders & FTP_NODE_BIT(p->stages[owner].node))
		return owner;
	for (uint32_t i = 0; i < p->n_stages; i++)
		if (holders & FTP_NODE_BIT(p->stages[i].node))
			return i;
	return ftp_coordinator_change_giver(c, (uint32_t)__builtin_ctzll(holders));
}

void ftp_coordinator_recovery_holders(struct ftp_coordinator *c)
{
	struct ftp_plan *p = &c->change.plan;

	for (uint32_t i = 0; i < p->n_stages; i++)
		for (uint32_t u = p->stages[i].first_unit; u < p->stages[i].end_unit; u++)
			p->holder[u] = choose_holder(c, u, i);
}

static void cut_rows(struct ftp_coordinator *c, uint64_t step, struct ftp_actions *a)
{
	uint64_t n = c->last_row - step;

	c->recovery.n_cut_rows += n;
	if (n)
		ftp_actions_add(a, FTP_ACTION_CUT)->step = step;
	c->last_row = step;
	c->last_loss = n < FTP_LATE_ROWS ? c->losses[step % FTP_LATE_ROWS] : NAN;
	if (c->evaluated && c->evaluation.step > step)
		c->evaluated = false;
}

static void adopt(struct ftp_coordinator *c)
{
	struct ftp_catalogue_snapshot s = {.step = c->plan.recovery_step, .term = c->recovery.term};

	memcpy(s.holders, c->recovery.holders, sizeof(s.holders));
	memcpy(s.digest, c->change.digest, sizeof(s.digest));
	if (s.step)
		ftp_coordinator_snapshots_adopt(c, &s);
}

void ftp_coordinator_recovery_commit(
	struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a)
{
	cut_rows(c, c->plan.recovery_step, a);
	c->snapshots.known_step = c->plan.recovery_step;
	adopt(c);
	if (c->plan.recovery_step < c->recovery.fatal_stable)
		c->recovery.fatal_stable = c->plan.recovery_step;
	c->recovery.commit_ns = now_ns;
	c->recovery.is_committed = true;
	c->recovery.moved_bytes = c->change.received_bytes;
	memcpy(c->recovery.began_ns, c->change.began_ns, sizeof(c->recovery.began_ns));
	for (uint32_t i = 0; i < c->n_nodes; i++) {
		c->nodes[i].finished = false;
		c->nodes[i].step = c->plan.recovery_step;
	}
	free_inventories(&c->recovery);
}

void ftp_coordinator_recovery_settled(struct ftp_coordinator *c, uint64_t now_ns)
{
	c->recovery.is_settled = true;
	c->recovery.settled_ns = now_ns;
}
