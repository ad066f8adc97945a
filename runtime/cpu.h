/* What processor this is, for people and for the run's record. */
#ifndef FTP_RUNTIME_CPU_H
#define FTP_RUNTIME_CPU_H

#include <stddef.h>
#include <stdint.h>

void ftp_cpu_name(char *text, size_t bytes); /* "AMD EPYC"; "unknown" */
uint32_t ftp_cpu_count(void);		     /* cores that this process may use */

#endif
