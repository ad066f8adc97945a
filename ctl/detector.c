#include "ctl/detector.h"

#include <string.h>

#include "runtime/base/median.h"

#define MEDIAN_TIMES	3
#define DEVIATION_TIMES 20

void ftp_detector_restart(struct ftp_detector *d, uint64_t now_ns)
{
	d->heard_ns = now_ns;
}

void ftp_detector_excuse(struct ftp_detector *d, uint64_t ns, uint64_t now_ns)
{
	d->heard_ns = now_ns - d->heard_ns > ns ? d->heard_ns + ns : now_ns;
}

void ftp_detector_heard(struct ftp_detector *d, uint64_t now_ns)
{
	double share = (double)(now_ns - d->heard_ns) / (double)ftp_detector_wait_ns(d);

	d->narrowest = share > d->narrowest ? share : d->narrowest;
	d->interval_ns[d->n++ % FTP_DETECTOR_WINDOW] = now_ns - d->heard_ns;
	d->heard_ns = now_ns;
}

uint64_t ftp_detector_wait_ns(const struct ftp_detector *d)
{
	uint32_t n = d->n < FTP_DETECTOR_WINDOW ? d->n : FTP_DETECTOR_WINDOW;
	uint64_t values[FTP_DETECTOR_WINDOW], median_ns, wait_ns;

	if (n < FTP_DETECTOR_KNOWN)
		return FTP_DETECTOR_FIRST_NS;
	memcpy(values, d->interval_ns, n * sizeof(*values));
	median_ns = ftp_median(values, n);
	if (median_ns >= FTP_DETECTOR_MOST_NS / MEDIAN_TIMES)
		return FTP_DETECTOR_MOST_NS;
	wait_ns = MEDIAN_TIMES * median_ns;
	/* Neither sum overflows: a value is at most the longest silence that was borne. */
	wait_ns += DEVIATION_TIMES * ftp_median_deviation(values, n, median_ns);
	if (wait_ns < FTP_DETECTOR_LEAST_NS)
		return FTP_DETECTOR_LEAST_NS;
	return wait_ns < FTP_DETECTOR_MOST_NS ? wait_ns : FTP_DETECTOR_MOST_NS;
}
