/* From one plan to the next: prepare, hold, transfer, commit; or abandon (ctl/protocol.h). Each
 * phase asks nodes for something and goes on when the last of them has done it. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ctl/coordinator_state.h"

static const struct {
	const char *name, *doing;
} phases[FTP_N_CHANGE_PHASES] = {
	[FTP_CHANGE_NONE] = {"none", ""},
	[FTP_CHANGE_HALTING] = {"halting", "halt"},
	[FTP_CHANGE_WAITING] = {"waiting", ""},
	[FTP_CHANGE_PREPARING] = {"preparing", "prepare the plan"},
	[FTP_CHANGE_HOLDING] = {"holding", "hold"},
	[FTP_CHANGE_TRANSFERRING] = {"transferring", "take over the unit states"},
	[FTP_CHANGE_COMMITTING] = {"committing", "commit the plan"},
	[FTP_CHANGE_ABANDONING] = {"abandoning", "abandon the plan"},
};

const char *ftp_coordinator_phase_name(enum ftp_change_phase phase)
{
	return phases[phase].name;
}

bool ftp_coordinator_change_open(const struct ftp_coordinator *c)
{
	return c->change.phase > FTP_CHANGE_NONE && c->change.phase < FTP_CHANGE_COMMITTING;
}

int ftp_coordinator_change_check(const struct ftp_coordinator *c, struct ftp_error *err)
{
	if (c->state != FTP_RUN_TRAINING)
		return ftp_error_set(err, EBUSY,
			"the run is %s: its plan can change only while it trains",
			ftp_coordinator_state_name(c->state));
	if (c->verdict_ns != FTP_NS_NEVER)
		return ftp_error_set(err, EBUSY, "the run is failing: %s", c->reason);
	if (c->change.phase != FTP_CHANGE_NONE)
		return ftp_error_set(err, EBUSY,
			"another change of the plan is under way: term %llu, %s, because %s",
			(unsigned long long)c->change.plan.term, phases[c->change.phase].name,
			c->change.reason);
	for (uint32_t i = 0; i < c->n_nodes; i++)
		if (c->nodes[i].finished)
			return ftp_error_set(err, EBUSY, "the run is at its end");
	return 0;
}

static uint64_t phase_ns(const struct ftp_coordinator *c, enum ftp_change_phase phase)
{
	double measured_s = ftp_coordinator_step_seconds(c);
	double step_s = measured_s > c->predicted_s ? measured_s : c->predicted_s;
	uint64_t steps_ns = (uint64_t)(FTP_COORDINATOR_HOLD_STEPS * step_s * (double)FTP_NS_PER_S);
	const uint64_t waits_ns[FTP_N_CHANGE_PHASES] = {
		[FTP_CHANGE_HALTING] = FTP_COORDINATOR_HALT_NS,
		[FTP_CHANGE_WAITING] = FTP_COORDINATOR_LOOK_NS,
		[FTP_CHANGE_PREPARING] = FTP_COORDINATOR_PREPARE_NS + c->change.fetch_ns,
		[FTP_CHANGE_HOLDING] = FTP_COORDINATOR_HOLD_NS + steps_ns,
		[FTP_CHANGE_TRANSFERRING] =
			FTP_COORDINATOR_TRANSFER_NS +
			c->change.move_bytes * (FTP_NS_PER_S / FTP_COORDINATOR_BYTES_PER_S),
		[FTP_CHANGE_COMMITTING] = FTP_COORDINATOR_COMMIT_NS,
		[FTP_CHANGE_ABANDONING] = FTP_COORDINATOR_COMMIT_NS,
	};

	return waits_ns[phase];
}

static void enter(
	struct ftp_coordinator *c, enum ftp_change_phase phase, uint64_t awaited, uint64_t now_ns)
{
	c->change.phase = phase;
	c->change.awaited = awaited;
	c->change.began_ns[phase] = now_ns;
	c->change.deadline_ns = now_ns + phase_ns(c, phase);
}

/* body is taken. */
static void call_nodes(struct ftp_coordinator *c, uint64_t nodes, const char *method, json_t *body,
	uint64_t term, struct ftp_actions *a)
{
	for (uint32_t i = 0; i < c->n_nodes; i++)
		if (nodes & FTP_NODE_BIT(i) && c->nodes[i].live)
			ftp_actions_call(a, c->nodes[i].conn, method, json_incref(body), term,
				c->change.deadline_ns);
	json_decref(body);
}

/* A node's UDP port of a term is the one of its parity: the plan in force keeps its own. */
static uint64_t next_term(struct ftp_coordinator *c)
{
	c->last_term++;
	if (c->plan.term && c->last_term % 2 == c->plan.term % 2)
		c->last_term++;
	return c->last_term;
}

/* Not for good: its cause may be judged anew, a little later. */
static void give_up(struct ftp_coordinator *c)
{
	const struct ftp_coordinator_change *x = &c->change;

	c->n_abandoned++;
	c->retry_step[x->cause] = c->last_row + FTP_CHANGE_RETRY_STEPS;
	c->judged_ns = 0;
	if (x->cause == FTP_CAUSE_JOIN)
		c->newcomers |=
			ftp_coordinator_stages(&x->plan) & ~ftp_coordinator_stages(&c->plan);
}

static void renew(struct ftp_coordinator *c, enum ftp_change_cause cause, const char *reason)
{
	memset(&c->change, 0, sizeof(c->change));
	c->change.cause = cause;
	snprintf(c->change.reason, sizeof(c->change.reason), "%s", reason);
	c->change.plan.term = next_term(c);
}

void ftp_coordinator_change_begin(struct ftp_coordinator *c, enum ftp_change_cause cause,
	const char *reason, const struct ftp_planner_plan *target, uint64_t now_ns,
	struct ftp_actions *a)
{
	ftp_assert(c->change.phase == FTP_CHANGE_NONE);
	ftp_coordinator_reach_forget(c);
	renew(c, cause, reason);
	ftp_coordinator_journal(c, now_ns, a);
	ftp_coordinator_change_prepare(c, target, now_ns, a);
}

/* What was under way ends where it is: after its commit as committed. */
static void supersede(
	struct ftp_coordinator *c, const char *why, uint64_t now_ns, struct ftp_actions *a)
{
	struct ftp_coordinator_change *x = &c->change;
	bool is_committed = x->phase == FTP_CHANGE_COMMITTING;

	if (x->phase == FTP_CHANGE_NONE || x->phase == FTP_CHANGE_ABANDONING ||
		x->cause == FTP_CAUSE_START || x->cause >= FTP_CAUSE_FAILURE)
		return;
	snprintf(x->why, sizeof(x->why), "%s", why);
	ftp_actions_log(a, FTP_LOG_WARNING, "repartition to term %llu %s while %s: %s",
		(unsigned long long)x->plan.term, is_committed ? "interrupted" : "abandoned",
		phases[x->phase].name, why);
	ftp_coordinator_event_change(c, now_ns, a);
	if (is_committed)
		c->n_committed++;
	else
		give_up(c);
}

void ftp_coordinator_change_halt(struct ftp_coordinator *c, uint64_t members, const char *reason,
	uint64_t now_ns, struct ftp_actions *a)
{
	struct ftp_halt m;

	supersede(c, reason, now_ns, a);
	renew(c, FTP_CAUSE_FAILURE, reason);
	m = (struct ftp_halt){.term = c->change.plan.term};
	snprintf(m.reason, sizeof(m.reason), "%s", reason);
	c->change.members = members;
	enter(c, FTP_CHANGE_HALTING, members, now_ns);
	ftp_coordinator_journal(c, now_ns, a);
	call_nodes(c, members, FTP_METHOD_HALT, ftp_halt_encode(&m), m.term, a);
	if (!members)
		ftp_coordinator_recovery_halted(c, now_ns, a);
}

void ftp_coordinator_change_wait(struct ftp_coordinator *c, uint64_t now_ns)
{
	ftp_assert(c->change.phase == FTP_CHANGE_HALTING && !c->change.awaited);
	enter(c, FTP_CHANGE_WAITING, 0, now_ns);
}

void ftp_coordinator_change_prepare(struct ftp_coordinator *c,
	const struct ftp_planner_plan *target, uint64_t now_ns, struct ftp_actions *a)
{
	ftp_coordinator_change_set_plan(c, target);
	c->change.predicted = !ftp_coordinator_predict(c, target, &c->change.answer, NULL);
	for (uint32_t i = 0; i < c->n_nodes; i++)
		c->change.slowness[i] = c->nodes[i].slowness.value;
	ftp_coordinator_change_describe(c, a);
	if (!c->plan.term)
		ftp_coordinator_move(c, FTP_RUN_PREPARING, now_ns);
	enter(c, FTP_CHANGE_PREPARING, c->change.members, now_ns);
	call_nodes(c, c->change.members, FTP_METHOD_PREPARE, ftp_plan_encode(&c->change.plan),
		c->change.plan.term, a);
}

static void hold(struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a)
{
	const struct ftp_hold ask = {.term = c->plan.term};

	enter(c, FTP_CHANGE_HOLDING, ftp_coordinator_stages(&c->plan), now_ns);
	if (c->config->training.schedule == FTP_SCHEDULE_1F1B)
		c->change.unheld = c->change.awaited;
	call_nodes(c, FTP_NODE_BIT(ftp_coordinator_central(c)), FTP_METHOD_HOLD,
		ftp_hold_encode(&ask), ask.term, a);
}

void ftp_coordinator_change_hold(
	struct ftp_coordinator *c, uint64_t step, uint64_t now_ns, struct ftp_actions *a)
{
	const struct ftp_hold ask = {.term = c->plan.term, .step = step};

	c->change.step = step;
	if (step >= c->last_step)
		c->change.unheld = 0;
	if (step >= c->last_step)
		ftp_coordinator_change_abandon(c, FTP_EVIDENCE_NONE, now_ns, a,
			"the run ends with step %llu", (unsigned long long)c->last_step);
	else
		call_nodes(c,
			ftp_coordinator_stages(&c->plan) &
				~FTP_NODE_BIT(ftp_coordinator_central(c)),
			FTP_METHOD_HOLD, ftp_hold_encode(&ask), ask.term, a);
}

/* The digests of all units that move, as their holders told them; in a recovery none stays. */
static bool collect(const struct ftp_coordinator *c, struct ftp_transfer *t)
{
	const struct ftp_plan *p = &c->change.plan;

	for (uint32_t i = 0; i < p->n_stages; i++) {
		for (uint32_t u = p->stages[i].first_unit; u < p->stages[i].end_unit; u++) {
			if ((p->holder[u] == i && !p->recovery) || p->holder[u] == FTP_PLAN_INITIAL)
				continue;
			if (!c->change.digested[u])
				return false;
			t->unit[t->n_units] = u;
			t->digest[t->n_units++] = c->change.digest[u];
		}
	}
	return true;
}

static void transfer(struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a)
{
	struct ftp_transfer t = {.term = c->change.plan.term, .step = c->change.step};

	/* A stage tells its last losses before it says that it holds. */
	if (c->last_row != c->change.step && !c->change.plan.recovery) {
		ftp_coordinator_change_abandon(c, FTP_EVIDENCE_TOLD, now_ns, a,
			"all hold at step %llu, but the last loss is that of step %llu",
			(unsigned long long)c->change.step, (unsigned long long)c->last_row);
	} else if (!collect(c, &t)) {
		ftp_coordinator_change_abandon(
			c, FTP_EVIDENCE_TOLD, now_ns, a, "a unit that moves has no digest");
	} else {
		enter(c, FTP_CHANGE_TRANSFERRING, c->change.members, now_ns);
		call_nodes(c, c->change.members, FTP_METHOD_TRANSFER, ftp_transfer_encode(&t),
			t.term, a);
	}
}

/* From here on the new plan is in force. */
static void commit(struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a)
{
	const struct ftp_commit m = {.term = c->change.plan.term};
	json_t *event;

	if (!c->plan.term) {
		ftp_coordinator_move(c, FTP_RUN_TRAINING, now_ns);
		ftp_actions_log(a, FTP_LOG_INFO, "training begins");
		c->train_start_ns = now_ns;
	}
	enter(c, FTP_CHANGE_COMMITTING, c->change.members, now_ns);
	c->old_term = c->plan.term;
	c->plan = c->change.plan;
	c->plan_step = c->change.step;
	ftp_coordinator_snapshots_begin(c, now_ns, a);
	if (c->plan.recovery)
		ftp_coordinator_recovery_commit(c, now_ns, a);
	c->predicted = c->change.predicted;
	c->answer = c->change.answer;
	c->predicted_s = c->predicted ? (double)c->answer.step_ns / (double)FTP_NS_PER_S : 0;
	c->computed_ns = c->judged_ns = c->plan_ns = now_ns;
	c->rate[0].at_ns = now_ns;
	c->rate[0].row = c->last_row;
	c->n_rate = 1;
	for (uint32_t i = 0; i < c->n_nodes; i++) {
		struct ftp_coordinator_node *n = &c->nodes[i];

		n->memory_bytes = c->change.memory_bytes[i];
		n->measured_ns = now_ns;
		ftp_detector_restart(&n->detector, now_ns);
		if (c->change.slowness[i] > 0) /* else it has joined since */
			n->planned_slowness = n->judged_slowness = c->change.slowness[i];
		ftp_slowness_restart(&n->slowness);
		n->counted_ns = n->counted_profiled_ns = 0;
		n->n_links = 0;
	}
	event = ftp_coordinator_remember_plan(c);
	ftp_coordinator_journal(c, now_ns, a);
	call_nodes(c, c->change.members, FTP_METHOD_COMMIT, ftp_commit_encode(&m), m.term, a);
	ftp_coordinator_event(c, "plan", event, now_ns, a);
}

/* The commit may have been lost with the coordinator: who has not heard it hears it now. */
void ftp_coordinator_change_resume(
	struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a)
{
	const struct ftp_commit m = {.term = c->plan.term};
	uint64_t live = 0, members = 0;

	for (uint32_t i = 0; i < c->n_nodes; i++) {
		const struct ftp_coordinator_node *n = &c->nodes[i];

		if (!n->live)
			continue;
		live |= FTP_NODE_BIT(i);
		if (ftp_coordinator_stage_of(&c->plan, i) != FTP_NO_NODE ||
			n->join.next_term == c->plan.term)
			members |= FTP_NODE_BIT(i);
	}
	memset(&c->change, 0, sizeof(c->change));
	c->change.cause = FTP_CAUSE_RESUME;
	c->change.plan = c->plan;
	c->change.step = c->plan_step;
	c->change.members = live;
	snprintf(c->change.reason, sizeof(c->change.reason), "the coordinator was away");
	enter(c, FTP_CHANGE_COMMITTING, live, now_ns);
	call_nodes(c, members, FTP_METHOD_COMMIT, ftp_commit_encode(&m), m.term, a);
	call_nodes(c, live, FTP_METHOD_INVENTORY, json_object(), m.term, a);
}

/* Nodes that were drained hold nothing any more. */
static void let_go(struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a)
{
	for (uint32_t i = 0; i < c->n_nodes; i++)
		if (c->nodes[i].draining && !c->nodes[i].leaving)
			ftp_coordinator_dismiss(c, i, now_ns, a);
}

static void settle(struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a)
{
	const struct ftp_coordinator_change *x = &c->change;
	double *s = c->parts_s;

	if (x->cause == FTP_CAUSE_FAILURE) {
		ftp_coordinator_recovery_settled(c, now_ns);
	} else if (x->cause == FTP_CAUSE_RESUME) {
		ftp_coordinator_resume_settled(c, now_ns, a);
	} else if (c->old_term) {
		c->n_committed++;
		ftp_coordinator_change_parts(x, now_ns, s);
		ftp_actions_log(a, FTP_LOG_INFO,
			"repartition to term %llu committed at step %llu: %s; moved %.1f MB; pause "
			"%.0f ms (transfer %.0f, commit %.0f) after %.0f ms of preparation and "
			"%.0f ms of holding",
			(unsigned long long)x->plan.term, (unsigned long long)x->step, x->reason,
			(double)x->received_bytes / 1e6, s[FTP_PART_PAUSE] * 1e3,
			s[FTP_PART_TRANSFER] * 1e3, s[FTP_PART_COMMIT] * 1e3,
			s[FTP_PART_PREPARE] * 1e3, s[FTP_PART_HOLD] * 1e3);
		ftp_coordinator_event_change(c, now_ns, a);
	}
	c->change.phase = FTP_CHANGE_NONE;
	ftp_coordinator_snapshots_name(c, now_ns, a);
	let_go(c, now_ns, a);
}

static void prepared(struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a)
{
	(c->plan.term && !c->change.plan.recovery ? hold : transfer)(c, now_ns, a);
}

static void forget(struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a)
{
	(void)now_ns, (void)a;
	c->change.phase = FTP_CHANGE_NONE;
}

static void (*const go_on[FTP_N_CHANGE_PHASES])(
	struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a) = {
	[FTP_CHANGE_HALTING] = ftp_coordinator_recovery_halted,
	[FTP_CHANGE_PREPARING] = prepared,
	[FTP_CHANGE_HOLDING] = transfer,
	[FTP_CHANGE_TRANSFERRING] = commit,
	[FTP_CHANGE_COMMITTING] = settle,
	[FTP_CHANGE_ABANDONING] = forget,
};

void ftp_coordinator_change_done(
	struct ftp_coordinator *c, uint32_t node, uint64_t now_ns, struct ftp_actions *a)
{
	c->change.awaited &= ~FTP_NODE_BIT(node);
	if (!c->change.awaited && c->verdict_ns == FTP_NS_NEVER)
		go_on[c->change.phase](c, now_ns, a);
}

/* With 1f1b all stages must empty at the same step, or none: a hold that one stage was told of is
 * told to all before it is given up (runtime/schedule.h). The first reason stands. */
static void doom(struct ftp_coordinator_change *x, enum ftp_evidence evidence, const char *why)
{
	if (x->doomed)
		return;
	x->doomed = true;
	x->doom = evidence;
	snprintf(x->why, sizeof(x->why), "%s", why);
}

void ftp_coordinator_change_held(
	struct ftp_coordinator *c, uint32_t node, uint64_t now_ns, struct ftp_actions *a)
{
	struct ftp_coordinator_change *x = &c->change;

	if (x->phase != FTP_CHANGE_HOLDING)
		return;
	x->unheld &= x->step ? ~FTP_NODE_BIT(node) : 0; /* no step: nobody else was told */
	if (x->doomed && !x->unheld)
		ftp_coordinator_change_abandon(c, x->doom, now_ns, a, "%s", x->why);
}

void ftp_coordinator_change_abandon(struct ftp_coordinator *c, enum ftp_evidence evidence,
	uint64_t now_ns, struct ftp_actions *a, const char *fmt, ...)
{
	struct ftp_coordinator_change *x = &c->change;
	struct ftp_abandon m = {.term = x->plan.term};
	char why[sizeof(x->why)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	ftp_coordinator_one_line(why);
	if (!c->plan.term || c->verdict_ns != FTP_NS_NEVER) {
		/* Where nodes halt by themselves, complaints of peers say little. */
		if (c->plan.term && c->config->snapshot.every && evidence > FTP_EVIDENCE_LOST)
			evidence = FTP_EVIDENCE_LOST;
		if (evidence != FTP_EVIDENCE_NONE)
			ftp_coordinator_suspect(c, evidence, now_ns, a, "%s", why);
		return;
	}
	if (x->cause == FTP_CAUSE_FAILURE) {
		ftp_coordinator_recover_again(c, why, now_ns, a);
		return;
	}
	if (x->phase == FTP_CHANGE_HOLDING && x->unheld) {
		doom(x, evidence, why);
		return;
	}
	memcpy(x->why, why, sizeof(why));
	ftp_actions_log(a, evidence == FTP_EVIDENCE_NONE ? FTP_LOG_INFO : FTP_LOG_WARNING,
		"repartition to term %llu abandoned while %s: %s; the plan of term %llu goes on",
		(unsigned long long)x->plan.term, phases[x->phase].name, why,
		(unsigned long long)c->plan.term);
	give_up(c);
	ftp_coordinator_reach_choose(c, ftp_coordinator_stages(&c->plan), now_ns, a);
	for (uint32_t i = 0; i < c->n_nodes; i++)
		c->nodes[i].draining &= c->nodes[i].leaving;
	ftp_coordinator_event_change(c, now_ns, a);
	snprintf(m.reason, sizeof(m.reason), "%.200s", why);
	enter(c, FTP_CHANGE_ABANDONING, x->members, now_ns);
	call_nodes(c, x->members, FTP_METHOD_ABANDON, ftp_abandon_encode(&m), m.term, a);
	for (uint32_t i = 0; i < c->n_nodes; i++)
		if (x->awaited & FTP_NODE_BIT(i) && !c->nodes[i].live)
			ftp_coordinator_change_done(c, i, now_ns, a);
}

void ftp_coordinator_change_without(struct ftp_coordinator *c, uint32_t node, const char *why,
	uint64_t now_ns, struct ftp_actions *a)
{
	if (c->change.phase == FTP_CHANGE_NONE || !(c->change.members & FTP_NODE_BIT(node)))
		return;
	if (ftp_coordinator_change_open(c))
		ftp_coordinator_change_abandon(c, FTP_EVIDENCE_LOST, now_ns, a, "%s", why);
	else if (c->change.awaited & FTP_NODE_BIT(node))
		ftp_coordinator_change_done(c, node, now_ns, a);
}

void ftp_coordinator_change_time(struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a)
{
	const struct ftp_coordinator_change *x = &c->change;
	enum ftp_change_phase phase = x->phase;
	uint64_t awaited = x->unheld ? x->unheld : x->awaited, waited_s;
	char who[256];

	if (phase == FTP_CHANGE_NONE || now_ns < x->deadline_ns || c->verdict_ns != FTP_NS_NEVER)
		return;
	if (phase == FTP_CHANGE_WAITING) {
		ftp_coordinator_recovery_look(c, now_ns, a);
		return;
	}
	waited_s = (x->deadline_ns - x->began_ns[phase]) / FTP_NS_PER_S;
	ftp_coordinator_list(c, awaited, who, sizeof(who));
	if (ftp_coordinator_change_open(c) && !x->unheld && x->cause != FTP_CAUSE_FAILURE) {
		ftp_coordinator_change_abandon(c, FTP_EVIDENCE_CERTAIN, now_ns, a,
			"%s did not %s within %llu s", who, phases[phase].doing,
			(unsigned long long)waited_s);
		return;
	}
	for (uint32_t i = 0; i < c->n_nodes; i++)
		if (awaited & FTP_NODE_BIT(i))
			ftp_coordinator_blame(c, i, FTP_EVIDENCE_CERTAIN, now_ns, a,
				"%s (pid %lld) did not %s within %llu s", c->config->nodes[i].name,
				(long long)c->nodes[i].join.pid, phases[phase].doing,
				(unsigned long long)waited_s);
}
