/* What a worker gives to a recovery: states of past steps from its store, to itself and to others.
 */
#include <stdlib.h>

#include "runtime/base/clock.h"
#include "runtime/moves.h"
#include "runtime/worker_state.h"

struct ftp_inventory *ftp_worker_recovery_inventory(const struct ftp_worker *w)
{
	struct ftp_inventory *m = calloc(1, sizeof(*m));
	const struct ftp_snapshot *s = NULL;

	ftp_assert(m);
	while ((s = ftp_snapshots_next(w->snapshots, s)) && m->n < FTP_INVENTORY_MAX) {
		m->unit[m->n] = s->unit;
		m->step[m->n] = s->step;
		m->term[m->n] = s->term;
		m->digest[m->n++] = s->digest;
	}
	if (w->checkpointer)
		ftp_checkpointer_list(w->checkpointer, m);
	return m;
}

void ftp_worker_recovery_has(
	const struct ftp_worker *w, const struct ftp_plan *plan, bool has[FTP_PROTOCOL_MAX_UNITS])
{
	uint64_t step = plan->recovery_step;

	for (uint32_t u = 0; u < plan->n_units; u++)
		has[u] = ftp_snapshots_newest(w->snapshots, u, step) ||
			 (w->checkpointer && ftp_checkpointer_has(w->checkpointer, u, step));
}

void ftp_worker_recovery_fetch(struct ftp_worker *w)
{
	const struct ftp_plan *plan = w->next->plan;
	uint32_t units[FTP_PROTOCOL_MAX_UNITS], n = 0;

	if (!w->checkpointer || !plan->recovery_step)
		return;
	for (uint32_t u = 0; u < plan->n_units; u++)
		if (ftp_moves_holder(plan, u) == w->next->member)
			units[n++] = u;
	ftp_checkpointer_fetch(w->checkpointer, units, n, plan->recovery_step);
}

enum ftp_checkpointer_fetching ftp_worker_recovery_fetched(
	const struct ftp_worker *w, struct ftp_error *err)
{
	return w->checkpointer ? ftp_checkpointer_fetched(w->checkpointer, err)
			       : FTP_CHECKPOINTER_FETCHED;
}

void ftp_worker_recovery_fetch_end(struct ftp_worker *w)
{
	if (w->checkpointer)
		ftp_checkpointer_fetch_end(w->checkpointer);
}

static const struct ftp_snapshot *stored(struct ftp_worker *w, uint32_t unit, uint64_t step)
{
	const struct ftp_snapshot *s = ftp_snapshots_newest(w->snapshots, unit, step);

	if (!s)
		ftp_worker_plan_fails(w, "a state that was in the store is not there any more");
	return s;
}

bool ftp_worker_recovery_fill(struct ftp_worker *w, uint64_t step)
{
	for (uint32_t u = 0; u < w->next->plan->n_units; u++) {
		const struct ftp_snapshot *s;

		if (!ftp_states_sends(w->next->states, u))
			continue;
		s = stored(w, u, step);
		if (!s)
			return false;
		ftp_states_fill(w->next->states, u, s->data);
	}
	return true;
}

void ftp_worker_recovery_restore(struct ftp_worker *w, const struct ftp_transition_action *action)
{
	uint64_t now_ns = ftp_clock_now_ns();

	for (uint32_t u = 0; w->next && u < w->next->plan->n_units; u++) {
		const struct ftp_plan *plan = w->next->plan;
		const struct ftp_snapshot *s;

		if (ftp_moves_holder(plan, u) != w->next->member ||
			ftp_moves_owner(plan, u) != w->next->member)
			continue;
		s = stored(w, u, action->step);
		if (!s)
			return;
		ftp_stage_import(w->next->stage, (int)u, s->data);
		ftp_worker_plan_happen(
			w, &(struct ftp_transition_event){
				   .kind = FTP_TRANSITION_FETCHED, .unit = u, .digest = s->digest});
	}
	w->change.copy_ns = ftp_clock_now_ns() - now_ns;
}
