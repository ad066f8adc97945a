/* Assembly: everything that a plan needs of this node. It comes about in four parts:
 *
 *   build    stage (primitives, memory, values of units that are drawn from the seed) and room for
 *            the units that travel and for snapshots; any thread, the builder's: it may take
 * seconds connect  net loop and links; the worker's thread, as all that follows receive  once the
 * step is known: feed (central node) and pipeline, from the step after it on start    the plan is
 * in force: the room that was built for snapshots goes to the store
 *
 * Stages that hold a unit already give it to the next assembly directly.
 */
#ifndef FTP_RUNTIME_ASSEMBLY_H
#define FTP_RUNTIME_ASSEMBLY_H

#include "ctl/protocol.h"
#include "runtime/base/waker.h"
#include "runtime/feed.h"
#include "runtime/pipeline.h"
#include "runtime/replicas.h"
#include "runtime/states.h"

struct ftp_assembly_spec { /* all lent until ftp_assembly_free() */
	const struct ftp_config *config;
	const struct ftp_model *model;
	const struct ftp_dataset *dataset; /* NULL where the node has no data */
	struct ftp_region *region;
	int node;     /* index in the config */
	int net_core; /* -1: the net loop is folded into the worker's */
	struct ftp_waker *waker;
	struct ftp_impair impair; /* of new links, as in struct ftp_mesh_spec */
	bool is_drill;
};

struct ftp_assembly {
	struct ftp_assembly_spec spec;
	struct ftp_plan *plan; /* owned */
	int member;	       /* of the plan; a stage, or one that leaves and has no stage */
	struct ftp_stage *stage;
	struct ftp_states *states; /* units that travel from or to here */
	struct ftp_netloop *net;
	struct ftp_feed *feed;
	struct ftp_pipeline *pipeline;
	struct ftp_snapshot_places *places; /* until the plan is in force; NULL: no snapshots */
	struct ftp_replicas *replicas;	    /* from then on, while the links are open */

	/* The builder's: */
	struct ftp_assembly *next;
	bool discarded;
	int failed; /* negative errno of the build, err says why */
	struct ftp_error err;
};

/* Takes plan, which has this node as a member. */
struct ftp_assembly *ftp_assembly_new(const struct ftp_assembly_spec *spec, struct ftp_plan *plan);
void ftp_assembly_free(struct ftp_assembly *a); /* after ftp_assembly_disconnect(); any thread */

/* -ENOMEM when the region does not hold the stage, -EINVAL, -ENOTSUP. */
int ftp_assembly_build(struct ftp_assembly *a, struct ftp_error *err);

/* The links are opened, not yet established. -EINVAL and what the ports give. */
int ftp_assembly_connect(struct ftp_assembly *a, uint64_t now_ns, struct ftp_error *err);

/* Closes every link; the pipeline is over. */
void ftp_assembly_disconnect(struct ftp_assembly *a, uint64_t now_ns);

/* Posts the units that come here, as of step; training begins with step + 1. -EINVAL: the data set
 * does not fit. */
int ftp_assembly_receive(struct ftp_assembly *a, uint64_t step, struct ftp_error *err);

/* Snapshots go into the store from now on, if the configuration has any; both are lent until
 * ftp_assembly_disconnect(). */
void ftp_assembly_start(
	struct ftp_assembly *a, struct ftp_snapshots *store, struct ftp_replicas_stats *stats);

/* The units of `from`'s stage that stay here, while nothing runs on it. */
void ftp_assembly_copy(struct ftp_assembly *a, struct ftp_assembly *from);

/* Stages that this one has a link to. */
int ftp_assembly_n_peers(const struct ftp_assembly *a);

#endif
