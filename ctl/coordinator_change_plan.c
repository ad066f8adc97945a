/* The plan that a change is about: its members, who holds which unit, what it moves. */
#include <stdio.h>
#include <string.h>

#include "ctl/coordinator_state.h"

void ftp_coordinator_change_member(const struct ftp_coordinator *c, uint64_t term,
	struct ftp_plan_stage *m, uint32_t node, uint32_t first_unit, uint32_t end_unit)
{
	const struct ftp_join *join = &c->nodes[node].join;

	m->node = node;
	memcpy(m->name, join->name, sizeof(m->name));
	snprintf(m->host, sizeof(m->host), "%s", c->config->nodes[node].host);
	m->udp_port = join->udp_port[term % 2];
	m->incarnation = join->incarnation;
	m->first_unit = first_unit;
	m->end_unit = end_unit;
}

static uint32_t member_of(const struct ftp_plan *p, uint32_t node)
{
	uint32_t i = 0;

	while (ftp_plan_member(p, i)->node != node)
		i++;
	return i;
}

uint32_t ftp_coordinator_change_giver(struct ftp_coordinator *c, uint32_t node)
{
	struct ftp_plan *p = &c->change.plan;

	for (uint32_t i = 0; i < p->n_stages + p->n_leaving; i++)
		if (ftp_plan_member(p, i)->node == node)
			return i;
	ftp_coordinator_change_member(c, p->term, &p->leaving[p->n_leaving++], node, 0, 0);
	return p->n_stages + p->n_leaving - 1;
}

/* The stages of the plan in force have its units. */
static void set_holders(struct ftp_coordinator *c)
{
	struct ftp_plan *p = &c->change.plan;

	for (uint32_t u = 0, old = 0; u < p->n_units; u++) {
		while (c->plan.term && u >= c->plan.stages[old].end_unit)
			old++;
		p->holder[u] =
			c->plan.term ? member_of(p, c->plan.stages[old].node) : FTP_PLAN_INITIAL;
	}
}

/* At the start, what is drawn. */
static uint64_t moved_bytes(const struct ftp_coordinator *c)
{
	const struct ftp_plan *p = &c->change.plan;
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < p->n_stages; i++)
		for (uint32_t u = p->stages[i].first_unit; u < p->stages[i].end_unit; u++)
			bytes += p->holder[u] != i ? c->settings.units[u].state_bytes : 0;
	return bytes;
}

/* In a recovery a node reads what it is to give from its disk, all of it at worst. */
static uint64_t fetch_ns(const struct ftp_coordinator *c)
{
	const struct ftp_plan *p = &c->change.plan;
	uint64_t bytes[FTP_CONFIG_MAX_NODES] = {0}, most = 0;

	for (uint32_t u = 0; p->recovery && u < p->n_units; u++) {
		if (p->holder[u] == FTP_PLAN_INITIAL)
			continue;
		bytes[p->holder[u]] += c->settings.units[u].state_bytes;
		most = bytes[p->holder[u]] > most ? bytes[p->holder[u]] : most;
	}
	return most * (FTP_NS_PER_S / FTP_COORDINATOR_BYTES_PER_S);
}

/* In a recovery only who has halted: a node that was lost and has joined anew meanwhile would not
 * be halted again, and would keep a plan that is given up. */
static bool takes_part(const struct ftp_coordinator *c, uint32_t node)
{
	return c->nodes[node].live &&
	       (!c->change.plan.recovery || c->change.members & FTP_NODE_BIT(node));
}

void ftp_coordinator_change_set_plan(
	struct ftp_coordinator *c, const struct ftp_planner_plan *target)
{
	const struct ftp_config_training *t = &c->config->training;
	uint32_t micro = t->batch / t->micro_batches;
	struct ftp_plan *p = &c->change.plan;

	p->run = c->settings.run;
	memcpy(p->isa, c->isa, sizeof(p->isa));
	p->last_step = c->last_step;
	p->n_eval = (uint32_t)((c->data.n_test + micro - 1) / micro);
	p->n_units = c->settings.n_units;
	p->n_stages = target->n_stages;
	for (uint32_t i = 0; i < p->n_stages; i++)
		ftp_coordinator_change_member(c, p->term, &p->stages[i], target->node[i],
			target->first_unit[i], target->first_unit[i + 1]);
	for (uint32_t i = 0; i < c->plan.n_stages; i++)
		if (takes_part(c, c->plan.stages[i].node))
			ftp_coordinator_change_giver(c, c->plan.stages[i].node);
	(p->recovery ? ftp_coordinator_recovery_holders : set_holders)(c);
	c->change.move_bytes = moved_bytes(c);
	c->change.fetch_ns = fetch_ns(c);
	c->change.members = 0;
	for (uint32_t i = 0; i < p->n_stages + p->n_leaving; i++)
		c->change.members |= FTP_NODE_BIT(ftp_plan_member(p, i)->node);
}

void ftp_coordinator_change_describe(const struct ftp_coordinator *c, struct ftp_actions *a)
{
	const struct ftp_plan *p = &c->change.plan;
	char text[512];
	size_t at = 0;

	for (uint32_t i = 0; i < p->n_stages && at + 64 < sizeof(text); i++) {
		const struct ftp_plan_stage *s = &p->stages[i];

		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s units %u-%u",
			i ? ", " : "", s->name, s->first_unit, s->end_unit - 1);
	}
	if (c->plan.term)
		ftp_actions_log(a, FTP_LOG_INFO, "plan of term %llu: %s; because %s",
			(unsigned long long)p->term, text, c->change.reason);
	else
		ftp_actions_log(a, FTP_LOG_INFO, "plan of term %llu: %s; steps %llu-%llu, %s",
			(unsigned long long)p->term, text, 1ull, (unsigned long long)p->last_step,
			c->isa);
}

void ftp_coordinator_change_parts(
	const struct ftp_coordinator_change *x, uint64_t now_ns, double parts_s[FTP_N_CHANGE_PARTS])
{
	static const struct {
		enum ftp_change_phase from, to; /* NONE: now */
	} parts[FTP_N_CHANGE_PARTS] = {
		[FTP_PART_PREPARE] = {FTP_CHANGE_PREPARING, FTP_CHANGE_HOLDING},
		[FTP_PART_HOLD] = {FTP_CHANGE_HOLDING, FTP_CHANGE_TRANSFERRING},
		[FTP_PART_TRANSFER] = {FTP_CHANGE_TRANSFERRING, FTP_CHANGE_COMMITTING},
		[FTP_PART_COMMIT] = {FTP_CHANGE_COMMITTING, FTP_CHANGE_NONE},
		[FTP_PART_PAUSE] = {FTP_CHANGE_TRANSFERRING, FTP_CHANGE_NONE},
	};

	for (int i = 0; i < FTP_N_CHANGE_PARTS; i++) {
		uint64_t from_ns = x->began_ns[parts[i].from];
		uint64_t to_ns = parts[i].to ? x->began_ns[parts[i].to] : now_ns;

		parts_s[i] = from_ns && to_ns > from_ns
				     ? (double)(to_ns - from_ns) / (double)FTP_NS_PER_S
				     : 0;
	}
}
