/* A node's checkpoint in a real directory, which others may touch. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "tests/base/check.h"
#include "tests/runtime/checkpointer_rig.h"

#define DEADLINE_NS (20 * FTP_NS_PER_S)

static char parent[] = "test-checkpointer-XXXXXX"; /* in the working directory */

static struct ftp_disk *open_disk(void)
{
	struct ftp_error err;
	struct ftp_disk *d;
	char path[64];

	snprintf(path, sizeof(path), "%s/n1", parent);
	assert_int_equal(ftp_disk_open(&d, path, false, &err), 0);
	return d;
}

static void turn_until(struct rig *r, bool (*condition)(const struct rig *))
{
	uint64_t deadline_ns = ftp_clock_now_ns() + DEADLINE_NS;

	while (!condition(r)) {
		assert_true(ftp_clock_now_ns() < deadline_ns);
		if (!ftp_checkpointer_turn(r->k, &r->told, ftp_clock_now_ns()))
			ftp_clock_sleep_ns(FTP_NS_PER_MS);
	}
}

static bool is_told(const struct rig *r)
{
	return r->told.step;
}

static bool is_usable(const struct rig *r)
{
	return ftp_checkpointer_stats(r->k)->is_usable;
}

static void put(struct rig *r, uint64_t step)
{
	r->told.step = 0;
	rig_hold_all(r, step);
	rig_ask(r, step, 0);
	turn_until(r, is_told);
	assert_int_equal(r->told.step, step);
}

static void remove_all(const char *path)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -r %s", path);
	assert_int_equal(system(command), 0);
}

/* What is put meanwhile is not called durable; the next one is, in a new directory. */
static void put__the_directory_is_removed(void **state)
{
	char path[64];
	struct rig r;

	(void)state;
	snprintf(path, sizeof(path), "%s/n1", parent);
	rig_open_on(&r, open_disk());
	put(&r, 10);
	assert_true(r.told.ok);
	remove_all(path);
	put(&r, 20);
	assert_false(r.told.ok);
	assert_non_null(strstr(r.told.text, "was removed while it was in use"));
	assert_false(is_usable(&r));
	assert_int_equal(rig_listed(&r, 10), 0);
	turn_until(&r, is_usable);
	assert_int_equal(rig_listed(&r, 10), 0);
	put(&r, 30);
	assert_true(r.told.ok);
	rig_end(&r);
	rig_begin_on(&r, open_disk());
	assert_int_equal(rig_listed(&r, 20), 0);
	assert_int_equal(rig_listed(&r, 30), r.model->n_units);
	rig_close(&r);
	remove_all(path);
}

/* With the run's directory there is no place for it: the node goes on without. */
static void put__all_is_removed(void **state)
{
	char path[64];
	struct rig r;

	(void)state;
	snprintf(path, sizeof(path), "%s/n1", parent);
	rig_open_on(&r, open_disk());
	put(&r, 10);
	assert_int_equal(rename(parent, "test-checkpointer-moved"), 0);
	remove_all("test-checkpointer-moved/n1");
	assert_int_equal(symlink("/dev/null", parent), 0);
	for (uint64_t step = 20; step < 50; step += 10) {
		put(&r, step);
		assert_false(r.told.ok);
	}
	assert_false(is_usable(&r));
	rig_close(&r);
	assert_int_equal(unlink(parent), 0);
	assert_int_equal(rename("test-checkpointer-moved", parent), 0);
}

static int make_parent(void **state)
{
	(void)state;
	return mkdtemp(parent) ? 0 : -1;
}

static int remove_parent(void **state)
{
	(void)state;
	return rmdir(parent);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(put__the_directory_is_removed),
		cmocka_unit_test(put__all_is_removed),
	};

	check_seed();
	return cmocka_run_group_tests(tests, make_parent, remove_parent);
}
