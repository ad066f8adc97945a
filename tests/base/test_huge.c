#include "runtime/base/huge.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/base/check.h"

static void alloc__of_any_size(void **state)
{
	static const size_t sizes[] = {1, 4096, (2 << 20) - 1, 2 << 20, (2 << 20) + 1, 5 << 20};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint8_t *p = ftp_huge_alloc(sizes[i]);

		assert_non_null(p);
		if (sizes[i] >= 2 << 20)
			assert_int_equal((uintptr_t)p % (2 << 20), 0);
		memset(p, 1, sizes[i]);
		free(p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(alloc__of_any_size)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
