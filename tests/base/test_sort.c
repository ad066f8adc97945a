#include "runtime/base/sort.h"

#include <string.h>

#include "runtime/base/prng.h"
#include "tests/base/check.h"

struct element {
	uint32_t key;
	uint8_t more[20];
};

static int by_key(const void *a, const void *b)
{
	const struct element *x = a, *y = b;

	return (x->key > y->key) - (x->key < y->key);
}

static void fill(struct element *e, uint32_t key)
{
	e->key = key;
	memset(e->more, (int)key, sizeof(e->more));
}

static void check(const struct element *e, size_t n, uint64_t sum)
{
	for (size_t i = 0; i < n; i++) {
		assert_true(!i || e[i - 1].key <= e[i].key);
		for (size_t k = 0; k < sizeof(e->more); k++)
			assert_int_equal(e[i].more[k], (uint8_t)e[i].key);
		sum -= e[i].key;
	}
	assert_int_equal(sum, 0);
}

/* Every length from none on; few and many different keys, in any order, sorted, the other way. */
static void sort__any(void **state)
{
	struct element e[130];
	const uint64_t key = ftp_prng_key(check_seed(), FTP_PRNG_TEST, 0);
	uint64_t sum, drawn = 0;

	(void)state;
	for (size_t n = 0; n < 130; n++)
		for (uint32_t kind = 0; kind < 4; kind++) {
			sum = 0;
			for (size_t i = 0; i < n; i++) {
				const uint32_t random = (uint32_t)ftp_prng_u64(key, drawn++);
				const uint32_t keys[] = {
					random, random % 3, (uint32_t)i, (uint32_t)(n - i)};

				fill(&e[i], keys[kind]);
				sum += e[i].key;
			}
			ftp_sort(e, n, sizeof(e[0]), by_key);
			check(e, n, sum);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(sort__any)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
