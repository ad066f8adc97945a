#include "runtime/base/own_files.h"

#include <errno.h>
#include <limits.h>
#include <linux/close_range.h>
#include <string.h>
#include <unistd.h>

#define MAX_KEPT 8
#define FIRST	 3 /* after standard error */

/* The lowest of them that is not below at; UINT_MAX: there is none. */
static unsigned next_kept(const int *keep, int n, unsigned at)
{
	unsigned next = UINT_MAX;

	for (int i = 0; i < n; i++)
		if ((unsigned)keep[i] >= at && (unsigned)keep[i] < next)
			next = (unsigned)keep[i];
	return next;
}

int ftp_own_files(const int *keep, int n, struct ftp_error *err)
{
	unsigned at = FIRST, next;

	ftp_assert(n <= MAX_KEPT);
	do {
		next = next_kept(keep, n, at);
		/* Whichever comes first leaves the shared table. */
		if (next > at && close_range(at, next - 1, CLOSE_RANGE_UNSHARE))
			return ftp_error_set(err, errno, "close_range: %s", strerror(errno));
		at = next + 1;
	} while (next != UINT_MAX);
	return 0;
}
