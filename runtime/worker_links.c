/* What comes over the links of both plans. */
#include <stdio.h>

#include "runtime/base/clock.h"
#include "runtime/worker_state.h"

#define MAX_NET_TURNS 16 /* before the next primitive, while packets keep coming */

static void lose_next_peer(
	struct ftp_worker *w, const struct ftp_netloop_event *e, const char *name, const char *why)
{
	char text[256];

	if (w->transition.is_open[FTP_CALL_PREPARE] && ftp_connection_has_left(&e->event)) {
		ftp_rollcall_left(&w->rollcall, e->peer, ftp_clock_now_ns());
		return;
	}
	if (e->event.reason == FTP_CONNECTION_IDLE_TIMEOUT)
		ftp_worker_plan_unreached(w, e->peer, why);
	snprintf(text, sizeof(text), "lost %s: %s", name, why);
	ftp_worker_plan_fails(w, text);
}

static void lose_peer(struct ftp_worker *w, bool of_next, const struct ftp_netloop_event *e)
{
	const struct ftp_assembly *a = of_next ? w->next : w->now;
	const struct ftp_plan_stage *peer = ftp_plan_member(a->plan, (uint32_t)e->peer);
	char text[256], why[64], waiting[128];

	if (ftp_transition_is_done_with(&w->transition, of_next, e->peer) || w->finished || w->file)
		return;
	ftp_connection_describe_loss(&e->event, why, sizeof(why));
	if (of_next) {
		lose_next_peer(w, e, peer->name, why);
		return;
	}
	if (e->event.reason == FTP_CONNECTION_IDLE_TIMEOUT)
		ftp_rollcall_lost(&w->rollcall, peer, e->event.silence_ns);
	ftp_pipeline_describe(a->pipeline, waiting, sizeof(waiting));
	snprintf(text, sizeof(text), "lost %s: %s; this stage was waiting for %s", peer->name, why,
		waiting);
	ftp_worker_plan_happen(
		w, &(struct ftp_transition_event){
			   .kind = FTP_TRANSITION_NOW_LOST, .peer = peer->node, .text = text});
}

static void take_unit(struct ftp_worker *w, const struct ftp_netloop_event *e, int unit)
{
	struct ftp_transition_event fetched = {
		.kind = FTP_TRANSITION_FETCHED, .unit = (uint32_t)unit};
	uint64_t start_ns = ftp_clock_now_ns();

	fetched.digest = ftp_states_digest(w->next->states, fetched.unit);
	ftp_stage_import(w->next->stage, unit, ftp_states_data(w->next->states, fetched.unit));
	w->change.last_byte_ns = start_ns;
	w->change.received_bytes += e->event.bytes;
	w->change.import_ns += ftp_clock_now_ns() - start_ns;
	ftp_worker_plan_happen(w, &fetched);
}

static void note_link(
	struct ftp_worker *w, const struct ftp_assembly *a, const struct ftp_netloop_event *e)
{
	bool is_lost = e->event.kind == FTP_CONNECTION_LOST;

	if (is_lost || e->event.kind == FTP_CONNECTION_ESTABLISHED)
		ftp_worker_note(w, is_lost ? FTP_RECORD_LINK_DOWN : FTP_RECORD_LINK_UP,
			ftp_clock_now_ns(), ftp_plan_member(a->plan, (uint32_t)e->peer)->name,
			a->plan->term, is_lost ? (uint64_t)e->event.reason : 0);
}

static void take_event(struct ftp_worker *w, bool of_next, const struct ftp_netloop_event *e)
{
	struct ftp_assembly *a = of_next ? w->next : w->now;
	int unit;

	note_link(w, a, e);
	if (e->event.kind == FTP_CONNECTION_LOST) {
		lose_peer(w, of_next, e);
	} else if (e->event.kind == FTP_CONNECTION_ESTABLISHED) {
		if (of_next)
			ftp_rollcall_heard(&w->rollcall, a->plan, e->peer, ftp_clock_now_ns());
	} else if (a->replicas && ftp_replicas_event(a->replicas, e)) {
		return;
	} else if (ftp_states_event(a->states, e, &unit)) {
		if (unit >= 0)
			take_unit(w, e, unit);
	} else if (!ftp_pipeline_event(a->pipeline, e)) {
		ftp_assert(w->gather && ftp_gather_event(w->gather, e));
	}
}

/* Whatever an event brings about may end the plan whose links are served. */
static bool serve(struct ftp_worker *w, struct ftp_assembly *const *a, uint64_t now_ns)
{
	bool moved = false;
	struct ftp_netloop_event e;

	if (!*a || !(*a)->net)
		return false;
	moved = ftp_netloop_turn((*a)->net, now_ns) > 0;
	while (*a && (*a)->net && ftp_netloop_next_event((*a)->net, &e)) {
		moved = true;
		take_event(w, a == &w->next, &e);
	}
	return moved;
}

bool ftp_worker_links_serve(struct ftp_worker *w, uint64_t now_ns)
{
	bool worked = false;

	for (int i = 0; i < MAX_NET_TURNS; i++) {
		bool moved = serve(w, &w->now, now_ns);

		moved |= serve(w, &w->next, now_ns);
		worked |= moved;
		if (!moved)
			break; /* this last turn, which found nothing, has sent the owed ACKs */
	}
	return worked;
}
