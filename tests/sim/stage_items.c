/* Items on their way through a stage, after runtime/pipeline.c. */
#include <stdlib.h>

#include "tests/sim/cluster.h"
#include "tests/sim/node.h"

static struct ftp_sequence sequence_of(const struct sim_stage *s)
{
	return (struct ftp_sequence){.first_step = s->step + 1,
		.last_step = s->plan.last_step,
		.n_micro = s->node->cluster->spec.n_micro};
}

void sim_stage_begin_items(struct sim_stage *s)
{
	const struct ftp_sequence sequence = sequence_of(s);

	ftp_schedule_init(&s->schedule, s->node->cluster->spec.schedule, &sequence,
		(int)s->plan.n_stages, s->member);
	s->slots = calloc((size_t)s->schedule.n_slots, sizeof(*s->slots));
	ftp_assert(s->slots);
	for (int i = 0; i < s->schedule.n_slots; i++)
		for (int k = 0; k < SIM_N_BOUNDARIES; k++)
			ftp_buffer_init(&s->slots[i].buffers[k], s->slots[i].words[k],
				sizeof(s->slots[i].words[k]));
}

static bool is_last(const struct sim_stage *s)
{
	return s->member == (int)s->plan.n_stages - 1;
}

static const struct ftp_plan_stage *here(const struct sim_stage *s)
{
	return &s->plan.stages[s->member];
}

struct boundary { /* what both ends derive of it from the item and the cut */
	enum ftp_message_kind kind;
	enum ftp_schedule_part part;
};

static const struct boundary boundaries[] = {
	[SIM_INPUT] = {FTP_MESSAGE_ACTIVATION, FTP_PART_INPUT},
	[SIM_LABELS] = {FTP_MESSAGE_LABELS, FTP_PART_LABELS},
	[SIM_OUTPUT_GRAD] = {FTP_MESSAGE_GRADIENT, FTP_PART_OUTPUT_GRAD},
	[SIM_OUTPUT] = {FTP_MESSAGE_ACTIVATION, FTP_PART_OUTPUT},
	[SIM_INPUT_GRAD] = {FTP_MESSAGE_GRADIENT, FTP_PART_INPUT_GRAD},
	[SIM_LABELS_SENT] = {FTP_MESSAGE_LABELS, FTP_PART_LABELS},
};

static uint32_t cut_of(const struct sim_stage *s, enum sim_boundary b)
{
	if (b == SIM_LABELS || b == SIM_LABELS_SENT)
		return 0;
	return b == SIM_OUTPUT || b == SIM_OUTPUT_GRAD ? here(s)->end_unit : here(s)->first_unit;
}

static int peer_of(const struct sim_stage *s, enum sim_boundary b)
{
	if (b == SIM_LABELS)
		return 0;
	if (b == SIM_LABELS_SENT)
		return (int)s->plan.n_stages - 1;
	return b == SIM_OUTPUT || b == SIM_OUTPUT_GRAD ? s->member + 1 : s->member - 1;
}

static struct ftp_message_id id_of(
	const struct sim_stage *s, enum sim_boundary b, const struct ftp_item *item)
{
	return (struct ftp_message_id){.kind = (uint8_t)boundaries[b].kind,
		.cut = (uint16_t)cut_of(s, b),
		.micro_batch = item->micro,
		.step = item->step};
}

static void post(struct sim_stage *s, int slot, enum sim_boundary b, const struct ftp_item *item)
{
	const struct ftp_message_id id = id_of(s, b, item);
	uint64_t *words = s->slots[slot].words[b];

	sim_parcel_scribble(words, SIM_ITEM_WORDS);
	ftp_netloop_post(s->net, peer_of(s, b), &id, words, sizeof(s->slots[slot].words[b]));
}

static void release(struct sim_stage *s, int slot, enum sim_boundary b)
{
	sim_parcel_scribble(s->slots[slot].words[b], SIM_ITEM_WORDS);
	ftp_schedule_released(&s->schedule, slot, boundaries[b].part);
}

static bool reuses_early(const struct sim_stage *s)
{
	return s->node->cluster->spec.plant == SIM_PLANT_REUSED_EARLY;
}

static void send(struct sim_stage *s, int slot, enum sim_boundary b, const struct ftp_item *item)
{
	const struct ftp_message_id id = id_of(s, b, item);
	uint64_t now_ns = s->node->cluster->world.now_ns;

	sim_parcel_fill_item(s->slots[slot].words[b], s->plan.term, &id);
	ftp_schedule_lend(&s->schedule, slot, boundaries[b].part);
	ftp_netloop_send(
		s->net, peer_of(s, b), &id, FTP_CLASS_DATA, &s->slots[slot].buffers[b], now_ns);
	if (!reuses_early(s))
		return;
	ftp_netloop_turn(s->net, now_ns);
	release(s, slot, b);
}

/* What was received is what the neighbour made of this item, and nothing has touched it since. */
static void check(struct sim_stage *s, int slot, enum sim_boundary b, const struct ftp_item *item)
{
	const struct ftp_message_id id = id_of(s, b, item);

	if (!sim_parcel_is_item(s->slots[slot].words[b], s->plan.term, &id))
		oracle_fail(&s->node->cluster->oracle,
			"%s uses something else as message %u of micro-batch %u of step %llu",
			s->node->process->name, id.kind, id.micro_batch,
			(unsigned long long)id.step);
}

bool sim_stage_event(struct sim_stage *s, const struct ftp_netloop_event *e)
{
	static const enum sim_boundary received[] = {[FTP_MESSAGE_ACTIVATION] = SIM_INPUT,
		[FTP_MESSAGE_GRADIENT] = SIM_OUTPUT_GRAD,
		[FTP_MESSAGE_LABELS] = SIM_LABELS};
	static const enum sim_boundary sent[] = {[FTP_MESSAGE_ACTIVATION] = SIM_OUTPUT,
		[FTP_MESSAGE_GRADIENT] = SIM_INPUT_GRAD,
		[FTP_MESSAGE_LABELS] = SIM_LABELS_SENT};
	const struct ftp_message_id *id = &e->event.id;
	const struct ftp_sequence sequence = sequence_of(s);
	int slot;

	if (id->kind < FTP_MESSAGE_ACTIVATION || id->kind > FTP_MESSAGE_LABELS)
		return false;
	if (e->event.kind == FTP_CONNECTION_SENT && reuses_early(s))
		return true;
	slot = ftp_schedule_slot_of(
		&s->schedule, ftp_sequence_index(&sequence, false, id->step, id->micro_batch));
	ftp_assert(slot >= 0);
	if (e->event.kind == FTP_CONNECTION_RECEIVED)
		ftp_schedule_arrived(&s->schedule, slot, boundaries[received[id->kind]].part);
	else
		release(s, slot, sent[id->kind]);
	return true;
}

static void admit(struct sim_stage *s)
{
	struct ftp_item item;
	int slot;

	while (ftp_schedule_admit(&s->schedule, &item, &slot)) {
		if (s->member) {
			if (is_last(s))
				post(s, slot, SIM_LABELS, &item);
			post(s, slot, SIM_INPUT, &item);
		}
		if (!is_last(s))
			post(s, slot, SIM_OUTPUT_GRAD, &item);
		if (s->member)
			continue;
		if (is_last(s))
			ftp_schedule_arrived(&s->schedule, slot, FTP_PART_LABELS);
		else
			send(s, slot, SIM_LABELS_SENT, &item);
		ftp_schedule_arrived(&s->schedule, slot, FTP_PART_INPUT);
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
	uint64_t ns = 0;

	for (uint32_t u = here(s)->first_unit; u < here(s)->end_unit; u++)
		ns += sim_cluster_unit_ns(s->node->cluster, u) * shares[s->task.kind] / 10;
	return (uint64_t)((double)ns * s->node->slowness);
}

static void check_received(struct sim_stage *s, const struct ftp_task *t)
{
	if (t->kind == FTP_TASK_FORWARD && s->member) {
		check(s, t->slot, SIM_INPUT, &t->item);
		if (is_last(s))
			check(s, t->slot, SIM_LABELS, &t->item);
	} else if (t->kind == FTP_TASK_BACKWARD && !is_last(s)) {
		check(s, t->slot, SIM_OUTPUT_GRAD, &t->item);
	}
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
	check_received(s, &t);
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

	for (uint32_t u = here(s)->first_unit; u < here(s)->end_unit; u++) {
		struct sim_unit *x = &s->compute.units[u];

		x->state = oracle_update(x->state, u, step);
		x->step = step;
		oracle_has(o, s->node->process->name, u, step, x->state);
	}
	if (counts(s))
		oracle_trained(o, s->node->process->name, s->plan.term, (uint32_t)s->member, step);
}

bool sim_stage_end_task(struct sim_stage *s)
{
	const struct ftp_task t = s->task;

	s->is_running = false;
	if (t.kind == FTP_TASK_FORWARD && !is_last(s))
		send(s, t.slot, SIM_OUTPUT, &t.item);
	if (t.kind == FTP_TASK_BACKWARD && s->member > 0)
		send(s, t.slot, SIM_INPUT_GRAD, &t.item);
	if (t.kind == FTP_TASK_UPDATE)
		update(s, t.item.step);
	ftp_schedule_finished(&s->schedule, &t);
	return t.kind == FTP_TASK_UPDATE;
}
