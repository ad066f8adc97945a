/* Puts stable snapshots on the nodes' disks (ctl/protocol.h says how), and knows the newest one of
 * which every unit is durable somewhere. A node that cannot put its part is no reason to wait, nor
 * to stop: each unit has other holders, and there will be another snapshot. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ctl/coordinator_state.h"

#define EVENT_NS FTP_NS_PER_S

#define LL(x) ((unsigned long long)(x))

/* A step after the one gone back to before may be in the nodes' memory only: that stays pinned. */
static void go_back(struct ftp_coordinator_snapshots *s, uint64_t step)
{
	if (!s->disk.back_step || step < s->disk.back_step)
		s->disk.back_step = step;
}

void ftp_coordinator_disk_begin(struct ftp_coordinator *c)
{
	struct ftp_coordinator_snapshots *s = &c->snapshots;

	if (!ftp_catalogue_find(&s->catalogue, s->disk_step))
		s->disk_step = 0;
	if (c->plan.recovery && !s->disk_step)
		go_back(s, c->plan.recovery_step);
	if (!ftp_catalogue_find(&s->catalogue, s->disk.put.step))
		s->disk.put.step = 0;
	if (s->disk.named_step > c->plan_step)
		s->disk.named_step = s->disk_step;
}

uint64_t ftp_coordinator_disk_kept(const struct ftp_coordinator *c)
{
	const struct ftp_coordinator_snapshots *s = &c->snapshots;

	if (!c->config->checkpoint.every)
		return 0;
	return s->disk_step ? s->disk_step : s->disk.back_step;
}

bool ftp_coordinator_disk_needs(const struct ftp_coordinator *c, uint64_t step)
{
	return step == c->snapshots.disk_step || step == c->snapshots.disk.put.step;
}

static bool is_whole(const struct ftp_coordinator *c)
{
	for (uint32_t u = 0; u < c->settings.n_units; u++)
		if (!c->snapshots.disk.put.nodes[u])
			return false;
	return true;
}

static void become_durable(struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a)
{
	struct ftp_coordinator_snapshots *s = &c->snapshots;
	struct ftp_coordinator_disk *d = &s->disk;
	uint64_t before = s->disk_step;

	s->disk_step = d->put.step;
	d->back_step = 0;
	d->n_durable++;
	ftp_coordinator_journal(c, now_ns, a);
	ftp_coordinator_snapshots_forget(c, before);
	if (d->is_failing)
		ftp_actions_log(a, FTP_LOG_INFO, "the snapshot after step %llu is on disk again",
			LL(s->disk_step));
	d->is_failing = false;
	if (d->event_ns && now_ns < d->event_ns + EVENT_NS)
		return;
	d->event_ns = now_ns;
	ftp_coordinator_event(c, "checkpoint",
		json_pack("{s:I, s:f, s:I}", "step", (json_int_t)s->disk_step, "seconds",
			(double)(now_ns - d->put.begun_ns) / (double)FTP_NS_PER_S, "failed",
			(json_int_t)d->n_failed),
		now_ns, a);
}

/* One line for the first of several, as the cause seldom goes by itself. */
static void fail(struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a)
{
	struct ftp_coordinator_disk *d = &c->snapshots.disk;
	const char *why = d->put.why[0] ? d->put.why : "nodes that held parts of it are lost";

	d->n_failed++;
	ftp_actions_log(a, d->is_failing ? FTP_LOG_DEBUG : FTP_LOG_WARNING,
		"the snapshot after step %llu is not on disk: %s; training goes on, and the next "
		"one is tried",
		LL(d->put.step), why);
	if (!d->is_failing)
		ftp_coordinator_event(c, "checkpoint_failed",
			json_pack("{s:I, s:s}", "step", (json_int_t)d->put.step, "why", why),
			now_ns, a);
	d->is_failing = true;
}

static void look(struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a)
{
	struct ftp_coordinator_snapshots *s = &c->snapshots;
	uint64_t step = s->disk.put.step;

	if (!step)
		return;
	if (s->disk_step != step && is_whole(c))
		become_durable(c, now_ns, a);
	if (s->disk.put.awaited)
		return;
	if (s->disk_step != step)
		fail(c, now_ns, a);
	s->disk.put.step = 0;
	ftp_coordinator_snapshots_forget(c, step);
}

static bool may_put(const struct ftp_coordinator *c)
{
	const struct ftp_coordinator_snapshots *s = &c->snapshots;
	uint64_t every = c->config->checkpoint.every;

	return every && !s->disk.put.step && s->stable_step >= s->disk.named_step + every;
}

uint64_t ftp_coordinator_disk_deadline(const struct ftp_coordinator *c)
{
	const struct ftp_coordinator_disk *d = &c->snapshots.disk;

	if (may_put(c) || (d->put.step && !d->put.awaited))
		return 0;
	return d->put.step ? d->put.begun_ns + FTP_COORDINATOR_PERSIST_NS : FTP_NS_NEVER;
}

static void expire(struct ftp_coordinator *c, uint64_t now_ns)
{
	struct ftp_coordinator_disk *d = &c->snapshots.disk;
	char who[128];

	if (!d->put.awaited || now_ns < ftp_coordinator_disk_deadline(c))
		return;
	ftp_coordinator_list(c, d->put.awaited, who, sizeof(who));
	if (!d->put.why[0])
		snprintf(d->put.why, sizeof(d->put.why), "%s did not tell within %llu s", who,
			FTP_COORDINATOR_PERSIST_NS / FTP_NS_PER_S);
	d->put.awaited = 0;
}

uint64_t ftp_coordinator_disk_name(
	struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a)
{
	struct ftp_coordinator_snapshots *s = &c->snapshots;

	expire(c, now_ns);
	look(c, now_ns, a);
	if (!may_put(c))
		return 0;
	memset(&s->disk.put, 0, sizeof(s->disk.put));
	s->disk.put.step = s->disk.named_step = s->stable_step;
	s->disk.put.term = c->plan.term;
	s->disk.put.begun_ns = now_ns;
	return s->stable_step;
}

void ftp_coordinator_disk_postpone(struct ftp_coordinator *c, uint64_t by_ns)
{
	c->snapshots.disk.put.begun_ns += by_ns;
}

void ftp_coordinator_disk_lose(struct ftp_coordinator *c, uint32_t node)
{
	c->snapshots.disk.put.awaited &= ~FTP_NODE_BIT(node);
}

int ftp_coordinator_on_persisted(struct ftp_coordinator *c, uint32_t node, const json_t *body,
	uint64_t now_ns, struct ftp_actions *a, struct ftp_error *err)
{
	struct ftp_coordinator_disk *d = &c->snapshots.disk;
	const struct ftp_catalogue_snapshot *s;
	struct ftp_persisted m;
	int rc = ftp_persisted_decode(&m, body, err);

	if (rc)
		return rc;
	for (uint32_t i = 0; i < m.n_units; i++)
		if (m.unit[i] >= c->settings.n_units)
			return ftp_error_set(
				err, EPROTO, "put a unit that the model does not have");
	if (!m.step || m.step != d->put.step || m.term != d->put.term ||
		!(d->put.awaited & FTP_NODE_BIT(node))) {
		ftp_actions_log(a, FTP_LOG_DEBUG, "dropped a late " FTP_METHOD_PERSISTED);
		return 0;
	}
	d->put.awaited &= ~FTP_NODE_BIT(node);
	s = ftp_catalogue_find(&c->snapshots.catalogue, m.step);
	for (uint32_t i = 0; s && m.ok && i < m.n_units; i++)
		if (s->holders[m.unit[i]] & FTP_NODE_BIT(node))
			d->put.nodes[m.unit[i]] |= FTP_NODE_BIT(node);
	ftp_coordinator_one_line(m.text);
	if (!m.ok && !d->put.why[0])
		snprintf(d->put.why, sizeof(d->put.why), "%s: %s", c->config->nodes[node].name,
			m.text);
	look(c, now_ns, a);
	return 0;
}

uint64_t ftp_coordinator_disk_age(const struct ftp_coordinator *c)
{
	uint64_t step = c->snapshots.disk_step;

	return c->last_row > step ? c->last_row - step : 0;
}

json_t *ftp_coordinator_disk_document(const struct ftp_coordinator *c)
{
	const struct ftp_coordinator_snapshots *s = &c->snapshots;

	if (!c->config->checkpoint.every)
		return json_null();
	return json_pack("{s:I, s:I, s:I, s:I}", "step", (json_int_t)s->disk_step, "age_steps",
		(json_int_t)ftp_coordinator_disk_age(c), "puts", (json_int_t)s->disk.n_durable,
		"failed", (json_int_t)s->disk.n_failed);
}
