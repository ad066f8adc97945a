#include "runtime/retention.h"

#include "runtime/base/sort.h"

static int compare(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int by_unit(const void *a, const void *b)
{
	const struct ftp_retention_state *x = a, *y = b;

	if (x->unit != y->unit)
		return compare(x->unit, y->unit);
	return x->step != y->step ? compare(y->step, x->step) : compare(y->term, x->term);
}

static int by_history(const void *a, const void *b)
{
	const struct ftp_retention_state *x = a, *y = b;

	return x->step != y->step ? compare(x->step, y->step) : compare(y->term, x->term);
}

/* is_kept becomes: not of an abandoned history. From the oldest step on, newest term first, a state
 * whose term is not the newest so far has been overtaken. */
static void find_abandoned(struct ftp_retention_state *states, uint32_t n)
{
	uint64_t newest = 0;

	ftp_sort(states, n, sizeof(*states), by_history);
	for (uint32_t i = 0; i < n; i++) {
		if (states[i].term > newest)
			newest = states[i].term;
		states[i].is_kept = states[i].term == newest;
	}
}

void ftp_retention_choose(
	struct ftp_retention_state *states, uint32_t n, uint32_t keep, uint64_t pinned)
{
	uint32_t n_kept = 0;

	find_abandoned(states, n);
	ftp_sort(states, n, sizeof(*states), by_unit);
	for (uint32_t i = 0; i < n; i++) {
		if (!i || states[i].unit != states[i - 1].unit)
			n_kept = 0;
		if (!states[i].is_kept)
			continue;
		if (n_kept++ >= keep)
			states[i].is_kept = pinned && states[i].step == pinned;
	}
}
