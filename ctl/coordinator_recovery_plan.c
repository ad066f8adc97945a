/* All have halted: where training goes on, and with whom, or for what it must wait; and what the
 * commit of that plan changes. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ctl/coordinator_state.h"

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

static bool must_wait(struct ftp_coordinator *c, struct ftp_planner_plan *target)
{
	char pairs[400], why[600];
	struct ftp_error err;

	if (ftp_coordinator_wait_needed(c, c->change.step))
		return true;
	if (!choose_plan(c, target, &err))
		return false;
	if (ftp_coordinator_reach_describe(c, pairs, sizeof(pairs)))
		snprintf(why, sizeof(why), "%s, and without one of them there is no plan: %.150s",
			pairs, err.text);
	else
		snprintf(why, sizeof(why), "%s", err.text);
	ftp_coordinator_wait_for_absent(c, why);
	return true;
}

/* Where nothing was ever stable, what needs a link that is down is not waited for. */
static uint64_t choose_step(
	const struct ftp_coordinator *c, struct ftp_catalogue_snapshot *snapshot)
{
	uint64_t step = ftp_coordinator_holdings_step(c, snapshot);

	if (step && !ftp_coordinator_wait_known(c) && !ftp_coordinator_reach_gives(c, snapshot))
		return 0;
	return step;
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
	c->change.step = choose_step(c, snapshot);
	if (!must_wait(c, target) || (keep_draining(c, a) && !must_wait(c, target)))
		return true;
	if (ftp_coordinator_recovery_able(c) & ~c->change.members)
		ftp_coordinator_recovery_halt(
			c, now_ns, a); /* one that has joined meanwhile may have what is missing */
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
		ftp_coordinator_recovery_halt(c, now_ns, a);
		return;
	}
	note_trained(c);
	if (!ftp_coordinator_usable(c)) /* rather those who were left out than nobody */
		ftp_coordinator_reach_forgive(c);
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

/* Its new owner if that has it, else a stage, else whoever is left, of those whom it reaches. */
static uint32_t choose_holder(struct ftp_coordinator *c, uint32_t unit, uint32_t owner)
{
	const struct ftp_plan *p = &c->change.plan;
	uint32_t node = p->stages[owner].node;
	uint64_t holders = c->recovery.holders[unit];

	if (!holders)
		return FTP_PLAN_INITIAL;
	if (holders & FTP_NODE_BIT(node))
		return owner;
	holders = ftp_coordinator_reach_of(c, node, holders);
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
	c->recovery.shunned = 0;
	c->recovery.commit_ns = now_ns;
	c->recovery.is_committed = true;
	c->recovery.moved_bytes = c->change.received_bytes;
	memcpy(c->recovery.began_ns, c->change.began_ns, sizeof(c->recovery.began_ns));
	for (uint32_t i = 0; i < c->n_nodes; i++) {
		c->nodes[i].finished = false;
		c->nodes[i].step = c->plan.recovery_step;
	}
	ftp_coordinator_holdings_free(c);
}

void ftp_coordinator_recovery_settled(struct ftp_coordinator *c, uint64_t now_ns)
{
	c->recovery.is_settled = true;
	c->recovery.settled_ns = now_ns;
}
