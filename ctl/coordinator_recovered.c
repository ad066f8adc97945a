/* What a recovery took, told when the first step is done again. */
#include <stdio.h>

#include "ctl/coordinator_state.h"

#define LL(x)	     ((unsigned long long)(x))
#define FALSE_ALARMS 2 /* by each node: 0.8 s, 3.2 s, then FTP_LINK_SILENCE_NS are allowed */

static double seconds(uint64_t from_ns, uint64_t to_ns)
{
	return to_ns > from_ns ? (double)(to_ns - from_ns) / (double)FTP_NS_PER_S : 0;
}

static void measure(struct ftp_coordinator_recovery *r, uint64_t now_ns)
{
	const uint64_t *began_ns = r->began_ns;
	uint64_t settled_ns = r->is_settled ? r->settled_ns : now_ns;

	r->parts_s[FTP_RECOVERY_UNHEARD] = (double)r->unheard_ns / (double)FTP_NS_PER_S;
	r->parts_s[FTP_RECOVERY_HALT] = seconds(r->sign_ns, began_ns[FTP_CHANGE_PREPARING]);
	r->parts_s[FTP_RECOVERY_PREPARE] =
		seconds(began_ns[FTP_CHANGE_PREPARING], began_ns[FTP_CHANGE_TRANSFERRING]);
	r->parts_s[FTP_RECOVERY_TRANSFER] =
		seconds(began_ns[FTP_CHANGE_TRANSFERRING], r->commit_ns);
	r->parts_s[FTP_RECOVERY_COMMIT] = seconds(r->commit_ns, settled_ns);
	r->parts_s[FTP_RECOVERY_FIRST_STEP] = seconds(settled_ns, now_ns);
	r->parts_s[FTP_RECOVERY_TOTAL] = seconds(r->sign_ns, now_ns);
}

/* "n2 (pid 7) was killed by signal 9 (SIGKILL); ...", or the sign where nobody was lost. */
static void tell_fates(const struct ftp_coordinator *c, char *text, size_t bytes)
{
	const struct ftp_coordinator_recovery *r = &c->recovery;
	size_t at = 0;

	snprintf(text, bytes, "%s", r->sign);
	for (uint32_t i = 0; i < c->n_nodes && at + 210 < bytes; i++)
		if (r->victims & FTP_NODE_BIT(i))
			at += (size_t)snprintf(
				text + at, bytes - at, "%s%s", at ? "; " : "", r->fates[i].text);
}

/* A peer was lost by its silence, and had only been busy: nodes allow it more from then on. No step
 * is to blame, unless it goes on for longer than that explains. */
static bool was_false_alarm(struct ftp_coordinator *c)
{
	struct ftp_coordinator_recovery *r = &c->recovery;

	if (!r->unheard_ns || r->unheard_ns >= FTP_LINK_SILENCE_NS || r->victims || r->was_unlinked)
		return false;
	return r->n_false_alarms++ < FALSE_ALARMS * c->n_nodes;
}

void ftp_coordinator_recovery_row(struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a)
{
	struct ftp_coordinator_recovery *r = &c->recovery;
	const double *s = r->parts_s;
	char fates[700], with[128];

	if (!r->is_on || !r->is_committed || ftp_coordinator_recovering(c))
		return;
	r->is_on = false;
	r->n_recoveries++;
	r->n_fatal -= r->n_fatal && was_false_alarm(c);
	r->n_lost_steps += r->from_step - c->plan.recovery_step;
	measure(r, now_ns);
	tell_fates(c, fates, sizeof(fates));
	ftp_coordinator_list(c, ftp_coordinator_stages(&c->plan), with, sizeof(with));
	ftp_actions_log(a, FTP_LOG_INFO,
		"recovered: %s; training goes on after step %llu with %s, %llu steps are done "
		"again; moved %.1f MB; %.0f ms to the first new step: halt %.0f, prepare %.0f, "
		"transfer %.0f, commit %.0f, step %.0f",
		fates, LL(c->plan.recovery_step), with, LL(r->from_step - c->plan.recovery_step),
		(double)r->moved_bytes / 1e6, s[FTP_RECOVERY_TOTAL] * 1e3,
		s[FTP_RECOVERY_HALT] * 1e3, s[FTP_RECOVERY_PREPARE] * 1e3,
		s[FTP_RECOVERY_TRANSFER] * 1e3, s[FTP_RECOVERY_COMMIT] * 1e3,
		s[FTP_RECOVERY_FIRST_STEP] * 1e3);
	ftp_coordinator_event_recovery(c, fates, now_ns, a);
	ftp_coordinator_journal(c, now_ns, a); /* the next one may be far away */
}
