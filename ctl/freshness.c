#include "ctl/freshness.h"

#include <math.h>

static double larger(double a, double b)
{
	return a > b ? a : b;
}

uint64_t ftp_freshness_least(const struct ftp_freshness_load *load)
{
	double s = 0, steps;

	if (load->step_s <= 0)
		return FTP_FRESHNESS_FIRST;
	if (load->max_bytes_per_s)
		s = (double)load->bytes / (double)load->max_bytes_per_s;
	if (load->max_share > 0)
		s = larger(s, load->cost_s / load->max_share);
	steps = ceil(s / load->step_s);
	if (!(steps >= 1))
		return 1;
	return steps < FTP_FRESHNESS_MOST ? (uint64_t)steps : FTP_FRESHNESS_MOST;
}

uint64_t ftp_freshness_period(uint64_t now, const struct ftp_freshness_load *load)
{
	uint64_t least = ftp_freshness_least(load);

	if (load->step_s <= 0)
		return now ? now : least;
	if (now >= least && now <= least + (least + 3) / 4)
		return now;
	return least + least / 8;
}
