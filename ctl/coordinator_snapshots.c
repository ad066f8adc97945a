/* Snapshots while a plan is in force: names the step of the next one, and lets nodes free what
 * is no longer worth keeping (ctl/protocol.h says how).
 *
 * All stages must copy the same steps, or no snapshot would ever be whole; so one place names them,
 * a little ahead of the newest step that it knows of. How far ahead is learned: a stage that heard
 * too late doubles it.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ctl/coordinator_state.h"

bool ftp_coordinator_snapshots_are_taken(const struct ftp_coordinator *c)
{
	return c->config->snapshot.every && c->state == FTP_RUN_TRAINING &&
	       !ftp_coordinator_recovering(c);
}

void ftp_coordinator_snapshots_init(struct ftp_coordinator *c)
{
	ftp_catalogue_init(&c->snapshots.catalogue, c->settings.n_units);
	c->snapshots.margin_ns = FTP_SNAPSHOTS_MARGIN_NS;
}

void ftp_coordinator_snapshots_forget(struct ftp_coordinator *c, uint64_t step)
{
	struct ftp_coordinator_snapshots *s = &c->snapshots;

	if (step != s->stable_step && step != s->global_step &&
		!ftp_coordinator_disk_needs(c, step))
		ftp_catalogue_forget(&s->catalogue, step);
}

void ftp_coordinator_snapshots_begin(
	struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a)
{
	struct ftp_coordinator_snapshots *s = &c->snapshots;
	uint64_t global = s->global_step;

	ftp_coordinator_snapshots_forget(c, s->next);
	ftp_catalogue_begin(&s->catalogue, c->plan.term, c->plan_step);
	if (!ftp_catalogue_find(&s->catalogue, s->stable_step))
		s->stable_step = 0;
	if (!ftp_catalogue_has(
		    &s->catalogue, global, ftp_coordinator_central(c), 0, c->plan.n_units)) {
		s->global_step = 0; /* another node is the central one now */
		ftp_coordinator_snapshots_forget(c, global);
	}
	ftp_coordinator_disk_begin(c);
	ftp_coordinator_period_begin(c, now_ns, a);
	s->next = s->past_step = s->period.next_ns = s->period.passed_ns = 0;
	s->period.n_given_up = 0;
	if (!s->stable_step)
		s->period.stable_ns = 0;
	s->at = s->named_step = c->plan_step;
}

void ftp_coordinator_snapshots_adopt(
	struct ftp_coordinator *c, const struct ftp_catalogue_snapshot *snapshot)
{
	struct ftp_coordinator_snapshots *s = &c->snapshots;
	uint64_t before = s->stable_step;
	uint32_t teller;

	if (!ftp_catalogue_find(&s->catalogue, snapshot->step))
		ftp_catalogue_expect(&s->catalogue, snapshot->term, snapshot->step);
	for (uint32_t u = 0; u < c->settings.n_units; u++)
		for (uint32_t i = 0; i < c->n_nodes; i++)
			if (snapshot->holders[u] & FTP_NODE_BIT(i))
				ftp_catalogue_add(&s->catalogue, i, u, snapshot->term,
					snapshot->step, snapshot->digest[u], &teller);
	s->stable_step = snapshot->step;
	s->period.stable_ns = 0;
	ftp_coordinator_snapshots_forget(c, before);
}

void ftp_coordinator_snapshots_lose(struct ftp_coordinator *c, uint32_t node)
{
	ftp_catalogue_lose(&c->snapshots.catalogue, node);
	ftp_coordinator_disk_lose(c, node);
}

void ftp_coordinator_snapshots_at(struct ftp_coordinator *c, uint64_t step)
{
	if (step > c->snapshots.at)
		c->snapshots.at = step;
}

static uint64_t margin_steps(const struct ftp_coordinator *c)
{
	double step_s = ftp_coordinator_period_step_seconds(c);

	if (step_s <= 0)
		return 1;
	return (uint64_t)ceil((double)c->snapshots.margin_ns / (double)FTP_NS_PER_S / step_s);
}

/* After the last step there is nothing to go back for. */
static uint64_t none(const struct ftp_coordinator *c)
{
	return c->last_step + 1;
}

static uint64_t choose(const struct ftp_coordinator *c)
{
	uint64_t every = ftp_coordinator_period(c), due = c->snapshots.named_step + every;
	uint64_t known = c->snapshots.at > c->last_row ? c->snapshots.at : c->last_row;
	uint64_t step = known + 1 + margin_steps(c);

	if (step <= c->snapshots.past_step)
		step = c->snapshots.past_step + 1;
	if (!ftp_coordinator_period_is_auto(c))
		step = (step + every - 1) / every * every;
	else if (step < due)
		step = due;
	return step < c->last_step && !c->snapshots.is_off ? step : none(c);
}

/* The plan goes on under another coordinator: one that is named already must not be named anew. */
void ftp_coordinator_snapshots_resume(struct ftp_coordinator *c)
{
	if (ftp_coordinator_snapshots_are_taken(c))
		c->snapshots.past_step = choose(c);
}

static bool is_due_globally(const struct ftp_coordinator *c, uint64_t step)
{
	uint64_t every = ftp_coordinator_global_period(c), last = c->snapshots.global_step;

	if (!every || every == c->config->snapshot.global_every)
		return every && step / every > last / every;
	return step >= last + every;
}

/* The central node keeps the newest global snapshot as well: without it a chain with two holes
 * leaves nothing. */
static void retain(struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a)
{
	struct ftp_coordinator_snapshots *s = &c->snapshots;
	uint64_t disk = ftp_coordinator_disk_name(c, now_ns, a);

	for (uint32_t i = 0; i < c->n_nodes; i++) {
		struct ftp_retain m = {.term = c->plan.term,
			.next = s->next,
			.global = s->is_global,
			.disk = disk,
			.durable = ftp_coordinator_disk_kept(c)};

		if (!c->nodes[i].live || c->nodes[i].leaving)
			continue;
		if (disk)
			s->disk.put.awaited |= FTP_NODE_BIT(i);
		if (s->stable_step)
			m.step[m.n_steps++] = s->stable_step;
		if (i == ftp_coordinator_central(c) && s->global_step &&
			s->global_step != s->stable_step)
			m.step[m.n_steps++] = s->global_step;
		ftp_actions_call(a, c->nodes[i].conn, FTP_METHOD_RETAIN, ftp_retain_encode(&m),
			m.term, now_ns + FTP_COORDINATOR_COMMIT_NS);
	}
}

/* Before the next one, which is named now. */
static uint64_t n_skipped(const struct ftp_coordinator_snapshots *s, uint64_t every, bool is_auto)
{
	return (is_auto ? (s->next - s->named_step) / every
			: s->next / every - s->named_step / every) -
	       1;
}

void ftp_coordinator_snapshots_name(
	struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a)
{
	struct ftp_coordinator_snapshots *s = &c->snapshots;
	uint64_t every;

	if (!ftp_coordinator_snapshots_are_taken(c))
		return;
	ftp_coordinator_period_look(c, a);
	every = ftp_coordinator_period(c);
	s->next = choose(c);
	s->period.next_ns = s->period.passed_ns = 0;
	if (s->next > c->last_step) {
		s->is_global = false;
	} else {
		s->n_skipped += n_skipped(s, every, ftp_coordinator_period_is_auto(c));
		s->is_global = is_due_globally(c, s->next);
		s->named_step = s->next;
		ftp_catalogue_expect(&s->catalogue, c->plan.term, s->next);
	}
	s->is_spoiled = false;
	s->spoiled_nodes = 0;
	memset(s->is_own_told, 0, sizeof(s->is_own_told));
	retain(c, now_ns, a);
}

/* Those that have not told of replicas that go to them. */
static uint64_t without_replicas(const struct ftp_coordinator *c)
{
	const struct ftp_coordinator_snapshots *s = &c->snapshots;
	uint32_t central = ftp_coordinator_central(c);
	uint64_t nodes = 0;

	for (uint32_t i = 0; i < c->plan.n_stages; i++) {
		const struct ftp_plan_stage *stage = &c->plan.stages[i];
		uint32_t next = c->plan.stages[(i + 1) % c->plan.n_stages].node;

		if (!ftp_catalogue_has(
			    &s->catalogue, s->next, next, stage->first_unit, stage->end_unit))
			nodes |= FTP_NODE_BIT(next);
	}
	if (s->is_global && !ftp_catalogue_has(&s->catalogue, s->next, central, 0, c->plan.n_units))
		nodes |= FTP_NODE_BIT(central);
	return nodes;
}

/* It is late, or it will never be: the next one is not to wait for it. */
static void give_up(struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a)
{
	struct ftp_coordinator_snapshots *s = &c->snapshots;
	uint64_t nodes = ftp_coordinator_stored_untold(c);
	char who[200], why[300];

	ftp_coordinator_list(c, nodes ? nodes : without_replicas(c), who, sizeof(who));
	snprintf(why, sizeof(why), "not all %s %s were told within %llu s",
		nodes ? "units of" : "replicas for", who,
		(unsigned long long)((now_ns - s->period.passed_ns) / FTP_NS_PER_S));
	ftp_actions_log(a, FTP_LOG_WARNING,
		"the snapshot after step %llu is not waited for any longer: %s; the next one is "
		"tried",
		(unsigned long long)s->next, why);
	ftp_coordinator_event(c, "snapshot_given_up",
		json_pack("{s:I, s:s}", "step", (json_int_t)s->next, "why", why), now_ns, a);
	memset(s->period.spent_ns, 0, sizeof(s->period.spent_ns));
	s->period.n_given_up++;
	s->n_skipped += s->stable_step != s->next;
	ftp_coordinator_snapshots_forget(c, s->next);
	ftp_coordinator_snapshots_name(c, now_ns, a);
}

/* Where no next one leads there, the last one belongs on disks too. */
static bool is_last(const struct ftp_coordinator *c)
{
	return ftp_coordinator_snapshots_are_taken(c) && c->snapshots.next == none(c);
}

uint64_t ftp_coordinator_snapshots_deadline(const struct ftp_coordinator *c)
{
	const struct ftp_coordinator_snapshots *s = &c->snapshots;

	if (is_last(c))
		return ftp_coordinator_disk_deadline(c);
	return s->period.passed_ns ? s->period.passed_ns + ftp_coordinator_settle_ns(c)
				   : FTP_NS_NEVER;
}

/* All that is left is to hear of it. While the plan changes training may stand still. */
static bool is_passed(const struct ftp_coordinator *c)
{
	const struct ftp_coordinator_snapshots *s = &c->snapshots;

	return ftp_coordinator_snapshots_are_taken(c) && c->change.phase == FTP_CHANGE_NONE &&
	       s->next && s->at >= s->next;
}

void ftp_coordinator_snapshots_note(struct ftp_coordinator *c, uint64_t now_ns)
{
	struct ftp_coordinator_snapshots *s = &c->snapshots;

	if (!is_passed(c))
		s->period.passed_ns = 0;
	else if (!s->period.passed_ns)
		s->period.passed_ns = now_ns;
}

void ftp_coordinator_snapshots_time(
	struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a)
{
	if (now_ns < ftp_coordinator_snapshots_deadline(c))
		return;
	if (is_last(c))
		ftp_coordinator_snapshots_name(c, now_ns, a);
	else if (is_passed(c))
		give_up(c, now_ns, a);
}

void ftp_coordinator_snapshots_turn(
	struct ftp_coordinator *c, bool is_on, uint64_t now_ns, struct ftp_actions *a)
{
	struct ftp_coordinator_snapshots *s = &c->snapshots;

	if (s->is_off == !is_on)
		return;
	s->is_off = !is_on;
	ftp_actions_log(a, FTP_LOG_INFO, "snapshots are %s: the operator asked for it",
		is_on ? "taken again" : "off; a loss leads back to the last one");
	ftp_coordinator_event(c, "snapshots", json_pack("{s:b}", "on", is_on), now_ns, a);
	if (!is_on || s->next != none(c))
		return;
	s->named_step = s->at; /* none was due before */
	ftp_coordinator_snapshots_name(c, now_ns, a);
}

uint64_t ftp_coordinator_snapshots_age(const struct ftp_coordinator *c)
{
	uint64_t stable = c->snapshots.stable_step;

	return c->last_row > stable ? c->last_row - stable : 0;
}

json_t *ftp_coordinator_snapshots_document(const struct ftp_coordinator *c)
{
	const struct ftp_coordinator_snapshots *s = &c->snapshots;

	if (!c->config->snapshot.every)
		return json_null();
	return json_pack("{s:b, s:I, s:I, s:I, s:f, s:I, s:I, s:o}", "on", !s->is_off,
		"stable_step", (json_int_t)s->stable_step, "global_step",
		(json_int_t)s->global_step, "age_steps",
		(json_int_t)ftp_coordinator_snapshots_age(c), "age_seconds",
		ftp_coordinator_age_seconds(c), "period_steps",
		(json_int_t)ftp_coordinator_period(c), "skipped", (json_int_t)s->n_skipped, "disk",
		ftp_coordinator_disk_document(c));
}
