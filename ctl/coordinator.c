#include "ctl/coordinator.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/coordinator_state.h"

#define BIT(state) (1u << (state))

static const struct {
	const char *name;
	unsigned next; /* BIT of each state that may follow */
} states[FTP_N_RUN_STATES] = {
	[FTP_RUN_RESUMING] = {"resuming", BIT(FTP_RUN_TRAINING) | BIT(FTP_RUN_FINISHING)},
	[FTP_RUN_WAITING] = {"waiting", BIT(FTP_RUN_TRAINING) | BIT(FTP_RUN_PROFILING) |
						BIT(FTP_RUN_PREPARING) | BIT(FTP_RUN_FINISHING)},
	[FTP_RUN_PROFILING] = {"profiling", BIT(FTP_RUN_PROBING) | BIT(FTP_RUN_PREPARING) |
						    BIT(FTP_RUN_WAITING) | BIT(FTP_RUN_FINISHING)},
	[FTP_RUN_PROBING] = {"probing",
		BIT(FTP_RUN_PREPARING) | BIT(FTP_RUN_WAITING) | BIT(FTP_RUN_FINISHING)},
	[FTP_RUN_PREPARING] = {"preparing",
		BIT(FTP_RUN_TRAINING) | BIT(FTP_RUN_WAITING) | BIT(FTP_RUN_FINISHING)},
	[FTP_RUN_TRAINING] = {"training", BIT(FTP_RUN_FINISHING)},
	[FTP_RUN_FINISHING] = {"finishing", BIT(FTP_RUN_ENDED)},
	[FTP_RUN_ENDED] = {"ended", 0},
};

static const uint64_t state_wait_ns[FTP_N_RUN_STATES] = {
	[FTP_RUN_RESUMING] = FTP_COORDINATOR_JOIN_NS,
	[FTP_RUN_WAITING] = FTP_COORDINATOR_JOIN_NS,
	[FTP_RUN_PROFILING] = FTP_COORDINATOR_PROFILE_NS,
	[FTP_RUN_PROBING] = FTP_COORDINATOR_PROBE_NS,
	[FTP_RUN_FINISHING] = FTP_COORDINATOR_STOP_NS,
};

const char *ftp_coordinator_state_name(enum ftp_coordinator_state s)
{
	return states[s].name;
}

const char *ftp_coordinator_outcome_name(enum ftp_coordinator_outcome o)
{
	static const char *const names[] = {"running", "completed", "stopped", "failed"};

	return names[o];
}

struct ftp_coordinator *ftp_coordinator_new(
	const struct ftp_coordinator_settings *settings, uint64_t now_ns)
{
	struct ftp_coordinator *c = calloc(1, sizeof(*c));

	ftp_assert(c && settings->config->n_nodes &&
		   settings->config->n_nodes <= FTP_CONFIG_MAX_NODES);
	c->settings = *settings;
	c->config = settings->config;
	c->n_nodes = c->config->n_nodes;
	c->start_ns = now_ns;
	c->state = FTP_RUN_WAITING;
	c->deadline_ns = now_ns + FTP_COORDINATOR_JOIN_NS;
	c->verdict_ns = FTP_NS_NEVER;
	c->plans = json_array();
	c->changes = json_array();
	c->recovery.history = json_array();
	ftp_coordinator_snapshots_init(c);
	c->settings.past = NULL;
	if (settings->past)
		ftp_coordinator_resume_init(c, settings->past, now_ns);
	return c;
}

void ftp_coordinator_free(struct ftp_coordinator *c)
{
	if (!c)
		return;
	json_decref(c->plans);
	json_decref(c->changes);
	json_decref(c->recovery.history);
	ftp_coordinator_holdings_free(c);
	free(c);
}

void ftp_coordinator_move(struct ftp_coordinator *c, enum ftp_coordinator_state to, uint64_t now_ns)
{
	ftp_assert(states[c->state].next & BIT(to));
	c->state = to;
	c->deadline_ns = state_wait_ns[to] ? now_ns + state_wait_ns[to] : FTP_NS_NEVER;
}

/* The run is over when every node that could hear node.stop has answered or gone. */
static void end_if_stopped(struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a)
{
	struct ftp_action *end;

	if (c->state != FTP_RUN_FINISHING)
		return;
	for (uint32_t i = 0; i < c->n_nodes && c->deadline_ns > now_ns; i++)
		if (c->nodes[i].live && !c->nodes[i].stopped)
			return;
	ftp_coordinator_move(c, FTP_RUN_ENDED, now_ns);
	ftp_coordinator_event_end(c, now_ns, a);
	ftp_actions_add(a, FTP_ACTION_SUMMARY)->body = ftp_coordinator_summary(c);
	end = ftp_actions_add(a, FTP_ACTION_END);
	end->outcome = c->outcome;
	end->text = strdup(c->reason);
	ftp_assert(end->text);
}

void ftp_coordinator_finish(struct ftp_coordinator *c, enum ftp_coordinator_outcome outcome,
	const char *reason, uint64_t now_ns, struct ftp_actions *a)
{
	struct ftp_stop stop;

	if (c->state >= FTP_RUN_FINISHING)
		return;
	if (reason != c->reason)
		snprintf(c->reason, sizeof(c->reason), "%s", reason);
	c->outcome = outcome;
	c->verdict_ns = FTP_NS_NEVER;
	c->change.phase = FTP_CHANGE_NONE;
	c->recovery.is_on = false;
	ftp_coordinator_move(c, FTP_RUN_FINISHING, now_ns);
	if (outcome == FTP_END_FAILED)
		ftp_actions_log(a, FTP_LOG_ERROR, "the run failed: %s", reason);
	else
		ftp_actions_log(a, FTP_LOG_INFO, "the run has %s",
			outcome == FTP_END_STOPPED ? "been stopped" : "completed");
	ftp_coordinator_journal(c, now_ns, a);
	snprintf(stop.reason, sizeof(stop.reason), "%s",
		reason[0] ? reason : ftp_coordinator_outcome_name(outcome));
	for (uint32_t i = 0; i < c->n_nodes; i++)
		if (c->nodes[i].live)
			ftp_actions_call(a, c->nodes[i].conn, FTP_METHOD_STOP,
				ftp_stop_encode(&stop), 0, c->deadline_ns);
}

void ftp_coordinator_suspect(struct ftp_coordinator *c, enum ftp_evidence evidence, uint64_t now_ns,
	struct ftp_actions *a, const char *fmt, ...)
{
	char reason[sizeof(c->reason)];
	va_list ap;

	if (c->state >= FTP_RUN_FINISHING)
		return;
	va_start(ap, fmt);
	vsnprintf(reason, sizeof(reason), fmt, ap);
	va_end(ap);
	ftp_coordinator_one_line(reason);
	if (evidence > c->evidence) {
		c->evidence = evidence;
		memcpy(c->reason, reason, sizeof(reason));
	} else {
		ftp_actions_log(a, FTP_LOG_WARNING, "also: %s", reason);
	}
	if (c->verdict_ns == FTP_NS_NEVER)
		c->verdict_ns = now_ns + FTP_COORDINATOR_VERDICT_NS;
	if (c->evidence == FTP_EVIDENCE_CERTAIN)
		ftp_coordinator_finish(c, FTP_END_FAILED, reason, now_ns, a);
}

void ftp_coordinator_list(const struct ftp_coordinator *c, uint64_t nodes, char *text, size_t bytes)
{
	size_t at = 0;

	text[0] = 0;
	for (uint32_t i = 0; i < c->n_nodes && at + 40 < bytes; i++)
		if (nodes & FTP_NODE_BIT(i))
			at += (size_t)snprintf(text + at, bytes - at, "%s%s", at ? ", " : "",
				c->config->nodes[i].name);
}

static void on_wait_over(struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a)
{
	char who[256];

	ftp_coordinator_list(c, c->awaited, who, sizeof(who));
	if (c->state == FTP_RUN_RESUMING)
		ftp_coordinator_resume_time(c, now_ns, a);
	else if (c->state == FTP_RUN_WAITING && c->resume.is_on)
		ftp_coordinator_resume_await(c, now_ns, a);
	else if (c->state == FTP_RUN_WAITING)
		ftp_coordinator_start_overdue(c, now_ns, a);
	else if (c->state < FTP_RUN_PREPARING)
		ftp_coordinator_suspect(c, FTP_EVIDENCE_CERTAIN, now_ns, a,
			"%s did not measure its %s within %llu s", who,
			c->state == FTP_RUN_PROFILING ? "units" : "links",
			(unsigned long long)(state_wait_ns[c->state] / FTP_NS_PER_S));
}

/* A false alarm costs a recovery where there can be one, else the run. */
static uint64_t silence_ns(const struct ftp_coordinator *c, uint32_t node)
{
	return ftp_coordinator_recoverable(c) ? ftp_detector_wait_ns(&c->nodes[node].detector)
					      : FTP_COORDINATOR_SILENT_NS;
}

/* Who should be heard: all stages in training; and when it halts, who has not halted yet. */
static uint64_t listened_to(const struct ftp_coordinator *c)
{
	if (c->state != FTP_RUN_TRAINING)
		return 0;
	if (!ftp_coordinator_recovering(c))
		return ftp_coordinator_stages(&c->plan);
	return c->change.phase == FTP_CHANGE_HALTING ? c->recovery.trains & c->change.awaited : 0;
}

/* When the longest silence that is allowed ends, and whose it is. FTP_NS_NEVER: nobody is to be
 * heard. */
static uint64_t silence_over_ns(const struct ftp_coordinator *c, uint32_t *node)
{
	bool halts = ftp_coordinator_recovering(c);
	uint64_t nodes = listened_to(c);
	uint64_t first_ns =
		halts || !nodes ? FTP_NS_NEVER : c->computed_ns + FTP_COORDINATOR_STALL_NS;

	*node = FTP_NO_NODE;
	for (uint32_t i = 0; i < c->n_nodes; i++) {
		const struct ftp_coordinator_node *n = &c->nodes[i];
		uint64_t over_ns = n->detector.heard_ns + silence_ns(c, i);

		if (!(nodes & FTP_NODE_BIT(i)) || !n->live || n->finished || over_ns >= first_ns)
			continue;
		first_ns = over_ns;
		*node = i;
	}
	return first_ns;
}

static void on_stall(struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a)
{
	char text[128];

	snprintf(text, sizeof(text),
		"no stage has computed anything for %llu s; the last stage is in step %llu",
		FTP_COORDINATOR_STALL_NS / FTP_NS_PER_S, (unsigned long long)c->last_row + 1);
	if (ftp_coordinator_recoverable(c))
		ftp_coordinator_recover_all(c, text, now_ns, a);
	else
		ftp_coordinator_suspect(c, FTP_EVIDENCE_CERTAIN, now_ns, a, "%s", text);
}

static void on_silence(
	struct ftp_coordinator *c, uint32_t node, uint64_t now_ns, struct ftp_actions *a)
{
	if (node != FTP_NO_NODE)
		ftp_coordinator_blame(c, node, FTP_EVIDENCE_CERTAIN, now_ns, a,
			"%s (pid %lld) has been silent for %.1f s in step %llu",
			c->config->nodes[node].name, (long long)c->nodes[node].join.pid,
			(double)silence_ns(c, node) / (double)FTP_NS_PER_S,
			(unsigned long long)c->nodes[node].step + 1);
	else
		on_stall(c, now_ns, a);
}

static void on_time(struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a)
{
	uint32_t node;

	if (c->verdict_ns <= now_ns)
		ftp_coordinator_finish(c, FTP_END_FAILED, c->reason, now_ns, a);
	if (c->deadline_ns <= now_ns)
		on_wait_over(c, now_ns, a);
	if (silence_over_ns(c, &node) <= now_ns)
		on_silence(c, node, now_ns, a);
	ftp_coordinator_change_time(c, now_ns, a);
	ftp_coordinator_snapshots_time(c, now_ns, a);
}

uint64_t ftp_coordinator_deadline(const struct ftp_coordinator *c)
{
	uint64_t first_ns = c->deadline_ns < c->verdict_ns ? c->deadline_ns : c->verdict_ns;
	uint64_t snapshot_ns = ftp_coordinator_snapshots_deadline(c);
	uint32_t node;

	if (silence_over_ns(c, &node) < first_ns)
		first_ns = silence_over_ns(c, &node);
	if (snapshot_ns < first_ns)
		first_ns = snapshot_ns;
	/* While a verdict is pending the change stands still. */
	if (c->change.phase && c->verdict_ns == FTP_NS_NEVER && c->change.deadline_ns < first_ns)
		first_ns = c->change.deadline_ns;
	return first_ns;
}

static void check_change(const struct ftp_coordinator *c)
{
	const struct ftp_coordinator_change *x = &c->change;
	uint64_t in_force = ftp_coordinator_stages(&c->plan);

	if (x->phase == FTP_CHANGE_NONE)
		return;
	ftp_assert(c->state == FTP_RUN_PREPARING || c->state == FTP_RUN_TRAINING);
	ftp_assert(!(x->awaited & ~x->members));
	ftp_assert(x->awaited || x->phase == FTP_CHANGE_WAITING || c->verdict_ns != FTP_NS_NEVER);
	ftp_assert(x->phase == FTP_CHANGE_COMMITTING ? x->plan.term == c->plan.term
						     : x->plan.term > c->plan.term);
	ftp_assert(x->plan.term <= c->last_term && c->plan.term <= c->last_term);
	ftp_assert(!ftp_coordinator_change_open(c) || !(in_force & ~x->members) ||
		   x->cause == FTP_CAUSE_FAILURE);
	ftp_assert(x->phase == FTP_CHANGE_ABANDONING || c->verdict_ns != FTP_NS_NEVER ||
		   x->step < c->last_step);
}

static void check_invariants(const struct ftp_coordinator *c)
{
	ftp_assert((c->state >= FTP_RUN_FINISHING) == (c->outcome != FTP_END_NONE));
	ftp_assert((c->outcome == FTP_END_FAILED) <= (c->reason[0] != 0));
	ftp_assert((c->state == FTP_RUN_TRAINING) <= (c->plan.term > 0));
	ftp_assert((c->state < FTP_RUN_TRAINING && c->state != FTP_RUN_RESUMING) <=
		   (c->plan.term == 0));
	ftp_assert((c->state == FTP_RUN_PREPARING) <= (c->change.phase != FTP_CHANGE_NONE));
	ftp_assert(!c->last_step || c->last_row <= c->last_step);
	ftp_assert(c->state >= FTP_RUN_FINISHING ||
		   (c->evidence == FTP_EVIDENCE_NONE) == (c->verdict_ns == FTP_NS_NEVER));
	ftp_assert(c->state == FTP_RUN_ENDED || ftp_coordinator_deadline(c) != FTP_NS_NEVER);
	check_change(c);
	for (uint32_t i = 0; i < c->n_nodes; i++) {
		const struct ftp_coordinator_node *n = &c->nodes[i];
		bool planned = ftp_coordinator_stage_of(&c->plan, i) != FTP_NO_NODE;

		ftp_assert(!n->live || ftp_coordinator_find_conn(c, n->conn) == i);
		ftp_assert(n->joined || !n->live);
		ftp_assert(!planned || n->joined);
		ftp_assert(!planned || n->live || c->verdict_ns != FTP_NS_NEVER ||
			   c->state >= FTP_RUN_FINISHING || c->state == FTP_RUN_RESUMING ||
			   ftp_coordinator_recovering(c));
		ftp_assert(!planned || !n->leaving || ftp_coordinator_recovering(c));
		ftp_assert(!n->finished || planned);
	}
}

static void on_broken(struct ftp_coordinator *c, const struct ftp_event *e, uint64_t now_ns,
	struct ftp_actions *a)
{
	ftp_coordinator_suspect(c, FTP_EVIDENCE_CERTAIN, now_ns, a, "%s", e->text);
}

/* Whoever spoke or answered meanwhile will be heard in a moment. */
static void on_paused(struct ftp_coordinator *c, const struct ftp_event *e, uint64_t now_ns,
	struct ftp_actions *a)
{
	ftp_actions_log(a, FTP_LOG_INFO,
		"the coordinator did not listen, or could not decide, for %.1f s: nodes get as "
		"much more time",
		(double)e->pause_ns / (double)FTP_NS_PER_S);
	for (uint32_t i = 0; i < c->n_nodes; i++)
		ftp_detector_excuse(&c->nodes[i].detector, e->pause_ns, now_ns);
	ftp_clock_postpone(&c->computed_ns, e->pause_ns);
	ftp_clock_postpone(&c->deadline_ns, e->pause_ns);
	ftp_clock_postpone(&c->verdict_ns, e->pause_ns);
	ftp_clock_postpone(&c->change.deadline_ns, e->pause_ns);
	ftp_coordinator_disk_postpone(c, e->pause_ns);
	if (c->snapshots.period.passed_ns)
		c->snapshots.period.passed_ns += e->pause_ns;
}

static void (*const handlers[])(struct ftp_coordinator *c, const struct ftp_event *e,
	uint64_t now_ns, struct ftp_actions *a) = {
	[FTP_EVENT_REQUEST] = ftp_coordinator_request,
	[FTP_EVENT_ANSWER] = ftp_coordinator_answer,
	[FTP_EVENT_LOST] = ftp_coordinator_lost,
	[FTP_EVENT_BROKEN] = on_broken,
	[FTP_EVENT_PAUSED] = on_paused,
};

void ftp_coordinator_step(struct ftp_coordinator *c, const struct ftp_event *event, uint64_t now_ns,
	struct ftp_actions *actions)
{
	if (event->kind != FTP_EVENT_TICK)
		handlers[event->kind](c, event, now_ns, actions);
	else
		on_time(c, now_ns, actions);
	end_if_stopped(c, now_ns, actions);
	ftp_coordinator_watch(c, now_ns, actions);
	ftp_coordinator_snapshots_note(c, now_ns);
	check_invariants(c);
}
