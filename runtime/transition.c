#include "runtime/transition.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "runtime/moves.h"
#include "runtime/transition_states.h"

static struct ftp_transition_action *act(
	struct ftp_transition_actions *a, enum ftp_transition_action_kind kind)
{
	struct ftp_transition_action *item = &a->items[a->n];

	ftp_assert(a->n < FTP_TRANSITION_MAX_ACTIONS);
	a->n++;
	*item = (struct ftp_transition_action){.kind = kind};
	return item;
}

static void answer(struct ftp_transition *t, struct ftp_transition_actions *a,
	enum ftp_transition_call call, const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* fmt "": granted. */
static void answer(struct ftp_transition *t, struct ftp_transition_actions *a,
	enum ftp_transition_call call, const char *fmt, ...)
{
	struct ftp_transition_action *item;
	va_list ap;

	if (!t->is_open[call])
		return;
	t->is_open[call] = false;
	item = act(a, FTP_DO_ANSWER);
	item->call = call;
	item->step = t->step;
	va_start(ap, fmt);
	vsnprintf(item->text, sizeof(item->text), fmt, ap);
	va_end(ap);
}

static void forget_next(struct ftp_transition *t)
{
	t->next = FTP_NEXT_NONE;
	t->next_plan = NULL;
	t->next_term = 0;
	t->next_member = FTP_MOVES_NOBODY;
	t->has_step = false;
	t->is_receiving = false;
	t->n_missing = 0;
	t->broken[0] = '\0';
	t->orphaned_by = 0;
	t->orphaned[0] = '\0';
	memset(t->fetched, 0, sizeof(t->fetched));
}

/* What fails while its call is open is told by the answer and forgotten; a plan that was prepared
 * is remembered as broken, since others may count on it. */
static void end_next(struct ftp_transition *t, struct ftp_transition_actions *a, const char *why)
{
	bool was_prepared = t->next != FTP_NEXT_BUILDING && t->next != FTP_NEXT_CONNECTING;

	answer(t, a, FTP_CALL_PREPARE, "%s", why);
	answer(t, a, FTP_CALL_TRANSFER, "%s", why);
	act(a, FTP_DO_DROP);
	if (!was_prepared) {
		forget_next(t);
		return;
	}
	t->next = FTP_NEXT_BROKEN;
	t->next_plan = NULL; /* it goes with the drop */
	snprintf(t->broken, sizeof(t->broken), "%s", why);
}

/* Whatever is under way is over. */
static void stop(struct ftp_transition *t, struct ftp_transition_actions *a, const char *why)
{
	answer(t, a, FTP_CALL_PREPARE, "%s", why);
	answer(t, a, FTP_CALL_TRANSFER, "%s", why);
	if (t->next_plan)
		act(a, FTP_DO_DROP);
	forget_next(t);
	if (!t->now_plan)
		return;
	act(a, FTP_DO_HALT);
	t->now = FTP_NOW_HALTED;
	t->now_plan = NULL;
	t->now_member = FTP_MOVES_NOBODY;
}

/* A peer of the plan in force is lost: the coordinator will know what to do. */
static void halt_by_itself(
	struct ftp_transition *t, struct ftp_transition_actions *a, uint32_t peer, const char *text)
{
	uint64_t term = t->now_plan->term;
	struct ftp_transition_action *item;

	stop(t, a, text);
	item = act(a, FTP_DO_COMPLAIN);
	item->term = term;
	item->peer = peer;
	snprintf(item->text, sizeof(item->text), "%s", text);
}

/* The unit's state is where the plan says that this node has it. */
static bool has_unit(
	const struct ftp_transition *t, const struct ftp_transition_event *e, uint32_t unit)
{
	const struct ftp_plan_stage *here =
		t->now_plan ? ftp_plan_member(t->now_plan, (uint32_t)t->now_member) : NULL;

	if (e->plan->recovery)
		return e->has && e->has[unit];
	return here && unit >= here->first_unit && unit < here->end_unit;
}

static void prepare(struct ftp_transition *t, const struct ftp_transition_event *e,
	struct ftp_transition_actions *a)
{
	int member = ftp_moves_member_of(e->plan, t->node);
	const struct ftp_plan_stage *here =
		t->now_plan ? ftp_plan_member(t->now_plan, (uint32_t)t->now_member) : NULL;
	const struct ftp_plan_stage *self;

	if (e->plan->term <= t->newest_term) {
		answer(t, a, FTP_CALL_PREPARE,
			"term: %" PRIu64 " is not newer than %" PRIu64 ", the newest here",
			e->plan->term, t->newest_term);
		return;
	}
	if (member == FTP_MOVES_NOBODY) {
		answer(t, a, FTP_CALL_PREPARE, "the plan of term %" PRIu64 " has no such member",
			e->plan->term);
		return;
	}
	self = ftp_plan_member(e->plan, (uint32_t)member);
	if (here && here->udp_port && here->udp_port == self->udp_port) {
		answer(t, a, FTP_CALL_PREPARE, "udp_port: %u is in use by the plan in force",
			self->udp_port);
		return;
	}
	if (e->plan->recovery ? t->now == FTP_NOW_TRAINING : t->now == FTP_NOW_HALTED) {
		answer(t, a, FTP_CALL_PREPARE, "a plan%s, but this node %s",
			e->plan->recovery ? " for a recovery" : "",
			t->now == FTP_NOW_TRAINING ? "trains" : "has halted");
		return;
	}
	for (uint32_t u = 0; u < e->plan->n_units; u++) {
		if (ftp_moves_holder(e->plan, u) != member || has_unit(t, e, u))
			continue;
		answer(t, a, FTP_CALL_PREPARE, "holder[%u]: this node does not hold it", u);
		return;
	}
	t->newest_term = e->plan->term;
	t->next = FTP_NEXT_BUILDING;
	t->next_plan = e->plan;
	t->next_term = e->plan->term;
	t->next_member = member;
	for (uint32_t u = 0; u < e->plan->n_units; u++)
		t->n_missing += ftp_transition_fetches(t, u);
	act(a, FTP_DO_BUILD);
	act(a, FTP_DO_CONNECT);
}

static void built(struct ftp_transition *t, const struct ftp_transition_event *e,
	struct ftp_transition_actions *a)
{
	(void)e, (void)a;
	t->next = FTP_NEXT_CONNECTING;
}

static void next_failed(struct ftp_transition *t, const struct ftp_transition_event *e,
	struct ftp_transition_actions *a)
{
	end_next(t, a, e->text);
}

static void hold(struct ftp_transition *t, const struct ftp_transition_event *e,
	struct ftp_transition_actions *a)
{
	if (e->term != t->now_plan->term)
		answer(t, a, FTP_CALL_HOLD, "term: the one in force is %" PRIu64,
			t->now_plan->term);
	else if (!e->step && t->now_member)
		answer(t, a, FTP_CALL_HOLD, "step: only the central node can name it");
	else
		act(a, FTP_DO_HOLD)->step = e->step;
}

static void receive(struct ftp_transition *t, uint64_t step, struct ftp_transition_actions *a)
{
	t->step = step;
	t->has_step = true;
	act(a, FTP_DO_RECEIVE)->step = step;
}

/* Of a recovery the step is known, and nobody has to stand still first. */
static void connected(struct ftp_transition *t, const struct ftp_transition_event *e,
	struct ftp_transition_actions *a)
{
	(void)e;
	t->next = FTP_NEXT_PREPARED;
	answer(t, a, FTP_CALL_PREPARE, "%s", "");
	if (t->next_plan->recovery)
		receive(t, t->next_plan->recovery_step, a);
}

/* A hold at the last step is no different from the end of the run. With a broken next it is granted
 * too: other stages hold already, and with 1f1b all must, before any goes on (schedule.h). */
static void holding(struct ftp_transition *t, const struct ftp_transition_event *e,
	struct ftp_transition_actions *a)
{
	t->step = e->step;
	answer(t, a, FTP_CALL_HOLD, "%s", "");
	if (e->step >= t->now_plan->last_step) {
		act(a, FTP_DO_RESUME);
		return;
	}
	t->now = FTP_NOW_HOLDING;
	if (t->next == FTP_NEXT_PREPARED)
		receive(t, e->step, a);
}

/* With a broken next nothing is sent, but the coordinator must not wait. */
static void held(struct ftp_transition *t, const struct ftp_transition_event *e,
	struct ftp_transition_actions *a)
{
	(void)e;
	t->now = FTP_NOW_HELD;
	if (t->next == FTP_NEXT_PREPARED)
		act(a, FTP_DO_SEND)->step = t->step;
	act(a, FTP_DO_TELL)->step = t->step;
	if (t->next == FTP_NEXT_PREPARED)
		act(a, FTP_DO_COPY)->step = t->step;
}

static void check_states(struct ftp_transition *t, struct ftp_transition_actions *a)
{
	char why[128];

	for (uint32_t u = 0; u < t->next_plan->n_units; u++) {
		if (!t->fetched[u] || ftp_digest_equal(t->digest[u], t->promised[u]))
			continue;
		snprintf(why, sizeof(why),
			"unit %u of step %" PRIu64 " is not what its holder has: the digests "
			"differ",
			u, t->step);
		end_next(t, a, why);
		return;
	}
	if (t->n_missing || !t->is_receiving)
		return;
	t->next = FTP_NEXT_READY;
	answer(t, a, FTP_CALL_TRANSFER, "%s", "");
}

/* Every unit that comes here has a promised digest. */
static bool take_promises(struct ftp_transition *t, const struct ftp_transfer *m)
{
	bool known[FTP_PROTOCOL_MAX_UNITS] = {false};

	for (uint32_t i = 0; i < m->n_units; i++) {
		if (m->unit[i] >= t->next_plan->n_units)
			return false;
		t->promised[m->unit[i]] = m->digest[i];
		known[m->unit[i]] = true;
	}
	for (uint32_t u = 0; u < t->next_plan->n_units; u++)
		if (ftp_transition_fetches(t, u) && !known[u])
			return false;
	return true;
}

static void transfer(struct ftp_transition *t, const struct ftp_transition_event *e,
	struct ftp_transition_actions *a)
{
	const struct ftp_transfer *m = e->transfer;

	if (m->term != t->next_term)
		answer(t, a, FTP_CALL_TRANSFER, "term: the one prepared is %" PRIu64, t->next_term);
	else if (t->next == FTP_NEXT_BROKEN)
		answer(t, a, FTP_CALL_TRANSFER, "%s", t->broken);
	else if (m->step >= t->next_plan->last_step)
		answer(t, a, FTP_CALL_TRANSFER, "step: %" PRIu64 " leaves nothing to train",
			m->step);
	else if (t->now == FTP_NOW_HELD && m->step != t->step)
		answer(t, a, FTP_CALL_TRANSFER, "step: this node holds at %" PRIu64, t->step);
	else if (t->next_plan->recovery && m->step != t->next_plan->recovery_step)
		answer(t, a, FTP_CALL_TRANSFER, "step: the plan goes on after %" PRIu64,
			t->next_plan->recovery_step);
	else if (!take_promises(t, m))
		answer(t, a, FTP_CALL_TRANSFER, "unit: those that this node fetches expected");
	else {
		t->next = FTP_NEXT_MOVING;
		if (!t->has_step)
			receive(t, m->step, a);
		check_states(t, a);
	}
}

static void receiving(struct ftp_transition *t, const struct ftp_transition_event *e,
	struct ftp_transition_actions *a)
{
	(void)e;
	t->is_receiving = true;
	if (t->next_plan->recovery) {
		act(a, FTP_DO_SEND)->step = t->step;
		act(a, FTP_DO_RESTORE)->step = t->step;
	}
	if (t->next == FTP_NEXT_MOVING)
		check_states(t, a);
}

static void fetched(struct ftp_transition *t, const struct ftp_transition_event *e,
	struct ftp_transition_actions *a)
{
	ftp_assert(e->unit < t->next_plan->n_units && ftp_transition_fetches(t, e->unit));
	ftp_assert(!t->fetched[e->unit] && t->n_missing > 0);
	t->fetched[e->unit] = true;
	t->digest[e->unit] = e->digest;
	t->n_missing--;
	if (t->next == FTP_NEXT_MOVING)
		check_states(t, a);
}

static void commit(struct ftp_transition *t, const struct ftp_transition_event *e,
	struct ftp_transition_actions *a)
{
	bool is_stage;

	if (t->next_term != e->term) {
		answer(t, a, FTP_CALL_COMMIT, "term: the one prepared is %" PRIu64, t->next_term);
		return;
	}
	if (t->next == FTP_NEXT_BROKEN) {
		answer(t, a, FTP_CALL_COMMIT, "%s", t->broken);
		return;
	}
	is_stage = ftp_moves_is_stage(t->next_plan, t->next_member);
	if (t->now_plan)
		act(a, FTP_DO_RETIRE);
	act(a, is_stage ? FTP_DO_START : FTP_DO_DROP);
	answer(t, a, FTP_CALL_COMMIT, "%s", "");
	t->now = is_stage ? FTP_NOW_TRAINING : FTP_NOW_IDLE;
	t->now_plan = is_stage ? t->next_plan : NULL;
	t->now_member = is_stage ? t->next_member : FTP_MOVES_NOBODY;
	forget_next(t);
}

static void abandon(struct ftp_transition *t, const struct ftp_transition_event *e,
	struct ftp_transition_actions *a)
{
	char orphaned[sizeof(t->orphaned)];
	uint32_t orphaned_by = t->orphaned_by;

	if (t->now_plan && t->now_plan->term == e->term) {
		answer(t, a, FTP_CALL_ABANDON, "term: %" PRIu64 " is in force", e->term);
		return;
	}
	if (t->next == FTP_NEXT_NONE || t->next_term != e->term) {
		answer(t, a, FTP_CALL_ABANDON, "%s", "");
		return;
	}
	memcpy(orphaned, t->orphaned, sizeof(orphaned));
	answer(t, a, FTP_CALL_PREPARE, "abandoned");
	answer(t, a, FTP_CALL_TRANSFER, "abandoned");
	if (t->next != FTP_NEXT_BROKEN)
		act(a, FTP_DO_DROP);
	forget_next(t);
	if (orphaned[0] && t->now_plan && t->survives) {
		halt_by_itself(t, a, orphaned_by, orphaned);
	} else if (orphaned[0] && t->now != FTP_NOW_FAILED) {
		t->now = FTP_NOW_FAILED;
		snprintf(act(a, FTP_DO_FAIL)->text, sizeof(a->items[0].text), "%s", orphaned);
	} else if (t->now == FTP_NOW_HOLDING || t->now == FTP_NOW_HELD) {
		t->now = FTP_NOW_TRAINING;
		act(a, FTP_DO_RESUME);
	}
	answer(t, a, FTP_CALL_ABANDON, "%s", "");
}

/* A peer that has committed closes the links of the old plan before our commit comes. */
static void now_lost(struct ftp_transition *t, const struct ftp_transition_event *e,
	struct ftp_transition_actions *a)
{
	if (t->next == FTP_NEXT_READY) {
		if (!t->orphaned[0]) {
			snprintf(t->orphaned, sizeof(t->orphaned), "%s", e->text);
			t->orphaned_by = e->peer;
		}
		return;
	}
	if (t->survives) {
		halt_by_itself(t, a, e->peer, e->text);
		return;
	}
	t->now = FTP_NOW_FAILED;
	snprintf(act(a, FTP_DO_FAIL)->text, sizeof(a->items[0].text), "%s%s%s", e->text,
		t->broken[0] ? "; before that, in the next plan: " : "", t->broken);
}

static void halt(struct ftp_transition *t, const struct ftp_transition_event *e,
	struct ftp_transition_actions *a)
{
	char why[256];

	if (e->term <= t->newest_term) {
		answer(t, a, FTP_CALL_HALT,
			"term: %" PRIu64 " is not newer than %" PRIu64 ", the newest here", e->term,
			t->newest_term);
		return;
	}
	t->newest_term = e->term - 1;
	snprintf(why, sizeof(why), "halted: %.200s", e->text);
	stop(t, a, why);
	answer(t, a, FTP_CALL_HALT, "%s", "");
}

static void ended(struct ftp_transition *t, const struct ftp_transition_event *e,
	struct ftp_transition_actions *a)
{
	(void)e;
	(void)a;
	t->now = FTP_NOW_ENDED;
}

/* In which states an event is handled. Elsewhere a call is refused, and a worker's event is one
 * that has been overtaken. */
static const struct {
	unsigned now, next;
	void (*handle)(struct ftp_transition *, const struct ftp_transition_event *,
		struct ftp_transition_actions *);
	const char *refusal; /* calls */
} table[FTP_N_TRANSITION_EVENTS] = {
	[FTP_TRANSITION_PREPARE] = {NOW(IDLE) | NOW(TRAINING) | NOW(HALTED), NEXT(NONE), prepare,
		"this node is not free for another plan"},
	[FTP_TRANSITION_HOLD] = {NOW(TRAINING), NEXT(PREPARED) | NEXT(BROKEN), hold,
		"there is nothing to hold, or no plan is prepared"},
	[FTP_TRANSITION_TRANSFER] = {NOW(IDLE) | NOW(HELD) | NOW(HALTED),
		NEXT(PREPARED) | NEXT(BROKEN), transfer,
		"this node does not stand still with a prepared plan"},
	[FTP_TRANSITION_COMMIT] = {NOW(IDLE) | NOW(HELD) | NOW(HALTED), NEXT(READY) | NEXT(BROKEN),
		commit, "this node is not ready for a commit"},
	[FTP_TRANSITION_ABANDON] = {ANY_NOW, ANY_NEXT, abandon, NULL},
	[FTP_TRANSITION_HALT] = {ANY_NOW & ~NOW(FAILED), ANY_NEXT, halt, "this node has failed"},
	[FTP_TRANSITION_BUILT] = {ANY_NOW, NEXT(BUILDING), built, NULL},
	[FTP_TRANSITION_CONNECTED] = {ANY_NOW, NEXT(CONNECTING), connected, NULL},
	[FTP_TRANSITION_NEXT_FAILED] = {ANY_NOW, UNDER_WAY, next_failed, NULL},
	[FTP_TRANSITION_HOLDING] = {NOW(TRAINING), NEXT(PREPARED) | NEXT(BROKEN), holding, NULL},
	[FTP_TRANSITION_HELD] = {NOW(HOLDING), NEXT(PREPARED) | NEXT(BROKEN), held, NULL},
	[FTP_TRANSITION_RECEIVING] = {ANY_NOW, NEXT(PREPARED) | NEXT(MOVING), receiving, NULL},
	[FTP_TRANSITION_FETCHED] = {ANY_NOW, NEXT(PREPARED) | NEXT(MOVING), fetched, NULL},
	[FTP_TRANSITION_NOW_LOST] = {NOW(TRAINING) | NOW(HOLDING) | NOW(HELD) | NOW(ENDED),
		ANY_NEXT, now_lost, NULL},
	[FTP_TRANSITION_ENDED] = {NOW(TRAINING), ANY_NEXT, ended, NULL},
};

void ftp_transition_init(struct ftp_transition *t, uint32_t node, bool survives)
{
	memset(t, 0, sizeof(*t));
	t->node = node;
	t->survives = survives;
	t->now_member = FTP_MOVES_NOBODY;
	t->next_member = FTP_MOVES_NOBODY;
}

static bool is_repeated_commit(const struct ftp_transition *t, const struct ftp_transition_event *e)
{
	return e->kind == FTP_TRANSITION_COMMIT && t->now_plan && t->now_plan->term == e->term;
}

void ftp_transition_step(struct ftp_transition *t, const struct ftp_transition_event *event,
	struct ftp_transition_actions *actions)
{
	bool is_call = event->kind < (int)FTP_N_TRANSITION_CALLS;
	enum ftp_transition_call call = (enum ftp_transition_call)event->kind;

	actions->n = 0;
	ftp_assert(!t->is_open[FTP_CALL_HOLD] || event->kind == FTP_TRANSITION_HOLDING);
	if (is_call) {
		ftp_assert(!t->is_open[call]);
		t->is_open[call] = true;
	}
	if (table[event->kind].now & 1u << t->now && table[event->kind].next & 1u << t->next)
		table[event->kind].handle(t, event, actions);
	else if (is_repeated_commit(t, event))
		answer(t, actions, call, "%s", "");
	else if (is_call)
		answer(t, actions, call, "%s (%s, %s)", table[event->kind].refusal,
			ftp_now_state_name(t->now), ftp_next_state_name(t->next));
	ftp_transition_check(t);
}
