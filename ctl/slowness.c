#include "ctl/slowness.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FOLLOW	    0.1	 /* share of the difference that one step moves the value by */
#define NOISE_SHARE 0.05 /* of one step in the mean */
#define NOISE_TIMES 3	 /* a lasting difference of so many times the noise is a change */
#define NOISE_MOST  0.2	 /* so that no noise hides a node of twice the time */

void ftp_slowness_init(struct ftp_slowness *s, double value)
{
	*s = (struct ftp_slowness){.value = value};
}

void ftp_slowness_restart(struct ftp_slowness *s)
{
	s->n = 0;
}

bool ftp_slowness_differs(double a, double b, double by)
{
	return a > b * (1 + by) || b > a * (1 + by);
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The lower one of an even number: a hiccup makes a step longer, never shorter. */
static double median(const double *values, uint32_t n)
{
	double sorted[FTP_SLOWNESS_WINDOW];

	memcpy(sorted, values, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), ascending);
	return sorted[(n - 1) / 2];
}

static void note_noise(struct ftp_slowness *s, double ratio)
{
	double off = fabs(ratio / s->value - 1);

	s->noise += NOISE_SHARE * (fmin(off, NOISE_MOST) - s->noise);
}

bool ftp_slowness_note(struct ftp_slowness *s, double ratio)
{
	uint32_t n = s->n < FTP_SLOWNESS_WINDOW ? s->n + 1 : FTP_SLOWNESS_WINDOW, n_agree = 0;
	double agreed[FTP_SLOWNESS_WINDOW], middle;

	if (!(ratio > 0) || !isfinite(ratio))
		return false;
	s->recent[s->n++ % FTP_SLOWNESS_WINDOW] = ratio;
	note_noise(s, ratio);
	middle = median(s->recent, n);
	for (uint32_t i = 0; i < n; i++)
		if (!ftp_slowness_differs(s->recent[i], middle, FTP_SLOWNESS_SPREAD))
			agreed[n_agree++] = s->recent[i];
	if (n_agree < FTP_SLOWNESS_AGREE)
		return false;
	middle = median(agreed, n_agree);
	if (ftp_slowness_differs(
		    middle, s->value, fmax(FTP_SLOWNESS_CHANGE, NOISE_TIMES * s->noise))) {
		s->value = middle;
		return true;
	}
	s->value += FOLLOW * (middle - s->value);
	return false;
}
