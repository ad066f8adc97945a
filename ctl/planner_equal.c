#include <errno.h>

#include "ctl/planner_tables.h"

#define MAX_STEP_NS (UINT64_C(1) << 62)

struct table {
	struct ftp_planner_sums sums;
	uint32_t n_units, n_stages;
};

static int check(const struct ftp_planner_equal_problem *p, struct ftp_error *err)
{
	if (!p->n_units || p->n_units > FTP_PLANNER_MAX_UNITS)
		return ftp_error_set(err, EINVAL, "planner: expected 1 to %d units, got %u",
			FTP_PLANNER_MAX_UNITS, p->n_units);
	if (!p->n_stages || p->n_stages > p->n_units || p->n_stages > FTP_PLANNER_MAX_NODES)
		return ftp_error_set(err, EINVAL,
			"planner: expected 1 to %u stages for %u units, got %u",
			p->n_units < FTP_PLANNER_MAX_NODES ? p->n_units : FTP_PLANNER_MAX_NODES,
			p->n_units, p->n_stages);
	return 0;
}

static uint64_t range_ns(const struct table *t, uint32_t first, uint32_t end)
{
	return t->sums.busy_ns[end] - t->sums.busy_ns[first];
}

/* The smallest possible slowest stage. best[i]: of units [i, n) in the stages from s on. */
static uint64_t minimax(const struct table *t)
{
	uint64_t best[FTP_PLANNER_MAX_UNITS + 1];
	uint32_t n = t->n_units;

	for (uint32_t i = 0; i < n; i++)
		best[i] = range_ns(t, i, n);
	for (uint32_t s = t->n_stages - 1; s-- > 0;) {
		uint32_t after = t->n_stages - 1 - s; /* stages that follow stage s */

		/* Ascending i: best[j > i] still belongs to stage s + 1. */
		for (uint32_t i = 0; i + after < n; i++) {
			uint64_t least = UINT64_MAX;

			for (uint32_t j = i + 1; j + after <= n; j++) {
				uint64_t here = range_ns(t, i, j);
				uint64_t worst = here > best[j] ? here : best[j];

				if (worst < least)
					least = worst;
			}
			best[i] = least;
		}
	}
	return best[0];
}

/* Among the splits with no stage above limit_ns the most even one, ties to the earliest cut. The
 * sum of squares is at most the square of the sum: 124 bits. */
static void most_even(const struct table *t, uint64_t limit_ns, struct ftp_planner_equal_answer *a)
{
	const unsigned __int128 impossible = ~(unsigned __int128)0;
	unsigned __int128 best[FTP_PLANNER_MAX_UNITS + 1];
	uint16_t next[FTP_PLANNER_MAX_NODES][FTP_PLANNER_MAX_UNITS + 1];
	uint32_t n = t->n_units;

	for (uint32_t i = 0; i <= n; i++)
		best[i] = i == n ? 0 : impossible;
	for (uint32_t s = t->n_stages; s-- > 0;) {
		uint32_t after = t->n_stages - 1 - s;

		for (uint32_t i = 0; i + after < n; i++) {
			unsigned __int128 least = impossible;

			next[s][i] = (uint16_t)n;
			for (uint32_t j = i + 1; j + after <= n; j++) {
				uint64_t here = range_ns(t, i, j);
				unsigned __int128 sum;

				if (here > limit_ns || best[j] == impossible)
					continue;
				sum = (unsigned __int128)here * here + best[j];
				if (sum < least) {
					least = sum;
					next[s][i] = (uint16_t)j;
				}
			}
			best[i] = least;
		}
	}
	for (uint32_t s = 0; s < t->n_stages; s++)
		a->first_unit[s + 1] = next[s][a->first_unit[s]];
}

int ftp_planner_equal(const struct ftp_planner_equal_problem *problem,
	struct ftp_planner_equal_answer *answer, struct ftp_error *err)
{
	struct table t = {.n_units = problem->n_units, .n_stages = problem->n_stages};
	int rc = check(problem, err);

	if (!rc)
		rc = ftp_planner_tables_sum(&t.sums, problem->units, problem->n_units,
			problem->micro_batches, MAX_STEP_NS, err);
	if (rc)
		return rc;
	answer->n_stages = t.n_stages;
	answer->first_unit[0] = 0;
	answer->slowest_ns = minimax(&t);
	most_even(&t, answer->slowest_ns, answer);
	for (uint32_t s = 0; s < t.n_stages; s++)
		answer->stage_ns[s] =
			range_ns(&t, answer->first_unit[s], answer->first_unit[s + 1]);
	return 0;
}
