#include "runtime/standing.h"

void ftp_standing_prepare(struct ftp_standing *s, uint64_t term)
{
	s->next_term = term;
}

void ftp_standing_halt(struct ftp_standing *s, uint64_t term)
{
	if (term > s->newest_term)
		s->newest_term = term;
}

/* A repeated commit changes nothing; one of a plan without a stage here leaves none in force. */
static bool commit(struct ftp_standing *s, uint64_t term)
{
	if (term && term == s->term && !s->is_halted)
		return false;
	s->term = term;
	s->next_term = 0;
	s->is_halted = false;
	return true;
}

bool ftp_standing_answered(
	struct ftp_standing *s, enum ftp_transition_call call, uint64_t term, bool is_refused)
{
	if (is_refused) {
		s->next_term = call == FTP_CALL_PREPARE ? 0 : s->next_term;
		return false;
	}
	switch (call) {
	case FTP_CALL_PREPARE:
		s->newest_term = term > s->newest_term ? term : s->newest_term;
		return false;
	case FTP_CALL_COMMIT:
		return commit(s, term);
	case FTP_CALL_HALT:
		s->term = s->next_term = 0;
		return false;
	case FTP_CALL_ABANDON:
		s->next_term = 0;
		return false;
	default:
		return false;
	}
}

void ftp_standing_lose_peer(struct ftp_standing *s)
{
	s->is_halted = true;
	s->next_term = 0;
}

static void orphan(uint64_t *call)
{
	if (*call)
		*call = FTP_STANDING_ORPHAN;
}

bool ftp_standing_lose_coordinator(struct ftp_standing *s)
{
	orphan(&s->profile_call);
	orphan(&s->probe_call);
	orphan(&s->inventory_call);
	for (int i = 0; i < FTP_N_TRANSITION_CALLS; i++)
		orphan(&s->calls[i]);
	return s->calls[FTP_CALL_PREPARE] && !s->calls[FTP_CALL_ABANDON];
}

bool ftp_standing_is_busy(const struct ftp_standing *s)
{
	return s->profile_call || s->probe_call || s->inventory_call ||
	       s->calls[FTP_CALL_PREPARE] || s->calls[FTP_CALL_HOLD] || s->calls[FTP_CALL_COMMIT] ||
	       s->calls[FTP_CALL_ABANDON] || s->calls[FTP_CALL_HALT];
}

void ftp_standing_tell(
	const struct ftp_standing *s, const struct ftp_ledger *ledger, struct ftp_join *m)
{
	bool has_rows = s->term && s->row_term == s->term;

	m->run = s->run;
	m->term = s->is_halted ? 0 : s->term;
	m->next_term = s->next_term;
	m->newest_term = s->newest_term;
	m->step = ledger->progress.step;
	m->first_row = has_rows ? ledger->first_row : 0;
}
