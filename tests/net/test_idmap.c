#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "net/idmap.h"
#include "runtime/base/prng.h"
#include "tests/net/pair.h"

#define N_IDS 48

static struct ftp_message_id id_of(uint32_t i)
{
	return (struct ftp_message_id){.kind = (uint8_t)(i % 3),
		.cut = (uint16_t)(i % 5),
		.micro_batch = i,
		.step = i / 7};
}

static void idmap_add__bounds(void **state)
{
	struct ftp_idmap m;
	struct ftp_message_id id = id_of(1), other = id_of(2);
	uint32_t value = 0;

	(void)state;
	ftp_idmap_init(&m, 1);
	assert_false(ftp_idmap_find(&m, &id, &value));
	assert_true(ftp_idmap_add(&m, &id, 7));
	assert_false(ftp_idmap_add(&m, &id, 8));
	assert_false(ftp_idmap_add(&m, &other, 9));
	assert_true(ftp_idmap_find(&m, &id, &value));
	assert_int_equal(value, 7);
	ftp_idmap_reset(&m);
	assert_false(ftp_idmap_find(&m, &id, &value));
	assert_true(ftp_idmap_add(&m, &other, 9));
	ftp_idmap_deinit(&m);
}

/* Against an array, in a table so full that runs are long and wrap around. */
static void idmap_remove__against_an_array(void **state)
{
	uint64_t key = ftp_prng_key(pair_seed(1), FTP_PRNG_TEST, 0), draw = 0;
	uint32_t values[N_IDS] = {0}, value; /* 0: absent */
	struct ftp_idmap m;
	uint32_t n = 0;

	(void)state;
	ftp_idmap_init(&m, 32);
	for (uint32_t round = 1; round < 100000; round++) {
		uint32_t i = (uint32_t)ftp_prng_below(key, draw++, N_IDS);
		struct ftp_message_id id = id_of(i);

		if (ftp_prng_below(key, draw++, 2)) {
			bool fits = !values[i] && n < 32;

			assert_int_equal(ftp_idmap_add(&m, &id, round), fits);
			n += fits;
			if (fits)
				values[i] = round;
		} else {
			assert_int_equal(ftp_idmap_remove(&m, &id, &value), values[i] != 0);
			n -= values[i] != 0;
			assert_true(!values[i] || value == values[i]);
			values[i] = 0;
		}
		i = (uint32_t)ftp_prng_below(key, draw++, N_IDS);
		id = id_of(i);
		assert_int_equal(ftp_idmap_find(&m, &id, &value), values[i] != 0);
		assert_true(!values[i] || value == values[i]);
	}
	ftp_idmap_deinit(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(idmap_add__bounds),
		cmocka_unit_test(idmap_remove__against_an_array),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
