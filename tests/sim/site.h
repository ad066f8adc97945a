/* The site: who starts processes and starts them again, after ctl/supervisor_run.c, and the power
 * that all of them and their disks depend on. It does not fail by itself. */
#ifndef FTP_TESTS_SIM_SITE_H
#define FTP_TESTS_SIM_SITE_H

#include "tests/sim/node.h"

struct sim_fault;

/* The coordinator and all nodes. */
void sim_site_begin(struct sim_cluster *c);
/* The process is over; what it had on its disk stays, written or not. */
void sim_site_end(struct sim_cluster *c, struct sim_process *p);
/* It was killed: the supervisor notices, tells, and starts it again. */
void sim_site_kill(struct sim_cluster *c, struct sim_process *p);
/* A node's process has ended: likewise. */
void sim_site_exited(struct sim_cluster *c, const struct sim_node *n, uint32_t code,
	uint32_t signal, const char *reason);
/* All processes are over, what was not synced may be lost; all but those that the fault names come
 * back, one after the other. */
void sim_site_cut_power(struct sim_cluster *c, const struct sim_fault *f);
/* The coordinator's machine alone. */
void sim_site_crash(struct sim_cluster *c);
/* Of a node that does not run: its disk is replaced, or part of it rots. */
void sim_site_wipe(struct sim_cluster *c, uint32_t node);
void sim_site_damage(struct sim_cluster *c, uint32_t node);
/* Of a node that runs: operations fail, or it is full or slow for a while. */
void sim_site_fail_disk(struct sim_cluster *c, const struct sim_fault *f);
/* No coordinator runs, and none will. */
bool sim_site_is_over(const struct sim_cluster *c);
/* Somebody is to be started. */
bool sim_site_is_busy(const struct sim_cluster *c);
void sim_site_free(struct sim_cluster *c); /* after the world */

#endif
