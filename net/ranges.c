#include "net/ranges.h"

#include <string.h>

void ftp_ranges_reset(struct ftp_ranges *r, uint64_t floor)
{
	r->n = 0;
	r->floor = floor;
}

/* The index of the first range that begins at or below number. */
static uint32_t position(const struct ftp_ranges *r, uint64_t number)
{
	uint32_t i = 0;

	while (i < r->n && r->ranges[i].first > number)
		i++;
	return i;
}

bool ftp_ranges_contains(const struct ftp_ranges *r, uint64_t number)
{
	uint32_t i = position(r, number);

	return number < r->floor || (i < r->n && number <= r->ranges[i].last);
}

static void insert(struct ftp_ranges *r, uint32_t i, uint64_t number)
{
	if (i == FTP_RANGES_MAX) {
		r->floor = number + 1;
		return;
	}
	if (r->n == FTP_RANGES_MAX)
		r->floor = r->ranges[--r->n].last + 1;
	memmove(&r->ranges[i + 1], &r->ranges[i], (r->n - i) * sizeof(r->ranges[0]));
	r->ranges[i] = (struct ftp_range){number, number};
	r->n++;
}

bool ftp_ranges_add(struct ftp_ranges *r, uint64_t number)
{
	uint32_t i;
	bool joins_below, joins_above;

	if (number < r->floor)
		return false;
	i = position(r, number);
	if (i < r->n && number <= r->ranges[i].last)
		return false;
	joins_below = i < r->n && r->ranges[i].last + 1 == number;
	joins_above = i > 0 && r->ranges[i - 1].first == number + 1;
	if (joins_below && joins_above) {
		r->ranges[i - 1].first = r->ranges[i].first;
		r->n--;
		memmove(&r->ranges[i], &r->ranges[i + 1], (r->n - i) * sizeof(r->ranges[0]));
	} else if (joins_below) {
		r->ranges[i].last = number;
	} else if (joins_above) {
		r->ranges[i - 1].first = number;
	} else {
		insert(r, i, number);
	}
	return true;
}
