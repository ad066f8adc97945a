/* Nodes that answer as real ones do. */
#include <stdlib.h>
#include <string.h>

#include "ctl/coordinator_state.h"
#include "tests/ctl/life_state.h"

#define MOST_SILENCES 100 /* of the longest that is allowed, borne without a verdict */

void life_check_silence(const struct life *l)
{
	for (uint32_t i = 0; i < l->config.n_nodes; i++)
		ftp_assert(l->core->nodes[i].detector.narrowest < MOST_SILENCES);
}

void life_note_call(struct life *l, const struct ftp_action *a)
{
	struct life_call *c = &l->calls[l->n_calls];

	if (l->n_calls == LIFE_MAX_CALLS) { /* nobody serves: the oldest is forgotten */
		json_decref(l->calls[0].body);
		memmove(l->calls, l->calls + 1, (--l->n_calls) * sizeof(*c));
		c--;
	}
	*c = (struct life_call){a->conn, a->method, json_incref(a->body), a->term};
	l->n_calls++;
}

static struct life_call remove_call(struct life *l, uint32_t i)
{
	struct life_call c = l->calls[i];

	memmove(&l->calls[i], &l->calls[i + 1], (--l->n_calls - i) * sizeof(c));
	return c;
}

uint64_t life_take_call(struct life *l, unsigned conn, const char *method)
{
	for (uint32_t i = 0; i < l->n_calls; i++) {
		if (l->calls[i].conn == conn && !strcmp(l->calls[i].method, method)) {
			struct life_call c = remove_call(l, i);

			json_decref(c.body);
			return c.term;
		}
	}
	return 0;
}

void life_free_calls(struct life *l)
{
	while (l->n_calls)
		json_decref(remove_call(l, 0).body);
}

static uint32_t node_of(const struct life *l, unsigned conn)
{
	uint32_t i = 0;

	while (i < LIFE_MAX_NODES && l->conn[i] != conn)
		i++;
	return i;
}

/* The time of a unit, forward and backward together, as profiled. */
static uint64_t unit_ns(uint32_t unit)
{
	return 10000000 * (unit + 1);
}

/* All the stages of the plan tell of step l->step; the last one with its loss. */
static void tell_step(struct life *l)
{
	struct ftp_progress *m = calloc(1, sizeof(*m));

	for (uint32_t i = 0; i < l->plan.n_stages; i++) {
		const struct ftp_plan_stage *s = &l->plan.stages[i];
		uint64_t micro_ns = 0;

		for (uint32_t u = s->first_unit; u < s->end_unit; u++)
			micro_ns += unit_ns(u);
		m->term = l->plan.term;
		m->step = l->step;
		m->samples = 8 * l->step;
		m->compute_s = (double)l->step;
		m->n_steps = 1;
		m->step_compute_ns[0] =
			(uint64_t)((double)(l->config.training.micro_batches * micro_ns) *
				   l->slow[s->node]);
		m->n_rows = i + 1 == l->plan.n_stages;
		m->row_step[0] = l->step;
		m->row_loss[0] = 3.0 / (double)l->step;
		life_request(
			l, l->conn[s->node], FTP_METHOD_PROGRESS, ftp_progress_encode(m), false);
	}
	free(m);
}

static void tell_stored(struct life *l, uint32_t node, const struct ftp_plan_stage *of)
{
	struct ftp_stored m = {.term = l->plan.term, .step = l->step, .at = l->step};

	for (uint32_t u = of->first_unit; u < of->end_unit; u++) {
		m.unit[m.n_units] = u;
		m.digest[m.n_units++].low = u;
		if (l->step < LIFE_MAX_STEPS)
			l->stored[node][l->step][u] = l->plan.term;
	}
	life_request(l, l->conn[node], FTP_METHOD_STORED, ftp_stored_encode(&m), false);
}

/* The snapshot that was named, with its replicas. */
static void take_snapshot(struct life *l)
{
	const struct ftp_plan *p = &l->plan;
	bool is_global = l->retain.global;

	for (uint32_t i = 0; i < p->n_stages; i++) {
		tell_stored(l, p->stages[i].node, &p->stages[i]);
		tell_stored(l, p->stages[(i + 1) % p->n_stages].node, &p->stages[i]);
		if (is_global)
			tell_stored(l, p->stages[0].node, &p->stages[i]);
	}
}

void life_train(struct life *l, uint64_t n_steps)
{
	uint64_t end = l->hold ? l->hold : l->config.training.steps;

	while (n_steps-- && l->plan.term && l->step < end) {
		l->step++;
		life_wait(l, l->pace_ms);
		tell_step(l);
		if (l->retain.term == l->plan.term && l->step == l->retain.next)
			take_snapshot(l);
	}
}

void life_finish(struct life *l)
{
	for (uint32_t i = l->plan.n_stages; i-- && l->step == l->plan.last_step;) {
		unsigned conn = l->conn[l->plan.stages[i].node];
		struct ftp_evaluated e = {.term = l->plan.term,
			.step = l->step,
			.n_correct = 6,
			.n_samples = 9,
			.loss = 0.5};
		struct ftp_finished m = {.term = l->plan.term, .step = l->step, .train_s = 2};

		if (i + 1 == l->plan.n_stages)
			life_request(
				l, conn, FTP_METHOD_EVALUATED, ftp_evaluated_encode(&e), false);
		if (!i)
			strcpy(m.params_digest, "0123456789abcdef0123456789abcdef");
		life_request(l, conn, FTP_METHOD_FINISHED, ftp_finished_encode(&m), false);
	}
}

static void serve_profile(struct life *l, const struct life_call *c)
{
	struct ftp_profile m = {.n_units = LIFE_UNITS};
	uint32_t node = node_of(l, c->conn);
	double slow = node < LIFE_MAX_NODES ? l->slow[node] : 1;

	for (uint32_t i = 0; i < m.n_units; i++) {
		m.forward_ns[i] = m.backward_ns[i] = (uint64_t)((double)unit_ns(i) / 2 * slow);
		m.version_bytes[i] = m.fixed_bytes[i] = m.slot_bytes[i] = 1 << 20;
	}
	life_answer(l, c->conn, c->method, ftp_profile_encode(&m), c->term);
}

static void serve_probe(struct life *l, const struct life_call *c)
{
	struct ftp_links m = {.n_peers = 0};

	for (uint32_t i = 0; i < l->config.n_nodes; i++) {
		if (l->conn[i] == c->conn)
			continue;
		m.peer[m.n_peers] = i;
		m.rtt_ns[m.n_peers] = 100000;
		m.bytes_per_s[m.n_peers++] = 1000000000;
	}
	life_answer(l, c->conn, c->method, ftp_links_encode(&m), c->term);
}

static void serve_prepare(struct life *l, const struct life_call *c)
{
	struct ftp_prepared m = {.memory_bytes = 1 << 20};
	struct ftp_error err;

	ftp_assert(!ftp_plan_decode(&l->prepared, c->body, &err));
	m.term = l->prepared.term;
	life_answer(l, c->conn, c->method, ftp_prepared_encode(&m), c->term);
}

static void send_held(struct life *l, const struct life_call *c, uint64_t step)
{
	struct ftp_held m = {.term = l->plan.term, .step = step};
	const struct ftp_plan *p = &l->prepared;

	for (uint32_t i = 0; i < p->n_stages; i++) {
		for (uint32_t u = p->stages[i].first_unit; u < p->stages[i].end_unit; u++) {
			if (p->holder[u] == i || p->holder[u] == FTP_PLAN_INITIAL ||
				ftp_plan_member(p, p->holder[u])->node != node_of(l, c->conn))
				continue;
			m.unit[m.n_units] = u;
			m.digest[m.n_units++].low = u;
		}
	}
	life_request(l, c->conn, FTP_METHOD_HELD, ftp_held_encode(&m), false);
}

/* The central node names the step after the one under way, which all stages then end. */
static void serve_hold(struct life *l, const struct life_call *c)
{
	struct ftp_hold m;
	struct ftp_error err;

	ftp_assert(!ftp_hold_decode(&m, c->body, &err));
	if (!m.step)
		m.step = l->step + 1;
	life_answer(l, c->conn, c->method, ftp_hold_encode(&m), c->term);
	l->hold = m.step;
	life_train(l, m.step);
	send_held(l, c, m.step);
}

static void serve_transfer(struct life *l, const struct life_call *c)
{
	struct ftp_transferred m = {.bytes = 1000};
	struct ftp_transfer t;
	struct ftp_error err;

	ftp_assert(!ftp_transfer_decode(&t, c->body, &err));
	m.term = t.term;
	life_answer(l, c->conn, c->method, ftp_transferred_encode(&m), c->term);
}

static void serve_commit(struct life *l, const struct life_call *c)
{
	if (l->plan.term != l->prepared.term && l->prepared.recovery)
		l->step = l->prepared.recovery_step;
	l->plan = l->prepared;
	l->hold = 0;
	life_answer(l, c->conn, c->method, json_object(), c->term);
}

static void serve_abandon(struct life *l, const struct life_call *c)
{
	l->hold = 0;
	if (l->prepared.term == c->term)
		l->prepared = l->plan;
	life_answer(l, c->conn, c->method, json_object(), c->term);
}

static bool is_retained(const struct ftp_retain *m, uint64_t step)
{
	for (uint32_t i = 0; i < m->n_steps; i++)
		if (m->step[i] == step)
			return true;
	return false;
}

static void tell_inventory(struct life *l, const struct life_call *c)
{
	struct ftp_inventory *m = calloc(1, sizeof(*m));
	uint32_t node = node_of(l, c->conn);

	for (uint32_t s = 0; s < LIFE_MAX_STEPS && node < LIFE_MAX_NODES; s++) {
		for (uint32_t u = 0; u < LIFE_UNITS; u++) {
			if (!l->stored[node][s][u])
				continue;
			m->unit[m->n] = u;
			m->step[m->n] = s;
			m->term[m->n] = l->stored[node][s][u];
			m->digest[m->n++].low = u;
		}
	}
	life_answer(l, c->conn, c->method, ftp_inventory_encode(m), c->term);
	free(m);
}

/* What was under way is over. */
static void serve_halt(struct life *l, const struct life_call *c)
{
	l->plan.term = 0;
	l->prepared.term = 0;
	l->hold = 0;
	tell_inventory(l, c);
}

static void serve_retain(struct life *l, const struct life_call *c)
{
	struct ftp_error err;

	ftp_assert(!ftp_retain_decode(&l->retain, c->body, &err));
	for (uint64_t s = 0; s < LIFE_MAX_STEPS && s < l->retain.next; s++)
		if (!is_retained(&l->retain, s) && node_of(l, c->conn) < LIFE_MAX_NODES)
			memset(l->stored[node_of(l, c->conn)][s], 0, sizeof(l->stored[0][0]));
	life_answer(l, c->conn, c->method, json_object(), c->term);
}

static void serve_plainly(struct life *l, const struct life_call *c)
{
	life_answer(l, c->conn, c->method, json_object(), c->term);
}

static void serve_stop(struct life *l, const struct life_call *c)
{
	const struct ftp_event gone = {
		.kind = FTP_EVENT_LOST, .conn = c->conn, .text = "the peer closed the connection"};

	serve_plainly(l, c);
	life_step(l, &gone, false);
}

static const struct {
	const char *method;
	void (*serve)(struct life *l, const struct life_call *c);
} servings[] = {
	{FTP_METHOD_PROFILE, serve_profile},
	{FTP_METHOD_PROBE, serve_probe},
	{FTP_METHOD_PREPARE, serve_prepare},
	{FTP_METHOD_HOLD, serve_hold},
	{FTP_METHOD_TRANSFER, serve_transfer},
	{FTP_METHOD_COMMIT, serve_commit},
	{FTP_METHOD_ABANDON, serve_abandon},
	{FTP_METHOD_RETAIN, serve_retain},
	{FTP_METHOD_HALT, serve_halt},
	{FTP_METHOD_INVENTORY, tell_inventory},
	{FTP_METHOD_EMULATE, serve_plainly},
	{FTP_METHOD_STOP, serve_stop},
};

bool life_serve(struct life *l, uint32_t which)
{
	struct life_call c;

	if (!l->n_calls)
		return false;
	which %= l->n_calls;
	for (uint32_t i = 0; i < which; i++)
		if (l->calls[i].conn == l->calls[which].conn)
			which = i; /* a node takes its calls in their order */
	c = remove_call(l, which);
	for (size_t i = 0; i < sizeof(servings) / sizeof(*servings); i++)
		if (!strcmp(c.method, servings[i].method))
			servings[i].serve(l, &c);
	json_decref(c.body);
	return true;
}
