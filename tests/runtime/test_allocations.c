/* After warm-up nothing is allocated while workers train, copy snapshots, send replicas and write
 * checkpoints: by our code, in any of its threads, or by the C library that it calls. oneDNN and
 * OpenMP allocate as they like. */
#include <dlfcn.h>
#include <errno.h>
#include <jemalloc/jemalloc.h>
#include <stdatomic.h>
#include <string.h>

#include "tests/base/check.h"
#include "tests/runtime/worker_rig.h"

#define WARM_STEPS 60
#define END_STEP   160

static const struct rig_plan thirds = {3, {{0, 1}, {1, 3}, {2, 5}}};

static _Atomic bool is_counting;
static _Atomic unsigned n_counted;
static _Atomic(void *) first_caller;
static __thread bool is_test; /* the thread in the coordinator's place may */

static bool is_ours(void *caller)
{
	Dl_info info;

	if (!dladdr(caller, &info) || !info.dli_fname)
		return true;
	return !strstr(info.dli_fname, ".so") || strstr(info.dli_fname, "libc.so");
}

static void count(void *caller)
{
	void *none = NULL;

	if (!is_counting || is_test || !is_ours(caller))
		return;
	atomic_compare_exchange_strong(&first_caller, &none, caller);
	n_counted++;
}

/* In the place of the allocator's own, for this program and its libraries alike. Never inline: the
 * return address tells who called. */
__attribute__((noinline)) void *malloc(size_t bytes)
{
	count(__builtin_return_address(0));
	return mallocx(bytes ? bytes : 1, 0);
}

__attribute__((noinline)) void *calloc(size_t n, size_t bytes)
{
	size_t all;

	count(__builtin_return_address(0));
	if (__builtin_mul_overflow(n, bytes, &all))
		return NULL;
	return mallocx(all ? all : 1, MALLOCX_ZERO);
}

__attribute__((noinline)) void *realloc(void *p, size_t bytes)
{
	count(__builtin_return_address(0));
	return p ? rallocx(p, bytes ? bytes : 1, 0) : mallocx(bytes ? bytes : 1, 0);
}

__attribute__((noinline)) int posix_memalign(void **out, size_t align, size_t bytes)
{
	count(__builtin_return_address(0));
	*out = mallocx(bytes ? bytes : 1, MALLOCX_ALIGN(align));
	return *out ? 0 : ENOMEM;
}

__attribute__((noinline)) void *aligned_alloc(size_t align, size_t bytes)
{
	count(__builtin_return_address(0));
	return mallocx(bytes ? bytes : 1, MALLOCX_ALIGN(align));
}

static void count__counts(void **state)
{
	void *volatile kept; /* or the compiler leaves both out */

	(void)state;
	is_counting = true;
	kept = malloc(1);
	free(kept);
	assert_int_equal(n_counted, 0); /* not in this thread */
	is_test = false;
	kept = malloc(1);
	free(kept);
	assert_int_equal(n_counted, 1);
	kept = strdup("by the C library");
	free(kept);
	is_counting = false;
	is_test = true;
	assert_int_equal(n_counted, 2);
}

static void step__allocates_nothing(void **state)
{
	static const struct rig_settings settings = {.schedule = "flush",
		.memory = "256MiB",
		.every = 2,
		.global_every = 6,
		.disk_every = 2};
	static struct rig r;
	unsigned n_puts, n_stable;
	Dl_info info;

	(void)state;
	rig_open(&r, &settings);
	rig_change(&r, &thirds);
	rig_wait_for_step(&r, WARM_STEPS);
	n_puts = r.snapshots.n_puts;
	n_stable = r.snapshots.n_stable;
	n_counted = 0;
	first_caller = NULL;
	is_counting = true;
	rig_wait_for_step(&r, END_STEP);
	is_counting = false;
	n_puts = r.snapshots.n_puts - n_puts;
	n_stable = r.snapshots.n_stable - n_stable;
	print_message("%u stable snapshots, %u puts on disks\n", n_stable, n_puts);
	rig_finish(&r);
	rig_close(&r);
	if (n_counted)
		fail_msg("%u allocations, the first one in %s", n_counted,
			dladdr(first_caller, &info) && info.dli_sname ? info.dli_sname
								      : info.dli_fname);
	assert_true(n_stable >= 10 && n_puts >= 10);
}
int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(count__counts),
		cmocka_unit_test(step__allocates_nothing),
	};

	is_test = true;
	check_seed();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
