/* Pipeline schedule of one stage: a pure state machine, (state, arrivals) -> next task. Timing
 * moves work about, but never changes a result.
 *
 * `flush` is 1F1B with flush (Narayanan et al., PipeDream-2BW, arXiv 2006.09503, section 2; Fan et
 * al., DAPPLE, arXiv 2007.01045): at most n_stages - stage micro-batches in flight, one update when
 * every micro-batch of the step has flowed back. Both directions run in micro-batch order.
 *
 * `1f1b` (Narayanan et al., PipeDream, arXiv 1806.03377, section 3.2 and 3.3): a step is one
 * micro-batch, its update follows its backward, and the forwards of w = n_stages - stage steps may
 * run before the backward of the first of them. The forward of step b uses exactly the weights
 * after step max(d, b - w), d being the last step before b at whose end the pipeline was empty
 * anyway (ftp_sequence_drained_before(), or a hold): an update waits for the forwards that must not
 * see it. No stage waits in a circle: with a unit of time for each, F(b) at 2b + stage, B(b) at 2b
 * + 2 n_stages - 1 - stage and U(b) right after B(b) satisfy every condition.
 *
 * Where both may run, forward goes before backward: the window bounds it anyway, and a stage that
 * ran two backwards in a row would leave the next one without work. Over 300 drawn pipelines of
 * unequal stages (tests/runtime/test_virtual_pipeline.c) backward first takes 3 % longer with
 * flush, 1 % with 1f1b, and up to half as long again.
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
 * A hold empties the pipeline at a step boundary, so that another plan can go on from there. It is
 * asked for on stage 0, which names the step, then with that step on every other stage.
 *
 * One thread. No allocation.
 */
#ifndef FTP_RUNTIME_SCHEDULE_H
#define FTP_RUNTIME_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#include "ctl/config.h"
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
	enum ftp_config_schedule kind;
	struct ftp_sequence sequence;
	int n_stages, stage;
	int window; /* forwards ahead of backwards, at most */
	int n_slots;
	bool running;	       /* a task was given out and has not finished */
	uint64_t updated_step; /* every update up to here is done */
	uint64_t hold_step;    /* nothing of a later step begins; UINT64_MAX: no hold */
	bool resuming;	       /* the hold is lifted when it is reached */
	uint64_t drained_step; /* of the last hold that was reached; 0: none */
	struct ftp_item next_admit, next_forward, next_backward;
	struct ftp_schedule_slot slots[FTP_SCHEDULE_MAX_SLOTS];
};

/* How many slots a stage needs: its window and one. n_micro is 1 for 1f1b. */
int ftp_schedule_n_slots(enum ftp_config_schedule kind, int n_stages, int stage, uint32_t n_micro);

/* How many versions of its weights a stage holds at most: one for each forward ahead. */
int ftp_schedule_n_versions(enum ftp_config_schedule kind, int n_stages, int stage);

void ftp_schedule_init(struct ftp_schedule *s, enum ftp_config_schedule kind,
	const struct ftp_sequence *sequence, int n_stages, int stage);

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

/* Nothing of a step after the one returned begins; the evaluation after it is still done. That is
 * step, or the earliest possible one if that is later (on stage 0 every admitted item is done, on
 * another every one of which something has arrived), and at most the sequence's last, where a hold
 * is no different from the end. A hold that stands stays as it is. */
uint64_t ftp_schedule_hold(struct ftp_schedule *s, uint64_t step);

/* There is a hold, everything up to it is done, and nothing is lent. */
bool ftp_schedule_is_held(const struct ftp_schedule *s);

/* Lifts the hold; one that is not reached yet is lifted as soon as it is. With 1f1b every stage
 * must have been told of the hold before any is resumed: all must empty at the same step. */
void ftp_schedule_resume(struct ftp_schedule *s);

/* The slot that holds item index, or -1. */
int ftp_schedule_slot_of(const struct ftp_schedule *s, uint64_t index);

#endif
