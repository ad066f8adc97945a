#include "tests/sim/coordinator_shell.h"

#include <stdlib.h>
#include <string.h>

#include "ctl/protocol.h"
#include "tests/sim/cluster.h"

enum timer { TICK, DEADLINE, CLOSE, ASK, ECHO };

static struct sim_world *world_of(struct sim_coordinator *s)
{
	return &s->cluster->world;
}

static void do_call(struct sim_coordinator *s, struct ftp_action *a)
{
	uint64_t id = ++s->n_calls;

	sim_cluster_called(s->cluster, a->method, a->term);
	sim_rpc_call(&s->conns[a->conn - 1], id, a->method, a->body, a->term);
	a->body = NULL;
	sim_timer(world_of(s), s->process, a->deadline_ns, DEADLINE, id << 8 | (a->conn - 1));
}

static void do_reply(struct sim_coordinator *s, struct ftp_action *a)
{
	struct sim_ask *x = s->asked;

	if (!x)
		return;
	x->is_refused = a->code;
	x->result = a->body;
	snprintf(x->text, sizeof(x->text), "%s", a->text ? a->text : "");
	a->body = NULL;
	if (x->rpc)
		sim_rpc_answer(x->rpc, x->id, x->method, x->is_refused ? -1 : 0,
			json_incref(x->result), x->text);
}

static void do_close(struct sim_coordinator *s, struct ftp_action *a)
{
	sim_timer(world_of(s), s->process, world_of(s)->now_ns, CLOSE, a->conn - 1);
}

static void do_row(struct sim_coordinator *s, struct ftp_action *a)
{
	oracle_row(&s->cluster->oracle, a->step, a->loss);
	/* What has struck already may be noticed after the row; and one that is told as training
	 * halts is no step forward. */
	if (!ftp_coordinator_recovering(s->core))
		s->cluster->causes_at_row[a->step] = s->cluster->n_causes_begun;
	sim_files_row(&s->cluster->files, a->step);
}

static void do_cut(struct sim_coordinator *s, struct ftp_action *a)
{
	sim_milestone(world_of(s), s->process, "cuts the losses after step %llu",
		(unsigned long long)a->step);
	if (!s->process->alive)
		return;
	s->cluster->cut_row = s->cluster->oracle.last_row;
	s->cluster->oracle.last_row = a->step;
	sim_files_cut(&s->cluster->files, a->step);
}

static void do_journal(struct sim_coordinator *s, struct ftp_action *a)
{
	uint64_t disk_step = s->core->snapshots.disk_step;

	sim_milestone(world_of(s), s->process, "writes its journal: terms up to %llu",
		(unsigned long long)s->core->last_term);
	if (!s->process->alive)
		return;
	if (disk_step && disk_step != s->cluster->files.disk_step)
		sim_judge_durable(s->cluster, disk_step);
	sim_files_journal(&s->cluster->files, a->body, disk_step);
}

static void do_event(struct sim_coordinator *s, struct ftp_action *a)
{
	sim_cluster_event(s->cluster, a->body);
}

/* It froze in the middle of its turn: what else it does in it reaches nobody. */
static bool is_over(const struct sim_coordinator *s)
{
	return s->process->frozen_until_ns == FTP_NS_NEVER;
}

static void do_log(struct sim_coordinator *s, struct ftp_action *a)
{
	if (s->cluster->spec.logs && a->level <= FTP_LOG_INFO)
		sim_say(world_of(s), "coordinator", "says: %s", a->text);
	if (strstr(a->text, "; training halts: ") && !is_over(s))
		sim_judge_begins(s->cluster);
}

static void do_summary(struct sim_coordinator *s, struct ftp_action *a)
{
	(void)s, (void)a;
}

static void do_raise(struct sim_coordinator *s, struct ftp_action *a)
{
	(void)a;
	sim_process_end(world_of(s), s->process);
}

static void do_end(struct sim_coordinator *s, struct ftp_action *a)
{
	s->outcome = a->outcome;
	snprintf(s->reason, sizeof(s->reason), "%s", a->text);
	sim_milestone(world_of(s), s->process, "ends the run: %s%s%s",
		ftp_coordinator_outcome_name(a->outcome), a->text[0] ? ": " : "", a->text);
	sim_process_end(world_of(s), s->process);
}

/* A turn in which it froze ends when it moves again. */
static void rest(struct sim_coordinator *s)
{
	uint64_t deadline_ns = ftp_coordinator_deadline(s->core), now_ns = world_of(s)->now_ns;
	bool is_frozen = sim_process_is_frozen(world_of(s), s->process);

	ftp_pause_sleep(&s->pause, is_frozen ? s->process->frozen_until_ns : now_ns, deadline_ns);
	if (s->pause.due_ns < deadline_ns)
		deadline_ns = s->pause.due_ns;
	if (deadline_ns < s->tick_ns || s->tick_ns <= now_ns) {
		s->tick_ns = deadline_ns;
		sim_timer(world_of(s), s->process, deadline_ns, TICK, 0);
	}
}

static void take(struct sim_coordinator *s, const struct ftp_event *e)
{
	static void (*const doers[])(struct sim_coordinator *, struct ftp_action *) = {
		[FTP_ACTION_CALL] = do_call,
		[FTP_ACTION_REPLY] = do_reply,
		[FTP_ACTION_CLOSE] = do_close,
		[FTP_ACTION_ROW] = do_row,
		[FTP_ACTION_CUT] = do_cut,
		[FTP_ACTION_JOURNAL] = do_journal,
		[FTP_ACTION_EVENT] = do_event,
		[FTP_ACTION_LOG] = do_log,
		[FTP_ACTION_RAISE] = do_raise,
		[FTP_ACTION_SUMMARY] = do_summary,
		[FTP_ACTION_END] = do_end,
	};

	ftp_coordinator_step(s->core, e, world_of(s)->now_ns, &s->actions);
	for (uint32_t i = 0; i < s->actions.n && s->process->alive; i++)
		doers[s->actions.items[i].kind](s, &s->actions.items[i]);
	ftp_actions_clear(&s->actions);
	if (s->process->alive)
		sim_files_flush(&s->cluster->files);
	if (s->process->alive)
		rest(s);
}

/* Before what has come while it stood still. */
static void step(struct sim_coordinator *s, const struct ftp_event *e)
{
	const struct ftp_event paused = {.kind = FTP_EVENT_PAUSED,
		.pause_ns = ftp_pause_end(&s->pause, world_of(s)->now_ns)};

	if (paused.pause_ns)
		take(s, &paused);
	if (s->process->alive)
		take(s, e);
}

/* Who tells first has put every unit. */
static void plant_durable(struct sim_coordinator *s)
{
	for (uint32_t u = 0; u < s->cluster->spec.n_units; u++)
		s->core->snapshots.disk.put.nodes[u] |= FTP_NODE_BIT(0);
}

/* All terms but the newest. */
static void plant_forgetful(struct ftp_catalogue *c)
{
	if (c->n_begun)
		c->begun[0] = c->begun[c->n_begun - 1];
	c->n_begun = c->n_begun > 0;
}

static void plant(struct sim_coordinator *s, struct sim_rpc_message *m)
{
	const struct ftp_coordinator *core = s->core;
	uint64_t term = m->kind == SIM_RPC_ANSWER ? core->change.plan.term : core->plan.term;

	if (s->cluster->spec.plant == SIM_PLANT_NO_TERM_CHECK && term &&
		json_is_integer(json_object_get(m->body, "term")))
		json_object_set_new(m->body, "term", json_integer((json_int_t)term));
	if (s->cluster->spec.plant == SIM_PLANT_NO_TERM_CHECK && m->kind == SIM_RPC_ANSWER)
		m->term = term;
	if (s->cluster->spec.plant == SIM_PLANT_NO_HISTORY_CHECK)
		plant_forgetful(&s->core->snapshots.catalogue);
	if (s->cluster->spec.plant == SIM_PLANT_DURABLE_EARLY &&
		!strcmp(m->method, FTP_METHOD_PERSISTED))
		plant_durable(s);
}

static void answered(struct sim_coordinator *s, uint32_t at, const struct sim_rpc_message *m)
{
	step(s, &(struct ftp_event){.kind = FTP_EVENT_ANSWER,
			.conn = at + 1,
			.method = m->method,
			.body = m->body,
			.code = m->code,
			.term = m->term,
			.text = m->text});
}

/* A call's answer is a reply of the core, which only node.join waits for. */
static void requested(struct sim_coordinator *s, uint32_t at, const struct sim_rpc_message *m)
{
	struct sim_ask call = {.method = m->method, .id = m->id};

	if (m->kind == SIM_RPC_CALL)
		call.rpc = &s->conns[at];
	s->asked = &call;
	step(s, &(struct ftp_event){.kind = FTP_EVENT_REQUEST,
			.conn = at + 1,
			.method = m->method,
			.body = m->body});
	s->asked = NULL;
	json_decref(call.result);
}

static uint32_t place_of(const struct sim_coordinator *s, const struct sim_conn *c)
{
	const struct sim_rpc *r = sim_end_of(c, s->process)->owner;

	return (uint32_t)(r - s->conns);
}

static void on_message(void *self, struct sim_conn *c, const void *data)
{
	struct sim_coordinator *s = self;
	struct sim_rpc_message m;
	uint32_t at = place_of(s, c);

	if (!sim_rpc_take(&s->conns[at], data, &m))
		return;
	plant(s, &m);
	(m.kind == SIM_RPC_ANSWER ? answered : requested)(s, at, &m);
	json_decref(m.document);
}

static void lose(struct sim_coordinator *s, uint32_t at, const char *why)
{
	if (s->is_closed[at])
		return;
	s->is_closed[at] = true;
	step(s, &(struct ftp_event){.kind = FTP_EVENT_LOST, .conn = at + 1, .text = why});
}

static void on_lost(void *self, struct sim_conn *c, const char *why)
{
	struct sim_coordinator *s = self;

	lose(s, place_of(s, c), why);
}

static void ask(struct sim_coordinator *s, uint32_t at)
{
	s->asked = &s->asks[at];
	sim_say(world_of(s), "coordinator", "is asked: %s", s->asked->method);
	step(s, &(struct ftp_event){.kind = FTP_EVENT_REQUEST,
			.conn = SIM_MAX_CONNS + 1,
			.method = s->asked->method,
			.body = s->asked->body});
	s->asked->is_done = true;
	s->asked = NULL;
}

/* What the plan in force began with, if it was a recovery; else it is as old. */
static void echo(struct sim_coordinator *s, uint32_t node)
{
	const struct ftp_coordinator_node *n = &s->core->nodes[node];
	const struct ftp_halt m = {.term = s->core->plan.term, .reason = "an echo"};

	if (n->live && m.term)
		sim_rpc_call(&s->conns[n->conn - 1], ++s->n_calls, FTP_METHOD_HALT,
			ftp_halt_encode(&m), m.term);
}

static void on_timer(void *self, int kind, uint64_t tag)
{
	struct sim_coordinator *s = self;
	struct sim_rpc_message m;
	uint32_t at = tag & 0xff;

	switch ((enum timer)kind) {
	case TICK:
		if (s->tick_ns <
			world_of(s)->now_ns) { /* it stood still: what has come is read first */
			s->tick_ns = world_of(s)->now_ns;
			sim_timer(world_of(s), s->process, s->tick_ns, TICK, 0);
			break;
		}
		step(s, &(struct ftp_event){.kind = FTP_EVENT_TICK});
		break;
	case DEADLINE:
		if (!s->is_closed[at] && sim_rpc_expire(&s->conns[at], tag >> 8, &m))
			answered(s, at, &m);
		break;
	case CLOSE:
		lose(s, at, "closed by the coordinator");
		sim_close(world_of(s), s->conns[at].conn, s->process);
		break;
	case ASK:
		ask(s, (uint32_t)tag);
		break;
	case ECHO:
		echo(s, (uint32_t)tag);
		break;
	}
}

static void free_shell(void *self)
{
	struct sim_coordinator *s = self;

	for (uint32_t i = 0; i < s->n_asks; i++) {
		json_decref(s->asks[i].body);
		json_decref(s->asks[i].result);
	}
	ftp_actions_free(&s->actions);
	ftp_coordinator_free(s->core);
	free(s);
}

static const struct sim_process_ops ops = {
	.message = on_message, .lost = on_lost, .timer = on_timer, .free = free_shell};

struct sim_coordinator *sim_coordinator_new(
	struct sim_cluster *c, const struct ftp_coordinator_settings *core)
{
	struct sim_coordinator *s = calloc(1, sizeof(*s));

	ftp_assert(s);
	s->cluster = c;
	s->process = sim_process_new(&c->world, "coordinator", &ops, s);
	s->core = ftp_coordinator_new(core, c->world.now_ns);
	rest(s);
	return s;
}

struct sim_conn *sim_coordinator_accept(struct sim_coordinator *s, struct sim_process *node)
{
	struct sim_rpc *r = &s->conns[s->n_conns++];

	ftp_assert(s->n_conns <= SIM_MAX_CONNS);
	*r = (struct sim_rpc){.world = world_of(s),
		.process = s->process,
		.conn = sim_connect(world_of(s), node, NULL, s->process, r)};
	return r->conn;
}

uint32_t sim_coordinator_ask(
	struct sim_coordinator *s, const char *method, json_t *body, uint64_t after_ns)
{
	uint32_t at = s->n_asks++;

	ftp_assert(s->n_asks <= SIM_MAX_ASKS);
	s->asks[at] = (struct sim_ask){.method = method, .body = body};
	sim_timer(world_of(s), s->process, world_of(s)->now_ns + after_ns, ASK, at);
	return at;
}

void sim_coordinator_echo(struct sim_coordinator *s, uint32_t node)
{
	sim_timer(world_of(s), s->process, world_of(s)->now_ns, ECHO, node);
}
