/* A node's checkpoint on a simulated disk: puts, what an inventory tells, what a recovery gets, and
 * everything that can go wrong, after which the store is as it was. */
#include "runtime/checkpointer.h"

#include <errno.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "tests/base/check.h"
#include "tests/runtime/simulated_disk.h"

#define RUN  0x77u
#define TERM 3

struct rig {
	struct ftp_model *model;
	struct ftp_region *region;
	struct ftp_snapshots *store;
	struct simulated_disk *disk;
	struct ftp_checkpointer *k;
	struct ftp_config_checkpoint config;
	struct ftp_persisted told;
};

static void add_places(struct rig *r)
{
	struct ftp_snapshot_places *places;
	uint8_t n_of_unit[8];
	struct ftp_error err;

	memset(n_of_unit, 3, sizeof(n_of_unit));
	assert_int_equal(ftp_snapshot_places_new(&places, r->model, r->region, n_of_unit, &err), 0);
	ftp_snapshots_adopt(r->store, places);
}

/* A node's process begins: nothing in its store. */
static void begin(struct rig *r, struct simulated_disk *disk)
{
	struct ftp_checkpointer_spec spec = {.why = "no such disk",
		.directory = "test",
		.config = &r->config,
		.model = r->model};
	struct ftp_error err;

	assert_int_equal(ftp_region_new(&r->region, 64 << 20, &err), 0);
	r->store = ftp_snapshots_new();
	add_places(r);
	r->disk = disk;
	spec.disk = disk ? simulated_disk_seam(disk) : NULL;
	spec.snapshots = r->store;
	spec.region = r->region;
	r->k = ftp_checkpointer_new(&spec);
	ftp_checkpointer_claim(r->k, RUN);
}

static void end(struct rig *r)
{
	ftp_checkpointer_free(r->k);
	ftp_snapshots_free(r->store);
	ftp_region_free(r->region); /* asserts that nothing is left in it */
}

/* kill -9, and another process: its files are there. */
static void restart(struct rig *r)
{
	struct simulated_disk *next = simulated_disk_after_kill(r->disk, check_seed());

	end(r);
	begin(r, next);
}

static void open_rig(struct rig *r, struct simulated_disk *disk)
{
	const struct ftp_model_spec spec = {.name = "lenet5", .width = 1, .activations = true};
	struct ftp_error err;

	memset(r, 0, sizeof(*r));
	r->config.keep = 2;
	assert_int_equal(ftp_model_new(&r->model, &spec, &err), 0);
	begin(r, disk);
}

static void close_rig(struct rig *r)
{
	end(r);
	ftp_model_free(r->model);
}

static uint8_t byte_of(uint32_t unit, uint64_t step)
{
	return (uint8_t)(16 * unit + step);
}

static void hold(struct rig *r, uint32_t unit, uint64_t step, uint64_t term)
{
	struct ftp_snapshot *s = ftp_snapshots_take(r->store, unit, step, term);

	assert_non_null(s);
	memset(s->data, byte_of(unit, step), ftp_snapshot_state_bytes(s));
	ftp_snapshots_complete(r->store, s, ftp_digest_of(s->data, ftp_snapshot_state_bytes(s)));
}

static void hold_all(struct rig *r, uint64_t step)
{
	for (uint32_t u = 0; u < (uint32_t)r->model->n_units; u++)
		hold(r, u, step, TERM);
}

static void ask(struct rig *r, uint64_t step, uint64_t durable)
{
	const struct ftp_retain m = {
		.term = TERM, .n_steps = 1, .step = {step}, .disk = step, .durable = durable};

	ftp_checkpointer_retain(r->k, &m, 0);
	ftp_snapshots_retain(r->store, m.step, 1, UINT64_MAX);
}

/* Until something is told; false: nothing comes any more. */
static bool turn(struct rig *r)
{
	uint32_t n_idle = 0;

	do
		n_idle = ftp_checkpointer_turn(r->k, &r->told, 1000) ? 0 : n_idle + 1;
	while (!r->told.step && n_idle < 100);
	return r->told.step;
}

static void put(struct rig *r, uint64_t step)
{
	hold_all(r, step);
	ask(r, step, 0);
	assert_true(turn(r));
	assert_int_equal(r->told.step, step);
	assert_int_equal(r->told.term, TERM);
}

static uint32_t listed(const struct rig *r, uint64_t step)
{
	struct ftp_inventory *m = calloc(1, sizeof(*m));
	uint32_t n = 0;

	ftp_checkpointer_list(r->k, m);
	for (uint32_t i = 0; i < m->n; i++)
		n += m->step[i] == step;
	free(m);
	return n;
}

static void assert_fetched(struct rig *r, uint32_t unit, uint64_t step)
{
	const struct ftp_snapshot *s;

	assert_true(ftp_checkpointer_fetch(r->k, unit, step));
	s = ftp_snapshots_newest(r->store, unit, step);
	assert_non_null(s);
	for (size_t i = 0; i < ftp_snapshot_state_bytes(s); i++)
		assert_int_equal(((const uint8_t *)s->data)[i], byte_of(unit, step));
}

static void retain__puts_what_is_held(void **state)
{
	struct rig r;

	(void)state;
	open_rig(&r, simulated_disk_new(check_seed()));
	hold(&r, 1, 10, TERM);
	hold(&r, 3, 10, TERM);
	hold(&r, 3, 20, TERM);
	ask(&r, 10, 0);
	assert_true(turn(&r));
	assert_true(r.told.ok);
	assert_int_equal(r.told.n_units, 2);
	assert_int_equal(r.told.unit[0] + r.told.unit[1], 4);
	assert_false(turn(&r)); /* once */
	assert_int_equal(ftp_checkpointer_stats(r.k)->step, 10);
	assert_int_equal(ftp_checkpointer_stats(r.k)->n_puts[FTP_CHECKPOINT_DONE], 1);
	close_rig(&r);
}

/* The coordinator lets go of the snapshot as soon as it has named it. */
static void retain__pins_until_it_is_put(void **state)
{
	const uint64_t none = 0;
	struct rig r;

	(void)state;
	open_rig(&r, simulated_disk_new(check_seed()));
	hold_all(&r, 10);
	ask(&r, 10, 0);
	ftp_snapshots_retain(r.store, &none, 0, UINT64_MAX);
	hold_all(&r, 20);
	hold_all(&r, 30);
	assert_null(ftp_snapshots_take(r.store, 1, 40, TERM)); /* its place is the third */
	assert_true(turn(&r));
	assert_true(r.told.ok);
	assert_non_null(ftp_snapshots_take(r.store, 1, 40, TERM));
	restart(&r);
	for (uint32_t u = 0; u < (uint32_t)r.model->n_units; u++)
		assert_fetched(&r, u, 10);
	close_rig(&r);
}

static void retain__nothing_is_held(void **state)
{
	struct rig r;

	(void)state;
	open_rig(&r, simulated_disk_new(check_seed()));
	ask(&r, 10, 0);
	assert_true(turn(&r));
	assert_true(r.told.ok);
	assert_int_equal(r.told.n_units, 0);
	close_rig(&r);
}

static void retain__busy(void **state)
{
	struct rig r;

	(void)state;
	open_rig(&r, simulated_disk_new(check_seed()));
	hold_all(&r, 10);
	ask(&r, 10, 0);
	hold_all(&r, 20);
	ask(&r, 20, 0);
	assert_true(turn(&r));
	assert_int_equal(r.told.step, 20);
	assert_false(r.told.ok);
	assert_non_null(strstr(r.told.text, "busy with the snapshot after step 10"));
	assert_true(turn(&r));
	assert_int_equal(r.told.step, 10);
	assert_true(r.told.ok);
	close_rig(&r);
}

/* keep is 2, and the step that is durable everywhere stays. */
static void retain__pins_on_disk(void **state)
{
	uint32_t n_units;
	struct rig r;

	(void)state;
	open_rig(&r, simulated_disk_new(check_seed()));
	n_units = (uint32_t)r.model->n_units;
	put(&r, 10);
	for (uint64_t step = 20; step <= 50; step += 10) {
		hold_all(&r, step);
		ask(&r, step, 10);
		assert_true(turn(&r));
		assert_true(r.told.ok);
	}
	restart(&r);
	assert_int_equal(listed(&r, 10), n_units);
	assert_int_equal(listed(&r, 20), 0);
	assert_int_equal(listed(&r, 30), 0);
	assert_int_equal(listed(&r, 40), n_units);
	assert_int_equal(listed(&r, 50), n_units);
	close_rig(&r);
}

static void list__after_a_restart(void **state)
{
	struct rig r;

	(void)state;
	open_rig(&r, simulated_disk_new(check_seed()));
	put(&r, 10);
	assert_int_equal(listed(&r, 10), r.model->n_units);
	restart(&r);
	assert_int_equal(listed(&r, 10), r.model->n_units);
	assert_null(ftp_snapshots_newest(r.store, 1, 10)); /* nothing is read before it is wanted */
	for (uint32_t u = 0; u < (uint32_t)r.model->n_units; u++)
		assert_fetched(&r, u, 10);
	assert_false(ftp_checkpointer_fetch(r.k, 1, 11));
	close_rig(&r);
}

/* What comes from the disk is given back like any snapshot. */
static void fetch__is_freed(void **state)
{
	const uint64_t none = 0;
	size_t used;
	struct rig r;

	(void)state;
	open_rig(&r, simulated_disk_new(check_seed()));
	put(&r, 10);
	restart(&r);
	used = ftp_region_used_bytes(r.region);
	assert_fetched(&r, 2, 10);
	assert_true(ftp_checkpointer_fetch(r.k, 2, 10)); /* is there */
	assert_true(ftp_region_used_bytes(r.region) > used);
	ftp_snapshots_retain(r.store, &none, 0, UINT64_MAX);
	assert_true(ftp_snapshots_tidy(r.store));
	assert_int_equal(ftp_region_used_bytes(r.region), used);
	close_rig(&r);
}

/* Found when it opens: not listed, and said. */
static void new__damaged(void **state)
{
	struct rig r;

	(void)state;
	open_rig(&r, simulated_disk_new(check_seed()));
	put(&r, 10);
	simulated_disk_flip(r.disk, "segment-00000000", 8 * 200);
	restart(&r);
	assert_int_equal(ftp_checkpointer_stats(r.k)->n_damaged, 1);
	assert_int_equal(listed(&r, 10), r.model->n_units - 1);
	put(&r, 20);
	assert_true(r.told.ok);
	close_rig(&r);
}

/* Found when it is read: not given, and not listed any more. */
static void fetch__damaged(void **state)
{
	uint32_t n = 0;
	struct rig r;

	(void)state;
	open_rig(&r, simulated_disk_new(check_seed()));
	put(&r, 10);
	restart(&r);
	simulated_disk_flip(r.disk, "segment-00000000", 8 * 200);
	for (uint32_t u = 0; u < (uint32_t)r.model->n_units; u++)
		n += ftp_checkpointer_fetch(r.k, u, 10);
	assert_int_equal(n, r.model->n_units - 1);
	assert_int_equal(listed(&r, 10), n);
	close_rig(&r);
}

static void new__wiped(void **state)
{
	struct rig r;

	(void)state;
	open_rig(&r, simulated_disk_new(check_seed()));
	put(&r, 10);
	end(&r);
	begin(&r, simulated_disk_new(check_seed()));
	assert_int_equal(listed(&r, 10), 0);
	put(&r, 20);
	assert_true(r.told.ok);
	close_rig(&r);
}

static void new__no_disk(void **state)
{
	struct rig r;

	(void)state;
	open_rig(&r, NULL);
	for (uint64_t step = 10; step < 30; step += 10) {
		put(&r, step);
		assert_false(r.told.ok);
		assert_string_equal(r.told.text, "no such disk");
		assert_false(ftp_checkpointer_fetch(r.k, 2, 5));
		assert_true(ftp_checkpointer_fetch(r.k, 2, step));
	}
	assert_int_equal(ftp_checkpointer_stats(r.k)->n_refused, 2);
	assert_false(ftp_checkpointer_stats(r.k)->is_usable);
	close_rig(&r);
}

static void claim__another_run(void **state)
{
	struct rig r;

	(void)state;
	open_rig(&r, simulated_disk_new(check_seed()));
	put(&r, 10);
	restart(&r);
	ftp_checkpointer_claim(r.k, RUN + 1);
	assert_int_equal(listed(&r, 10), 0);
	put(&r, 20);
	assert_false(r.told.ok);
	assert_non_null(strstr(r.told.text, "another run"));
	close_rig(&r);
}

/* The next one succeeds, and the store has its places back. */
static void put__fails(struct simulated_fault fault, uint64_t capacity, const char *text)
{
	struct rig r;

	open_rig(&r, simulated_disk_new(check_seed()));
	fault.first = simulated_disk_n_ops(r.disk);
	simulated_disk_fault(r.disk, fault);
	simulated_disk_capacity(r.disk, capacity);
	put(&r, 10);
	assert_false(r.told.ok);
	if (!strstr(r.told.text, text))
		fail_msg("%s, not %s", r.told.text, text);
	simulated_disk_fault(r.disk, (struct simulated_fault){.kind = SIMULATED_NONE});
	simulated_disk_capacity(r.disk, 0);
	put(&r, 20);
	assert_true(r.told.ok);
	restart(&r);
	assert_int_equal(listed(&r, 10), 0);
	assert_int_equal(listed(&r, 20), r.model->n_units);
	close_rig(&r);
}

static void turn__disk_full(void **state)
{
	(void)state;
	put__fails((struct simulated_fault){.kind = SIMULATED_NONE}, 600000, "no space: ");
}

static void turn__io_error(void **state)
{
	(void)state;
	put__fails((struct simulated_fault){.kind = SIMULATED_FAILS, .n = 1000, .error = EIO}, 0,
		"I/O error: ");
}

static void turn__limit(void **state)
{
	struct rig r;

	(void)state;
	open_rig(&r, simulated_disk_new(check_seed()));
	r.config.max_bytes = 4096;
	restart(&r);
	put(&r, 10);
	assert_false(r.told.ok);
	assert_non_null(strstr(r.told.text, "above the limit of 4096 bytes"));
	assert_int_equal(ftp_checkpointer_stats(r.k)->n_puts[FTP_CHECKPOINT_NO_SPACE], 1);
	close_rig(&r);
}

/* The process may end in the middle of a put. */
static void free__while_putting(void **state)
{
	struct rig r;

	(void)state;
	open_rig(&r, simulated_disk_new(check_seed()));
	put(&r, 10);
	hold_all(&r, 20);
	ask(&r, 20, 10);
	for (int i = 0; i < 3; i++)
		ftp_checkpointer_turn(r.k, &r.told, 0);
	assert_true(ftp_checkpointer_is_busy(r.k));
	restart(&r);
	assert_int_equal(listed(&r, 10), r.model->n_units);
	close_rig(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(retain__puts_what_is_held),
		cmocka_unit_test(retain__pins_until_it_is_put),
		cmocka_unit_test(retain__nothing_is_held),
		cmocka_unit_test(retain__busy),
		cmocka_unit_test(retain__pins_on_disk),
		cmocka_unit_test(list__after_a_restart),
		cmocka_unit_test(fetch__is_freed),
		cmocka_unit_test(fetch__damaged),
		cmocka_unit_test(new__damaged),
		cmocka_unit_test(new__wiped),
		cmocka_unit_test(new__no_disk),
		cmocka_unit_test(claim__another_run),
		cmocka_unit_test(turn__disk_full),
		cmocka_unit_test(turn__io_error),
		cmocka_unit_test(turn__limit),
		cmocka_unit_test(free__while_putting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
