/* Every operation of a life of a checkpoint made to fail in turn, in every way that a disk has: a
 * put that fails says so, loses nothing that was acknowledged, and the next one may succeed; after
 * a power cut what was acknowledged is there. */
#include "runtime/checkpoint.h"

#include <errno.h>
#include <string.h>

#include "runtime/base/prng.h"
#include "tests/base/check.h"
#include "tests/runtime/checkpoint_rig.h"

#define KEEP	    2
#define MAX_PENDING 4096
#define N_CUTS	    3

static uint64_t every = 1; /* of the operations; more with `thin` (sanitizers) */

struct life {
	struct rig rig;
	/* What a power cut may leave: what was acknowledged, or what puts that failed since would
	 * have made of it. */
	struct rig_set acked, tried[16];
	int n_tried;
	int n_failed;
	bool is_open;
};

static struct rig_set set_of(uint64_t step)
{
	struct rig_set s = {.n = 0};

	for (uint32_t u = 0; u < 3; u++)
		rig_add(&s, u, 1, step, 700 + 900 * u);
	if (step == 50)
		s.states[1].bytes = 30000; /* needs a new segment, of several sectors */
	return s;
}

/* For the message of a failure. */
static struct replay {
	enum simulated_fault_kind kind;
	int error;
	uint64_t first, n;
} replay;

static bool is_known(const struct life *l, const struct rig *found)
{
	if (found->event.outcome == FTP_CHECKPOINT_NONE)
		return !l->acked.n;
	if (found->event.outcome != FTP_CHECKPOINT_DONE)
		return false;
	for (int i = 0; i < l->n_tried; i++)
		if (rig_holds(found, &l->tried[i]))
			return true;
	return rig_holds(found, &l->acked);
}

static void check_cuts(const struct life *l, uint64_t n_cuts)
{
	struct ftp_checkpoint_spec spec = {.is_read_only = true};
	static bool happened[MAX_PENDING];
	uint32_t n = simulated_disk_n_pending(l->rig.disk);
	struct rig found = {.submitted = NULL};

	assert_in_range(n, 0, MAX_PENDING);
	for (uint64_t cut = 0; cut < n_cuts; cut++) {
		for (uint32_t i = 0; i < n; i++)
			happened[i] = ftp_prng_below(check_seed(), cut << 32 | i, n_cuts) <= cut;
		rig_open(&found, simulated_disk_after_cut(l->rig.disk, happened, 1), &spec);
		if (!is_known(l, &found))
			fail_msg("fault %d (%s) from operation %llu, %llu long, cut %llu",
				replay.kind, strerror(replay.error),
				(unsigned long long)replay.first, (unsigned long long)replay.n,
				(unsigned long long)cut);
		rig_close(&found);
	}
}

/* After a failure, while the next put is under way: what may have become of the failed one is still
 * as it was, or gone. */
static void after_failure(struct rig *r, void *arg)
{
	const struct life *l = arg;

	(void)r;
	if (l->n_tried > (l->rig.n_lent > 0))
		check_cuts(l, 2);
}

static void check_event(struct life *l)
{
	const struct ftp_checkpoint_event *e = &l->rig.event;

	if (e->outcome == FTP_CHECKPOINT_DONE)
		return;
	l->n_failed++;
	assert_true(e->outcome == FTP_CHECKPOINT_NO_SPACE || e->outcome == FTP_CHECKPOINT_IO_ERROR);
	assert_true(e->error < 0);
	assert_true(strlen(e->text) > 10);
}

static void put(struct life *l, uint64_t step)
{
	struct rig_set s = set_of(step), after = rig_after(&l->acked, &s, KEEP);

	l->tried[l->n_tried++] = after;
	assert_int_equal(rig_put(&l->rig, &s), 0);
	check_event(l);
	if (l->rig.event.outcome == FTP_CHECKPOINT_DONE) {
		l->acked = after;
		l->n_tried = 0;
	}
	assert_true(rig_holds(&l->rig, &l->acked));
	check_cuts(l, N_CUTS);
}

/* A life in which some operations fail. Opening is tried once more when it fails. */
static void live(struct life *l, struct simulated_fault fault)
{
	struct ftp_checkpoint_spec spec = rig_spec();
	struct simulated_disk *disk = simulated_disk_new(check_seed());

	*l = (struct life){.rig = {.submitted = after_failure}};
	l->rig.arg = l;
	simulated_disk_fault(disk, fault);
	rig_open(&l->rig, disk, &spec);
	check_event(l);
	if (l->rig.event.outcome != FTP_CHECKPOINT_DONE) {
		disk = simulated_disk_after_kill(l->rig.disk, check_seed());
		rig_close(&l->rig);
		rig_open(&l->rig, disk, &spec);
		assert_int_equal(l->rig.event.outcome, FTP_CHECKPOINT_DONE);
	}
	for (uint64_t step = 10; step <= 70; step += 10)
		put(l, step);
}

/* The disk is well again: everything works, in this process and in the next. */
static void recover(struct life *l)
{
	struct ftp_checkpoint_spec spec = rig_spec();
	struct simulated_disk *disk;
	int n_failed = l->n_failed;

	simulated_disk_fault(l->rig.disk, (struct simulated_fault){.kind = SIMULATED_NONE});
	put(l, 80);
	assert_int_equal(l->n_failed, n_failed);
	disk = simulated_disk_after_kill(l->rig.disk, check_seed());
	rig_close(&l->rig);
	rig_open(&l->rig, disk, &spec);
	assert_true(rig_holds(&l->rig, &l->acked));
	put(l, 90);
	put(l, 100);
	assert_int_equal(l->n_failed, n_failed);
	for (uint32_t i = 0; i < l->acked.n; i++)
		assert_true(rig_reads(&l->rig, &l->acked.states[i]));
	rig_close(&l->rig);
}

static const struct {
	enum simulated_fault_kind kind;
	int error;
	bool is_harmless;
} faults[] = {
	{SIMULATED_FAILS, EIO, false},
	{SIMULATED_FAILS, ENOSPC, false},
	{SIMULATED_FAILS, ECANCELED, false},
	{SIMULATED_FAILS, EAGAIN, true}, /* when it is alone */
	{SIMULATED_TEARS, EIO, false},
	{SIMULATED_LOSES, EIO, false},
	{SIMULATED_DOES, EIO, false},
	{SIMULATED_DOES, ECANCELED, false},
	{SIMULATED_IS_SHORT, 0, true},
	{SIMULATED_IS_SLOW, 0, true},
};

static void every_operation(uint64_t n)
{
	static struct life l;
	uint64_t n_ops, n_lives = 0, n_failed = 0;

	live(&l, (struct simulated_fault){.kind = SIMULATED_NONE});
	n_ops = simulated_disk_n_ops(l.rig.disk);
	recover(&l);
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		for (uint64_t first = 0; first < n_ops; first += every + n / 3) {
			replay = (struct replay){faults[i].kind, faults[i].error, first, n};
			live(&l, (struct simulated_fault){
					 faults[i].kind, first, n, faults[i].error});
			if (faults[i].is_harmless && n == 1)
				assert_int_equal(l.n_failed, 0);
			n_failed += (uint64_t)l.n_failed;
			n_lives++;
			recover(&l);
		}
	}
	printf("%llu lives, %llu failed activities\n", (unsigned long long)n_lives,
		(unsigned long long)n_failed);
	assert_true(n_failed > n_lives / 4);
}

static void put__one_operation_fails(void **state)
{
	(void)state;
	every_operation(1);
}

static void put__several_operations_fail(void **state)
{
	(void)state;
	every_operation(7);
}

/* Everything from some operation on: nothing is lost, nothing is believed, the disk is not filled.
 */
static void put__the_disk_is_gone(void **state)
{
	static struct life l;

	(void)state;
	for (uint64_t first = 12; first < 60; first += 5) {
		live(&l, (struct simulated_fault){SIMULATED_FAILS, first, UINT64_MAX, EIO});
		assert_true(l.n_failed > 0);
		recover(&l);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(put__one_operation_fails),
		cmocka_unit_test(put__several_operations_fail),
		cmocka_unit_test(put__the_disk_is_gone),
	};

	if (argc > 1 && !strcmp(argv[1], "thin"))
		every = 7;
	check_seed();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
