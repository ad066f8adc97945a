/* The checkpoint opened by its manifest alone: what is damaged is found when it is read, by a get
 * or a check; and whatever is under way can be given up at any moment, after which all is as it
 * was.
 */
#include <string.h>

#include "tests/base/check.h"
#include "tests/runtime/checkpoint_rig.h"

static struct rig_set set_of(uint64_t term, uint64_t step)
{
	struct rig_set s = {.n = 0};

	rig_add(&s, 0, term, step, 900);
	rig_add(&s, 1, term, step, 700000);
	rig_add(&s, 2, term, step, 3968);
	return s;
}

static struct ftp_checkpoint_spec by_manifest(void)
{
	struct ftp_checkpoint_spec spec = rig_spec();

	spec.depth = FTP_CHECKPOINT_READ_MANIFEST;
	return spec;
}

static void put(struct rig *r, struct rig_set set)
{
	assert_int_equal(rig_put(r, &set), 0);
	assert_int_equal(r->event.outcome, FTP_CHECKPOINT_DONE);
}

/* A new process on the same disk, which opens it by its manifest. */
static void reopen(struct rig *r)
{
	const struct ftp_checkpoint_spec spec = by_manifest();
	struct simulated_disk *after = simulated_disk_after_kill(r->disk, check_seed());

	rig_close(r);
	rig_open(r, after, &spec);
	assert_int_equal(r->event.outcome, FTP_CHECKPOINT_DONE);
}

static struct rig rig_new(void)
{
	const struct ftp_checkpoint_spec spec = by_manifest();
	struct rig r = {.submitted = NULL};

	rig_open(&r, simulated_disk_new(check_seed()), &spec);
	return r;
}

static uint32_t n_bad(const struct rig *r)
{
	enum ftp_checkpoint_record_state state;
	struct ftp_checkpoint_totals t;
	uint32_t n = 0;

	ftp_checkpoint_totals(r->store, &t);
	for (uint32_t i = 0; i < t.n_records; i++) {
		ftp_checkpoint_record_at(r->store, i, &state);
		n += state != FTP_CHECKPOINT_GOOD;
	}
	return n;
}

/* How many checks there were; *n_damaged: that found something. */
static uint32_t check_all(struct rig *r, uint32_t *n_damaged)
{
	uint32_t n = 0;

	*n_damaged = 0;
	for (; !ftp_checkpoint_check(r->store); n++) {
		assert_int_equal(ftp_checkpoint_check(r->store), FTP_CHECKPOINT_BUSY);
		rig_turn(r);
		assert_int_equal(r->event.activity, FTP_CHECKPOINT_CHECK);
		*n_damaged += r->event.outcome == FTP_CHECKPOINT_DAMAGED;
	}
	assert_int_equal(ftp_checkpoint_check(r->store), FTP_CHECKPOINT_ABSENT);
	return n;
}

/* However much there is. */
static void open__reads_no_record(void **state)
{
	struct rig_set set = set_of(1, 10);
	struct rig r = rig_new();
	uint64_t n_ops;

	(void)state;
	reopen(&r);
	n_ops = simulated_disk_n_ops(r.disk);
	put(&r, set);
	reopen(&r);
	assert_in_range(simulated_disk_n_ops(r.disk), 1, n_ops + 3);
	assert_true(rig_holds(&r, &set));
	assert_true(rig_reads(&r, &set.states[1]));
	rig_close(&r);
}

static void check__every_record_once(void **state)
{
	struct rig_set set = set_of(1, 10), next = set_of(1, 20);
	uint32_t n_damaged;
	struct rig r = rig_new();

	(void)state;
	put(&r, set);
	assert_int_equal(check_all(&r, &n_damaged), 0); /* its own */
	reopen(&r);
	assert_true(rig_reads(&r, &set.states[0]));
	assert_int_equal(check_all(&r, &n_damaged), 2);
	assert_int_equal(n_damaged, 0);
	put(&r, next);
	assert_int_equal(check_all(&r, &n_damaged), 0);
	assert_int_equal(n_bad(&r), 0);
	rig_close(&r);
}

static void check__damaged(void **state)
{
	struct rig_set set = set_of(1, 10);
	struct ftp_checkpoint_name name = rig_name(&set.states[1]);
	uint32_t n_damaged;
	struct rig r = rig_new();

	(void)state;
	put(&r, set);
	simulated_disk_flip(r.disk, "segment-00000000", 8 * (4096 + 600000)); /* unit 1 */
	reopen(&r);
	assert_int_equal(n_bad(&r), 0);
	assert_int_equal(check_all(&r, &n_damaged), 3);
	assert_int_equal(n_damaged, 1);
	assert_int_equal(n_bad(&r), 1);
	assert_int_equal(ftp_checkpoint_get(r.store, &name, &n_damaged), FTP_CHECKPOINT_ABSENT);
	rig_close(&r);
}

/* Once more when it is asked to, and no more than that. */
static void check__what_the_disk_refused(void **state)
{
	struct rig_set set = set_of(1, 10);
	uint32_t n_damaged;
	struct rig r = rig_new();

	(void)state;
	put(&r, set);
	reopen(&r);
	simulated_disk_from_now_on(r.disk, SIMULATED_FAILS);
	assert_int_equal(check_all(&r, &n_damaged), 3);
	assert_int_equal(n_damaged, 0);
	assert_int_equal(n_bad(&r), 3);
	ftp_checkpoint_look_again(r.store);
	assert_int_equal(check_all(&r, &n_damaged), 3);
	assert_int_equal(n_bad(&r), 3);
	simulated_disk_from_now_on(r.disk, SIMULATED_NONE);
	assert_int_equal(check_all(&r, &n_damaged), 0);
	ftp_checkpoint_look_again(r.store);
	assert_int_equal(n_bad(&r), 3); /* nobody believes them before */
	assert_int_equal(check_all(&r, &n_damaged), 3);
	assert_int_equal(n_bad(&r), 0);
	ftp_checkpoint_look_again(r.store);
	assert_int_equal(check_all(&r, &n_damaged), 0);
	assert_true(rig_holds(&r, &set));
	rig_close(&r);
}

/* What it has refused is known, though nobody waited for it any more. */
static void check__refused_after_it_was_given_up(void **state)
{
	struct rig_set set = set_of(1, 10);
	struct rig r = rig_new();
	struct ftp_disk_op op;

	(void)state;
	put(&r, set);
	reopen(&r);
	simulated_disk_from_now_on(r.disk, SIMULATED_FAILS);
	assert_int_equal(ftp_checkpoint_check(r.store), 0);
	assert_true(ftp_checkpoint_next(r.store, &op));
	simulated_disk_seam(r.disk)->ops->submit(simulated_disk_seam(r.disk), &op);
	ftp_checkpoint_cancel(r.store);
	rig_turn(&r);
	assert_int_equal(r.event.outcome, FTP_CHECKPOINT_CANCELLED);
	assert_int_equal(n_bad(&r), 1);
	rig_close(&r);
}

/* What nobody has read is not taken for stored when it is put again. */
static void put__again_what_was_not_read(void **state)
{
	struct rig_set set = set_of(1, 10);
	struct rig r = rig_new();

	(void)state;
	put(&r, set);
	simulated_disk_flip(r.disk, "segment-00000000", 8 * (4096 + 600000));
	reopen(&r);
	put(&r, set);
	assert_true(r.event.bytes > 700000);
	assert_true(rig_holds(&r, &set));
	for (uint32_t i = 0; i < set.n; i++)
		assert_true(rig_reads(&r, &set.states[i]));
	put(&r, set); /* now it is */
	assert_int_equal(r.event.bytes, 0);
	rig_close(&r);
}

struct cancel {
	uint64_t at, n; /* operations of this activity */
};

static void cancel_at(struct rig *r, void *arg)
{
	struct cancel *c = arg;

	if (c->n++ == c->at)
		ftp_checkpoint_cancel(r->store);
}

/* After each operation in turn: it is as it was, or, from the manifest on, as it was to be. */
static void cancel__put(void **state)
{
	struct rig_set first = set_of(1, 10), second = set_of(1, 20), third = set_of(1, 30), both;
	uint32_t n_cancelled = 0, n_done = 0;

	(void)state;
	both = rig_after(&first, &second, 2);
	for (uint64_t at = 0; n_done < 3; at++) {
		struct cancel cancel = {.at = at};
		struct rig r = rig_new();
		struct rig_set all;
		bool is_done;

		put(&r, first);
		r.submitted = cancel_at;
		r.arg = &cancel;
		assert_int_equal(rig_put(&r, &second), 0);
		r.submitted = NULL;
		is_done = r.event.outcome == FTP_CHECKPOINT_DONE;
		if (!is_done)
			assert_int_equal(r.event.outcome, FTP_CHECKPOINT_CANCELLED);
		n_done += is_done;
		n_cancelled += !is_done;
		assert_true(rig_holds(&r, is_done ? &both : &first));
		all = rig_after(is_done ? &both : &first, &third, 2);
		put(&r, third);
		assert_true(rig_holds(&r, &all));
		reopen(&r);
		assert_true(rig_holds(&r, &all));
		for (uint32_t i = 0; i < all.n; i++)
			assert_true(rig_reads(&r, &all.states[i]));
		rig_close(&r);
	}
	assert_true(n_cancelled > 5);
}

/* Nothing is known then, and nothing is written to the caller's memory any more. */
static void cancel__get(void **state)
{
	static uint8_t into[700000];
	struct rig_set set = set_of(1, 10);
	struct ftp_checkpoint_name name = rig_name(&set.states[1]);

	(void)state;
	for (uint64_t at = 0; at < 3; at++) {
		struct cancel cancel = {.at = at};
		uint32_t n_damaged;
		struct rig r = rig_new();

		put(&r, set);
		reopen(&r);
		memset(into, 1, sizeof(into));
		r.submitted = cancel_at;
		r.arg = &cancel;
		assert_int_equal(ftp_checkpoint_get(r.store, &name, into), 0);
		ftp_checkpoint_cancel(r.store);
		rig_turn(&r);
		assert_int_equal(r.event.outcome, FTP_CHECKPOINT_CANCELLED);
		for (size_t i = 0; i < sizeof(into); i++)
			assert_int_equal(into[i], 1);
		assert_int_equal(ftp_checkpoint_check(r.store), 0);
		rig_turn(&r);
		cancel.n = 0;
		assert_int_equal(ftp_checkpoint_check(r.store), 0); /* of unit 1: several pieces */
		rig_turn(&r);
		assert_int_equal(r.event.outcome, FTP_CHECKPOINT_CANCELLED);
		r.submitted = NULL;
		assert_int_equal(n_bad(&r), 0);
		assert_in_range(check_all(&r, &n_damaged), 2, 3);
		assert_true(rig_reads(&r, &set.states[1]));
		rig_close(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(open__reads_no_record),
		cmocka_unit_test(check__every_record_once),
		cmocka_unit_test(check__damaged),
		cmocka_unit_test(check__what_the_disk_refused),
		cmocka_unit_test(check__refused_after_it_was_given_up),
		cmocka_unit_test(put__again_what_was_not_read),
		cmocka_unit_test(cancel__put),
		cmocka_unit_test(cancel__get),
	};

	check_seed();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
