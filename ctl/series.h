/* Points of a curve in bounded memory: when there is no more room, neighbours are averaged. */
#ifndef FTP_CTL_SERIES_H
#define FTP_CTL_SERIES_H

#include <stdint.h>

#define FTP_SERIES_POINTS 1024

struct ftp_series {
	double x[FTP_SERIES_POINTS], y[FTP_SERIES_POINTS];
	uint32_t n;
	uint64_t stride;    /* values that one point is the mean of; 0: none was added yet */
	uint64_t n_pending; /* of the point that is not yet in x and y */
	double sum_x, sum_y;
	uint64_t n_lost; /* values that were no numbers */
};

/* Values that are not finite are counted, not kept. */
void ftp_series_add(struct ftp_series *s, double x, double y);

/* The last values, fewer than stride of them, as a point of their own. Once, at the end. */
void ftp_series_finish(struct ftp_series *s);

/* The median of n values, which it sorts; 0 of none. */
double ftp_series_median(double *values, uint32_t n);

#endif
