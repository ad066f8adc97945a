/* The checkpoint on a simulated disk: what is kept, what is refused, what a broken disk does to it.
 * Power cuts: test_checkpoint_crash.c. */
#include "runtime/checkpoint.h"

#include <errno.h>
#include <string.h>

#include "runtime/base/prng.h"
#include "tests/base/check.h"
#include "tests/runtime/checkpoint_rig.h"

/* Units 0, 1, 2 after `step`; one of them of several pieces. */
static struct rig_set set_of(uint64_t term, uint64_t step)
{
	struct rig_set s = {.n = 0};

	rig_add(&s, 0, term, step, 900);
	rig_add(&s, 1, term, step, 700000);
	rig_add(&s, 2, term, step, 3968); /* fills its block to the end */
	return s;
}

static struct rig rig_new(void)
{
	struct ftp_checkpoint_spec spec = rig_spec();
	struct rig r = {.submitted = NULL};

	rig_open(&r, simulated_disk_new(check_seed()), &spec);
	assert_int_equal(r.event.outcome, FTP_CHECKPOINT_DONE);
	return r;
}

/* The same disk, for a new process. */
static void reopen(struct rig *r, const struct ftp_checkpoint_spec *spec)
{
	struct simulated_disk *after = simulated_disk_after_kill(r->disk, check_seed());

	rig_close(r);
	rig_open(r, after, spec);
}

static void put(struct rig *r, struct rig_set set)
{
	assert_int_equal(rig_put(r, &set), 0);
	assert_int_equal(r->event.activity, FTP_CHECKPOINT_PUT);
	assert_int_equal(r->event.outcome, FTP_CHECKPOINT_DONE);
}

static void put__is_read_again(void **state)
{
	struct ftp_checkpoint_spec spec = rig_spec();
	struct rig_set set = set_of(1, 10);
	struct rig r = rig_new();

	(void)state;
	put(&r, set);
	for (int again = 0; again < 2; again++) {
		assert_true(rig_holds(&r, &set));
		for (uint32_t i = 0; i < set.n; i++)
			assert_true(rig_reads(&r, &set.states[i]));
		reopen(&r, &spec);
		assert_int_equal(r.event.outcome, FTP_CHECKPOINT_DONE);
	}
	rig_close(&r);
}

static void put__keeps_the_newest(void **state)
{
	struct ftp_checkpoint_totals before, after;
	struct rig_set kept = {.n = 0}, s;
	struct rig r = rig_new();

	(void)state;
	for (uint64_t step = 10; step <= 200; step += 10) {
		if (step == 50)
			ftp_checkpoint_totals(r.store, &before);
		s = set_of(1, step);
		put(&r, s);
		kept = rig_after(&kept, &s, 2);
		assert_true(rig_holds(&r, &kept));
	}
	assert_int_equal(kept.n, 6);
	ftp_checkpoint_totals(r.store, &after);
	assert_int_equal(after.capacity_bytes, before.capacity_bytes); /* recycled, not extended */
	assert_int_equal(after.n_segments, before.n_segments);
	rig_close(&r);
}

static void put__replicas_of_other_steps(void **state)
{
	struct rig_set kept = {.n = 0}, s, replica = {.n = 0};
	struct rig r = rig_new();

	(void)state;
	rig_add(&replica, 7, 1, 50, 5000);
	s = set_of(1, 50);
	put(&r, s);
	kept = rig_after(&kept, &s, 2);
	put(&r, replica);
	kept = rig_after(&kept, &replica, 2);
	for (uint64_t step = 60; step < 100; step += 10) {
		s = set_of(1, step);
		put(&r, s);
		kept = rig_after(&kept, &s, 2);
	}
	assert_int_equal(kept.n, 7); /* the replica among them */
	assert_true(rig_holds(&r, &kept));
	rig_close(&r);
}

static void put__pinned_step(void **state)
{
	struct rig_set expected = set_of(1, 30), s;
	struct rig r = rig_new();

	(void)state;
	for (uint64_t step = 10; step <= 100; step += 10) {
		put(&r, set_of(1, step));
		if (step == 40)
			ftp_checkpoint_pin(r.store, 30);
	}
	for (uint64_t step = 90; step <= 100; step += 10) {
		s = set_of(1, step);
		for (uint32_t i = 0; i < s.n; i++)
			expected.states[expected.n++] = s.states[i];
	}
	assert_true(rig_holds(&r, &expected));
	ftp_checkpoint_pin(r.store, 0);
	put(&r, set_of(1, 110));
	assert_false(rig_holds(&r, &expected));
	rig_close(&r);
}

/* Asked for again when it is not pinned any more: it is kept, or it is said not to be. */
static void put__stored_already_but_older(void **state)
{
	struct rig_set s = set_of(1, 40);
	struct rig r = rig_new();

	(void)state;
	put(&r, set_of(1, 40));
	ftp_checkpoint_pin(r.store, 40);
	for (uint64_t step = 60; step <= 100; step += 20)
		put(&r, set_of(1, step));
	ftp_checkpoint_pin(r.store, 0);
	assert_int_equal(rig_put(&r, &s), FTP_CHECKPOINT_STALE);
	ftp_checkpoint_pin(r.store, 40);
	put(&r, s);
	rig_close(&r);
}

static void put__abandoned_history(void **state)
{
	struct rig_set kept = set_of(1, 10), s = set_of(2, 15), late = set_of(1, 20);
	struct rig r = rig_new();

	(void)state;
	put(&r, set_of(1, 10));
	put(&r, set_of(1, 20));
	put(&r, s); /* training went back to 10, and term 2 began there */
	kept = rig_after(&kept, &s, 2);
	assert_true(rig_holds(&r, &kept));
	assert_int_equal(rig_put(&r, &late), FTP_CHECKPOINT_STALE);
	s = set_of(1, 15);
	assert_int_equal(rig_put(&r, &s), FTP_CHECKPOINT_STALE);
	assert_true(rig_holds(&r, &kept));
	rig_close(&r);
}

static void put__refusals(void **state)
{
	struct rig_set s = set_of(1, 30), twice = set_of(1, 40), other = {.n = 0};
	struct ftp_checkpoint_entry e = {.unit = 0, .step = 30, .term = 1, .bytes = 900};
	struct ftp_checkpoint_name name;
	struct rig r = rig_new();
	uint64_t n_ops;

	(void)state;
	put(&r, set_of(1, 10));
	put(&r, set_of(1, 20));
	put(&r, s);
	twice.states[2] = twice.states[0];
	assert_int_equal(rig_put(&r, &twice), -EINVAL);
	s = set_of(1, 10); /* older than what is kept */
	assert_int_equal(rig_put(&r, &s), FTP_CHECKPOINT_STALE);
	e.data = &e;
	assert_int_equal(ftp_checkpoint_put(r.store, &e, 1), FTP_CHECKPOINT_CONFLICT);
	rig_add(&other, 9, 1, 30, 100);
	n_ops = simulated_disk_n_ops(r.disk);
	name = rig_name(&other.states[0]);
	assert_int_equal(ftp_checkpoint_get(r.store, &name, &e), FTP_CHECKPOINT_ABSENT);
	assert_int_equal(simulated_disk_n_ops(r.disk), n_ops);
	s = set_of(1, 30); /* there already, and one more */
	s.states[s.n++] = other.states[0];
	put(&r, s);
	assert_int_equal(r.event.bytes, 4096);
	assert_true(rig_reads(&r, &other.states[0]));
	rig_close(&r);
}

static void put__one_at_a_time(void **state)
{
	struct rig_set s = set_of(1, 10);
	struct ftp_checkpoint_entry e = {.unit = 5, .step = 10, .term = 1, .bytes = 8, .data = &s};
	struct ftp_checkpoint_name name = rig_name(&s.states[0]);
	struct rig r = rig_new();

	(void)state;
	e.digest = ftp_digest_of(e.data, e.bytes);
	assert_int_equal(ftp_checkpoint_put(r.store, &e, 1), 0);
	assert_int_equal(ftp_checkpoint_put(r.store, &e, 1), FTP_CHECKPOINT_BUSY);
	assert_int_equal(ftp_checkpoint_get(r.store, &name, &e), FTP_CHECKPOINT_BUSY);
	assert_int_equal(ftp_checkpoint_trim(r.store), FTP_CHECKPOINT_BUSY);
	rig_turn(&r);
	assert_int_equal(r.event.outcome, FTP_CHECKPOINT_DONE);
	rig_close(&r);
}

static void open__other_run(void **state)
{
	struct ftp_checkpoint_spec spec = rig_spec();
	struct ftp_checkpoint_totals totals;
	struct rig r = rig_new();

	(void)state;
	put(&r, set_of(1, 10));
	spec.run++;
	reopen(&r, &spec);
	assert_int_equal(r.event.outcome, FTP_CHECKPOINT_OTHER_RUN);
	assert_non_null(strstr(r.event.text, "1234"));
	spec = (struct ftp_checkpoint_spec){.is_read_only = true};
	reopen(&r, &spec);
	assert_int_equal(r.event.outcome, FTP_CHECKPOINT_DONE);
	ftp_checkpoint_totals(r.store, &totals);
	assert_int_equal(totals.run, RIG_RUN);
	rig_close(&r);
}

static void open__nothing_there(void **state)
{
	struct ftp_checkpoint_spec spec = {.is_read_only = true};
	struct rig r = {.submitted = NULL};

	(void)state;
	rig_open(&r, simulated_disk_new(check_seed()), &spec);
	assert_int_equal(r.event.outcome, FTP_CHECKPOINT_NONE);
	rig_close(&r);
}

/* Each bit of a record's used part, and of the manifest, in turn: never believed, always said. */
static void open__bit_rot(void **state)
{
	struct ftp_checkpoint_spec spec = rig_spec();
	struct rig_set first = set_of(1, 10), second = {.n = 0}, both;
	enum ftp_checkpoint_record_state found;
	struct ftp_checkpoint_totals totals;
	struct rig r = rig_new();

	(void)state;
	put(&r, first);
	rig_add(&second, 3, 1, 10, 900);
	put(&r, second);
	both = rig_after(&first, &second, 2);
	for (uint64_t bit = 0; bit < 8 * (128 + 900); bit += 7) {
		uint32_t n_bad = 0;

		simulated_disk_flip(r.disk, "segment-00000000", bit); /* unit 0's record */
		reopen(&r, &spec);
		ftp_checkpoint_totals(r.store, &totals);
		assert_int_equal(totals.n_records, both.n);
		for (uint32_t i = 0; i < totals.n_records; i++) {
			ftp_checkpoint_record_at(r.store, i, &found);
			n_bad += found != FTP_CHECKPOINT_GOOD;
		}
		assert_int_equal(n_bad, 1);
		assert_false(rig_holds(&r, &both));
		simulated_disk_flip(r.disk, "segment-00000000", bit);
	}
	for (uint64_t bit = 0; bit < 8 * (64 + 4 * 56); bit += 3) {
		/* The second manifest is in slot 1; the first one steps in. */
		simulated_disk_flip(r.disk, "manifest", 8ull * FTP_CHECKPOINT_SLOT_BYTES + bit);
		reopen(&r, &spec);
		ftp_checkpoint_totals(r.store, &totals);
		assert_int_equal(totals.slots[1], FTP_CHECKPOINT_SLOT_TORN);
		assert_true(rig_holds(&r, &first));
		simulated_disk_flip(r.disk, "manifest", 8ull * FTP_CHECKPOINT_SLOT_BYTES + bit);
	}
	rig_close(&r);
}

static void open__lost_segment(void **state)
{
	struct ftp_checkpoint_spec spec = rig_spec();
	enum ftp_checkpoint_record_state found;
	struct ftp_checkpoint_totals totals;
	struct rig r = rig_new();

	(void)state;
	put(&r, set_of(1, 10));
	simulated_disk_remove(r.disk, "segment-00000000");
	reopen(&r, &spec);
	assert_int_equal(r.event.outcome, FTP_CHECKPOINT_DONE);
	ftp_checkpoint_totals(r.store, &totals);
	for (uint32_t i = 0; i < totals.n_records; i++) {
		ftp_checkpoint_record_at(r.store, i, &found);
		assert_int_equal(found, FTP_CHECKPOINT_MISSING);
	}
	put(&r, set_of(1, 20)); /* life goes on, without them */
	ftp_checkpoint_totals(r.store, &totals);
	assert_int_equal(totals.n_records, 3);
	rig_close(&r);
}

static void open__strange_files(void **state)
{
	struct ftp_checkpoint_spec spec = rig_spec();
	struct ftp_checkpoint_totals totals;
	struct rig_set set = set_of(1, 10);
	struct rig r = rig_new();
	uint8_t *bytes;

	(void)state;
	put(&r, set);
	simulated_disk_put_file(r.disk, "notes", "x", 1);
	simulated_disk_put_file(r.disk, "segment-7", "x", 1);
	reopen(&r, &spec);
	ftp_checkpoint_totals(r.store, &totals);
	assert_int_equal(totals.n_strange_files, 2);
	assert_true(rig_holds(&r, &set));
	assert_int_equal(ftp_checkpoint_trim(r.store), 0);
	rig_turn(&r);
	assert_int_equal(simulated_disk_file(r.disk, "notes", &bytes), 1);
	free(bytes);
	rig_close(&r);
}

static void get__damaged_since(void **state)
{
	struct rig_set set = set_of(1, 10);
	struct rig r = rig_new();

	(void)state;
	put(&r, set);
	simulated_disk_flip(r.disk, "segment-00000000", 8 * (4096 + 600000));
	assert_false(rig_reads(&r, &set.states[1]));
	assert_int_equal(r.event.outcome, FTP_CHECKPOINT_DAMAGED);
	assert_true(rig_reads(&r, &set.states[0]));
	rig_close(&r);
}

static void get__unreadable(void **state)
{
	struct ftp_checkpoint_spec spec = rig_spec();
	struct rig_set set = set_of(1, 10), s = set_of(1, 20), both = rig_after(&set, &s, 2);
	struct rig r = rig_new();

	(void)state;
	put(&r, set);
	simulated_disk_fault(r.disk,
		(struct simulated_fault){SIMULATED_FAILS, simulated_disk_n_ops(r.disk), 1, EIO});
	assert_false(rig_reads(&r, &set.states[1]));
	assert_int_equal(r.event.outcome, FTP_CHECKPOINT_IO_ERROR);
	assert_true(rig_reads(&r, &set.states[1])); /* another time it can be */
	put(&r, s);				    /* and it was not given up meanwhile */
	assert_true(rig_holds(&r, &both));
	reopen(&r, &spec);
	assert_true(rig_holds(&r, &both));
	rig_close(&r);
}

static void put__full_disk(void **state)
{
	struct rig_set set = set_of(1, 10), s;
	struct rig r = rig_new();
	uint64_t before;

	(void)state;
	put(&r, set);
	before = simulated_disk_bytes(r.disk);
	simulated_disk_capacity(r.disk, before + 300000);
	for (uint64_t step = 20; step < 50; step += 10) {
		s = set_of(1, step);
		assert_int_equal(rig_put(&r, &s), 0);
		assert_int_equal(r.event.outcome, FTP_CHECKPOINT_NO_SPACE);
		assert_int_equal(r.event.error, -ENOSPC);
		assert_true(rig_holds(&r, &set));
		assert_int_equal(
			simulated_disk_bytes(r.disk), before); /* gives back what it took */
	}
	simulated_disk_capacity(r.disk, 0);
	put(&r, set_of(1, 50));
	rig_close(&r);
}

static void put__limit(void **state)
{
	struct ftp_checkpoint_spec spec = rig_spec();
	struct rig r = {.submitted = NULL};
	struct rig_set set = set_of(1, 10), s = set_of(1, 20);

	(void)state;
	spec.max_bytes = 1 << 20;
	rig_open(&r, simulated_disk_new(check_seed()), &spec);
	put(&r, set);
	assert_int_equal(rig_put(&r, &s), 0);
	assert_int_equal(r.event.outcome, FTP_CHECKPOINT_NO_SPACE);
	assert_non_null(strstr(r.event.text, "1048576"));
	assert_true(rig_holds(&r, &set));
	rig_close(&r);
}

static void put__space_is_bounded_while_sizes_change(void **state)
{
	struct ftp_checkpoint_totals totals;
	struct rig r = rig_new();
	uint64_t largest = 0, key = check_seed();

	(void)state;
	for (uint64_t step = 1; step <= 300; step++) {
		struct rig_set s = {.n = 0};
		uint64_t bytes = 0;

		for (uint32_t u = 0; u < 5; u++) {
			uint64_t n = ftp_prng_below(key, step * 8 + u, 60000);

			rig_add(&s, u, 1, step, n);
			bytes += n + 4096;
		}
		put(&r, s);
		largest = bytes > largest ? bytes : largest;
		ftp_checkpoint_totals(r.store, &totals);
		assert_in_range(totals.capacity_bytes, 0, 6 * largest);
	}
	assert_int_equal(ftp_checkpoint_trim(r.store), 0);
	rig_turn(&r);
	assert_int_equal(r.event.activity, FTP_CHECKPOINT_TRIM);
	rig_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(put__is_read_again),
		cmocka_unit_test(put__keeps_the_newest),
		cmocka_unit_test(put__replicas_of_other_steps),
		cmocka_unit_test(put__pinned_step),
		cmocka_unit_test(put__stored_already_but_older),
		cmocka_unit_test(put__abandoned_history),
		cmocka_unit_test(put__refusals),
		cmocka_unit_test(put__one_at_a_time),
		cmocka_unit_test(put__full_disk),
		cmocka_unit_test(put__limit),
		cmocka_unit_test(put__space_is_bounded_while_sizes_change),
		cmocka_unit_test(open__other_run),
		cmocka_unit_test(open__nothing_there),
		cmocka_unit_test(open__bit_rot),
		cmocka_unit_test(open__lost_segment),
		cmocka_unit_test(open__strange_files),
		cmocka_unit_test(get__damaged_since),
		cmocka_unit_test(get__unreadable),
	};

	check_seed();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
