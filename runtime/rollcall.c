#include "runtime/rollcall.h"

#include <stdio.h>

#include "net/silence.h"
#include "runtime/moves.h"

#define WATCHED_FROM 2 /* steps: the update after the first one is done by all */

static uint64_t bit(int peer)
{
	return UINT64_C(1) << peer;
}

static const struct ftp_plan_stage *member(const struct ftp_plan *plan, int peer)
{
	return ftp_plan_member(plan, (uint32_t)peer);
}

/* By which that process was lost; another one on its server was not silent. */
static uint64_t silence_ns(const struct ftp_rollcall *r, const struct ftp_plan_stage *p)
{
	return r->silent[p->node].incarnation == p->incarnation ? r->silent[p->node].silence_ns : 0;
}

static void doubt(struct ftp_rollcall *r, const struct ftp_plan *plan, int peer)
{
	const struct ftp_plan_stage *p = member(plan, peer);
	uint64_t ns = silence_ns(r, p);

	r->silent[p->node].n_calls++;
	if (!plan->recovery || !ns)
		return;
	r->doubted |= bit(peer);
	r->doubted_ns = ns > r->doubted_ns ? ns : r->doubted_ns;
}

void ftp_rollcall_begin(
	struct ftp_rollcall *r, const struct ftp_plan *plan, int self, uint64_t now_ns)
{
	r->unheard = r->doubted = 0;
	r->is_answered = false;
	r->began_ns = now_ns;
	r->doubted_ns = FTP_ROLLCALL_DOUBTED_NS;
	for (int i = 0; i < ftp_moves_n_members(plan); i++) {
		if (!ftp_moves_connects(plan, self, i))
			continue;
		r->unheard |= bit(i);
		doubt(r, plan, i);
	}
}

void ftp_rollcall_heard(
	struct ftp_rollcall *r, const struct ftp_plan *plan, int peer, uint64_t now_ns)
{
	const struct ftp_plan_stage *p = member(plan, peer);

	if (plan->recovery && silence_ns(r, p) && r->silent[p->node].n_calls == 1) {
		r->busy_ns = FTP_SILENCE_TIMES * silence_ns(r, p);
		r->busy_until_ns = now_ns + FTP_SILENCE_MEMORY_NS;
	}
	r->is_answered = true;
	r->unheard &= ~bit(peer);
	r->doubted &= ~bit(peer);
	r->silent[p->node].silence_ns = 0;
}

void ftp_rollcall_left(struct ftp_rollcall *r, int peer, uint64_t now_ns)
{
	r->unheard |= bit(peer);
	r->doubted &= ~bit(peer);
	r->began_ns = now_ns;
}

static uint64_t patience_ns(const struct ftp_rollcall *r)
{
	return r->doubted && r->doubted_ns < FTP_ROLLCALL_NS ? r->doubted_ns : FTP_ROLLCALL_NS;
}

uint64_t ftp_rollcall_deadline_ns(const struct ftp_rollcall *r)
{
	return r->unheard ? r->began_ns + patience_ns(r) : FTP_NS_NEVER;
}

uint64_t ftp_rollcall_unreached(
	const struct ftp_rollcall *r, uint64_t now_ns, char *why, size_t bytes)
{
	if (now_ns < ftp_rollcall_deadline_ns(r))
		return 0;
	snprintf(why, bytes, "did not answer this stage within %.1f s",
		(double)patience_ns(r) / (double)FTP_NS_PER_S);
	if (now_ns >= r->began_ns + FTP_ROLLCALL_NS || !r->is_answered)
		return r->unheard;
	return r->doubted;
}

const char *ftp_rollcall_describe(
	const struct ftp_plan *plan, uint64_t peers, const char *why, char *text, size_t bytes)
{
	size_t at = 0;

	text[0] = 0;
	for (int i = 0; i < ftp_moves_n_members(plan) && at + 80 < bytes; i++)
		if (peers & bit(i))
			at += (size_t)snprintf(text + at, bytes - at, "%s%s", at ? ", " : "",
				member(plan, i)->name);
	snprintf(text + at, bytes - at, " %s", why);
	return text;
}

static void watch(const struct ftp_plan *plan, int self, struct ftp_netloop *net, uint64_t least_ns,
	uint64_t now_ns)
{
	for (int i = 0; i < ftp_moves_n_members(plan); i++)
		if (ftp_moves_connects(plan, self, i))
			ftp_netloop_watch(net, i, least_ns, now_ns);
}

void ftp_rollcall_start(struct ftp_rollcall *r, const struct ftp_plan *plan, int self,
	struct ftp_netloop *net, uint64_t now_ns)
{
	r->n_steps = 0;
	for (int i = 0; i < ftp_moves_n_members(plan); i++)
		r->silent[member(plan, i)->node].silence_ns = 0;
	watch(plan, self, net, FTP_ROLLCALL_NS, now_ns);
}

void ftp_rollcall_stepped(struct ftp_rollcall *r, const struct ftp_plan *plan, int self,
	struct ftp_netloop *net, uint64_t step, uint64_t now_ns)
{
	if (step + plan->n_stages >= plan->last_step)
		ftp_rollcall_rest(r, net);
	else if (++r->n_steps == WATCHED_FROM)
		watch(plan, self, net, now_ns < r->busy_until_ns ? r->busy_ns : 0, now_ns);
}

void ftp_rollcall_rest(struct ftp_rollcall *r, struct ftp_netloop *net)
{
	r->n_steps = 0;
	ftp_netloop_relax(net);
}

void ftp_rollcall_lost(
	struct ftp_rollcall *r, const struct ftp_plan_stage *peer, uint64_t silence_ns)
{
	r->silent[peer->node].incarnation = peer->incarnation;
	r->silent[peer->node].silence_ns = silence_ns;
	r->silent[peer->node].n_calls = 0;
}
