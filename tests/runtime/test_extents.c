/* Holes against a map of blocks, drawn. */
#include "runtime/extents.h"

#include <string.h>

#include "runtime/base/prng.h"
#include "tests/base/check.h"

#define N_SEGMENTS 4
#define N_BLOCKS   40
#define N_USED	   30

static void holes__against_a_map(void **state)
{
	uint64_t key = check_seed(), d = 0;

	(void)state;
	for (int round = 0; round < 2000; round++) {
		struct ftp_extent used[N_USED], segments[N_SEGMENTS], holes[N_USED + N_SEGMENTS];
		bool is_used[N_SEGMENTS][N_BLOCKS] = {{false}};
		uint32_t n_used = (uint32_t)ftp_prng_below(key, d++, N_USED + 1), n;

		for (uint32_t s = 0; s < N_SEGMENTS; s++)
			segments[s] = (struct ftp_extent){
				N_SEGMENTS - 1 - s, 0, ftp_prng_below(key, d++, N_BLOCKS + 1)};
		for (uint32_t u = 0; u < n_used; u++) {
			used[u].segment = (uint32_t)ftp_prng_below(key, d++, N_SEGMENTS + 1);
			used[u].offset = ftp_prng_below(key, d++, N_BLOCKS + 10);
			used[u].bytes = ftp_prng_below(key, d++, 6);
			for (uint64_t b = used[u].offset;
				b < used[u].offset + used[u].bytes && b < N_BLOCKS; b++)
				if (used[u].segment < N_SEGMENTS)
					is_used[used[u].segment][b] = true;
		}
		n = ftp_extents_holes(holes, used, n_used, segments, N_SEGMENTS);
		assert_in_range(n, 0, n_used + N_SEGMENTS);
		for (uint32_t h = 0; h < n; h++)
			for (uint64_t b = holes[h].offset; b < holes[h].offset + holes[h].bytes;
				b++) {
				assert_false(is_used[holes[h].segment][b]);
				is_used[holes[h].segment][b] = true;
			}
		/* Nothing is left over. */
		for (uint32_t s = 0; s < N_SEGMENTS; s++)
			for (uint64_t b = 0; b < segments[s].bytes; b++)
				assert_true(is_used[segments[s].segment][b]);
	}
}

static void take__first_fit(void **state)
{
	struct ftp_extent holes[] = {{0, 10, 5}, {1, 0, 20}}, e;

	(void)state;
	assert_true(ftp_extents_take(holes, 2, 8, &e));
	assert_int_equal(e.segment, 1);
	assert_int_equal(e.offset, 0);
	assert_true(ftp_extents_take(holes, 2, 5, &e));
	assert_int_equal(e.segment, 0);
	assert_int_equal(e.offset, 10);
	assert_true(ftp_extents_take(holes, 2, 12, &e));
	assert_int_equal(e.offset, 8);
	assert_false(ftp_extents_take(holes, 2, 1, &e));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holes__against_a_map),
		cmocka_unit_test(take__first_fit),
	};

	check_seed();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
