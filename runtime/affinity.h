/* Pinning: the calling thread, and every thread it starts later, runs on the cores given. */
#ifndef FTP_RUNTIME_AFFINITY_H
#define FTP_RUNTIME_AFFINITY_H

#include "runtime/base/error.h"

/* cores: "0-3,6"; "" leaves the mask as it is. -EINVAL for text that is no core list, or for cores
 * outside the affinity mask, named. */
int ftp_affinity_pin(const char *cores, struct ftp_error *err);

#endif
