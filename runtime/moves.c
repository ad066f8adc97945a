#include "runtime/moves.h"

int ftp_moves_n_members(const struct ftp_plan *plan)
{
	return (int)(plan->n_stages + plan->n_leaving);
}

int ftp_moves_member_of(const struct ftp_plan *plan, uint32_t node)
{
	for (int i = 0; i < ftp_moves_n_members(plan); i++)
		if (ftp_plan_member(plan, (uint32_t)i)->node == node)
			return i;
	return FTP_MOVES_NOBODY;
}

bool ftp_moves_is_stage(const struct ftp_plan *plan, int member)
{
	return member >= 0 && member < (int)plan->n_stages;
}

int ftp_moves_holder(const struct ftp_plan *plan, uint32_t unit)
{
	return plan->holder[unit] == FTP_PLAN_INITIAL ? FTP_MOVES_NOBODY : (int)plan->holder[unit];
}

int ftp_moves_owner(const struct ftp_plan *plan, uint32_t unit)
{
	int stage = 0;

	while (unit >= plan->stages[stage].end_unit)
		stage++;
	return stage;
}

bool ftp_moves_travels(const struct ftp_plan *plan, uint32_t unit)
{
	int holder = ftp_moves_holder(plan, unit);

	return holder != FTP_MOVES_NOBODY && holder != ftp_moves_owner(plan, unit);
}

bool ftp_moves_connects_stages(int a, int b)
{
	return a != b && (a == 0 || b == 0 || a - b == 1 || b - a == 1);
}

bool ftp_moves_connects(const struct ftp_plan *plan, int a, int b)
{
	if (a == b)
		return false;
	if (ftp_moves_is_stage(plan, a) && ftp_moves_is_stage(plan, b) &&
		ftp_moves_connects_stages(a, b))
		return true;
	for (uint32_t u = 0; u < plan->n_units; u++) {
		int holder = ftp_moves_holder(plan, u), owner = ftp_moves_owner(plan, u);

		if ((holder == a && owner == b) || (holder == b && owner == a))
			return true;
	}
	return false;
}
