/* Extents: where in the segments there is room. Pure; what is used comes from the records that may
 * still be needed, so that nothing about free space is ever stored. Any thread. */
#ifndef FTP_RUNTIME_EXTENTS_H
#define FTP_RUNTIME_EXTENTS_H

#include <stdbool.h>
#include <stdint.h>

struct ftp_extent {
	uint32_t segment;
	uint64_t offset, bytes;
};

/* What no used extent covers of the segments, in the order of segments; returns how many.
 * room: n_used + n_segments are enough. Sorts both arrays. Used extents may overlap, or lie
 * outside. */
uint32_t ftp_extents_holes(struct ftp_extent *holes, struct ftp_extent *used, uint32_t n_used,
	struct ftp_extent *segments, uint32_t n_segments);

/* First fit, so that what is taken together lies together. false: no hole is large enough. */
bool ftp_extents_take(
	struct ftp_extent *holes, uint32_t n_holes, uint64_t bytes, struct ftp_extent *out);

#endif
