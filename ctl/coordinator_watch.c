/* Changes of the plan that nobody asked for. */
#include <stdio.h>
#include <string.h>

#include "ctl/coordinator_state.h"

void ftp_coordinator_joined_late(
	struct ftp_coordinator *c, uint32_t node, uint64_t now_ns, struct ftp_actions *a)
{
	(void)now_ns, (void)a;
	c->newcomers |= FTP_NODE_BIT(node);
}

static bool may_change(const struct ftp_coordinator *c, enum ftp_change_cause cause)
{
	return !ftp_coordinator_change_check(c, NULL) && c->last_row >= c->retry_step[cause];
}

static void plan_for_newcomers(struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a)
{
	struct ftp_planner_plan target;
	struct ftp_error err;
	char who[200], reason[256];

	c->newcomers &= ftp_coordinator_usable(c);
	if (!c->newcomers)
		return;
	ftp_coordinator_list(c, c->newcomers, who, sizeof(who));
	c->newcomers = 0;
	if (ftp_coordinator_plan_again(c, &target, &err)) {
		ftp_actions_log(a, FTP_LOG_WARNING, "no plan with %s: %s", who, err.text);
		return;
	}
	snprintf(reason, sizeof(reason), "%s joined", who);
	if (!ftp_coordinator_in_force(c, &target))
		ftp_coordinator_change_begin(c, FTP_CAUSE_JOIN, reason, &target, now_ns, a);
}

void ftp_coordinator_watch(struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a)
{
	if (may_change(c, FTP_CAUSE_JOIN))
		plan_for_newcomers(c, now_ns, a);
}
