/* The report of a run: one self-contained HTML page from what is in its directory, however much
 * that is. One thread. */
#ifndef FTP_CTL_REPORT_H
#define FTP_CTL_REPORT_H

#include <stdio.h>

#include "ctl/report_data.h"

/* To a stream; whether that went well is the stream's to say. */
void ftp_report_write(FILE *f, const struct ftp_report_data *d);

/* Its parts, one file each. */
void ftp_report_write_tables(FILE *f, const struct ftp_report_data *d);
void ftp_report_write_gantt(FILE *f, const struct ftp_report_data *d);

#endif
