#include <stdlib.h>
#include <string.h>

#include "ctl/jsonrpc.h"
#include "runtime/moves.h"
#include "tests/sim/cluster.h"
#include "tests/sim/node.h"

#define LL(x) ((unsigned long long)(x))

static void happen_kind(struct sim_node *n, enum ftp_transition_event_kind kind)
{
	sim_node_happen(n, &(struct ftp_transition_event){.kind = kind});
}

static void next_fails(struct sim_node *n, const char *why)
{
	sim_cluster_failed(n->cluster, n, why);
	sim_node_happen(
		n, &(struct ftp_transition_event){.kind = FTP_TRANSITION_NEXT_FAILED, .text = why});
}

static struct sim_world *world_of(struct sim_node *n)
{
	return &n->cluster->world;
}

/* It may be served just now, or its process may have frozen. */
static void take_down(struct sim_node *n, struct sim_stage **s)
{
	if (*s) {
		(*s)->next = n->retired;
		n->retired = *s;
	}
	*s = NULL;
}

static void fetch_from_disk(struct sim_node *n)
{
	const struct ftp_plan *plan = &n->next->plan;
	uint32_t units[ORACLE_MAX_UNITS], n_units = 0;

	if (!plan->recovery_step)
		return;
	for (uint32_t u = 0; u < plan->n_units; u++)
		if (ftp_moves_holder(plan, u) == n->next->member)
			units[n_units++] = u;
	sim_node_disk_fetch(n, units, n_units, plan->recovery_step);
}

static void do_build(struct sim_node *n, const struct ftp_transition_action *action)
{
	uint64_t ns = sim_draw(world_of(n), 2 * n->cluster->spec.build_ns);

	(void)action;
	fetch_from_disk(n);
	sim_timer(world_of(n), n->process, world_of(n)->now_ns + ns, SIM_BUILT, n->next->serial);
}

static void await_peers(struct sim_node *n)
{
	uint64_t deadline_ns = ftp_rollcall_deadline_ns(&n->rollcall);

	if (deadline_ns != FTP_NS_NEVER)
		sim_timer(world_of(n), n->process, deadline_ns, SIM_CONNECT_DEADLINE,
			n->next->serial);
}

static void do_connect(struct sim_node *n, const struct ftp_transition_action *action)
{
	(void)action;
	sim_stage_connect(n->next);
	ftp_rollcall_begin(&n->rollcall, &n->next->plan, n->next->member, world_of(n)->now_ns);
	await_peers(n);
}

/* Built, every peer was heard, and what this node is to give is in the store. */
static void connect_if_ready(struct sim_node *n)
{
	if (n->transition.next == FTP_NEXT_CONNECTING && !n->rollcall.unheard &&
		!sim_node_disk_is_fetching(n))
		happen_kind(n, FTP_TRANSITION_CONNECTED);
}

static void do_hold(struct sim_node *n, const struct ftp_transition_action *action)
{
	ftp_rollcall_rest(&n->rollcall, n->now->net);
	sim_node_happen(n, &(struct ftp_transition_event){.kind = FTP_TRANSITION_HOLDING,
				   .step = ftp_schedule_hold(&n->now->schedule, action->step)});
}

void sim_node_take_unit(struct sim_node *n, uint32_t unit)
{
	struct sim_stage *s = n->next;
	const struct ftp_digest digest = ftp_states_digest(s->states, unit);

	ftp_stage_import(&s->compute, (int)unit, ftp_states_data(s->states, unit));
	n->n_moved++;
	if (s->compute.units[unit].step != s->step)
		oracle_fail(&n->cluster->oracle, "%s gets unit %u of step %llu for step %llu",
			n->process->name, unit, LL(s->compute.units[unit].step), LL(s->step));
	sim_node_happen(n, &(struct ftp_transition_event){
				   .kind = FTP_TRANSITION_FETCHED, .unit = unit, .digest = digest});
}

static void do_receive(struct sim_node *n, const struct ftp_transition_action *action)
{
	sim_stage_begin(n->next, action->step);
	happen_kind(n, FTP_TRANSITION_RECEIVING);
}

static const struct ftp_snapshot *stored(struct sim_node *n, uint32_t unit, uint64_t step)
{
	const struct ftp_snapshot *x = sim_node_stored(n, unit, step);

	ftp_assert(x);
	oracle_restores(&n->cluster->oracle, n->process->name, unit, step, x->term);
	return x;
}

static void do_restore(struct sim_node *n, const struct ftp_transition_action *action)
{
	for (uint32_t u = 0; n->next && u < n->next->plan.n_units; u++) {
		const struct ftp_snapshot *x;

		if (ftp_moves_holder(&n->next->plan, u) != n->next->member ||
			ftp_moves_owner(&n->next->plan, u) != n->next->member)
			continue;
		x = stored(n, u, action->step);
		ftp_stage_import(&n->next->compute, (int)u, x->data);
		sim_node_happen(
			n, &(struct ftp_transition_event){
				   .kind = FTP_TRANSITION_FETCHED, .unit = u, .digest = x->digest});
	}
}

static void fill(struct sim_node *n, uint64_t step)
{
	for (uint32_t u = 0; u < n->next->plan.n_units; u++)
		if (ftp_states_sends(n->next->states, u))
			ftp_states_fill(n->next->states, u, stored(n, u, step)->data);
}

/* From the stage as it stands, or from the store. */
static void do_send(struct sim_node *n, const struct ftp_transition_action *action)
{
	if (n->next->plan.recovery)
		fill(n, action->step);
	else
		sim_milestone(
			world_of(n), n->process, "stands still after step %llu", LL(action->step));
	sim_stage_give(n->next, n->now);
}

static void do_tell(struct sim_node *n, const struct ftp_transition_action *action)
{
	struct ftp_held *held = calloc(1, sizeof(*held));

	ftp_assert(held);
	held->term = n->now->plan.term;
	held->step = action->step;
	for (uint32_t u = 0; n->next && u < n->next->plan.n_units; u++) {
		if (!ftp_states_sends(n->next->states, u))
			continue;
		held->unit[held->n_units] = u;
		held->digest[held->n_units++] = ftp_states_digest(n->next->states, u);
	}
	sim_node_progress(n);
	sim_node_say(n, FTP_METHOD_HELD, ftp_held_encode(held));
	free(held);
}

static void do_copy(struct sim_node *n, const struct ftp_transition_action *action)
{
	(void)action;
	sim_stage_copy(n->next, n->now);
}

static void do_halt(struct sim_node *n, const struct ftp_transition_action *action)
{
	(void)action;
	sim_milestone(world_of(n), n->process, "halts in term %llu after step %llu",
		LL(n->now->plan.term), LL(n->now->schedule.updated_step));
	take_down(n, &n->now);
	n->is_gathering = n->finished = false;
}

static void do_complain(struct sim_node *n, const struct ftp_transition_action *action)
{
	struct ftp_lost m = {.term = action->term,
		.node = action->peer,
		.silence_ns = n->rollcall.silent[action->peer].silence_ns};

	snprintf(m.text, sizeof(m.text), "%s", action->text);
	ftp_standing_lose_peer(&n->standing);
	sim_node_progress(n);
	sim_node_say(n, FTP_METHOD_LOST, ftp_lost_encode(&m));
}

static void do_retire(struct sim_node *n, const struct ftp_transition_action *action)
{
	(void)action;
	take_down(n, &n->now);
}

static void do_start(struct sim_node *n, const struct ftp_transition_action *action)
{
	struct oracle *o = &n->cluster->oracle;
	const struct ftp_plan_stage *here;

	(void)action;
	n->now = n->next;
	n->next = NULL;
	here = &n->now->plan.stages[n->now->member];
	sim_milestone(world_of(n), n->process, "begins term %llu after step %llu: units %u-%u",
		LL(n->now->plan.term), LL(n->now->step), here->first_unit, here->end_unit - 1);
	sim_node_snapshots_begin(n);
	n->ledger.progress.step = n->now->step;
	if (!sim_cluster_is_ghost(n->cluster, n) || n->now->plan.term == n->cluster->now_term)
		oracle_starts(o, n->process->name, n->now->plan.term, n->now->step);
	for (uint32_t u = here->first_unit; u < here->end_unit; u++) {
		const struct sim_unit *x = &n->now->compute.units[u];

		if (!x->is_here || x->step != n->now->step)
			oracle_fail(o, "%s begins term %llu after step %llu without unit %u of it",
				n->process->name, LL(n->now->plan.term), LL(n->now->step), u);
		else
			oracle_has(o, n->process->name, u, n->now->step, x->state);
	}
}

static void do_drop(struct sim_node *n, const struct ftp_transition_action *action)
{
	(void)action;
	sim_node_disk_fetch_end(n);
	sim_milestone(
		world_of(n), n->process, "drops the plan of term %llu", LL(n->next->plan.term));
	take_down(n, &n->next);
}

static void do_resume(struct sim_node *n, const struct ftp_transition_action *action)
{
	(void)action;
	sim_milestone(world_of(n), n->process, "goes on under term %llu", LL(n->now->plan.term));
	ftp_schedule_resume(&n->now->schedule);
}

static json_t *prepared_result(struct sim_node *n, const struct ftp_transition_action *action)
{
	(void)action;
	return ftp_prepared_encode(&(struct ftp_prepared){
		.term = n->transition.next_plan->term, .memory_bytes = 1000000});
}

static json_t *hold_result(struct sim_node *n, const struct ftp_transition_action *action)
{
	return ftp_hold_encode(
		&(struct ftp_hold){.term = n->transition.now_plan->term, .step = action->step});
}

static json_t *transfer_result(struct sim_node *n, const struct ftp_transition_action *action)
{
	(void)action;
	n->ready_term = n->transition.next_plan->term;
	return ftp_transferred_encode(&(struct ftp_transferred){
		.term = n->transition.next_plan->term, .bytes = n->n_moved * 1000000});
}

static json_t *commit_result(struct sim_node *n, const struct ftp_transition_action *action)
{
	(void)n, (void)action;
	return json_object();
}

static json_t *abandon_result(struct sim_node *n, const struct ftp_transition_action *action)
{
	(void)n, (void)action;
	return json_object();
}

static json_t *halt_result(struct sim_node *n, const struct ftp_transition_action *action)
{
	struct ftp_inventory *m = sim_node_inventory(n);
	json_t *j = ftp_inventory_encode(m);

	(void)action;
	free(m);
	return j;
}

/* Which plans the node has, for a coordinator that was away. */
static void note_plan(struct sim_node *n, const struct ftp_transition_action *action)
{
	const struct ftp_transition *t = &n->transition;
	const struct ftp_plan *plan = action->call == FTP_CALL_PREPARE ? t->next_plan : t->now_plan;

	if (action->call == FTP_CALL_HALT && !action->text[0])
		sim_node_progress(n);
	if (ftp_standing_answered(
		    &n->standing, action->call, plan ? plan->term : 0, action->text[0]))
		ftp_ledger_forget(&n->ledger);
}

static void do_answer(struct sim_node *n, const struct ftp_transition_action *action)
{
	static json_t *(*const results[])(
		struct sim_node *, const struct ftp_transition_action *) = {
		[FTP_CALL_PREPARE] = prepared_result,
		[FTP_CALL_HOLD] = hold_result,
		[FTP_CALL_TRANSFER] = transfer_result,
		[FTP_CALL_COMMIT] = commit_result,
		[FTP_CALL_ABANDON] = abandon_result,
		[FTP_CALL_HALT] = halt_result,
	};

	note_plan(n, action);
	sim_node_answer(n, action->call, action->text[0] ? NULL : results[action->call](n, action),
		action->text);
}

static void do_fail(struct sim_node *n, const struct ftp_transition_action *action)
{
	sim_node_fail(n, action->text);
}

void sim_node_happen(struct sim_node *n, const struct ftp_transition_event *e)
{
	static void (*const deeds[])(struct sim_node *, const struct ftp_transition_action *) = {
		[FTP_DO_BUILD] = do_build,
		[FTP_DO_CONNECT] = do_connect,
		[FTP_DO_HOLD] = do_hold,
		[FTP_DO_RECEIVE] = do_receive,
		[FTP_DO_SEND] = do_send,
		[FTP_DO_TELL] = do_tell,
		[FTP_DO_COPY] = do_copy,
		[FTP_DO_RESTORE] = do_restore,
		[FTP_DO_RETIRE] = do_retire,
		[FTP_DO_HALT] = do_halt,
		[FTP_DO_COMPLAIN] = do_complain,
		[FTP_DO_START] = do_start,
		[FTP_DO_DROP] = do_drop,
		[FTP_DO_RESUME] = do_resume,
		[FTP_DO_ANSWER] = do_answer,
		[FTP_DO_FAIL] = do_fail,
	};
	struct ftp_transition_actions actions;

	ftp_transition_step(&n->transition, e, &actions);
	for (int i = 0; i < actions.n && n->process->alive; i++)
		deeds[actions.items[i].kind](n, &actions.items[i]);
}

void sim_node_prepare(struct sim_node *n, const struct ftp_plan *plan)
{
	bool has[FTP_PROTOCOL_MAX_UNITS];
	bool may_build = !n->next && ftp_moves_member_of(plan, n->index) != FTP_MOVES_NOBODY;

	n->cluster->fates[n->index][0] = 0;
	if (may_build) {
		n->next = sim_stage_new(n, plan, ++n->n_stages);
		n->n_moved = 0;
		plan = &n->next->plan;
	}
	for (uint32_t u = 0; u < plan->n_units; u++)
		has[u] = sim_node_stored(n, u, plan->recovery_step) ||
			 sim_node_disk_has(n, u, plan->recovery_step);
	sim_node_happen(n, &(struct ftp_transition_event){
				   .kind = FTP_TRANSITION_PREPARE, .plan = plan, .has = has});
	if (may_build && n->next && n->transition.next_plan != plan)
		take_down(n, &n->next);
}

void sim_node_built(struct sim_node *n, uint64_t serial)
{
	if (!n->next || n->next->serial != serial)
		return;
	sim_stage_build(n->next);
	sim_milestone(world_of(n), n->process, "has built its stage of term %llu",
		LL(n->next->plan.term));
	happen_kind(n, FTP_TRANSITION_BUILT);
	connect_if_ready(n);
}

void sim_node_fetched(struct sim_node *n)
{
	if (n->disk.fetch.has_failed)
		next_fails(n, "a unit does not come from the disk");
	else if (n->next)
		connect_if_ready(n);
}

static void tell_unreached(struct sim_node *n, int member, const char *text)
{
	struct ftp_lost m = {.term = n->next->plan.term,
		.node = ftp_plan_member(&n->next->plan, (uint32_t)member)->node};

	if (n->cluster->spec.plant == SIM_PLANT_UNREACHED)
		return;
	snprintf(m.text, sizeof(m.text), "%s", text);
	sim_node_say(n, FTP_METHOD_LOST, ftp_lost_encode(&m));
}

void sim_node_connect_deadline(struct sim_node *n, uint64_t serial)
{
	char text[256], why[64];
	uint64_t peers;

	if (!n->next || n->next->serial != serial)
		return;
	peers = ftp_rollcall_unreached(&n->rollcall, world_of(n)->now_ns, why, sizeof(why));
	if (!peers) {
		await_peers(n);
		return;
	}
	for (int i = 0; i < ftp_moves_n_members(&n->next->plan); i++)
		if (peers & UINT64_C(1) << i)
			tell_unreached(n, i, why);
	next_fails(n, ftp_rollcall_describe(&n->next->plan, peers, why, text, sizeof(text)));
}

void sim_node_met(struct sim_node *n, struct sim_stage *s, int peer)
{
	if (s != n->next)
		return;
	ftp_rollcall_heard(&n->rollcall, &s->plan, peer, world_of(n)->now_ns);
	connect_if_ready(n);
}

static void unlinked_next(
	struct sim_node *n, const struct ftp_netloop_event *e, const char *name, const char *why)
{
	char text[256];

	if (n->transition.is_open[FTP_CALL_PREPARE] && ftp_connection_has_left(&e->event)) {
		ftp_rollcall_left(&n->rollcall, e->peer, world_of(n)->now_ns);
		await_peers(n);
		return;
	}
	if (e->event.reason == FTP_CONNECTION_IDLE_TIMEOUT)
		tell_unreached(n, e->peer, why);
	snprintf(text, sizeof(text), "lost %s: %s", name, why);
	next_fails(n, text);
}

void sim_node_unlinked(struct sim_node *n, struct sim_stage *s, const struct ftp_netloop_event *e)
{
	const struct ftp_plan_stage *peer = ftp_plan_member(&s->plan, (uint32_t)e->peer);
	bool of_next = s == n->next;
	char text[256], why[64];

	if (e->event.reason == FTP_CONNECTION_PROTOCOL)
		oracle_fail(&n->cluster->oracle, "%s gets from %s what contradicts the plan",
			n->process->name, peer->name);
	if (ftp_transition_is_done_with(&n->transition, of_next, e->peer) || n->finished)
		return;
	ftp_connection_describe_loss(&e->event, why, sizeof(why));
	if (of_next) {
		unlinked_next(n, e, peer->name, why);
		return;
	}
	if (e->event.reason == FTP_CONNECTION_IDLE_TIMEOUT)
		ftp_rollcall_lost(&n->rollcall, peer, e->event.silence_ns);
	snprintf(text, sizeof(text), "lost %s: %s", peer->name, why);
	sim_node_happen(
		n, &(struct ftp_transition_event){
			   .kind = FTP_TRANSITION_NOW_LOST, .peer = peer->node, .text = text});
}

void sim_node_stand(struct sim_node *n)
{
	if (n->transition.now == FTP_NOW_HOLDING && ftp_schedule_is_held(&n->now->schedule))
		happen_kind(n, FTP_TRANSITION_HELD);
}
