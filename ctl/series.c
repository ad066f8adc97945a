#include "ctl/series.h"

#include <math.h>
#include <stdlib.h>

static void push(struct ftp_series *s, double x, double y)
{
	s->x[s->n] = x;
	s->y[s->n++] = y;
}

static void halve(struct ftp_series *s)
{
	s->n /= 2;
	for (uint32_t i = 0; i < s->n; i++) {
		s->x[i] = (s->x[2 * i] + s->x[2 * i + 1]) / 2;
		s->y[i] = (s->y[2 * i] + s->y[2 * i + 1]) / 2;
	}
	s->stride *= 2;
}

static void flush(struct ftp_series *s)
{
	push(s, s->sum_x / (double)s->n_pending, s->sum_y / (double)s->n_pending);
	s->sum_x = s->sum_y = 0;
	s->n_pending = 0;
}

void ftp_series_add(struct ftp_series *s, double x, double y)
{
	if (!isfinite(x) || !isfinite(y)) {
		s->n_lost++;
		return;
	}
	if (!s->stride)
		s->stride = 1;
	if (s->n == FTP_SERIES_POINTS)
		halve(s);
	s->sum_x += x;
	s->sum_y += y;
	if (++s->n_pending >= s->stride)
		flush(s);
}

void ftp_series_finish(struct ftp_series *s)
{
	if (!s->n_pending)
		return;
	if (s->n == FTP_SERIES_POINTS)
		halve(s);
	flush(s);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double ftp_series_median(double *values, uint32_t n)
{
	if (!n)
		return 0;
	qsort(values, n, sizeof(*values), compare);
	return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}
