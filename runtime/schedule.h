/* Pipeline schedule of one stage: a pure state machine, (state, arrivals) -> next task.
 *
 * `flush` is 1F1B with flush (Narayanan et al., PipeDream-2BW, arXiv 2006.09503, section 2; Fan et
 * al., DAPPLE, arXiv 2007.01045): at most n_stages - stage micro-batches in flight, backward before
 * forward when both may run, one update when every micro-batch of the step has flowed back. Both
 * directions run in micro-batch order, so timing moves work about but never changes a result.
 *
 * A slot holds one micro-batch on this stage, from the moment its buffers are posted until
 * everything that is sent from it has been acknowledged:
 *
 *   EMPTY --admit--> ARRIVING --forward--> HELD --backward--> DRAINING --released--> EMPTY
 *                       '------- evaluation: forward only ------^
 *
 * Item i of the sequence takes slot i % n_slots. One more slot than micro-batches in flight lets
 * the next input arrive while the others are held.
 *
 * One thread. No allocation.
 */
#ifndef FTP_RUNTIME_SCHEDULE_H
#define FTP_RUNTIME_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/sequence.h"

#define FTP_SCHEDULE_MAX_SLOTS 80

enum ftp_schedule_part {	  /* bits: what a slot awaits or lends */
	FTP_PART_INPUT = 1,	  /* arrives: from the feed or the previous stage */
	FTP_PART_LABELS = 2,	  /* arrives on the last stage, is sent by stage 0 */
	FTP_PART_OUTPUT_GRAD = 4, /* arrives from the next stage */
	FTP_PART_OUTPUT = 8,	  /* sent to the next stage */
	FTP_PART_INPUT_GRAD = 16, /* sent to the previous stage */
};

enum ftp_task_kind {
	FTP_TASK_NONE, /* nothing can run before something arrives or is released */
	FTP_TASK_FORWARD,
	FTP_TASK_BACKWARD,
	FTP_TASK_UPDATE, /* item.step is the step that ends */
	FTP_TASK_EVAL,
	FTP_TASK_END, /* the sequence has ended and every slot is empty */
};

struct ftp_task {
	enum ftp_task_kind kind;
	int slot;
	struct ftp_item item;
};

enum ftp_slot_state { FTP_SLOT_EMPTY, FTP_SLOT_ARRIVING, FTP_SLOT_HELD, FTP_SLOT_DRAINING };

struct ftp_schedule_slot {
	enum ftp_slot_state state;
	unsigned awaited; /* parts that have not arrived */
	unsigned lent;	  /* parts that the network holds */
	struct ftp_item item;
};

struct ftp_schedule {
	struct ftp_sequence sequence;
	int n_stages, stage;
	int window; /* forwards ahead of backwards, at most */
	int n_slots;
	bool running;	       /* a task was given out and has not finished */
	uint64_t updated_step; /* every update up to here is done */
	struct ftp_item next_admit, next_forward, next_backward;
	struct ftp_schedule_slot slots[FTP_SCHEDULE_MAX_SLOTS];
};

/* How many slots a stage needs: its window and one. */
int ftp_schedule_n_slots(int n_stages, int stage, uint32_t n_micro);

void ftp_schedule_init(
	struct ftp_schedule *s, const struct ftp_sequence *sequence, int n_stages, int stage);

/* true: the next item of the sequence has taken a slot; the caller posts its buffers (or fills its
 * input, on stage 0). */
bool ftp_schedule_admit(struct ftp_schedule *s, struct ftp_item *item, int *slot);

/* A part of the item has arrived. Each awaited part arrives exactly once. */
void ftp_schedule_arrived(struct ftp_schedule *s, int slot, enum ftp_schedule_part part);

/* A part is about to be lent to the network, and is the stage's again. */
void ftp_schedule_lend(struct ftp_schedule *s, int slot, enum ftp_schedule_part part);
void ftp_schedule_released(struct ftp_schedule *s, int slot, enum ftp_schedule_part part);

/* The task to run now. It must end with ftp_schedule_finished() before the next is asked for; what
 * the task produced is lent in between. */
struct ftp_task ftp_schedule_next(struct ftp_schedule *s);
void ftp_schedule_finished(struct ftp_schedule *s, const struct ftp_task *task);

/* The slot that holds item index, or -1. */
int ftp_schedule_slot_of(const struct ftp_schedule *s, uint64_t index);

#endif
