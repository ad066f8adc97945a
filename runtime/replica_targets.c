#include "runtime/replica_targets.h"

#include "runtime/moves.h"

static int last_stage(const struct ftp_plan *plan)
{
	return (int)plan->n_stages - 1;
}

/* Who gets the units of a stage: the next one, or after the last the central node. */
static int successor(const struct ftp_plan *plan, int stage)
{
	return stage == last_stage(plan) ? 0 : stage + 1;
}

int ftp_replica_targets(const struct ftp_plan *plan, int owner, bool is_global,
	int targets[FTP_REPLICA_MAX_TARGETS])
{
	int n = 0;

	if (plan->n_stages == 1)
		return 0;
	targets[n++] = successor(plan, owner);
	if (is_global && owner != 0 && targets[0] != 0)
		targets[n++] = 0;
	return n;
}

bool ftp_replica_comes_to(const struct ftp_plan *plan, int member, uint32_t unit, bool is_global)
{
	int targets[FTP_REPLICA_MAX_TARGETS];
	int n = ftp_replica_targets(plan, ftp_moves_owner(plan, unit), is_global, targets);

	for (int i = 0; i < n; i++)
		if (targets[i] == member)
			return true;
	return false;
}

void ftp_replica_places(
	const struct ftp_plan *plan, int member, bool is_global, bool is_disk, uint8_t *n)
{
	const uint8_t each = is_disk ? 3 : 2;

	for (uint32_t u = 0; u < plan->n_units; u++) {
		bool is_near = ftp_moves_owner(plan, u) == member ||
			       ftp_replica_comes_to(plan, member, u, false);

		n[u] = is_near || (is_global && ftp_replica_comes_to(plan, member, u, true)) ? each
											     : 0;
		n[u] += is_near && is_global && member == 0 && plan->n_stages > 1;
	}
}
