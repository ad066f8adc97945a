/* Power cuts: every state that one can leave behind, after every operation of some puts. An
 * acknowledged checkpoint is always found whole; one that is under way is found whole or not at
 * all. With any one kind of sync left out the same enumeration finds states that break this.
 *
 *   test_checkpoint_crash [full | thin]
 *
 * Up to a number of pending sectors all subsets of them are tried, beyond it runs, single ones and
 * drawn ones; `full` raises the number, `thin` (sanitizers) lowers it. */
#include "runtime/checkpoint.h"

#include <string.h>

#include "runtime/base/prng.h"
#include "tests/base/check.h"
#include "tests/runtime/checkpoint_rig.h"

#define MAX_PENDING 1200
#define KEEP	    2

static uint32_t all_subsets_up_to = 9; /* pending items */
static uint32_t n_drawn = 32, n_runs = 64;
static uint32_t more_bytes = 400; /* of one state than of another */
static uint32_t go_on_every = 61; /* states from which life goes on for a while */
static uint64_t sync_every_bytes; /* 0: a put at once */

struct crash {
	struct rig rig;
	struct rig_set acked, next; /* next: the put under way, or one that has failed */
	bool has_next;
	bool is_nested; /* after a kill or a cut: drawn states only */
	uint64_t n_states, n_bad, n_drawn;
};

static bool is_right(const struct crash *t, const struct rig *found)
{
	if (found->event.outcome == FTP_CHECKPOINT_NONE)
		return !t->acked.n;
	return found->event.outcome == FTP_CHECKPOINT_DONE &&
	       (rig_holds(found, &t->acked) || (t->has_next && rig_holds(found, &t->next)));
}

static struct rig_set small_set(uint64_t term, uint64_t step)
{
	struct rig_set s = {.n = 0};

	for (uint32_t u = 0; u < 5; u++) /* ten records: a manifest of two sectors */
		rig_add(&s, u, term, step, 300 + more_bytes * ((u + step / 10) % 3));
	return s;
}

/* From this state: opened to be written, another put, and another look. */
static bool goes_on(const struct crash *t, struct simulated_disk *disk)
{
	struct ftp_checkpoint_spec spec = rig_spec();
	struct rig r = {.submitted = NULL};
	struct rig_set put = small_set(10, 2000), expected;
	bool right;

	rig_open(&r, disk, &spec);
	right = is_right(t, &r);
	expected = rig_holds(&r, &t->acked) ? t->acked : t->next;
	expected = rig_after(&expected, &put, KEEP);
	right = right && !rig_put(&r, &put) && rig_holds(&r, &expected);
	disk = simulated_disk_after_cut(r.disk, (const bool[MAX_PENDING]){false}, 1);
	rig_close(&r);
	spec = (struct ftp_checkpoint_spec){.is_read_only = true};
	rig_open(&r, disk, &spec);
	right = right && rig_holds(&r, &expected);
	rig_close(&r);
	return right;
}

static void check_state(struct crash *t, const bool *happened)
{
	struct ftp_checkpoint_spec spec = {.is_read_only = true};
	struct rig found = {.submitted = NULL};
	bool right;

	rig_open(&found, simulated_disk_after_cut(t->rig.disk, happened, 1), &spec);
	right = is_right(t, &found);
	rig_close(&found);
	t->n_states++;
	if (right && t->n_states % go_on_every == 0)
		right = goes_on(t, simulated_disk_after_cut(t->rig.disk, happened, 1));
	t->n_bad += !right;
}

static void fill(bool *happened, uint32_t from, uint32_t to, bool value)
{
	while (from < to)
		happened[from++] = value;
}

static void check_drawn(struct crash *t, uint32_t n)
{
	bool happened[MAX_PENDING] = {false};

	for (uint32_t k = 0; k < n_drawn / (t->is_nested ? 8 : 1); k++) {
		uint64_t threshold = ftp_prng_below(check_seed(), t->n_drawn++, 100);

		for (uint32_t i = 0; i < n; i++)
			happened[i] =
				ftp_prng_below(check_seed() + 1, t->n_drawn++, 100) < threshold;
		check_state(t, happened);
	}
}

/* The first and the last so many; all but one, and one alone. */
static void check_runs(struct crash *t, uint32_t n)
{
	bool happened[MAX_PENDING] = {false};

	for (uint32_t i = 0; i <= n; i += 1 + n / n_runs)
		for (int shape = 0; shape < 4; shape++) {
			fill(happened, 0, n, shape & 1);
			fill(happened, 0, shape < 2 ? i : 0, !(shape & 1));
			if (shape >= 2 && i < n)
				happened[i] = !(shape & 1);
			check_state(t, happened);
		}
}

static void check_all(struct crash *t, uint32_t n)
{
	bool happened[MAX_PENDING] = {false};

	for (uint64_t set = 0; set < 1ull << n; set++) {
		for (uint32_t i = 0; i < n; i++)
			happened[i] = set >> i & 1;
		check_state(t, happened);
	}
}

static void check_cuts(struct rig *r, void *arg)
{
	struct crash *t = arg;
	uint32_t n = simulated_disk_n_pending(r->disk);

	assert_in_range(n, 0, MAX_PENDING);
	if (n <= (t->is_nested ? 3 : all_subsets_up_to)) {
		check_all(t, n);
		return;
	}
	if (!t->is_nested)
		check_runs(t, n);
	check_drawn(t, n);
}

static void crash_put(struct crash *t, const struct rig_set *set)
{
	t->next = rig_after(&t->acked, set, KEEP);
	t->has_next = true;
	assert_int_equal(rig_put(&t->rig, set), 0);
	assert_int_equal(t->rig.event.outcome, FTP_CHECKPOINT_DONE);
	t->acked = t->next;
	t->has_next = false;
	check_cuts(&t->rig, t);
}

/* Killed here, and started again: what it finds, it keeps; then power goes while it stores more. */
static void check_kill(struct rig *r, void *arg)
{
	struct crash *before = arg;
	struct ftp_checkpoint_spec spec = rig_spec();
	struct crash t = {.acked = before->acked,
		.next = before->next,
		.has_next = before->has_next,
		.is_nested = true,
		.rig = {.submitted = check_cuts}};
	struct rig_set put = small_set(9, 1000);

	t.rig.arg = &t;
	rig_open(&t.rig, simulated_disk_after_kill(r->disk, check_seed()), &spec);
	if (!is_right(&t, &t.rig))
		t.n_bad++;
	t.acked = rig_holds(&t.rig, &t.acked) ? t.acked : t.next;
	t.has_next = false;
	crash_put(&t, &put);
	rig_close(&t.rig);
	before->n_states += t.n_states;
	before->n_bad += t.n_bad;
}

static void live(struct crash *t, void (*submitted)(struct rig *, void *), unsigned left_out)
{
	/* Steps and terms: recycling from 40 on; 30 again when term 2 begins after 25. */
	static const uint64_t lives[][2] = {{1, 10}, {1, 20}, {1, 30}, {1, 40}, {2, 26}, {2, 30},
		{2, 40}, {2, 50}, {2, 60}, {2, 70}};
	struct ftp_checkpoint_spec spec = rig_spec();
	struct simulated_disk *disk = simulated_disk_new(check_seed());
	struct rig_set larger = small_set(2, 80);

	spec.sync_every_bytes = sync_every_bytes;
	*t = (struct crash){.rig = {.submitted = submitted}};
	t->rig.arg = t;
	simulated_disk_leave_out(disk, left_out);
	rig_open(&t->rig, disk, &spec);
	for (size_t i = 0; i < sizeof(lives) / sizeof(lives[0]); i++) {
		struct rig_set s = small_set(lives[i][0], lives[i][1]);

		crash_put(t, &s);
	}
	larger.states[1].bytes = 6000; /* needs a new segment */
	crash_put(t, &larger);
	rig_close(&t->rig);
}

static void cut__every_state(void **state)
{
	static struct crash t;

	(void)state;
	live(&t, check_cuts, 0);
	printf("%llu states, %llu bad\n", (unsigned long long)t.n_states,
		(unsigned long long)t.n_bad);
	assert_int_equal(t.n_bad, 0);
	assert_true(t.n_states > 500);
}

static void kill__then_cut(void **state)
{
	static struct crash t;

	(void)state;
	live(&t, check_kill, 0);
	printf("%llu states, %llu bad\n", (unsigned long long)t.n_states,
		(unsigned long long)t.n_bad);
	assert_int_equal(t.n_bad, 0);
}

/* Segment by segment, as through the page cache. */
static void cut__synced_on_the_way(void **state)
{
	sync_every_bytes = FTP_DISK_BLOCK;
	cut__every_state(state);
	sync_every_bytes = 0;
}

/* A removed sync must be seen: without any one of them the promise does not hold. */
static void cut__without_a_sync(void **state)
{
	static const struct {
		unsigned left_out;
		const char *name;
	} rows[] = {{SIMULATED_NO_SEGMENT_SYNC, "segments"},
		{SIMULATED_NO_MANIFEST_SYNC, "manifest"},
		{SIMULATED_NO_DIRECTORY_SYNC, "directory"}};
	static struct crash t;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		live(&t, check_cuts, rows[i].left_out);
		printf("no sync of %s: %llu states, %llu bad\n", rows[i].name,
			(unsigned long long)t.n_states, (unsigned long long)t.n_bad);
		assert_true(t.n_bad > 0);
	}
}

static void note_pending(struct rig *r, void *arg)
{
	uint32_t *most = arg, n = simulated_disk_n_pending(r->disk);

	*most = n > *most ? n : *most;
}

/* What is written and not durable is bounded, so that a slow disk is never long in making it so;
 * past the page cache there is nothing to bound. */
static void put__is_synced_on_the_way(void **state)
{
	struct ftp_checkpoint_spec spec = rig_spec();
	uint32_t bound = 3 * FTP_DISK_BUFFER_BYTES / SIMULATED_SECTOR + 1;

	(void)state;
	spec.sync_every_bytes = 2 * FTP_DISK_BUFFER_BYTES;
	for (int is_direct = 0; is_direct < 2; is_direct++) {
		struct simulated_disk *disk = simulated_disk_new(check_seed());
		struct rig r = {.submitted = NULL};
		uint32_t most = 0;

		simulated_disk_seam(disk)->mode.is_direct = is_direct;
		rig_open(&r, disk, &spec);
		r.submitted = note_pending;
		r.arg = &most;
		for (uint64_t step = 10; step <= 40; step += 10) { /* the last one is recycled */
			struct rig_set s = {.n = 0};

			rig_add(&s, 0, 1, step, 1500000);
			assert_int_equal(rig_put(&r, &s), 0);
			assert_int_equal(r.event.outcome, FTP_CHECKPOINT_DONE);
			assert_true(rig_reads(&r, &s.states[0]));
		}
		assert_int_equal(most > bound, is_direct);
		rig_close(&r);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(put__is_synced_on_the_way),
		cmocka_unit_test(cut__every_state),
		cmocka_unit_test(cut__synced_on_the_way),
		cmocka_unit_test(kill__then_cut),
		cmocka_unit_test(cut__without_a_sync),
	};

	if (argc > 1 && !strcmp(argv[1], "full"))
		all_subsets_up_to = 16, more_bytes = 800;
	if (argc > 1 && !strcmp(argv[1], "thin"))
		all_subsets_up_to = 5, n_drawn = 8, n_runs = 6;
	check_seed();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
