/* Core lists as people write them: "0-3,6". Pure but for ftp_cores_available(); any thread. */
#ifndef FTP_CTL_CORES_H
#define FTP_CTL_CORES_H

#include <sched.h>

#include "runtime/base/error.h"

#define FTP_CORES_AUTO "auto"

/* Ascending, at least one, each below CPU_SETSIZE. -EINVAL with the expected form. */
int ftp_cores_parse(const char *text, cpu_set_t *set, struct ftp_error *err);

/* The shortest list: "0-3,6"; "" for the empty set. */
void ftp_cores_print(const cpu_set_t *set, char *text, size_t bytes);

/* The cores that this process may run on: its affinity mask, which a container's cpuset narrows. */
void ftp_cores_available(cpu_set_t *set);

#endif
