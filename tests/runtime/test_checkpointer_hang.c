/* A node whose disk does not answer, or whose disk is busy when a recovery needs it. */
#include <errno.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/checkpointer_state.h"
#include "tests/base/check.h"
#include "tests/runtime/checkpointer_rig.h"

/* What a recovery asks for does not wait for a put that is newer than that. */
static void fetch__gives_a_put_up(void **state)
{
	struct rig r;

	(void)state;
	rig_open(&r, simulated_disk_new(check_seed()));
	rig_put(&r, 10);
	rig_restart(&r);
	rig_hold_all(&r, 20);
	rig_ask(&r, 20, 10);
	for (int i = 0; i < 4; i++)
		ftp_checkpointer_turn(r.k, &r.told, 0);
	assert_true(ftp_checkpointer_is_busy(r.k));
	rig_assert_fetched(&r, 1, 10);
	assert_true(rig_turn(&r));
	assert_int_equal(r.told.step, 20);
	assert_false(r.told.ok);
	assert_non_null(strstr(r.told.text, "cancelled"));
	rig_put(&r, 30);
	assert_true(r.told.ok);
	rig_close(&r);
}

/* The coordinator waits for the snapshot that it named last: the end of an older put does not take
 * its place. */
static void fetch__ends_a_put_while_another_is_told(void **state)
{
	struct rig r;

	(void)state;
	rig_open(&r, simulated_disk_new(check_seed()));
	rig_put(&r, 10);
	rig_restart(&r);
	rig_hold_all(&r, 20);
	rig_ask(&r, 20, 10);
	for (int i = 0; i < 4; i++)
		ftp_checkpointer_turn(r.k, &r.told, 0);
	rig_hold_all(&r, 30);
	rig_ask(&r, 30, 10);
	rig_assert_fetched(&r, 1, 10);
	assert_true(rig_turn(&r));
	assert_int_equal(r.told.step, 30);
	assert_non_null(strstr(r.told.text, "busy with the snapshot after step 20"));
	assert_false(rig_turn(&r));
	rig_close(&r);
}

/* Of opening what is there: after the directory, the manifest, its two slots, and three that make
 * it durable. */
#define OP_OF_LIST 7

/* Half a second a turn, until something is told; returns the seconds. */
static uint64_t turn_slowly(struct rig *r, uint64_t begin_ns)
{
	uint64_t now_ns = begin_ns;

	do
		ftp_checkpointer_turn(r->k, &r->told, now_ns += FTP_NS_PER_S / 2);
	while (!r->told.step && now_ns < begin_ns + 100 * FTP_NS_PER_S);
	return (now_ns - begin_ns) / FTP_NS_PER_S;
}

/* Within a bounded time it is told, its states are free, and the next puts are refused; when it
 * answers, all is as before. */
static void turn__hung(void **state)
{
	struct rig r;

	(void)state;
	rig_open(&r, simulated_disk_new(check_seed()));
	rig_put(&r, 10);
	simulated_disk_from_now_on(r.disk, SIMULATED_HANGS);
	rig_hold_all(&r, 20);
	rig_ask(&r, 20, 10);
	assert_in_range(turn_slowly(&r, FTP_NS_PER_S), 29, 32);
	assert_int_equal(r.told.step, 20);
	assert_false(r.told.ok);
	assert_non_null(strstr(r.told.text, "has not answered for 30.5 s"));
	assert_false(ftp_checkpointer_stats(r.k)->is_usable);
	assert_int_equal(ftp_checkpointer_stats(r.k)->n_hung, 1);
	assert_false(ftp_checkpointer_is_busy(r.k)); /* nobody has to look for it */
	rig_put(&r, 30);
	assert_false(r.told.ok);
	assert_int_equal(rig_listed(&r, 10), 0);
	assert_false(rig_fetch(&r, 1, 11));
	simulated_disk_from_now_on(r.disk, SIMULATED_NONE);
	assert_false(rig_turn(&r));
	assert_true(ftp_checkpointer_stats(r.k)->is_usable);
	assert_int_equal(rig_listed(&r, 10), r.model->n_units);
	rig_put(&r, 40);
	assert_true(r.told.ok);
	rig_restart(&r);
	assert_int_equal(rig_listed(&r, 20), 0);
	assert_int_equal(rig_listed(&r, 40), r.model->n_units);
	rig_close(&r);
}

/* A node that was stopped itself has not waited. */
static void turn__was_not_looking(void **state)
{
	struct rig r;

	(void)state;
	rig_open(&r, simulated_disk_new(check_seed()));
	simulated_disk_from_now_on(r.disk, SIMULATED_HANGS);
	rig_hold_all(&r, 10);
	rig_ask(&r, 10, 0);
	for (uint64_t i = 1; i < 10; i++)
		ftp_checkpointer_turn(r.k, &r.told, i * 100 * FTP_NS_PER_S);
	assert_int_equal(ftp_checkpointer_stats(r.k)->n_hung, 0);
	simulated_disk_from_now_on(r.disk, SIMULATED_NONE);
	assert_true(rig_turn(&r));
	assert_true(r.told.ok);
	rig_close(&r);
}

/* A recovery asks for all units; with the disk's answers, as many turns as it takes for n of them.
 */
static void fetch_some(struct rig *r, uint32_t n)
{
	uint32_t units[FTP_PROTOCOL_MAX_UNITS];

	for (uint32_t u = 0; u < (uint32_t)r->model->n_units; u++)
		units[u] = u;
	ftp_checkpointer_fetch(r->k, units, (uint32_t)r->model->n_units, 10);
	for (uint32_t u = 0; u < n; u++)
		while (!ftp_snapshots_newest(r->store, u, 10))
			ftp_checkpointer_turn(r->k, &r->told, 0);
}

/* Nobody is waited for: each turn comes back, until patience ends. What was read stays. */
static void fetch__hangs_in_the_middle(void **state)
{
	uint64_t now_ns = FTP_NS_PER_S;
	struct rig r;

	(void)state;
	rig_open(&r, simulated_disk_new(check_seed()));
	rig_put(&r, 10);
	rig_restart(&r);
	fetch_some(&r, 2);
	simulated_disk_from_now_on(r.disk, SIMULATED_HANGS);
	while (ftp_checkpointer_fetched(r.k, &r.why) == FTP_CHECKPOINTER_FETCHING)
		ftp_checkpointer_turn(r.k, &r.told, now_ns += FTP_NS_PER_S / 2);
	assert_in_range(now_ns / FTP_NS_PER_S, 10, 13);
	assert_non_null(strstr(r.why.text, "unit 2 after step 10 does not come from the disk"));
	assert_non_null(strstr(r.why.text, "has not answered"));
	assert_int_equal(ftp_checkpointer_stats(r.k)->n_hung, 1);
	assert_true(rig_fetch(&r, 1, 10)); /* it is in the store */
	assert_false(rig_fetch(&r, 2, 10));
	simulated_disk_from_now_on(r.disk, SIMULATED_NONE);
	assert_false(rig_turn(&r));
	rig_assert_fetched(&r, 2, 10);
	rig_close(&r);
}

/* The plan is over: the disk goes on with what it has, into nobody's memory. */
static void fetch__ended_in_the_middle(void **state)
{
	size_t used;
	struct rig r;

	(void)state;
	rig_open(&r, simulated_disk_new(check_seed()));
	rig_put(&r, 10);
	rig_restart(&r);
	fetch_some(&r, 2);
	used = ftp_region_used_bytes(r.region);
	simulated_disk_from_now_on(r.disk, SIMULATED_HANGS);
	ftp_checkpointer_turn(r.k, &r.told, 0);
	assert_true(ftp_checkpointer_is_busy(r.k));
	assert_true(ftp_region_used_bytes(r.region) > used);
	ftp_checkpointer_fetch_end(r.k);
	assert_int_equal(ftp_checkpointer_fetched(r.k, &r.why), FTP_CHECKPOINTER_FETCHED);
	ftp_snapshots_tidy(r.store);
	assert_int_equal(ftp_region_used_bytes(r.region), used);
	simulated_disk_from_now_on(r.disk, SIMULATED_NONE);
	rig_put(&r, 20);
	assert_true(r.told.ok);
	rig_assert_fetched(&r, 1, 10);
	rig_assert_fetched(&r, 2, 10);
	rig_close(&r);
}

/* The node is another run's, or ends, while a recovery reads. */
static void fetch__the_store_is_closed(void **state)
{
	struct rig r;

	(void)state;
	rig_open(&r, simulated_disk_new(check_seed()));
	rig_put(&r, 10);
	rig_restart(&r);
	fetch_some(&r, 1);
	ftp_checkpointer_turn(r.k, &r.told, 0);
	ftp_checkpointer_claim(r.k, RUN + 1);
	assert_int_equal(ftp_checkpointer_fetched(r.k, &r.why), FTP_CHECKPOINTER_NOT_FETCHED);
	assert_non_null(strstr(r.why.text, "another run"));
	rig_close(&r);
}

/* What a put was about when the disk hung may become durable after it was told that it is not: it
 * is counted then. */
static void put__ends_after_a_hang(void **state)
{
	uint64_t n_ops, n_changes, live_bytes;
	struct rig r;

	(void)state;
	rig_open(&r, simulated_disk_new(check_seed()));
	rig_put(&r, 10);
	n_ops = simulated_disk_n_ops(r.disk);
	rig_put(&r, 20);
	n_ops = simulated_disk_n_ops(r.disk) - n_ops;
	rig_close(&r);
	rig_open(&r, simulated_disk_new(check_seed()));
	rig_put(&r, 10);
	assert_false(rig_turn(&r)); /* nothing is left to be checked */
	live_bytes = ftp_checkpointer_stats(r.k)->live_bytes;
	simulated_disk_fault(r.disk, (struct simulated_fault){.kind = SIMULATED_HANGS,
					     .first = simulated_disk_n_ops(r.disk) + n_ops - 1,
					     .n = 1}); /* its manifest is made durable */
	rig_hold_all(&r, 20);
	rig_ask(&r, 20, 10);
	turn_slowly(&r, FTP_NS_PER_S);
	assert_int_equal(r.told.step, 20);
	assert_false(r.told.ok);
	simulated_disk_from_now_on(r.disk, SIMULATED_NONE);
	n_changes = ftp_checkpointer_stats(r.k)->n_changes;
	assert_false(rig_turn(&r));
	assert_int_equal(rig_listed(&r, 20), r.model->n_units);
	assert_int_equal(ftp_checkpointer_stats(r.k)->live_bytes, 2 * live_bytes);
	/* The disk is usable again, and there is more on it. */
	assert_int_equal(ftp_checkpointer_stats(r.k)->n_changes, n_changes + 2);
	rig_close(&r);
}

/* Once, not for each unit. */
static void fetch__hung(void **state)
{
	struct rig r;

	(void)state;
	rig_open(&r, simulated_disk_new(check_seed()));
	rig_put(&r, 10);
	r.patience_ns = 20 * FTP_NS_PER_MS;
	rig_restart(&r);
	simulated_disk_from_now_on(r.disk, SIMULATED_HANGS);
	for (uint32_t u = 0; u < (uint32_t)r.model->n_units; u++)
		assert_false(rig_fetch(&r, u, 10));
	assert_int_equal(ftp_checkpointer_stats(r.k)->n_hung, 1);
	simulated_disk_from_now_on(r.disk, SIMULATED_NONE);
	assert_false(rig_turn(&r));
	for (uint32_t u = 0; u < (uint32_t)r.model->n_units; u++)
		rig_assert_fetched(&r, u, 10);
	rig_close(&r);
}

/* The node joins all the same, and has its disk as soon as that answers. */
static void new__hung(void **state)
{
	struct rig r;

	(void)state;
	rig_open(&r, simulated_disk_new(check_seed()));
	rig_put(&r, 10);
	rig_restart_hung(&r, 1000);
	assert_false(ftp_checkpointer_stats(r.k)->is_usable);
	rig_put(&r, 20);
	assert_false(r.told.ok);
	simulated_disk_from_now_on(r.disk, SIMULATED_NONE);
	while (simulated_disk_n_ops(r.disk) < OP_OF_LIST) { /* it is opened beside training */
		ftp_checkpointer_turn(r.k, &r.told, 0);
		assert_false(ftp_checkpointer_stats(r.k)->is_usable);
		assert_int_equal(rig_listed(&r, 10), 0);
	}
	assert_false(rig_turn(&r));
	assert_true(ftp_checkpointer_stats(r.k)->is_usable);
	rig_assert_fetched(&r, 2, 10);
	rig_close(&r);
}

/* The very first operation, which makes and locks the directory. */
static void open__hangs_at_the_directory(void **state)
{
	struct rig r;

	(void)state;
	rig_open(&r, simulated_disk_new(check_seed()));
	rig_put(&r, 10);
	rig_restart_hung(&r, 1);
	assert_int_equal(simulated_disk_n_ops(r.disk), 1);
	assert_false(ftp_checkpointer_stats(r.k)->is_usable);
	assert_non_null(ftp_checkpointer_stats(r.k)->mode.engine);
	simulated_disk_from_now_on(r.disk, SIMULATED_NONE);
	assert_false(rig_turn(&r));
	assert_true(ftp_checkpointer_stats(r.k)->is_usable);
	rig_assert_fetched(&r, 2, 10);
	rig_close(&r);
}

/* Whether access is direct is known when the directory is open: at once, or late. */
static void open__lacks_direct_access(void **state)
{
	struct rig r;

	(void)state;
	for (int hangs = 0; hangs < 2; hangs++) {
		rig_open(&r, simulated_disk_new(check_seed()));
		r.config.direct = FTP_DIRECT_ON;
		if (hangs)
			rig_restart_hung(&r, 1);
		else
			rig_restart(&r);
		assert_int_equal(ftp_checkpointer_stats(r.k)->lacks_direct, !hangs);
		if (hangs)
			simulated_disk_from_now_on(r.disk, SIMULATED_NONE);
		assert_false(rig_turn(&r));
		assert_true(ftp_checkpointer_stats(r.k)->lacks_direct);
		rig_put(&r, 10);
		assert_false(r.told.ok);
		assert_non_null(strstr(r.told.text, "checkpoint.direct is on"));
		rig_close(&r);
	}
}

/* Whoever needs the disk meanwhile: how opening it ended is not missed. */
static void new__hung_then_fails(void **state)
{
	struct rig r;

	(void)state;
	rig_open(&r, simulated_disk_new(check_seed()));
	rig_put(&r, 10);
	rig_restart_hung(&r, 1);
	simulated_disk_fault(r.disk,
		(struct simulated_fault){
			.kind = SIMULATED_FAILS, .first = OP_OF_LIST, .n = 1, .error = EIO});
	while (simulated_disk_n_ops(r.disk) < OP_OF_LIST)
		ftp_checkpointer_turn(r.k, &r.told, 0);
	assert_false(rig_fetch(&r, 1, 10));
	assert_false(rig_turn(&r));
	assert_false(ftp_checkpointer_stats(r.k)->is_usable);
	rig_put(&r, 20);
	assert_false(r.told.ok);
	assert_non_null(strstr(r.told.text, "cannot be listed"));
	rig_close(&r);
}

/* The node ends with what the disk owes; returns the milliseconds that it takes. Its store lives on
 * until the disk has answered. */
static uint64_t end_owing(struct rig *r)
{
	struct ftp_checkpoint *store = r->k->store;
	uint64_t took_ns = ftp_clock_now_ns();

	rig_end(r);
	took_ns = ftp_clock_now_ns() - took_ns;
	assert_false(ftp_checkpoint_is_still(store));
	simulated_disk_from_now_on(r->disk, SIMULATED_NONE);
	while (!ftp_checkpoint_is_still(store))
		ftp_checkpoint_turn(store, simulated_disk_seam(r->disk), 0, 0);
	ftp_checkpoint_free(store);
	simulated_disk_free(r->disk);
	ftp_model_free(r->model);
	return took_ns / FTP_NS_PER_MS;
}

static void begin_put_on_hung(struct rig *r)
{
	rig_open(r, simulated_disk_new(check_seed()));
	rig_put(r, 10);
	simulated_disk_from_now_on(r->disk, SIMULATED_HANGS);
	rig_hold_all(r, 20);
	rig_ask(r, 20, 10);
}

/* That it hangs is known: nobody waits for it once more. */
static void free__hung(void **state)
{
	struct rig r;

	(void)state;
	begin_put_on_hung(&r);
	turn_slowly(&r, FTP_NS_PER_S);
	assert_int_equal(ftp_checkpointer_stats(r.k)->n_hung, 1);
	assert_in_range(end_owing(&r), 0, 1000);
}

/* Nor for one that may be slow, but has not answered for as long as it would be waited for. */
static void free__owed_for_long(void **state)
{
	struct rig r;

	(void)state;
	begin_put_on_hung(&r);
	for (uint64_t i = 2; i < 24; i++)
		ftp_checkpointer_turn(r.k, &r.told, i * FTP_NS_PER_S / 2);
	assert_int_equal(ftp_checkpointer_stats(r.k)->n_hung, 0);
	assert_in_range(end_owing(&r), 0, 1000);
}

/* One that has just begun may answer. */
static void free__owed_for_a_moment(void **state)
{
	struct rig r;

	(void)state;
	begin_put_on_hung(&r);
	for (uint64_t i = 2; i < 12; i++)
		ftp_checkpointer_turn(r.k, &r.told, i * FTP_NS_PER_S / 2);
	assert_in_range(end_owing(&r), 200, 2000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fetch__gives_a_put_up),
		cmocka_unit_test(fetch__ends_a_put_while_another_is_told),
		cmocka_unit_test(turn__hung),
		cmocka_unit_test(turn__was_not_looking),
		cmocka_unit_test(fetch__hung),
		cmocka_unit_test(fetch__hangs_in_the_middle),
		cmocka_unit_test(fetch__ended_in_the_middle),
		cmocka_unit_test(fetch__the_store_is_closed),
		cmocka_unit_test(put__ends_after_a_hang),
		cmocka_unit_test(new__hung),
		cmocka_unit_test(new__hung_then_fails),
		cmocka_unit_test(open__hangs_at_the_directory),
		cmocka_unit_test(open__lacks_direct_access),
		cmocka_unit_test(free__hung),
		cmocka_unit_test(free__owed_for_long),
		cmocka_unit_test(free__owed_for_a_moment),
	};

	check_seed();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
