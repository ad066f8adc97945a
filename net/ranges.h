/* Set of numbers as a few ranges, highest first: which packet numbers (RFC 9000 section 13.2.3) or
 * grants have been seen. Pure; one owner. */
#ifndef FTP_NET_RANGES_H
#define FTP_NET_RANGES_H

#include <stdbool.h>
#include <stdint.h>

#define FTP_RANGES_MAX 32

struct ftp_range {
	uint64_t first, last; /* inclusive */
};

struct ftp_ranges {
	uint32_t n;
	uint64_t floor; /* every number below counts as seen */
	struct ftp_range ranges[FTP_RANGES_MAX];
};

/* Empties the set; numbers below floor count as seen. */
void ftp_ranges_reset(struct ftp_ranges *r, uint64_t floor);

bool ftp_ranges_contains(const struct ftp_ranges *r, uint64_t number);

/* false: number was there. When a range more than FTP_RANGES_MAX is needed, the lowest is given up
 * and the floor rises above it. */
bool ftp_ranges_add(struct ftp_ranges *r, uint64_t number);

/* Adding any number gives up nothing. */
static inline bool ftp_ranges_has_room(const struct ftp_ranges *r)
{
	return r->n < FTP_RANGES_MAX;
}

#endif
