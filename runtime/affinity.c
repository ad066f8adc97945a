#include "runtime/affinity.h"

#include <errno.h>
#include <string.h>

#include "ctl/cores.h"

int ftp_affinity_pin(const char *cores, struct ftp_error *err)
{
	cpu_set_t wanted, available, usable;
	char have[256];
	int rc;

	if (!cores[0])
		return 0;
	rc = ftp_cores_parse(cores, &wanted, err);
	if (rc)
		return rc;
	ftp_cores_available(&available);
	CPU_AND(&usable, &wanted, &available);
	if (!CPU_EQUAL(&usable, &wanted)) {
		ftp_cores_print(&available, have, sizeof(have));
		return ftp_error_set(err, EINVAL,
			"cores '%s' are not all available: this process may use %s; change "
			"nodes[].cores or the cpuset",
			cores, have);
	}
	if (sched_setaffinity(0, sizeof(wanted), &wanted))
		return ftp_error_set(
			err, errno, "cannot pin to cores '%s': %s", cores, strerror(errno));
	return 0;
}
