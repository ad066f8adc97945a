#include "runtime/mesh.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "net/dpdk/memif.h"
#include "net/impair.h"
#include "net/udp.h"
#include "runtime/base/clock.h"
#include "runtime/base/prng.h"
#include "runtime/moves.h"

static bool is_local(const struct ftp_config *config, const char *a, const char *b)
{
	return config->net.port != FTP_NET_UDP && !strcmp(a, b);
}

bool ftp_mesh_needs_memif(const struct ftp_config *config, int node)
{
	for (int i = 0; i < (int)config->n_nodes; i++)
		if (i != node && is_local(config, config->nodes[i].host, config->nodes[node].host))
			return true;
	return false;
}

static const struct ftp_plan_stage *member(const struct ftp_mesh_spec *spec, int i)
{
	return ftp_plan_member(spec->plan, (uint32_t)i);
}

/* The server's incarnation first, so that both ends derive the same name. */
static void memif_name(char *name, size_t bytes, const struct ftp_plan *plan,
	const struct ftp_plan_stage *server, const struct ftp_plan_stage *client)
{
	snprintf(name, bytes, "ftpipe-%016" PRIx64 "-%016" PRIx64 "-%016" PRIx64 "-%" PRIx64,
		plan->run, server->incarnation, client->incarnation, plan->term);
}

static int open_port(
	struct ftp_port **port, const struct ftp_mesh_spec *spec, int peer, struct ftp_error *err)
{
	const struct ftp_plan_stage *self = member(spec, spec->index);
	const struct ftp_plan_stage *other = member(spec, peer);
	bool is_server = self->node < other->node;
	char name[100];

	if (!is_local(spec->config, self->host, other->host))
		return ftp_udp_open(port, self->host, self->udp_port, other->host, other->udp_port,
			spec->config->net.mtu, err);
	memif_name(
		name, sizeof(name), spec->plan, is_server ? self : other, is_server ? other : self);
	return ftp_memif_open(
		port, &(struct ftp_memif_params){.socket = name, .server = is_server}, err);
}

static struct ftp_port *emulate(struct ftp_port *port, const struct ftp_mesh_spec *spec, int peer)
{
	const struct ftp_plan_stage *self = member(spec, spec->index);
	const struct ftp_impair *i = &spec->impair;

	if (!spec->is_drill && i->loss <= 0 && !i->delay_ns && !i->bandwidth_bytes_per_s)
		return port;
	return ftp_impair_wrap(port, i,
		ftp_prng_key(spec->config->training.seed, FTP_PRNG_FAULT,
			(uint64_t)(self->node * FTP_CONFIG_MAX_NODES) + member(spec, peer)->node),
		ftp_clock_now_ns);
}

static int open_link(struct ftp_link *link, const struct ftp_mesh_spec *spec, int peer,
	bool waits_for_peer, uint64_t now_ns, struct ftp_error *err)
{
	const struct ftp_plan *plan = spec->plan;
	struct ftp_connection_params params = {.run = plan->run,
		.term = plan->term,
		.local = member(spec, spec->index)->incarnation,
		.remote = member(spec, peer)->incarnation,
		.n_messages = spec->n_messages,
		.max_message_bytes = spec->max_message_bytes,
		.max_ack_delay_ns = spec->max_ack_delay_ns,
		.idle_timeout_ns = FTP_LINK_SILENCE_NS,
		.waits_for_peer = waits_for_peer};
	int rc = open_port(&link->port, spec, peer, err);

	if (rc)
		return rc;
	link->port = emulate(link->port, spec, peer);
	params.caps = link->port->caps;
	rc = ftp_connection_new(&link->connection, &params, now_ns, err);
	if (rc)
		link->port->ops->close(link->port);
	return rc;
}

static int add_link(struct ftp_netloop *net, const struct ftp_mesh_spec *spec, int peer,
	bool waits_for_peer, uint64_t now_ns, struct ftp_error *err)
{
	struct ftp_link link;
	int rc = open_link(&link, spec, peer, waits_for_peer, now_ns, err);

	if (rc)
		return ftp_error_prefix(err, rc, "link to %s", member(spec, peer)->name);
	ftp_netloop_add(net, peer, &link);
	return 0;
}

int ftp_mesh_open_link(struct ftp_netloop *net, const struct ftp_mesh_spec *spec, int peer,
	uint64_t now_ns, struct ftp_error *err)
{
	return add_link(net, spec, peer, false, now_ns, err);
}

int ftp_mesh_open(struct ftp_netloop *net, const struct ftp_mesh_spec *spec, uint64_t now_ns,
	struct ftp_error *err)
{
	for (int peer = 0; peer < ftp_moves_n_members(spec->plan); peer++) {
		int rc = 0;

		if (ftp_moves_connects(spec->plan, spec->index, peer))
			rc = add_link(net, spec, peer, true, now_ns, err);
		if (rc)
			return rc;
	}
	return 0;
}
