/* The coordinator's part in snapshots, as far as tests of workers need it. */
#include <string.h>

#include "runtime/moves.h"
#include "tests/base/check.h"
#include "tests/runtime/worker_rig.h"

/* To all nodes, also those that have no stage. */
static void announce(struct rig *r)
{
	struct rig_snapshots *s = &r->snapshots;
	struct ftp_command c = {.kind = FTP_COMMAND_RETAIN, .retain = {.term = r->plan.term}};

	s->is_global =
		s->global_every && s->next / s->global_every > s->global_step / s->global_every;
	s->is_spoiled = false;
	s->told = 0;
	memset(s->holders, 0, sizeof(s->holders));
	c.retain.next = s->next;
	c.retain.global = s->is_global;
	if (s->stable_step)
		c.retain.step[c.retain.n_steps++] = s->stable_step;
	if (s->has_disk && !s->disk_awaited)
		c.retain.disk = s->stable_step;
	for (int i = 0; i < RIG_NODES; i++) {
		if (!r->nodes[i].worker)
			continue;
		if (i == 0 && s->global_step && s->global_step != s->stable_step)
			c.retain.step[c.retain.n_steps++] = s->global_step;
		rig_call(r, i, &c);
		s->disk_awaited |= (uint32_t)(c.retain.disk > 0) << i;
		c.retain.n_steps = s->stable_step > 0;
	}
}

void rig_snapshots_name(struct rig *r)
{
	struct rig_snapshots *s = &r->snapshots;

	s->is_owed = s->is_late && s->next && !s->is_owed && ++s->n_named % 3 == 0;
	if (s->is_owed)
		return;
	s->next = (r->last_row + s->lead + s->every) / s->every * s->every;
	announce(r);
}

static bool is_stable(const struct rig *r)
{
	const struct rig_snapshots *s = &r->snapshots;
	int least = r->plan.n_stages > 1 ? 2 : 1;

	for (uint32_t u = 0; u < r->plan.n_units; u++)
		if (__builtin_popcount(s->holders[u]) < least ||
			(s->is_global && !(s->holders[u] & 1)))
			return false;
	return true;
}

static void settle(struct rig *r)
{
	struct rig_snapshots *s = &r->snapshots;

	for (uint32_t i = 0; i < r->plan.n_stages; i++) {
		bool all = true;

		for (uint32_t u = r->plan.stages[i].first_unit; u < r->plan.stages[i].end_unit; u++)
			all &= s->holders[u] >> r->plan.stages[i].node & 1;
		s->told |= (uint32_t)all << i;
	}
	if (s->told != (1u << r->plan.n_stages) - 1 || (!s->is_spoiled && !is_stable(r)))
		return;
	if (s->is_spoiled) {
		s->n_spoiled++;
	} else {
		s->n_stable++;
		s->stable_step = s->next;
		if (s->is_global) {
			s->n_global++;
			s->global_step = s->next;
		}
	}
	rig_snapshots_name(r);
}

static void take_persisted(struct rig *r, int node)
{
	struct rig_snapshots *s = &r->snapshots;
	struct ftp_persisted m;

	while (r->nodes[node].worker && ftp_worker_persisted(r->nodes[node].worker, &m)) {
		s->disk_awaited &= ~(1u << node);
		s->n_puts += m.ok;
		if (!m.ok)
			print_message("%s\n", m.text);
	}
}

void rig_snapshots_take(struct rig *r, int node)
{
	struct rig_snapshots *s = &r->snapshots;
	struct ftp_replica_news n;

	take_persisted(r, node);
	if (s->is_owed && r->last_row > s->next + 1) {
		s->next++;
		s->is_owed = false;
		announce(r);
	}
	while (r->nodes[node].worker && ftp_worker_news(r->nodes[node].worker, &n)) {
		if (n.term != r->plan.term || n.step != s->next)
			continue;
		if (n.unit == FTP_REPLICA_SPOILED) {
			s->is_spoiled = true;
			s->told |= 1u << ftp_moves_member_of(&r->plan, (uint32_t)node);
		} else {
			if (s->holders[n.unit])
				assert_memory_equal(
					&s->digest[n.unit], &n.digest, sizeof(n.digest));
			s->digest[n.unit] = n.digest;
			s->holders[n.unit] |= 1u << node;
		}
		settle(r);
	}
}
