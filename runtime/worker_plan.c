/* Plans come and go: the worker's side of the transition. What happens is told to the state machine
 * of runtime/transition.h; what it answers is done here. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/moves.h"
#include "runtime/worker_state.h"

#define WORD_DEADLINE_NS                                                                           \
	(120 * FTP_NS_PER_S) /* the coordinator is there; it must say something                    \
			      */
#define TIDY_NS FTP_NS_PER_S /* even if the worker is never idle */

static void happen_kind(struct ftp_worker *w, enum ftp_transition_event_kind kind)
{
	ftp_worker_plan_happen(w, &(struct ftp_transition_event){.kind = kind});
}

void ftp_worker_plan_fails(struct ftp_worker *w, const char *why)
{
	ftp_worker_plan_happen(
		w, &(struct ftp_transition_event){.kind = FTP_TRANSITION_NEXT_FAILED, .text = why});
}

static uint64_t since(uint64_t start_ns)
{
	return ftp_clock_now_ns() - start_ns;
}

/* Links are closed by the thread that used them; the rest may take its time. */
static void take_down(struct ftp_worker *w, struct ftp_assembly **a)
{
	uint64_t start_ns = ftp_clock_now_ns();

	if (!*a)
		return;
	ftp_assembly_disconnect(*a, start_ns);
	ftp_log_debug("plan of term %" PRIu64 ": links closed in %.1f ms", (*a)->plan->term,
		(double)since(start_ns) * 1e-6);
	ftp_builder_discard(w->builder, *a);
	*a = NULL;
}

static void do_build(struct ftp_worker *w, const struct ftp_transition_action *action)
{
	(void)action;
	take_down(w, &w->retired); /* its ports are needed */
	w->change = (struct ftp_worker_change){.prepare_ns = ftp_clock_now_ns()};
	ftp_builder_build(w->builder, w->next);
	ftp_worker_recovery_fetch(w);
}

static void do_connect(struct ftp_worker *w, const struct ftp_transition_action *action)
{
	uint64_t now_ns = ftp_clock_now_ns();
	struct ftp_error err;

	(void)action;
	ftp_rollcall_begin(&w->rollcall, w->next->plan, w->next->member, now_ns);
	if (ftp_assembly_connect(w->next, now_ns, &err)) {
		ftp_worker_plan_fails(w, err.text);
		return;
	}
	ftp_log_debug("plan of term %" PRIu64 ": %d links opened in %.1f ms", w->next->plan->term,
		ftp_assembly_n_peers(w->next), (double)since(now_ns) * 1e-6);
}

static void do_hold(struct ftp_worker *w, const struct ftp_transition_action *action)
{
	w->change.hold_ns = ftp_clock_now_ns();
	ftp_rollcall_rest(&w->rollcall, w->now->net);
	ftp_worker_plan_happen(
		w, &(struct ftp_transition_event){.kind = FTP_TRANSITION_HOLDING,
			   .step = ftp_pipeline_hold(w->now->pipeline, action->step)});
}

/* Nothing is sent for a unit without a state. */
static void fetch_empty(struct ftp_worker *w)
{
	const struct ftp_model *model = w->params.model;

	for (uint32_t u = 0; w->next && u < w->next->plan->n_units; u++)
		if (ftp_transition_fetches(&w->transition, u) && !w->transition.fetched[u] &&
			!model->units[u].state_bytes)
			ftp_worker_plan_happen(
				w, &(struct ftp_transition_event){.kind = FTP_TRANSITION_FETCHED,
					   .unit = u,
					   .digest = ftp_states_digest(w->next->states, u)});
}

static void do_receive(struct ftp_worker *w, const struct ftp_transition_action *action)
{
	struct ftp_error err;

	w->change.receive_ns = ftp_clock_now_ns();
	if (ftp_assembly_receive(w->next, action->step, &err)) {
		ftp_worker_plan_fails(w, err.text);
		return;
	}
	happen_kind(w, FTP_TRANSITION_RECEIVING);
	fetch_empty(w);
}

static void do_send(struct ftp_worker *w, const struct ftp_transition_action *action)
{
	uint64_t now_ns = ftp_clock_now_ns();

	w->change.held_ns = now_ns;
	if (w->next->plan->recovery && !ftp_worker_recovery_fill(w, action->step))
		return;
	ftp_states_send(w->next->states, w->now ? w->now->stage : NULL, w->next->net, now_ns);
	w->change.send_ns = since(now_ns);
}

static void do_tell(struct ftp_worker *w, const struct ftp_transition_action *action)
{
	struct ftp_outcome o = {.kind = FTP_OUTCOME_HELD};
	struct ftp_held *held = calloc(1, sizeof(*held));

	ftp_assert(held);
	held->term = w->now->plan->term;
	held->step = action->step;
	for (uint32_t u = 0; w->next && u < w->next->plan->n_units; u++) {
		if (!ftp_states_sends(w->next->states, u))
			continue;
		held->unit[held->n_units] = u;
		held->digest[held->n_units++] = ftp_states_digest(w->next->states, u);
	}
	o.held = held;
	ftp_worker_report(w, &o);
}

static void do_copy(struct ftp_worker *w, const struct ftp_transition_action *action)
{
	uint64_t now_ns = ftp_clock_now_ns();

	(void)action;
	ftp_assembly_copy(w->next, w->now);
	w->change.copy_ns = since(now_ns);
}

static void do_halt(struct ftp_worker *w, const struct ftp_transition_action *action)
{
	(void)action;
	take_down(w, &w->now);
	take_down(w, &w->retired);
	ftp_worker_train_halt(w);
	w->word_ns = ftp_clock_now_ns();
}

static void do_complain(struct ftp_worker *w, const struct ftp_transition_action *action)
{
	const struct ftp_outcome o = {.kind = FTP_OUTCOME_LOST,
		.term = action->term,
		.peer = action->peer,
		.silence_ns = w->rollcall.silent[action->peer].silence_ns,
		.text = strdup(action->text)};

	ftp_log_warn("%s", action->text);
	ftp_worker_report(w, &o);
}

static void do_retire(struct ftp_worker *w, const struct ftp_transition_action *action)
{
	(void)action;
	ftp_assert(!w->retired);
	w->retired = w->now;
	w->retired_ns = ftp_clock_now_ns();
	w->now = NULL;
}

static void do_start(struct ftp_worker *w, const struct ftp_transition_action *action)
{
	const struct ftp_worker_change *c = &w->change;
	uint64_t now_ns = ftp_clock_now_ns();

	(void)action;
	w->now = w->next;
	w->next = NULL;
	if (w->now->plan->recovery)
		ftp_snapshots_cut(w->snapshots, w->now->plan->recovery_step);
	ftp_assembly_start(w->now, w->snapshots, &w->replica_stats);
	if (w->transition.survives) /* a false alarm costs a recovery; else it would be the run */
		ftp_rollcall_start(&w->rollcall, w->now->plan, w->now->member, w->now->net, now_ns);
	ftp_worker_train_begin(w, now_ns);
	if (c->held_ns)
		ftp_log_debug("plan of term %" PRIu64
			      ": stood still %.1f ms: send %.1f, copy %.1f, "
			      "import %.1f; %" PRIu64 " bytes received",
			w->now->plan->term, (double)(now_ns - c->held_ns) * 1e-6,
			(double)c->send_ns * 1e-6, (double)c->copy_ns * 1e-6,
			(double)c->import_ns * 1e-6, c->received_bytes);
}

static void do_drop(struct ftp_worker *w, const struct ftp_transition_action *action)
{
	(void)action;
	ftp_worker_recovery_fetch_end(w);
	take_down(w, &w->next);
}

static void do_resume(struct ftp_worker *w, const struct ftp_transition_action *action)
{
	(void)action;
	ftp_pipeline_resume(w->now->pipeline);
}

static uint64_t later_than(uint64_t ns, uint64_t start_ns)
{
	return ns > start_ns ? ns - start_ns : 0;
}

static void do_answer(struct ftp_worker *w, const struct ftp_transition_action *action)
{
	const struct ftp_transition *t = &w->transition;
	struct ftp_outcome o = {
		.kind = FTP_OUTCOME_ANSWERED, .call = action->call, .step = action->step};
	struct ftp_stage_memory m;

	w->word_ns = ftp_clock_now_ns();
	if (action->text[0]) {
		o.text = strdup(action->text);
	} else if (action->call == FTP_CALL_PREPARE) {
		o.term = t->next_plan->term;
		if (w->next->stage) {
			m = ftp_stage_memory(w->next->stage);
			o.memory_bytes = ftp_stage_memory_bytes(&m);
			if (w->next->places)
				o.memory_bytes += ftp_snapshot_places_bytes(w->next->places);
		}
	} else if (action->call == FTP_CALL_TRANSFER) {
		o.term = t->next_plan->term;
		o.received_bytes = w->change.received_bytes;
		o.receive_ns = later_than(w->change.last_byte_ns, w->change.transfer_ns);
		o.import_ns = w->change.import_ns;
	} else {
		o.term = t->now_plan ? t->now_plan->term : 0;
	}
	if (!o.text && action->call == FTP_CALL_HALT)
		o.inventory = ftp_worker_recovery_inventory(w);
	ftp_worker_report(w, &o);
}

static void do_fail(struct ftp_worker *w, const struct ftp_transition_action *action)
{
	ftp_worker_fail(w, "%s", action->text);
}

static void note_state(struct ftp_worker *w)
{
	const struct ftp_transition *t = &w->transition;
	char text[FTP_RECORDER_TEXT];

	snprintf(text, sizeof(text), "%s/%s", ftp_now_state_name(t->now),
		ftp_next_state_name(t->next));
	ftp_worker_note(w, FTP_RECORD_STATE, ftp_clock_now_ns(), text,
		t->next_term  ? t->next_term
		: t->now_plan ? t->now_plan->term
			      : 0,
		t->step);
}

void ftp_worker_plan_happen(struct ftp_worker *w, const struct ftp_transition_event *e)
{
	static void (*const deeds[])(struct ftp_worker *, const struct ftp_transition_action *) = {
		[FTP_DO_BUILD] = do_build,
		[FTP_DO_CONNECT] = do_connect,
		[FTP_DO_HOLD] = do_hold,
		[FTP_DO_RECEIVE] = do_receive,
		[FTP_DO_SEND] = do_send,
		[FTP_DO_TELL] = do_tell,
		[FTP_DO_COPY] = do_copy,
		[FTP_DO_RESTORE] = ftp_worker_recovery_restore,
		[FTP_DO_RETIRE] = do_retire,
		[FTP_DO_HALT] = do_halt,
		[FTP_DO_COMPLAIN] = do_complain,
		[FTP_DO_START] = do_start,
		[FTP_DO_DROP] = do_drop,
		[FTP_DO_RESUME] = do_resume,
		[FTP_DO_ANSWER] = do_answer,
		[FTP_DO_FAIL] = do_fail,
	};
	const struct ftp_transition *t = &w->transition;
	enum ftp_now_state now = t->now;
	enum ftp_next_state next = t->next;
	struct ftp_transition_actions actions;

	ftp_transition_step(&w->transition, e, &actions);
	if (t->now != now || t->next != next)
		note_state(w);
	for (int i = 0; i < actions.n; i++)
		deeds[actions.items[i].kind](w, &actions.items[i]);
}

static void prepare(struct ftp_worker *w, struct ftp_plan *plan)
{
	bool has[FTP_PROTOCOL_MAX_UNITS];
	struct ftp_transition_event e = {.kind = FTP_TRANSITION_PREPARE, .plan = plan, .has = has};
	const struct ftp_assembly_spec spec = {.config = w->params.config,
		.model = w->params.model,
		.dataset = w->params.dataset,
		.region = w->params.region,
		.node = w->params.node,
		.net_core = w->params.net_core,
		.waker = &w->waker,
		.impair = w->impair,
		.is_drill = w->params.is_drill};

	ftp_worker_recovery_has(w, plan, has);
	if (!w->next && ftp_moves_member_of(plan, (uint32_t)w->params.node) != FTP_MOVES_NOBODY) {
		w->next = ftp_assembly_new(&spec, plan);
		ftp_worker_plan_happen(w, &e);
		if (w->transition.next_plan == plan)
			return;
		ftp_assembly_free(w->next);
		w->next = NULL;
		return;
	}
	ftp_worker_plan_happen(w, &e);
	free(plan);
}

void ftp_worker_plan_command(struct ftp_worker *w, struct ftp_command *c, uint64_t now_ns)
{
	static const enum ftp_transition_event_kind kinds[] = {
		[FTP_COMMAND_PREPARE] = FTP_TRANSITION_PREPARE,
		[FTP_COMMAND_HOLD] = FTP_TRANSITION_HOLD,
		[FTP_COMMAND_TRANSFER] = FTP_TRANSITION_TRANSFER,
		[FTP_COMMAND_COMMIT] = FTP_TRANSITION_COMMIT,
		[FTP_COMMAND_ABANDON] = FTP_TRANSITION_ABANDON,
		[FTP_COMMAND_HALT] = FTP_TRANSITION_HALT,
	};

	w->word_ns = now_ns;
	if (c->kind == FTP_COMMAND_PREPARE) {
		prepare(w, c->plan);
		return;
	}
	if (c->kind == FTP_COMMAND_TRANSFER)
		w->change.transfer_ns = now_ns;
	ftp_worker_plan_happen(w, &(struct ftp_transition_event){.kind = kinds[c->kind],
					  .transfer = c->transfer,
					  .term = c->term,
					  .step = c->step,
					  .text = c->reason});
	free(c->transfer);
}

static bool take_built(struct ftp_worker *w)
{
	const struct ftp_assembly *a = ftp_builder_take(w->builder);

	if (!a)
		return false;
	ftp_assert(a == w->next);
	if (a->failed) {
		ftp_worker_plan_fails(w, a->err.text);
		return true;
	}
	ftp_log_debug("plan of term %" PRIu64 ": built in %.1f ms", a->plan->term,
		(double)since(w->change.prepare_ns) * 1e-6);
	happen_kind(w, FTP_TRANSITION_BUILT);
	return true;
}

void ftp_worker_plan_unreached(struct ftp_worker *w, int member, const char *text)
{
	const struct ftp_outcome o = {.kind = FTP_OUTCOME_LOST,
		.term = w->next->plan->term,
		.peer = ftp_plan_member(w->next->plan, (uint32_t)member)->node,
		.text = strdup(text)};

	ftp_worker_report(w, &o);
}

static bool name_unreached(struct ftp_worker *w, uint64_t now_ns)
{
	char text[256], why[64];
	uint64_t peers = ftp_rollcall_unreached(&w->rollcall, now_ns, why, sizeof(why));

	if (!peers)
		return false;
	for (int i = 0; i < ftp_moves_n_members(w->next->plan); i++)
		if (peers & UINT64_C(1) << i)
			ftp_worker_plan_unreached(w, i, why);
	ftp_worker_plan_fails(
		w, ftp_rollcall_describe(w->next->plan, peers, why, text, sizeof(text)));
	return true;
}

/* A plan is prepared when its stage is built, its peers are heard, and what this node is to give to
 * it is in the store: they come about beside each other, while commands and links are served. */
static bool go_on_preparing(struct ftp_worker *w, uint64_t now_ns)
{
	enum ftp_checkpointer_fetching fetching;
	struct ftp_error err;

	if (name_unreached(w, now_ns))
		return true;
	fetching = ftp_worker_recovery_fetched(w, &err);
	if (fetching == FTP_CHECKPOINTER_NOT_FETCHED) {
		ftp_worker_plan_fails(w, err.text);
		return true;
	}
	if (w->rollcall.unheard || fetching || w->transition.next == FTP_NEXT_BUILDING)
		return false;
	happen_kind(w, FTP_TRANSITION_CONNECTED);
	return true;
}

bool ftp_worker_plan_turn(struct ftp_worker *w, uint64_t now_ns)
{
	bool worked = false;

	if (w->transition.next == FTP_NEXT_BUILDING)
		worked = take_built(w);
	if (w->transition.is_open[FTP_CALL_PREPARE])
		worked |= go_on_preparing(w, now_ns);
	if (w->transition.now == FTP_NOW_HOLDING && ftp_pipeline_is_held(w->now->pipeline)) {
		happen_kind(w, FTP_TRANSITION_HELD);
		worked = true;
	}
	if (ftp_transition_awaits_word(&w->transition) && now_ns > w->word_ns + WORD_DEADLINE_NS)
		ftp_worker_fail(w,
			"stands still (%s, %s), and the coordinator has said nothing for "
			"%llu s",
			ftp_now_state_name(w->transition.now),
			ftp_next_state_name(w->transition.next), WORD_DEADLINE_NS / FTP_NS_PER_S);
	return worked;
}

bool ftp_worker_plan_tidy(struct ftp_worker *w, bool is_idle, uint64_t now_ns)
{
	if (!w->retired || (!is_idle && now_ns < w->retired_ns + TIDY_NS))
		return false;
	take_down(w, &w->retired);
	return true;
}

void ftp_worker_plan_ended(struct ftp_worker *w)
{
	happen_kind(w, FTP_TRANSITION_ENDED);
}

void ftp_worker_plan_tear_down(struct ftp_worker *w)
{
	struct ftp_assembly *const all[] = {w->now, w->next, w->retired};
	bool is_building = w->transition.next == FTP_NEXT_BUILDING;

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (all[i])
			ftp_assembly_disconnect(all[i], ftp_clock_now_ns());
	ftp_gather_free(w->gather);
	ftp_builder_stop(w->builder);
	ftp_model_writer_stop(w->writer);
	ftp_assembly_free(w->now);
	ftp_assembly_free(w->retired);
	if (!is_building)
		ftp_assembly_free(w->next);
	ftp_worker_snapshots_close(w);
}
