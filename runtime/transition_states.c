#include "runtime/transition_states.h"

#include "runtime/moves.h"

/* The states that may stand beside each other. */
static const unsigned beside[FTP_N_NOW_STATES] = {
	[FTP_NOW_IDLE] = ANY_NEXT,
	[FTP_NOW_TRAINING] =
		NEXT(NONE) | NEXT(BUILDING) | NEXT(CONNECTING) | NEXT(PREPARED) | NEXT(BROKEN),
	[FTP_NOW_HOLDING] = NEXT(PREPARED) | NEXT(BROKEN),
	[FTP_NOW_HELD] = NEXT(PREPARED) | NEXT(MOVING) | NEXT(READY) | NEXT(BROKEN),
	[FTP_NOW_ENDED] =
		NEXT(NONE) | NEXT(BUILDING) | NEXT(CONNECTING) | NEXT(PREPARED) | NEXT(BROKEN),
	[FTP_NOW_HALTED] = ANY_NEXT,
	[FTP_NOW_FAILED] = ANY_NEXT,
};

void ftp_transition_check(const struct ftp_transition *t)
{
	bool is_preparing = t->next == FTP_NEXT_BUILDING || t->next == FTP_NEXT_CONNECTING;

	ftp_assert(beside[t->now] & 1u << t->next);
	ftp_assert((t->now == FTP_NOW_IDLE || t->now == FTP_NOW_HALTED) == !t->now_plan ||
		   t->now == FTP_NOW_FAILED);
	ftp_assert((t->next == FTP_NEXT_NONE) == !t->next_term);
	ftp_assert((t->next == FTP_NEXT_NONE || t->next == FTP_NEXT_BROKEN) == !t->next_plan);
	ftp_assert(!t->now_plan || ftp_moves_is_stage(t->now_plan, t->now_member));
	ftp_assert(!t->now_plan || !t->next_term || t->next_term > t->now_plan->term);
	ftp_assert(t->next != FTP_NEXT_READY || (t->is_receiving && !t->n_missing));
	ftp_assert(t->next != FTP_NEXT_BROKEN || t->broken[0]);
	ftp_assert(!t->orphaned[0] || t->next == FTP_NEXT_READY || t->next == FTP_NEXT_BROKEN);
	ftp_assert(t->is_open[FTP_CALL_PREPARE] == is_preparing);
	ftp_assert(t->is_open[FTP_CALL_TRANSFER] == (t->next == FTP_NEXT_MOVING));
	ftp_assert(!t->is_open[FTP_CALL_COMMIT] && !t->is_open[FTP_CALL_ABANDON] &&
		   !t->is_open[FTP_CALL_HALT]);
}

bool ftp_transition_awaits_word(const struct ftp_transition *t)
{
	const unsigned still = NEXT(PREPARED) | NEXT(READY) | NEXT(BROKEN);

	if (t->now == FTP_NOW_IDLE)
		return still & 1u << t->next;
	return (t->now == FTP_NOW_HALTED || t->now == FTP_NOW_HELD) &&
	       (still | NEXT(NONE)) & 1u << t->next;
}

const char *ftp_now_state_name(enum ftp_now_state s)
{
	static const char *const names[] = {
		"idle", "training", "holding", "held", "ended", "halted", "failed"};

	return names[s];
}

const char *ftp_next_state_name(enum ftp_next_state s)
{
	static const char *const names[] = {"no next plan", "next plan building",
		"next plan connecting", "next plan prepared", "next plan moving", "next plan ready",
		"next plan broken"};

	return names[s];
}

bool ftp_transition_fetches(const struct ftp_transition *t, uint32_t unit)
{
	return ftp_moves_owner(t->next_plan, unit) == t->next_member &&
	       (t->next_plan->recovery ? ftp_moves_holder(t->next_plan, unit) != FTP_MOVES_NOBODY
				       : ftp_moves_travels(t->next_plan, unit));
}

bool ftp_transition_is_done_with(const struct ftp_transition *t, bool of_next, int member)
{
	const struct ftp_plan *plan = of_next ? t->next_plan : t->now_plan;

	if (of_next && t->next != FTP_NEXT_READY)
		return false;
	return plan && !ftp_moves_is_stage(plan, member);
}
