/* Mesh: the links that a member of a plan needs, opened over the port that the config asks for:
 * memif between processes of one box, kernel UDP elsewhere. One port per pair, incarnation and
 * term: the links of two plans live beside each other. Peers are numbered by member. */
#ifndef FTP_RUNTIME_MESH_H
#define FTP_RUNTIME_MESH_H

#include "ctl/config.h"
#include "ctl/protocol.h"
#include "runtime/netloop.h"

struct ftp_mesh_spec {
	const struct ftp_config *config;
	const struct ftp_plan *plan;
	int index;	     /* this member */
	uint32_t n_messages; /* open at once on one connection */
	uint32_t max_message_bytes;
	uint64_t max_ack_delay_ns;
	struct ftp_impair impair; /* of what this node sends and receives */
	bool is_drill;		  /* ftp_netloop_impair() may come: every port is wrapped */
};

/* Does this node ever need DPDK: another node has its host and the port is not UDP. */
bool ftp_mesh_needs_memif(const struct ftp_config *config, int node);

/* Opens and adds the link to one peer, whatever ftp_moves_connects() says. One that is not heard is
 * lost as one that falls silent. */
int ftp_mesh_open_link(struct ftp_netloop *net, const struct ftp_mesh_spec *spec, int peer,
	uint64_t now_ns, struct ftp_error *err);

/* Opens and adds every link of the member; they are established later, and for how long that is
 * waited for is the caller's. */
int ftp_mesh_open(struct ftp_netloop *net, const struct ftp_mesh_spec *spec, uint64_t now_ns,
	struct ftp_error *err);

#endif
