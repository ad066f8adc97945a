/* The only file that reads a clock. Shells read `now` once per loop turn and pass it down; cores
 * never call these. Monotonic nanoseconds are never compared between nodes. Any thread. */
#ifndef FTP_BASE_CLOCK_H
#define FTP_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#define FTP_NS_PER_US 1000ull
#define FTP_NS_PER_MS 1000000ull
#define FTP_NS_PER_S  1000000000ull
#define FTP_NS_NEVER  UINT64_MAX /* a deadline that does not come */

uint64_t ftp_clock_now_ns(void);	/* CLOCK_MONOTONIC */
uint64_t ftp_clock_thread_cpu_ns(void); /* CPU time of the calling thread */

/* Wall-clock time as "2026-01-31T12:00:00.123Z", for people and file names only. */
void ftp_clock_wall_text(char *text, size_t bytes);

/* Sleeps the calling thread; control paths only. */
void ftp_clock_sleep_ns(uint64_t ns);

/* A deadline becomes later; what never comes stays so. */
static inline void ftp_clock_postpone(uint64_t *deadline_ns, uint64_t by_ns)
{
	if (*deadline_ns != FTP_NS_NEVER)
		*deadline_ns += by_ns;
}

#endif
