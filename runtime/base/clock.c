#include "runtime/base/clock.h"

#include <stdio.h>
#include <time.h>

static uint64_t read_clock(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * FTP_NS_PER_S + (uint64_t)ts.tv_nsec;
}

uint64_t ftp_clock_now_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

uint64_t ftp_clock_thread_cpu_ns(void)
{
	return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

void ftp_clock_wall_text(char *text, size_t bytes)
{
	struct timespec ts;
	struct tm tm;
	char date[32];

	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text, bytes, "%s.%03ldZ", date, ts.tv_nsec / 1000000);
}

void ftp_clock_sleep_ns(uint64_t ns)
{
	struct timespec ts = {(time_t)(ns / FTP_NS_PER_S), (long)(ns % FTP_NS_PER_S)};

	nanosleep(&ts, NULL);
}
