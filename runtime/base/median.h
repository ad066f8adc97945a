/* Median and median absolute deviation, of a few measurements. Pure; any thread. */
#ifndef FTP_BASE_MEDIAN_H
#define FTP_BASE_MEDIAN_H

#include <stddef.h>
#include <stdint.h>

/* Sorts the values; the upper one of two in the middle, 0 of none. */
uint64_t ftp_median(uint64_t *values, size_t n);

/* Replaces the values by their distances from centre; the median of those. */
uint64_t ftp_median_deviation(uint64_t *values, size_t n, uint64_t centre);

#endif
