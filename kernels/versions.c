#include "kernels/versions.h"

#include <stdlib.h>

#include "runtime/base/error.h"

void ftp_versions_init(struct ftp_versions *v, int n, int n_slots)
{
	ftp_assert(n >= 1 && n_slots >= 1);
	*v = (struct ftp_versions){.n = n, .n_slots = n_slots};
	v->serial = calloc((size_t)n, sizeof(*v->serial));
	v->n_holders = calloc((size_t)n, sizeof(*v->n_holders));
	v->held = calloc((size_t)n_slots, sizeof(*v->held));
	v->order = calloc((size_t)n, sizeof(*v->order));
	ftp_assert(v->serial && v->n_holders && v->held && v->order);
	ftp_versions_reset(v);
}

void ftp_versions_deinit(struct ftp_versions *v)
{
	free(v->serial);
	free(v->n_holders);
	free(v->held);
	free(v->order);
	*v = (struct ftp_versions){0};
}

int ftp_versions_hold(struct ftp_versions *v, int slot)
{
	ftp_versions_let_go(v, slot);
	v->held[slot] = v->newest;
	v->n_holders[v->newest]++;
	return v->newest;
}

int ftp_versions_held(const struct ftp_versions *v, int slot)
{
	ftp_assert(slot >= 0 && slot < v->n_slots && v->held[slot] >= 0);
	return v->held[slot];
}

void ftp_versions_let_go(struct ftp_versions *v, int slot)
{
	ftp_assert(slot >= 0 && slot < v->n_slots);
	if (v->held[slot] >= 0)
		v->n_holders[v->held[slot]]--;
	v->held[slot] = -1;
}

int ftp_versions_spare(const struct ftp_versions *v)
{
	int spare = -1;

	for (int i = 0; i < v->n; i++)
		if (!v->n_holders[i] && (v->n == 1 || i != v->newest) &&
			(spare < 0 || v->serial[i] < v->serial[spare]))
			spare = i;
	ftp_assert(spare >= 0);
	return spare;
}

void ftp_versions_publish(struct ftp_versions *v, int buffer)
{
	ftp_assert(buffer >= 0 && buffer < v->n && !v->n_holders[buffer]);
	v->newest = buffer;
	v->serial[buffer] = ++v->n_made;
}

int ftp_versions_own(const struct ftp_versions *v)
{
	ftp_assert(!v->n_holders[v->newest]);
	return v->newest;
}

void ftp_versions_reset(struct ftp_versions *v)
{
	for (int i = 0; i < v->n; i++) {
		v->serial[i] = 0;
		v->n_holders[i] = 0;
	}
	for (int i = 0; i < v->n_slots; i++)
		v->held[i] = -1;
	v->n_made = 1;
	v->serial[v->newest] = 1;
}

int ftp_versions_list(struct ftp_versions *v, const int **order)
{
	int n = 0;

	for (int i = 0; i < v->n; i++) {
		int at = n;

		if (!v->serial[i])
			continue;
		for (; at > 0 && v->serial[v->order[at - 1]] > v->serial[i]; at--)
			v->order[at] = v->order[at - 1];
		v->order[at] = i;
		n++;
	}
	*order = v->order;
	return n;
}
