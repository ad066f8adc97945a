#include "runtime/base/prng.h"

#include <math.h>

#include "tests/base/check.h"

static void u64__is_splitmix64(void **state)
{
	/* The first values of the authors' splitmix64.c from state 0 and 1234567. */
	static const uint64_t zero[] = {
		0xe220a8397b1dcdafull, 0x6e789e6aa1b965f4ull, 0x06c45d188009454full};
	static const uint64_t other[] = {
		6457827717110365317ull, 3203168211198807973ull, 9817491932198370423ull};

	(void)state;
	for (uint64_t i = 0; i < 3; i++) {
		assert_int_equal(ftp_prng_u64(0, i), zero[i]);
		assert_int_equal(ftp_prng_u64(1234567, i), other[i]);
	}
}

static void key__differs_by_each_part(void **state)
{
	uint64_t key = ftp_prng_key(1, FTP_PRNG_INIT, 0);

	(void)state;
	assert_int_equal(key, ftp_prng_key(1, FTP_PRNG_INIT, 0));
	assert_int_not_equal(key, ftp_prng_key(2, FTP_PRNG_INIT, 0));
	assert_int_not_equal(key, ftp_prng_key(1, FTP_PRNG_SHUFFLE, 0));
	assert_int_not_equal(key, ftp_prng_key(1, FTP_PRNG_INIT, 1));
}

static void below__is_uniform(void **state)
{
	enum { N = 70000, CELLS = 7 };
	uint64_t key = ftp_prng_key(check_seed(), FTP_PRNG_TEST, 0);
	int count[CELLS] = {0};

	(void)state;
	for (uint64_t i = 0; i < N; i++) {
		uint64_t v = ftp_prng_below(key, i, CELLS);

		assert_true(v < CELLS);
		count[v]++;
	}
	for (int c = 0; c < CELLS; c++) /* 10000 expected, standard deviation 93 */
		assert_in_range(count[c], 9500, 10500);
	assert_int_equal(ftp_prng_below(key, 0, 1), 0);
}

static void unit_and_normal__have_their_moments(void **state)
{
	enum { N = 100000 };
	uint64_t key = ftp_prng_key(check_seed(), FTP_PRNG_TEST, 1);
	double unit = 0, mean = 0, square = 0, cube = 0;

	(void)state;
	for (uint64_t i = 0; i < N; i++) {
		double u = ftp_prng_unit(key, i), z = ftp_prng_normal(key, i);

		assert_true(u >= 0.0 && u < 1.0 && isfinite(z));
		unit += u / N;
		mean += z / N;
		square += z * z / N;
		cube += z * z * z / N;
	}
	assert_true(fabs(unit - 0.5) < 0.005);
	assert_true(fabs(mean) < 0.02);
	assert_true(fabs(square - 1.0) < 0.03);
	assert_true(fabs(cube) < 0.08);
}

static void permutation__holds_each_index_once(void **state)
{
	enum { N = 1000 };
	uint32_t perm[N], again[N], seen[N] = {0}, n_fixed = 0;
	uint64_t key = ftp_prng_key(check_seed(), FTP_PRNG_SHUFFLE, 3);

	(void)state;
	ftp_prng_permutation(key, perm, N);
	ftp_prng_permutation(key, again, N);
	assert_memory_equal(perm, again, sizeof(perm));
	for (uint32_t i = 0; i < N; i++) {
		assert_true(perm[i] < N);
		assert_int_equal(seen[perm[i]]++, 0);
		n_fixed += perm[i] == i;
	}
	assert_in_range(n_fixed, 0, 10); /* 1 expected */
	ftp_prng_permutation(key, perm, 1);
	assert_int_equal(perm[0], 0);
	ftp_prng_permutation(key, NULL, 0);
}

/* Every order of three is as likely as another. */
static void permutation__is_uniform(void **state)
{
	uint32_t count[27] = {0};

	(void)state;
	for (uint64_t i = 0; i < 60000; i++) {
		uint32_t p[3];

		ftp_prng_permutation(ftp_prng_key(check_seed(), FTP_PRNG_SHUFFLE, i), p, 3);
		count[p[0] * 9 + p[1] * 3 + p[2]]++;
	}
	for (int i = 0; i < 27; i++)
		if (count[i])
			assert_in_range(count[i], 9500, 10500); /* so there are six */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(u64__is_splitmix64),
		cmocka_unit_test(key__differs_by_each_part),
		cmocka_unit_test(below__is_uniform),
		cmocka_unit_test(unit_and_normal__have_their_moments),
		cmocka_unit_test(permutation__holds_each_index_once),
		cmocka_unit_test(permutation__is_uniform),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
