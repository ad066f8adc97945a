/* The books of weight versions, without weights. */
#include "tests/base/check.h"

#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernels/versions.h"
#include "runtime/base/prng.h"

static uint64_t seed;

static uint64_t newest_of(const struct ftp_versions *v)
{
	return v->serial[v->newest];
}

static void update(struct ftp_versions *v)
{
	ftp_versions_publish(v, ftp_versions_spare(v));
}

static void hold__is_the_newest_until_let_go(void **state)
{
	struct ftp_versions v;
	int first, second;

	(void)state;
	ftp_versions_init(&v, 2, 2);
	first = ftp_versions_hold(&v, 0);
	assert_int_equal(v.serial[first], 1);
	update(&v);
	second = ftp_versions_hold(&v, 1);
	assert_int_equal(v.serial[second], 2);
	assert_int_equal(ftp_versions_held(&v, 0), first);
	assert_int_not_equal(first, second);
	ftp_versions_let_go(&v, 0);
	ftp_versions_let_go(&v, 0);
	update(&v);
	assert_int_equal(v.newest, first);
	assert_int_equal(newest_of(&v), 3);
	/* A slot begun anew holds nothing else. */
	assert_int_equal(ftp_versions_hold(&v, 1), first);
	assert_int_equal(ftp_versions_spare(&v), second);
	ftp_versions_deinit(&v);
}

static void spare__one_buffer_is_in_place(void **state)
{
	struct ftp_versions v;

	(void)state;
	ftp_versions_init(&v, 1, 3);
	for (uint64_t i = 1; i < 4; i++) {
		assert_int_equal(newest_of(&v), i);
		ftp_versions_let_go(&v, ftp_versions_hold(&v, 0));
		update(&v);
		assert_int_equal(v.newest, 0);
	}
	ftp_versions_deinit(&v);
}

/* A stage with a window of w runs up to w forwards ahead, and updates after each backward. Whatever
 * the order, w buffers suffice, nothing that is held is written, and the list is the newest w. */
static void walk(int w, uint64_t key)
{
	struct ftp_versions v;
	uint64_t forwards = 0, backwards = 0, held[9] = {0}, index = 0;
	int n_slots = w + 1;

	ftp_versions_init(&v, w, n_slots);
	while (backwards < 200) {
		uint64_t ahead = forwards - backwards;
		bool forward = !ahead || (ahead < (uint64_t)w && ftp_prng_below(key, index++, 3));

		if (forward) {
			int slot = (int)(forwards++ % (uint64_t)n_slots);

			held[slot] = v.serial[ftp_versions_hold(&v, slot)];
			assert_int_equal(held[slot], newest_of(&v));
		} else {
			int slot = (int)(backwards % (uint64_t)n_slots), n;
			const int *order;

			assert_int_equal(v.serial[ftp_versions_held(&v, slot)], held[slot]);
			ftp_versions_let_go(&v, slot);
			update(&v);
			backwards++;
			assert_int_equal(newest_of(&v), backwards + 1);
			n = ftp_versions_list(&v, &order);
			assert_int_equal(
				n, backwards + 1 < (uint64_t)w ? backwards + 1 : (uint64_t)w);
			for (int i = 0; i < n; i++)
				assert_int_equal(
					v.serial[order[n - 1 - i]], backwards + 1 - (uint64_t)i);
			assert_int_equal(order[n - 1], v.newest);
		}
		for (uint64_t b = backwards; b < forwards; b++) {
			int slot = (int)(b % (uint64_t)n_slots);

			assert_int_equal(v.serial[ftp_versions_held(&v, slot)], held[slot]);
		}
	}
	ftp_versions_deinit(&v);
}

static void spare__as_many_buffers_as_the_window_suffice(void **state)
{
	(void)state;
	for (int w = 1; w <= 8; w++)
		for (uint64_t round = 0; round < 20; round++)
			walk(w, ftp_prng_key(seed, FTP_PRNG_TEST, (uint64_t)w << 8 | round));
}

static void reset__leaves_the_newest_alone(void **state)
{
	struct ftp_versions v;
	const int *order;
	int newest;

	(void)state;
	ftp_versions_init(&v, 3, 2);
	update(&v);
	update(&v);
	newest = ftp_versions_hold(&v, 1);
	assert_int_equal(ftp_versions_list(&v, &order), 3);
	ftp_versions_reset(&v);
	assert_int_equal(ftp_versions_list(&v, &order), 1);
	assert_int_equal(order[0], newest);
	assert_int_equal(ftp_versions_own(&v), newest);
	ftp_versions_deinit(&v);
}

static void spare_of_none(struct ftp_versions *v)
{
	ftp_versions_hold(v, 0);
	update(v);
	ftp_versions_hold(v, 1);
	ftp_versions_spare(v);
}

static void held_by_none(struct ftp_versions *v)
{
	ftp_versions_held(v, 0);
}

static void own_what_is_held(struct ftp_versions *v)
{
	ftp_versions_hold(v, 0);
	ftp_versions_own(v);
}

static void publish_what_is_held(struct ftp_versions *v)
{
	ftp_versions_publish(v, ftp_versions_hold(v, 0));
}

static void broken_rules__abort(void **state)
{
	static void (*const rows[])(struct ftp_versions * v) = {
		spare_of_none, held_by_none, own_what_is_held, publish_what_is_held};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		pid_t child = fork();
		int status;

		assert_true(child >= 0);
		if (!child) {
			struct ftp_versions v;

			signal(SIGABRT, SIG_DFL);
			if (!freopen("/dev/null", "w", stderr))
				_exit(1);
			ftp_versions_init(&v, 2, 2);
			rows[i](&v);
			_exit(0);
		}
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	}
}

static int set_up(void **state)
{
	(void)state;
	seed = check_seed();
	return 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(hold__is_the_newest_until_let_go),
		cmocka_unit_test(spare__one_buffer_is_in_place),
		cmocka_unit_test(spare__as_many_buffers_as_the_window_suffice),
		cmocka_unit_test(reset__leaves_the_newest_alone),
		cmocka_unit_test(broken_rules__abort),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
