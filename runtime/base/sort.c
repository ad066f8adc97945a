#include "runtime/base/sort.h"

#include <string.h>

#include "runtime/base/error.h"

struct array {
	char *at;
	size_t bytes;
	int (*order)(const void *, const void *);
};

static void swap(const struct array *a, size_t i, size_t k)
{
	char copy[FTP_SORT_MAX_BYTES];

	memcpy(copy, a->at + i * a->bytes, a->bytes);
	memcpy(a->at + i * a->bytes, a->at + k * a->bytes, a->bytes);
	memcpy(a->at + k * a->bytes, copy, a->bytes);
}

static int compare(const struct array *a, size_t i, size_t k)
{
	return a->order(a->at + i * a->bytes, a->at + k * a->bytes);
}

/* Element i goes down among the first n until no child is greater. */
static void sift(const struct array *a, size_t i, size_t n)
{
	size_t child;

	while ((child = 2 * i + 1) < n) {
		if (child + 1 < n && compare(a, child, child + 1) < 0)
			child++;
		if (compare(a, i, child) >= 0)
			return;
		swap(a, i, child);
		i = child;
	}
}

void ftp_sort(void *elements, size_t n, size_t bytes, int (*order)(const void *, const void *))
{
	const struct array a = {.at = elements, .bytes = bytes, .order = order};

	ftp_assert(bytes <= FTP_SORT_MAX_BYTES);
	for (size_t i = n / 2; i-- > 0;)
		sift(&a, i, n);
	for (size_t end = n; end-- > 1;) {
		swap(&a, 0, end);
		sift(&a, 0, end);
	}
}
