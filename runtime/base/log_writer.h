/* Writes the lines of the log to stderr, for runtime/base/log.c: whole, one write(2) each, and what
 * could not be written is counted. Any thread.
 *
 * With a thread of its own nobody waits for a disk that hangs: it is handed the line, and its
 * caller goes on when that is written, or after FTP_LOG_WAIT_NS without; so a kill -9 in the next
 * moment costs no line either, as long as the disk answers. What others write to stderr (abort, a
 * sanitizer) goes there directly. A pipe to the supervisor instead would lose what is in it when
 * both are killed, and what does not fit into it of a sanitizer's report. */
#ifndef FTP_BASE_LOG_WRITER_H
#define FTP_BASE_LOG_WRITER_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/base/clock.h"

#define FTP_LOG_LINE_BYTES 2560
#define FTP_LOG_LINES	   256 /* that wait for the thread at most; later ones are dropped */
#define FTP_LOG_WAIT_NS	   (10 * FTP_NS_PER_MS)
#define FTP_LOG_EXIT_NS	   FTP_NS_PER_S /* for what still waits when the process exits */

/* The line that tells how many are missing before it; returns its length. */
typedef int ftp_log_writer_notice(char line[FTP_LOG_LINE_BYTES], uint64_t n_dropped);

void ftp_log_writer_put(const char *line, size_t bytes, ftp_log_writer_notice *notice);

/* From now on by a thread of its own, until the process ends. Before there are other threads. */
void ftp_log_writer_start(void);

#endif
