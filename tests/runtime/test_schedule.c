#include "tests/base/check.h"

#include <string.h>

#include "runtime/base/prng.h"
#include "runtime/schedule.h"

/* A whole pipeline in one process: messages are entries of a list, delivered in an order that the
 * seed draws; a task takes a number of turns that the seed draws. Trace: "F1.0" forward of step 1
 * micro-batch 0, B backward, U update, E evaluation. */

#define MAX_STAGES 8
#define MAX_STEPS  40
#define MAX_TURNS  200000
#define N(array)   (sizeof(array) / sizeof((array)[0]))

struct message {
	int stage; /* that it concerns */
	int slot;
	enum ftp_schedule_part part;
	bool release; /* else an arrival */
};

struct life {
	enum ftp_config_schedule kind;
	struct ftp_sequence sequence;
	int n_stages;
	uint64_t seed;
	int hold_turn;	    /* from when on stage 0 is asked; -1: no hold */
	uint64_t hold_step; /* asked for */
	bool resume_early;  /* once every stage has been told, not when all are held */
};

struct cluster {
	const struct life *life;
	struct ftp_schedule stages[MAX_STAGES];
	char trace[MAX_STAGES][4096];
	uint64_t version[MAX_STAGES][MAX_STEPS]; /* the step whose weights its forward used */
	struct ftp_task task[MAX_STAGES];	 /* under way */
	int busy_turns[MAX_STAGES];
	bool ended[MAX_STAGES];
	int n_turns, n_stages;
	bool told[MAX_STAGES], resumed[MAX_STAGES];
	uint64_t held_step; /* what stage 0 answered */
	bool all_held;	    /* at some time */
	struct message messages[1024];
	int n_messages;
	uint64_t key, n_draws;
};

static uint64_t draw(struct cluster *c, uint64_t n)
{
	return ftp_prng_below(c->key, c->n_draws++, n);
}

static void put(struct cluster *c, int stage, int slot, enum ftp_schedule_part part, bool release)
{
	assert_true(c->n_messages < 1024);
	c->messages[c->n_messages++] = (struct message){stage, slot, part, release};
}

/* What a real neighbour does only once its buffer is posted: wait for the slot to hold the item. */
static bool deliverable(struct cluster *c, const struct message *m)
{
	const struct ftp_schedule_slot *slot = &c->stages[m->stage].slots[m->slot];

	return m->release ? (slot->lent & m->part) != 0 : (slot->awaited & m->part) != 0;
}

static int slot_at(const struct cluster *c, int stage, const struct ftp_item *item)
{
	return (int)(item->index % (uint64_t)c->stages[stage].n_slots);
}

static void admit(struct cluster *c, int stage)
{
	struct ftp_item item;
	int slot;

	while (ftp_schedule_admit(&c->stages[stage], &item, &slot)) {
		if (stage > 0)
			continue;
		put(c, 0, slot, FTP_PART_INPUT, false);
		if (c->n_stages == 1)
			put(c, 0, slot, FTP_PART_LABELS, false);
	}
}

static void send(struct cluster *c, int from, int to, const struct ftp_task *t,
	enum ftp_schedule_part sent, enum ftp_schedule_part received)
{
	ftp_schedule_lend(&c->stages[from], t->slot, sent);
	put(c, from, t->slot, sent, true);
	put(c, to, slot_at(c, to, &t->item), received, false);
}

static void finish(struct cluster *c, int stage)
{
	const struct ftp_task *t = &c->task[stage];
	static const char letters[] = {[FTP_TASK_FORWARD] = 'F',
		[FTP_TASK_BACKWARD] = 'B',
		[FTP_TASK_UPDATE] = 'U',
		[FTP_TASK_EVAL] = 'E'};
	bool forward = t->kind == FTP_TASK_FORWARD || t->kind == FTP_TASK_EVAL;
	char *trace = c->trace[stage];
	size_t n = strlen(trace);

	assert_true(n + 16 < sizeof(c->trace[stage]));
	snprintf(trace + n, sizeof(c->trace[stage]) - n, "%c%d.%d ", letters[t->kind],
		(int)t->item.step, (int)t->item.micro);
	if (forward && stage == 0 && c->n_stages > 1)
		send(c, 0, c->n_stages - 1, t, FTP_PART_LABELS, FTP_PART_LABELS);
	if (forward && stage < c->n_stages - 1)
		send(c, stage, stage + 1, t, FTP_PART_OUTPUT, FTP_PART_INPUT);
	if (t->kind == FTP_TASK_BACKWARD && stage > 0)
		send(c, stage, stage - 1, t, FTP_PART_INPUT_GRAD, FTP_PART_OUTPUT_GRAD);
	ftp_schedule_finished(&c->stages[stage], t);
	c->task[stage].kind = FTP_TASK_NONE;
}

static void start(struct cluster *c, int stage)
{
	struct ftp_task t = ftp_schedule_next(&c->stages[stage]);
	uint64_t updated_step = c->stages[stage].updated_step;

	if (t.kind == FTP_TASK_END)
		c->ended[stage] = true;
	if (t.kind == FTP_TASK_END || t.kind == FTP_TASK_NONE)
		return;
	if (t.kind == FTP_TASK_FORWARD) {
		assert_true(t.item.step < MAX_STEPS);
		c->version[stage][t.item.step] = updated_step;
	} else {
		assert_int_equal(updated_step, t.item.step - (t.kind == FTP_TASK_EVAL ? 0 : 1));
	}
	c->task[stage] = t;
	c->busy_turns[stage] = (int)draw(c, 4) * (int)draw(c, 6);
}

static void deliver_one(struct cluster *c)
{
	for (int tries = 0; tries < c->n_messages; tries++) {
		int i = (int)draw(c, (uint64_t)c->n_messages);
		struct message m = c->messages[i];

		if (!deliverable(c, &m))
			continue;
		c->messages[i] = c->messages[--c->n_messages];
		if (m.release)
			ftp_schedule_released(&c->stages[m.stage], m.slot, m.part);
		else
			ftp_schedule_arrived(&c->stages[m.stage], m.slot, m.part);
		return;
	}
}

/* The same point of the sequence on every stage, and nothing on its way. */
static void check_held(const struct cluster *c)
{
	assert_int_equal(c->n_messages, 0);
	for (int i = 0; i < c->n_stages; i++) {
		const struct ftp_schedule *s = &c->stages[i];

		assert_int_equal(s->updated_step, c->held_step);
		assert_int_equal(s->next_forward.index, c->stages[0].next_forward.index);
		assert_int_equal(s->next_forward.step, c->held_step + 1);
	}
}

/* One stage is told, or resumed. Stage 0 is told first, the others when they come by. */
static void hold(struct cluster *c, int stage)
{
	const struct life *life = c->life;
	bool all_told = true, all_held = true;

	if (life->hold_turn < 0 || c->n_turns < life->hold_turn || (stage && !c->told[0]))
		return;
	if (!c->told[stage]) {
		uint64_t ask = stage ? c->held_step : life->hold_step;
		uint64_t step = ftp_schedule_hold(&c->stages[stage], ask);

		assert_true(stage == 0 || step == ask);
		assert_true(step >= ask || step == life->sequence.last_step);
		c->held_step = step;
		c->told[stage] = true;
		return;
	}
	for (int i = 0; i < c->n_stages; i++) {
		all_told &= c->told[i];
		all_held &= ftp_schedule_is_held(&c->stages[i]);
	}
	if (all_held && !c->all_held)
		check_held(c);
	c->all_held |= all_held;
	if (c->resumed[stage] || !(life->resume_early ? all_told : c->all_held))
		return;
	ftp_schedule_resume(&c->stages[stage]);
	c->resumed[stage] = true;
}

static bool turn(struct cluster *c)
{
	int stage = (int)draw(c, (uint64_t)c->n_stages);
	bool all = true;

	hold(c, stage);
	if (c->busy_turns[stage] > 0) {
		c->busy_turns[stage]--;
	} else {
		if (c->task[stage].kind != FTP_TASK_NONE)
			finish(c, stage);
		admit(c, stage);
		start(c, stage);
	}
	deliver_one(c);
	for (int i = 0; i < c->n_stages; i++)
		all &= c->ended[i] && (c->life->hold_turn < 0 || c->resumed[i]);
	return !all;
}

static void live(struct cluster *c, const struct life *life)
{
	memset(c, 0, sizeof(*c));
	c->life = life;
	c->n_stages = life->n_stages;
	c->key = ftp_prng_key(life->seed, FTP_PRNG_TEST, 0);
	for (int i = 0; i < life->n_stages; i++)
		ftp_schedule_init(&c->stages[i], life->kind, &life->sequence, life->n_stages, i);
	while (turn(c))
		if (++c->n_turns > MAX_TURNS)
			fail_msg("seed %llu: %d stages do not end; stage 0 did %s",
				(unsigned long long)life->seed, life->n_stages, c->trace[0]);
	assert_int_equal(c->n_messages, 0);
}

static bool evaluates_after(const struct ftp_sequence *s, uint64_t step)
{
	return s->n_eval && (step == s->last_step || (s->eval_every && step % s->eval_every == 0));
}

/* The formula of runtime/schedule.h, step by step. */
static void check_versions(const struct cluster *c, int stage)
{
	const struct ftp_sequence *s = &c->life->sequence;
	uint64_t window = (uint64_t)(c->n_stages - stage), drained = s->first_step - 1;

	for (uint64_t step = s->first_step; step <= s->last_step; step++) {
		uint64_t want = step - 1;

		if (c->life->kind == FTP_SCHEDULE_1F1B)
			want = step > drained + window ? step - window : drained;
		if (c->version[stage][step] != want)
			fail_msg("seed %llu: stage %d of %d: step %llu used version %llu, not "
				 "%llu: %s",
				(unsigned long long)c->life->seed, stage, c->n_stages,
				(unsigned long long)step,
				(unsigned long long)c->version[stage][step],
				(unsigned long long)want, c->trace[stage]);
		if (evaluates_after(s, step) || step == c->held_step)
			drained = step;
	}
}

/* Each kind of task in order, on every stage, whatever the arrivals. */
static void check_order(const struct cluster *c, const struct ftp_sequence *s, int stage)
{
	char letters[] = "FBUE", want[4][4096] = {{0}}, got[4][4096] = {{0}}, *save = NULL;
	char trace[4096];

	for (struct ftp_item it = ftp_sequence_first(s); !it.end; it = ftp_sequence_next(s, it)) {
		char name[32];

		snprintf(name, sizeof(name), "%d.%d ", (int)it.step, (int)it.micro);
		if (it.eval) {
			strcat(want[3], name);
			continue;
		}
		strcat(want[0], name);
		strcat(want[1], name);
		if (it.micro == 0)
			strcat(want[2], name);
	}
	strcpy(trace, c->trace[stage]);
	for (char *w = strtok_r(trace, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
		char *to = got[strchr(letters, w[0]) - letters];

		strcat(to, w + 1);
		strcat(to, " ");
	}
	for (int k = 0; k < 4; k++)
		assert_string_equal(got[k], want[k]);
}

static int max_ahead(const char *trace)
{
	int ahead = 0, most = 0;

	for (; *trace; trace++) {
		ahead += *trace == 'F' ? 1 : *trace == 'B' ? -1 : 0;
		most = ahead > most ? ahead : most;
	}
	return most;
}

static const struct ftp_sequence flush_sequences[] = {
	{1, 3, 1, 4, 3}, {1, 4, 0, 1, 2}, {3, 6, 2, 8, 1}, {1, 2, 0, 2, 0}};
static const struct ftp_sequence async_sequences[] = {{1, 12, 0, 1, 0}, {1, 11, 3, 1, 2},
	{4, 14, 5, 1, 1}, {1, 3, 1, 1, 3}, {6, 20, 7, 1, 1}, {2, 2, 0, 1, 1}, {1, 30, 11, 1, 2}};

static void check_life(struct cluster *c, const struct life *life)
{
	live(c, life);
	for (int i = 0; i < life->n_stages; i++) {
		check_order(c, &life->sequence, i);
		check_versions(c, i);
		assert_true(max_ahead(c->trace[i]) <= life->n_stages - i);
	}
}

static void check_lives(enum ftp_config_schedule kind, const struct ftp_sequence *sequences,
	size_t n_sequences, bool holds)
{
	uint64_t first_seed = check_seed();
	static struct cluster c;

	for (uint64_t seed = first_seed; seed < first_seed + 60; seed++)
		for (size_t q = 0; q < n_sequences; q++)
			for (int n = 1; n <= MAX_STAGES; n++) {
				const uint64_t key = ftp_prng_key(seed, FTP_PRNG_TEST, q + 1);
				const uint64_t last_step = sequences[q].last_step;
				struct life life = {.kind = kind,
					.sequence = sequences[q],
					.n_stages = n,
					.seed = seed,
					.hold_turn = -1};

				if (holds) {
					life.hold_turn = (int)ftp_prng_below(key, 0, 900);
					life.hold_step =
						ftp_prng_below(key, 1, 2)
							? ftp_prng_below(key, 2, last_step + 2)
							: 0;
					life.resume_early = ftp_prng_below(key, 3, 2);
				}
				check_life(&c, &life);
			}
}

static void schedule_next__one_stage(void **state)
{
	const struct life life = {FTP_SCHEDULE_FLUSH, {1, 2, 1, 2, 1}, 1, 1, -1, 0, false};
	static struct cluster c;

	(void)state;
	live(&c, &life);
	assert_string_equal(
		c.trace[0], "F1.0 B1.0 F1.1 B1.1 U1.0 E1.0 F2.0 B2.0 F2.1 B2.1 U2.0 E2.0 ");
}

static void schedule_next__last_stage_alternates(void **state)
{
	const struct life life = {FTP_SCHEDULE_FLUSH, {1, 1, 0, 4, 0}, 3, 1, -1, 0, false};
	static struct cluster c;

	(void)state;
	live(&c, &life);
	assert_string_equal(c.trace[2], "F1.0 B1.0 F1.1 B1.1 F1.2 B1.2 F1.3 B1.3 U1.0 ");
}

static void schedule_next__last_stage_of_1f1b_updates_each(void **state)
{
	const struct life life = {FTP_SCHEDULE_1F1B, {1, 3, 2, 1, 1}, 3, 1, -1, 0, false};
	static struct cluster c;

	(void)state;
	live(&c, &life);
	assert_string_equal(c.trace[2], "F1.0 B1.0 U1.0 F2.0 B2.0 U2.0 E2.0 F3.0 B3.0 U3.0 E3.0 ");
}

static void schedule_next__every_flush_life_ends_in_order(void **state)
{
	(void)state;
	check_lives(FTP_SCHEDULE_FLUSH, flush_sequences, N(flush_sequences), false);
}

static void schedule_next__every_1f1b_life_uses_its_versions(void **state)
{
	(void)state;
	check_lives(FTP_SCHEDULE_1F1B, async_sequences, N(async_sequences), false);
}

static void schedule_hold__flush_anywhere(void **state)
{
	(void)state;
	check_lives(FTP_SCHEDULE_FLUSH, flush_sequences, N(flush_sequences), true);
}

static void schedule_hold__1f1b_anywhere(void **state)
{
	(void)state;
	check_lives(FTP_SCHEDULE_1F1B, async_sequences, N(async_sequences), true);
}

static void schedule_hold__before_anything(void **state)
{
	const struct ftp_sequence sequence = {5, 9, 0, 1, 0};
	struct ftp_schedule s;
	struct ftp_item item;
	int slot;

	(void)state;
	ftp_schedule_init(&s, FTP_SCHEDULE_1F1B, &sequence, 2, 1);
	assert_true(ftp_schedule_admit(&s, &item, &slot));
	assert_false(ftp_schedule_is_held(&s));
	assert_int_equal(ftp_schedule_hold(&s, 0), 4); /* posted, but empty-handed */
	assert_true(ftp_schedule_is_held(&s));
	assert_false(ftp_schedule_admit(&s, &item, &slot));
	assert_int_equal(ftp_schedule_hold(&s, 7), 4); /* it stands */
	ftp_schedule_resume(&s);
	assert_false(ftp_schedule_is_held(&s));
	ftp_schedule_arrived(&s, slot, FTP_PART_LABELS);
	assert_int_equal(ftp_schedule_hold(&s, 3), 5); /* it has begun */
	assert_false(ftp_schedule_is_held(&s));
	ftp_schedule_arrived(&s, slot, FTP_PART_INPUT);
	assert_int_equal(ftp_schedule_next(&s).kind, FTP_TASK_FORWARD);
}

static void schedule_hold__past_the_end_is_the_end(void **state)
{
	struct life life = {FTP_SCHEDULE_FLUSH, {1, 2, 0, 1, 1}, 1, 1, 0, 99, false};
	static struct cluster c;

	(void)state;
	live(&c, &life);
	assert_int_equal(c.held_step, 2);
	assert_string_equal(c.trace[0], "F1.0 B1.0 U1.0 F2.0 B2.0 U2.0 E2.0 ");
	assert_int_equal(ftp_schedule_next(&c.stages[0]).kind, FTP_TASK_END);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(schedule_next__one_stage),
		cmocka_unit_test(schedule_next__last_stage_alternates),
		cmocka_unit_test(schedule_next__last_stage_of_1f1b_updates_each),
		cmocka_unit_test(schedule_next__every_flush_life_ends_in_order),
		cmocka_unit_test(schedule_next__every_1f1b_life_uses_its_versions),
		cmocka_unit_test(schedule_hold__flush_anywhere),
		cmocka_unit_test(schedule_hold__1f1b_anywhere),
		cmocka_unit_test(schedule_hold__before_anything),
		cmocka_unit_test(schedule_hold__past_the_end_is_the_end),
	};

	return cmocka_run_group_tests_name("schedule", tests, NULL, NULL);
}
