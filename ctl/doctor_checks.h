/* The checks of ctl/doctor.c, each fills state, need, have and fix. config is NULL only where the
 * table says so. */
#ifndef FTP_CTL_DOCTOR_CHECKS_H
#define FTP_CTL_DOCTOR_CHECKS_H

#include "ctl/doctor.h"

typedef void ftp_doctor_check(const struct ftp_config *config, struct ftp_doctor_result *r);

/* doctor_cpu.c */
ftp_doctor_check ftp_doctor_cpu, ftp_doctor_cores, ftp_doctor_openmp;
/* doctor_memory.c */
ftp_doctor_check ftp_doctor_memory, ftp_doctor_hugepages, ftp_doctor_memlock;
/* doctor_site.c */
ftp_doctor_check ftp_doctor_dpdk, ftp_doctor_ports, ftp_doctor_data, ftp_doctor_data_dir;

/* The number after `key` in a /proc or /sys file, or the first one when key is ""; -1: none. */
long long ftp_doctor_read_number(const char *file, const char *key);

#define FTP_DOCTOR_SAY(field, ...) snprintf((field), sizeof(field), __VA_ARGS__)

#endif
