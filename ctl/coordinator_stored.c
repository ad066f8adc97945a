/* What nodes tell of the snapshot that is under way: who holds which unit, and what it becomes. */
#include <errno.h>
#include <string.h>

#include "ctl/coordinator_state.h"

#define MARGIN_MOST_NS FTP_NS_PER_S
#define EVENT_NS       FTP_NS_PER_S

uint64_t ftp_coordinator_stored_untold(const struct ftp_coordinator *c)
{
	uint64_t nodes = 0;

	for (uint32_t i = 0; i < c->plan.n_stages; i++) {
		const struct ftp_plan_stage *stage = &c->plan.stages[i];

		for (uint32_t u = stage->first_unit; u < stage->end_unit; u++)
			if (!c->snapshots.is_own_told[u])
				nodes |= FTP_NODE_BIT(stage->node);
	}
	return nodes & ~c->snapshots.spoiled_nodes;
}

/* A plan of one stage has nowhere to send replicas. */
static int n_holders(const struct ftp_coordinator *c)
{
	return c->plan.n_stages > 1 ? 2 : 1;
}

static void spoil(struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a)
{
	struct ftp_coordinator_snapshots *s = &c->snapshots;

	ftp_actions_log(a, FTP_LOG_DEBUG, "the snapshot after step %llu is skipped",
		(unsigned long long)s->next);
	s->n_skipped++;
	memset(s->period.spent_ns, 0, sizeof(s->period.spent_ns)); /* no snapshot cost that */
	s->margin_ns = s->margin_ns < MARGIN_MOST_NS / 2 ? 2 * s->margin_ns : MARGIN_MOST_NS;
	ftp_catalogue_forget(&s->catalogue, s->next);
	ftp_coordinator_snapshots_name(c, now_ns, a);
}

static void settle(struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a)
{
	struct ftp_coordinator_snapshots *s = &c->snapshots;

	s->period.n_given_up -= s->period.n_given_up > 0;
	s->margin_ns = s->margin_ns / 2 > FTP_SNAPSHOTS_MARGIN_NS ? s->margin_ns / 2
								  : FTP_SNAPSHOTS_MARGIN_NS;
	ftp_coordinator_snapshots_name(c, now_ns, a);
}

static void become_stable(struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a)
{
	struct ftp_coordinator_snapshots *s = &c->snapshots;
	uint64_t before = s->stable_step;

	s->stable_step = s->next;
	ftp_coordinator_holdings_stable(c, now_ns, a);
	s->period.stable_ns = s->period.next_ns;
	ftp_coordinator_period_taken(c);
	ftp_coordinator_snapshots_forget(c, before);
	if (s->event_ns && now_ns < s->event_ns + EVENT_NS)
		return;
	s->event_ns = now_ns;
	ftp_coordinator_event(c, "snapshot",
		json_pack("{s:I, s:I, s:I}", "step", (json_int_t)s->stable_step, "at",
			(json_int_t)s->at, "skipped", (json_int_t)s->n_skipped),
		now_ns, a);
}

static void become_global(struct ftp_coordinator *c)
{
	uint64_t before = c->snapshots.global_step;

	c->snapshots.global_step = c->snapshots.next;
	ftp_coordinator_snapshots_forget(c, before);
}

static void look(struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a)
{
	struct ftp_coordinator_snapshots *s = &c->snapshots;

	if (s->stable_step != s->next && !s->is_spoiled &&
		ftp_catalogue_is_stable(&s->catalogue, s->next, n_holders(c)))
		become_stable(c, now_ns, a);
	if (s->is_global && s->global_step != s->next && s->stable_step == s->next &&
		ftp_catalogue_has(
			&s->catalogue, s->next, ftp_coordinator_central(c), 0, c->plan.n_units))
		become_global(c);
	if (ftp_coordinator_stored_untold(c))
		return;
	if (s->is_spoiled)
		spoil(c, now_ns, a);
	else if (s->stable_step == s->next && (!s->is_global || s->global_step == s->next))
		settle(c, now_ns, a);
}

static void take_unit(struct ftp_coordinator *c, uint32_t node, const struct ftp_stored *m,
	uint32_t i, struct ftp_actions *a)
{
	struct ftp_coordinator_snapshots *s = &c->snapshots;
	const struct ftp_plan_stage *stage = c->plan.stages;
	uint32_t unit = m->unit[i], teller;

	while (unit >= stage->end_unit)
		stage++;
	s->is_own_told[unit] |= stage->node == node;
	if (ftp_catalogue_add(&s->catalogue, node, unit, m->term, m->step, m->digest[i], &teller) !=
		FTP_CATALOGUE_CONFLICT)
		return;
	s->is_spoiled = true;
	ftp_actions_log(a, FTP_LOG_ERROR,
		"%s and %s hold different states of unit %u after step %llu: it is not used",
		c->config->nodes[teller].name, c->config->nodes[node].name, unit,
		(unsigned long long)m->step);
}

/* What a stage has of its own units is of a step that it has done, so that the next one named is
 * after it; replicas may come before that. */
static int check_stored(const struct ftp_coordinator *c, uint32_t node, const struct ftp_stored *m,
	struct ftp_error *err)
{
	const struct ftp_plan_stage *s = &c->plan.stages[ftp_coordinator_stage_of(&c->plan, node)];
	uint64_t least = 0;

	for (uint32_t i = 0; i < m->n_units; i++) {
		if (m->unit[i] >= c->plan.n_units)
			return ftp_error_set(err, EPROTO, "unit[%u]: %u, but the model has %u", i,
				m->unit[i], c->plan.n_units);
		if (m->unit[i] >= s->first_unit && m->unit[i] < s->end_unit)
			least = m->step;
	}
	if (m->at >= least && m->at <= c->last_step)
		return 0;
	return ftp_error_set(err, EPROTO, "at: %llu, expected %llu to %llu",
		(unsigned long long)m->at, (unsigned long long)least,
		(unsigned long long)c->last_step);
}

static int take(struct ftp_coordinator *c, uint32_t node, const struct ftp_stored *m,
	uint64_t now_ns, struct ftp_actions *a, struct ftp_error *err)
{
	struct ftp_coordinator_snapshots *s = &c->snapshots;
	int rc = check_stored(c, node, m, err);

	if (rc)
		return rc;
	ftp_coordinator_snapshots_at(c, m->at);
	ftp_coordinator_period_cost(c, node, m->cost_ns);
	if (!m->n_units) {
		s->is_spoiled = true;
		s->spoiled_nodes |= FTP_NODE_BIT(node);
	}
	for (uint32_t i = 0; i < m->n_units; i++)
		take_unit(c, node, m, i, a);
	look(c, now_ns, a);
	return 0;
}

int ftp_coordinator_on_stored(struct ftp_coordinator *c, uint32_t node, const json_t *body,
	uint64_t now_ns, struct ftp_actions *a, struct ftp_error *err)
{
	struct ftp_stored m;
	int rc = ftp_stored_decode(&m, body, err);

	if (rc || !ftp_coordinator_in_training(c, node, m.term, FTP_METHOD_STORED, a))
		return rc;
	if (m.step > c->last_step)
		return ftp_error_set(err, EPROTO, "step: %llu, but the last one is %llu",
			(unsigned long long)m.step, (unsigned long long)c->last_step);
	if (!ftp_coordinator_snapshots_are_taken(c) || !m.step || m.step != c->snapshots.next) {
		ftp_actions_log(a, FTP_LOG_DEBUG, "dropped a late " FTP_METHOD_STORED);
		return 0;
	}
	return take(c, node, &m, now_ns, a, err);
}
