/* Assembly: everything that a plan needs of this node, built before the plan is committed: stage
 * with its initial state, feed (central node), net loop with its links, pipeline. The worker's
 * thread. */
#ifndef FTP_RUNTIME_ASSEMBLY_H
#define FTP_RUNTIME_ASSEMBLY_H

#include "ctl/protocol.h"
#include "runtime/base/waker.h"
#include "runtime/feed.h"
#include "runtime/pipeline.h"

struct ftp_assembly_spec { /* all lent until ftp_assembly_tear_down() */
	const struct ftp_config *config;
	const struct ftp_model *model;
	const struct ftp_dataset *dataset; /* NULL where the node has no data */
	struct ftp_region *region;
	const struct ftp_plan *plan;
	int node;     /* index in the config */
	int net_core; /* -1: the net loop is folded into the worker's */
	struct ftp_waker *waker;
	struct ftp_impair impair; /* of new links, as in struct ftp_mesh_spec */
	bool is_drill;
};

struct ftp_assembly {
	int index; /* stage of this node in the plan */
	struct ftp_stage *stage;
	struct ftp_feed *feed;
	struct ftp_netloop *net;
	struct ftp_pipeline *pipeline;
};

/* The links are opened, not yet established. On failure nothing is left. */
int ftp_assembly_build(struct ftp_assembly *a, const struct ftp_assembly_spec *spec,
	uint64_t now_ns, struct ftp_error *err);
void ftp_assembly_tear_down(struct ftp_assembly *a, uint64_t now_ns);

#endif
