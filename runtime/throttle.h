/* Throttle: emulated slowness of a node. A task that took t of its own CPU time ends at slowdown *
 * t after it began; until then the core is free for others. Pure: times come in. One thread.
 *
 * A limit on the CPU share (cgroup) was not taken: its period of some 100 ms is longer than a task,
 * so a node would run at full speed, then stand still.
 */
#ifndef FTP_RUNTIME_THROTTLE_H
#define FTP_RUNTIME_THROTTLE_H

#include <stdbool.h>
#include <stdint.h>

struct ftp_throttle {
	double slowdown;   /* >= 1; 1: nothing waits, and nobody needs to read a CPU clock */
	uint64_t began_ns; /* the task, or its part under the present slowdown */
	uint64_t cpu_ns;   /* that it has used since */
};

void ftp_throttle_init(struct ftp_throttle *t, double slowdown);
static inline bool ftp_throttle_is_on(const struct ftp_throttle *t)
{
	return t->slowdown > 1;
}

void ftp_throttle_begin(struct ftp_throttle *t, uint64_t now_ns);

/* The task's last primitive used cpu_ns and ended at now_ns. Gives the time before which neither
 * the task's next primitive nor, at_end, the task's end may come; 0: now. A debt that is too short
 * to sleep for is kept for the next primitive, except at_end. */
uint64_t ftp_throttle_resume_ns(
	struct ftp_throttle *t, uint64_t cpu_ns, bool at_end, uint64_t now_ns);

/* Counts from now on; what a task under way has used before counts as it was. */
void ftp_throttle_set(struct ftp_throttle *t, double slowdown, uint64_t now_ns);

#endif
