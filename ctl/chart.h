/* A chart of curves over one axis as inline SVG, to be styled by ctl/html.c. Any thread. */
#ifndef FTP_CTL_CHART_H
#define FTP_CTL_CHART_H

#include <stdbool.h>
#include <stdio.h>

#include "ctl/series.h"

#define FTP_CHART_COLOURS 6
#define FTP_CHART_WIDTH	  1000 /* of every picture's own coordinates */

struct ftp_chart_line {
	const struct ftp_series *series; /* lent */
	const char *name;
	uint32_t colour; /* modulo FTP_CHART_COLOURS */
	bool dashed;
};

struct ftp_chart_mark { /* something that happened at x */
	double x;
	uint32_t number; /* shown in its badge */
	const char *title;
};

struct ftp_chart {
	const char *title; /* for those who cannot see it */
	const char *x_name, *y_name;
	bool from_zero; /* the y axis begins at 0 */
	const struct ftp_chart_line *lines;
	uint32_t n_lines;
	const struct ftp_chart_mark *marks;
	uint32_t n_marks;
};

/* Nothing, and false, if there is no point to draw. */
bool ftp_chart_write(FILE *f, const struct ftp_chart *chart);

/* Ticks at whole multiples of 1, 2 or 5 times a power of ten: about n of them from low to high. */
double ftp_chart_tick(double low, double high, int n);

#endif
