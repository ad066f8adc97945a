#include "tests/sim/stage.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/base/prng.h"
#include "runtime/moves.h"
#include "tests/sim/cluster.h"
#include "tests/sim/node.h"

#define STATE_BYTES 1000000
#define BYTES_PER_S 100000000

struct sim_stage *sim_stage_new(struct sim_node *n, const struct ftp_plan *plan, uint64_t serial)
{
	struct sim_stage *s = calloc(1, sizeof(*s));

	ftp_assert(s && plan->n_units <= ORACLE_MAX_UNITS);
	s->node = n;
	s->plan = *plan;
	s->serial = serial;
	s->member = ftp_moves_member_of(&s->plan, n->index);
	return s;
}

static uint64_t key_of(const struct sim_stage *s, int peer)
{
	uint64_t a = ftp_plan_member(&s->plan, (uint32_t)s->member)->incarnation;
	uint64_t b = ftp_plan_member(&s->plan, (uint32_t)peer)->incarnation;

	return ftp_prng_mix(s->plan.term ^ ftp_prng_mix(a) ^ ftp_prng_mix(b));
}

void sim_stage_connect(struct sim_stage *s)
{
	for (int i = 0; i < ftp_moves_n_members(&s->plan); i++)
		if (ftp_moves_connects(&s->plan, s->member, i))
			s->unheard |= UINT64_C(1) << i;
	for (int i = 0; i < ftp_moves_n_members(&s->plan); i++)
		if (ftp_moves_connects(&s->plan, s->member, i))
			s->links[i] = sim_meet(&s->node->cluster->world, key_of(s, i),
				s->node->process, s, BYTES_PER_S);
}

void sim_stage_free(struct sim_stage *s)
{
	for (int i = 0; s && i < FTP_CONFIG_MAX_NODES; i++)
		if (s->links[i])
			sim_close(&s->node->cluster->world, s->links[i], s->node->process);
	free(s);
}

int sim_stage_member_of(const struct sim_stage *s, const struct sim_conn *c)
{
	int i = 0;

	while (s->links[i] != c)
		ftp_assert(++i < FTP_CONFIG_MAX_NODES);
	return i;
}

bool sim_stage_is_stage(const struct sim_stage *s)
{
	return ftp_moves_is_stage(&s->plan, s->member);
}

void sim_stage_begin(struct sim_stage *s, uint64_t after_step)
{
	const struct sim_cluster *c = s->node->cluster;
	const struct ftp_sequence sequence = {.first_step = after_step + 1,
		.last_step = s->plan.last_step,
		.n_micro = c->spec.n_micro};

	s->step = after_step;
	s->has_step = true;
	if (sim_stage_is_stage(s))
		ftp_schedule_init(&s->schedule, c->spec.schedule, &sequence, (int)s->plan.n_stages,
			s->member);
	for (uint32_t u = 0; u < s->plan.n_units; u++)
		if (s->plan.holder[u] == FTP_PLAN_INITIAL)
			s->units[u] = (struct sim_unit){true, 0, c->oracle.states[0][u]};
}

void sim_stage_replicate(struct sim_stage *s, bool is_global)
{
	const struct ftp_plan_stage *here = &s->plan.stages[s->member];
	int next = (s->member + 1) % (int)s->plan.n_stages;

	for (uint32_t u = here->first_unit; u < here->end_unit; u++) {
		const struct sim_packet p = {.kind = SIM_REPLICA,
			.unit = u,
			.step = s->units[u].step,
			.state = s->units[u].state};

		if (next != s->member)
			sim_stage_send(s, next, &p);
		if (is_global && s->member && next)
			sim_stage_send(s, 0, &p);
	}
}

void sim_stage_give(struct sim_stage *now, struct sim_stage *next)
{
	for (uint32_t u = 0; u < next->plan.n_units; u++) {
		const struct sim_packet p = {.kind = SIM_STATE,
			.unit = u,
			.step = now->units[u].step,
			.state = now->units[u].state};

		if (ftp_moves_travels(&next->plan, u) &&
			ftp_moves_holder(&next->plan, u) == next->member)
			sim_stage_send(next, ftp_moves_owner(&next->plan, u), &p);
	}
}

void sim_stage_copy(struct sim_stage *next, const struct sim_stage *now)
{
	for (uint32_t u = 0; u < next->plan.n_units; u++)
		if (ftp_moves_holder(&next->plan, u) == next->member &&
			!ftp_moves_travels(&next->plan, u))
			next->units[u] = now->units[u];
}

void sim_stage_content(const struct sim_unit *u, uint32_t unit, uint64_t content[SIM_CONTENT])
{
	content[0] = unit;
	content[1] = u->step;
	content[2] = u->state;
}

struct ftp_digest sim_stage_digest(const struct sim_unit *u, uint32_t unit)
{
	uint64_t content[SIM_CONTENT];

	sim_stage_content(u, unit, content);
	return ftp_digest_of(content, sizeof(content));
}

void sim_stage_send(struct sim_stage *s, int member, const struct sim_packet *p)
{
	bool is_state = p->kind == SIM_STATE || p->kind == SIM_GATHER || p->kind == SIM_REPLICA;
	char what[80];

	if (p->kind == SIM_STATE)
		snprintf(what, sizeof(what), "unit %u of step %llu", p->unit,
			(unsigned long long)p->step);
	sim_send(&s->node->cluster->world, s->links[member], s->node->process, p, sizeof(*p),
		is_state ? STATE_BYTES : 1000, p->kind == SIM_STATE ? what : NULL);
}

static void send_part(
	struct sim_stage *s, int to, uint64_t index, enum ftp_schedule_part lent, unsigned part)
{
	const struct sim_packet p = {.kind = SIM_PART, .part = part, .index = index};

	ftp_schedule_lend(&s->schedule, ftp_schedule_slot_of(&s->schedule, index), lent);
	sim_stage_send(s, to, &p);
}

/* false: its slot is not posted yet. */
static bool place(struct sim_stage *s, const struct sim_packet *p)
{
	int slot = s->has_step ? ftp_schedule_slot_of(&s->schedule, p->index) : -1;
	struct sim_packet ack = {.kind = SIM_ACK, .part = p->part, .index = p->index};
	int from = (int)p->unit;

	if (slot < 0)
		return false;
	ftp_schedule_arrived(&s->schedule, slot, p->part);
	if (p->part == FTP_PART_INPUT)
		ack.part = FTP_PART_OUTPUT;
	else if (p->part == FTP_PART_OUTPUT_GRAD)
		ack.part = FTP_PART_INPUT_GRAD;
	sim_stage_send(s, from, &ack);
	return true;
}

void sim_stage_take(struct sim_stage *s, int from, const struct sim_packet *p)
{
	struct sim_packet arrival = *p;

	if (p->kind == SIM_ACK) {
		ftp_schedule_released(
			&s->schedule, ftp_schedule_slot_of(&s->schedule, p->index), p->part);
		return;
	}
	arrival.unit = (uint32_t)from;
	if (place(s, &arrival))
		return;
	ftp_assert(s->n_early < sizeof(s->early) / sizeof(*s->early));
	s->early[s->n_early++] = arrival;
}

static void place_early(struct sim_stage *s)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < s->n_early; i++)
		if (!place(s, &s->early[i]))
			s->early[n++] = s->early[i];
	s->n_early = n;
}

static void admit(struct sim_stage *s)
{
	int last = (int)s->plan.n_stages - 1, slot;
	struct ftp_item item;

	while (ftp_schedule_admit(&s->schedule, &item, &slot)) {
		if (s->member == 0) {
			ftp_schedule_arrived(&s->schedule, slot, FTP_PART_INPUT);
			if (last == 0)
				ftp_schedule_arrived(&s->schedule, slot, FTP_PART_LABELS);
			else
				send_part(s, last, item.index, FTP_PART_LABELS, FTP_PART_LABELS);
		}
		place_early(s);
	}
}

/* A node that was given up trains for the history that counts while its plan is the one in force.
 */
static bool counts(const struct sim_stage *s)
{
	const struct sim_cluster *c = s->node->cluster;

	return !sim_cluster_is_ghost(c, s->node) || s->plan.term == c->now_term;
}

static uint64_t task_ns(struct sim_stage *s)
{
	static const uint64_t shares[] = {
		[FTP_TASK_FORWARD] = 10, [FTP_TASK_BACKWARD] = 20, [FTP_TASK_UPDATE] = 2};
	const struct ftp_plan_stage *here = &s->plan.stages[s->member];
	uint64_t ns = 0;

	for (uint32_t u = here->first_unit; u < here->end_unit; u++)
		ns += sim_cluster_unit_ns(s->node->cluster, u) * shares[s->task.kind] / 10;
	return (uint64_t)((double)ns * s->node->slowness);
}

bool sim_stage_turn(struct sim_stage *s)
{
	struct ftp_task t;

	admit(s);
	if (s->is_running)
		return false;
	t = ftp_schedule_next(&s->schedule);
	if (t.kind == FTP_TASK_END || t.kind == FTP_TASK_NONE)
		return t.kind == FTP_TASK_END;
	s->task = t;
	s->is_running = true;
	if (t.kind == FTP_TASK_FORWARD && s->schedule.kind == FTP_SCHEDULE_1F1B && counts(s))
		oracle_forward(&s->node->cluster->oracle, s->node->process->name, t.item.step,
			s->schedule.drained_step > s->step ? s->schedule.drained_step : s->step);
	sim_node_work(s->node, s->serial, task_ns(s));
	s->compute_ns += task_ns(s);
	return false;
}

static void update(struct sim_stage *s, uint64_t step)
{
	struct oracle *o = &s->node->cluster->oracle;
	const struct ftp_plan_stage *here = &s->plan.stages[s->member];

	for (uint32_t u = here->first_unit; u < here->end_unit; u++) {
		s->units[u].state = oracle_update(s->units[u].state, u, step);
		s->units[u].step = step;
		oracle_has(o, s->node->process->name, u, step, s->units[u].state);
	}
	if (counts(s))
		oracle_trained(o, s->node->process->name, s->plan.term, (uint32_t)s->member, step);
}

bool sim_stage_end_task(struct sim_stage *s)
{
	const struct ftp_task t = s->task;

	s->is_running = false;
	if (t.kind == FTP_TASK_FORWARD && s->member + 1 < (int)s->plan.n_stages)
		send_part(s, s->member + 1, t.item.index, FTP_PART_OUTPUT, FTP_PART_INPUT);
	if (t.kind == FTP_TASK_BACKWARD && s->member > 0)
		send_part(
			s, s->member - 1, t.item.index, FTP_PART_INPUT_GRAD, FTP_PART_OUTPUT_GRAD);
	if (t.kind == FTP_TASK_UPDATE)
		update(s, t.item.step);
	ftp_schedule_finished(&s->schedule, &t);
	return t.kind == FTP_TASK_UPDATE;
}
