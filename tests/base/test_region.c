#include "runtime/base/region.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/prng.h"
#include "tests/base/check.h"

#define MIB ((size_t)1 << 20)

static struct ftp_region *region_of(size_t bytes)
{
	struct ftp_region *r = NULL;
	struct ftp_error err;

	assert_int_equal(ftp_region_new(&r, bytes, &err), 0);
	return r;
}

static void assert_zero(const unsigned char *p, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		assert_int_equal(p[i], 0);
}

static void new__refuses_absurd_budgets(void **state)
{
	struct ftp_region *r;
	struct ftp_error err;

	(void)state;
	assert_int_equal(ftp_region_new(&r, 0, &err), -EINVAL);
	assert_int_equal(ftp_region_new(&r, SIZE_MAX, &err), -EINVAL);
	assert_non_null(strstr(err.text, "nodes[].memory"));
}

static void alloc__is_zeroed_aligned_and_counted(void **state)
{
	static const size_t sizes[] = {1, 63, 64, 65, 4096, 100000, 3 * MIB, 5 * MIB + 1};
	struct ftp_region *r = region_of(64 * MIB);
	size_t expected = 0;
	void *p[sizeof(sizes) / sizeof(sizes[0])];

	(void)state;
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			p[i] = ftp_region_alloc(r, sizes[i]);
			assert_non_null(p[i]);
			assert_int_equal((uintptr_t)p[i] % FTP_REGION_ALIGN, 0);
			assert_zero(p[i], sizes[i]);
			memset(p[i], 0xa5, sizes[i]);
			expected += (sizes[i] + 63) / 64 * 64;
			assert_int_equal(ftp_region_used_bytes(r), expected);
		}
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
			ftp_region_release(r, p[i], sizes[i]);
		expected = 0;
		assert_int_equal(ftp_region_used_bytes(r), 0);
	}
	ftp_region_free(r);
}

static void alloc__stops_at_the_budget(void **state)
{
	struct ftp_region *r = region_of(10 * MIB);
	void *a = ftp_region_alloc(r, 6 * MIB), *b;

	(void)state;
	assert_int_equal(ftp_region_budget_bytes(r), 10 * MIB);
	assert_non_null(a);
	assert_null(ftp_region_alloc(r, 4 * MIB + 1));
	assert_null(ftp_region_alloc(r, SIZE_MAX));
	b = ftp_region_alloc(r, 4 * MIB);
	assert_non_null(b);
	assert_null(ftp_region_alloc(r, 1));
	ftp_region_release(r, a, 6 * MIB);
	a = ftp_region_alloc(r, 6 * MIB);
	assert_non_null(a);
	ftp_region_release(r, a, 6 * MIB);
	ftp_region_release(r, b, 4 * MIB);
	ftp_region_free(r);
}

#ifndef __SANITIZE_ADDRESS__ /* there every allocation is the system's */
static size_t n_resident(void *p, size_t bytes)
{
	unsigned char pages[4 * MIB / 4096];
	size_t n = 0;

	assert_true(bytes / 4096 <= sizeof(pages));
	assert_int_equal(mincore(p, bytes, pages), 0);
	for (size_t i = 0; i < bytes / 4096; i++)
		n += pages[i] & 1;
	return n;
}

static void release__keeps_pages_until_the_last(void **state)
{
	struct ftp_region *r = region_of(16 * MIB);
	unsigned char *a, *b, *page;

	(void)state;
	b = ftp_region_alloc(r, 64);
	ftp_region_warm(r, 4 * MIB);
	assert_int_equal(ftp_region_used_bytes(r), 64);
	a = ftp_region_alloc(r, 4 * MIB);
	page = (unsigned char *)(((uintptr_t)a + 4095) & ~(uintptr_t)4095);
	assert_int_equal(n_resident(page, 3 * MIB), 3 * MIB / 4096);
	memset(a, 1, 4 * MIB);
	ftp_region_release(r, a, 4 * MIB);
	assert_int_equal(n_resident(page, 3 * MIB), 3 * MIB / 4096);
	a = ftp_region_alloc(r, 4 * MIB);
	assert_int_equal(a[MIB], 0);
	ftp_region_release(r, a, 4 * MIB);
	ftp_region_release(r, b, 64);
	assert_int_equal(n_resident(page, 3 * MIB), 0);
	ftp_region_warm(r, 17 * MIB);
	ftp_region_free(r);
}
#endif

/* Whatever the sizes and the order: while the budget holds, an allocation succeeds, and nobody
 * writes to another's memory. */
static void alloc__never_fails_within_the_budget(void **state)
{
	enum { N = 64, TURNS = 4000 };
	const size_t budget = 48 * MIB;
	uint64_t key = ftp_prng_key(check_seed(), FTP_PRNG_TEST, 1);
	struct ftp_region *r = region_of(budget);
	struct {
		unsigned char *p;
		size_t bytes;
	} held[N] = {0};

	(void)state;
	for (uint64_t turn = 0; turn < TURNS; turn++) {
		size_t i = ftp_prng_below(key, 3 * turn, N);
		size_t bytes = (size_t)1 << ftp_prng_below(key, 3 * turn + 1, 23);

		bytes += ftp_prng_below(key, 3 * turn + 2, bytes);
		if (held[i].p) {
			assert_int_equal(held[i].p[0], i);
			assert_int_equal(held[i].p[held[i].bytes - 1], i);
			ftp_region_release(r, held[i].p, held[i].bytes);
			held[i].p = NULL;
			continue;
		}
		held[i].p = ftp_region_alloc(r, bytes);
		held[i].bytes = bytes;
		if (!held[i].p) {
			assert_true(ftp_region_used_bytes(r) + bytes + 63 > budget);
			continue;
		}
		held[i].p[0] = held[i].p[bytes - 1] = (unsigned char)i;
	}
	for (size_t i = 0; i < N; i++)
		ftp_region_release(r, held[i].p, held[i].bytes);
	ftp_region_free(r);
}

static void *hammer(void *arg)
{
	struct ftp_region *r = arg;

	for (int i = 0; i < 500; i++) {
		size_t bytes = (size_t)(i % 37 + 1) * 1000;
		unsigned char *p = ftp_region_alloc(r, bytes);

		if (!p || p[0] || p[bytes - 1])
			return r;
		memset(p, 1, bytes);
		ftp_region_release(r, p, bytes);
	}
	return NULL;
}

static void alloc__from_many_threads(void **state)
{
	struct ftp_region *r = region_of(16 * MIB);
	pthread_t threads[4];
	void *failed;

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, hammer, r), 0);
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
	assert_int_equal(ftp_region_used_bytes(r), 0);
	ftp_region_free(r);
}

/* Regions come and go with plans: address space and arenas must not run out. */
static void free__gives_everything_back(void **state)
{
	(void)state;
	for (int i = 0; i < 300; i++) {
		struct ftp_region *r = region_of((size_t)64 << 30);
		void *p = ftp_region_alloc(r, MIB);

		assert_non_null(p);
		ftp_region_release(r, p, MIB);
		ftp_region_free(r);
	}
}

static void free__aborts_when_something_is_allocated(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		struct rlimit no_core = {0, 0};
		struct ftp_region *r = region_of(MIB);

		setrlimit(RLIMIT_CORE, &no_core);
		if (!freopen("/dev/null", "w", stderr) || !ftp_region_alloc(r, 1))
			_exit(1);
		signal(SIGABRT, SIG_DFL);
		ftp_region_free(r);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(new__refuses_absurd_budgets),
		cmocka_unit_test(alloc__is_zeroed_aligned_and_counted),
		cmocka_unit_test(alloc__stops_at_the_budget),
#ifndef __SANITIZE_ADDRESS__
		cmocka_unit_test(release__keeps_pages_until_the_last),
#endif
		cmocka_unit_test(alloc__never_fails_within_the_budget),
		cmocka_unit_test(alloc__from_many_threads),
		cmocka_unit_test(free__gives_everything_back),
		cmocka_unit_test(free__aborts_when_something_is_allocated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
