#include "runtime/throttle.h"

#include "runtime/base/clock.h"

#define MIN_DEBT_NS (200 * FTP_NS_PER_US) /* a sleep ends up to 100 us late */

void ftp_throttle_init(struct ftp_throttle *t, double slowdown)
{
	*t = (struct ftp_throttle){.slowdown = slowdown};
}

void ftp_throttle_begin(struct ftp_throttle *t, uint64_t now_ns)
{
	t->began_ns = now_ns;
	t->cpu_ns = 0;
}

uint64_t ftp_throttle_resume_ns(
	struct ftp_throttle *t, uint64_t cpu_ns, bool at_end, uint64_t now_ns)
{
	uint64_t due_ns;

	t->cpu_ns += cpu_ns;
	due_ns = t->began_ns + (uint64_t)((double)t->cpu_ns * t->slowdown);
	return due_ns > now_ns + (at_end ? 0 : MIN_DEBT_NS) ? due_ns : 0;
}

void ftp_throttle_set(struct ftp_throttle *t, double slowdown, uint64_t now_ns)
{
	t->slowdown = slowdown;
	ftp_throttle_begin(t, now_ns);
}
