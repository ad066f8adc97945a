/* A node's connection to the coordinator, after runtime/control_link.c: when it is lost the worker
 * trains on, and the node joins again as what it is. */
#include <stdlib.h>
#include <string.h>

#include "tests/sim/cluster.h"
#include "tests/sim/node.h"

#define FIRST_NS    (10 * FTP_NS_PER_S) /* for the first connection */
#define PATIENCE_NS (60 * FTP_NS_PER_S) /* for another one */
#define RETRY_NS    (50 * FTP_NS_PER_MS)

static struct sim_world *world_of(struct sim_node *n)
{
	return &n->cluster->world;
}

void sim_node_say(struct sim_node *n, const char *method, json_t *body)
{
	if (n->is_joined)
		sim_rpc_notify(&n->rpc, method, body);
	else
		json_decref(body);
}

static void join(struct sim_node *n)
{
	struct ftp_join m = {.protocol = FTP_PROTOCOL_VERSION,
		.incarnation = n->incarnation,
		.pid = n->pid,
		.version = FTP_VERSION,
		.cpu = "simulated",
		.isa = "avx2",
		.n_cores = 1,
		.udp_port = {(uint16_t)(10000 + 2 * n->pid), (uint16_t)(10001 + 2 * n->pid)},
		.config = {1, 2},
		.dataset = {3, 4},
		.n_train = 1000};

	snprintf(m.name, sizeof(m.name), "%s", n->process->name);
	ftp_standing_tell(&n->standing, &n->ledger, &m);
	if (n->cluster->spec.plant == SIM_PLANT_HALTED_IN_FORCE)
		m.term = n->standing.term;
	sim_judge_join(n->cluster, n, &m);
	sim_rpc_call(&n->rpc, 1, FTP_METHOD_JOIN, ftp_join_encode(&m), 0);
}

void sim_node_connect(struct sim_node *n)
{
	struct sim_coordinator *s = n->cluster->coordinator;
	uint64_t now_ns = world_of(n)->now_ns;

	if (n->give_up_ns == FTP_NS_NEVER)
		n->give_up_ns = now_ns + FIRST_NS;
	if (now_ns >= n->give_up_ns) {
		sim_milestone(world_of(n), n->process, "gives the coordinator up");
		sim_node_leave(n, 1, "the coordinator has not come back");
		return;
	}
	if (!s->process->alive || ftp_standing_is_busy(&n->standing)) {
		sim_timer(world_of(n), n->process, now_ns + RETRY_NS, SIM_CONNECT, 0);
		return;
	}
	if (s->n_conns == SIM_MAX_CONNS) {
		oracle_fail(&n->cluster->oracle, "%s joins again and again", n->process->name);
		return;
	}
	n->rpc = (struct sim_rpc){.world = world_of(n),
		.process = n->process,
		.conn = sim_coordinator_accept(s, n->process)};
	n->is_linked = true;
	if (!n->standing.run)
		n->give_up_ns = FTP_NS_NEVER;
	join(n);
}

void sim_node_joined(struct sim_node *n, const struct sim_rpc_message *m)
{
	struct ftp_joined joined;
	bool is_first = !n->standing.run;

	if (m->code) {
		sim_node_leave(n, 1, m->text);
		return;
	}
	ftp_assert(!ftp_joined_decode(&joined, m->body, NULL));
	if (is_first)
		sim_node_disk_claim(n);
	n->standing.run = joined.run;
	n->is_joined = true;
	n->give_up_ns = FTP_NS_NEVER;
	ftp_ledger_tell_after(&n->ledger, joined.row);
	sim_node_progress(n);
	if (n->said_finished.step && n->said_finished.term == n->standing.term)
		sim_node_say_finished(n);
}

/* A plan that was never answered to be prepared will not be committed. */
static void forget_preparing(struct sim_node *n)
{
	n->standing.calls[FTP_CALL_ABANDON] = FTP_STANDING_ORPHAN;
	if (!n->hangs)
		sim_node_happen(n, &(struct ftp_transition_event){.kind = FTP_TRANSITION_ABANDON,
					   .term = n->standing.next_term});
}

void sim_node_lose_coordinator(struct sim_node *n, const char *why)
{
	sim_milestone(world_of(n), n->process, "lost the coordinator: %s", why);
	if (!n->process->alive)
		return;
	n->is_linked = n->is_joined = false;
	if (n->give_up_ns == FTP_NS_NEVER)
		n->give_up_ns = world_of(n)->now_ns + PATIENCE_NS;
	if (ftp_standing_lose_coordinator(&n->standing))
		forget_preparing(n);
	sim_timer(world_of(n), n->process, world_of(n)->now_ns + RETRY_NS, SIM_CONNECT, 0);
}

/* Unless the connection that it was asked over is gone. result is taken. */
static void answer_once(struct sim_node *n, uint64_t *call, const char *method, json_t *result)
{
	if (*call != FTP_STANDING_ORPHAN)
		sim_rpc_answer(&n->rpc, *call, method, 0, result, "");
	else
		json_decref(result);
	*call = 0;
}

void sim_node_answer_profile(struct sim_node *n)
{
	struct ftp_profile *m = calloc(1, sizeof(*m));

	ftp_assert(m);
	m->n_units = n->cluster->spec.n_units;
	for (uint32_t u = 0; u < m->n_units; u++) {
		m->forward_ns[u] = sim_cluster_unit_ns(n->cluster, u);
		m->backward_ns[u] = 2 * m->forward_ns[u];
		m->update_ns[u] = m->forward_ns[u] / 5;
		m->version_bytes[u] = m->fixed_bytes[u] = m->slot_bytes[u] = 1 << 20;
	}
	answer_once(n, &n->standing.profile_call, FTP_METHOD_PROFILE, ftp_profile_encode(m));
	free(m);
}

void sim_node_answer_probe(struct sim_node *n)
{
	struct ftp_links m = {.n_peers = 0};

	for (uint32_t i = 0; i < n->cluster->config.n_nodes; i++) {
		if (i == n->index)
			continue;
		m.peer[m.n_peers] = i;
		m.rtt_ns[m.n_peers] = 100000;
		m.bytes_per_s[m.n_peers++] = 100000000;
	}
	answer_once(n, &n->standing.probe_call, FTP_METHOD_PROBE, ftp_links_encode(&m));
}
