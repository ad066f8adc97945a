/* Rounds of snapshots on stages in one process, in virtual time: steps that are named before those
 * before them are through, late ones, and a limit of bandwidth. */
#include "runtime/replica_targets.h"
#include "runtime/replicas.h"

#include <string.h>

#include "kernels/team.h"
#include "net/ring.h"
#include "runtime/base/clock.h"
#include "tests/base/check.h"

#define MAX_STAGES 2
#define N_UNITS	   5
#define ALL_UNITS  ((1u << N_UNITS) - 1)
#define MAX_STEP   24

struct node {
	struct ftp_region *region;
	struct ftp_snapshots *store;
	struct ftp_stage *stage;
	struct ftp_netloop *net;
	struct ftp_replicas *replicas;
	struct ftp_replicas_stats stats;
	unsigned units[MAX_STEP + 1]; /* told, by step */
	int n_spoiled[MAX_STEP + 1];  /* likewise, how often */
};

struct rig {
	struct ftp_model *model;
	struct ftp_plan plan;
	struct node nodes[MAX_STAGES];
	uint64_t now_ns;
};

static const uint32_t cuts[][MAX_STAGES + 1] = {{0, N_UNITS}, {0, 3, N_UNITS}};

static void build_stage(struct rig *r, int i)
{
	const struct ftp_plan_stage *self = &r->plan.stages[i];
	const struct ftp_stage_spec spec = {.model = r->model,
		.first_unit = (int)self->first_unit,
		.end_unit = (int)self->end_unit,
		.micro_batch = 1,
		.batch = 1,
		.n_slots = 1,
		.n_versions = 1,
		.threads = 1,
		.impl = FTP_IMPL_REFERENCE,
		.optimizer = {.momentum = 0.9f},
		.region = r->nodes[i].region};
	struct ftp_error err;

	assert_int_equal(ftp_stage_new(&r->nodes[i].stage, &spec, &err), 0);
	for (int u = spec.first_unit; u < spec.end_unit; u++) {
		void *state = aligned_alloc(64, (r->model->units[u].state_bytes + 63) / 64 * 64);

		assert_non_null(state);
		ftp_model_init_unit(r->model, u, 7, state);
		ftp_stage_import(r->nodes[i].stage, u, state);
		free(state);
	}
}

static void build_store(struct rig *r, int i, bool is_disk)
{
	struct ftp_snapshot_places *places;
	uint8_t n[FTP_PROTOCOL_MAX_UNITS];
	struct ftp_error err;

	ftp_replica_places(&r->plan, i, false, is_disk, n);
	assert_int_equal(
		ftp_snapshot_places_new(&places, r->model, r->nodes[i].region, n, &err), 0);
	r->nodes[i].store = ftp_snapshots_new();
	ftp_snapshots_adopt(r->nodes[i].store, places);
}

static void connect_pair(struct rig *r)
{
	struct ftp_port *ends[2];
	struct ftp_error err;

	ftp_ring_pair(256, ends);
	for (int i = 0; i < 2; i++) {
		const struct ftp_connection_params params = {.run = 1,
			.term = 1,
			.local = 100 + (uint64_t)i,
			.remote = 101 - (uint64_t)i,
			.caps = ends[i]->caps,
			.n_messages = ftp_replicas_n_messages(&r->plan),
			.max_ack_delay_ns = FTP_NS_PER_MS,
			.max_message_bytes = 1 << 20,
			.idle_timeout_ns = 30 * FTP_NS_PER_S};
		struct ftp_link link = {.port = ends[i]};

		assert_int_equal(ftp_connection_new(&link.connection, &params, 0, &err), 0);
		ftp_netloop_add(r->nodes[i].net, 1 - i, &link);
	}
}

/* is_disk: three places for each unit, else two. */
static void rig_open(struct rig *r, uint32_t n_stages, bool is_disk, uint64_t max_bytes_per_s)
{
	const struct ftp_model_spec spec = {.name = "lenet5", .width = 1, .activations = true};
	struct ftp_error err;

	memset(r, 0, sizeof(*r));
	assert_int_equal(ftp_model_new(&r->model, &spec, &err), 0);
	r->plan = (struct ftp_plan){
		.run = 1, .term = 1, .last_step = 100, .n_stages = n_stages, .n_units = N_UNITS};
	for (uint32_t i = 0; i < n_stages; i++)
		r->plan.stages[i] = (struct ftp_plan_stage){.node = i,
			.first_unit = cuts[n_stages - 1][i],
			.end_unit = cuts[n_stages - 1][i + 1]};
	for (int i = 0; i < (int)n_stages; i++) {
		assert_int_equal(ftp_region_new(&r->nodes[i].region, 64 << 20, &err), 0);
		assert_int_equal(ftp_netloop_new(&r->nodes[i].net, -1, NULL, &err), 0);
		build_stage(r, i);
		build_store(r, i, is_disk);
	}
	if (n_stages == 2)
		connect_pair(r);
	for (int i = 0; i < (int)n_stages; i++) {
		struct node *n = &r->nodes[i];

		n->replicas = ftp_replicas_new(&(struct ftp_replicas_spec){.plan = &r->plan,
			.member = i,
			.stage = n->stage,
			.net = n->net,
			.store = n->store,
			.stats = &n->stats,
			.max_bytes_per_s = max_bytes_per_s});
	}
}

static void rig_close(struct rig *r)
{
	for (uint32_t i = 0; i < r->plan.n_stages; i++)
		ftp_netloop_free(r->nodes[i].net, r->now_ns);
	for (uint32_t i = 0; i < r->plan.n_stages; i++) {
		ftp_replicas_free(r->nodes[i].replicas);
		ftp_stage_free(r->nodes[i].stage);
		ftp_snapshots_free(r->nodes[i].store);
		ftp_region_free(r->nodes[i].region); /* asserts that nothing is left in it */
	}
	ftp_model_free(r->model);
}

static void note(struct node *n, const struct ftp_replica_news *news)
{
	if (!news->step)
		return;
	assert_true(news->step <= MAX_STEP);
	if (news->unit == FTP_REPLICA_SPOILED)
		n->n_spoiled[news->step]++;
	else
		n->units[news->step] |= 1u << news->unit;
}

static bool turn_node(struct rig *r, struct node *n)
{
	bool moved = ftp_netloop_turn(n->net, r->now_ns) > 0;
	struct ftp_replica_news news;
	struct ftp_netloop_event e;

	while (ftp_netloop_next_event(n->net, &e)) {
		assert_int_not_equal(e.event.kind, FTP_CONNECTION_LOST);
		ftp_replicas_event(n->replicas, &e);
		moved = true;
	}
	while (ftp_replicas_turn(n->replicas, &news, r->now_ns)) {
		note(n, &news);
		moved = true;
	}
	return moved;
}

/* More than all that is under way takes, without a limit. */
static void run(struct rig *r)
{
	uint64_t end_ns = r->now_ns + 50 * FTP_NS_PER_MS;

	while (r->now_ns < end_ns) {
		bool moved = false;

		for (uint32_t i = 0; i < r->plan.n_stages; i++)
			moved |= turn_node(r, &r->nodes[i]);
		r->now_ns += moved ? FTP_NS_PER_US : FTP_NS_PER_MS;
	}
}

#define SLOW (1 << 18) /* bytes a second: a stage takes more than a run() */

/* As node.retain does; kept: 0 or a stable step. */
static void name_to(struct rig *r, uint32_t i, uint64_t s, uint64_t kept)
{
	const struct ftp_retain m = {.n_steps = kept > 0, .step = {kept}, .next = s};

	ftp_snapshots_retain(r->nodes[i].store, m.step, m.n_steps, s);
	ftp_replicas_name(r->nodes[i].replicas, &m);
}

static void name(struct rig *r, uint64_t s, uint64_t kept)
{
	for (uint32_t i = 0; i < r->plan.n_stages; i++)
		name_to(r, i, s, kept);
}

static void step(struct rig *r, uint64_t s)
{
	for (uint32_t i = 0; i < r->plan.n_stages; i++)
		ftp_replicas_stepped(r->nodes[i].replicas, s);
	run(r);
}

/* With two stages each holds all units. */
static void assert_whole(const struct rig *r, uint64_t s)
{
	for (uint32_t i = 0; i < r->plan.n_stages; i++) {
		assert_int_equal(r->nodes[i].units[s], ALL_UNITS);
		assert_int_equal(r->nodes[i].n_spoiled[s], 0);
		for (uint32_t u = 0; u < N_UNITS; u++)
			assert_non_null(ftp_snapshots_find(r->nodes[i].store, u, s));
	}
}

static void assert_spoiled(const struct rig *r, uint64_t s, int times)
{
	for (uint32_t i = 0; i < r->plan.n_stages; i++)
		assert_int_equal(r->nodes[i].n_spoiled[s], times);
}

static void name__one_after_the_other(void **state)
{
	struct rig r;

	(void)state;
	rig_open(&r, 2, false, 0);
	for (uint64_t s = 1; s <= 4; s++) {
		name(&r, s, s - 1);
		step(&r, s);
		assert_whole(&r, s);
	}
	rig_close(&r);
}

/* What a coordinator names that gave the ones before up: the newest one comes about, and of the
 * others nothing is kept. */
static void name__more_than_can_be_under_way(void **state)
{
	struct rig r;

	(void)state;
	rig_open(&r, 2, true, 0);
	for (uint64_t s = 2; s <= 6; s++)
		name(&r, s, 0);
	for (uint64_t s = 1; s <= 6; s++)
		step(&r, s);
	assert_whole(&r, 6);
	for (uint64_t s = 2; s < 6; s++) {
		assert_int_equal(r.nodes[0].units[s] | r.nodes[1].units[s], 0);
		assert_null(ftp_snapshots_find(r.nodes[0].store, 0, s));
	}
	rig_close(&r);
}

/* Two are under way and sixteen wait: of those that a coordinator names beyond that, nothing
 * becomes, and nobody waits for it. */
static void name__more_than_can_wait(void **state)
{
	struct rig r;

	(void)state;
	rig_open(&r, 2, true, 0);
	for (uint64_t s = 2; s <= 23; s++)
		name(&r, s, 0);
	for (uint64_t s = 1; s <= 23; s++)
		step(&r, s);
	for (uint64_t s = 20; s <= 23; s++) {
		assert_spoiled(&r, s, 0);
		assert_int_equal(r.nodes[0].units[s] | r.nodes[1].units[s], 0);
		assert_null(ftp_snapshots_find(r.nodes[0].store, 0, s));
	}
	name(&r, 24, 0);
	step(&r, 24);
	assert_whole(&r, 24);
	rig_close(&r);
}

/* A stage that has passed the step when there is room for it says so, and its peer does not wait
 * for it. */
static void name__late_when_there_is_room(void **state)
{
	struct rig r;

	(void)state;
	rig_open(&r, 2, true, 0);
	for (uint64_t s = 2; s <= 4; s++)
		name(&r, s, 0);
	for (uint64_t s = 2; s <= 4; s++)
		ftp_replicas_stepped(r.nodes[1].replicas, s);
	for (uint64_t s = 2; s <= 4; s++) {
		ftp_replicas_stepped(r.nodes[0].replicas, s);
		run(&r);
	}
	assert_int_equal(r.nodes[1].n_spoiled[4], 1);
	assert_int_equal(r.nodes[1].units[4] & ~7u, 0);
	assert_int_equal(r.nodes[0].units[4], 7); /* its own */
	name(&r, 8, 0);
	step(&r, 8);
	assert_whole(&r, 8);
	rig_close(&r);
}

/* By a coordinator that does not know that it is named: whatever has become of it, it is told as
 * spoiled, unless all of it will still be told. */
static void name__again(void **state)
{
	struct rig r;

	(void)state;
	rig_open(&r, 2, true, 0);
	name(&r, 2, 0);
	name(&r, 2, 0); /* under way */
	step(&r, 2);
	assert_spoiled(&r, 2, 1);
	name(&r, 2, 0); /* through */
	run(&r);
	assert_spoiled(&r, 2, 2);
	for (uint64_t s = 4; s <= 6; s++)
		name(&r, s, 0);
	name(&r, 6, 0); /* there is no room for it yet */
	for (uint64_t s = 4; s <= 6; s++)
		step(&r, s);
	assert_whole(&r, 6);
	rig_close(&r);
}

/* While what a late stage sends waits for its turn on the link, it has the next one's places. */
static void late__is_told_when_its_units_are_through(void **state)
{
	struct rig r;

	(void)state;
	rig_open(&r, 2, false, SLOW);
	step(&r, 2);
	name(&r, 2, 0);
	run(&r);
	assert_spoiled(&r, 2, 0);
	for (int i = 0; i < 40 && !r.nodes[0].n_spoiled[2]; i++)
		run(&r);
	for (int i = 0; i < 40; i++)
		run(&r);
	assert_spoiled(&r, 2, 1);
	name(&r, 4, 0);
	step(&r, 4);
	for (int i = 0; i < 40; i++)
		run(&r);
	assert_whole(&r, 4);
	rig_close(&r);
}

/* By a coordinator that takes the step for stable while replicas of it are on their way. */
static void name__the_one_before_is_kept(void **state)
{
	struct rig r;

	(void)state;
	rig_open(&r, 2, false, SLOW);
	name(&r, 2, 0);
	step(&r, 2);
	assert_null(ftp_snapshots_find(r.nodes[1].store, 2, 2)); /* is on its way */
	name(&r, 4, 2);
	for (int i = 0; i < 40; i++)
		run(&r);
	for (uint32_t u = 0; u < N_UNITS; u++)
		assert_non_null(ftp_snapshots_find(r.nodes[1].store, u, 2));
	rig_close(&r);
}

/* A place that comes free goes to the older of two rounds. */
static void place__in_the_order_of_steps(void **state)
{
	struct rig r;

	(void)state;
	rig_open(&r, 1, false, 0);
	name(&r, 2, 0);
	step(&r, 2);
	name(&r, 4, 2);
	step(&r, 4);
	name_to(&r, 0, 6, 0); /* there is no place left */
	name(&r, 8, 4);
	run(&r);
	assert_true(ftp_replicas_stepped(r.nodes[0].replicas, 6));
	rig_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(name__one_after_the_other),
		cmocka_unit_test(name__more_than_can_be_under_way),
		cmocka_unit_test(name__more_than_can_wait),
		cmocka_unit_test(name__late_when_there_is_room),
		cmocka_unit_test(name__again),
		cmocka_unit_test(late__is_told_when_its_units_are_through),
		cmocka_unit_test(name__the_one_before_is_kept),
		cmocka_unit_test(place__in_the_order_of_steps),
	};

	ftp_team_set(1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
