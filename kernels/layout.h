/* The one activation layout: blocked [n][c/16][h][w][16] f32, channels padded to 16 with zeros.
 * Only the model's input and the loss layer's input are dense [n][c][h][w]. */
#ifndef FTP_KERNELS_LAYOUT_H
#define FTP_KERNELS_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/model.h"

#define FTP_BLOCK 16 /* channels of a block: one AVX512 register of f32 */

static inline int32_t ftp_layout_pad(int32_t c)
{
	return (c + FTP_BLOCK - 1) / FTP_BLOCK * FTP_BLOCK;
}

static inline size_t ftp_layout_floats(struct ftp_shape s, int n, bool dense)
{
	return (size_t)n * (size_t)(dense ? s.c : ftp_layout_pad(s.c)) * (size_t)s.h * (size_t)s.w;
}

/* A vector of floats rounded up to whole cache lines. */
static inline size_t ftp_layout_align(size_t floats)
{
	return (floats + FTP_BLOCK - 1) / FTP_BLOCK * FTP_BLOCK;
}

#endif
