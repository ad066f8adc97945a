/* What comes over the links of both plans, after runtime/worker_links.c. */
#include <stdio.h>

#include "tests/sim/cluster.h"
#include "tests/sim/node.h"

static struct sim_world *world_of(struct sim_node *n)
{
	return &n->cluster->world;
}

static bool runs(const struct sim_node *n)
{
	return n->process->alive && !sim_process_is_frozen(&n->cluster->world, n->process);
}

bool sim_node_is_active(const struct sim_node *n)
{
	return runs(n) && !n->hangs;
}

static void take_gathered(
	struct sim_node *n, struct sim_stage *s, const struct ftp_netloop_event *e)
{
	int unit;

	ftp_assert(s == n->now && s->gather && ftp_states_event(s->gather, e, &unit));
	sim_node_finish_if_gathered(n);
}

static void take_event(struct sim_node *n, struct sim_stage *s, const struct ftp_netloop_event *e)
{
	int unit;

	if (e->event.kind == FTP_CONNECTION_LOST) {
		sim_node_unlinked(n, s, e);
	} else if (e->event.kind == FTP_CONNECTION_ESTABLISHED) {
		sim_node_met(n, s, e->peer);
	} else if (s->replicas && ftp_replicas_event(s->replicas, e)) {
		n->snapshots.is_due = true;
	} else if (ftp_states_event(s->states, e, &unit)) {
		ftp_assert(unit < 0 || s == n->next);
		if (unit >= 0)
			sim_node_take_unit(n, (uint32_t)unit);
	} else if (!sim_stage_event(s, e)) {
		take_gathered(n, s, e);
	}
}

/* A unit that has come to its new owner is a moment. */
static void tell(struct sim_node *n, const struct sim_stage *s, const struct ftp_netloop_event *e)
{
	char text[120] = "";

	if (e->event.kind != FTP_CONNECTION_RECEIVED ||
		e->event.id.kind != FTP_MESSAGE_UNIT_STATE || e->event.id.step != s->step)
		return;
	if (world_of(n)->is_heard)
		snprintf(text, sizeof(text), "%s -> %s: unit %u of step %llu",
			ftp_plan_member(&s->plan, (uint32_t)e->peer)->name, n->process->name,
			e->event.id.cut, (unsigned long long)e->event.id.step);
	sim_say(world_of(n), "         ", "%s", text);
	sim_notable(world_of(n), NULL, NULL, text);
}

/* What it had begun to take before it froze. */
static bool take_held(struct sim_node *n)
{
	struct sim_stage *const stages[] = {n->now, n->next};
	uint64_t serial = n->held.serial;

	n->held.serial = 0;
	for (int i = 0; serial && i < 2; i++)
		if (stages[i] && stages[i]->serial == serial)
			take_event(n, stages[i], &n->held.event);
	return serial != 0;
}

/* Whatever an event brings about may end the plan whose links are served, or the process. */
static bool serve(struct sim_node *n, struct sim_stage *const *s)
{
	struct ftp_netloop_event e;
	bool moved;

	if (!*s || !(*s)->net || !runs(n))
		return false;
	moved = ftp_netloop_turn((*s)->net, world_of(n)->now_ns) > 0;
	while (sim_node_is_active(n) && *s && (*s)->net && ftp_netloop_next_event((*s)->net, &e)) {
		moved = true;
		tell(n, *s, &e);
		if (sim_node_is_active(n)) {
			take_event(n, *s, &e);
		} else {
			n->held.serial = (*s)->serial;
			n->held.event = e;
		}
	}
	return moved;
}

bool sim_node_serve_links(struct sim_node *n)
{
	bool moved = sim_node_is_active(n) && take_held(n);

	moved |= serve(n, &n->now);
	moved |= serve(n, &n->next);
	return moved;
}

static uint64_t deadline_of(const struct sim_stage *s)
{
	return s && s->net ? ftp_netloop_deadline(s->net) : FTP_NS_NEVER;
}

void sim_node_wake(struct sim_node *n)
{
	uint64_t now_ns = world_of(n)->now_ns, at_ns = deadline_of(n->now);

	if (!n->process->alive)
		return;
	if (!runs(n)) {
		sim_process_look(world_of(n), n->process);
		return;
	}
	if (deadline_of(n->next) < at_ns)
		at_ns = deadline_of(n->next);
	if (at_ns != FTP_NS_NEVER)
		sim_wake(world_of(n), n->process, at_ns > now_ns ? at_ns : now_ns + 1);
}
