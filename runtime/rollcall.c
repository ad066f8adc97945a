#include "runtime/rollcall.h"

#include <stdio.h>

#include "net/silence.h"
#include "runtime/moves.h"

static uint64_t bit(int peer)
{
	return UINT64_C(1) << peer;
}

/* Of that process: another one on its server was not silent. */
static bool is_known(const struct ftp_rollcall *r, const struct ftp_plan_stage *p)
{
	return r->silent[p->node].incarnation == p->incarnation;
}

static void doubt(struct ftp_rollcall *r, const struct ftp_plan *plan, int peer)
{
	const struct ftp_plan_stage *p = ftp_plan_member(plan, (uint32_t)peer);
	uint64_t silence_ns = is_known(r, p) ? r->silent[p->node].silence_ns : 0;

	if (!plan->recovery || !silence_ns)
		return;
	r->doubted |= bit(peer);
	r->doubted_ns = silence_ns > r->doubted_ns ? silence_ns : r->doubted_ns;
}

void ftp_rollcall_begin(
	struct ftp_rollcall *r, const struct ftp_plan *plan, int self, uint64_t now_ns)
{
	r->unheard = r->doubted = 0;
	r->began_ns = now_ns;
	r->doubted_ns = FTP_ROLLCALL_DOUBTED_NS;
	for (int i = 0; i < ftp_moves_n_members(plan); i++) {
		if (!ftp_moves_connects(plan, self, i))
			continue;
		r->unheard |= bit(i);
		doubt(r, plan, i);
	}
}

void ftp_rollcall_heard(struct ftp_rollcall *r, const struct ftp_plan *plan, int peer)
{
	const struct ftp_plan_stage *p = ftp_plan_member(plan, (uint32_t)peer);

	r->unheard &= ~bit(peer);
	r->doubted &= ~bit(peer);
	if (is_known(r, p) && r->silent[p->node].silence_ns && !r->silent[p->node].is_unreached)
		r->silent[p->node].least_ns = FTP_SILENCE_TIMES * r->silent[p->node].silence_ns;
	r->silent[p->node].silence_ns = 0;
}

void ftp_rollcall_left(struct ftp_rollcall *r, int peer, uint64_t now_ns)
{
	r->unheard |= bit(peer);
	r->began_ns = now_ns;
}

void ftp_rollcall_silent(
	struct ftp_rollcall *r, const struct ftp_plan_stage *peer, uint64_t silence_ns)
{
	if (!is_known(r, peer))
		r->silent[peer->node].least_ns = 0;
	r->silent[peer->node].incarnation = peer->incarnation;
	r->silent[peer->node].silence_ns = silence_ns;
	r->silent[peer->node].is_unreached = false;
}

void ftp_rollcall_watch(const struct ftp_rollcall *r, const struct ftp_plan *plan, int self,
	struct ftp_netloop *net, uint64_t now_ns)
{
	for (int i = 0; i < ftp_moves_n_members(plan); i++) {
		const struct ftp_plan_stage *p = ftp_plan_member(plan, (uint32_t)i);

		if (ftp_moves_connects(plan, self, i))
			ftp_netloop_watch(
				net, i, is_known(r, p) ? r->silent[p->node].least_ns : 0, now_ns);
	}
}

static uint64_t patience_ns(const struct ftp_rollcall *r)
{
	return r->doubted && r->doubted_ns < FTP_ROLLCALL_NS ? r->doubted_ns : FTP_ROLLCALL_NS;
}

uint64_t ftp_rollcall_deadline_ns(const struct ftp_rollcall *r)
{
	return r->unheard ? r->began_ns + patience_ns(r) : FTP_NS_NEVER;
}

uint64_t ftp_rollcall_unreached(struct ftp_rollcall *r, const struct ftp_plan *plan,
	uint64_t now_ns, char *why, size_t bytes)
{
	uint64_t peers = now_ns < r->began_ns + FTP_ROLLCALL_NS ? r->doubted : r->unheard;

	if (now_ns < ftp_rollcall_deadline_ns(r))
		return 0;
	snprintf(why, bytes, "did not answer this stage within %.1f s",
		(double)patience_ns(r) / (double)FTP_NS_PER_S);
	for (int i = 0; i < ftp_moves_n_members(plan); i++)
		if (peers & bit(i))
			r->silent[ftp_plan_member(plan, (uint32_t)i)->node].is_unreached = true;
	return peers;
}

const char *ftp_rollcall_describe(
	const struct ftp_plan *plan, uint64_t peers, const char *why, char *text, size_t bytes)
{
	size_t at = 0;

	text[0] = 0;
	for (int i = 0; i < ftp_moves_n_members(plan) && at + 80 < bytes; i++)
		if (peers & bit(i))
			at += (size_t)snprintf(text + at, bytes - at, "%s%s", at ? ", " : "",
				ftp_plan_member(plan, (uint32_t)i)->name);
	snprintf(text + at, bytes - at, " %s", why);
	return text;
}
