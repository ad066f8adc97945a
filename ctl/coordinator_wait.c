/* A recovery that cannot go on with those who are there: for whom it waits, in words, and how the
 * operator ends that. The run waits rather than begins anew: what is missing may be on the disk of
 * a server that is only off. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ctl/coordinator_state.h"
#include "ctl/jsonrpc.h"
#include "ctl/protocol_operator.h"

#define LL(x) ((unsigned long long)(x))

/* A line that grows. */
struct line {
	char *text;
	size_t bytes, at;
};

static void say(struct line *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void say(struct line *l, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	l->at += (size_t)vsnprintf(l->text + l->at, l->bytes - l->at, fmt, ap);
	va_end(ap);
	if (l->at >= l->bytes)
		l->at = l->bytes - 1;
}

/* Those that are not tried come first: they may be why. */
static struct line begin(struct ftp_coordinator *c, enum ftp_wait_kind kind)
{
	struct ftp_coordinator_recovery *r = &c->recovery;
	struct line l = {r->waits_for, sizeof(r->waits_for), 0};

	r->wait_kind = kind;
	r->waits_for[0] = 0;
	for (uint32_t i = 0; i < c->n_nodes; i++)
		if (r->shunned & FTP_NODE_BIT(i))
			say(&l, "%s was lost %u times meanwhile: %.100s; ",
				c->config->nodes[i].name, r->n_ends[i], r->fates[i].text);
	return l;
}

uint64_t ftp_coordinator_wait_absent(const struct ftp_coordinator *c)
{
	uint64_t nodes = 0;

	for (uint32_t i = 0; i < c->n_nodes; i++)
		if (!c->nodes[i].live && !c->nodes[i].leaving)
			nodes |= FTP_NODE_BIT(i);
	return nodes | c->recovery.shunned;
}

/* What ends the wait. */
static void advise(
	const struct ftp_coordinator *c, struct line *l, uint64_t nodes, bool is_beginning)
{
	uint64_t shunned = c->recovery.shunned;
	char who[400];

	say(l, "; ");
	if (c->recovery.wait_kind == FTP_WAIT_PLAN &&
		ftp_coordinator_reach_describe(c, who, sizeof(who)))
		say(l, "mend the link, or ");
	ftp_coordinator_list(c, nodes & ~shunned & ~ftp_coordinator_usable(c), who, sizeof(who));
	if (who[0])
		say(l, "start %s again, or ", who);
	ftp_coordinator_list(c, shunned, who, sizeof(who));
	if (who[0])
		say(l, "mend %s and ftpctl recover, or ", who);
	say(l, "%sftpctl stop", is_beginning ? "ftpctl recover --from-beginning, or " : "");
}

uint64_t ftp_coordinator_wait_known(const struct ftp_coordinator *c)
{
	uint64_t step = ftp_coordinator_holdings_known(c), held = 0;

	if (c->resume.is_lost)
		held = ftp_coordinator_holdings_newest(c);
	return held > step ? held : step;
}

static bool is_held(const struct ftp_coordinator *c, uint32_t unit, uint64_t step)
{
	for (uint32_t i = 0; i < c->n_nodes; i++) {
		const struct ftp_inventory *m = c->recovery.inventories[i];

		for (uint32_t k = 0; m && k < m->n; k++)
			if (m->unit[k] == unit && m->step[k] == step)
				return true;
	}
	return false;
}

/* The former stage that trained the unit, if the configuration has its node no more; else NULL. */
static const struct ftp_plan_stage *removed_owner(const struct ftp_coordinator *c, uint32_t unit)
{
	const struct ftp_plan *p = &c->resume.former;

	for (uint32_t i = 0; i < p->n_stages; i++)
		if (unit >= p->stages[i].first_unit && unit < p->stages[i].end_unit &&
			p->stages[i].node == FTP_NO_NODE)
			return &p->stages[i];
	return NULL;
}

/* "units 3-5 (n1, n2 had them)": as long as the same nodes had them. The first unit after. */
static uint32_t say_units(const struct ftp_coordinator *c, struct line *l, uint32_t first,
	const struct ftp_catalogue_snapshot *s, uint64_t *had)
{
	const struct ftp_plan_stage *removed = removed_owner(c, first);
	uint32_t end = first + 1;
	const char *them;
	char who[200];

	while (end < c->settings.n_units && s->had[end] == s->had[first] &&
		removed_owner(c, end) == removed && !is_held(c, end, s->step))
		end++;
	ftp_coordinator_list(c, s->had[first], who, sizeof(who));
	*had |= s->had[first];
	them = end > first + 1 ? "them" : "it";
	if (end > first + 1)
		say(l, "units %u-%u", first, end - 1);
	else
		say(l, "unit %u", first);
	if (removed)
		say(l, " (%s%s%s, which the configuration has no more, had %s)", who,
			who[0] ? ", " : "", removed->name, them);
	else if (who[0])
		say(l, " (%s had %s)", who, them);
	return end;
}

/* Nodes that the configuration has no more cannot come: those that had what is missing of a step.
 */
static void say_removed(const struct ftp_coordinator *c, struct line *l, uint64_t step)
{
	const struct ftp_plan_stage *last = NULL, *s;
	const char *before = "; put ";

	for (uint32_t u = 0; u < c->settings.n_units; u++) {
		s = removed_owner(c, u);
		if (!s || s == last || is_held(c, u, step))
			continue;
		say(l, "%s%s", before, s->name);
		before = ", ";
		last = s;
	}
	if (before[0] == ',')
		say(l, " into the configuration again");
}

static void say_missing(struct ftp_coordinator *c, const struct ftp_catalogue_snapshot *s)
{
	uint64_t had = 0, usable = ftp_coordinator_usable(c);
	struct line l = begin(c, FTP_WAIT_STATES);
	char who[200];

	say(&l, "nobody who is here has ");
	for (uint32_t u = 0, end; u < c->settings.n_units; u = end) {
		end = u + 1;
		if (is_held(c, u, s->step))
			continue;
		say(&l, "%s", c->recovery.n_missing ? ", " : "");
		end = say_units(c, &l, u, s, &had);
		c->recovery.n_missing += end - u;
	}
	say(&l, " as of step %llu", LL(s->step));
	if (had & usable) {
		ftp_coordinator_list(c, had & usable, who, sizeof(who));
		say(&l, "; %s came back without", who);
	}
	say_removed(c, &l, s->step);
	advise(c, &l, had, true);
}

/* Of the newest snapshot not even the names are left, or all of it is here but contradicts itself.
 */
static void say_unknown(struct ftp_coordinator *c, uint64_t step)
{
	struct line l = begin(c, FTP_WAIT_STATES);

	say(&l,
		"no snapshot is held whole by those who are here; the newest was that after step "
		"%llu",
		LL(step));
	say_removed(c, &l, step);
	advise(c, &l, ftp_coordinator_wait_absent(c), true);
}

/* A coordinator that has come back knows no digests of what was not on disks, but who had the
 * units: the stages of the plan, and those after them. Of the newest step that anything is held of.
 */
static bool recall(const struct ftp_coordinator *c, uint64_t step, struct ftp_catalogue_snapshot *s)
{
	const struct ftp_plan *p = &c->resume.former;
	uint64_t held = ftp_coordinator_holdings_newest(c);

	*s = (struct ftp_catalogue_snapshot){.step = held ? held : step};
	for (uint32_t u = 0; u < c->settings.n_units; u++)
		s->had[u] = ftp_coordinator_resume_had(c, u);
	return p->n_stages && p->n_units == c->settings.n_units;
}

static void say_states(struct ftp_coordinator *c, uint64_t step)
{
	const struct ftp_catalogue_snapshot *s = ftp_catalogue_find(&c->snapshots.catalogue, step);
	struct ftp_catalogue_snapshot recalled;

	if (!s && recall(c, step, &recalled))
		s = &recalled;
	if (s)
		say_missing(c, s);
	if (!s || !c->recovery.n_missing)
		say_unknown(c, step);
}

static void say_data(struct ftp_coordinator *c)
{
	uint64_t with = ftp_coordinator_with_data(c, UINT64_MAX);
	struct line l = begin(c, FTP_WAIT_DATA);
	char who[200];

	ftp_coordinator_list(c, with, who, sizeof(who));
	say(&l, "nobody who is here has the data; %s had it", who);
	advise(c, &l, with, false);
}

void ftp_coordinator_wait_for_absent(struct ftp_coordinator *c, const char *why)
{
	uint64_t absent = ftp_coordinator_wait_absent(c);
	struct line l = begin(c, FTP_WAIT_PLAN);
	char who[200];

	ftp_coordinator_list(c, absent, who, sizeof(who));
	say(&l, "there is no going on with%s%s: %s", absent ? "out " : " those who are here", who,
		why);
	advise(c, &l, absent, false);
}

static void say_nobody(struct ftp_coordinator *c)
{
	uint64_t absent = ftp_coordinator_wait_absent(c), measured = 0;
	struct line l = begin(c, FTP_WAIT_NODES);
	char who[200];

	for (uint32_t i = 0; i < c->n_nodes; i++)
		measured |= c->nodes[i].live && c->nodes[i].measuring ? FTP_NODE_BIT(i) : 0;
	ftp_coordinator_list(c, measured, who, sizeof(who));
	if (measured)
		say(&l, "%s is still being measured, and no other node is here", who);
	else
		say(&l, "no node is %s", c->state == FTP_RUN_RESUMING ? "here yet" : "left");
	advise(c, &l, absent, false);
}

bool ftp_coordinator_wait_for_anybody(struct ftp_coordinator *c)
{
	char said[sizeof(c->recovery.waits_for)];

	memcpy(said, c->recovery.waits_for, sizeof(said));
	say_nobody(c);
	return strcmp(said, c->recovery.waits_for);
}

bool ftp_coordinator_wait_for_all(struct ftp_coordinator *c)
{
	char said[sizeof(c->recovery.waits_for)], who[200];
	uint64_t absent = ftp_coordinator_wait_absent(c);
	const char *refusal = "";
	struct line l;

	memcpy(said, c->recovery.waits_for, sizeof(said));
	l = begin(c, FTP_WAIT_NODES);
	for (uint32_t i = 0; i < c->n_nodes; i++)
		if (absent & FTP_NODE_BIT(i) && c->nodes[i].refusal[0])
			refusal = c->nodes[i].refusal;
	ftp_coordinator_list(c, absent, who, sizeof(who));
	say(&l, "%s: all nodes are needed, and %s did not join%s%s",
		c->resume.is_lost ? "the journal of the run is lost" : "the run had not begun", who,
		refusal[0] ? ": " : "", refusal);
	advise(c, &l, absent, false);
	return strcmp(said, c->recovery.waits_for);
}

bool ftp_coordinator_wait_needed(struct ftp_coordinator *c, uint64_t step)
{
	struct ftp_coordinator_recovery *r = &c->recovery;
	uint64_t usable = ftp_coordinator_usable(c), newest = ftp_coordinator_wait_known(c);

	r->n_missing = 0;
	if (!usable)
		say_nobody(c);
	else if (!ftp_coordinator_with_data(c, usable))
		say_data(c);
	else if (!step && newest && !r->from_beginning)
		say_states(c, newest);
	else if (r->failure[0] && r->failed_nodes == usable)
		ftp_coordinator_wait_for_absent(c, r->failure);
	else
		return false;
	return true;
}

void ftp_coordinator_wait_forgive(struct ftp_coordinator *c, struct ftp_actions *a)
{
	struct ftp_coordinator_recovery *r = &c->recovery;
	char pairs[400];
	bool is_link = ftp_coordinator_reach_describe(c, pairs, sizeof(pairs));

	if (is_link || r->failure[0])
		ftp_actions_log(a, FTP_LOG_INFO, "tried again: %s", is_link ? pairs : r->failure);
	else if (r->shunned)
		ftp_actions_log(a, FTP_LOG_INFO, "tried again: %s", r->waits_for);
	if (is_link)
		snprintf(r->sign, sizeof(r->sign), "%s", pairs);
	ftp_coordinator_reach_forgive(c);
	r->failure[0] = 0;
	r->n_failures = 0;
	r->shunned = 0;
}

/* Whether what is asked can do any good; else text says why not, and what can. */
static bool may_try_again(
	const struct ftp_coordinator *c, bool from_beginning, char *text, size_t bytes)
{
	const struct ftp_coordinator_recovery *r = &c->recovery;
	bool waits = ftp_coordinator_waits(c);
	bool is_nobody_there = r->wait_kind == FTP_WAIT_NODES && !r->shunned;

	if (ftp_coordinator_resume_waits(c) || (waits && is_nobody_there))
		snprintf(text, bytes, "the run waits for nodes: %s", r->waits_for);
	else if (!waits)
		snprintf(text, bytes, "the run does not wait: it goes on by itself, or cannot");
	else if (from_beginning && r->wait_kind != FTP_WAIT_STATES)
		snprintf(text, bytes,
			"the run does not wait for unit states, and gives up no snapshot: %s",
			r->waits_for);
	else
		return true;
	return false;
}

void ftp_coordinator_recover_asked(struct ftp_coordinator *c, const struct ftp_event *e,
	uint64_t now_ns, struct ftp_actions *a)
{
	char text[sizeof(c->recovery.waits_for) + 100];
	struct ftp_recover m;
	struct ftp_error err;

	if (ftp_recover_decode(&m, e->body, &err)) {
		ftp_actions_refuse(a, FTP_JSONRPC_PARAMS, err.text);
		return;
	}
	if (!may_try_again(c, m.from_beginning, text, sizeof(text))) {
		ftp_actions_refuse(a, FTP_JSONRPC_STATE, text);
		return;
	}
	ftp_actions_reply(a, json_object());
	if (m.from_beginning) {
		ftp_actions_log(a, FTP_LOG_WARNING,
			"the operator gives up the snapshots: training begins anew where none is "
			"held whole");
		c->recovery.from_beginning = true;
	} else {
		ftp_actions_log(a, FTP_LOG_INFO, "the operator asks for another try");
	}
	c->recovery.n_fatal = 0;
	ftp_coordinator_wait_forgive(c, a);
	ftp_coordinator_recovery_look(c, now_ns, a);
}
