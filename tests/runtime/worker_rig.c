#include "tests/runtime/worker_rig.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "ctl/config_model.h"
#include "net/udp.h"
#include "runtime/base/clock.h"
#include "runtime/moves.h"
#include "runtime/recipe.h"
#include "tests/base/check.h"
#include "tests/runtime/small_dataset.h"

#define DEADLINE_NS (60 * FTP_NS_PER_S) /* sanitized, beside other work */

static void load_config(struct rig *r, const struct rig_settings *s)
{
	static const char text[] =
		"cluster: {data_dir: /tmp}\n"
		"nodes:\n"
		"  - {name: n1, memory: %1$s}\n"
		"  - {name: n2, memory: %1$s}\n"
		"  - {name: n3, memory: %1$s}\n"
		"training: {model: lenet5, dataset: {kind: idx, path: %2$s, augment: true},\n"
		"  batch: 8, micro_batches: %3$d, schedule: %4$s, steps: %5$d, seed: 3,\n"
		"  eval_every: 30, optimizer: {kind: sgd, momentum: 0.9, weight_decay: 1e-4},\n"
		"  lr: {kind: cosine, base: 0.02, warmup: 5}}\n"
		"snapshot: {every: %6$d, global_every: %7$d, max_bandwidth: %9$s}\n"
		"checkpoint: {every: %8$d, keep: 8}\n"
		"net: {port: udp}\n";
	struct ftp_error err;
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/c.yaml", r->run_dir);
	f = fopen(path, "w");
	assert_non_null(f);
	fprintf(f, text, s->memory, r->directory, strcmp(s->schedule, "flush") ? 1 : 4, s->schedule,
		RIG_STEPS, (int)s->every, (int)s->global_every, (int)s->disk_every,
		s->bandwidth ? s->bandwidth : "0");
	fclose(f);
	if (ftp_config_load(&r->config, path, NULL, 0, &err))
		fail_msg("%s", err.text);
}

static void open_node(struct rig *r, int i, const struct rig_settings *s)
{
	struct rig_node *n = &r->nodes[i];
	const struct ftp_worker_params params = {.config = r->config,
		.node = i,
		.model = r->model,
		.dataset = i ? NULL : r->dataset,
		.metrics = &n->metrics,
		.run_dir = r->run_dir,
		.net_core = s->net_cores ? 0 : -1,
		.n_outcomes = s->n_outcomes,
		.disk = s->disk ? s->disk(r->model, i) : NULL};
	struct ftp_worker_params with_region = params;
	struct ftp_error err;

	n->incarnation = 100 + (uint64_t)i;
	assert_int_equal(ftp_region_new(&n->region, r->config->nodes[i].memory_bytes, &err), 0);
	ftp_node_metrics_init(&n->metrics, r->config->nodes[i].name, "any");
	for (int k = 0; k < 2; k++) {
		n->port_fd[k] = ftp_udp_reserve("127.0.0.1", &n->port[k], &err);
		assert_true(n->port_fd[k] >= 0);
	}
	with_region.region = n->region;
	assert_int_equal(ftp_worker_start(&n->worker, &with_region, &err), 0);
}

void rig_open(struct rig *r, const struct rig_settings *settings)
{
	struct ftp_model_spec spec;
	struct ftp_error err;

	memset(r, 0, sizeof(*r));
	small_dataset_directory(r->directory);
	small_dataset_write(r->directory);
	small_dataset_directory(r->run_dir);
	load_config(r, settings);
	r->snapshots.every = settings->every;
	r->snapshots.global_every = settings->global_every;
	r->snapshots.lead = settings->lead;
	r->snapshots.is_late = settings->is_late;
	r->snapshots.has_disk = settings->disk_every;
	spec = ftp_config_model_spec(r->config);
	assert_int_equal(ftp_model_new(&r->model, &spec, &err), 0);
	assert_int_equal(ftp_dataset_open(&r->dataset, r->directory, &err), 0);
	for (int i = 0; i < RIG_NODES; i++)
		open_node(r, i, settings);
}

void rig_close(struct rig *r)
{
	for (int i = 0; i < RIG_NODES; i++) {
		struct rig_node *n = &r->nodes[i];

		ftp_worker_stop(n->worker);
		ftp_region_free(n->region); /* asserts that nothing is left in it */
		ftp_node_metrics_deinit(&n->metrics);
		close(n->port_fd[0]);
		close(n->port_fd[1]);
	}
	ftp_dataset_close(r->dataset);
	ftp_model_free(r->model);
	ftp_config_free(r->config);
	small_dataset_remove(r->directory);
	small_dataset_remove(r->run_dir);
}

static void on_answered(struct rig_node *n, const struct ftp_outcome *o)
{
	assert_true(n->is_open[o->call]);
	n->is_open[o->call] = false;
	n->answer[o->call] = *o;
	snprintf(n->refusal[o->call], sizeof(n->refusal[0]), "%s", o->text ? o->text : "");
}

/* The last stage's: in order and without gaps, whoever is the last stage. */
static void on_step(struct rig *r, const struct ftp_outcome *o)
{
	assert_int_equal(o->step, r->last_row + 1);
	r->last_row = o->step;
	r->loss[o->step] = o->loss;
}

static void take(struct rig *r, struct rig_node *n, const struct ftp_outcome *o)
{
	switch (o->kind) {
	case FTP_OUTCOME_ANSWERED:
		on_answered(n, o);
		break;
	case FTP_OUTCOME_HELD:
		n->is_held = true;
		n->held = *o->held;
		break;
	case FTP_OUTCOME_STEP:
		on_step(r, o);
		break;
	case FTP_OUTCOME_EVALUATED:
		assert_int_equal(o->step, r->last_row);
		r->n_evaluations++;
		r->n_correct[o->step] = o->n_correct;
		break;
	case FTP_OUTCOME_FINISHED:
		n->is_finished = true;
		if (o->text)
			memcpy(r->digest, o->text, sizeof(r->digest));
		break;
	case FTP_OUTCOME_FAILED:
		n->is_failed = true;
		snprintf(n->failure, sizeof(n->failure), "%s", o->text);
		break;
	default:
		break;
	}
}

static void take_all(struct rig *r)
{
	struct ftp_outcome o;
	struct ftp_measure m;

	for (int i = 0; i < RIG_NODES; i++) {
		struct rig_node *n = &r->nodes[i];

		while (n->worker && ftp_worker_outcome(n->worker, &o)) {
			take(r, n, &o);
			ftp_worker_outcome_clear(&o);
		}
		while (n->worker && ftp_worker_measure(n->worker, &m))
			;
		rig_snapshots_take(r, i);
	}
}

void rig_wait(struct rig *r, bool (*condition)(const struct rig *))
{
	uint64_t deadline_ns = ftp_clock_now_ns() + DEADLINE_NS;

	for (;;) {
		struct pollfd fds[RIG_NODES];
		int n_fds = 0;

		for (int i = 0; i < RIG_NODES; i++) {
			if (!r->nodes[i].worker)
				continue;
			ftp_waker_arm(ftp_worker_waker(r->nodes[i].worker));
			fds[n_fds++] = (struct pollfd){
				.fd = ftp_worker_waker(r->nodes[i].worker)->fd, .events = POLLIN};
		}
		take_all(r);
		if (!condition(r))
			poll(fds, (nfds_t)n_fds, 100);
		for (int i = 0; i < RIG_NODES; i++)
			if (r->nodes[i].worker)
				ftp_waker_disarm(ftp_worker_waker(r->nodes[i].worker));
		if (condition(r))
			return;
		if (ftp_clock_now_ns() > deadline_ns)
			fail_msg("nothing came within 60 s: %s %s %s", r->nodes[0].failure,
				r->nodes[1].failure, r->nodes[2].failure);
	}
}

static bool all_answered(const struct rig *r)
{
	for (int i = 0; i < RIG_NODES; i++)
		for (int c = 0; c < FTP_N_TRANSITION_CALLS; c++)
			if (r->nodes[i].worker && r->nodes[i].is_open[c])
				return false;
	return true;
}

void rig_call(struct rig *r, int node, const struct ftp_command *c)
{
	struct rig_node *n = &r->nodes[node];

	if (c->kind >= FTP_COMMAND_PREPARE && c->kind <= FTP_COMMAND_HALT)
		n->is_open[c->kind - FTP_COMMAND_PREPARE] = true;
	assert_int_equal(ftp_worker_command(n->worker, c), 0);
}

void rig_call_until_refused(
	struct rig *r, int node, const struct ftp_command *c, const char *reason)
{
	uint64_t deadline_ns = ftp_clock_now_ns() + DEADLINE_NS;
	const char *refusal = r->nodes[node].refusal[c->kind - FTP_COMMAND_PREPARE];

	do {
		assert_true(ftp_clock_now_ns() < deadline_ns);
		rig_call(r, node, c);
		rig_wait(r, all_answered);
	} while (!strstr(refusal, reason));
}

static void assert_granted(
	const struct rig *r, const struct ftp_plan *p, enum ftp_transition_call call)
{
	for (int i = 0; i < ftp_moves_n_members(p); i++) {
		const struct rig_node *n = &r->nodes[ftp_plan_member(p, (uint32_t)i)->node];

		if (n->refusal[call][0])
			fail_msg("%s", n->refusal[call]);
	}
}

static struct ftp_plan_stage member_of(const struct rig *r, int node, uint64_t port)
{
	struct ftp_plan_stage s = {.node = (uint32_t)node,
		.udp_port = r->nodes[node].port[port],
		.incarnation = r->nodes[node].incarnation};

	snprintf(s.name, sizeof(s.name), "%s", r->config->nodes[node].name);
	snprintf(s.host, sizeof(s.host), "127.0.0.1");
	return s;
}

/* Two plans that follow each other use different ports: so terms grow by 1 or, after one that was
 * abandoned, by 2. */
void rig_make_next(struct rig *r, const struct rig_plan *shape)
{
	const struct ftp_feed_spec feed = ftp_recipe_feed(r->config, r->model, r->dataset);
	struct ftp_plan *p = &r->next;

	r->term++;
	r->term += r->plan.term && r->term % 2 == r->plan.term % 2;
	*p = (struct ftp_plan){.run = 9,
		.term = r->term,
		.isa = "sse41",
		.last_step = RIG_STEPS,
		.n_eval = ftp_feed_eval_micro_batches(&feed),
		.n_stages = (uint32_t)shape->n_stages,
		.n_units = (uint32_t)r->model->n_units};
	for (uint32_t i = 0; i < p->n_stages; i++) {
		p->stages[i] = member_of(r, shape->stages[i].node, p->term % 2);
		p->stages[i].first_unit = i ? shape->stages[i - 1].end_unit : 0;
		p->stages[i].end_unit = shape->stages[i].end_unit;
	}
	for (uint32_t i = 0; i < r->plan.n_stages; i++)
		if (ftp_moves_member_of(p, r->plan.stages[i].node) == FTP_MOVES_NOBODY)
			p->leaving[p->n_leaving++] =
				member_of(r, (int)r->plan.stages[i].node, p->term % 2);
	for (uint32_t u = 0; u < p->n_units; u++)
		p->holder[u] = r->plan.term
				       ? (uint32_t)ftp_moves_member_of(p,
						 r->plan.stages[ftp_moves_owner(&r->plan, u)].node)
				       : FTP_PLAN_INITIAL;
}

void rig_call_prepare(struct rig *r, int node)
{
	struct ftp_command c = {.kind = FTP_COMMAND_PREPARE, .plan = malloc(sizeof(r->next))};

	assert_non_null(c.plan);
	*c.plan = r->next;
	rig_call(r, node, &c);
}

void rig_begin_prepare(struct rig *r, const struct rig_plan *plan)
{
	rig_make_next(r, plan);
	for (int i = 0; i < ftp_moves_n_members(&r->next); i++)
		rig_call_prepare(r, (int)ftp_plan_member(&r->next, (uint32_t)i)->node);
}

void rig_prepare(struct rig *r, const struct rig_plan *plan)
{
	rig_begin_prepare(r, plan);
	rig_wait(r, all_answered);
}

static bool all_held(const struct rig *r)
{
	for (uint32_t i = 0; i < r->plan.n_stages; i++)
		if (!r->nodes[r->plan.stages[i].node].is_held)
			return false;
	return true;
}

void rig_hold(struct rig *r)
{
	struct ftp_command c = {.kind = FTP_COMMAND_HOLD, .term = r->plan.term};

	for (uint32_t i = 0; i < r->plan.n_stages; i++) {
		int node = (int)r->plan.stages[i].node;

		r->nodes[node].is_held = false;
		rig_call(r, node, &c);
		if (i > 0)
			continue;
		rig_wait(r, all_answered);
		c.step = r->nodes[node].answer[FTP_CALL_HOLD].step;
		assert_true(c.step > 0 && c.step < RIG_STEPS);
	}
	rig_wait(r, all_answered);
	assert_granted(r, &r->plan, FTP_CALL_HOLD);
	rig_wait(r, all_held);
	assert_int_equal(r->last_row, c.step); /* the rows have come before */
}

void rig_transfer(struct rig *r)
{
	struct ftp_transfer m = {.term = r->next.term};

	for (uint32_t i = 0; i < r->plan.n_stages; i++) {
		const struct ftp_held *h = &r->nodes[r->plan.stages[i].node].held;

		m.step = h->step;
		for (uint32_t k = 0; k < h->n_units; k++) {
			m.unit[m.n_units] = h->unit[k];
			m.digest[m.n_units++] = h->digest[k];
		}
	}
	for (int i = 0; i < ftp_moves_n_members(&r->next); i++) {
		struct ftp_command c = {
			.kind = FTP_COMMAND_TRANSFER, .transfer = malloc(sizeof(m))};

		assert_non_null(c.transfer);
		*c.transfer = m;
		rig_call(r, (int)ftp_plan_member(&r->next, (uint32_t)i)->node, &c);
	}
	rig_wait(r, all_answered);
}

static void call_members(struct rig *r, enum ftp_command_kind kind)
{
	const struct ftp_command c = {.kind = kind, .term = r->next.term};

	for (int i = 0; i < ftp_moves_n_members(&r->next); i++)
		if (r->nodes[ftp_plan_member(&r->next, (uint32_t)i)->node].worker)
			rig_call(r, (int)ftp_plan_member(&r->next, (uint32_t)i)->node, &c);
	rig_wait(r, all_answered);
}

void rig_commit(struct rig *r)
{
	call_members(r, FTP_COMMAND_COMMIT);
	assert_granted(r, &r->next, FTP_CALL_COMMIT);
	r->plan = r->next;
	if (r->snapshots.every)
		rig_snapshots_name(r);
}

void rig_abandon(struct rig *r)
{
	call_members(r, FTP_COMMAND_ABANDON);
}

void rig_change(struct rig *r, const struct rig_plan *plan)
{
	rig_prepare(r, plan);
	assert_granted(r, &r->next, FTP_CALL_PREPARE);
	if (r->plan.term)
		rig_hold(r);
	rig_transfer(r);
	assert_granted(r, &r->next, FTP_CALL_TRANSFER);
	rig_commit(r);
}

void rig_slow(struct rig *r, int node, double slowdown)
{
	rig_call(r, node,
		&(struct ftp_command){
			.kind = FTP_COMMAND_EMULATE, .emulate = {.slowdown = slowdown}});
}

static uint64_t awaited_step;

static bool has_step(const struct rig *r)
{
	return r->last_row >= awaited_step;
}

void rig_wait_for_step(struct rig *r, uint64_t step)
{
	awaited_step = step;
	rig_wait(r, has_step);
}

static bool all_finished(const struct rig *r)
{
	for (uint32_t i = 0; i < r->plan.n_stages; i++)
		if (!r->nodes[r->plan.stages[i].node].is_finished)
			return false;
	return true;
}

void rig_finish(struct rig *r)
{
	rig_wait(r, all_finished);
	assert_int_equal(r->last_row, RIG_STEPS);
}
