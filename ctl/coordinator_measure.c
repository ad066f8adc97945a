/* What a plan follows from: the times of the units on each node, and the links between nodes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/coordinator_state.h"

void ftp_coordinator_profile(
	struct ftp_coordinator *c, uint32_t node, uint64_t deadline_ns, struct ftp_actions *a)
{
	struct ftp_profile_ask ask;

	memcpy(ask.isa, c->isa, sizeof(ask.isa));
	ftp_actions_call(a, c->nodes[node].conn, FTP_METHOD_PROFILE, ftp_profile_ask_encode(&ask),
		0, deadline_ns);
}

static void probe(struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a)
{
	struct ftp_probe *m = calloc(1, sizeof(*m));

	ftp_assert(m);
	ftp_coordinator_move(c, FTP_RUN_PROBING, now_ns);
	ftp_actions_log(a, FTP_LOG_INFO, "measuring the links between all nodes");
	c->start.asked = c->awaited = ftp_coordinator_usable(c);
	m->run = c->settings.run;
	m->term = ++c->last_term;
	m->n_nodes = c->n_nodes;
	for (uint32_t i = 0; i < c->n_nodes; i++)
		ftp_coordinator_change_member(c, m->term, &m->nodes[i], i, 0, 0);
	for (uint32_t i = 0; i < c->n_nodes; i++)
		ftp_actions_call(a, c->nodes[i].conn, FTP_METHOD_PROBE, ftp_probe_encode(m),
			m->term, c->deadline_ns);
	free(m);
}

static void profiled_all(struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a)
{
	(!strcmp(c->config->training.cuts, "auto") ? probe : ftp_coordinator_plan_first)(
		c, now_ns, a);
}

/* Where all begin again, those that have been measured are as they were. */
void ftp_coordinator_measure(struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a)
{
	ftp_coordinator_move(c, FTP_RUN_PROFILING, now_ns);
	c->awaited = 0;
	for (uint32_t i = 0; i < c->n_nodes; i++)
		if (!c->start.n_again || !c->nodes[i].profiled)
			c->awaited |= FTP_NODE_BIT(i);
	c->start.asked = c->awaited;
	if (!c->awaited) {
		profiled_all(c, now_ns, a);
		return;
	}
	ftp_actions_log(a, FTP_LOG_INFO, "measuring the model's units on %s nodes",
		c->start.n_again ? "the other" : "all");
	for (uint32_t i = 0; i < c->n_nodes; i++)
		if (c->awaited & FTP_NODE_BIT(i))
			ftp_coordinator_profile(c, i, c->deadline_ns, a);
}

/* A node has been measured; when it was the last one, `next` follows. */
static void measured(struct ftp_coordinator *c, uint32_t node,
	void (*next)(struct ftp_coordinator *c, uint64_t now_ns, struct ftp_actions *a),
	uint64_t now_ns, struct ftp_actions *a)
{
	c->awaited &= ~FTP_NODE_BIT(node);
	if (!c->awaited && c->verdict_ns == FTP_NS_NEVER)
		next(c, now_ns, a);
}

/* An idle node's times against those it had: the profile stays what slowness refers to. */
static void note_idle(struct ftp_coordinator *c, uint32_t node, const struct ftp_profile *now)
{
	const struct ftp_profile *then = &c->nodes[node].profile;
	double now_ns = 0, then_ns = 0;

	for (uint32_t i = 0; i < now->n_units; i++) {
		now_ns += (double)(now->forward_ns[i] + now->backward_ns[i]);
		then_ns += (double)(then->forward_ns[i] + then->backward_ns[i]);
	}
	if (now_ns > 0 && then_ns > 0)
		ftp_slowness_init(&c->nodes[node].slowness, now_ns / then_ns);
}

int ftp_coordinator_on_profile(struct ftp_coordinator *c, uint32_t node, const struct ftp_event *e,
	uint64_t now_ns, struct ftp_actions *a, struct ftp_error *err)
{
	struct ftp_coordinator_node *n = &c->nodes[node];
	struct ftp_profile m;
	int rc;

	if (c->state >= FTP_RUN_FINISHING)
		return 0;
	rc = ftp_profile_decode(&m, e->body, err);
	if (!rc && m.n_units != c->settings.n_units)
		rc = ftp_error_set(err, EPROTO, "times of %u units; the model has %u", m.n_units,
			c->settings.n_units);
	n->measuring = false;
	if (rc)
		return rc;
	if (c->state == FTP_RUN_TRAINING && n->profiled && !(c->newcomers & FTP_NODE_BIT(node))) {
		note_idle(c, node, &m);
		ftp_coordinator_recovery_look(c, now_ns, a); /* it can halt now */
		return 0;
	}
	n->profile = m;
	n->profiled = true;
	ftp_coordinator_event_profile(c, node, now_ns, a);
	ftp_coordinator_recovery_look(c, now_ns, a);
	if (c->state == FTP_RUN_PROFILING)
		measured(c, node, profiled_all, now_ns, a);
	return 0;
}

int ftp_coordinator_on_links(struct ftp_coordinator *c, uint32_t node, const struct ftp_event *e,
	uint64_t now_ns, struct ftp_actions *a, struct ftp_error *err)
{
	struct ftp_links m;
	uint64_t peers = FTP_NODE_BIT(node);
	int rc;

	if (c->state != FTP_RUN_PROBING)
		return 0;
	rc = ftp_links_decode(&m, e->body, err);
	for (uint32_t i = 0; !rc && i < m.n_peers; i++) {
		if (m.peer[i] >= c->n_nodes || !m.bytes_per_s[i])
			return ftp_error_set(err, EPROTO, "a link that cannot be");
		peers |= FTP_NODE_BIT(m.peer[i]);
		c->links[node][m.peer[i]].rtt_ns = m.rtt_ns[i];
		c->links[node][m.peer[i]].bytes_per_s = m.bytes_per_s[i];
	}
	if (!rc && peers != UINT64_MAX >> (64 - c->n_nodes)) /* all were there when it was asked */
		rc = ftp_error_set(err, EPROTO, "not every link was measured");
	if (rc)
		return rc;
	ftp_coordinator_event_links(c, node, &m, now_ns, a);
	measured(c, node, ftp_coordinator_plan_first, now_ns, a);
	return 0;
}
