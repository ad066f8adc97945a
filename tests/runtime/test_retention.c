/* What is kept, as rows: T1s10 is unit 0's state of term 1 after step 10. */
#include "runtime/retention.h"

#include <stdio.h>
#include <string.h>

#include "tests/base/check.h"

struct row {
	uint32_t keep;
	uint64_t pinned;
	const char *states, *kept; /* "unit.term.step ..." */
};

static const struct row rows[] = {
	{2, 0, "", ""},
	{2, 0, "0.1.10 0.1.20 0.1.30", "0.1.30 0.1.20"},
	{1, 0, "0.1.10 0.1.20 1.1.10", "0.1.20 1.1.10"}, /* of each unit, not of each step */
	{1, 10, "0.1.10 0.1.20 0.1.30", "0.1.30 0.1.10"},
	{2, 20, "0.1.10 0.1.20 0.1.30", "0.1.30 0.1.20"},
	{2, 0, "0.1.10 0.1.20 0.2.15", "0.2.15 0.1.10"},  /* 20 was passed by term 2 */
	{2, 0, "0.1.10 0.1.20 1.2.15", "0.1.10 1.2.15"},  /* whichever unit shows it */
	{2, 0, "0.1.10 0.2.10", "0.2.10"},		  /* trained again */
	{2, 20, "0.1.10 0.1.20 0.2.15", "0.2.15 0.1.10"}, /* abandoned: no pin helps */
	{3, 0, "0.1.10 0.2.20 0.3.30", "0.3.30 0.2.20 0.1.10"},
	{3, 0, "0.3.5 0.1.10 0.2.20 1.3.30", "0.3.5 1.3.30"},
};

static void choose__rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ftp_retention_state states[16];
		const char *at = rows[i].states;
		char kept[256] = "";
		uint32_t n = 0;
		int used;

		while (sscanf(at, "%u.%lu.%lu%n", &states[n].unit, &states[n].term, &states[n].step,
			       &used) == 3) {
			states[n].index = n;
			at += used;
			n++;
		}
		ftp_retention_choose(states, n, rows[i].keep, rows[i].pinned);
		for (uint32_t k = 0; k < n; k++)
			if (states[k].is_kept)
				sprintf(kept + strlen(kept), "%s%u.%lu.%lu", kept[0] ? " " : "",
					states[k].unit, states[k].term, states[k].step);
		if (strcmp(kept, rows[i].kept))
			fail_msg("row %zu: kept %s, not %s", i, kept, rows[i].kept);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(choose__rows)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
