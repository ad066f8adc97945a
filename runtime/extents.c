#include "runtime/extents.h"

#include "runtime/base/sort.h"

static int by_place(const void *a, const void *b)
{
	const struct ftp_extent *x = a, *y = b;

	if (x->segment != y->segment)
		return x->segment < y->segment ? -1 : 1;
	return (x->offset > y->offset) - (x->offset < y->offset);
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint32_t ftp_extents_holes(struct ftp_extent *holes, struct ftp_extent *used, uint32_t n_used,
	struct ftp_extent *segments, uint32_t n_segments)
{
	uint32_t n = 0, u = 0;

	ftp_sort(used, n_used, sizeof(*used), by_place);
	ftp_sort(segments, n_segments, sizeof(*segments), by_place);
	for (uint32_t s = 0; s < n_segments; s++) {
		uint64_t at = 0, end = segments[s].bytes;

		while (u < n_used && used[u].segment < segments[s].segment)
			u++;
		for (; u < n_used && used[u].segment == segments[s].segment; u++) {
			uint64_t begins = least(used[u].offset, end);
			uint64_t ends = begins + least(used[u].bytes, end - begins);

			if (begins > at)
				holes[n++] =
					(struct ftp_extent){segments[s].segment, at, begins - at};
			if (ends > at)
				at = ends;
		}
		if (end > at)
			holes[n++] = (struct ftp_extent){segments[s].segment, at, end - at};
	}
	return n;
}

bool ftp_extents_take(
	struct ftp_extent *holes, uint32_t n_holes, uint64_t bytes, struct ftp_extent *out)
{
	for (uint32_t i = 0; i < n_holes; i++) {
		if (holes[i].bytes < bytes)
			continue;
		*out = (struct ftp_extent){holes[i].segment, holes[i].offset, bytes};
		holes[i].offset += bytes;
		holes[i].bytes -= bytes;
		return true;
	}
	return false;
}
