#include "tests/runtime/virtual_pipeline.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/error.h"

/* Each slot has at most two messages on their way, two credits, and as many releases. */
#define MAX_EVENTS (FTP_CONFIG_MAX_NODES * FTP_SCHEDULE_MAX_SLOTS * 8)

enum event_kind { TASK_ENDS, MESSAGE_ARRIVES, ACK_ARRIVES, LINK_LOOKS };

struct event {
	uint64_t at_ns, order; /* among events of one moment: as they were made */
	enum event_kind kind;
	int place; /* a stage, or a direction for LINK_LOOKS and MESSAGE_ARRIVES */
	uint64_t item;
	enum ftp_schedule_part part;
};

struct direction {
	struct virtual_link link;
	uint64_t credit_ns; /* of the way back */
	uint64_t message_ns;
	int from, to;
	enum ftp_schedule_part sent, received;
	uint64_t waiting[FTP_SCHEDULE_MAX_SLOTS]; /* items, a ring */
	unsigned n_in, n_out;
	uint64_t free_ns;
};

struct stage {
	struct ftp_schedule schedule;
	struct virtual_times times;
	uint64_t posted_ns[FTP_SCHEDULE_MAX_SLOTS];
	struct ftp_task task; /* under way, or NONE */
	bool ended;
	uint64_t busy_ns;
};

struct world {
	const struct virtual_pipeline *spec;
	struct stage stages[FTP_CONFIG_MAX_NODES];
	struct direction directions[2 * FTP_CONFIG_MAX_NODES]; /* 2 s: from s, 2 s + 1: to s */
	struct event events[MAX_EVENTS];		       /* a heap */
	int n_events;
	uint64_t now_ns, n_made;
	int n_ended;
	uint64_t first_counted, last_counted; /* steps: the time in between counts */
	uint64_t counted_ns;
	int *n_updated; /* stages, by step */
	struct virtual_outcome outcome;
};

static bool is_before(const struct event *a, const struct event *b)
{
	return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->order < b->order;
}

static void push(struct world *w, struct event e)
{
	int i = w->n_events++;

	ftp_assert(i < MAX_EVENTS);
	e.order = w->n_made++;
	for (; i > 0 && is_before(&e, &w->events[(i - 1) / 2]); i = (i - 1) / 2)
		w->events[i] = w->events[(i - 1) / 2];
	w->events[i] = e;
}

static struct event pop(struct world *w)
{
	struct event top = w->events[0], last = w->events[--w->n_events];
	int i = 0, child;

	for (; (child = 2 * i + 1) < w->n_events; i = child) {
		if (child + 1 < w->n_events && is_before(&w->events[child + 1], &w->events[child]))
			child++;
		if (!is_before(&w->events[child], &last))
			break;
		w->events[i] = w->events[child];
	}
	w->events[i] = last;
	return top;
}

/* Sends what may leave now: the first in the queue, when the way is free and the credit is here. */
static void look(struct world *w, int place)
{
	struct direction *d = &w->directions[place];

	while (d->n_in != d->n_out && d->free_ns <= w->now_ns) {
		uint64_t item = d->waiting[d->n_out % FTP_SCHEDULE_MAX_SLOTS];
		int slot = ftp_schedule_slot_of(&w->stages[d->to].schedule, item);

		if (slot < 0 || w->stages[d->to].posted_ns[slot] + d->credit_ns > w->now_ns)
			return;
		d->n_out++;
		d->free_ns = w->now_ns + d->message_ns;
		push(w, (struct event){.kind = MESSAGE_ARRIVES,
				.at_ns = d->free_ns + d->link.latency_ns,
				.place = place,
				.item = item});
		push(w, (struct event){.kind = LINK_LOOKS, .at_ns = d->free_ns, .place = place});
	}
}

static void send(struct world *w, int place, const struct ftp_task *t)
{
	struct direction *d = &w->directions[place];

	ftp_schedule_lend(&w->stages[d->from].schedule, t->slot, d->sent);
	d->waiting[d->n_in++ % FTP_SCHEDULE_MAX_SLOTS] = t->item.index;
	look(w, place);
}

static void announce_credit(struct world *w, int place)
{
	push(w, (struct event){.kind = LINK_LOOKS,
			.at_ns = w->now_ns + w->directions[place].credit_ns,
			.place = place});
}

static void admit(struct world *w, int s)
{
	struct stage *stage = &w->stages[s];
	struct ftp_item item;
	int slot;

	while (ftp_schedule_admit(&stage->schedule, &item, &slot)) {
		stage->posted_ns[slot] = w->now_ns;
		if (s == 0)
			ftp_schedule_arrived(&stage->schedule, slot, FTP_PART_INPUT);
		else
			announce_credit(w, 2 * (s - 1));
		if (s == w->spec->n_stages - 1)
			ftp_schedule_arrived(&stage->schedule, slot, FTP_PART_LABELS);
		else
			announce_credit(w, 2 * s + 1);
	}
}

static void start(struct world *w, int s)
{
	struct stage *stage = &w->stages[s];
	const uint64_t took_ns[] = {[FTP_TASK_FORWARD] = stage->times.forward_ns,
		[FTP_TASK_BACKWARD] = stage->times.backward_ns,
		[FTP_TASK_UPDATE] = stage->times.update_ns};
	struct ftp_task t;

	if (stage->task.kind != FTP_TASK_NONE || stage->ended)
		return;
	t = ftp_schedule_next(&stage->schedule);
	stage->ended = t.kind == FTP_TASK_END;
	w->n_ended += stage->ended;
	if (stage->ended || t.kind == FTP_TASK_NONE)
		return;
	stage->task = t;
	if (w->counted_ns && !w->outcome.step_ns)
		stage->busy_ns += took_ns[t.kind];
	push(w, (struct event){
			.kind = TASK_ENDS, .at_ns = w->now_ns + took_ns[t.kind], .place = s});
}

/* The time between the ends of two steps counts. */
static void count_update(struct world *w, uint64_t step)
{
	if (++w->n_updated[step] < w->spec->n_stages)
		return;
	if (step == 1)
		w->outcome.first_step_ns = w->now_ns;
	if (step == w->first_counted)
		w->counted_ns = w->now_ns;
	if (step == w->last_counted)
		w->outcome.step_ns = (w->now_ns - w->counted_ns) / (step - w->first_counted);
}

static void end_task(struct world *w, int s)
{
	struct stage *stage = &w->stages[s];
	const struct ftp_task t = stage->task;

	if (t.kind == FTP_TASK_FORWARD && s < w->spec->n_stages - 1)
		send(w, 2 * s, &t);
	if (t.kind == FTP_TASK_BACKWARD && s > 0)
		send(w, 2 * (s - 1) + 1, &t);
	if (t.kind == FTP_TASK_UPDATE)
		count_update(w, t.item.step);
	ftp_schedule_finished(&stage->schedule, &t);
	stage->task.kind = FTP_TASK_NONE;
}

static void arrive(struct world *w, const struct event *e)
{
	const struct direction *d = &w->directions[e->place];
	struct ftp_schedule *to = &w->stages[d->to].schedule;

	ftp_schedule_arrived(to, ftp_schedule_slot_of(to, e->item), d->received);
	push(w, (struct event){.kind = ACK_ARRIVES,
			.at_ns = w->now_ns + d->credit_ns,
			.place = d->from,
			.item = e->item,
			.part = d->sent});
}

/* The stage that something has happened to, or -1. */
static int happen(struct world *w, const struct event *e)
{
	struct ftp_schedule *schedule = &w->stages[e->place].schedule;

	switch (e->kind) {
	case TASK_ENDS:
		end_task(w, e->place);
		return e->place;
	case MESSAGE_ARRIVES:
		arrive(w, e);
		return w->directions[e->place].to;
	case ACK_ARRIVES:
		ftp_schedule_released(schedule, ftp_schedule_slot_of(schedule, e->item), e->part);
		return e->place;
	case LINK_LOOKS:
		look(w, e->place);
		break;
	}
	return -1;
}

static struct direction direction_of(const struct virtual_pipeline *p, int s, bool back)
{
	struct direction d = {.link = back ? p->backward[s] : p->forward[s],
		.credit_ns = back ? p->forward[s].latency_ns : p->backward[s].latency_ns,
		.from = back ? s + 1 : s,
		.to = back ? s : s + 1,
		.sent = back ? FTP_PART_INPUT_GRAD : FTP_PART_OUTPUT,
		.received = back ? FTP_PART_OUTPUT_GRAD : FTP_PART_INPUT};

	if (d.link.bytes_per_s)
		d.message_ns = (uint64_t)((double)p->cut_bytes[s] * FTP_NS_PER_S /
					  (double)d.link.bytes_per_s);
	return d;
}

static void build(struct world *w, const struct virtual_pipeline *spec)
{
	const struct ftp_sequence sequence = {
		.first_step = 1, .last_step = spec->n_steps, .n_micro = spec->n_micro};

	ftp_assert(spec->n_steps >= 6 * (uint64_t)spec->n_stages);
	w->spec = spec;
	w->first_counted = spec->n_steps / 3;
	w->last_counted = spec->n_steps - spec->n_steps / 3;
	w->n_updated = calloc(spec->n_steps + 1, sizeof(int));
	ftp_assert(w->n_updated);
	for (int s = 0; s < spec->n_stages; s++) {
		w->stages[s].times = spec->stages[s];
		ftp_schedule_init(
			&w->stages[s].schedule, spec->schedule, &sequence, spec->n_stages, s);
	}
	for (int s = 0; s < spec->n_stages - 1; s++) {
		w->directions[2 * s] = direction_of(spec, s, false);
		w->directions[2 * s + 1] = direction_of(spec, s, true);
	}
}

static struct virtual_link link_between(
	const struct ftp_planner_problem *problem, uint32_t from, uint32_t to)
{
	const struct ftp_planner_link *l = &problem->links[from * problem->n_nodes + to];

	return (struct virtual_link){l->latency_ns, l->bytes_per_s};
}

struct virtual_pipeline virtual_pipeline_of(
	const struct ftp_planner_problem *problem, const struct ftp_planner_plan *plan)
{
	struct virtual_pipeline v = {.n_micro = problem->micro_batches,
		.n_stages = (int)plan->n_stages,
		.schedule = problem->schedule == FTP_PLANNER_1F1B ? FTP_SCHEDULE_1F1B
								  : FTP_SCHEDULE_FLUSH};

	v.n_steps = v.schedule == FTP_SCHEDULE_1F1B ? 60 + 6 * plan->n_stages : 6 * plan->n_stages;
	for (uint32_t s = 0; s < plan->n_stages; s++) {
		const struct ftp_planner_times *times = problem->nodes[plan->node[s]].times;

		for (uint32_t u = plan->first_unit[s]; u < plan->first_unit[s + 1]; u++) {
			v.stages[s].forward_ns += times[u].forward_ns;
			v.stages[s].backward_ns += times[u].backward_ns;
			v.stages[s].update_ns += times[u].update_ns;
		}
		if (s + 1 == plan->n_stages)
			break;
		v.cut_bytes[s] = problem->units[plan->first_unit[s + 1]].input_bytes;
		v.forward[s] = link_between(problem, plan->node[s], plan->node[s + 1]);
		v.backward[s] = link_between(problem, plan->node[s + 1], plan->node[s]);
	}
	return v;
}

struct virtual_outcome virtual_pipeline_run(const struct virtual_pipeline *spec)
{
	struct world *w = calloc(1, sizeof(*w));
	struct virtual_outcome outcome;

	ftp_assert(w);
	build(w, spec);
	for (int s = 0; s < spec->n_stages; s++) {
		admit(w, s);
		start(w, s);
	}
	while (w->n_ended < spec->n_stages) {
		struct event e;
		int s;

		ftp_assert(w->n_events > 0); /* else they wait for one another */
		e = pop(w);
		w->now_ns = e.at_ns;
		s = happen(w, &e);
		if (s < 0)
			continue;
		admit(w, s);
		start(w, s);
	}
	outcome = w->outcome;
	for (int s = 0; s < spec->n_stages; s++)
		outcome.busy[s] = (double)w->stages[s].busy_ns /
				  (double)(outcome.step_ns * (w->last_counted - w->first_counted));
	free(w->n_updated);
	free(w);
	return outcome;
}
