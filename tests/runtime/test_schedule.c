#include "tests/base/check.h"

#include <string.h>

#include "runtime/base/prng.h"
#include "runtime/schedule.h"

/* A whole pipeline in one process: messages are entries of a list, delivered in an order that the
 * seed draws; tasks run one at a time. Trace: "F1.0" forward of step 1 micro-batch 0, B backward, U
 * update, E evaluation. */

#define MAX_STAGES 5

struct message {
	int stage; /* that it concerns */
	int slot;
	enum ftp_schedule_part part;
	bool release; /* else an arrival */
};

struct cluster {
	struct ftp_schedule stages[MAX_STAGES];
	char trace[MAX_STAGES][4096];
	bool ended[MAX_STAGES];
	int n_stages;
	struct message messages[1024];
	int n_messages;
	uint64_t key, n_draws;
};

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

static void run(struct cluster *c, int stage, const struct ftp_task *t)
{
	static const char letters[] = {[FTP_TASK_FORWARD] = 'F',
		[FTP_TASK_BACKWARD] = 'B',
		[FTP_TASK_UPDATE] = 'U',
		[FTP_TASK_EVAL] = 'E'};
	bool forward = t->kind == FTP_TASK_FORWARD || t->kind == FTP_TASK_EVAL;
	char *trace = c->trace[stage];
	size_t n = strlen(trace);

	snprintf(trace + n, sizeof(c->trace[stage]) - n, "%c%d.%d ", letters[t->kind],
		(int)t->item.step, (int)t->item.micro);
	if (forward && stage == 0 && c->n_stages > 1)
		send(c, 0, c->n_stages - 1, t, FTP_PART_LABELS, FTP_PART_LABELS);
	if (forward && stage < c->n_stages - 1)
		send(c, stage, stage + 1, t, FTP_PART_OUTPUT, FTP_PART_INPUT);
	if (t->kind == FTP_TASK_BACKWARD && stage > 0)
		send(c, stage, stage - 1, t, FTP_PART_INPUT_GRAD, FTP_PART_OUTPUT_GRAD);
	ftp_schedule_finished(&c->stages[stage], t);
}

static void deliver_one(struct cluster *c)
{
	for (int tries = 0; tries < c->n_messages; tries++) {
		int i = (int)ftp_prng_below(c->key, c->n_draws++, (uint64_t)c->n_messages);
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

static bool turn(struct cluster *c)
{
	int stage = (int)ftp_prng_below(c->key, c->n_draws++, (uint64_t)c->n_stages);
	bool all = true;
	struct ftp_task t;

	admit(c, stage);
	t = ftp_schedule_next(&c->stages[stage]);
	if (t.kind == FTP_TASK_END)
		c->ended[stage] = true;
	else if (t.kind != FTP_TASK_NONE)
		run(c, stage, &t);
	deliver_one(c);
	for (int i = 0; i < c->n_stages; i++)
		all &= c->ended[i];
	return !all;
}

static void live(struct cluster *c, const struct ftp_sequence *s, int n_stages, uint64_t seed)
{
	int n_turns = 0;

	memset(c, 0, sizeof(*c));
	c->n_stages = n_stages;
	c->key = ftp_prng_key(seed, FTP_PRNG_TEST, 0);
	for (int i = 0; i < n_stages; i++)
		ftp_schedule_init(&c->stages[i], s, n_stages, i);
	while (turn(c))
		if (++n_turns > 100000)
			fail_msg("seed %llu: %d stages do not end; stage 0 did %s",
				(unsigned long long)seed, n_stages, c->trace[0]);
	assert_int_equal(c->n_messages, 0);
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

static void schedule_next__one_stage(void **state)
{
	const struct ftp_sequence s = {1, 2, 1, 2, 1};
	static struct cluster c;

	(void)state;
	live(&c, &s, 1, 1);
	assert_string_equal(
		c.trace[0], "F1.0 B1.0 F1.1 B1.1 U1.0 E1.0 F2.0 B2.0 F2.1 B2.1 U2.0 E2.0 ");
}

static void schedule_next__last_stage_alternates(void **state)
{
	const struct ftp_sequence s = {1, 1, 0, 4, 0};
	static struct cluster c;

	(void)state;
	live(&c, &s, 3, 1);
	assert_string_equal(c.trace[2], "F1.0 B1.0 F1.1 B1.1 F1.2 B1.2 F1.3 B1.3 U1.0 ");
}

static void schedule_next__every_life_ends_in_order(void **state)
{
	static const struct ftp_sequence sequences[] = {
		{1, 3, 1, 4, 3}, {1, 4, 0, 1, 2}, {3, 6, 2, 8, 1}, {1, 2, 0, 2, 0}};
	static struct cluster c;

	(void)state;
	for (uint64_t seed = 1; seed <= 200; seed++)
		for (size_t q = 0; q < sizeof(sequences) / sizeof(sequences[0]); q++)
			for (int n = 1; n <= MAX_STAGES; n++) {
				live(&c, &sequences[q], n, seed);
				for (int i = 0; i < n; i++) {
					check_order(&c, &sequences[q], i);
					assert_true(max_ahead(c.trace[i]) <= n - i);
				}
			}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(schedule_next__one_stage),
		cmocka_unit_test(schedule_next__last_stage_alternates),
		cmocka_unit_test(schedule_next__every_life_ends_in_order),
	};

	return cmocka_run_group_tests_name("schedule", tests, NULL, NULL);
}
