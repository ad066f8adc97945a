/* The operator of a run that waits (ctl/coordinator_wait.c): whether it should wait, and what ends
 * it. */
#include <string.h>

#include "ctl/coordinator_state.h"
#include "tests/sim/cluster.h"

#define RESTART_NS (2 * FTP_NS_PER_S)  /* of waiting, until the operator starts who is gone */
#define RECOVER_NS (12 * FTP_NS_PER_S) /* and until it is told to begin anew */

static bool stays(const struct sim_cluster *c, uint32_t node)
{
	return !sim_cluster_is_ghost(c, c->nodes[node]) &&
	       !c->coordinator.core->nodes[node].leaving;
}

/* There must be a unit of what was stable that no node of the run has, or no node. */
static void check_wait(struct sim_cluster *c)
{
	uint64_t step = c->coordinator.core->snapshots.stable_step;
	uint32_t n_live = 0, u = 0, i;

	for (i = 0; i < c->spec.n_nodes; i++)
		n_live += stays(c, i) && !c->coordinator.core->nodes[i].measuring;
	for (; u < c->spec.n_units && step; u++) {
		for (i = 0; i < c->spec.n_nodes; i++)
			if (stays(c, i) && c->nodes[i]->ever_stored[step] >> u & 1)
				break;
		if (i == c->spec.n_nodes)
			return;
	}
	if (n_live && !strstr(c->coordinator.core->recovery.waits_for, "no going on without"))
		oracle_fail(&c->oracle, "the run waits, but step %llu is held whole",
			(unsigned long long)step);
}

/* The operator starts all that are gone; what they had is lost with their processes. */
void sim_operator_attend(struct sim_cluster *c)
{
	const struct ftp_coordinator *core = c->coordinator.core;

	if (!c->coordinator.process->alive || !ftp_coordinator_waits(core)) {
		if (!c->coordinator.process->alive || !ftp_coordinator_recovering(core))
			c->wait_ns = 0;
		return;
	}
	if (!c->wait_ns) {
		c->wait_ns = c->world.now_ns;
		c->is_recover_asked = false;
		c->n_waits++;
		check_wait(c);
	}
	for (uint32_t i = 0; i < c->spec.n_nodes; i++) {
		if (c->world.now_ns < c->wait_ns + RESTART_NS || core->nodes[i].live)
			continue;
		if (c->nodes[i]->process->alive && !sim_cluster_is_ghost(c, c->nodes[i]))
			continue; /* on its way */
		if (c->nodes[i]->process->alive)
			sim_process_end(&c->world, c->nodes[i]->process);
		sim_node_new(c, i);
	}
	if (c->world.now_ns < c->wait_ns + RECOVER_NS || c->is_recover_asked)
		return;
	c->is_recover_asked = true;
	sim_coordinator_ask(&c->coordinator, FTP_METHOD_RECOVER, json_object(), 0);
}
