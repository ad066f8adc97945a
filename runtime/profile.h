/* Profile of a model on this node: how long each unit takes forward, backward and in the update, at
 * the run's micro-batch, and what memory it takes. The worker's thread, while it has no plan.
 *
 * Where the whole model does not fit the region, it is measured in pieces that do, down to one
 * unit. A unit's time is as in training: under the node's slowdown, and with whatever else runs on
 * its cores. */
#ifndef FTP_RUNTIME_PROFILE_H
#define FTP_RUNTIME_PROFILE_H

#include <stdatomic.h>

#include "ctl/protocol.h"
#include "kernels/stage.h"

struct ftp_profile_spec {
	struct ftp_stage_spec stage; /* as for training, its units and slots are ignored */
	double slowdown;	     /* as in runtime/throttle.h; 1: none */
	const _Atomic bool *stop;    /* ends the measurement early; may be NULL */
};

/* Warm-up, then rounds until there are five and 1.5 s have passed; fewer when a minute has: medians
 * over the rounds. -ENOMEM: some unit alone does not fit; -ECANCELED: stopped. */
int ftp_profile_measure(
	struct ftp_profile *out, const struct ftp_profile_spec *spec, struct ftp_error *err);

/* Fills n_units and the bytes alone, without running anything; of spec as
 * ftp_memory_model_measure(). */
int ftp_profile_memory(
	struct ftp_profile *out, const struct ftp_stage_spec *spec, struct ftp_error *err);

#endif
