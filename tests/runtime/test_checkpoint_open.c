/* A checkpoint that is read while a node goes on writing to it, and one whose manifest lies: what
 * is given is what was asked for, whatever is there. */
#include "runtime/checkpoint.h"

#include <string.h>

#include "tests/base/check.h"
#include "tests/runtime/checkpoint_rig.h"

#define MANIFEST "manifest"
#define OLD	 "segment-00000000"
#define NEW	 "segment-00000001"

/* What a node does to the directory between two operations of the reader. */
struct writer {
	uint64_t at; /* operations of the reader before */
	struct simulated_disk *newer;
	struct rig_set set;
};

static void copy_file(
	struct simulated_disk *to, const struct simulated_disk *from, const char *name)
{
	uint8_t *bytes;
	uint64_t n = simulated_disk_file(from, name, &bytes);

	assert_true(n > 0);
	simulated_disk_put_file(to, name, bytes, n);
	free(bytes);
}

static void write_at(struct rig *r, void *arg)
{
	const struct writer *w = arg;

	if (simulated_disk_n_ops(r->disk) != w->at)
		return;
	copy_file(r->disk, w->newer, NEW);
	copy_file(r->disk, w->newer, MANIFEST);
	simulated_disk_remove(r->disk, OLD);
}

static struct rig_set set_of(uint64_t step, uint64_t bytes)
{
	struct rig_set s = {.n = 0};

	rig_add(&s, 0, 1, step, bytes);
	return s;
}

static void put(struct rig *r, const struct rig_set *set)
{
	assert_int_equal(rig_put(r, set), 0);
	assert_int_equal(r->event.outcome, FTP_CHECKPOINT_DONE);
}

/* Two states of one directory: in the second one nothing is left of the first one's segment. */
static void make_states(struct simulated_disk **older, struct writer *w, struct rig_set *old_set)
{
	struct ftp_checkpoint_spec spec = rig_spec();
	struct rig r = {.submitted = NULL};

	spec.keep = 1;
	*old_set = set_of(10, 900);
	w->set = set_of(20, 9000);
	rig_open(&r, simulated_disk_new(check_seed()), &spec);
	put(&r, old_set);
	*older = simulated_disk_after_kill(r.disk, check_seed());
	put(&r, &w->set);
	assert_int_equal(ftp_checkpoint_trim(r.store), 0);
	rig_turn(&r);
	w->newer = simulated_disk_after_kill(r.disk, check_seed());
	rig_close(&r);
}

/* The reader has opened the directory (1), the manifest (2), read both slots (4), listed (5),
 * opened the segment (6). */
static void open__beside_a_writer(void **state)
{
	static const struct {
		uint64_t at;
		bool sees_old;
	} rows[] = {{1, false}, {2, false}, {4, false}, {5, false}, {6, true}};
	const struct ftp_checkpoint_spec spec = {.is_read_only = true};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct rig r = {.submitted = write_at};
		struct writer w = {.at = rows[i].at};
		struct simulated_disk *older;
		struct rig_set old_set;

		make_states(&older, &w, &old_set);
		r.arg = &w;
		rig_open(&r, older, &spec);
		assert_int_equal(r.event.outcome, FTP_CHECKPOINT_DONE);
		assert_true(rig_holds(&r, rows[i].sees_old ? &old_set : &w.set));
		assert_true(
			rig_reads(&r, rows[i].sees_old ? &old_set.states[0] : &w.set.states[0]));
		rig_close(&r);
		simulated_disk_free(w.newer);
	}
}

/* It is looked for a few times more, and then it is said. */
static void open__a_segment_is_gone(void **state)
{
	const struct ftp_checkpoint_spec spec = {.is_read_only = true};
	enum ftp_checkpoint_record_state found;
	struct rig r = {.submitted = NULL};
	struct simulated_disk *older;
	struct rig_set old_set;
	struct writer w;

	(void)state;
	make_states(&older, &w, &old_set);
	simulated_disk_remove(older, OLD);
	rig_open(&r, older, &spec);
	assert_int_equal(r.event.outcome, FTP_CHECKPOINT_DONE);
	ftp_checkpoint_record_at(r.store, 0, &found);
	assert_int_equal(found, FTP_CHECKPOINT_MISSING);
	/* Directory and manifest once; slots and files, as they are and three times again. */
	assert_int_equal(simulated_disk_n_ops(r.disk), 2 + 4 * 3);
	rig_close(&r);
	simulated_disk_free(w.newer);
}

/* Who asks has made room for what it knows of, not for what the manifest says. */
static void get__no_other_record(void **state)
{
	const struct rig_state asked = {0, 1, 10, 900};
	struct ftp_checkpoint_spec spec = rig_spec();
	struct ftp_checkpoint_name names[5];
	struct rig_set set = set_of(10, 900);
	struct rig r = {.submitted = NULL};
	uint8_t into[900];

	(void)state;
	rig_open(&r, simulated_disk_new(check_seed()), &spec);
	put(&r, &set);
	for (int i = 0; i < 5; i++)
		names[i] = rig_name(&asked);
	names[0].bytes--;
	names[1].term++;
	names[2].step++;
	names[3].digest.low++;
	for (int i = 0; i < 4; i++)
		assert_int_equal(
			ftp_checkpoint_get(r.store, &names[i], into), FTP_CHECKPOINT_ABSENT);
	assert_int_equal(ftp_checkpoint_get(r.store, &names[4], into), 0);
	rig_turn(&r);
	assert_int_equal(r.event.outcome, FTP_CHECKPOINT_DONE);
	rig_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(open__beside_a_writer),
		cmocka_unit_test(open__a_segment_is_gone),
		cmocka_unit_test(get__no_other_record),
	};

	check_seed();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
