#include "tests/sim/node.h"

#include <stdlib.h>
#include <string.h>

#include "ctl/jsonrpc.h"
#include "runtime/base/prng.h"
#include "runtime/moves.h"
#include "tests/sim/cluster.h"

#define TELL_EVERY_NS (100 * FTP_NS_PER_MS)

static struct sim_world *world_of(struct sim_node *n)
{
	return &n->cluster->world;
}

static void after(struct sim_node *n, uint64_t ns, enum sim_node_timer kind, uint64_t tag)
{
	sim_timer(world_of(n), n->process, world_of(n)->now_ns + ns, (int)kind, tag);
}

void sim_node_work(struct sim_node *n, uint64_t serial, uint64_t ns)
{
	after(n, ns, SIM_TASK, serial);
	n->compute_s += (double)ns * 1e-9;
}

void sim_node_progress(struct sim_node *n)
{
	struct ftp_progress *p = &n->ledger.progress;

	if (!n->standing.term)
		return;
	if (!n->is_joined) { /* losses are kept, the times of steps are not */
		ftp_ledger_flush(&n->ledger);
		return;
	}
	p->term = n->standing.term;
	p->now_ns = world_of(n)->now_ns;
	p->samples = 8 * p->step;
	p->compute_s = n->compute_s;
	ftp_assert(ftp_ledger_take_rows(&n->ledger));
	sim_rpc_notify(&n->rpc, FTP_METHOD_PROGRESS, ftp_progress_encode(p));
	ftp_ledger_flush(&n->ledger);
}

void sim_node_leave(struct sim_node *n, uint32_t code, const char *reason)
{
	struct sim_stage *const stages[] = {n->now, n->next};

	for (int i = 0; i < 2; i++)
		if (stages[i])
			sim_stage_disconnect(stages[i]);
	sim_site_end(n->cluster, n->process);
	sim_site_exited(n->cluster, n, code, 0, reason);
}

void sim_node_fail(struct sim_node *n, const char *text)
{
	struct ftp_failed f;

	snprintf(f.reason, sizeof(f.reason), "%s", text);
	sim_milestone(world_of(n), n->process, "fails: %s", text);
	sim_node_progress(n);
	for (int i = 0; i < FTP_N_TRANSITION_CALLS; i++)
		if (n->standing.calls[i])
			sim_node_answer(n, (enum ftp_transition_call)i, NULL, f.reason);
	sim_node_say(n, FTP_METHOD_FAILED, ftp_failed_encode(&f));
	sim_node_leave(n, 1, text);
}

static const char *const call_names[] = {[FTP_CALL_PREPARE] = FTP_METHOD_PREPARE,
	[FTP_CALL_HOLD] = FTP_METHOD_HOLD,
	[FTP_CALL_TRANSFER] = FTP_METHOD_TRANSFER,
	[FTP_CALL_COMMIT] = FTP_METHOD_COMMIT,
	[FTP_CALL_ABANDON] = FTP_METHOD_ABANDON,
	[FTP_CALL_HALT] = FTP_METHOD_HALT};

void sim_node_answer(
	struct sim_node *n, enum ftp_transition_call call, json_t *result, const char *text)
{
	uint64_t id = n->standing.calls[call];

	if (!result)
		sim_cluster_failed(n->cluster, n, text);
	if (id && id != FTP_STANDING_ORPHAN)
		sim_rpc_answer(&n->rpc, id, call_names[call], result ? 0 : FTP_JSONRPC_STATE,
			result, text);
	else
		json_decref(result);
	n->standing.calls[call] = 0;
}

void sim_node_say_finished(struct sim_node *n)
{
	sim_node_say(n, FTP_METHOD_FINISHED, ftp_finished_encode(&n->said_finished));
}

/* The units of the last step go to the central node. */
static void finish(struct sim_node *n)
{
	struct ftp_finished *f = &n->said_finished;

	*f = (struct ftp_finished){.term = n->standing.term, .step = n->cluster->oracle.last_step};
	if (n->now->member == 0) {
		n->cluster->oracle.is_gathered = true;
		strcpy(f->params_digest, "0123456789abcdef0123456789abcdef");
	}
	n->finished = true;
	sim_node_progress(n);
	sim_node_say_finished(n);
}

void sim_node_finish_if_gathered(struct sim_node *n)
{
	if (!n->finished && sim_stage_is_gathered(n->now))
		finish(n);
}

static void end(struct sim_node *n)
{
	sim_node_happen(n, &(struct ftp_transition_event){.kind = FTP_TRANSITION_ENDED});
	sim_stage_gather(n->now);
	n->is_gathering = true;
	sim_node_finish_if_gathered(n);
}

static void train(struct sim_node *n)
{
	bool trains = n->transition.now == FTP_NOW_TRAINING || n->transition.now == FTP_NOW_HOLDING;

	if (!n->now || !trains)
		return;
	if (sim_stage_turn(n->now))
		end(n);
	else
		sim_node_stand(n);
}

/* Links that are served no more are closed when there is nothing else to do. */
static void close_retired(struct sim_node *n)
{
	struct sim_stage *s;

	while ((s = n->retired)) {
		n->retired = s->next;
		sim_stage_free(s);
		n->snapshots.is_due = true; /* it has given places back */
	}
}

/* Whatever can be done now. */
static void turn(struct sim_node *n)
{
	do {
		if (sim_node_is_active(n))
			train(n);
	} while (sim_node_serve_links(n));
	if (sim_node_is_active(n)) {
		close_retired(n);
		sim_node_snapshots_plan(n);
	}
	sim_node_wake(n);
}

static void end_task(struct sim_node *n, uint64_t serial)
{
	struct sim_stage *s = n->now;
	uint64_t step;

	if (!s || s->serial != serial || !sim_stage_end_task(s))
		return;
	step = s->schedule.updated_step;
	if (n->transition.survives && n->transition.now == FTP_NOW_TRAINING)
		ftp_rollcall_stepped(
			&n->rollcall, &s->plan, s->member, s->net, step, world_of(n)->now_ns);
	sim_node_stepped(n, step);
	while (!ftp_ledger_add_step(&n->ledger, step, s->compute_ns))
		sim_node_progress(n);
	s->compute_ns = 0;
	if (s->member == (int)s->plan.n_stages - 1) {
		ftp_ledger_add_row(
			&n->ledger, step, oracle_loss(s->compute.units[s->plan.n_units - 1].state));
		n->standing.row_term = n->standing.term;
	}
}

static void on_timer(void *self, int kind, uint64_t tag)
{
	struct sim_node *n = self;

	if (n->hangs && kind != SIM_TELL && kind != SIM_CONNECT)
		return;
	switch ((enum sim_node_timer)kind) {
	case SIM_TELL:
		sim_node_progress(n);
		after(n, TELL_EVERY_NS, SIM_TELL, 0);
		break;
	case SIM_CONNECT:
		sim_node_connect(n);
		break;
	case SIM_DISK:
		sim_node_disk_turn(n);
		break;
	case SIM_REPLICATE:
		sim_node_snapshots_turn(n, tag);
		break;
	case SIM_BUILT:
		sim_node_built(n, tag);
		break;
	case SIM_CONNECT_DEADLINE:
		sim_node_connect_deadline(n, tag);
		break;
	case SIM_TASK:
		end_task(n, tag);
		break;
	case SIM_PROFILED:
		sim_node_answer_profile(n);
		break;
	case SIM_PROBED:
		sim_node_answer_probe(n);
		break;
	}
	turn(n);
}

static void call(struct sim_node *n, const struct sim_rpc_message *m, enum ftp_transition_call c,
	const struct ftp_transition_event *e)
{
	if (n->standing.calls[c]) {
		sim_rpc_answer(&n->rpc, m->id, m->method, FTP_JSONRPC_STATE, NULL,
			"the node is busy with the call before");
		return;
	}
	n->standing.calls[c] = m->id;
	if (e->kind == FTP_TRANSITION_PREPARE)
		ftp_standing_prepare(&n->standing, e->plan->term);
	if (e->kind == FTP_TRANSITION_PREPARE)
		sim_node_prepare(n, e->plan);
	else
		sim_node_happen(n, e);
}

static void on_prepare(struct sim_node *n, const struct sim_rpc_message *m)
{
	struct ftp_plan *plan = calloc(1, sizeof(*plan));

	ftp_assert(plan && !ftp_plan_decode(plan, m->body, NULL));
	call(n, m, FTP_CALL_PREPARE,
		&(struct ftp_transition_event){.kind = FTP_TRANSITION_PREPARE, .plan = plan});
	free(plan);
}

static void on_hold(struct sim_node *n, const struct sim_rpc_message *m)
{
	struct ftp_hold h;

	ftp_assert(!ftp_hold_decode(&h, m->body, NULL));
	call(n, m, FTP_CALL_HOLD,
		&(struct ftp_transition_event){
			.kind = FTP_TRANSITION_HOLD, .term = h.term, .step = h.step});
}

static void on_transfer(struct sim_node *n, const struct sim_rpc_message *m)
{
	struct ftp_transfer *t = calloc(1, sizeof(*t));

	ftp_assert(t && !ftp_transfer_decode(t, m->body, NULL));
	call(n, m, FTP_CALL_TRANSFER,
		&(struct ftp_transition_event){.kind = FTP_TRANSITION_TRANSFER, .transfer = t});
	free(t);
}

static void on_commit(struct sim_node *n, const struct sim_rpc_message *m)
{
	struct ftp_commit c;

	ftp_assert(!ftp_commit_decode(&c, m->body, NULL));
	call(n, m, FTP_CALL_COMMIT,
		&(struct ftp_transition_event){.kind = FTP_TRANSITION_COMMIT, .term = c.term});
}

static void on_abandon(struct sim_node *n, const struct sim_rpc_message *m)
{
	struct ftp_abandon a;

	ftp_assert(!ftp_abandon_decode(&a, m->body, NULL));
	call(n, m, FTP_CALL_ABANDON,
		&(struct ftp_transition_event){.kind = FTP_TRANSITION_ABANDON, .term = a.term});
}

static void on_halt(struct sim_node *n, const struct sim_rpc_message *m)
{
	const struct ftp_plan *had = n->transition.now_plan;
	uint64_t had_term = had ? had->term : 0;
	struct ftp_halt h;

	ftp_assert(!ftp_halt_decode(&h, m->body, NULL));
	ftp_standing_halt(&n->standing, h.term);
	if (n->cluster->spec.plant == SIM_PLANT_OLD_HALT)
		n->transition.newest_term = 0;
	call(n, m, FTP_CALL_HALT,
		&(struct ftp_transition_event){
			.kind = FTP_TRANSITION_HALT, .term = h.term, .text = h.reason});
	sim_judge_halt(n->cluster, n, had_term, h.term);
}

static void on_retain(struct sim_node *n, const struct sim_rpc_message *m)
{
	struct ftp_retain r;

	ftp_assert(!ftp_retain_decode(&r, m->body, NULL));
	sim_node_retain(n, &r);
	sim_rpc_answer(&n->rpc, m->id, m->method, 0, NULL, "");
}

static bool is_measuring(struct sim_node *n, const struct sim_rpc_message *m)
{
	bool is_measuring = n->standing.profile_call || n->standing.probe_call;

	if (is_measuring)
		sim_rpc_answer(&n->rpc, m->id, m->method, FTP_JSONRPC_STATE, NULL,
			"the node is busy with the call before");
	return is_measuring;
}

static void on_profile(struct sim_node *n, const struct sim_rpc_message *m)
{
	if (is_measuring(n, m))
		return;
	n->standing.profile_call = m->id;
	after(n, FTP_NS_PER_S, SIM_PROFILED, 0);
}

static void on_probe(struct sim_node *n, const struct sim_rpc_message *m)
{
	if (is_measuring(n, m))
		return;
	n->standing.probe_call = m->id;
	after(n, FTP_NS_PER_S, SIM_PROBED, 0);
}

static void on_emulate(struct sim_node *n, const struct sim_rpc_message *m)
{
	struct ftp_emulate e;

	ftp_assert(!ftp_emulate_decode(&e, m->body, NULL));
	n->slowness = e.slowdown;
	sim_rpc_answer(&n->rpc, m->id, m->method, 0, NULL, "");
}

static void on_stop(struct sim_node *n, const struct sim_rpc_message *m)
{
	sim_rpc_answer(&n->rpc, m->id, m->method, 0, NULL, "");
	sim_node_leave(n, 0, "");
}

static void on_inventory(struct sim_node *n, const struct sim_rpc_message *m)
{
	struct ftp_inventory *inventory = sim_node_inventory(n);

	sim_node_progress(n);
	sim_rpc_answer(&n->rpc, m->id, m->method, 0, ftp_inventory_encode(inventory), "");
	free(inventory);
}

static void take_control(struct sim_node *n, const char *text)
{
	static const struct {
		const char *method;
		void (*handle)(struct sim_node *, const struct sim_rpc_message *);
		bool by_worker;
	} methods[] = {
		{FTP_METHOD_PREPARE, on_prepare, true}, {FTP_METHOD_HOLD, on_hold, true},
		{FTP_METHOD_TRANSFER, on_transfer, true}, {FTP_METHOD_COMMIT, on_commit, true},
		{FTP_METHOD_ABANDON, on_abandon, true}, {FTP_METHOD_HALT, on_halt, true},
		{FTP_METHOD_RETAIN, on_retain, true}, {FTP_METHOD_PROFILE, on_profile, true},
		{FTP_METHOD_PROBE, on_probe, true}, {FTP_METHOD_EMULATE, on_emulate, false},
		{FTP_METHOD_INVENTORY, on_inventory, true}, {FTP_METHOD_STOP, on_stop, false},
		{FTP_METHOD_JOIN, sim_node_joined, false}, /* its answer */
	};
	struct sim_rpc_message m;

	if (!sim_rpc_take(&n->rpc, text, &m))
		return;
	for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++)
		if (!strcmp(methods[i].method, m.method) && !(n->hangs && methods[i].by_worker))
			methods[i].handle(n, &m);
	json_decref(m.document);
}

static void on_message(void *self, struct sim_conn *c, const void *data)
{
	struct sim_node *n = self;

	if (n->is_linked && c == n->rpc.conn)
		take_control(n, data);
	turn(n);
}

static void look(void *self)
{
	turn(self);
}

static void on_lost(void *self, struct sim_conn *c, const char *why)
{
	struct sim_node *n = self;

	if (n->is_linked && c == n->rpc.conn)
		sim_node_lose_coordinator(n, why);
	turn(n);
}

static void free_node(void *self)
{
	struct sim_node *n = self;

	close_retired(n);
	sim_stage_free(n->now);
	sim_stage_free(n->next);
	sim_node_disk_close(n);
	ftp_snapshots_free(n->snapshots.store);
	free(n);
}

static const struct sim_process_ops ops = {
	.message = on_message, .lost = on_lost, .look = look, .timer = on_timer, .free = free_node};

static struct sim_node *make(struct sim_cluster *c, uint32_t index)
{
	struct sim_node *n = calloc(1, sizeof(*n));

	ftp_assert(n);
	n->cluster = c;
	n->index = index;
	n->slowness = 1;
	n->give_up_ns = FTP_NS_NEVER;
	c->nodes[index] = n;
	n->process = sim_process_new(&c->world, c->names[index], &ops, n);
	n->process->place = index + 1;
	return n;
}

void sim_node_absent(struct sim_cluster *c, uint32_t index)
{
	sim_process_end(&c->world, make(c, index)->process);
}

void sim_node_new(struct sim_cluster *c, uint32_t index)
{
	struct sim_node *n = make(c, index);

	n->pid = ++c->last_pid;
	n->incarnation = sim_draw(&c->world, UINT64_MAX);
	ftp_transition_init(&n->transition, index, c->spec.snapshot_every > 0);
	n->snapshots.store = ftp_snapshots_new();
	sim_node_disk_open(n, c->disks[index]);
	sim_node_connect(n);
	after(n, sim_draw(&c->world, TELL_EVERY_NS), SIM_TELL, 0);
}
