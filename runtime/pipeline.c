#include "runtime/pipeline.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct slot_buffers {
	struct ftp_buffer output, input_grad, labels;
	int32_t *label_values; /* stage 0 of several: what it sends */
};

struct ftp_pipeline {
	struct ftp_pipeline_spec spec;
	struct ftp_schedule schedule;
	struct slot_buffers slots[FTP_SCHEDULE_MAX_SLOTS];
	int32_t *label_memory;
	struct ftp_task task; /* under way, or kind NONE */
	bool aggregating;     /* as the second half of an update */
	bool ended;
	struct ftp_item feed_item; /* admitted on stage 0, input not there yet */
	int feed_slot;		   /* -1: none */
	double loss_sum;
	struct ftp_pipeline_report evaluation; /* collects */
	struct ftp_pipeline_report report;     /* stands */
};

static bool is_first(const struct ftp_pipeline *p)
{
	return p->spec.index == 0;
}

static bool is_last(const struct ftp_pipeline *p)
{
	return p->spec.index == p->spec.n_stages - 1;
}

static int last_stage(const struct ftp_pipeline *p)
{
	return p->spec.n_stages - 1;
}

struct ftp_pipeline *ftp_pipeline_new(const struct ftp_pipeline_spec *spec)
{
	struct ftp_pipeline *p = calloc(1, sizeof(*p));

	ftp_assert(p && (spec->index > 0) == !spec->feed);
	p->spec = *spec;
	p->feed_slot = -1;
	ftp_schedule_init(
		&p->schedule, spec->schedule, &spec->sequence, spec->n_stages, spec->index);
	p->label_memory = calloc((size_t)p->schedule.n_slots * spec->micro_batch, sizeof(int32_t));
	ftp_assert(p->label_memory);
	for (int i = 0; i < p->schedule.n_slots; i++) {
		struct slot_buffers *b = &p->slots[i];

		b->label_values = p->label_memory + (size_t)i * spec->micro_batch;
		ftp_buffer_init(
			&b->labels, b->label_values, spec->micro_batch * (uint32_t)sizeof(int32_t));
		if (!is_last(p))
			ftp_buffer_init(&b->output, ftp_stage_output(spec->stage, i),
				(uint32_t)ftp_stage_output_bytes(spec->stage));
		if (!is_first(p))
			ftp_buffer_init(&b->input_grad, ftp_stage_input_grad(spec->stage, i),
				(uint32_t)ftp_stage_input_bytes(spec->stage));
	}
	return p;
}

void ftp_pipeline_free(struct ftp_pipeline *p)
{
	if (!p)
		return;
	free(p->label_memory);
	free(p);
}

/* The id of each message: both ends derive it from the item and the cut. */
static struct ftp_message_id id_of(enum ftp_message_kind kind, int cut, const struct ftp_item *item)
{
	return (struct ftp_message_id){.kind = (uint8_t)kind,
		.cut = (uint16_t)cut,
		.micro_batch = item->micro,
		.step = item->step};
}

static struct ftp_message_id activation_id(int cut, const struct ftp_item *item)
{
	return id_of(item->eval ? FTP_MESSAGE_EVAL_ACTIVATION : FTP_MESSAGE_ACTIVATION, cut, item);
}

static struct ftp_message_id labels_id(const struct ftp_item *item)
{
	return id_of(item->eval ? FTP_MESSAGE_EVAL_LABELS : FTP_MESSAGE_LABELS, 0, item);
}

struct message_meaning {
	bool eval;
	enum ftp_schedule_part received, sent;
};

static const struct message_meaning meanings[] = {
	[FTP_MESSAGE_ACTIVATION] = {false, FTP_PART_INPUT, FTP_PART_OUTPUT},
	[FTP_MESSAGE_EVAL_ACTIVATION] = {true, FTP_PART_INPUT, FTP_PART_OUTPUT},
	[FTP_MESSAGE_GRADIENT] = {false, FTP_PART_OUTPUT_GRAD, FTP_PART_INPUT_GRAD},
	[FTP_MESSAGE_LABELS] = {false, FTP_PART_LABELS, FTP_PART_LABELS},
	[FTP_MESSAGE_EVAL_LABELS] = {true, FTP_PART_LABELS, FTP_PART_LABELS},
};

bool ftp_pipeline_event(struct ftp_pipeline *p, const struct ftp_netloop_event *e)
{
	const struct ftp_message_id *id = &e->event.id;
	const struct message_meaning *m;
	int slot;

	if (e->event.kind != FTP_CONNECTION_RECEIVED && e->event.kind != FTP_CONNECTION_SENT)
		return false;
	if (id->kind >= sizeof(meanings) / sizeof(meanings[0]) || !meanings[id->kind].sent)
		return false;
	m = &meanings[id->kind];
	slot = ftp_schedule_slot_of(&p->schedule,
		ftp_sequence_index(&p->spec.sequence, m->eval, id->step, id->micro_batch));
	ftp_assert(slot >= 0); /* a slot stays taken while anything of it is posted or lent */
	if (e->event.kind == FTP_CONNECTION_RECEIVED)
		ftp_schedule_arrived(&p->schedule, slot, m->received);
	else
		ftp_schedule_released(&p->schedule, slot, m->sent);
	return true;
}

static void post_slot(struct ftp_pipeline *p, int slot, const struct ftp_item *item)
{
	struct ftp_stage *stage = p->spec.stage;
	struct ftp_netloop *net = p->spec.net;
	struct ftp_message_id id;

	if (is_first(p)) {
		p->feed_slot = slot;
		p->feed_item = *item;
	} else {
		if (is_last(p)) {
			id = labels_id(item);
			ftp_netloop_post(net, 0, &id, ftp_stage_labels(stage, slot),
				p->slots[slot].labels.bytes);
		}
		id = activation_id(p->spec.first_unit, item);
		ftp_netloop_post(net, p->spec.index - 1, &id, ftp_stage_input(stage, slot),
			(uint32_t)ftp_stage_input_bytes(stage));
	}
	if (!is_last(p) && !item->eval) {
		id = id_of(FTP_MESSAGE_GRADIENT, p->spec.end_unit, item);
		ftp_netloop_post(net, p->spec.index + 1, &id, ftp_stage_output_grad(stage, slot),
			(uint32_t)ftp_stage_output_bytes(stage));
	}
}

/* Stage 0: the admitted item's input and labels come from the feed. */
static bool fill_from_feed(struct ftp_pipeline *p, uint64_t now_ns)
{
	size_t label_bytes = p->spec.micro_batch * sizeof(int32_t);
	struct ftp_stage *stage = p->spec.stage;
	int slot = p->feed_slot;
	struct ftp_feed_item item;

	if (slot < 0 || !ftp_feed_peek(p->spec.feed, &item))
		return false;
	ftp_assert(item.item.index == p->feed_item.index);
	memcpy(ftp_stage_input(stage, slot), item.input, ftp_stage_input_bytes(stage));
	if (is_last(p)) {
		memcpy(ftp_stage_labels(stage, slot), item.labels, label_bytes);
		ftp_schedule_arrived(&p->schedule, slot, FTP_PART_LABELS);
	} else {
		const struct ftp_message_id id = labels_id(&p->feed_item);

		memcpy(p->slots[slot].label_values, item.labels, label_bytes);
		ftp_schedule_lend(&p->schedule, slot, FTP_PART_LABELS);
		ftp_netloop_send(p->spec.net, last_stage(p), &id, FTP_CLASS_DATA,
			&p->slots[slot].labels, now_ns);
	}
	ftp_feed_next(p->spec.feed);
	ftp_schedule_arrived(&p->schedule, slot, FTP_PART_INPUT);
	p->feed_slot = -1;
	return true;
}

bool ftp_pipeline_serve(struct ftp_pipeline *p, uint64_t now_ns)
{
	struct ftp_item item;
	bool worked = false;
	int slot;

	for (;;) {
		if (p->feed_slot >= 0) {
			if (!fill_from_feed(p, now_ns))
				return worked;
			worked = true;
		}
		if (!ftp_schedule_admit(&p->schedule, &item, &slot))
			return worked;
		post_slot(p, slot, &item);
		worked = true;
	}
}

static void send_output(struct ftp_pipeline *p, uint64_t now_ns)
{
	const struct ftp_message_id id = activation_id(p->spec.end_unit, &p->task.item);

	ftp_schedule_lend(&p->schedule, p->task.slot, FTP_PART_OUTPUT);
	ftp_netloop_send(p->spec.net, p->spec.index + 1, &id, FTP_CLASS_DATA,
		&p->slots[p->task.slot].output, now_ns);
}

static void send_input_grad(struct ftp_pipeline *p, uint64_t now_ns)
{
	const struct ftp_message_id id =
		id_of(FTP_MESSAGE_GRADIENT, p->spec.first_unit, &p->task.item);

	ftp_schedule_lend(&p->schedule, p->task.slot, FTP_PART_INPUT_GRAD);
	ftp_netloop_send(p->spec.net, p->spec.index - 1, &id, FTP_CLASS_DATA,
		&p->slots[p->task.slot].input_grad, now_ns);
}

static void add_evaluation(struct ftp_pipeline *p)
{
	const struct ftp_stage_loss loss = ftp_stage_loss(p->spec.stage, p->task.slot);
	struct ftp_pipeline_report *e = &p->evaluation;

	if (p->task.item.micro == 0)
		*e = (struct ftp_pipeline_report){
			.kind = FTP_REPORT_EVALUATED, .step = p->task.item.step};
	e->loss += loss.sum;
	e->n_correct += (uint64_t)loss.n_correct;
	e->n_samples += (uint64_t)loss.n_samples;
	if (p->task.item.micro + 1 < p->spec.sequence.n_eval)
		return;
	p->report = *e;
	p->report.loss /= e->n_samples ? (double)e->n_samples : 1.0;
}

void ftp_pipeline_finish(struct ftp_pipeline *p, uint64_t now_ns)
{
	switch (p->task.kind) {
	case FTP_TASK_FORWARD:
		if (is_last(p))
			p->loss_sum += ftp_stage_loss(p->spec.stage, p->task.slot).sum;
		else
			send_output(p, now_ns);
		break;
	case FTP_TASK_EVAL:
		if (is_last(p))
			add_evaluation(p);
		else
			send_output(p, now_ns);
		break;
	case FTP_TASK_BACKWARD:
		if (!is_first(p))
			send_input_grad(p, now_ns);
		break;
	case FTP_TASK_UPDATE:
		if (is_last(p))
			p->report = (struct ftp_pipeline_report){.kind = FTP_REPORT_STEP,
				.step = p->task.item.step,
				.loss = p->loss_sum / p->spec.batch};
		p->loss_sum = 0;
		break;
	case FTP_TASK_NONE:
	case FTP_TASK_END:
		break;
	}
	ftp_schedule_finished(&p->schedule, &p->task);
	p->task.kind = FTP_TASK_NONE;
}

static bool start_task(struct ftp_pipeline *p)
{
	static const enum ftp_pass passes[] = {
		[FTP_TASK_FORWARD] = FTP_PASS_FORWARD,
		[FTP_TASK_BACKWARD] = FTP_PASS_BACKWARD,
		[FTP_TASK_UPDATE] = FTP_PASS_UPDATE,
		[FTP_TASK_EVAL] = FTP_PASS_EVAL,
	};
	float lr = 0;

	if (p->report.kind != FTP_REPORT_NONE || p->ended)
		return false;
	p->task = ftp_schedule_next(&p->schedule);
	if (p->task.kind == FTP_TASK_END) {
		p->ended = true;
		p->task.kind = FTP_TASK_NONE;
	}
	if (p->task.kind == FTP_TASK_NONE)
		return false;
	if (p->task.kind == FTP_TASK_UPDATE)
		lr = ftp_lr_at(&p->spec.lr, p->task.item.step, p->spec.n_steps);
	ftp_stage_begin(p->spec.stage, passes[p->task.kind], p->task.slot, lr);
	return true;
}

static bool start_aggregation(struct ftp_pipeline *p)
{
	uint64_t every = p->spec.aggregate_every;

	p->aggregating = !p->aggregating && p->task.kind == FTP_TASK_UPDATE && every &&
			 p->task.item.step % every == 0;
	if (p->aggregating)
		ftp_stage_begin(p->spec.stage, FTP_PASS_AGGREGATE, p->task.slot, 0);
	return p->aggregating;
}

enum ftp_pipeline_work ftp_pipeline_run(struct ftp_pipeline *p)
{
	if (p->task.kind == FTP_TASK_NONE && !start_task(p))
		return FTP_PIPELINE_IDLE;
	return ftp_stage_run(p->spec.stage) || start_aggregation(p) ? FTP_PIPELINE_RAN
								    : FTP_PIPELINE_TASK_DONE;
}

struct ftp_pipeline_report ftp_pipeline_report(const struct ftp_pipeline *p)
{
	return p->report;
}

void ftp_pipeline_take_report(struct ftp_pipeline *p)
{
	p->report.kind = FTP_REPORT_NONE;
}

const struct ftp_task *ftp_pipeline_task(const struct ftp_pipeline *p)
{
	return &p->task;
}

uint64_t ftp_pipeline_hold(struct ftp_pipeline *p, uint64_t step)
{
	return ftp_schedule_hold(&p->schedule, step);
}

bool ftp_pipeline_is_held(const struct ftp_pipeline *p)
{
	return ftp_schedule_is_held(&p->schedule) && p->report.kind == FTP_REPORT_NONE;
}

void ftp_pipeline_resume(struct ftp_pipeline *p)
{
	ftp_schedule_resume(&p->schedule);
}

bool ftp_pipeline_has_ended(const struct ftp_pipeline *p)
{
	return p->ended && p->report.kind == FTP_REPORT_NONE;
}

uint64_t ftp_pipeline_step(const struct ftp_pipeline *p)
{
	return p->schedule.updated_step;
}

uint32_t ftp_pipeline_n_messages(int n_slots)
{
	return 4 * (uint32_t)n_slots; /* two directions, labels, and one to spare */
}

void ftp_pipeline_describe(const struct ftp_pipeline *p, char *text, size_t bytes)
{
	static const struct {
		enum ftp_schedule_part part;
		const char *name;
	} names[] = {{FTP_PART_INPUT, "input"}, {FTP_PART_LABELS, "labels"},
		{FTP_PART_OUTPUT_GRAD, "gradient"}};
	const struct ftp_schedule *s = &p->schedule;

	for (int i = 0; i < s->n_slots; i++) {
		const struct ftp_schedule_slot *slot = &s->slots[i];
		bool oldest = slot->state == FTP_SLOT_HELD ||
			      (slot->state == FTP_SLOT_ARRIVING &&
				      slot->item.index == s->next_forward.index);

		if (!oldest || !slot->awaited)
			continue;
		for (size_t k = 0; k < sizeof(names) / sizeof(names[0]); k++)
			if (slot->awaited & names[k].part) {
				snprintf(text, bytes,
					"%s of %smicro-batch %" PRIu32 " of step %" PRIu64,
					names[k].name, slot->item.eval ? "evaluation " : "",
					slot->item.micro, slot->item.step);
				return;
			}
	}
	snprintf(text, bytes, "nothing");
}
