#include "runtime/base/median.h"

#include <stdlib.h>

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

uint64_t ftp_median(uint64_t *values, size_t n)
{
	if (!n)
		return 0;
	qsort(values, n, sizeof(values[0]), compare);
	return values[n / 2];
}

uint64_t ftp_median_deviation(uint64_t *values, size_t n, uint64_t centre)
{
	for (size_t i = 0; i < n; i++)
		values[i] = values[i] > centre ? values[i] - centre : centre - values[i];
	return ftp_median(values, n);
}
