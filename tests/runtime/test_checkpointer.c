/* A node's checkpoint on a simulated disk: puts, what an inventory tells, what a recovery gets, and
 * everything that can go wrong, after which the store is as it was. */
#include "runtime/checkpointer.h"

#include <errno.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "tests/base/check.h"
#include "tests/runtime/checkpointer_rig.h"

static void retain__puts_what_is_held(void **state)
{
	struct rig r;

	(void)state;
	rig_open(&r, simulated_disk_new(check_seed()));
	rig_hold(&r, 1, 10, TERM);
	rig_hold(&r, 3, 10, TERM);
	rig_hold(&r, 3, 20, TERM);
	rig_ask(&r, 10, 0);
	assert_true(rig_turn(&r));
	assert_true(r.told.ok);
	assert_int_equal(r.told.n_units, 2);
	assert_int_equal(r.told.unit[0] + r.told.unit[1], 4);
	assert_false(rig_turn(&r)); /* once */
	assert_int_equal(ftp_checkpointer_stats(r.k)->step, 10);
	assert_int_equal(ftp_checkpointer_stats(r.k)->n_puts[FTP_CHECKPOINT_DONE], 1);
	rig_close(&r);
}

/* The coordinator lets go of the snapshot as soon as it has named it. */
static void retain__pins_until_it_is_put(void **state)
{
	const uint64_t none = 0;
	struct rig r;

	(void)state;
	rig_open(&r, simulated_disk_new(check_seed()));
	rig_hold_all(&r, 10);
	rig_ask(&r, 10, 0);
	ftp_snapshots_retain(r.store, &none, 0, UINT64_MAX);
	rig_hold_all(&r, 20);
	rig_hold_all(&r, 30);
	assert_null(ftp_snapshots_take(r.store, 1, 40, TERM)); /* its place is the third */
	assert_true(rig_turn(&r));
	assert_true(r.told.ok);
	assert_non_null(ftp_snapshots_take(r.store, 1, 40, TERM));
	rig_restart(&r);
	for (uint32_t u = 0; u < (uint32_t)r.model->n_units; u++)
		rig_assert_fetched(&r, u, 10);
	rig_close(&r);
}

static void retain__nothing_is_held(void **state)
{
	struct rig r;

	(void)state;
	rig_open(&r, simulated_disk_new(check_seed()));
	rig_ask(&r, 10, 0);
	assert_true(rig_turn(&r));
	assert_true(r.told.ok);
	assert_int_equal(r.told.n_units, 0);
	rig_close(&r);
}

static void retain__busy(void **state)
{
	struct rig r;

	(void)state;
	rig_open(&r, simulated_disk_new(check_seed()));
	rig_hold_all(&r, 10);
	rig_ask(&r, 10, 0);
	rig_hold_all(&r, 20);
	rig_ask(&r, 20, 0);
	assert_true(rig_turn(&r));
	assert_int_equal(r.told.step, 20);
	assert_false(r.told.ok);
	assert_non_null(strstr(r.told.text, "busy with the snapshot after step 10"));
	assert_true(rig_turn(&r));
	assert_int_equal(r.told.step, 10);
	assert_true(r.told.ok);
	rig_close(&r);
}

/* Another coordinator may ask for what is under way: it gets that end. */
static void retain__asked_for_again(void **state)
{
	struct rig r;

	(void)state;
	rig_open(&r, simulated_disk_new(check_seed()));
	rig_hold_all(&r, 10);
	rig_ask(&r, 10, 0);
	rig_ask(&r, 10, 0);
	assert_true(rig_turn(&r));
	assert_int_equal(r.told.step, 10);
	assert_true(r.told.ok);
	assert_false(rig_turn(&r));
	rig_close(&r);
}

/* Who has no room for it gets it later. */
static void turn__tells_when_there_is_room(void **state)
{
	struct rig r;

	(void)state;
	rig_open(&r, NULL);
	rig_hold_all(&r, 10);
	rig_ask(&r, 10, 0);
	for (int i = 0; i < 3; i++)
		assert_false(ftp_checkpointer_turn(r.k, NULL, 0));
	assert_true(rig_turn(&r));
	assert_int_equal(r.told.step, 10);
	assert_false(rig_turn(&r));
	rig_close(&r);
}

/* keep is 2, and the step that is durable everywhere stays. */
static void retain__pins_on_disk(void **state)
{
	uint32_t n_units;
	struct rig r;

	(void)state;
	rig_open(&r, simulated_disk_new(check_seed()));
	n_units = (uint32_t)r.model->n_units;
	rig_put(&r, 10);
	for (uint64_t step = 20; step <= 50; step += 10) {
		rig_hold_all(&r, step);
		rig_ask(&r, step, 10);
		assert_true(rig_turn(&r));
		assert_true(r.told.ok);
	}
	rig_restart(&r);
	assert_int_equal(rig_listed(&r, 10), n_units);
	assert_int_equal(rig_listed(&r, 20), 0);
	assert_int_equal(rig_listed(&r, 30), 0);
	assert_int_equal(rig_listed(&r, 40), n_units);
	assert_int_equal(rig_listed(&r, 50), n_units);
	rig_close(&r);
}

static void list__after_a_restart(void **state)
{
	struct rig r;

	(void)state;
	rig_open(&r, simulated_disk_new(check_seed()));
	rig_put(&r, 10);
	assert_int_equal(rig_listed(&r, 10), r.model->n_units);
	rig_restart(&r);
	assert_int_equal(rig_listed(&r, 10), r.model->n_units);
	assert_null(ftp_snapshots_newest(r.store, 1, 10)); /* nothing is read before it is wanted */
	for (uint32_t u = 0; u < (uint32_t)r.model->n_units; u++)
		rig_assert_fetched(&r, u, 10);
	assert_false(rig_fetch(&r, 1, 11));
	rig_close(&r);
}

/* What comes from the disk is given back like any snapshot. */
static void fetch__is_freed(void **state)
{
	const uint64_t none = 0;
	size_t used;
	struct rig r;

	(void)state;
	rig_open(&r, simulated_disk_new(check_seed()));
	rig_put(&r, 10);
	rig_restart(&r);
	used = ftp_region_used_bytes(r.region);
	rig_assert_fetched(&r, 2, 10);
	assert_true(rig_fetch(&r, 2, 10)); /* is there */
	assert_true(ftp_region_used_bytes(r.region) > used);
	ftp_snapshots_retain(r.store, &none, 0, UINT64_MAX);
	assert_true(ftp_snapshots_tidy(r.store));
	assert_int_equal(ftp_region_used_bytes(r.region), used);
	rig_close(&r);
}

/* Found when there is nothing else to do: not listed any more, and said. */
static void turn__finds_what_is_damaged(void **state)
{
	struct rig r;

	(void)state;
	rig_open(&r, simulated_disk_new(check_seed()));
	rig_put(&r, 10);
	simulated_disk_flip(r.disk, "segment-00000000", 8 * 200);
	rig_restart(&r);
	assert_int_equal(ftp_checkpointer_stats(r.k)->n_damaged, 0);
	assert_false(rig_turn(&r));
	assert_int_equal(ftp_checkpointer_stats(r.k)->n_damaged, 1);
	assert_int_equal(rig_listed(&r, 10), r.model->n_units - 1);
	rig_put(&r, 20);
	assert_true(r.told.ok);
	rig_close(&r);
}

/* Found when it is read: not given, and not listed any more. */
static void fetch__damaged(void **state)
{
	uint32_t n = 0;
	struct rig r;

	(void)state;
	rig_open(&r, simulated_disk_new(check_seed()));
	rig_put(&r, 10);
	rig_restart(&r);
	simulated_disk_flip(r.disk, "segment-00000000", 8 * 200);
	for (uint32_t u = 0; u < (uint32_t)r.model->n_units; u++)
		n += rig_fetch(&r, u, 10);
	assert_int_equal(n, r.model->n_units - 1);
	assert_int_equal(rig_listed(&r, 10), n);
	rig_close(&r);
}

static void turn_at(struct rig *r, uint64_t now_s)
{
	for (int i = 0; i < 20; i++)
		while (ftp_checkpointer_turn(r->k, &r->told, now_s * FTP_NS_PER_S))
			;
}

/* It may give it a while later, and the node tells of it again. */
static void turn__asks_again_for_what_the_disk_refused(void **state)
{
	struct rig r;

	(void)state;
	rig_open(&r, simulated_disk_new(check_seed()));
	rig_put(&r, 10);
	rig_restart(&r);
	simulated_disk_from_now_on(r.disk, SIMULATED_FAILS);
	assert_false(rig_fetch(&r, 2, 10));
	assert_int_equal(rig_listed(&r, 10), r.model->n_units - 1);
	simulated_disk_from_now_on(r.disk, SIMULATED_NONE);
	turn_at(&r, 1);
	turn_at(&r, 60);
	assert_int_equal(rig_listed(&r, 10), r.model->n_units - 1);
	assert_int_equal(ftp_checkpointer_stats(r.k)->n_damaged, 1);
	turn_at(&r, 61);
	assert_int_equal(rig_listed(&r, 10), r.model->n_units);
	assert_int_equal(ftp_checkpointer_stats(r.k)->n_damaged, 0);
	rig_assert_fetched(&r, 2, 10);
	rig_close(&r);
}

/* One that goes on to refuse is asked after 1, 2, 4, 8 and 16 minutes, and so on. */
static void turn__does_not_ask_without_end(void **state)
{
	uint64_t n_changes;
	struct rig r;

	(void)state;
	rig_open(&r, simulated_disk_new(check_seed()));
	rig_put(&r, 10);
	rig_restart(&r);
	simulated_disk_from_now_on(r.disk, SIMULATED_FAILS);
	turn_at(&r, 0);
	assert_int_equal(rig_listed(&r, 10), 0);
	n_changes = ftp_checkpointer_stats(r.k)->n_changes;
	for (uint64_t now_s = 1; now_s < 3600; now_s++)
		turn_at(&r, now_s);
	assert_int_equal(ftp_checkpointer_stats(r.k)->n_changes, n_changes + 5);
	assert_int_equal(ftp_checkpointer_stats(r.k)->n_hung, 0);
	rig_close(&r);
}

static void new__wiped(void **state)
{
	struct rig r;

	(void)state;
	rig_open(&r, simulated_disk_new(check_seed()));
	rig_put(&r, 10);
	rig_end(&r);
	rig_begin(&r, simulated_disk_new(check_seed()));
	assert_int_equal(rig_listed(&r, 10), 0);
	rig_put(&r, 20);
	assert_true(r.told.ok);
	rig_close(&r);
}

static void new__no_disk(void **state)
{
	struct rig r;

	(void)state;
	rig_open(&r, NULL);
	for (uint64_t step = 10; step < 30; step += 10) {
		rig_put(&r, step);
		assert_false(r.told.ok);
		assert_string_equal(r.told.text, "no such disk");
		assert_false(rig_fetch(&r, 2, 5));
		assert_true(rig_fetch(&r, 2, step));
	}
	assert_int_equal(ftp_checkpointer_stats(r.k)->n_refused, 2);
	assert_false(ftp_checkpointer_stats(r.k)->is_usable);
	rig_close(&r);
}

static void claim__another_run(void **state)
{
	struct rig r;

	(void)state;
	rig_open(&r, simulated_disk_new(check_seed()));
	rig_put(&r, 10);
	rig_restart(&r);
	ftp_checkpointer_claim(r.k, RUN + 1);
	assert_int_equal(rig_listed(&r, 10), 0);
	rig_put(&r, 20);
	assert_false(r.told.ok);
	assert_non_null(strstr(r.told.text, "another run"));
	rig_close(&r);
}

/* The next one succeeds, and the store has its places back. */
static void put__fails(struct simulated_fault fault, uint64_t capacity, const char *text)
{
	struct rig r;

	rig_open(&r, simulated_disk_new(check_seed()));
	fault.first = simulated_disk_n_ops(r.disk);
	simulated_disk_fault(r.disk, fault);
	simulated_disk_capacity(r.disk, capacity);
	rig_put(&r, 10);
	assert_false(r.told.ok);
	if (!strstr(r.told.text, text))
		fail_msg("%s, not %s", r.told.text, text);
	simulated_disk_from_now_on(r.disk, SIMULATED_NONE);
	simulated_disk_capacity(r.disk, 0);
	rig_put(&r, 20);
	assert_true(r.told.ok);
	rig_restart(&r);
	assert_int_equal(rig_listed(&r, 10), 0);
	assert_int_equal(rig_listed(&r, 20), r.model->n_units);
	rig_close(&r);
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
	rig_open(&r, simulated_disk_new(check_seed()));
	r.config.max_bytes = 4096;
	rig_restart(&r);
	rig_put(&r, 10);
	assert_false(r.told.ok);
	assert_non_null(strstr(r.told.text, "above the limit of 4096 bytes"));
	assert_int_equal(ftp_checkpointer_stats(r.k)->n_puts[FTP_CHECKPOINT_NO_SPACE], 1);
	rig_close(&r);
}

/* The process may end in the middle of a put. */
static void free__while_putting(void **state)
{
	struct rig r;

	(void)state;
	rig_open(&r, simulated_disk_new(check_seed()));
	rig_put(&r, 10);
	rig_hold_all(&r, 20);
	rig_ask(&r, 20, 10);
	for (int i = 0; i < 3; i++)
		ftp_checkpointer_turn(r.k, &r.told, 0);
	assert_true(ftp_checkpointer_is_busy(r.k));
	rig_restart(&r);
	assert_int_equal(rig_listed(&r, 10), r.model->n_units);
	rig_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(retain__puts_what_is_held),
		cmocka_unit_test(retain__pins_until_it_is_put),
		cmocka_unit_test(retain__nothing_is_held),
		cmocka_unit_test(retain__busy),
		cmocka_unit_test(retain__asked_for_again),
		cmocka_unit_test(retain__pins_on_disk),
		cmocka_unit_test(turn__tells_when_there_is_room),
		cmocka_unit_test(list__after_a_restart),
		cmocka_unit_test(fetch__is_freed),
		cmocka_unit_test(turn__asks_again_for_what_the_disk_refused),
		cmocka_unit_test(turn__does_not_ask_without_end),
		cmocka_unit_test(fetch__damaged),
		cmocka_unit_test(turn__finds_what_is_damaged),
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
