/* Random lives of one node over plans: in any order of calls and of what the worker meets, every
 * call gets one answer and everything that is built is taken down. The invariants are the state
 * machine's own. */
#include "runtime/transition.h"

#include <string.h>

#include "runtime/base/prng.h"
#include "runtime/moves.h"
#include "tests/base/check.h"
#include "tests/runtime/transfers.h"

#define N_UNITS 6

/* What the worker would have under way. */
struct world {
	struct ftp_transition t;
	uint64_t key, n_draws;
	struct ftp_plan plans[2];    /* of the odd and of the even terms */
	struct ftp_plan *now, *next; /* of plans: what is taken down is overwritten */
	uint64_t term;
	bool is_building, is_connecting, is_holding, is_posted;
	bool is_awaited[N_UNITS];
	int n_calls[FTP_N_TRANSITION_CALLS], n_answers[FTP_N_TRANSITION_CALLS];
	int n_built, n_taken_down;
	int n_commits, n_failed, n_halted;
};

static uint64_t draw(struct world *w, uint64_t n)
{
	return ftp_prng_below(w->key, w->n_draws++, n);
}

static void happen(struct world *w, struct ftp_transition_event e);

static void await_units(struct world *w)
{
	for (uint32_t u = 0; u < N_UNITS; u++)
		w->is_awaited[u] = ftp_transition_fetches(&w->t, u);
}

static void take_down(struct world *w, struct ftp_plan **p)
{
	memset(*p, 0xff, sizeof(**p));
	*p = NULL;
	w->n_taken_down++;
}

static void no_next(struct world *w)
{
	take_down(w, &w->next);
	w->is_building = w->is_connecting = w->is_posted = false;
	memset(w->is_awaited, 0, sizeof(w->is_awaited));
}

static void carry_out(struct world *w, const struct ftp_transition_action *x)
{
	switch (x->kind) {
	case FTP_DO_BUILD:
		w->n_built++;
		w->next = &w->plans[w->t.next_plan == &w->plans[1]];
		w->is_building = true;
		break;
	case FTP_DO_CONNECT:
		w->is_connecting = true;
		break;
	case FTP_DO_HOLD:
		happen(w, (struct ftp_transition_event){
				  .kind = FTP_TRANSITION_HOLDING, .step = x->step + draw(w, 5)});
		w->is_holding = w->t.now == FTP_NOW_HOLDING;
		break;
	case FTP_DO_RECEIVE:
		if (!draw(w, 20)) {
			happen(w, (struct ftp_transition_event){
					  .kind = FTP_TRANSITION_NEXT_FAILED, .text = "no room"});
			break;
		}
		await_units(w);
		happen(w, (struct ftp_transition_event){.kind = FTP_TRANSITION_RECEIVING});
		break;
	case FTP_DO_HALT:
		w->n_halted++;
		w->is_holding = false;
		take_down(w, &w->now);
		break;
	case FTP_DO_RETIRE:
		take_down(w, &w->now);
		break;
	case FTP_DO_DROP:
		no_next(w);
		break;
	case FTP_DO_RESUME:
		w->is_holding = false;
		break;
	case FTP_DO_ANSWER:
		w->n_answers[x->call]++;
		break;
	case FTP_DO_FAIL:
		w->n_failed++;
		break;
	case FTP_DO_START:
		w->now = w->next;
		w->next = NULL;
		w->n_commits++;
		break;
	case FTP_DO_SEND:
	case FTP_DO_TELL:
	case FTP_DO_COPY:
	case FTP_DO_RESTORE: /* the draw tells what comes from the store, too */
	case FTP_DO_COMPLAIN:
		break;
	}
}

static void happen(struct world *w, struct ftp_transition_event e)
{
	struct ftp_transition_actions a;

	if (e.kind < (int)FTP_N_TRANSITION_CALLS)
		w->n_calls[e.kind]++;
	ftp_transition_step(&w->t, &e, &a);
	for (int i = 0; i < a.n; i++)
		carry_out(w, &a.items[i]);
}

/* Any plan of three nodes, now and then with an old term or without this one. */
static struct ftp_plan draw_plan(struct world *w)
{
	struct ftp_plan p = {.term = draw(w, 8) ? w->term + 1 : w->term,
		.last_step = 1000000,
		.n_units = N_UNITS,
		.n_stages = 1 + (uint32_t)draw(w, 3)};
	uint32_t end = 0, first = (uint32_t)draw(w, 3);
	const struct ftp_plan *now = w->t.now_plan;

	for (uint32_t i = 0; i < p.n_stages; i++) {
		uint32_t left = p.n_stages - i - 1;

		p.stages[i].node = (first + i) % 3;
		p.stages[i].first_unit = end;
		end = left ? end + 1 + (uint32_t)draw(w, N_UNITS - end - left) : N_UNITS;
		p.stages[i].end_unit = end;
	}
	for (uint32_t i = 0; i < 3 - p.n_stages; i++)
		p.leaving[p.n_leaving++].node = (first + p.n_stages + i) % 3;
	p.recovery = !now && draw(w, 2);
	p.recovery_step = w->t.step;
	for (uint32_t u = 0; u < N_UNITS; u++)
		p.holder[u] = p.recovery && draw(w, 8) ? (uint32_t)draw(w, 3)
			      : now		       ? (uint32_t)ftp_moves_member_of(
								 &p, now->stages[ftp_moves_owner(now, u)].node)
				    : FTP_PLAN_INITIAL;
	return p;
}

static void draw_prepare(struct world *w)
{
	static const bool has[N_UNITS] = {true, true, true, true, true};
	struct ftp_plan p = draw_plan(w);

	if (w->t.is_open[FTP_CALL_PREPARE])
		return;
	if (w->t.next_plan && p.term % 2 == w->t.next_plan->term % 2)
		return; /* its memory is taken */
	if (w->t.now_plan && p.term % 2 == w->t.now_plan->term % 2)
		p.term++;
	w->term = p.term > w->term ? p.term : w->term;
	if (&w->plans[p.term % 2] == w->t.next_plan)
		return;
	w->plans[p.term % 2] = p;
	happen(w,
		(struct ftp_transition_event){
			.kind = FTP_TRANSITION_PREPARE, .plan = &w->plans[p.term % 2], .has = has});
}

static void draw_transfer(struct world *w)
{
	const struct ftp_plan none = {.term = w->term};
	const struct ftp_plan *p = draw(w, 10) && w->t.next_plan ? w->t.next_plan : &none;
	struct ftp_transfer m = transfer_of(p, draw(w, 10) ? w->t.step : w->t.step + 1);

	if (w->t.is_open[FTP_CALL_TRANSFER])
		return;
	if (!draw(w, 10) && m.n_units)
		m.n_units--;
	happen(w, (struct ftp_transition_event){.kind = FTP_TRANSITION_TRANSFER, .transfer = &m});
}

static uint64_t draw_term(struct world *w, uint64_t term)
{
	return draw(w, 10) && term ? term : w->term + draw(w, 3) - 1;
}

static void draw_call(struct world *w)
{
	switch (draw(w, 7)) {
	case 0:
		draw_prepare(w);
		break;
	case 1:
	case 2:
		happen(w, (struct ftp_transition_event){.kind = FTP_TRANSITION_HOLD,
				  .term = draw_term(w, w->t.now_plan ? w->t.now_plan->term : 0),
				  .step = w->t.step + draw(w, 3)});
		break;
	case 3:
		draw_transfer(w);
		break;
	case 4:
		happen(w, (struct ftp_transition_event){.kind = FTP_TRANSITION_COMMIT,
				  .term = draw_term(w, w->t.next_term)});
		break;
	case 5:
		if (!draw(w, 6))
			happen(w, (struct ftp_transition_event){.kind = FTP_TRANSITION_ABANDON,
					  .term = draw_term(w, w->t.next_term)});
		break;
	case 6:
		if (!draw(w, 20))
			happen(w, (struct ftp_transition_event){.kind = FTP_TRANSITION_HALT,
					  .term = w->term + draw(w, 2),
					  .text = "n2 is gone"});
		break;
	}
}

static void draw_fetched(struct world *w)
{
	uint32_t u = (uint32_t)draw(w, N_UNITS);

	if (!w->is_awaited[u])
		return;
	w->is_awaited[u] = false;
	happen(w, (struct ftp_transition_event){.kind = FTP_TRANSITION_FETCHED,
			  .unit = u,
			  .digest = digest_of(draw(w, 30) ? u : u + 1)});
}

static void draw_work(struct world *w)
{
	if (w->is_building && draw(w, 2)) {
		w->is_building = false;
		happen(w, (struct ftp_transition_event){.kind = FTP_TRANSITION_BUILT});
	} else if (w->is_connecting && !w->is_building && draw(w, 2)) {
		w->is_connecting = false;
		happen(w, (struct ftp_transition_event){.kind = FTP_TRANSITION_CONNECTED});
	} else if (w->is_holding && draw(w, 2)) {
		w->is_holding = false;
		happen(w, (struct ftp_transition_event){.kind = FTP_TRANSITION_HELD});
	} else if (!draw(w, 30)) {
		happen(w, (struct ftp_transition_event){
				  .kind = FTP_TRANSITION_NEXT_FAILED, .text = "lost n2"});
	} else if (!draw(w, 300)) {
		happen(w, (struct ftp_transition_event){
				  .kind = FTP_TRANSITION_NOW_LOST, .text = "lost n2"});
	} else if (!draw(w, 400)) {
		happen(w, (struct ftp_transition_event){.kind = FTP_TRANSITION_ENDED});
	} else {
		draw_fetched(w);
	}
}

static void step__random_lives(void **state)
{
	int n_commits = 0, n_failed = 0, n_halted = 0;

	(void)state;
	for (uint64_t life = 0; life < 2000; life++) {
		struct world w = {.key = ftp_prng_key(check_seed(), FTP_PRNG_TEST, life)};

		ftp_transition_init(&w.t, (uint32_t)draw(&w, 3), life % 4);
		for (int i = 0; i < 400; i++) {
			if (draw(&w, 2))
				draw_call(&w);
			else
				draw_work(&w);
			for (int c = 0; c < FTP_N_TRANSITION_CALLS; c++)
				assert_int_equal(w.n_calls[c], w.n_answers[c] + w.t.is_open[c]);
			assert_int_equal(w.n_built - w.n_taken_down,
				(w.t.now_plan != NULL) + (w.t.next_plan != NULL));
			assert_int_equal(w.n_failed, w.t.now == FTP_NOW_FAILED);
		}
		n_commits += w.n_commits;
		n_failed += w.n_failed;
		n_halted += w.n_halted;
	}
	print_message("%d commits, %d failures, %d halts\n", n_commits, n_failed, n_halted);
	assert_true(n_commits > 2000 && n_failed > 50 && n_halted > 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(step__random_lives),
	};

	check_seed();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
