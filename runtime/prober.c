#include "runtime/prober.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/mesh.h"
#include "runtime/poller.h"
#include "runtime/probe.h"

#define DEADLINE_NS  (20 * FTP_NS_PER_S)
#define ACK_DELAY_NS (1 * FTP_NS_PER_MS) /* nothing is computed meanwhile */

struct prober {
	const struct ftp_prober_spec *spec;
	struct ftp_plan *plan; /* the probed nodes, as stages */
	int self;
	struct ftp_netloop *net;
	struct ftp_probe_script *script;
	uint64_t deadline_ns;
};

static int find_self(struct prober *p, struct ftp_error *err)
{
	const struct ftp_probe *probe = p->spec->probe;

	p->self = -1;
	for (uint32_t i = 0; i < probe->n_nodes; i++) {
		if (probe->nodes[i].node >= p->spec->config->n_nodes)
			return ftp_error_set(
				err, EINVAL, "nodes: there is no node %u", probe->nodes[i].node);
		if (probe->nodes[i].node == (uint32_t)p->spec->node)
			p->self = (int)i;
	}
	return p->self < 0 ? ftp_error_set(err, EINVAL, "nodes: this node is not among them") : 0;
}

static int open_links(struct prober *p, struct ftp_error *err)
{
	const struct ftp_probe *probe = p->spec->probe;
	const struct ftp_mesh_spec mesh = {.config = p->spec->config,
		.plan = p->plan,
		.index = p->self,
		.n_messages = FTP_PROBE_N_MESSAGES,
		.max_message_bytes = FTP_PROBE_MAX_BYTES,
		.max_ack_delay_ns = ACK_DELAY_NS,
		.impair = p->spec->impair,
		.is_drill = p->spec->is_drill};
	int rc;

	p->plan->run = probe->run;
	p->plan->term = probe->term;
	p->plan->n_stages = probe->n_nodes;
	memcpy(p->plan->stages, probe->nodes, sizeof(probe->nodes));
	rc = ftp_netloop_new(&p->net, p->spec->net_core, p->spec->waker, err);
	for (int peer = 0; !rc && peer < (int)probe->n_nodes; peer++)
		if (peer != p->self)
			rc = ftp_mesh_open_link(p->net, &mesh, peer, ftp_clock_now_ns(), err);
	return rc;
}

/* 1: nothing was there to do. */
static int turn(struct prober *p, struct ftp_error *err)
{
	const struct ftp_plan_stage *nodes = p->plan->stages;
	uint64_t now_ns = ftp_clock_now_ns();
	bool moved = ftp_netloop_turn(p->net, now_ns) > 0;
	struct ftp_netloop_event e;

	while (ftp_netloop_next_event(p->net, &e)) {
		moved = true;
		if (!ftp_probe_event(p->script, &e, ftp_clock_now_ns()))
			return ftp_error_set(err, ECONNRESET, "%s %s while links were measured",
				nodes[e.peer].name,
				e.event.reason == FTP_CONNECTION_PEER_CLOSED ? "gave up"
									     : "did not answer");
	}
	ftp_probe_serve(p->script, now_ns);
	if (now_ns >= p->deadline_ns) {
		int partner = ftp_probe_partner(p->script);

		return ftp_error_set(err, ETIMEDOUT,
			"the link to %s was not measured within %llu s",
			partner < 0 ? "some peer" : nodes[partner].name,
			DEADLINE_NS / FTP_NS_PER_S);
	}
	if (atomic_load_explicit(p->spec->stop, memory_order_relaxed))
		return ftp_error_set(err, ECANCELED, "stopped");
	return moved ? 0 : 1;
}

static void sleep_until_packet(struct prober *p)
{
	struct pollfd fd = {.fd = p->spec->waker->fd, .events = POLLIN};

	ftp_netloop_sleep(&p->net, 1, &fd, 1, ftp_clock_now_ns(), p->deadline_ns);
}

static int run(struct prober *p, struct ftp_error *err)
{
	struct ftp_poller poller = {0};
	int rc = 0;

	p->deadline_ns = ftp_clock_now_ns() + DEADLINE_NS;
	while (rc >= 0 && !ftp_probe_is_done(p->script)) {
		rc = turn(p, err);
		if (rc < 0 || ftp_poller_turn(&poller, rc == 0))
			continue;
		ftp_waker_arm(p->spec->waker);
		rc = turn(p, err);
		if (rc == 1 && !ftp_probe_is_done(p->script))
			sleep_until_packet(p);
		ftp_waker_disarm(p->spec->waker);
	}
	return rc < 0 ? rc : 0;
}

static void take_results(const struct prober *p, struct ftp_links *out)
{
	memset(out, 0, sizeof(*out));
	for (int peer = 0; peer < (int)p->plan->n_stages; peer++) {
		struct ftp_probe_result r;

		if (peer == p->self)
			continue;
		r = ftp_probe_result(p->script, peer);
		out->peer[out->n_peers] = p->plan->stages[peer].node;
		out->rtt_ns[out->n_peers] = r.rtt_ns;
		out->bytes_per_s[out->n_peers++] = r.bytes_per_s;
	}
}

int ftp_prober_measure(
	struct ftp_links *out, const struct ftp_prober_spec *spec, struct ftp_error *err)
{
	struct prober p = {.spec = spec, .plan = calloc(1, sizeof(*p.plan))};
	int rc;

	ftp_assert(p.plan);
	rc = find_self(&p, err);
	if (!rc)
		rc = open_links(&p, err);
	if (!rc) {
		p.script = ftp_probe_new(p.net, (int)spec->probe->n_nodes, p.self);
		rc = run(&p, err);
	}
	if (!rc)
		take_results(&p, out);
	ftp_netloop_free(p.net, ftp_clock_now_ns());
	ftp_probe_free(p.script);
	free(p.plan);
	return rc;
}
