/* The operator of a run that waits (ctl/coordinator_wait.c): whether it should wait, and what ends
 * it. */
#include <string.h>

#include "ctl/coordinator_state.h"
#include "ctl/protocol_operator.h"
#include "tests/sim/cluster.h"

#define RESTART_NS (2 * FTP_NS_PER_S)	 /* of waiting, until the operator starts who is gone */
#define JOIN_NS	   (100 * FTP_NS_PER_MS) /* that a new process gets */
#define RECOVER_NS (12 * FTP_NS_PER_S)	 /* and until it is told to begin anew */
#define MEND_NS	   (150 * FTP_NS_PER_S)	 /* and until all links work again */

/* Once for whatever it waits for; only unit states can be given up. */
static void ask_to_recover(struct sim_cluster *c, enum ftp_wait_kind kind)
{
	const struct ftp_recover m = {.from_beginning = kind == FTP_WAIT_STATES};

	if (kind == FTP_WAIT_NODES || c->recovers_asked & 1u << kind)
		return;
	c->recovers_asked |= 1u << kind;
	c->recover_ns = c->world.now_ns;
	sim_coordinator_ask(c->coordinator, FTP_METHOD_RECOVER, ftp_recover_encode(&m), 0);
}

/* The operator starts all that are gone, with what they have on their disks. */
void sim_operator_attend(struct sim_cluster *c)
{
	const struct ftp_coordinator *core = c->coordinator->core;

	if (sim_process_is_frozen(&c->world, c->coordinator->process))
		return;
	if (!c->coordinator->process->alive ||
		!(ftp_coordinator_waits(core) || ftp_coordinator_resume_waits(core))) {
		if (!c->coordinator->process->alive || !ftp_coordinator_recovering(core))
			c->wait_ns = 0;
		return;
	}
	if (!c->wait_ns) {
		c->wait_ns = c->world.now_ns;
		c->recovers_asked = 0;
		c->n_waits++;
		snprintf(c->waited_for, sizeof(c->waited_for), "%s", core->recovery.waits_for);
		if (ftp_coordinator_waits(core))
			sim_judge_wait(c);
	}
	for (uint32_t i = 0; i < c->config.n_nodes; i++) {
		if (c->world.now_ns < c->wait_ns + RESTART_NS || core->nodes[i].live ||
			c->world.now_ns < c->begun_ns[i] + JOIN_NS)
			continue;
		if (c->nodes[i]->process->alive && !sim_cluster_is_ghost(c, c->nodes[i]))
			continue; /* on its way */
		if (c->nodes[i]->process->alive)
			sim_site_end(c, c->nodes[i]->process);
		sim_node_new(c, i);
		c->begun_ns[i] = c->world.now_ns;
	}
	if (!ftp_coordinator_waits(core))
		return;
	if (c->world.now_ns >= c->wait_ns + RECOVER_NS)
		ask_to_recover(c, core->recovery.wait_kind);
	if (core->recovery.wait_kind == FTP_WAIT_PLAN)
		sim_judge_parted(c);
	if (c->world.now_ns >= c->wait_ns + MEND_NS)
		sim_mend(&c->world);
}
