/* Versions of ftpipe and of what it was built with, for `ftpctl version` and the run's record. */
#ifndef FTP_CTL_VERSIONS_H
#define FTP_CTL_VERSIONS_H

#include <jansson.h>

/* A new object, name to text; protocol and wire are numbers. */
json_t *ftp_versions(void);

#endif
