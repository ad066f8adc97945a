#include "runtime/schedule.h"

#include <string.h>

#include "runtime/base/error.h"

#define NO_HOLD UINT64_MAX

static int window_of(enum ftp_config_schedule kind, int n_stages, int stage, uint32_t n_micro)
{
	int ahead = n_stages - stage;

	return kind == FTP_SCHEDULE_1F1B || (uint32_t)ahead < n_micro ? ahead : (int)n_micro;
}

int ftp_schedule_n_slots(enum ftp_config_schedule kind, int n_stages, int stage, uint32_t n_micro)
{
	return window_of(kind, n_stages, stage, n_micro) + 1;
}

int ftp_schedule_n_versions(enum ftp_config_schedule kind, int n_stages, int stage)
{
	return kind == FTP_SCHEDULE_1F1B ? n_stages - stage : 1;
}

void ftp_schedule_init(struct ftp_schedule *s, enum ftp_config_schedule kind,
	const struct ftp_sequence *sequence, int n_stages, int stage)
{
	ftp_assert(kind == FTP_SCHEDULE_FLUSH || sequence->n_micro == 1);
	memset(s, 0, sizeof(*s));
	s->kind = kind;
	s->sequence = *sequence;
	s->n_stages = n_stages;
	s->stage = stage;
	s->window = window_of(kind, n_stages, stage, sequence->n_micro);
	s->n_slots = ftp_schedule_n_slots(kind, n_stages, stage, sequence->n_micro);
	ftp_assert(s->n_slots <= FTP_SCHEDULE_MAX_SLOTS);
	s->updated_step = sequence->first_step - 1;
	s->hold_step = NO_HOLD;
	s->next_admit = ftp_sequence_first(sequence);
	s->next_forward = s->next_admit;
	s->next_backward = s->next_admit;
}

static bool is_last(const struct ftp_schedule *s)
{
	return s->stage == s->n_stages - 1;
}

static struct ftp_schedule_slot *slot_of(struct ftp_schedule *s, struct ftp_item item)
{
	return &s->slots[item.index % (uint64_t)s->n_slots];
}

static void check_slot(const struct ftp_schedule_slot *slot)
{
	switch (slot->state) {
	case FTP_SLOT_EMPTY:
		ftp_assert(!slot->awaited && !slot->lent);
		break;
	case FTP_SLOT_ARRIVING:
		ftp_assert(!(slot->lent & (FTP_PART_OUTPUT | FTP_PART_INPUT_GRAD)));
		break;
	case FTP_SLOT_HELD:
		ftp_assert(!(slot->awaited & (FTP_PART_INPUT | FTP_PART_LABELS)));
		break;
	case FTP_SLOT_DRAINING:
		ftp_assert(!slot->awaited);
		break;
	}
}

static void empty_if_drained(struct ftp_schedule_slot *slot)
{
	if (slot->state == FTP_SLOT_DRAINING && !slot->lent)
		slot->state = FTP_SLOT_EMPTY;
	check_slot(slot);
}

static unsigned parts_awaited(const struct ftp_schedule *s, const struct ftp_item *item)
{
	if (is_last(s))
		return FTP_PART_INPUT | FTP_PART_LABELS;
	return item->eval ? FTP_PART_INPUT : FTP_PART_INPUT | FTP_PART_OUTPUT_GRAD;
}

/* More than posted: something of it has arrived, or was done. */
static bool has_begun(const struct ftp_schedule *s, const struct ftp_schedule_slot *slot)
{
	return slot->state != FTP_SLOT_EMPTY &&
	       (slot->state != FTP_SLOT_ARRIVING || slot->awaited != parts_awaited(s, &slot->item));
}

/* The last step of which an item comes before this one. */
static uint64_t step_before(struct ftp_item item)
{
	return item.eval || item.micro ? item.step : item.step - 1;
}

uint64_t ftp_schedule_hold(struct ftp_schedule *s, uint64_t step)
{
	uint64_t earliest = step_before(s->stage ? s->next_forward : s->next_admit);

	s->resuming = false;
	if (s->hold_step != NO_HOLD)
		return s->hold_step;
	for (int i = 0; i < s->n_slots; i++) {
		const struct ftp_schedule_slot *slot = &s->slots[i];

		if (has_begun(s, slot) && slot->item.step > earliest)
			earliest = slot->item.step;
	}
	s->hold_step = step > earliest ? step : earliest;
	if (s->hold_step > s->sequence.last_step)
		s->hold_step = s->sequence.last_step;
	return s->hold_step;
}

bool ftp_schedule_is_held(const struct ftp_schedule *s)
{
	if (s->running || s->hold_step == NO_HOLD || s->updated_step < s->hold_step ||
		s->next_forward.step <= s->hold_step)
		return false;
	/* A later item may be posted, and arrive from a stage that was resumed before this one. */
	for (int i = 0; i < s->n_slots; i++) {
		const struct ftp_schedule_slot *slot = &s->slots[i];

		if (slot->state != FTP_SLOT_EMPTY &&
			!(slot->state == FTP_SLOT_ARRIVING && slot->item.step > s->hold_step))
			return false;
	}
	return true;
}

static void lift_if_reached(struct ftp_schedule *s)
{
	if (!s->resuming || !ftp_schedule_is_held(s))
		return;
	s->drained_step = s->hold_step;
	s->hold_step = NO_HOLD;
	s->resuming = false;
}

void ftp_schedule_resume(struct ftp_schedule *s)
{
	s->resuming = s->hold_step != NO_HOLD;
	lift_if_reached(s);
}

bool ftp_schedule_admit(struct ftp_schedule *s, struct ftp_item *item, int *slot_index)
{
	struct ftp_schedule_slot *slot = slot_of(s, s->next_admit);

	lift_if_reached(s);
	if (s->next_admit.end || s->next_admit.step > s->hold_step || slot->state != FTP_SLOT_EMPTY)
		return false;
	slot->state = FTP_SLOT_ARRIVING;
	slot->item = s->next_admit;
	slot->awaited = parts_awaited(s, &slot->item);
	*item = slot->item;
	*slot_index = (int)(slot - s->slots);
	s->next_admit = ftp_sequence_next(&s->sequence, s->next_admit);
	check_slot(slot);
	return true;
}

void ftp_schedule_arrived(struct ftp_schedule *s, int slot_index, enum ftp_schedule_part part)
{
	struct ftp_schedule_slot *slot = &s->slots[slot_index];

	ftp_assert(slot->awaited & part);
	slot->awaited &= ~(unsigned)part;
	check_slot(slot);
}

void ftp_schedule_lend(struct ftp_schedule *s, int slot_index, enum ftp_schedule_part part)
{
	struct ftp_schedule_slot *slot = &s->slots[slot_index];

	ftp_assert(slot->state != FTP_SLOT_EMPTY && !(slot->lent & part));
	slot->lent |= part;
}

void ftp_schedule_released(struct ftp_schedule *s, int slot_index, enum ftp_schedule_part part)
{
	struct ftp_schedule_slot *slot = &s->slots[slot_index];

	ftp_assert(slot->lent & part);
	slot->lent &= ~(unsigned)part;
	empty_if_drained(slot);
}

/* The step whose update makes the weights that an item's forward uses. */
static uint64_t version_for(const struct ftp_schedule *s, const struct ftp_item *item)
{
	uint64_t window = (uint64_t)s->window, version;

	if (item->eval)
		return item->step;
	if (s->kind == FTP_SCHEDULE_FLUSH)
		return item->step - 1;
	version = ftp_sequence_drained_before(&s->sequence, item->step);
	if (version < s->drained_step)
		version = s->drained_step;
	return item->step > version + window ? item->step - window : version;
}

/* The last step whose forward must not see the update of step. */
static uint64_t last_before_update(const struct ftp_schedule *s, uint64_t step)
{
	uint64_t last = step, drains = ftp_sequence_drains_at(&s->sequence, step);

	if (s->kind == FTP_SCHEDULE_1F1B)
		last += (uint64_t)s->window - 1;
	last = last < drains ? last : drains;
	return last < s->hold_step ? last : s->hold_step;
}

static bool is_past(const struct ftp_item *next, uint64_t step)
{
	return next->eval ? next->step >= step : next->step > step;
}

static bool can_update(const struct ftp_schedule *s)
{
	uint64_t step = s->updated_step + 1;

	return step <= s->sequence.last_step && is_past(&s->next_backward, step) &&
	       is_past(&s->next_forward, last_before_update(s, step));
}

static bool can_backward(struct ftp_schedule *s)
{
	const struct ftp_schedule_slot *slot = slot_of(s, s->next_backward);

	return s->next_backward.index < s->next_forward.index && !s->next_backward.eval &&
	       s->next_backward.step == s->updated_step + 1 && slot->state == FTP_SLOT_HELD &&
	       !slot->awaited;
}

static bool can_forward(struct ftp_schedule *s)
{
	const struct ftp_item *item = &s->next_forward;
	const struct ftp_schedule_slot *slot = slot_of(s, *item);

	if (item->end || item->index >= s->next_admit.index || item->step > s->hold_step ||
		s->updated_step != version_for(s, item))
		return false;
	if (!item->eval && item->index - s->next_backward.index >= (uint64_t)s->window)
		return false;
	return slot->state == FTP_SLOT_ARRIVING &&
	       !(slot->awaited & (FTP_PART_INPUT | FTP_PART_LABELS));
}

static bool is_drained(const struct ftp_schedule *s)
{
	for (int i = 0; i < s->n_slots; i++)
		if (s->slots[i].state != FTP_SLOT_EMPTY)
			return false;
	return true;
}

static struct ftp_task task_on(
	struct ftp_schedule *s, enum ftp_task_kind kind, struct ftp_item item)
{
	s->running = true;
	return (struct ftp_task){
		.kind = kind, .slot = (int)(item.index % (uint64_t)s->n_slots), .item = item};
}

struct ftp_task ftp_schedule_next(struct ftp_schedule *s)
{
	ftp_assert(!s->running);
	lift_if_reached(s);
	if (can_update(s))
		return task_on(s, FTP_TASK_UPDATE, (struct ftp_item){.step = s->updated_step + 1});
	if (can_forward(s))
		return task_on(s, s->next_forward.eval ? FTP_TASK_EVAL : FTP_TASK_FORWARD,
			s->next_forward);
	if (can_backward(s))
		return task_on(s, FTP_TASK_BACKWARD, s->next_backward);
	if (s->next_forward.end && is_drained(s))
		return (struct ftp_task){.kind = FTP_TASK_END};
	return (struct ftp_task){.kind = FTP_TASK_NONE};
}

/* Evaluation has no backward: its items are passed over. */
static void skip_evaluation(struct ftp_schedule *s)
{
	while (s->next_backward.eval && s->next_backward.index < s->next_forward.index)
		s->next_backward = ftp_sequence_next(&s->sequence, s->next_backward);
}

void ftp_schedule_finished(struct ftp_schedule *s, const struct ftp_task *task)
{
	struct ftp_schedule_slot *slot = &s->slots[task->slot];

	ftp_assert(s->running);
	s->running = false;
	switch (task->kind) {
	case FTP_TASK_FORWARD:
		slot->state = FTP_SLOT_HELD;
		s->next_forward = ftp_sequence_next(&s->sequence, s->next_forward);
		check_slot(slot);
		break;
	case FTP_TASK_EVAL:
		slot->state = FTP_SLOT_DRAINING;
		s->next_forward = ftp_sequence_next(&s->sequence, s->next_forward);
		skip_evaluation(s);
		empty_if_drained(slot);
		break;
	case FTP_TASK_BACKWARD:
		slot->state = FTP_SLOT_DRAINING;
		s->next_backward = ftp_sequence_next(&s->sequence, s->next_backward);
		skip_evaluation(s);
		empty_if_drained(slot);
		break;
	case FTP_TASK_UPDATE:
		s->updated_step++;
		break;
	case FTP_TASK_NONE:
	case FTP_TASK_END:
		ftp_assert(!"a task without work has no end");
	}
}

int ftp_schedule_slot_of(const struct ftp_schedule *s, uint64_t index)
{
	int slot = (int)(index % (uint64_t)s->n_slots);

	if (s->slots[slot].state == FTP_SLOT_EMPTY || s->slots[slot].item.index != index)
		return -1;
	return slot;
}
