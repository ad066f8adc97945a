/* Lives of one node over plans, told as what it does and where it stands after each event. */
#include "runtime/transition.h"

#include <stdio.h>
#include <string.h>

#include "runtime/moves.h"
#include "tests/base/check.h"
#include "tests/runtime/transfers.h"

#define N_UNITS	  6
#define LAST_STEP 100

enum { FIRST, GIVES, TAKES, LEAVES, RETURNS, SAME_PORT, RECOVERS, SERVES, UNHELD, N_PLANS };

#define STORED_STEP 5 /* node 1 has units 2 and 3 of it */

/* Of nodes 0 to 2; the holders are the stages of the plan `after`, numbered from 1. */
static const struct {
	uint64_t term;
	int n_stages, node[3], end[3], n_leaving, leaving, after;
} shapes[N_PLANS] = {
	[FIRST] = {1, 3, {0, 1, 2}, {2, 4, 6}, 0, 0, 0},
	[GIVES] = {2, 3, {0, 1, 2}, {3, 4, 6}, 0, 0, 1 + FIRST},
	[TAKES] = {3, 3, {0, 1, 2}, {1, 5, 6}, 0, 0, 1 + FIRST},
	[LEAVES] = {4, 2, {0, 2}, {3, 6}, 1, 1, 1 + FIRST},
	[SAME_PORT] = {9, 3, {0, 1, 2}, {3, 4, 6}, 0, 0, 1 + FIRST},
	[RETURNS] = {5, 3, {0, 1, 2}, {2, 4, 6}, 0, 0, 1 + LEAVES},
	/* Without node 2, then without node 1; the last one believes node 1 to have unit 4. */
	[RECOVERS] = {6, 2, {0, 1}, {3, 6}, 0, 0, 0},
	[SERVES] = {7, 1, {0}, {6}, 1, 1, 0},
	[UNHELD] = {8, 2, {0, 1}, {3, 6}, 0, 0, 0},
};

static void recover(struct ftp_plan *p, int shape)
{
	p->recovery = 1;
	p->recovery_step = STORED_STEP;
	for (uint32_t u = 0; u < N_UNITS; u++)
		p->holder[u] = u == 2 || u == 3 || (shape == UNHELD && u == 4);
}

static struct ftp_plan plan_of(int shape)
{
	struct ftp_plan p = {.term = shapes[shape].term,
		.last_step = LAST_STEP,
		.n_stages = (uint32_t)shapes[shape].n_stages,
		.n_leaving = (uint32_t)shapes[shape].n_leaving,
		.n_units = N_UNITS};
	struct ftp_plan before;

	p.leaving[0].node = (uint32_t)shapes[shape].leaving;
	for (uint32_t i = 0; i < p.n_stages; i++) {
		p.stages[i].node = (uint32_t)shapes[shape].node[i];
		p.stages[i].udp_port = shape == FIRST || shape == SAME_PORT ? 20 : 30;
		p.stages[i].first_unit = i ? (uint32_t)shapes[shape].end[i - 1] : 0;
		p.stages[i].end_unit = (uint32_t)shapes[shape].end[i];
	}
	for (uint32_t u = 0; u < N_UNITS; u++)
		p.holder[u] = FTP_PLAN_INITIAL;
	if (shape >= RECOVERS)
		recover(&p, shape);
	if (!shapes[shape].after)
		return p;
	before = plan_of(shapes[shape].after - 1);
	for (uint32_t u = 0; u < N_UNITS; u++)
		p.holder[u] = (uint32_t)ftp_moves_member_of(
			&p, before.stages[ftp_moves_owner(&before, u)].node);
	return p;
}

static const char *const call_names[] = {
	"prepare", "hold", "transfer", "commit", "abandon", "halt"};

static void describe(const struct ftp_transition *t, const struct ftp_transition_actions *a,
	char *text, size_t bytes)
{
	static const char *const names[] = {[FTP_DO_BUILD] = "build",
		[FTP_DO_CONNECT] = "connect",
		[FTP_DO_HOLD] = "hold",
		[FTP_DO_RECEIVE] = "receive",
		[FTP_DO_SEND] = "send",
		[FTP_DO_TELL] = "tell",
		[FTP_DO_COPY] = "copy",
		[FTP_DO_RETIRE] = "retire",
		[FTP_DO_START] = "start",
		[FTP_DO_DROP] = "drop",
		[FTP_DO_RESUME] = "resume",
		[FTP_DO_HALT] = "halt",
		[FTP_DO_COMPLAIN] = "complain",
		[FTP_DO_RESTORE] = "restore",
		[FTP_DO_FAIL] = "fail"};
	size_t at = 0;

	for (int i = 0; i < a->n; i++) {
		const struct ftp_transition_action *x = &a->items[i];

		if (x->kind == FTP_DO_ANSWER)
			at += (size_t)snprintf(text + at, bytes - at, "%s %s, ",
				x->text[0] ? "refuse" : "grant", call_names[x->call]);
		else
			at += (size_t)snprintf(text + at, bytes - at, "%s, ", names[x->kind]);
	}
	snprintf(text + at, bytes - at, "%s, %s", ftp_now_state_name(t->now),
		ftp_next_state_name(t->next));
}

struct row {
	enum ftp_transition_event_kind kind;
	uint64_t n; /* plan (PREPARE, TRANSFER), term (COMMIT, ABANDON), step, or unit */
	const char *expected;
	uint64_t step;	 /* HOLD, TRANSFER */
	bool is_corrupt; /* FETCHED: not what was promised */
};

enum { IN_IT = 1000 }; /* the plan of the life that begins so */

#define ROWS(...)                                                                                  \
	.rows = (const struct row[]){__VA_ARGS__},                                                 \
	.n = sizeof((const struct row[]){__VA_ARGS__}) / sizeof(struct row)

struct life {
	const char *name;
	const struct life *before; /* it begins so */
	const struct row *rows;
	size_t n;
	int plan; /* IN_IT */
	bool survives;
};

#define AT(what, number, done, ...)                                                                \
	{                                                                                          \
		.kind = FTP_TRANSITION_##what, .n = number, .expected = done, __VA_ARGS__          \
	}

static const struct life prepared_first = {
	ROWS(AT(PREPARE, FIRST, "build, connect, idle, next plan building"),
		AT(BUILT, 0, "idle, next plan connecting"),
		AT(CONNECTED, 0, "grant prepare, idle, next plan prepared"))};

static const struct life in_force = {.before = &prepared_first,
	ROWS(AT(TRANSFER, FIRST, "receive, idle, next plan moving"),
		AT(RECEIVING, 0, "grant transfer, idle, next plan ready"),
		AT(COMMIT, 1, "start, grant commit, training, no next plan"))};

static const struct life prepared = {.before = &in_force,
	ROWS(AT(PREPARE, IN_IT, "build, connect, training, next plan building"),
		AT(BUILT, 0, "training, next plan connecting"),
		AT(CONNECTED, 0, "grant prepare, training, next plan prepared"))};

static const struct life holding = {.before = &prepared,
	ROWS(AT(HOLD, 1, "hold, training, next plan prepared", .step = 7),
		AT(HOLDING, 7, "grant hold, receive, holding, next plan prepared"),
		AT(RECEIVING, 0, "holding, next plan prepared"))};

static const struct life held = {
	.before = &holding, ROWS(AT(HELD, 0, "send, tell, copy, held, next plan prepared"))};

static const struct life lives[] = {
	{"gives", .before = &held, .plan = GIVES,
		ROWS(AT(TRANSFER, GIVES, "grant transfer, held, next plan ready", .step = 7),
			AT(COMMIT, 2, "retire, start, grant commit, training, no next plan"),
			AT(COMMIT, 2, "grant commit, training, no next plan"),
			AT(ABANDON, 2, "refuse abandon, training, no next plan"),
			AT(ABANDON, 9, "grant abandon, training, no next plan"),
			AT(ENDED, 0, "ended, no next plan"),
			AT(PREPARE, TAKES, "refuse prepare, ended, no next plan"))},
	{"takes", .before = &holding, .plan = TAKES,
		ROWS(AT(FETCHED, 4, "holding, next plan prepared"), /* before we stand */
			AT(HELD, 0, "send, tell, copy, held, next plan prepared"),
			AT(COMMIT, 3, "refuse commit, held, next plan prepared"),
			AT(TRANSFER, TAKES, "refuse transfer, held, next plan prepared", .step = 8),
			AT(TRANSFER, TAKES, "held, next plan moving", .step = 7),
			AT(FETCHED, 1, "grant transfer, held, next plan ready"),
			AT(NOW_LOST, 0, "held, next plan ready"), /* it has committed */
			AT(COMMIT, 3, "retire, start, grant commit, training, no next plan"),
			AT(PREPARE, GIVES, "refuse prepare, training, no next plan"))},
	{"leaves_and_returns", .before = &held, .plan = LEAVES,
		ROWS(AT(TRANSFER, LEAVES, "grant transfer, held, next plan ready", .step = 7),
			AT(COMMIT, 4, "retire, drop, grant commit, idle, no next plan"),
			AT(HOLD, 4, "refuse hold, idle, no next plan", .step = 9),
			AT(PREPARE, RETURNS, "build, connect, idle, next plan building"),
			AT(BUILT, 0, "idle, next plan connecting"),
			AT(CONNECTED, 0, "grant prepare, idle, next plan prepared"),
			AT(TRANSFER, RETURNS, "receive, idle, next plan moving", .step = 20),
			AT(RECEIVING, 0, "idle, next plan moving"),
			AT(FETCHED, 2, "idle, next plan moving"),
			AT(FETCHED, 3, "grant transfer, idle, next plan ready"),
			AT(COMMIT, 5, "start, grant commit, training, no next plan"))},
	{"abandoned_everywhere", .before = &in_force,
		ROWS(AT(PREPARE, GIVES, "build, connect, training, next plan building"),
			AT(ABANDON, 2,
				"refuse prepare, drop, grant abandon, training, no next plan"),
			AT(BUILT, 0, "training, no next plan"), /* overtaken */
			AT(PREPARE, GIVES, "refuse prepare, training, no next plan"),
			AT(PREPARE, TAKES, "build, connect, training, next plan building"),
			AT(BUILT, 0, "training, next plan connecting"),
			AT(CONNECTED, 0, "grant prepare, training, next plan prepared"),
			AT(HOLD, 1, "hold, training, next plan prepared", .step = 7),
			AT(HOLDING, 7, "grant hold, receive, holding, next plan prepared"),
			AT(ABANDON, 3, "drop, resume, grant abandon, training, no next plan"),
			AT(HELD, 0, "training, no next plan"))},
	{"abandoned_while_moving", .before = &held, .plan = TAKES,
		ROWS(AT(TRANSFER, TAKES, "held, next plan moving", .step = 7),
			AT(ABANDON, 2, "grant abandon, held, next plan moving"),
			AT(ABANDON, 3,
				"refuse transfer, drop, resume, grant abandon, training, no next "
				"plan"),
			AT(COMMIT, 3, "refuse commit, training, no next plan"))},
	{"corrupt", .before = &held, .plan = TAKES,
		ROWS(AT(FETCHED, 1, "held, next plan prepared", .is_corrupt = true),
			AT(TRANSFER, TAKES, "refuse transfer, drop, held, next plan broken",
				.step = 7),
			AT(COMMIT, 3, "refuse commit, held, next plan broken"),
			AT(ABANDON, 3, "resume, grant abandon, training, no next plan"))},
	{"fails", .before = &in_force,
		ROWS(AT(PREPARE, GIVES, "build, connect, training, next plan building"),
			AT(NEXT_FAILED, 0, "refuse prepare, drop, training, no next plan"),
			AT(PREPARE, TAKES, "build, connect, training, next plan building"),
			AT(BUILT, 0, "training, next plan connecting"),
			AT(NEXT_FAILED, 0, "refuse prepare, drop, training, no next plan"),
			AT(PREPARE, LEAVES, "build, connect, training, next plan building"),
			AT(BUILT, 0, "training, next plan connecting"),
			AT(CONNECTED, 0, "grant prepare, training, next plan prepared"),
			AT(NEXT_FAILED, 0, "drop, training, next plan broken"),
			AT(ABANDON, 4, "grant abandon, training, no next plan"))},
	{"fails_before_holding", .before = &prepared, .plan = GIVES,
		ROWS(AT(NEXT_FAILED, 0, "drop, training, next plan broken"),
			AT(HOLD, 1, "hold, training, next plan broken", .step = 7),
			AT(HOLDING, 0, "grant hold, holding, next plan broken", .step = 7),
			AT(HELD, 0, "tell, held, next plan broken"),
			AT(ABANDON, 2, "resume, grant abandon, training, no next plan"))},
	{"fails_while_holding", .before = &holding, .plan = GIVES,
		ROWS(AT(NEXT_FAILED, 0, "drop, holding, next plan broken"),
			AT(HELD, 0, "tell, held, next plan broken"),
			AT(TRANSFER, GIVES, "refuse transfer, held, next plan broken", .step = 7),
			AT(ABANDON, 2, "resume, grant abandon, training, no next plan"))},
	{"orphaned", .before = &held, .plan = GIVES,
		ROWS(AT(TRANSFER, GIVES, "grant transfer, held, next plan ready", .step = 7),
			AT(NOW_LOST, 0, "held, next plan ready"),
			AT(ABANDON, 2, "drop, fail, grant abandon, failed, no next plan"),
			AT(PREPARE, TAKES, "refuse prepare, failed, no next plan"))},
	{"too_late", .before = &prepared, .plan = GIVES,
		ROWS(AT(HOLD, 1, "hold, training, next plan prepared", .step = LAST_STEP),
			AT(HOLDING, LAST_STEP, "grant hold, resume, training, next plan prepared"),
			AT(ENDED, 0, "ended, next plan prepared"),
			AT(HOLD, 1, "refuse hold, ended, next plan prepared", .step = LAST_STEP),
			AT(ABANDON, 2, "drop, grant abandon, ended, no next plan"),
			AT(NOW_LOST, 0, "fail, failed, no next plan"))},
	{"the_other_plan's_port", .before = &in_force,
		ROWS(AT(PREPARE, SAME_PORT, "refuse prepare, training, no next plan"))},
	{"strange_calls",
		ROWS(AT(HOLD, 0, "refuse hold, idle, no next plan"),
			AT(TRANSFER, FIRST, "refuse transfer, idle, no next plan"),
			AT(COMMIT, 1, "refuse commit, idle, no next plan"),
			AT(PREPARE, GIVES, "refuse prepare, idle, no next plan"),
			/* it holds nothing */
			AT(PREPARE, FIRST, "build, connect, idle, next plan building"),
			AT(BUILT, 0, "idle, next plan connecting"),
			AT(CONNECTED, 0, "grant prepare, idle, next plan prepared"),
			AT(TRANSFER, FIRST, "refuse transfer, idle, next plan prepared",
				.step = LAST_STEP),
			AT(TRANSFER, GIVES, "refuse transfer, idle, next plan prepared"),
			AT(TRANSFER, FIRST, "receive, idle, next plan moving"),
			AT(NEXT_FAILED, 0, "refuse transfer, drop, idle, next plan broken"),
			AT(PREPARE, GIVES, "refuse prepare, idle, next plan broken"))},
	{"halted_in_training", .before = &in_force, .survives = true,
		ROWS(AT(HALT, 1, "refuse halt, training, no next plan"), /* an old one */
			AT(HALT, 6, "halt, grant halt, halted, no next plan"),
			AT(PREPARE, GIVES, "refuse prepare, halted, no next plan"), /* too old */
			AT(NOW_LOST, 0, "halted, no next plan"),
			AT(HOLD, 1, "refuse hold, halted, no next plan", .step = 7),
			AT(PREPARE, RECOVERS, "build, connect, halted, next plan building"),
			AT(BUILT, 0, "halted, next plan connecting"),
			AT(CONNECTED, 0, "grant prepare, receive, halted, next plan prepared"),
			AT(RECEIVING, 0, "send, restore, halted, next plan prepared"),
			AT(FETCHED, 3, "halted, next plan prepared"),
			AT(FETCHED, 4, "halted, next plan prepared"),
			AT(TRANSFER, RECOVERS, "refuse transfer, halted, next plan prepared",
				.step = 4),
			AT(TRANSFER, RECOVERS, "halted, next plan moving", .step = STORED_STEP),
			AT(FETCHED, 5, "grant transfer, halted, next plan ready"),
			AT(COMMIT, 6, "start, grant commit, training, no next plan"),
			AT(PREPARE, UNHELD, "refuse prepare, training, no next plan"))},
	{"halted_again_in_recovery", .before = &in_force, .survives = true,
		ROWS(AT(HALT, 6, "halt, grant halt, halted, no next plan"),
			AT(PREPARE, RECOVERS, "build, connect, halted, next plan building"),
			AT(HALT, 7, "refuse prepare, drop, grant halt, halted, no next plan"),
			AT(BUILT, 0, "halted, no next plan"), /* overtaken */
			AT(PREPARE, RECOVERS, "refuse prepare, halted, no next plan"),
			AT(PREPARE, SERVES, "build, connect, halted, next plan building"),
			AT(BUILT, 0, "halted, next plan connecting"),
			AT(CONNECTED, 0, "grant prepare, receive, halted, next plan prepared"),
			AT(RECEIVING, 0, "send, restore, halted, next plan prepared"),
			AT(TRANSFER, SERVES, "grant transfer, halted, next plan ready",
				.step = STORED_STEP),
			AT(COMMIT, 7, "drop, grant commit, idle, no next plan"),
			AT(HALT, 8, "grant halt, idle, no next plan"), /* nothing to stop */
			AT(PREPARE, UNHELD, "refuse prepare, idle, no next plan"))},
	{"restored_wrongly", .before = &in_force, .survives = true,
		ROWS(AT(HALT, 6, "halt, grant halt, halted, no next plan"),
			AT(PREPARE, RECOVERS, "build, connect, halted, next plan building"),
			AT(BUILT, 0, "halted, next plan connecting"),
			AT(CONNECTED, 0, "grant prepare, receive, halted, next plan prepared"),
			AT(RECEIVING, 0, "send, restore, halted, next plan prepared"),
			AT(FETCHED, 3, "halted, next plan prepared", .is_corrupt = true),
			AT(TRANSFER, RECOVERS, "refuse transfer, drop, halted, next plan broken",
				.step = STORED_STEP),
			AT(HALT, 7, "grant halt, halted, no next plan"))},
	{"loses_a_peer", .before = &in_force, .survives = true,
		ROWS(AT(NOW_LOST, 0, "halt, complain, halted, no next plan"),
			AT(HALT, 6, "grant halt, halted, no next plan"))},
	{"loses_a_peer_while_moving", .before = &held, .survives = true, .plan = TAKES,
		ROWS(AT(TRANSFER, TAKES, "held, next plan moving", .step = 7),
			AT(NOW_LOST, 0,
				"refuse transfer, drop, halt, complain, halted, no next plan"),
			AT(COMMIT, 3, "refuse commit, halted, no next plan"))},
	{"loses_a_peer_when_ready", .before = &held, .survives = true, .plan = GIVES,
		ROWS(AT(TRANSFER, GIVES, "grant transfer, held, next plan ready", .step = 7),
			AT(NOW_LOST, 0, "held, next plan ready"),
			AT(ABANDON, 2, "drop, halt, complain, grant abandon, halted, no next plan"),
			AT(HALT, 6, "grant halt, halted, no next plan"))},
	{"halted_when_ready", .before = &held, .survives = true, .plan = GIVES,
		ROWS(AT(TRANSFER, GIVES, "grant transfer, held, next plan ready", .step = 7),
			AT(HALT, 6, "drop, halt, grant halt, halted, no next plan"),
			AT(COMMIT, 2, "refuse commit, halted, no next plan"))},
	{"halted_at_the_end", .before = &in_force, .survives = true,
		ROWS(AT(ENDED, 0, "ended, no next plan"),
			AT(HALT, 6, "halt, grant halt, halted, no next plan"))},
	{"recovery_without_a_halt", .before = &in_force, .survives = true,
		ROWS(AT(PREPARE, RECOVERS, "refuse prepare, training, no next plan"))},
	{"hold_without_step", .before = &prepared, .plan = GIVES,
		ROWS(AT(HOLD, 1, "refuse hold, training, next plan prepared"),
			AT(HOLD, 2, "refuse hold, training, next plan prepared", .step = 7))},
};
static void run_life(struct ftp_transition *t, const struct ftp_plan *plans,
	const struct life *life, const struct life *whole)
{
	static const bool stored[N_UNITS] = {[2] = true, [3] = true};

	if (life->before)
		run_life(t, plans, life->before, whole);
	for (size_t i = 0; i < life->n; i++) {
		const struct row *r = &life->rows[i];
		uint64_t n = r->n == IN_IT ? (uint64_t)whole->plan : r->n;
		const struct ftp_plan *plan = &plans[n < N_PLANS ? n : 0];
		const struct ftp_transfer transfer = transfer_of(plan, r->step);
		const struct ftp_transition_event e = {.kind = r->kind,
			.plan = plan,
			.transfer = &transfer,
			.term = n,
			.step = r->kind == FTP_TRANSITION_HOLDING ? n : r->step,
			.unit = (uint32_t)n,
			.has = stored,
			.digest = digest_of((uint32_t)n + (r->is_corrupt ? 1 : 0)),
			.text = "something went wrong"};
		struct ftp_transition_actions a;
		char text[256];

		ftp_transition_step(t, &e, &a);
		describe(t, &a, text, sizeof(text));
		if (strcmp(text, r->expected))
			fail_msg("%s, row %zu: %s, expected %s", whole->name, i, text, r->expected);
	}
}

static void step__lives(void **state)
{
	struct ftp_plan plans[N_PLANS];

	(void)state;
	for (int i = 0; i < N_PLANS; i++)
		plans[i] = plan_of(i);
	for (size_t i = 0; i < sizeof(lives) / sizeof(lives[0]); i++) {
		struct ftp_transition t;

		ftp_transition_init(&t, 1, lives[i].survives);
		run_life(&t, plans, &lives[i], &lives[i]);
	}
}

static void is_done_with__those_who_only_gave(void **state)
{
	struct ftp_plan plan = plan_of(LEAVES);
	struct ftp_transition t = {.next = FTP_NEXT_MOVING, .next_plan = &plan};

	(void)state;
	assert_false(ftp_transition_is_done_with(&t, true, 2));
	assert_false(ftp_transition_is_done_with(&t, false, 2));
	t.next = FTP_NEXT_READY;
	assert_true(ftp_transition_is_done_with(&t, true, 2));
	assert_false(ftp_transition_is_done_with(&t, true, 1));
	t = (struct ftp_transition){.now = FTP_NOW_TRAINING, .now_plan = &plan};
	assert_true(ftp_transition_is_done_with(&t, false, 2));
	assert_false(ftp_transition_is_done_with(&t, false, 1));
}

static void awaits_word__where_nothing_else_happens(void **state)
{
	static const struct {
		enum ftp_now_state now;
		enum ftp_next_state next;
		bool awaits;
	} rows[] = {
		{FTP_NOW_IDLE, FTP_NEXT_NONE, false}, /* for as long as the run likes */
		{FTP_NOW_IDLE, FTP_NEXT_BUILDING, false},
		{FTP_NOW_IDLE, FTP_NEXT_PREPARED, true},
		{FTP_NOW_IDLE, FTP_NEXT_READY, true},
		{FTP_NOW_TRAINING, FTP_NEXT_NONE, false},
		{FTP_NOW_TRAINING, FTP_NEXT_PREPARED, false},
		{FTP_NOW_HOLDING, FTP_NEXT_PREPARED, false},
		{FTP_NOW_HELD, FTP_NEXT_PREPARED, true},
		{FTP_NOW_HELD, FTP_NEXT_MOVING, false},
		{FTP_NOW_HELD, FTP_NEXT_BROKEN, true},
		{FTP_NOW_HALTED, FTP_NEXT_NONE, true},
		{FTP_NOW_HALTED, FTP_NEXT_CONNECTING, false},
		{FTP_NOW_HALTED, FTP_NEXT_READY, true},
		{FTP_NOW_ENDED, FTP_NEXT_NONE, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct ftp_transition t = {.now = rows[i].now, .next = rows[i].next};

		assert_int_equal(ftp_transition_awaits_word(&t), rows[i].awaits);
	}
}

static void moves__of_a_plan(void **state)
{
	struct ftp_plan plan = plan_of(LEAVES);

	(void)state;
	assert_int_equal(ftp_moves_n_members(&plan), 3);
	assert_int_equal(ftp_moves_member_of(&plan, 1), 2);
	assert_int_equal(ftp_moves_member_of(&plan, 5), FTP_MOVES_NOBODY);
	assert_int_equal(ftp_moves_holder(&plan, 2), 2);
	assert_int_equal(ftp_moves_owner(&plan, 2), 0);
	assert_false(ftp_moves_travels(&plan, 0));
	assert_true(ftp_moves_travels(&plan, 3));
	assert_true(ftp_moves_connects(&plan, 2, 0)); /* unit 2 goes there */
	assert_true(ftp_moves_connects(&plan, 1, 2)); /* unit 3 comes from there */
	plan.holder[2] = 0;
	assert_false(ftp_moves_connects(&plan, 2, 0));
	plan = plan_of(FIRST);
	assert_int_equal(ftp_moves_holder(&plan, 2), FTP_MOVES_NOBODY);
	assert_false(ftp_moves_travels(&plan, 2));
	assert_true(ftp_moves_connects(&plan, 1, 2));
	assert_false(ftp_moves_connects(&plan, 1, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(step__lives),
		cmocka_unit_test(is_done_with__those_who_only_gave),
		cmocka_unit_test(awaits_word__where_nothing_else_happens),
		cmocka_unit_test(moves__of_a_plan),
	};

	check_seed();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
